/*
 * Asking about files: stat and its relatives, access, readlink.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

/* --- stat --- */

static long copy_stat(const struct kstat *k, struct stat __user *out)
{
	struct stat s;

	s.__pad0 = 0;		/* one by one: cheaper than clearing it all first */
	for (unsigned i = 0; i < ARRAY_SIZE(s.__unused); i++)
		s.__unused[i] = 0;
	s.st_dev = k->dev;
	s.st_ino = k->ino;
	s.st_nlink = k->nlink;
	s.st_mode = k->mode;
	s.st_uid = k->uid;
	s.st_gid = k->gid;
	s.st_rdev = k->rdev;
	s.st_size = (__kernel_long_t)k->size;
	s.st_blksize = k->blksize;
	s.st_blocks = (__kernel_long_t)k->blocks;
	s.st_atime = (unsigned long)k->atime.tv_sec;
	s.st_atime_nsec = (unsigned long)k->atime.tv_nsec;
	s.st_mtime = (unsigned long)k->mtime.tv_sec;
	s.st_mtime_nsec = (unsigned long)k->mtime.tv_nsec;
	s.st_ctime = (unsigned long)k->ctime.tv_sec;
	s.st_ctime_nsec = (unsigned long)k->ctime.tv_nsec;
	return copy_to_user(out, &s, sizeof(s)) ? -EFAULT : 0;
}

long sys_stat(const char __user *name, struct stat __user *out)
{
	struct kstat k;
	int error = path_stat_user(AT_FDCWD, name, LOOKUP_FOLLOW, &k);

	return error ? error : copy_stat(&k, out);
}

long sys_lstat(const char __user *name, struct stat __user *out)
{
	struct kstat k;
	int error = path_stat_user(AT_FDCWD, name, 0, &k);

	return error ? error : copy_stat(&k, out);
}

long sys_fstat(unsigned fd, struct stat __user *out)
{
	struct file *file = fd_get((int)fd);
	struct kstat k;

	if (!file)
		return -EBADF;
	generic_fill_stat(file->inode, &k);
	file_put(file);
	return copy_stat(&k, out);
}

static u32 lookup_flags(unsigned flags)
{
	return (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

long sys_newfstatat(int dirfd, const char __user *name, struct stat __user *out, int flags)
{
	struct kstat k;
	int error;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	error = path_stat_user(dirfd, name, lookup_flags((unsigned)flags), &k);
	return error ? error : copy_stat(&k, out);
}

static struct statx_timestamp statx_time(const struct timespec64 *t)
{
	return (struct statx_timestamp){ .tv_sec = t->tv_sec, .tv_nsec = (u32)t->tv_nsec };
}

long sys_statx(int dirfd, const char __user *name, unsigned flags, unsigned mask, struct statx __user *out)
{
	struct statx s;
	struct kstat k;
	int error;

	if (mask & STATX__RESERVED || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	error = path_stat_user(dirfd, name, lookup_flags(flags), &k);
	if (error)
		return error;
	memset(&s, 0, sizeof(s));
	s.stx_mask = STATX_BASIC_STATS;
	s.stx_blksize = k.blksize;
	s.stx_nlink = k.nlink;
	s.stx_uid = k.uid;
	s.stx_gid = k.gid;
	s.stx_mode = (u16)k.mode;
	s.stx_ino = k.ino;
	s.stx_size = k.size;
	s.stx_blocks = k.blocks;
	s.stx_atime = statx_time(&k.atime);
	s.stx_mtime = statx_time(&k.mtime);
	s.stx_ctime = statx_time(&k.ctime);
	s.stx_rdev_major = dev_major(k.rdev);
	s.stx_rdev_minor = dev_minor(k.rdev);
	s.stx_dev_major = dev_major(k.dev);
	s.stx_dev_minor = dev_minor(k.dev);
	return copy_to_user(out, &s, sizeof(s)) ? -EFAULT : 0;
}

/* --- access: with the real ids, not those of the file system --- */

static int check_access(int dirfd, const char __user *name, int mode, int flags)
{
	struct path path;
	int error = path_lookup_user(dirfd, name, lookup_flags((unsigned)flags), &path);

	if (error)
		return error;
	error = mode ? inode_permission(path.dentry->inode, mode) : 0;
	if (!error && mode & MAY_EXEC && S_ISREG(path.dentry->inode->mode) && path.mnt && path.mnt->flags & MS_NOEXEC)
		error = -EACCES;
	path_put(&path);
	return error;
}

#ifndef AT_EACCESS
#define AT_EACCESS 0x200
#endif

long sys_faccessat2(int dirfd, const char __user *name, int mode, int flags)
{
	struct process *p = current->process;
	u32 uid = p->fsuid, gid = p->fsgid;
	int error;

	if (mode & ~7 || flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	/* Other threads of the process would see this too: only if the ids differ at all. */
	if (!(flags & AT_EACCESS) && (p->uid != uid || p->gid != gid)) {
		p->fsuid = p->uid;
		p->fsgid = p->gid;
	}
	error = check_access(dirfd, name, mode, flags);
	p->fsuid = uid;
	p->fsgid = gid;
	return error;
}

long sys_faccessat(int dirfd, const char __user *name, int mode) { return sys_faccessat2(dirfd, name, mode, 0); }
long sys_access(const char __user *name, int mode) { return sys_faccessat2(AT_FDCWD, name, mode, 0); }

/* --- readlink --- */

static bool is_empty(const char __user *name)
{
	char c = 1;

	return !get_user(c, name) && !c;
}

long sys_readlinkat(int dirfd, const char __user *name, char __user *buf, int size)
{
	struct path path;
	struct inode *inode;
	char *text;
	long n;

	if (size <= 0)
		return -EINVAL;
	n = path_lookup_user(dirfd, name, LOOKUP_EMPTY, &path);
	if (n)
		return n;
	inode = path.dentry->inode;
	text = kmalloc(PATH_MAX);
	if (!text) {
		n = -ENOMEM;
	} else if (!S_ISLNK(inode->mode) || !inode->ops->readlink) {
		n = is_empty(name) ? -ENOENT : -EINVAL;
	} else {
		inode_touch_atime(inode);
		n = inode->ops->readlink(inode, text, min((size_t)size, (size_t)PATH_MAX));
	}
	if (n > 0 && copy_to_user(buf, text, (size_t)n))
		n = -EFAULT;
	kfree(text);
	path_put(&path);
	return n;
}

long sys_readlink(const char __user *name, char __user *buf, int size) { return sys_readlinkat(AT_FDCWD, name, buf, size); }
