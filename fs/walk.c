/*
 * The walk along a path, from directory to directory.
 *
 * It goes over cached names under dcache_lock, counting nothing. Where it must sleep - a name that is not cached,
 * a symbolic link - it takes references (the anchor), drops the lock, and goes on. The caller drives it: walk_begin,
 * walk_to_last, then the last component in the way its call wants, walk_end.
 */
#include "fs/dcache.h"

#include "mm/slab.h"

#define MAX_LINKS 40

/* --- the two states of a walk --- */

static inline void relock(struct walk *w)
{
	if (unlikely(!w->locked)) {
		spin_lock(&dcache_lock);
		w->locked = true;
	}
}

void walk_relock(struct walk *w) { relock(w); }

/* Anchor the place where the walk is, so that it may sleep. */
static void walk_unlock(struct walk *w)
{
	struct path old = w->anchor;
	struct dentry *hold = w->hold;

	if (!w->locked)
		return;
	path_get(&w->at);
	w->anchor = w->at;
	w->hold = NULL;
	spin_unlock(&dcache_lock);
	w->locked = false;
	path_put(&old);
	dentry_put(hold);
}

void walk_end(struct walk *w)
{
	if (likely(w->locked))
		spin_unlock(&dcache_lock);
	w->locked = false;
	if (likely(!w->anchor.dentry && !w->root.dentry && !w->hold && !w->buffer))
		return;			/* all names were cached and no links: nothing was counted */
	path_put(&w->anchor);
	path_put(&w->root);
	dentry_put(w->hold);
	kfree(w->buffer);
}

void walk_take(struct walk *w, struct path *out)
{
	relock(w);
	*out = w->at;
	path_get(out);
}

int walk_begin(struct walk *w, int dirfd, const char *name)
{
	*w = (struct walk){ .rest = name };
	if (!*name)
		return -ENOENT;
	if (*name != '/' && dirfd != AT_FDCWD) {
		struct file *file = fd_get(dirfd);

		if (!file)
			return -EBADF;
		w->at = w->anchor = file->path;
		path_get(&w->anchor);
		file_put(file);
		if (!S_ISDIR(w->at.dentry->inode->mode)) {
			walk_end(w);
			return -ENOTDIR;
		}
		relock(w);
		return 0;
	}
	relock(w);
	if (*name == '/')
		current_root(&w->at);
	else
		current_cwd(&w->at);
	return 0;
}

int walk_begin_scoped(struct walk *w, int dirfd, const char *name, u32 resolve)
{
	const u32 scoped = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
	const char *relative = name;
	int error;

	if (*name == '/' && resolve & RESOLVE_BENEATH)
		return -EXDEV;
	if (*name == '/' && resolve & RESOLVE_IN_ROOT)
		relative = ".";			/* begins at dirfd: the slashes are skipped below */
	error = walk_begin(w, dirfd, relative);
	if (error)
		return error;
	w->rest = name;
	w->resolve = resolve;
	if (resolve & scoped) {
		w->root = w->at;
		path_get(&w->root);
	}
	return 0;
}

/* --- steps --- */

/* Where the walk cannot go above, and what "/" means in links. Not counted: under dcache_lock. */
static void walk_root(struct walk *w, struct path *out)
{
	if (w->root.dentry)
		*out = w->root;
	else
		current_root(out);
}

static int cross_mounts(struct walk *w)
{
	while (w->at.dentry->mounted) {
		struct mount *m = mount_at_locked(&w->at);

		if (!m)
			break;
		if (w->resolve & RESOLVE_NO_XDEV)
			return -EXDEV;
		w->at = (struct path){ m, m->root };
	}
	return 0;
}

static int step_up(struct walk *w)
{
	struct path root;

	relock(w);
	walk_root(w, &root);
	if (path_equal(&w->at, &root) && w->resolve & RESOLVE_BENEATH)
		return -EXDEV;
	while (!path_equal(&w->at, &root)) {
		if (w->at.dentry != w->at.mnt->root) {
			w->at.dentry = w->at.dentry->parent;
			break;
		}
		if (!w->at.mnt->parent)
			break;
		if (w->resolve & RESOLVE_NO_XDEV)
			return -EXDEV;
		w->at = (struct path){ w->at.mnt->parent, w->at.mnt->mountpoint };
	}
	return cross_mounts(w);
}

/* The walk is at `child`'s directory, which is anchored; the link's text is what is to be walked now. */
static int enter_text_link(struct walk *w, struct inode *inode)
{
	size_t rest_len = strlen(w->rest);
	char *text = kmalloc(PATH_MAX + rest_len + 2);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = inode->ops->readlink ? inode->ops->readlink(inode, text, PATH_MAX - 1) : -EINVAL;
	if (n <= 0) {
		kfree(text);
		return n ? (int)n : -ENOENT;
	}
	if (w->slash || rest_len)
		text[n++] = '/';
	memcpy(text + n, w->rest, rest_len + 1);
	kfree(w->buffer);
	w->buffer = text;
	w->rest = text;
	if (*text == '/') {
		struct path from = w->at;

		if (w->resolve & RESOLVE_BENEATH)
			return -EXDEV;
		relock(w);
		walk_root(w, &w->at);
		if (w->resolve & RESOLVE_NO_XDEV && w->at.mnt != from.mnt)
			return -EXDEV;
	}
	return 1;
}

/* Follow the symbolic link `child`. 0: a magic one, at is its goal; 1: its text is to be walked; or an error. */
static int enter_link(struct walk *w, struct dentry *child)
{
	struct inode *inode = child->inode;
	struct path goal;
	int error;

	if (++w->links > MAX_LINKS || w->resolve & RESOLVE_NO_SYMLINKS)
		return -ELOOP;
	if (inode->ops->follow && w->resolve & (RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return w->resolve & RESOLVE_NO_MAGICLINKS ? -ELOOP : -EXDEV;
	dentry_get(child);
	relock(w);
	walk_unlock(w);
	inode_touch_atime(inode);
	if (!inode->ops->follow) {
		error = enter_text_link(w, inode);
	} else {
		error = inode->ops->follow(inode, &goal);
		if (!error && w->resolve & RESOLVE_NO_XDEV && goal.mnt != w->at.mnt) {
			path_put(&goal);
			error = -EXDEV;
		}
		if (!error) {
			path_put(&w->anchor);
			w->at = w->anchor = goal;
		}
	}
	if (w->locked) {	/* child is put without the lock: keep it */
		struct dentry *old = w->hold;
		w->hold = child;
		ASSERT(!old);
	} else {
		dentry_put(child);
	}
	return error;
}

int walk_enter_child(struct walk *w, struct dentry *child, bool follow)
{
	relock(w);
	if (!child->inode)
		return -ENOENT;
	if (S_ISLNK(child->inode->mode) && follow)
		return enter_link(w, child);
	w->at.dentry = child;
	return cross_mounts(w);
}

/* The last component's dentry, which is not cached; the caller gets the reference. */
static int lookup_slow(struct walk *w, struct dentry **child)
{
	walk_unlock(w);
	if (w->last.len > NAME_MAX)
		return -ENAMETOOLONG;
	return dentry_lookup(w->at.dentry, &w->last, child);
}

int walk_child(struct walk *w, struct dentry **child)
{
	relock(w);
	*child = dentry_find_locked(w->at.dentry, &w->last);
	if (*child)
		dentry_get(*child);
	walk_unlock(w);
	return *child ? 0 : lookup_slow(w, child);
}

/* The last component's child is not cached: look it up and go there. */
static __attribute__((noinline)) int step_uncached(struct walk *w, bool follow)
{
	struct dentry *child;
	int error = lookup_slow(w, &child);

	if (error)
		return error;
	w->hold = child;	/* unlocked, so there was none */
	if (S_ISLNK(child->inode ? child->inode->mode : 0) && follow) {
		w->hold = NULL;
		error = enter_link(w, child);
		if (w->locked)
			atomic_dec(&child->refs);	/* w->hold has one more */
		else
			dentry_put(child);
		return error;
	}
	return walk_enter_child(w, child, follow);
}

/* walk_step_last(), locked. Inline in the loop over the components, where with dentry_find_locked() it saves 60 instructions for each. */
static inline __attribute__((always_inline)) int step(struct walk *w, bool follow)
{
	struct dentry *child;

	if (unlikely(w->type != LAST_NAME))
		return w->type == LAST_DOTDOT ? step_up(w) : 0;
	child = dentry_find_locked(w->at.dentry, &w->last);
	if (unlikely(!child))
		return step_uncached(w, follow);
	/* Something that is there, and no link: half of what walk_enter_child() costs. */
	if (unlikely(!child->inode || S_ISLNK(child->inode->mode)))
		return walk_enter_child(w, child, follow);
	w->at.dentry = child;
	return unlikely(child->mounted) ? cross_mounts(w) : 0;
}

int walk_step_last(struct walk *w, bool follow)
{
	relock(w);
	return step(w, follow);
}

/* May the walk look for names here? Where everybody may, it does not matter who asks. */
static inline int check_directory(const struct walk *w)
{
	struct inode *inode = w->at.dentry->inode;
	u32 mode = inode->mode;

	if (likely((mode & (S_IFMT | 0111)) == (S_IFDIR | 0111)))
		return 0;
	return S_ISDIR(mode) ? inode_permission(inode, MAY_EXEC) : -ENOTDIR;
}

/* Take the next component off the rest. False: there is none. */
static inline bool next_component(struct walk *w)
{
	const char *p = w->rest, *text;
	u32 hash = 0;
	char c;

	while (*p == '/')
		p++;
	text = p;
	for (c = *p; c && c != '/'; c = *++p)
		hash = (hash + (u8)c) * 0x9e3779b1;	/* name_hash() */
	w->last = (struct name){ text, (u32)(p - text), hash };
	w->slash = c;
	while (*p == '/')
		p++;
	w->rest = p;
	w->type = LAST_NAME;
	if (unlikely(*text == '.') && w->last.len == 1)
		w->type = LAST_DOT;
	else if (unlikely(*text == '.') && w->last.len == 2 && text[1] == '.')
		w->type = LAST_DOTDOT;
	return w->last.len != 0;
}

int walk_to_last(struct walk *w)
{
	relock(w);
	for (;;) {
		int error;

		if (unlikely(!next_component(w))) {
			w->type = LAST_ROOT;
			return 0;
		}
		error = check_directory(w);
		if (unlikely(error) || !*w->rest)
			return error;
		error = step(w, true);
		if (unlikely(error < 0))
			return error;
		relock(w);
	}
}
