/*
 * Devices: their registry, /dev, and the devices that are nothing but a few lines: null, zero, full, random.
 *
 * /dev is a tmpfs with nodes; a node, here or on ext2, leads by its number to the registry.
 */
#include "fs/internal.h"

#include "fs/tmpfs.h"
#include "kernel/random.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_DEVICES 32

static struct device {
	const char *name;
	u32 mode;
	u64 rdev;
	const struct file_ops *ops;
	void *data;
} devices[MAX_DEVICES];
static int nr_devices;			/* grows at boot only; store-release */
static struct super_block *devfs_sb;	/* made at the first mount or registration after tmpfs_init */

static void make_node(const struct device *d)
{
	int error = tmpfs_add(devfs_sb->root->inode, d->name, d->mode, d->rdev, NULL);

	if (error)
		printk("devfs: no node for %s: error %d\n", d->name, -error);
}

int device_register(const char *name, u32 mode, u64 rdev, const struct file_ops *ops, void *data)
{
	if (nr_devices == MAX_DEVICES)
		return -ENOSPC;
	devices[nr_devices] = (struct device){ name, mode, rdev, ops, data };
	smp_store_release(&nr_devices, nr_devices + 1);
	if (devfs_sb)
		make_node(&devices[nr_devices - 1]);
	return 0;
}

const char *device_nth(int n, u32 *mode, u64 *rdev)
{
	if (n >= smp_load_acquire(&nr_devices))
		return NULL;
	*mode = devices[n].mode;
	*rdev = devices[n].rdev;
	return devices[n].name;
}

const struct file_ops *device_find(u32 mode, u64 rdev, void **data)
{
	for (int i = 0; i < smp_load_acquire(&nr_devices); i++)
		if (devices[i].rdev == rdev && (devices[i].mode & S_IFMT) == (mode & S_IFMT)) {
			*data = devices[i].data;
			return devices[i].ops;
		}
	return NULL;
}

/* --- /dev --- */

static struct super_ops devfs_sops;	/* tmpfs's, but for: */

static void devfs_put_super(struct super_block *sb)
{
	devfs_sb = NULL;		/* may be mounted again */
	kfree(sb->private);
	sb->private = NULL;
}

static int devfs_mount(struct block_device *dev, u32 flags, const char *options, struct super_block **out)
{
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" }, { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
	};
	int error;

	error = tmpfs_make("devtmpfs", 0755, &devfs_sb);
	if (error)
		return error;
	devfs_sops = *devfs_sb->ops;
	devfs_sops.put_super = devfs_put_super;
	devfs_sb->ops = &devfs_sops;
	for (int i = 0; i < nr_devices; i++)
		make_node(&devices[i]);
	for (size_t i = 0; i < ARRAY_SIZE(links); i++)
		tmpfs_add(devfs_sb->root->inode, links[i][0], S_IFLNK | 0777, 0, links[i][1]);
	tmpfs_add(devfs_sb->root->inode, "shm", S_IFDIR | 01777, 0, NULL);
	tmpfs_add(devfs_sb->root->inode, "pts", S_IFDIR | 0755, 0, NULL);	/* for devpts */
	*out = devfs_sb;
	return 0;
}

/* --- null, zero, full --- */

static ssize_t null_read(struct file *file, struct iov_iter *to, loff_t *pos) { return 0; }

static ssize_t null_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	size_t n = from->count;

	iter_advance(from, n);
	return (ssize_t)n;
}

static ssize_t zero_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	size_t done = 0;

	while (to->count && !fatal_signal_pending(current)) {
		size_t n = min(to->count, (size_t)PAGE_SIZE), k = zero_iter(n, to);

		done += k;
		if (k < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

static ssize_t full_write(struct file *file, struct iov_iter *from, loff_t *pos) { return -ENOSPC; }
static loff_t null_llseek(struct file *file, loff_t offset, int whence) { return file->pos = 0; }

/* A private mapping of /dev/zero is anonymous memory. */
static int zero_mmap(struct file *file, struct map_request *req)
{
	req->mapping = NULL;
	req->ops = NULL;
	req->owner = NULL;
	req->pgoff = 0;
	req->map_flags |= MAP_ANONYMOUS;
	return 0;
}

static const struct file_ops null_ops = { .read = null_read, .write = null_write, .llseek = null_llseek };
static const struct file_ops zero_ops = { .read = zero_read, .write = null_write, .llseek = null_llseek, .mmap = zero_mmap };
static const struct file_ops full_ops = { .read = zero_read, .write = full_write, .llseek = null_llseek };

/* --- random --- */

static ssize_t random_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	char buf[256];
	size_t done = 0;

	while (to->count && !signal_pending(current)) {
		size_t n = min(to->count, sizeof(buf)), k;

		random_bytes(buf, n);
		k = copy_to_iter(buf, n, to);
		done += k;
		if (k < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

/* Accepted and not mixed in: the generator is seeded by the machine. */
static ssize_t random_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	char buf[64];
	size_t n, done = 0;

	while (from->count) {
		n = copy_from_iter(buf, min(from->count, sizeof(buf)), from);
		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
	}
	return (ssize_t)done;
}

static const struct file_ops random_ops = { .read = random_read, .write = random_write, .llseek = null_llseek };

void devfs_init(void)
{
	static struct fs_type type = { .name = "devtmpfs", .single = true, .mount = devfs_mount };

	fs_register(&type);
	device_register("null", S_IFCHR | 0666, make_dev(1, 3), &null_ops, NULL);
	device_register("zero", S_IFCHR | 0666, make_dev(1, 5), &zero_ops, NULL);
	device_register("full", S_IFCHR | 0666, make_dev(1, 7), &full_ops, NULL);
	device_register("random", S_IFCHR | 0666, make_dev(1, 8), &random_ops, NULL);
	device_register("urandom", S_IFCHR | 0666, make_dev(1, 9), &random_ops, NULL);
	device_register("kmsg", S_IFCHR | 0644, make_dev(1, 11), &dev_kmsg_ops, NULL);
}
