/*
 * Super blocks: the instances of file systems. One is made by its type's mount() the first time a device is mounted, may
 * then be mounted in several places (fs/mount.c counts them), and goes with the last.
 */
#include "fs/internal.h"

#include "drivers/block.h"
#include "kernel/string.h"
#include "mm/slab.h"

#include <stdarg.h>

struct mutex super_lock = MUTEX_INIT(super_lock, "super_lock", RANK_SUPER);
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

int super_rooted(struct super_block *sb, struct inode *root, struct super_block **out)
{
	sb->root = root ? dentry_root(sb, root) : NULL;
	if (!sb->root) {
		inode_put(root);
		super_free(sb);
		return -ENOMEM;
	}
	*out = sb;
	return 0;
}

/* Everything of sb is unused: write it, forget it. It is off the list. */
static void super_kill(struct super_block *sb)
{
	dcache_drop_super(sb);
	sync_inodes(sb);
	dentry_put(sb->root);
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	kfree(sb);
}

void super_put(struct super_block *sb)
{
	bool last;

	mutex_lock(&super_lock);
	last = atomic_dec_and_test(&sb->mounts);
	if (last)
		list_del(&sb->node);	/* sync_all, which holds the lock as long as it looks at one, does not see it any more */
	mutex_unlock(&super_lock);
	if (last)
		super_kill(sb);
}

/* One that is there already: of that device, or the only one of its type. With a count more; NULL: none. */
static struct super_block *super_find(const struct fs_type *type, const struct block_device *dev)
{
	struct super_block *sb, *found = NULL;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node)
		if (atomic_read(&sb->mounts) && (dev ? sb->bdev == dev : type->single && !strcmp(sb->type, type->name))) {
			found = sb;
			atomic_inc(&sb->mounts);
			break;
		}
	mutex_unlock(&super_lock);
	return found;
}

bool super_on(const struct block_device *dev)
{
	struct super_block *sb;
	bool on = false;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node)
		on |= atomic_read(&sb->mounts) && sb->bdev == dev;
	mutex_unlock(&super_lock);
	return on;
}

#define SUPER_FLAGS (MS_RDONLY | MS_SYNCHRONOUS | MS_NOATIME | MS_NODIRATIME | MS_STRICTATIME)

int super_get(const char *type, const char *device, u32 flags, const char *options, struct super_block **out)
{
	struct fs_type *t = type_find(type);
	struct block_device *dev = NULL;
	int error;

	if (!t)
		return -ENODEV;
	if (t->needs_device) {
		if (!strncmp(device, "/dev/", 5))
			device += 5;
		dev = block_find(device);
		if (!dev)
			return -ENOENT;
		if (READ_ONCE(dev->swap))
			return -EBUSY;
	}
	*out = super_find(t, dev);
	if (*out && ((*out)->flags ^ flags) & MS_RDONLY) {
		super_put(*out);
		return -EBUSY;
	}
	if (*out)
		return 0;
	error = t->mount(dev, flags & MS_RDONLY, options, out);
	if (error)
		return error;
	(*out)->flags |= flags & SUPER_FLAGS;
	atomic_set(&(*out)->mounts, 1);
	return 0;
}

int super_remount(struct super_block *sb, u32 flags)
{
	if (flags & ~sb->flags & MS_RDONLY && super_has_writers(sb))
		return -EBUSY;
	sync_all();
	sb->flags = (sb->flags & ~(u32)SUPER_FLAGS) | (flags & SUPER_FLAGS);
	return 0;
}
