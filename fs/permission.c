/*
 * Who may do what: the permission bits of inodes against the file-system ids of the process; root may everything but
 * run what nobody may run.
 */
#include "fs/internal.h"

bool in_group(u32 gid)
{
	const struct process *p = current->process;

	if (!p || p->fsgid == gid)
		return true;
	for (int i = 0; i < p->ngroups; i++)
		if (p->groups[i] == gid)
			return true;
	return false;
}

int inode_permission_slow(struct inode *inode, int mask)
{
	u32 mode = inode->mode;

	if (mask & MAY_WRITE && inode_read_only(inode) && (S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode)))
		return -EROFS;
	if (fsuid() == 0)
		return mask & MAY_EXEC && !S_ISDIR(mode) && !(mode & 0111) ? -EACCES : 0;
	if (fsuid() == inode->uid)
		mode >>= 6;
	else if (in_group(inode->gid))
		mode >>= 3;
	return (mask & ~mode & 7) ? -EACCES : 0;
}

int may_create(struct inode *dir)
{
	if (!dir->nlink)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct dentry *victim, bool want_dir)
{
	struct inode *inode = victim->inode;
	int error = inode_permission(dir, MAY_WRITE | MAY_EXEC);

	if (error)
		return error;
	if (dir->mode & S_ISVTX && fsuid() && fsuid() != inode->uid && fsuid() != dir->uid)
		return -EPERM;
	if (want_dir && !S_ISDIR(inode->mode))
		return -ENOTDIR;
	if (!want_dir && S_ISDIR(inode->mode))
		return -EISDIR;
	if (victim->mounted || victim == victim->sb->root)
		return -EBUSY;
	if (!dir->nlink)
		return -ENOENT;
	return 0;
}

u32 create_mode(const struct inode *dir, u32 mode)
{
	if (dir->mode & S_ISGID && (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && fsuid() && !in_group(dir->gid))
		mode &= ~(u32)S_ISGID;
	return mode & 07777 & ~current_umask();
}
