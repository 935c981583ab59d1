/*
 * Mounts: which file system lies where in the tree.
 *
 * A mount shows a super block, or (bind) a directory or file of one, at a place: a dentry seen through another mount. So several
 * mounts may lie on one dentry, each through a mount of its own. Mounts of mounts hold their parents.
 *
 * M1 mnt->refs counts paths that lead through it, mounts on it, and 1 while it is in the tree.
 * M2 A mount leaves the tree under mount_mutex and dcache_lock; the last reference then frees it.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8
#define MOUNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)

struct mount *root_mount;
struct mutex mount_mutex = MUTEX_INIT(mount_mutex, "mount_mutex", RANK_MOUNT);
LIST_HEAD(mount_list);
static atomic_t last_id;

/* --- one mount --- */

/* Of `root` (a reference is taken) and its super block, whose count is taken over on success. NULL: no memory. */
static struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *source, u32 flags)
{
	struct mount *m = kzalloc(sizeof(*m));

	if (!m)
		return NULL;
	m->source = kstrdup(source);
	if (!m->source) {
		kfree(m);
		return NULL;
	}
	m->id = (u32)atomic_add_return(&last_id, 1);
	m->sb = sb;
	m->root = root;
	dentry_get(root);
	m->flags = flags & MOUNT_FLAGS;
	list_init(&m->node);
	atomic_set(&m->refs, 1);
	return m;
}

void mount_free(struct mount *m)
{
	dentry_put(m->root);
	super_put(m->sb);
	kfree(m->source);
	kfree(m);
}

/* Hang m there; the references of `where` become its own. mount_mutex and dcache_lock held. */
static void attach_locked(struct mount *m, const struct path *where)
{
	struct list_head *place = &mount_list;
	struct mount *other;

	m->parent = where->mnt;
	m->mountpoint = where->dentry;
	m->next_here = where->dentry->mounted;
	where->dentry->mounted = m;
	list_for_each(other, &mount_list, node)		/* the list has parents before children */
		if (other->parent == m) {
			place = &other->node;
			break;
		}
	list_add_tail(&m->node, place);
}

/* Take m off its place, on which the references are the caller's. mount_mutex and dcache_lock held. */
static struct path unhook_locked(struct mount *m)
{
	struct path where = { m->parent, m->mountpoint };
	struct mount **at = &where.dentry->mounted;

	while (*at != m)
		at = &(*at)->next_here;
	*at = m->next_here;
	m->next_here = NULL;
	m->parent = NULL;
	m->mountpoint = NULL;
	list_del(&m->node);
	return where;
}

struct mount *mount_at_locked(const struct path *where)
{
	struct mount *m = where->dentry->mounted;

	while (m && m->parent != where->mnt)
		m = m->next_here;
	return m;
}

/* Is m on `ancestor`, or is it that? */
static bool mount_is_below(const struct mount *m, const struct mount *ancestor)
{
	while (m && m != ancestor)
		m = m->parent;
	return m;
}

/* m and what is mounted on it leave the tree, onto `dead`. mount_mutex held. */
static void unhook_all(struct mount *m, struct list_head *dead)
{
	struct mount *other;

again:
	list_for_each(other, &mount_list, node)
		if (other->parent == m) {
			unhook_all(other, dead);
			goto again;	/* the list has changed */
		}
	spin_lock(&dcache_lock);
	if (m->parent)
		m->was_at = unhook_locked(m);
	spin_unlock(&dcache_lock);
	list_add(&m->node, dead);
}

/* After mount_mutex: let go of what was taken off. */
static void put_all(struct list_head *dead)
{
	while (!list_empty(dead)) {
		struct mount *m = list_first(dead, struct mount, node);

		list_del(&m->node);
		path_put(&m->was_at);
		mount_put(m);
	}
}

/* --- mounting --- */

/* m, which is nowhere, at `where`, whose references are taken over on success. mount_mutex held. */
static int attach(struct mount *m, const struct path *where)
{
	int error = 0;

	if (S_ISDIR(where->dentry->inode->mode) != S_ISDIR(m->root->inode->mode))
		return -ENOTDIR;
	spin_lock(&dcache_lock);
	if (!where->mnt || !mount_is_below(where->mnt, root_mount))
		error = -EINVAL;	/* a pipe by /proc; a mount that was taken off */
	else if (mount_at_locked(where))
		error = -EBUSY;		/* somebody was faster */
	else if (dentry_unhashed(where->dentry))
		error = -ENOENT;
	else
		attach_locked(m, where);
	spin_unlock(&dcache_lock);
	return error;
}

static int mount_new(const char *type, const char *device, const struct path *where, u32 flags, const char *options)
{
	struct super_block *sb;
	struct mount *m;
	int error = super_get(type, device, flags, options, &sb);

	if (error)
		return error;
	m = mount_alloc(sb, sb->root, device, flags);
	if (!m) {
		super_put(sb);
		return -ENOMEM;
	}
	mutex_lock(&mount_mutex);
	if (where->mnt && where->dentry == where->mnt->root && m->root == where->dentry)
		error = -EBUSY;		/* the same once more on itself */
	else
		error = attach(m, where);
	mutex_unlock(&mount_mutex);
	if (error)
		mount_put(m);
	return error;
}

int mount_root(const char *type, const char *device)
{
	char source[64];
	struct super_block *sb;
	int error = super_get(type, device, 0, "", &sb);

	if (error) {
		printk("mount: no root file system: %s on %s: error %d\n", type, device, -error);
		return error;
	}
	ksnprintf(source, sizeof(source), "/dev/%s", device);
	root_mount = mount_alloc(sb, sb->root, source, sb->flags);
	if (!root_mount)
		return -ENOMEM;
	mutex_lock(&mount_mutex);
	list_add_tail(&root_mount->node, &mount_list);
	mutex_unlock(&mount_mutex);
	return 0;
}

int mount_at(const char *type, const char *device, const char *kernel_path, u32 flags)
{
	struct path where;
	int error = path_lookup(kernel_path, LOOKUP_FOLLOW, &where);

	if (error)
		return error;
	error = mount_new(type, device, &where, flags, "");
	if (error)
		path_put(&where);
	return error;
}

/* --- bind and move --- */

/* What `from` shows at and below `root`, once more; with `all` also what is mounted there. mount_mutex held. NULL: no memory. */
static struct mount *clone(struct mount *from, struct dentry *root, bool all)
{
	struct mount *copy = mount_alloc(from->sb, root, from->source, from->flags), *child;

	if (!copy)
		return NULL;
	atomic_inc(&from->sb->mounts);
	if (!all)
		return copy;
	list_for_each(child, &mount_list, node) {
		struct path where = { copy, child->mountpoint };
		struct mount *below;

		if (child->parent != from || !dentry_is_below(child->mountpoint, root))
			continue;
		below = clone(child, child->root, true);
		if (!below)
			continue;	/* as many as there is memory for */
		path_get(&where);
		spin_lock(&dcache_lock);
		attach_locked(below, &where);
		spin_unlock(&dcache_lock);
	}
	return copy;
}

static int bind(const struct path *source, const struct path *where, bool all)
{
	struct mount *m;
	LIST_HEAD(dead);
	int error;

	if (!source->mnt)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	m = clone(source->mnt, source->dentry, all);
	error = m ? attach(m, where) : -ENOMEM;
	if (m && error)
		unhook_all(m, &dead);
	mutex_unlock(&mount_mutex);
	put_all(&dead);
	return error;
}

/* The references of `where` are taken over on success; those on the old place go. */
static int move(const struct path *source, const struct path *where)
{
	struct mount *m = source->mnt;
	struct path old = { NULL, NULL };
	int error = 0;

	if (!m || source->dentry != m->root || !where->mnt)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	if (!m->parent || S_ISDIR(where->dentry->inode->mode) != S_ISDIR(m->root->inode->mode))
		error = -EINVAL;
	else if (mount_is_below(where->mnt, m))
		error = -ELOOP;
	if (!error) {
		spin_lock(&dcache_lock);
		old = unhook_locked(m);
		spin_unlock(&dcache_lock);
		error = attach(m, where);
		if (error) {	/* back: nobody else could mount there meanwhile */
			spin_lock(&dcache_lock);
			attach_locked(m, &old);
			spin_unlock(&dcache_lock);
		}
	}
	mutex_unlock(&mount_mutex);
	if (!error)
		path_put(&old);
	return error;
}

static int bind_or_move(const char *source_name, const struct path *where, u32 flags)
{
	struct path source;
	int error;

	if (!*source_name)
		return -EINVAL;
	error = path_lookup(source_name, LOOKUP_FOLLOW, &source);
	if (error)
		return error;
	error = flags & MS_BIND ? bind(&source, where, flags & MS_REC) : move(&source, where);
	path_put(&source);
	return error;
}

/* --- remount --- */

static int remount(const struct path *where, u32 flags)
{
	struct mount *m = where->mnt;
	int error;

	if (!m || where->dentry != m->root)
		return -EINVAL;
	/* Read-only is the super block's here: not of one of its mounts alone. */
	if (flags & MS_BIND)
		error = (flags ^ m->sb->flags) & MS_RDONLY ? -EINVAL : 0;
	else
		error = super_remount(m->sb, flags);
	if (!error)
		m->flags = flags & MOUNT_FLAGS;
	return error;
}

/* MS_PRIVATE and the like: nothing is ever propagated, so private and slave are what every mount is. */
static int set_propagation(const struct path *where, u32 flags)
{
	const u32 types = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

	if (flags & ~(types | MS_REC | MS_SILENT) || (flags & types & ((flags & types) - 1)))
		return -EINVAL;
	if (!where->mnt || where->dentry != where->mnt->root)
		return -EINVAL;
	return flags & (MS_PRIVATE | MS_SLAVE) ? 0 : -EINVAL;
}

/* --- unmounting --- */

/* Our reference by `where` is one of the two that a mount without users has. */
static int umount(const struct path *where, int flags)
{
	struct mount *m = where->mnt;
	LIST_HEAD(dead);
	int error = 0;

	if (!m || where->dentry != m->root)	/* no mount at all: a pipe by /proc/self/fd */
		return -EINVAL;
	if (flags & MNT_EXPIRE && flags & (MNT_FORCE | MNT_DETACH))
		return -EINVAL;
	mutex_lock(&mount_mutex);
	if (!m->parent) {
		error = m == root_mount ? -EBUSY : -EINVAL;
	} else if (flags & MNT_DETACH) {
		unhook_all(m, &dead);
	} else {
		spin_lock(&dcache_lock);
		if (atomic_read(&m->refs) > 2)
			error = -EBUSY;
		else if (flags & MNT_EXPIRE && !m->expiring)
			error = -EAGAIN;
		m->expiring = flags & MNT_EXPIRE;
		if (!error) {
			m->was_at = unhook_locked(m);
			list_add(&m->node, &dead);
		}
		spin_unlock(&dcache_lock);
	}
	mutex_unlock(&mount_mutex);
	put_all(&dead);
	return error;
}

/* --- system calls --- */

static long get_string(struct filename *f, const char __user *s)
{
	if (!s) {
		f->text = f->short_text;
		f->short_text[0] = 0;
		return 0;
	}
	return filename_get(f, s);
}

/* The options: up to a page, as much of it as can be read. */
static long get_options(struct filename *f, const char __user *s)
{
	size_t missing;

	f->text = f->short_text;
	f->short_text[0] = 0;
	if (!s)
		return 0;
	f->text = kzalloc(PAGE_SIZE);
	if (!f->text)
		return -ENOMEM;
	missing = copy_from_user(f->text, s, PAGE_SIZE - 1);
	if (missing < PAGE_SIZE - 1)
		return 0;
	kfree(f->text);
	return -EFAULT;
}

/* 0: the references of `where` are taken over. 1: done without that. */
static int do_mount(const char *source, const struct path *where, const char *type, u32 flags, const char *options)
{
	int error;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(u32)MS_MGC_MSK;
	if (fsuid())
		return -EPERM;
	if (flags & MS_REMOUNT)
		error = remount(where, flags);
	else if (flags & MS_BIND)
		return bind_or_move(source, where, flags);
	else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		error = set_propagation(where, flags);
	else if (flags & MS_MOVE)
		return bind_or_move(source, where, flags);
	else if (!type)
		return -EINVAL;
	else
		return mount_new(type, source, where, flags, options);
	return error ? error : 1;
}

long sys_mount(const char __user *source, const char __user *target, const char __user *type, unsigned long flags, const void __user *data)
{
	struct filename fsource, ftype, foptions;
	struct path where;
	long error;

	error = get_string(&ftype, type);
	if (error)
		return error;
	error = get_string(&fsource, source);
	if (error)
		goto out_type;
	error = get_options(&foptions, data);
	if (error)
		goto out_source;
	error = path_lookup_user(AT_FDCWD, target, LOOKUP_FOLLOW, &where);
	if (error)
		goto out_options;
	error = do_mount(fsource.text, &where, type ? ftype.text : NULL, (u32)flags, foptions.text);
	if (error)
		path_put(&where);
	if (error > 0)
		error = 0;
out_options:
	filename_put(&foptions);
out_source:
	filename_put(&fsource);
out_type:
	filename_put(&ftype);
	return error;
}

long sys_umount2(const char __user *target, int flags)
{
	struct path where;
	int error;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	error = path_lookup_user(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &where);
	if (error)
		return error;
	error = fsuid() ? -EPERM : umount(&where, flags);
	dentry_put(where.dentry);
	if (where.mnt)
		mount_put(where.mnt);	/* not path_put: that counts as use */
	return error;
}
