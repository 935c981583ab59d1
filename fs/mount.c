/*
 * Super blocks and mounts: which file system lies where in the tree.
 *
 * A file system instance is mounted in one place only (no bind mounts), so a dentry knows what is mounted on it.
 */
#include "fs/internal.h"

#include "drivers/block.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#include <stdarg.h>

#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

struct mount *root_mount;
struct mutex mount_mutex = MUTEX_INIT(mount_mutex, "mount_mutex", RANK_FS_TREE);
LIST_HEAD(mount_list);
struct mutex super_lock = MUTEX_INIT(super_lock, "super_lock", RANK_FS_TREE);
LIST_HEAD(super_list);
static struct fs_type *fs_types;		/* filled at boot only */
static u32 next_dev = 1;			/* super_lock */

void fs_register(struct fs_type *type)
{
	type->next = fs_types;
	fs_types = type;
}

const struct fs_type *fs_type_nth(int n)
{
	const struct fs_type *t = fs_types;

	while (t && n--)
		t = t->next;
	return t;
}

static char problem[160] = "no reason is known";

void mount_complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvsnprintf(problem, sizeof(problem), fmt, ap);
	va_end(ap);
	printk("%s\n", problem);
}

const char *mount_problem(void) { return problem; }

static struct fs_type *type_find(const char *name)
{
	struct fs_type *t = fs_types;

	while (t && strcmp(t->name, name))
		t = t->next;
	return t;
}

struct super_block *super_alloc(const char *type)
{
	struct super_block *sb = kzalloc(sizeof(*sb));

	if (!sb)
		return NULL;
	sb->type = type;
	list_init(&sb->inodes);
	mutex_lock(&super_lock);
	sb->dev = make_dev(0, next_dev++);
	list_add_tail(&sb->node, &super_list);
	mutex_unlock(&super_lock);
	return sb;
}

void super_free(struct super_block *sb)
{
	mutex_lock(&super_lock);
	list_del(&sb->node);
	mutex_unlock(&super_lock);
	kfree(sb);
}

/* Everything of sb is unused: write it, forget it. */
static void super_kill(struct super_block *sb)
{
	mutex_lock(&super_lock);
	list_del(&sb->node);		/* sync_all, which holds the lock as long as it looks at one, does not see it any more */
	mutex_unlock(&super_lock);
	dcache_drop_super(sb);
	sync_inodes(sb);
	dentry_put(sb->root);
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	super_free(sb);
}

/* --- mounting --- */

static struct mount *mount_alloc(struct super_block *sb, const char *source, u32 flags)
{
	static atomic_t last_id;
	struct mount *m = kzalloc(sizeof(*m));

	if (!m)
		return NULL;
	m->source = kstrdup(source);
	if (!m->source) {
		kfree(m);
		return NULL;
	}
	m->sb = sb;
	m->root = sb->root;
	m->flags = flags;
	m->id = (u32)atomic_add_return(&last_id, 1);
	atomic_set(&m->refs, 0);
	return m;
}

/* A mounted super block of that type and device. */
static int super_make(const char *type, const char *device, u32 flags, const char *options, struct super_block **out)
{
	struct fs_type *t = type_find(type);
	struct block_device *dev = NULL;
	int error;

	if (!t)
		return -ENODEV;
	if (!strcmp(type, "ext2")) {
		if (!strncmp(device, "/dev/", 5))
			device += 5;
		dev = block_find(device);
		if (!dev)
			return -ENOENT;
		struct super_block *sb;
		bool used = false;
		mutex_lock(&super_lock);
		list_for_each(sb, &super_list, node)
			used |= sb->bdev == dev;
		mutex_unlock(&super_lock);
		if (used)
			return -EBUSY;
	}
	error = t->mount(dev, flags & MS_RDONLY, options, out);
	if (!error && flags & MS_RDONLY)
		(*out)->flags |= MS_RDONLY;
	return error;
}

int mount_root(const char *type, const char *device)
{
	char source[64];
	struct super_block *sb;
	int error = super_make(type, device, 0, "", &sb);

	if (error) {
		printk("mount: no root file system: %s on %s: error %d\n", type, device, -error);
		return error;
	}
	ksnprintf(source, sizeof(source), "/dev/%s", device);
	root_mount = mount_alloc(sb, source, sb->flags);
	if (!root_mount)
		return -ENOMEM;
	mutex_lock(&mount_mutex);
	list_add_tail(&root_mount->node, &mount_list);
	mutex_unlock(&mount_mutex);
	return 0;
}

/* The reference on `where` becomes the mount's. */
static int mount_there(const char *type, const char *device, const struct path *where, u32 flags, const char *options)
{
	struct super_block *sb;
	struct mount *m;
	int error;

	error = super_make(type, device, flags, options, &sb);
	if (error)
		return error;
	m = S_ISDIR(where->dentry->inode->mode) ? mount_alloc(sb, device, flags) : NULL;
	if (!m) {
		super_kill(sb);
		return S_ISDIR(where->dentry->inode->mode) ? -ENOMEM : -ENOTDIR;
	}
	mutex_lock(&mount_mutex);
	spin_lock(&dcache_lock);
	error = where->dentry->mounted || dentry_unhashed(where->dentry) ? -EBUSY : 0;
	if (!error) {
		m->parent = where->mnt;
		m->mountpoint = where->dentry;
		where->dentry->mounted = m;
	}
	spin_unlock(&dcache_lock);
	if (!error)
		list_add_tail(&m->node, &mount_list);
	mutex_unlock(&mount_mutex);
	if (error) {
		kfree(m->source);
		kfree(m);
		super_kill(sb);
	}
	return error;
}

int mount_at(const char *type, const char *device, const char *kernel_path, u32 flags)
{
	struct path where;
	int error = path_lookup(kernel_path, LOOKUP_FOLLOW, &where);

	if (error)
		return error;
	error = mount_there(type, device, &where, flags, "");
	if (error)
		path_put(&where);
	return error;
}

static int umount(struct path *where)
{
	struct mount *m = where->mnt, *other;
	int error = 0;

	if (!m || where->dentry != m->root)	/* no mount at all: a pipe by /proc/self/fd */
		return -EINVAL;
	if (!m->parent)
		return -EBUSY;
	dcache_drop_super(m->sb);
	mutex_lock(&mount_mutex);
	list_for_each(other, &mount_list, node)
		if (other->parent == m)
			error = -EBUSY;
	spin_lock(&dcache_lock);
	if (atomic_read(&m->refs) > 1)		/* ours is `where` */
		error = -EBUSY;
	if (!error)
		m->mountpoint->mounted = NULL;
	spin_unlock(&dcache_lock);
	if (!error)
		list_del(&m->node);
	mutex_unlock(&mount_mutex);
	return error;
}

/* --- system calls --- */

#define MOUNT_FLAGS_NEW (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME | MS_SILENT)

static int remount(struct path *where, u32 flags)
{
	if (!where->mnt || where->dentry != where->mnt->root)
		return -EINVAL;
	sync_all();
	where->mnt->flags = flags & ~MS_REMOUNT;
	if (flags & MS_RDONLY)
		where->mnt->sb->flags |= MS_RDONLY;
	else
		where->mnt->sb->flags &= ~(u32)MS_RDONLY;
	return 0;
}

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
	if (fsuid())
		error = -EPERM;
	else if (flags & MS_REMOUNT)
		error = remount(&where, (u32)flags);
	else if (flags & ~(unsigned long)MOUNT_FLAGS_NEW & ~0xffff0000UL)
		error = -EINVAL;	/* bind, move, propagation */
	else if (!type)
		error = -EINVAL;
	else
		error = mount_there(ftype.text, fsource.text, &where, (u32)flags, foptions.text);
	if (error || flags & MS_REMOUNT)
		path_put(&where);
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
	struct mount *m;
	int error;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	error = path_lookup_user(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &where);
	if (error)
		return error;
	if (fsuid())
		error = -EPERM;
	else
		error = umount(&where);
	m = where.mnt;
	path_put(&where);
	if (error)
		return error;
	super_kill(m->sb);
	path_put(&(struct path){ m->parent, m->mountpoint });
	kfree(m->source);
	kfree(m);
	return 0;
}
