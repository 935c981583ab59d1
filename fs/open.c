/*
 * open(2): the flags, the walk with its last component, creation, truncation.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

#define VALID_FLAGS (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | FASYNC | \
	O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | __O_TMPFILE)

/* An open in progress. */
struct open_request {
	u32 flags, mode;
	u32 resolve;		/* RESOLVE_* of openat2 */
	u32 access;		/* MAY_* that the flags ask for */
	bool created, cloexec;
};

static int check_flags(struct open_request *r)
{
	static const u8 access_of[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };

	r->flags &= VALID_FLAGS;
	if (r->flags & O_PATH)
		r->flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	r->access = r->flags & O_PATH ? 0 : access_of[r->flags & O_ACCMODE];
	if (r->flags & __O_TMPFILE) {
		if ((r->flags & O_TMPFILE) != O_TMPFILE || r->flags & O_CREAT || !(r->access & MAY_WRITE))
			return -EINVAL;
	} else if ((r->flags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY)) {
		return -EINVAL;
	}
	if (r->flags & O_TRUNC)
		r->access |= MAY_WRITE;
	return 0;
}

/* --- creation --- */

/* The last component does not exist: make it. -EEXIST: meanwhile somebody else did. at is its directory, anchored. */
static int create_last(struct walk *w, struct open_request *r, struct dentry **out)
{
	struct dentry *parent = w->at.dentry, *d;
	struct inode *dir = parent->inode, *inode;
	int error;

	down_write(&dir->i_rwsem);
	error = dentry_lookup_locked(parent, &w->last, &d);
	if (error)
		goto out_unlock;
	if (d->inode)
		error = -EEXIST;
	else
		error = may_create(dir);
	if (!error)
		error = dir->ops->create ? dir->ops->create(dir, w->last.text, w->last.len, S_IFREG | create_mode(dir, r->mode), 0, &inode) : -EACCES;
	if (error) {
		dentry_put(d);
		goto out_unlock;
	}
	dentry_set_inode(d, inode);
	r->created = true;
	*out = d;
out_unlock:
	up_write(&dir->i_rwsem);
	return error;
}

/* Go to the last component, making it if it is not there: 0, or 1: a link was entered, or an error. */
static __attribute__((noinline)) int step_create(struct walk *w, struct open_request *r)
{
	struct dentry *child;
	int error;

	if (w->type != LAST_NAME)
		return r->flags & O_EXCL ? -EEXIST : -EISDIR;
	if (w->slash)
		return -EISDIR;
	error = walk_child(w, &child);
	if (error)
		return error;
	if (!child->inode) {
		dentry_put(child);
		error = create_last(w, r, &child);
		if (error == -EEXIST)
			error = walk_child(w, &child);
		if (error)
			return error;
	}
	if (r->flags & O_EXCL && !r->created) {
		dentry_put(child);
		return -EEXIST;
	}
	error = walk_enter_child(w, child, !(r->flags & (O_NOFOLLOW | O_EXCL)));
	if (w->locked) {
		struct path here;

		walk_take(w, &here);	/* so that child may be put */
		spin_unlock(&dcache_lock);
		w->locked = false;
		path_put(&w->anchor);
		dentry_put(w->hold);
		w->hold = NULL;
		w->at = w->anchor = here;
	}
	dentry_put(child);
	return error;
}

/* --- the found inode --- */

static int check_found(const struct walk *w, const struct open_request *r, struct inode *inode)
{
	u32 mode = inode->mode, flags = r->flags;

	if (flags & O_CREAT && S_ISDIR(mode))
		return -EISDIR;
	if ((flags & O_DIRECTORY || w->slash) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (flags & O_PATH)
		return 0;
	if (S_ISLNK(mode))
		return -ELOOP;
	if (flags & __O_TMPFILE)
		return inode_permission(inode, MAY_WRITE | MAY_EXEC);	/* the directory's */
	if (S_ISDIR(mode) && r->access & MAY_WRITE)
		return -EISDIR;
	if (!r->created) {
		int error = inode_permission(inode, (int)r->access);
		if (error)
			return error;
	}
	if (flags & O_NOATIME && !owner_or_root(inode))
		return -EPERM;
	if (S_ISSOCK(mode))
		return -ENXIO;
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && w->at.mnt && w->at.mnt->flags & MS_NODEV)
		return -EACCES;
	return 0;
}

/* The references of path are the file's, or given back. */
static struct file *finish_open(const struct path *path, const struct open_request *r)
{
	struct file *file = file_open_taken(path, r->flags);
	int error = 0;

	if (IS_ERR(file))
		return file;
	if (r->flags & O_TRUNC && S_ISREG(file->inode->mode) && !r->created)
		error = atomic_read(&file->inode->writers) < 0 ? -ETXTBSY : inode_truncate(file->inode, 0);
	if (unlikely(error)) {
		file_put(file);
		return ERR_PTR(error);
	}
	return file;
}

/* O_TMPFILE: a file in this directory without a name. */
static __attribute__((noinline)) struct file *open_unnamed(const struct path *where, struct open_request *r)
{
	struct inode *dir = where->dentry->inode, *inode = NULL;
	struct path path = { where->mnt, NULL };
	struct name name;
	char text[24];
	int error;

	down_write(&dir->i_rwsem);
	error = may_create(dir);
	if (!error)
		error = dir->ops->tmpfile ? dir->ops->tmpfile(dir, S_IFREG | create_mode(dir, r->mode), &inode) : -EOPNOTSUPP;
	up_write(&dir->i_rwsem);
	if (error)
		return ERR_PTR(error);
	ksnprintf(text, sizeof(text), "#%lu", inode->ino);
	name = (struct name){ text, (u32)strlen(text), name_hash(text, strlen(text)) };
	path.dentry = dentry_unnamed(where->dentry, &name, inode);
	if (!path.dentry) {
		inode_put(inode);
		return ERR_PTR(-ENOMEM);
	}
	if (!(r->flags & O_EXCL))
		inode_set_linkable(inode, true);
	r->created = true;
	if (path.mnt)
		atomic_inc(&path.mnt->refs);
	return finish_open(&path, r);
}

/* To what is to be opened, which is made if there is nothing and O_CREAT. */
static int walk_to_open(struct walk *w, struct open_request *r)
{
	int error;

	if (likely(!(r->flags & O_CREAT)))
		return walk_to_end(w, !(r->flags & O_NOFOLLOW));
	do {
		error = walk_to_last(w);
		if (!error)
			error = step_create(w, r);
	} while (error == 1);
	return error;
}

static struct file *open_name(int dirfd, const char *name, struct open_request *r)
{
	struct file *unnamed;
	struct path path;
	struct walk w;
	int error = unlikely(r->resolve) ? walk_begin_resolve(&w, dirfd, name, r->resolve) : walk_begin(&w, dirfd, name);

	if (error)
		return ERR_PTR(error);
	error = walk_to_open(&w, r);
	if (!error) {
		walk_relock(&w);
		error = check_found(&w, r, w.at.dentry->inode);
	}
	if (unlikely(error)) {
		walk_end(&w);
		return ERR_PTR(error);
	}
	walk_end_at(&w, &path);
	if (likely(!(r->flags & __O_TMPFILE)))
		return finish_open(&path, r);
	unnamed = open_unnamed(&path, r);
	path_put(&path);
	return unnamed;
}

/* --- system calls --- */

static __attribute__((noinline)) long do_open(int dirfd, const char __user *name, struct open_request *r)
{
	struct filename f;
	struct file *file;
	int fd, error = check_flags(r);

	if (error)
		return error;
	error = filename_get(&f, name);
	if (error)
		return error;
	if (!*f.text) {
		filename_put(&f);
		return -ENOENT;
	}
	fd = fd_reserve(0, r->cloexec);
	if (fd >= 0) {
		file = open_name(dirfd, f.text, r);
		if (IS_ERR(file)) {
			fd_unreserve(fd);
			fd = (int)PTR_ERR(file);
		} else {
			fd_install(fd, file);
		}
	}
	filename_put(&f);
	return fd;
}

static long open_call(int dirfd, const char __user *name, int flags, u32 mode)
{
	struct open_request r = { .flags = (u32)flags, .mode = mode, .cloexec = flags & O_CLOEXEC };

	return do_open(dirfd, name, &r);
}

long sys_open(const char __user *name, int flags, u32 mode) { return open_call(AT_FDCWD, name, flags | O_LARGEFILE, mode); }
long sys_openat(int dirfd, const char __user *name, int flags, u32 mode) { return open_call(dirfd, name, flags | O_LARGEFILE, mode); }
long sys_creat(const char __user *name, u32 mode) { return open_call(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A structure that may have grown: what the caller has more than we know must be zeroes. */
static int get_how(struct open_how *how, const struct open_how __user *user, size_t size)
{
	const char __user *rest = (const char __user *)(user + 1);

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	for (size_t i = 0; i < size - sizeof(*how); i++) {
		char c;

		if (get_user(c, rest + i))
			return -EFAULT;
		if (c)
			return -E2BIG;
	}
	return copy_from_user(how, user, sizeof(*how)) ? -EFAULT : 0;
}

/* Where open() ignores, openat2() refuses. */
static int check_how(const struct open_how *how)
{
	const u64 resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;

	if (how->flags & ~(u64)VALID_FLAGS || how->resolve & ~resolve)
		return -EINVAL;
	if (how->resolve & RESOLVE_BENEATH && how->resolve & RESOLVE_IN_ROOT)
		return -EINVAL;
	if (how->flags & (O_CREAT | __O_TMPFILE) ? how->mode & ~07777UL : how->mode)
		return -EINVAL;
	if (how->flags & O_PATH && how->flags & ~(u64)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC))
		return -EINVAL;
	/* RESOLVE_CACHED promises not to wait; we cannot promise that, and the caller tries again without it. */
	return how->resolve & RESOLVE_CACHED ? -EAGAIN : 0;
}

long sys_openat2(int dirfd, const char __user *name, const struct open_how __user *user, size_t size)
{
	struct open_request r = { 0 };
	struct open_how how;
	int error = get_how(&how, user, size);

	if (!error)
		error = check_how(&how);
	if (error)
		return error;
	r.flags = (u32)how.flags | O_LARGEFILE;
	r.cloexec = how.flags & O_CLOEXEC;
	r.mode = (u32)how.mode;
	r.resolve = (u32)how.resolve;
	return do_open(dirfd, name, &r);
}
