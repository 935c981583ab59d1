/*
 * rename: both directories locked, ancestors first; the moved name's dentry takes the target's place.
 *
 * rename_mutex serialises renames between directories, so that the tree's shape stands still while "is it above the
 * other" is asked.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"

static struct mutex rename_mutex = MUTEX_INIT(rename_mutex, "rename", RANK_RENAME);

static void lock_dirs(struct dentry *a, struct dentry *b)
{
	if (a == b) {
		down_write(&a->inode->i_rwsem);
		return;
	}
	mutex_lock(&rename_mutex);
	/* The one above first; unrelated ones by address. */
	if (dentry_is_below(a, b) || (!dentry_is_below(b, a) && a->inode > b->inode)) {
		struct dentry *t = a;
		a = b;
		b = t;
	}
	down_write(&a->inode->i_rwsem);
	down_write_nested(&b->inode->i_rwsem, &a->inode->i_rwsem);
}

static void unlock_dirs(struct dentry *a, struct dentry *b)
{
	up_write(&a->inode->i_rwsem);
	if (a == b)
		return;
	up_write(&b->inode->i_rwsem);
	mutex_unlock(&rename_mutex);
}

struct rename_request {
	struct place from, to;
	struct dentry *old, *target;	/* what moves; what is there, maybe negative */
	unsigned flags;
};

/* May the names move: their directories, and ".." of a directory that gets another parent? */
static int check_permissions(const struct rename_request *r)
{
	struct inode *old_dir = r->from.dir.dentry->inode, *new_dir = r->to.dir.dentry->inode;
	struct inode *inode = r->old->inode, *there = r->target->inode;
	bool exchange = r->flags & RENAME_EXCHANGE, is_dir = S_ISDIR(inode->mode);
	int error = may_delete(old_dir, r->old, is_dir);

	if (!error)
		error = there ? may_delete(new_dir, r->target, exchange ? S_ISDIR(there->mode) : is_dir) : may_create(new_dir);
	if (!error && is_dir && old_dir != new_dir)
		error = inode_permission(inode, MAY_WRITE);
	if (!error && exchange && S_ISDIR(there->mode) && old_dir != new_dir)
		error = inode_permission(there, MAY_WRITE);
	return error;
}

/* Everything but the file system's own checks. */
static int check(const struct rename_request *r)
{
	struct inode *old_dir = r->from.dir.dentry->inode;
	struct inode *inode = r->old->inode, *there = r->target->inode;
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (!inode)
		return -ENOENT;
	if (there && r->flags & RENAME_NOREPLACE)
		return -EEXIST;
	if (exchange && !there)
		return -ENOENT;
	if (exchange && !S_ISDIR(there->mode) && r->to.slash)
		return -ENOTDIR;
	if (!S_ISDIR(inode->mode) && (r->from.slash || (!exchange && r->to.slash)))
		return -ENOTDIR;
	if (dentry_is_below(r->to.dir.dentry, r->old))
		return -EINVAL;			/* into itself */
	if (dentry_is_below(r->from.dir.dentry, r->target))
		return exchange ? -EINVAL : -ENOTEMPTY;
	if (there == inode)
		return 0;			/* two names of one file: nothing happens */
	if (exchange ? !old_dir->ops->exchange : !old_dir->ops->rename)
		return exchange ? -EINVAL : -EPERM;
	return check_permissions(r);
}

static int rename_locked(struct rename_request *r)
{
	struct inode *old_dir = r->from.dir.dentry->inode, *new_dir = r->to.dir.dentry->inode;
	struct inode *inode = r->old->inode, *there = r->target->inode;
	const struct name *old = &r->from.name, *new = &r->to.name;
	bool exchange = r->flags & RENAME_EXCHANGE;
	int error = check(r);

	if (error || there == inode)
		return error;
	if (there)
		down_write_nested(&there->i_rwsem, &new_dir->i_rwsem);
	if (exchange)
		error = old_dir->ops->exchange(old_dir, old->text, old->len, inode, new_dir, new->text, new->len, there);
	else
		error = old_dir->ops->rename(old_dir, old->text, old->len, inode, new_dir, new->text, new->len, there);
	if (there)
		up_write(&there->i_rwsem);
	if (!error)
		dentry_move(r->old, r->target, exchange);
	return error;
}

static int rename_places(struct rename_request *r)
{
	struct dentry *old_dir = r->from.dir.dentry, *new_dir = r->to.dir.dentry;
	int error;

	if (r->from.dir.mnt != r->to.dir.mnt)
		return -EXDEV;
	if (r->from.type != LAST_NAME)
		return -EBUSY;
	if (r->to.type != LAST_NAME)
		return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	dcache_trim();
	lock_dirs(old_dir, new_dir);
	r->old = r->target = NULL;
	error = dentry_lookup_locked(old_dir, &r->from.name, &r->old);
	if (!error)
		error = dentry_lookup_locked(new_dir, &r->to.name, &r->target);
	if (!error)
		error = rename_locked(r);
	unlock_dirs(old_dir, new_dir);
	if (!error && !(r->flags & RENAME_EXCHANGE) && r->target->inode && S_ISDIR(r->target->inode->mode))
		dentry_drop_children(r->target);
	dentry_put(r->old);
	dentry_put(r->target);
	return error;
}

long sys_renameat2(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name, unsigned flags)
{
	struct rename_request r;
	int error;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) || flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;			/* whiteouts are not there */
	r.flags = flags;
	error = place_find(old_dirfd, old_name, &r.from);
	if (error)
		return error;
	error = place_find(new_dirfd, new_name, &r.to);
	if (!error) {
		error = rename_places(&r);
		place_put(&r.to);
	}
	place_put(&r.from);
	return error;
}

long sys_renameat(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name)
{
	return sys_renameat2(old_dirfd, old_name, new_dirfd, new_name, 0);
}

long sys_rename(const char __user *old_name, const char __user *new_name)
{
	return sys_renameat2(AT_FDCWD, old_name, AT_FDCWD, new_name, 0);
}
