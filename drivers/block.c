/*
 * Block devices: their list, their page cache, and their device files.
 *
 * Each device has a mapping of its own: a file system's metadata lives there, and /dev/NAME reads and writes the
 * same pages, as do all other nodes of this number. The contents of files do not: they are in their inodes' mappings, so /dev/NAME sees them only after
 * they were written back, as on Linux.
 */
#include "drivers/block.h"

#include "fs/vfs.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_DEVICES 8

static struct {
	struct block_device *dev;
	u32 major, minor;
} devices[MAX_DEVICES];			/* filled at boot only */
static int nr_devices;

/* --- one request, waited for --- */

struct block_wait {
	int finished;			/* store-release by the completion, which then forgets the struct */
	int error;
};
static struct wait_queue waiters = WAIT_QUEUE_INIT(waiters);	/* of all waits, told apart by key */

static void wait_done(struct bio *bio, int error)
{
	struct block_wait *wait = bio->private;

	wait->error = error;
	smp_store_release(&wait->finished, 1);	/* bio and wait, on the waiter's stack, may be gone from here on */
	wake_up_all(&waiters, (u64)wait);
}

int block_rw_wait(struct block_device *dev, bool write, u64 sector, struct page *page, unsigned offset, unsigned length)
{
	struct block_wait wait = { 0 };
	struct wait_entry entry = { 0 };
	struct bio bio = { .dev = dev, .write = write, .sector = sector, .page = page, .offset = offset, .length = length,
			   .done = wait_done, .private = &wait };

	might_sleep();
	dev->submit(&bio);
	for (;;) {
		wait_prepare(&waiters, &entry, WAIT_UNINTERRUPTIBLE, (u64)&wait);
		smp_mb();
		if (smp_load_acquire(&wait.finished))
			break;
		wait_sleep(WAIT_UNINTERRUPTIBLE);
	}
	wait_finish(&waiters, &entry);
	return wait.error;
}

/* --- the device's pages --- */

/* Bytes of page `index` that the device has. */
static unsigned page_bytes(const struct block_device *dev, u64 index)
{
	u64 size = dev->sectors * 512, start = index << PAGE_SHIFT;

	return start >= size ? 0 : min(size - start, PAGE_SIZE);
}

static void page_done(struct bio *bio, int error)
{
	struct address_space *m = &bio->dev->mapping;
	u64 index = bio->private2;
	bool write = bio->write;

	kfree(bio);
	if (write)
		pagecache_write_done(m, index, error);
	else
		pagecache_read_done(m, index, error);
}

static int submit_page(struct address_space *m, u64 index, struct page *page, bool write)
{
	struct block_device *dev = m->owner;
	unsigned bytes = page_bytes(dev, index);
	struct bio *bio;

	if (!bytes)
		return -EIO;
	bio = kzalloc(sizeof(*bio));
	if (!bio)
		return -ENOMEM;
	if (!write && bytes < PAGE_SIZE)
		memset((char *)page_address(page) + bytes, 0, PAGE_SIZE - bytes);
	bio->dev = dev;
	bio->write = write;
	bio->sector = index << (PAGE_SHIFT - 9);
	bio->page = page;
	bio->length = bytes;
	bio->done = page_done;
	bio->private2 = index;
	dev->submit(bio);
	return 0;
}

static int block_read_page(struct address_space *m, u64 index, struct page *page)
{
	return submit_page(m, index, page, false);
}

static int block_write_page(struct address_space *m, u64 index, struct page *page)
{
	return submit_page(m, index, page, true);
}

static void block_name(struct address_space *m, char *buf, size_t size)
{
	str_copy(buf, ((struct block_device *)m->owner)->name, size);
}

static const struct address_space_ops block_aops = {
	.read_page = block_read_page,
	.write_page = block_write_page,
	.name = block_name,
};

/* --- /dev/NAME, and what mknod() makes --- */

static struct address_space *block_mapping(struct file *file)
{
	struct block_device *dev = file->private;

	return &dev->mapping;
}

static ssize_t block_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct block_device *dev = file->private;

	return pagecache_read_iter(&dev->mapping, pos, to);
}

static ssize_t block_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct block_device *dev = file->private;
	loff_t size = dev->mapping.size;
	size_t cut = 0;
	ssize_t done;

	if (!from->count)
		return 0;
	if (*pos >= size)
		return -ENOSPC;
	if (from->count > (size_t)(size - *pos)) {
		cut = from->count - (size_t)(size - *pos);
		from->count -= cut;
	}
	down_write(&dev->rwsem);
	done = pagecache_write_iter(&dev->mapping, pos, from);
	up_write(&dev->rwsem);
	from->count += cut;
	if (done > 0 && (file->flags & O_SYNC || from->rwf & (RWF_SYNC | RWF_DSYNC))) {
		int error = mapping_writeback(&dev->mapping, (u64)(*pos - done) >> PAGE_SHIFT, (u64)(*pos - 1) >> PAGE_SHIFT, true);
		if (error)
			return error;
	}
	return done;
}

static loff_t block_llseek(struct file *file, loff_t offset, int whence)
{
	struct block_device *dev = file->private;

	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence == SEEK_END)
		offset += dev->mapping.size;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (offset < 0)
		return -EINVAL;
	return file->pos = offset;
}

static long block_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	struct block_device *dev = file->private;
	void __user *out = (void __user *)arg;

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(dev->sectors * 512, (u64 __user *)out);
	case BLKGETSIZE:
		return put_user(dev->sectors, (unsigned long __user *)out);
	case BLKSSZGET:
		return put_user(512, (int __user *)out);
	case BLKBSZGET:
		return put_user((int)PAGE_SIZE, (int __user *)out);
	case BLKFLSBUF:
		return mapping_writeback(&dev->mapping, 0, ~0UL, true);
	}
	return -ENOTTY;
}

static int block_fsync(struct file *file, bool data_only)
{
	struct block_device *dev = file->private;

	return mapping_writeback(&dev->mapping, 0, ~0UL, true);
}

static int block_mmap(struct file *file, struct map_request *req)
{
	struct block_device *dev = file->private;

	return mapping_mmap(file, &dev->mapping, req);
}

static const struct file_ops block_fops = {
	.mapping = block_mapping,
	.read = block_read,
	.write = block_write,
	.llseek = block_llseek,
	.ioctl = block_ioctl,
	.mmap = block_mmap,
	.fsync = block_fsync,
};

/* --- the list --- */

void block_register(struct block_device *dev, u32 major, u32 minor)
{
	int error;

	ASSERT(nr_devices < MAX_DEVICES);
	mapping_init(&dev->mapping, &block_aops, dev, RANK_META_PAGE);
	rwsem_init(&dev->rwsem, dev->name, RANK_INODE);
	dev->mapping.size = dev->sectors * 512;
	devices[nr_devices].dev = dev;
	devices[nr_devices].major = major;
	devices[nr_devices].minor = minor;
	nr_devices++;
	error = device_register(dev->name, S_IFBLK | 0600, make_dev(major, minor), &block_fops, dev);
	if (error)
		printk("block: no /dev/%s: error %d\n", dev->name, error);
}

struct block_device *block_nth(int n, u32 *major, u32 *minor)
{
	if (n >= nr_devices)
		return NULL;
	*major = devices[n].major;
	*minor = devices[n].minor;
	return devices[n].dev;
}

struct block_device *block_find(const char *name)
{
	for (int i = 0; i < nr_devices; i++)
		if (!strcmp(devices[i].dev->name, name))
			return devices[i].dev;
	return NULL;
}
