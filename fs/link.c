/*
 * Making and removing names: mkdir, rmdir, mknod, link, unlink, symlink.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

/* --- making --- */

/* The place was found (or that error): lock it and look the name up; what is made there ends with finish(). */
static int begin(int found, struct place *p, bool directory, struct dentry **d)
{
	int error = found ? found : place_create_begin(p, directory, d);

	if (error && !found)
		place_put(p);
	return error;
}

/* The file system made `inode` for the negative dentry, or failed. */
static int finish(struct place *p, struct dentry *d, struct inode *inode, int error)
{
	if (!error)
		dentry_set_inode(d, inode);
	place_create_end(p, d);
	place_put(p);
	return error;
}

long sys_mkdirat(int dirfd, const char __user *name, u32 mode)
{
	struct inode *inode = NULL, *dir;
	struct dentry *d;
	struct place p;
	int error = begin(place_find(dirfd, name, &p), &p, true, &d);

	if (error)
		return error;
	dir = p.dir.dentry->inode;
	error = -EPERM;
	if (dir->ops->mkdir)
		error = dir->ops->mkdir(dir, p.name.text, p.name.len, mode & (0777 | S_ISVTX) & ~current_umask(), &inode);
	return finish(&p, d, inode, error);
}

long sys_mkdir(const char __user *name, u32 mode) { return sys_mkdirat(AT_FDCWD, name, mode); }

/* Which kinds mknod makes, for whom. */
static int check_node(u32 mode)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		return 0;
	case S_IFCHR:
	case S_IFBLK:
		return fsuid() ? -EPERM : 0;
	case S_IFDIR:
		return -EPERM;
	}
	return -EINVAL;
}

long sys_mknodat(int dirfd, const char __user *name, u32 mode, unsigned dev)
{
	struct inode *inode = NULL, *dir;
	struct dentry *d;
	struct place p;
	int error = (mode & S_IFMT) == S_IFDIR || check_node(mode) == -EINVAL ? check_node(mode) : 0;

	if (error)
		return error;
	error = begin(place_find(dirfd, name, &p), &p, false, &d);
	if (error)
		return error;
	dir = p.dir.dentry->inode;
	error = check_node(mode);
	if (!error && !dir->ops->create)
		error = -EPERM;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (!error)
		error = dir->ops->create(dir, p.name.text, p.name.len, (mode & S_IFMT) | create_mode(dir, mode),
					 S_ISCHR(mode) || S_ISBLK(mode) ? dev : 0, &inode);
	return finish(&p, d, inode, error);
}

int node_make(const char *text, u32 mode, struct path *where)
{
	struct inode *inode = NULL, *dir;
	struct dentry *d;
	struct place p;
	int error = begin(place_find_kernel(AT_FDCWD, text, &p), &p, false, &d);

	if (error)
		return error;
	dir = p.dir.dentry->inode;
	error = dir->ops->create ? dir->ops->create(dir, p.name.text, p.name.len, (mode & S_IFMT) | create_mode(dir, mode), 0, &inode) : -EPERM;
	if (!error) {
		*where = (struct path){ p.dir.mnt, d };
		path_get(where);
	}
	return finish(&p, d, inode, error);
}

long sys_mknod(const char __user *name, u32 mode, unsigned dev) { return sys_mknodat(AT_FDCWD, name, mode, dev); }

long sys_symlinkat(const char __user *utarget, int dirfd, const char __user *name)
{
	struct inode *inode = NULL, *dir;
	struct filename target;
	struct dentry *d;
	struct place p;
	int error = filename_get(&target, utarget);

	if (error)
		return error;
	if (!*target.text)
		error = -ENOENT;
	if (!error)
		error = begin(place_find(dirfd, name, &p), &p, false, &d);
	if (error)
		goto out;
	dir = p.dir.dentry->inode;
	error = -EPERM;
	if (dir->ops->symlink)
		error = dir->ops->symlink(dir, p.name.text, p.name.len, target.text, &inode);
	error = finish(&p, d, inode, error);
out:
	filename_put(&target);
	return error;
}

long sys_symlink(const char __user *target, const char __user *name) { return sys_symlinkat(target, AT_FDCWD, name); }

/* As Linux with fs.protected_hardlinks: nobody pins down another's file that he could not write. */
static bool may_link(struct inode *inode)
{
	if (owner_or_root(inode))
		return true;
	if (!S_ISREG(inode->mode) || inode->mode & S_ISUID || (inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		return false;
	return !inode_permission(inode, MAY_READ | MAY_WRITE);
}

/* Both directories' locks are not needed: the inode's own is taken inside that of the new directory. */
static int link_locked(struct place *p, struct dentry *d, const struct path *old)
{
	struct inode *dir = p->dir.dentry->inode, *inode = old->dentry->inode;
	int error;

	if (inode->sb != dir->sb || old->mnt != p->dir.mnt)
		return -EXDEV;
	if (S_ISDIR(inode->mode) || !dir->ops->link || !may_link(inode))
		return -EPERM;
	down_write_nested(&inode->i_rwsem, &dir->i_rwsem);
	error = inode->nlink || inode->state & I_LINKABLE ? dir->ops->link(dir, p->name.text, p->name.len, inode) : -ENOENT;
	if (!error && inode->state & I_LINKABLE)
		inode_set_linkable(inode, false);
	up_write(&inode->i_rwsem);
	if (error)
		return error;
	inode_get(inode);
	dentry_set_inode(d, inode);
	return 0;
}

long sys_linkat(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name, int flags)
{
	struct path old;
	struct dentry *d;
	struct place p;
	int error;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH && fsuid())
		return -ENOENT;			/* as without CAP_DAC_READ_SEARCH */
	error = path_lookup_user(old_dirfd, old_name, (flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &old);
	if (error)
		return error;
	error = place_find(new_dirfd, new_name, &p);
	if (error)
		goto out_old;
	error = place_create_begin(&p, false, &d);
	if (!error) {
		error = link_locked(&p, d, &old);
		place_create_end(&p, d);
	}
	place_put(&p);
out_old:
	path_put(&old);
	return error;
}

long sys_link(const char __user *old_name, const char __user *new_name) { return sys_linkat(AT_FDCWD, old_name, AT_FDCWD, new_name, 0); }

/* --- removing --- */

/* The name `d`, looked up under the directory's lock, goes. */
static int remove_locked(struct place *p, struct dentry *d, bool directory)
{
	struct inode *dir = p->dir.dentry->inode, *inode = d->inode;
	int error;

	if (!inode)
		return -ENOENT;
	if (!directory && p->slash)
		return S_ISDIR(inode->mode) ? -EISDIR : -ENOTDIR;
	error = may_delete(dir, d, directory);
	if (error)
		return error;
	if (directory ? !dir->ops->rmdir : !dir->ops->unlink)
		return -EPERM;
	down_write_nested(&inode->i_rwsem, &dir->i_rwsem);
	error = directory ? dir->ops->rmdir(dir, p->name.text, p->name.len, inode) : dir->ops->unlink(dir, p->name.text, p->name.len, inode);
	up_write(&inode->i_rwsem);
	if (!error)
		dentry_unhash(d);
	return error;
}

static long remove_name(int dirfd, const char __user *name, bool directory)
{
	struct dentry *d = NULL;
	struct inode *dir;
	struct place p;
	int error = place_find(dirfd, name, &p);

	if (error)
		return error;
	if (p.type != LAST_NAME) {
		error = !directory ? -EISDIR : p.type == LAST_DOT ? -EINVAL : p.type == LAST_DOTDOT ? -ENOTEMPTY : -EBUSY;
	} else {
		dir = p.dir.dentry->inode;
		down_write(&dir->i_rwsem);
		error = dentry_lookup_locked(p.dir.dentry, &p.name, &d);
		if (!error)
			error = remove_locked(&p, d, directory);
		else
			d = NULL;
		up_write(&dir->i_rwsem);
		if (!error && directory)
			dentry_drop_children(d);
		dentry_put(d);		/* maybe the last: deletes the file */
	}
	place_put(&p);
	return error;
}

long sys_unlinkat(int dirfd, const char __user *name, int flags)
{
	if (flags & ~AT_REMOVEDIR)
		return -EINVAL;
	return remove_name(dirfd, name, flags & AT_REMOVEDIR);
}

long sys_unlink(const char __user *name) { return remove_name(AT_FDCWD, name, false); }
long sys_rmdir(const char __user *name) { return remove_name(AT_FDCWD, name, true); }
