/* statfs and fstatfs. */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

static long fill(struct super_block *sb, struct statfs __user *out)
{
	struct statfs s;
	int error = 0;

	memset(&s, 0, sizeof(s));
	s.f_type = (__kernel_long_t)sb->magic;
	s.f_bsize = s.f_frsize = sb->block_size ? sb->block_size : (long)PAGE_SIZE;
	s.f_namelen = NAME_MAX;
	if (sb->ops && sb->ops->statfs)
		error = sb->ops->statfs(sb, &s);
	if (error)
		return error;
	s.f_fsid.val[0] = (int)sb->dev;
	s.f_flags = 0x20 | (sb->flags & MS_RDONLY) | 0x1000;	/* valid, read-only, relatime */
	return copy_to_user(out, &s, sizeof(s)) ? -EFAULT : 0;
}

long sys_statfs(const char __user *name, struct statfs __user *out)
{
	struct path path;
	long error = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (error)
		return error;
	error = fill(path.dentry->sb, out);
	path_put(&path);
	return error;
}

long sys_fstatfs(unsigned fd, struct statfs __user *out)
{
	struct file *file = fd_get((int)fd);
	long error;

	if (!file)
		return -EBADF;
	error = fill(file->inode->sb, out);
	file_put(file);
	return error;
}
