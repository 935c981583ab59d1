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

/* If all names were cached and no links, nothing was counted. */
static inline bool holds_something(const struct walk *w) { return (u64)w->anchor.dentry | (u64)w->root.dentry | (u64)w->hold | (u64)w->buffer; }

static __attribute__((noinline)) void put_all(struct walk *w)
{
	path_put(&w->anchor);
	path_put(&w->root);
	dentry_put(w->hold);
	kfree(w->buffer);
}

void walk_end(struct walk *w)
{
	if (likely(w->locked))
		spin_unlock(&dcache_lock);
	w->locked = false;
	if (unlikely(holds_something(w)))
		put_all(w);
}

void walk_take(struct walk *w, struct path *out)
{
	walk_relock(w);
	*out = w->at;
	path_get(out);
}

void walk_end_at(struct walk *w, struct path *out)
{
	*out = w->at;
	path_get(out);
	walk_end(w);
}

int walk_begin(struct walk *w, int dirfd, const char *name)
{
	/* `at` is set below, the last component by walk_to_last(). One by one: half of what clearing all takes. */
	w->anchor = w->root = (struct path){ NULL, NULL };
	w->hold = NULL;
	w->rest = name;
	w->buffer = NULL;
	w->links = w->resolve = 0;
	w->locked = w->slash = false;
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
		walk_relock(w);
		return 0;
	}
	walk_relock(w);
	if (*name == '/')
		current_root(&w->at);
	else
		current_cwd(&w->at);
	return 0;
}

int walk_begin_resolve(struct walk *w, int dirfd, const char *name, u32 resolve)
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

	walk_relock(w);
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
	char *text = kmalloc(PATH_MAX + rest_len + 2 + NAME_SLACK);
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
		walk_relock(w);
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
	walk_relock(w);
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
	walk_relock(w);
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
	walk_relock(w);
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

/* To the component in w->last: 0; 1: it is a link, which was entered; or an error. */
static int step(struct walk *w, bool follow)
{
	struct dentry *child;

	if (w->type != LAST_NAME)
		return w->type == LAST_DOTDOT ? step_up(w) : 0;
	child = dentry_find_locked(w->at.dentry, &w->last);
	return child ? walk_enter_child(w, child, follow) : step_uncached(w, follow);
}

/* The lowest set bit is the top one of the first byte that is NUL or a slash; 0: there is none. */
static inline u64 find_end(u64 word)
{
	const u64 ones = 0x0101010101010101UL;
	u64 slash = word ^ ones * '/';

	return (((word - ones) & ~word) | ((slash - ones) & ~slash)) & ones << 7;
}

/* A name as it is found: words, for which it can be read some bytes past its end. */
struct component {
	const char *text, *end;
	u64 hash, word;		/* word: the last of the name's words, zeroes behind its end */
};

static inline __attribute__((always_inline)) struct component scan(const char *p)
{
	struct component c = { .text = p };
	u64 end;

	for (c.word = word_at(p, 8); !(end = find_end(c.word)); c.word = word_at(p, 8)) {
		c.hash = hash_word(c.hash, c.word);
		p += 8;
	}
	c.end = p + (u32)__builtin_ctzl(end) / 8;
	c.word &= ((end - 1) & ~end) >> 7;
	c.hash = hash_word(c.hash, c.word);
	return c;
}

/* Take the next component off the rest. LAST_ROOT: there is none. */
static enum last_type next_component(struct walk *w)
{
	struct component c;
	const char *p;
	u32 len;

	while (*w->rest == '/')
		w->rest++;
	c = scan(w->rest);
	len = (u32)(c.end - c.text);
	w->last = (struct name){ c.text, len, (u32)c.hash };
	w->slash = *c.end;
	for (p = c.end; *p == '/'; p++)
		;
	w->rest = p;
	if (!len)
		return LAST_ROOT;
	if (*c.text != '.' || len > 2)
		return LAST_NAME;
	return len == 1 ? LAST_DOT : c.text[1] == '.' ? LAST_DOTDOT : LAST_NAME;
}

/* May the walk look for names here? */
static int check_directory(const struct walk *w)
{
	struct inode *inode = w->at.dentry->inode;

	return S_ISDIR(inode->mode) ? inode_permission(inode, MAY_EXEC) : -ENOTDIR;
}

/* May names be looked for here? In a directory where everybody may it does not matter who asks. */
static inline bool may_pass(struct inode *inode)
{
	u32 mode = inode->mode;

	return likely((mode & (S_IFMT | 0111)) == (S_IFDIR | 0111)) || (S_ISDIR(mode) && !inode_permission_slow(inode, MAY_EXEC));
}

/* The usual child: a name that is there, and no link. Short names are compared by the word that the walk has already. */
static inline __attribute__((always_inline)) struct dentry *find_plain(struct dentry *parent, const struct component *c)
{
	const struct list_head *bucket = dentry_bucket(parent, (u32)c->hash);
	u32 len = (u32)(c->end - c->text);

	for (struct list_head *node = bucket->next; node != bucket; node = node->next) {
		struct dentry *d = list_entry(node, struct dentry, hash_node);

		if (d->hash != (u32)c->hash || d->parent != parent || d->name_len != len)
			continue;
		if (unlikely(len < 8 ? word_at(d->short_name, 8) != c->word : !same_text(d->name, c->text, len)))
			continue;
		if (unlikely(!d->inode || S_ISLNK(d->inode->mode)))
			return NULL;
		d->used = true;
		return d;
	}
	return NULL;
}

/*
 * As far as there is nothing about the components: cached names without a leading dot, of directories where the caller may search. True: all is
 * done, as walk_on() would. In registers, where step by step it took twice as many instructions: 190 for two components.
 */
static bool walk_plain(struct walk *w, bool whole)
{
	struct dentry *dir = w->at.dentry;
	const char *p = w->rest;

	while (*p == '/')
		p++;
	for (;;) {
		struct component c;

		w->rest = p;
		if (unlikely(*p == '.' || !*p || !may_pass(dir->inode)))
			return false;
		c = scan(p);
		for (p = c.end; *p == '/'; p++)
			;
		if (!*p && !whole) {
			w->last = (struct name){ c.text, (u32)(c.end - c.text), (u32)c.hash };
			w->slash = *c.end;
			w->type = LAST_NAME;
			w->rest = p;
			return true;
		}
		dir = find_plain(dir, &c);
		if (unlikely(!dir))
			return false;
		w->at.dentry = dir;
		if (unlikely(dir->mounted)) {
			cross_mounts(w);	/* no error: only RESOLVE_NO_XDEV has one */
			dir = w->at.dentry;
		}
		if (!*p) {
			w->slash = *c.end;
			return true;
		}
	}
}

/* Over the components; before the last one it stops unless `whole`, where that is a step like the others. */
static int walk_on(struct walk *w, bool whole, bool follow)
{
	for (;;) {
		bool last;
		int error;

		walk_relock(w);
		if (likely(!w->resolve) && walk_plain(w, whole))
			return 0;
		w->type = next_component(w);
		if (w->type == LAST_ROOT)
			return 0;
		error = check_directory(w);
		last = !*w->rest;
		if (error || (last && !whole))
			return error;
		error = step(w, !last || follow || w->slash);
		if (error < 0 || (last && !error))
			return error;
	}
}

int walk_to_last(struct walk *w) { return walk_on(w, false, true); }
int walk_to_end(struct walk *w, bool follow) { return walk_on(w, true, follow); }
