/*
 * From a path to a place in the tree.
 *
 * A walk goes over cached names under dcache_lock, counting nothing. Where it must sleep - a name that is not cached,
 * a symbolic link - it takes references (the anchor), drops the lock, and goes on. The caller drives it: walk_begin,
 * walk_to_last, then the last component in the way its call wants, walk_end.
 */
#include "fs/internal.h"

#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_LINKS 40

/* --- names from the user --- */

int filename_get(struct filename *f, const char __user *name)
{
	ssize_t n = strncpy_from_user(f->short_text, name, sizeof(f->short_text));

	f->text = f->short_text;
	if (n != -ENAMETOOLONG)
		return n < 0 ? (int)n : 0;
	f->text = kmalloc(PATH_MAX);
	if (!f->text)
		return -ENOMEM;
	n = strncpy_from_user(f->text, name, PATH_MAX);
	if (n < 0)
		filename_put(f);
	return n < 0 ? (int)n : 0;
}

void filename_put(struct filename *f)
{
	if (f->text != f->short_text)
		kfree(f->text);
}

/* --- places --- */

void path_get(const struct path *path)
{
	if (path->mnt)
		atomic_inc(&path->mnt->refs);
	if (path->dentry)
		dentry_get(path->dentry);
}

void path_put(const struct path *path)
{
	dentry_put(path->dentry);
	if (!path->mnt)
		return;
	if (unlikely(path->mnt->expiring))
		path->mnt->expiring = false;
	mount_put(path->mnt);
}

bool path_equal(const struct path *a, const struct path *b) { return a->mnt == b->mnt && a->dentry == b->dentry; }

void current_root(struct path *out)
{
	struct fs_context *fs = current->fs;

	if (!fs) {
		*out = (struct path){ root_mount, root_mount->root };
		return;
	}
	spin_lock(&fs->lock);
	*out = fs->root;
	spin_unlock(&fs->lock);
}

static void current_cwd(struct path *out)
{
	struct fs_context *fs = current->fs;

	if (!fs) {
		current_root(out);
		return;
	}
	spin_lock(&fs->lock);
	*out = fs->cwd;
	spin_unlock(&fs->lock);
}

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
	if (w->locked)
		spin_unlock(&dcache_lock);
	w->locked = false;
	path_put(&w->anchor);
	path_put(&w->root);
	dentry_put(w->hold);
	kfree(w->buffer);
	w->root = (struct path){ NULL, NULL };
	w->anchor = (struct path){ NULL, NULL };
	w->hold = NULL;
	w->buffer = NULL;
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

int walk_step_last(struct walk *w, bool follow)
{
	struct dentry *child;
	int error;

	if (w->type == LAST_DOTDOT)
		return step_up(w);
	if (w->type != LAST_NAME)
		return 0;
	relock(w);
	child = dentry_find_locked(w->at.dentry, &w->last);
	if (likely(child)) {
		/* Something that is there, no link, and nothing is mounted on it: half of what walk_enter_child() costs. */
		if (likely(child->inode && !S_ISLNK(child->inode->mode) && !child->mounted)) {
			w->at.dentry = child;
			return 0;
		}
		return walk_enter_child(w, child, follow);
	}
	error = lookup_slow(w, &child);
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

/* May the walk look for names here? */
static int check_directory(struct walk *w)
{
	struct inode *inode = w->at.dentry->inode;

	if (!S_ISDIR(inode->mode))
		return -ENOTDIR;
	return inode_permission(inode, MAY_EXEC);
}

/* Take the next component off the rest. False: there is none. */
static bool next_component(struct walk *w)
{
	const char *p = w->rest;
	u32 hash = 0;

	while (*p == '/')
		p++;
	w->last.text = p;
	for (; *p && *p != '/'; p++)
		hash = (hash + (u8)*p) * 0x9e3779b1;	/* name_hash() */
	w->last.len = (u32)(p - w->last.text);
	w->last.hash = hash;
	w->slash = *p == '/';
	while (*p == '/')
		p++;
	w->rest = p;
	w->type = LAST_NAME;
	if (w->last.text[0] == '.' && w->last.len == 1)
		w->type = LAST_DOT;
	else if (w->last.text[0] == '.' && w->last.len == 2 && w->last.text[1] == '.')
		w->type = LAST_DOTDOT;
	return w->last.len != 0;
}

int walk_to_last(struct walk *w)
{
	for (;;) {
		int error;

		relock(w);
		if (!next_component(w)) {
			w->type = LAST_ROOT;
			return 0;
		}
		error = check_directory(w);
		if (error || !*w->rest)
			return error;
		error = walk_step_last(w, true);
		if (error < 0)
			return error;
	}
}

/* AT_EMPTY_PATH: the descriptor itself. */
static int path_of_fd(int fd, struct path *out)
{
	struct file *file;

	if (fd == AT_FDCWD) {
		spin_lock(&dcache_lock);
		current_cwd(out);
		path_get(out);
		spin_unlock(&dcache_lock);
		return 0;
	}
	file = fd_get(fd);
	if (!file)
		return -EBADF;
	*out = file->path;
	path_get(out);
	file_put(file);
	return 0;
}

/* To the end of the name; dcache_lock is held. The caller ends the walk, if 0 or an error of the walk itself comes back (*begun). */
static int walk_through(struct walk *w, int dirfd, const char *name, u32 flags, bool *begun)
{
	int error = walk_begin(w, dirfd, name);

	*begun = !error;
	if (error)
		return error;
	do {
		error = walk_to_last(w);
		if (!error)
			error = walk_step_last(w, flags & LOOKUP_FOLLOW || w->slash);
	} while (error == 1);
	relock(w);
	if (!error && (w->slash || flags & LOOKUP_DIRECTORY) && !S_ISDIR(w->at.dentry->inode->mode))
		error = -ENOTDIR;
	return error;
}

int walk_path(int dirfd, const char *name, u32 flags, struct path *out)
{
	struct walk w;
	bool begun;
	int error = walk_through(&w, dirfd, name, flags, &begun);

	if (!error)
		walk_take(&w, out);
	if (begun)
		walk_end(&w);
	return error;
}

/* Under dcache_lock, which keeps what is there: no reference is taken and given back. Of devices getattr may sleep. */
static bool fill_stat_locked(const struct walk *w, struct kstat *k)
{
	struct inode *inode = w->at.dentry->inode;

	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))
		return false;
	generic_fill_stat(inode, k);
	return true;
}

int path_stat_user(int dirfd, const char __user *name, u32 flags, struct kstat *k)
{
	struct path path = { NULL, NULL };
	struct filename f;
	struct walk w;
	bool begun = false;
	int error = filename_get(&f, name);

	if (error)
		return error;
	if (flags & LOOKUP_EMPTY && !*f.text) {
		error = path_of_fd(dirfd, &path);
	} else {
		error = walk_through(&w, dirfd, f.text, flags, &begun);
		if (!error && !fill_stat_locked(&w, k))
			walk_take(&w, &path);
		if (begun)
			walk_end(&w);
	}
	if (path.dentry) {
		generic_fill_stat(path.dentry->inode, k);
		path_put(&path);
	}
	filename_put(&f);
	return error;
}

int path_lookup(const char *kernel_name, u32 flags, struct path *out)
{
	return walk_path(AT_FDCWD, kernel_name, flags, out);
}

int path_lookup_user(int dirfd, const char __user *name, u32 flags, struct path *out)
{
	struct filename f;
	int error = filename_get(&f, name);

	if (error)
		return error;
	if (flags & LOOKUP_EMPTY && !*f.text)
		error = path_of_fd(dirfd, out);
	else
		error = walk_path(dirfd, f.text, flags, out);
	filename_put(&f);
	return error;
}
