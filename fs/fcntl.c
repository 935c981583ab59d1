/*
 * fcntl: what a descriptor and its open file are set to. The locks are in fs/locks.c.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "fs/pipe.h"

#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)

static long set_flags(struct file *file, u32 flags)
{
	if (flags & O_NOATIME && !(file->flags & O_NOATIME) && !owner_or_root(file->inode))
		return -EPERM;
	if ((flags ^ file->flags) & O_DIRECT && S_ISREG(file->inode->mode)) {
		if (!file->ops->direct)
			return -EINVAL;
		WRITE_ONCE(file->ops, flags & O_DIRECT ? file->ops->direct : file->inode->fops);
	}
	WRITE_ONCE(file->flags, (file->flags & ~(u32)SETFL_MASK) | (flags & SETFL_MASK));
	return 0;
}

static long dup_from(struct file *file, unsigned long from, bool cloexec)
{
	int fd;

	if (from >= READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur))
		return -EINVAL;
	fd = fd_reserve((unsigned)from, cloexec);
	if (fd < 0)
		return fd;
	file_get(file);
	fd_install(fd, file);
	return fd;
}

static long file_fcntl(struct file *file, unsigned fd, unsigned cmd, unsigned long arg)
{
	if (file_is_path(file) && cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC && cmd != F_GETFD && cmd != F_SETFD && cmd != F_GETFL)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
		return dup_from(file, arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_from(file, arg, true);
	case F_GETFD:
		return fd_flags(fd);
	case F_SETFD:
		return fd_set_flags(fd, (int)arg);
	case F_GETFL:
		return file->flags;
	case F_SETFL:
		return set_flags(file, (u32)arg);
	case F_GETOWN:
		return 0;
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return locks_fcntl(file, fd, cmd, (struct flock __user *)arg);
	case F_ADD_SEALS:
	case F_GET_SEALS:
		return memfd_fcntl(file, cmd, arg);
	case F_GETPIPE_SZ:
		return pipe_size(file);
	case F_SETPIPE_SZ:
		return pipe_set_size(file, arg);
	}
	return -EINVAL;
}

long sys_fcntl(unsigned fd, unsigned cmd, unsigned long arg)
{
	struct file *file = fd_get((int)fd);
	long result;

	if (!file)
		return -EBADF;
	result = file_fcntl(file, fd, cmd, arg);
	file_put(file);
	return result;
}
