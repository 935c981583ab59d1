/* ioctl: what every descriptor knows; the rest is the file's own. */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "mm/usercopy.h"

static long set_flag(struct file *file, u32 flag, const int __user *arg)
{
	int on;

	if (copy_from_user(&on, arg, sizeof(on)))
		return -EFAULT;
	WRITE_ONCE(file->flags, on ? file->flags | flag : file->flags & ~flag);
	return 0;
}

static long clone_range(struct file *file, const struct file_clone_range __user *arg)
{
	struct file_clone_range range;

	return copy_from_user(&range, arg, sizeof(range)) ? -EFAULT : file_clone(file, &range);
}

/* FIOQSIZE: the bytes that the file takes up, not its length. */
static long put_allocated(struct inode *inode, loff_t __user *arg)
{
	struct kstat k;

	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))
		return -ENOTTY;
	generic_fill_stat(inode, &k);
	return put_user((loff_t)(k.blocks * 512), arg);
}

static long file_ioctl(struct file *file, unsigned fd, unsigned cmd, unsigned long arg)
{
	struct inode *inode = file->inode;

	switch (cmd) {
	case FIOCLEX:
		return fd_set_flags(fd, FD_CLOEXEC);
	case FIONCLEX:
		return fd_set_flags(fd, 0);
	case FIONBIO:
		return set_flag(file, O_NONBLOCK, (const int __user *)arg);
	case FIOQSIZE:
		return put_allocated(inode, (loff_t __user *)arg);
	case FICLONE:
		return file_clone(file, &(struct file_clone_range){ .src_fd = (int)arg });
	case FICLONERANGE:
		return clone_range(file, (const struct file_clone_range __user *)arg);
	case FIGETBSZ:
		return put_user((int)inode->sb->block_size, (int __user *)arg);
	case FIONREAD:
		if (S_ISREG(inode->mode))
			return put_user((int)(READ_ONCE(inode->mapping.size) - file->pos), (int __user *)arg);
		break;
	}
	return file->ops->ioctl ? file->ops->ioctl(file, cmd, arg) : -ENOTTY;
}

long sys_ioctl(unsigned fd, unsigned cmd, unsigned long arg)
{
	struct file *file = fd_get_file((int)fd);
	long result;

	if (!file)
		return -EBADF;
	result = file_ioctl(file, fd, cmd, arg);
	file_put(file);
	return result;
}
