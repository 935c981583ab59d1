/*
 * Changing attributes: chmod, chown, times, truncate.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

int inode_setattr(struct inode *inode, struct iattr *attr)
{
	int error;

	if (inode_read_only(inode))
		return -EROFS;
	if (inode->ops && !inode->ops->setattr)
		return -EPERM;
	down_write(&inode->i_rwsem);
	if (inode->ops) {
		error = inode->ops->setattr(inode, attr);
	} else {			/* pipes and the like, which lie in no file system */
		inode_copy_attr(inode, attr);
		inode_touch_ctime(inode);
		error = 0;
	}
	up_write(&inode->i_rwsem);
	return error;
}

/* --- paths and descriptors --- */

static int on_path(int dirfd, const char __user *name, u32 lookup, int (*change)(struct inode *, void *), void *arg)
{
	struct path path;
	int error = path_lookup_user(dirfd, name, lookup, &path);

	if (error)
		return error;
	error = change(path.dentry->inode, arg);
	path_put(&path);
	return error;
}

static int on_fd(int fd, int (*change)(struct inode *, void *), void *arg)
{
	struct file *file = fd_get_file(fd);
	int error;

	if (!file)
		return -EBADF;
	error = change(file->inode, arg);
	file_put(file);
	return error;
}

/* --- mode --- */

static int change_mode(struct inode *inode, void *arg)
{
	u32 mode = *(u32 *)arg & 07777;
	struct iattr attr = { .valid = ATTR_MODE };

	if (inode_read_only(inode))
		return -EROFS;
	if (!owner_or_root(inode))
		return -EPERM;
	if (S_ISLNK(inode->mode))
		return -EOPNOTSUPP;
	if (fsuid() && !in_group(inode->gid))
		mode &= ~(u32)S_ISGID;
	attr.mode = mode;
	return inode_setattr(inode, &attr);
}

long sys_fchmodat(int dirfd, const char __user *name, u32 mode) { return on_path(dirfd, name, LOOKUP_FOLLOW, change_mode, &mode); }
long sys_chmod(const char __user *name, u32 mode) { return on_path(AT_FDCWD, name, LOOKUP_FOLLOW, change_mode, &mode); }
long sys_fchmod(unsigned fd, u32 mode) { return on_fd((int)fd, change_mode, &mode); }

/* --- owner --- */

struct owner {
	u32 uid, gid;			/* ~0: leave */
};

static int change_owner(struct inode *inode, void *arg)
{
	const struct owner *o = arg;
	struct iattr attr = { 0 };

	if (inode_read_only(inode))
		return -EROFS;
	if (o->uid != ~0U) {
		if (fsuid() && !(fsuid() == inode->uid && o->uid == inode->uid))
			return -EPERM;
		attr.valid |= ATTR_UID;
		attr.uid = o->uid;
	}
	if (o->gid != ~0U) {
		if (fsuid() && !(fsuid() == inode->uid && (in_group(o->gid) || o->gid == inode->gid)))
			return -EPERM;
		attr.valid |= ATTR_GID;
		attr.gid = o->gid;
	}
	/* A file given away keeps no set-id bits. */
	if (!S_ISDIR(inode->mode)) {
		u32 kill = inode->mode & S_ISUID;
		if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			kill |= S_ISGID;
		if (kill) {
			attr.valid |= ATTR_MODE;
			attr.mode = inode->mode & 07777 & ~kill;
		}
	}
	return inode_setattr(inode, &attr);
}

long sys_fchownat(int dirfd, const char __user *name, u32 uid, u32 gid, int flags)
{
	struct owner o = { uid, gid };

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return on_path(dirfd, name, (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), change_owner, &o);
}

long sys_chown(const char __user *name, u32 uid, u32 gid) { return sys_fchownat(AT_FDCWD, name, uid, gid, 0); }
long sys_lchown(const char __user *name, u32 uid, u32 gid) { return sys_fchownat(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW); }

long sys_fchown(unsigned fd, u32 uid, u32 gid)
{
	struct owner o = { uid, gid };

	return on_fd((int)fd, change_owner, &o);
}

/* --- size --- */

int inode_truncate(struct inode *inode, loff_t size)
{
	struct iattr attr = { .valid = ATTR_SIZE, .size = size };
	u64 limit = current->process ? READ_ONCE(current->process->limits[RLIMIT_FSIZE].rlim_cur) : RLIM64_INFINITY;

	if (size > READ_ONCE(inode->mapping.size) && (u64)size > limit) {
		signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	if (inode->mode & S_ISUID && fsuid() && S_ISREG(inode->mode)) {
		attr.valid |= ATTR_MODE;
		attr.mode = inode->mode & 07777 & ~(u32)S_ISUID;
	}
	return inode_setattr(inode, &attr);
}

static int truncate_named(struct inode *inode, void *arg)
{
	int error;

	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode))
		return -EINVAL;
	error = inode_permission(inode, MAY_WRITE);
	if (!error && atomic_read(&inode->writers) < 0)
		error = -ETXTBSY;
	return error ? error : inode_truncate(inode, *(loff_t *)arg);
}

long sys_truncate(const char __user *name, long size)
{
	if (size < 0)
		return -EINVAL;
	return on_path(AT_FDCWD, name, LOOKUP_FOLLOW, truncate_named, &size);
}

long sys_ftruncate(unsigned fd, long size)
{
	struct file *file;
	int error = -EINVAL;

	if (size < 0)
		return -EINVAL;
	file = fd_get_file((int)fd);
	if (!file)
		return -EBADF;
	if (S_ISREG(file->inode->mode) && file->mode & FMODE_WRITE)
		error = inode_truncate(file->inode, size);
	file_put(file);
	return error;
}

/* --- times --- */

/* NULL in the calls: both now, which needs less permission. */
struct times {
	bool now;
	struct timespec64 t[2];		/* atime, mtime; tv_nsec UTIME_NOW, UTIME_OMIT */
};
#ifndef UTIME_NOW
#define UTIME_NOW ((1L << 30) - 1)
#define UTIME_OMIT ((1L << 30) - 2)
#endif

static int change_times(struct inode *inode, void *arg)
{
	const struct times *times = arg;
	struct timespec64 now = now_timespec();
	struct iattr attr = { .valid = ATTR_ATIME | ATTR_MTIME, .atime = now, .mtime = now };
	bool both_now = times->now || (times->t[0].tv_nsec == UTIME_NOW && times->t[1].tv_nsec == UTIME_NOW);

	if (inode_read_only(inode))
		return -EROFS;
	if (!times->now) {
		if (times->t[0].tv_nsec == UTIME_OMIT)
			attr.valid &= ~(u32)ATTR_ATIME;
		else if (times->t[0].tv_nsec != UTIME_NOW)
			attr.atime = times->t[0];
		if (times->t[1].tv_nsec == UTIME_OMIT)
			attr.valid &= ~(u32)ATTR_MTIME;
		else if (times->t[1].tv_nsec != UTIME_NOW)
			attr.mtime = times->t[1];
	}
	if (!attr.valid)
		return 0;
	if (both_now) {
		if (!owner_or_root(inode) && inode_permission(inode, MAY_WRITE))
			return -EACCES;
	} else if (!owner_or_root(inode)) {
		return -EPERM;
	}
	return inode_setattr(inode, &attr);
}

static long set_times(int dirfd, const char __user *name, struct times *times, int flags)
{
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (!name && dirfd != AT_FDCWD)
		return flags ? -EINVAL : on_fd(dirfd, change_times, times);
	return on_path(dirfd, name, (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), change_times, times);
}

static bool bad_nsec(s64 nsec) { return nsec != UTIME_NOW && nsec != UTIME_OMIT && (nsec < 0 || nsec > 999999999); }

long sys_utimensat(int dirfd, const char __user *name, const void __user *utimes, int flags)
{
	struct times times = { .now = !utimes };

	if (utimes) {
		if (copy_from_user(times.t, utimes, sizeof(times.t)))
			return -EFAULT;
		if (times.t[0].tv_nsec == UTIME_OMIT && times.t[1].tv_nsec == UTIME_OMIT)
			return 0;
		if (bad_nsec(times.t[0].tv_nsec) || bad_nsec(times.t[1].tv_nsec))
			return -EINVAL;
	}
	return set_times(dirfd, name, &times, flags);
}

long sys_futimesat(int dirfd, const char __user *name, const void __user *utimes)
{
	struct times times = { .now = !utimes };

	if (utimes) {
		if (copy_from_user(times.t, utimes, sizeof(times.t)))
			return -EFAULT;
		for (int i = 0; i < 2; i++) {	/* microseconds */
			if (times.t[i].tv_nsec < 0 || times.t[i].tv_nsec >= 1000000)
				return -EINVAL;
			times.t[i].tv_nsec *= 1000;
		}
	}
	return set_times(dirfd, name, &times, 0);
}

long sys_utimes(const char __user *name, const void __user *utimes) { return sys_futimesat(AT_FDCWD, name, utimes); }

long sys_utime(const char __user *name, const void __user *utimes)
{
	struct times times = { .now = !utimes };
	s64 seconds[2];

	if (utimes) {
		if (copy_from_user(seconds, utimes, sizeof(seconds)))
			return -EFAULT;
		times.t[0].tv_sec = seconds[0];
		times.t[1].tv_sec = seconds[1];
	}
	return set_times(AT_FDCWD, name, &times, 0);
}
