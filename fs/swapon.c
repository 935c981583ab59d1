/*
 * swapon(2) and swapoff(2): which block device is a swap area (mm/swap.h), by the header that mkswap writes; and how its pages are
 * read and written, as requests of their own beside the device's page cache. Regular files are not swap areas here: EINVAL.
 */
#include "fs/internal.h"

#include "drivers/block.h"
#include "fs/syscalls.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/swap.h"

/* linux/swap.h is not among the UAPI headers; these are from swapon(2). */
#define SWAP_FLAG_PREFER	0x8000
#define SWAP_FLAG_PRIO_MASK	0x7fff
#define SWAP_FLAG_DISCARD	0x10000	/* and how: a hint, nothing to do here */
#define SWAP_FLAGS (SWAP_FLAG_PREFER | SWAP_FLAG_PRIO_MASK | SWAP_FLAG_DISCARD | 0x20000 | 0x40000)

/* Page 0 of an area (mkswap(8)); slots begin behind it. */
struct swap_header {
	char boot[1024];
	u32 version, last_page, nr_badpages;
	u8 uuid[16], volume[16];
	u32 padding[117];
	u32 badpages[(PAGE_SIZE - 10 - 1536) / 4];
	u16 unused;
	char magic[10];
};
_Static_assert(sizeof(struct swap_header) == PAGE_SIZE, "one page");

/* --- the device --- */

struct swap_bio {
	struct swap_request request;
	struct bio bio;
};

static void bio_done(struct bio *bio, int error)
{
	struct swap_bio *s = container_of(bio, struct swap_bio, bio);

	swap_request_done(&s->request, error);
}

static void submit(void *device, struct swap_request *r)
{
	struct block_device *dev = device;
	struct swap_bio *s = container_of(r, struct swap_bio, request);

	s->bio = (struct bio){ .dev = dev, .write = r->write, .sector = r->slot << (PAGE_SHIFT - 9), .page = r->page, .length = PAGE_SIZE, .done = bio_done };
	dev->submit(&s->bio);
}

static const struct swap_device_ops block_ops = { .request_size = sizeof(struct swap_bio), .submit = submit };

/* --- the calls --- */

/* The block device that `name` leads to. 0 or an error; -ENOTBLK: something else. */
static int find_device(const char __user *name, struct block_device **dev, char *buf, size_t size)
{
	struct path path;
	int error = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (error)
		return error;
	*dev = NULL;
	if (S_ISBLK(path.dentry->inode->mode)) {
		u32 major, minor;
		for (int n = 0; !*dev && (*dev = block_nth(n, &major, &minor)); n++)
			if (make_dev(major, minor) != path.dentry->inode->rdev)
				*dev = NULL;
		error = *dev ? 0 : -ENXIO;
	} else {
		error = -EINVAL;
	}
	path_put(&path);
	if (!error)
		ksnprintf(buf, size, "/dev/%s", (*dev)->name);
	return error;
}

static int check_header(const struct swap_header *h, const struct block_device *dev, struct swap_setup *setup)
{
	u64 pages = dev->sectors >> (PAGE_SHIFT - 9);

	if (memcmp(h->magic, "SWAPSPACE2", sizeof(h->magic)) || h->version != 1)
		return -EINVAL;
	if (!h->last_page || h->last_page >= pages || h->nr_badpages > ARRAY_SIZE(h->badpages))
		return -EINVAL;
	setup->last = h->last_page;
	setup->bad = h->badpages;
	setup->nr_bad = h->nr_badpages;
	return 0;
}

static int device_on(struct block_device *dev, struct swap_setup *setup)
{
	struct page *page;
	int error;

	/* What was written to the device file goes to the device; from then on its cache is nobody's. */
	error = mapping_writeback(&dev->mapping, 0, ~0UL >> PAGE_SHIFT, true);
	if (error)
		return error;
	error = pagecache_read(&dev->mapping, 0, 0, &page);
	if (error || !page)
		return error ? error : -EINVAL;
	error = check_header(page_address(page), dev, setup);
	if (!error)
		error = swap_on(setup);
	page_unpin_read(page);
	if (!error)
		pagecache_drop(&dev->mapping, 0, ~0UL >> PAGE_SHIFT);
	return error;
}

long sys_swapon(const char __user *name, int flags)
{
	struct swap_setup setup = { .ops = &block_ops, .priority = flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : -1 };
	struct block_device *dev;
	char buf[64];
	int error;

	if (flags & ~SWAP_FLAGS)
		return -EINVAL;
	if (current->process->euid)
		return -EPERM;
	error = find_device(name, &dev, buf, sizeof(buf));
	if (error)
		return error;
	if (super_on(dev) || swap_is_on(dev))
		return -EBUSY;
	setup.name = buf;
	setup.device = dev;
	return device_on(dev, &setup);
}

long sys_swapoff(const char __user *name)
{
	struct block_device *dev;
	char buf[64];
	int error;

	if (current->process->euid)
		return -EPERM;
	error = find_device(name, &dev, buf, sizeof(buf));
	return error ? error : swap_off(dev);
}
