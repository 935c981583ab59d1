/*
 * swapon(2) and swapoff(2): which block device, or file on one, is a swap area (mm/swap.h), by the header that mkswap writes; and how its pages
 * are read and written, as requests of their own beside the page caches.
 *
 * Of a file the places of its pages on the device are looked up once. So it has no holes, a page that does not lie together (blocks smaller than
 * pages) is a bad slot, and as long as it is a swap area nobody may write to it or cut it, as if it was a program that runs (ETXTBSY).
 */
#include "fs/internal.h"

#include "drivers/block.h"
#include "fs/direct.h"
#include "fs/syscalls.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/slab.h"
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

/* What is swapped to; from swapon to swapoff, in `targets` by then. */
struct target {
	struct block_device *dev;
	struct file *file;		/* NULL: the device itself */
	u64 *sectors;			/* of a file: where each page begins, by slot */
	u64 pages;			/* that there are */
	u32 *bad;			/* of a file: slots that cannot be used; freed after swapon */
};
static struct target *targets[SWAP_AREAS];	/* swapon_mutex */
static struct mutex swapon_mutex = MUTEX_INIT(swapon_mutex, "swap areas", RANK_MOUNT);

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
	struct target *t = device;
	struct swap_bio *s = container_of(r, struct swap_bio, request);

	s->bio = (struct bio){ .dev = t->dev, .write = r->write, .sector = t->sectors ? t->sectors[r->slot] : r->slot << (PAGE_SHIFT - 9),
			       .page = r->page, .length = PAGE_SIZE, .done = bio_done };
	t->dev->submit(&s->bio);
}

static const struct swap_device_ops swap_block_ops = { .request_size = sizeof(struct swap_bio), .submit = submit };

/* --- finding and letting go --- */

static struct address_space *target_mapping(const struct target *t)
{
	return t->file ? &t->file->inode->mapping : &t->dev->mapping;
}

static void target_free(struct target *t)
{
	if (t->file)
		file_put(t->file);
	kfree(t->sectors);
	kfree(t->bad);
	kfree(t);
}

static struct block_device *device_of(const struct inode *inode)
{
	struct block_device *dev;
	u32 major, minor;

	for (int n = 0; (dev = block_nth(n, &major, &minor)); n++)
		if (make_dev(major, minor) == inode->rdev)
			return dev;
	return NULL;
}

/* The file at `path`, which nobody may write to from now on. */
static int take_file(const struct path *path, struct target *t)
{
	struct file *file = file_open_path(path, O_RDONLY | O_LARGEFILE);
	int error;

	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	t->file = file;
	t->pages = (u64)file->inode->mapping.size >> PAGE_SHIFT;
	if (!file->ops->direct_map || !file->ops->fsync)
		return -EINVAL;
	error = file_deny_write(file);
	return error ? error : file->ops->fsync(file, false);	/* what it has is on the device, in blocks that it keeps */
}

static int take(const char __user *name, struct target *t, char *buf, size_t size)
{
	struct path path;
	int error = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (error)
		return error;
	struct inode *inode = path.dentry->inode;
	error = -EINVAL;
	if (S_ISBLK(inode->mode)) {
		t->dev = device_of(inode);
		t->pages = t->dev ? t->dev->sectors >> (PAGE_SHIFT - 9) : 0;
		error = t->dev ? 0 : -ENXIO;
	} else if (S_ISREG(inode->mode)) {
		error = take_file(&path, t);
	}
	if (!error && file_path(&path, buf, size) < 0)
		str_copy(buf, "(a long path)", size);
	path_put(&path);
	return error;
}

/* Where page n of the file lies. 0; 1: not together; -EINVAL: in a hole. */
static int place_page(struct target *t, u64 n)
{
	loff_t pos = (loff_t)(n << PAGE_SHIFT);
	struct direct_place place;
	bool scattered = false;

	for (size_t done = 0; done < PAGE_SIZE;) {
		ssize_t k = t->file->ops->direct_map(t->file->inode, pos + (loff_t)done, PAGE_SIZE - done, &place);
		if (k <= 0)
			return k ? (int)k : -EINVAL;
		if (!done) {
			t->sectors[n] = place.sector;
			t->dev = place.dev;
		}
		if (place.hole)
			return -EINVAL;
		scattered |= place.sector != t->sectors[n] + done / 512;
		done += (size_t)k;
	}
	return scattered;
}

/* All of them; setup->bad gets those that cannot be used beside those of the header. */
static int place_pages(struct target *t, struct swap_setup *setup)
{
	u64 last = setup->last;
	int result = 0;

	t->sectors = kzalloc((last + 1) * sizeof(*t->sectors));
	t->bad = kzalloc((last + 1 + setup->nr_bad) * sizeof(*t->bad));
	if (!t->sectors || !t->bad)
		return -ENOMEM;
	memcpy(t->bad, setup->bad, setup->nr_bad * sizeof(*t->bad));
	setup->bad = t->bad;
	for (u64 n = 1; n <= last && result >= 0; n++) {
		result = place_page(t, n);
		if (result > 0)
			t->bad[setup->nr_bad++] = (u32)n;
	}
	return min(result, 0);
}

/* --- the calls --- */

static int check_header(const struct swap_header *h, const struct target *t, struct swap_setup *setup)
{
	if (memcmp(h->magic, "SWAPSPACE2", sizeof(h->magic)) || h->version != 1)
		return -EINVAL;
	if (!h->last_page || h->last_page >= t->pages || h->nr_badpages > ARRAY_SIZE(h->badpages))
		return -EINVAL;
	setup->last = h->last_page;
	setup->bad = h->badpages;
	setup->nr_bad = h->nr_badpages;
	return 0;
}

/* swapon_mutex held. */
static struct target **slot_of(const struct target *like)
{
	for (unsigned i = 0; i < SWAP_AREAS; i++) {
		struct target *t = targets[i];
		if (!like ? !t : t && (like->file ? t->file && t->file->inode == like->file->inode : !t->file && t->dev == like->dev))
			return &targets[i];
	}
	return NULL;
}

static int turn_on(struct target *t, struct swap_setup *setup)
{
	struct address_space *m = target_mapping(t);
	struct page *page;
	int error;

	/* What was written to the device file goes to the device; from then on what its cache has is nobody's. */
	error = mapping_writeback(m, 0, ~0UL >> PAGE_SHIFT, true);
	if (error)
		return error;
	error = pagecache_read(m, 0, 0, &page);
	if (error || !page)
		return error ? error : -EINVAL;
	error = check_header(page_address(page), t, setup);
	if (!error && t->file)
		error = place_pages(t, setup);
	if (!error)
		error = swap_on(setup);
	page_unpin_read(page);
	kfree(t->bad);
	t->bad = NULL;
	if (!error)
		pagecache_drop(m, 0, ~0UL >> PAGE_SHIFT);
	return error;
}

long sys_swapon(const char __user *name, int flags)
{
	struct swap_setup setup = { .ops = &swap_block_ops, .priority = flags & SWAP_FLAG_PREFER ? flags & SWAP_FLAG_PRIO_MASK : -1 };
	struct target *t, **slot;
	char buf[64];
	int error;

	if (flags & ~SWAP_FLAGS)
		return -EINVAL;
	if (current->process->euid)
		return -EPERM;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	error = take(name, t, buf, sizeof(buf));
	if (!error && !t->file && super_on(t->dev))
		error = -EBUSY;
	setup.name = buf;
	setup.device = t;
	setup.file = t->file != NULL;
	mutex_lock(&swapon_mutex);
	slot = slot_of(NULL);
	if (!error)
		error = slot_of(t) ? -EBUSY : slot ? turn_on(t, &setup) : -EPERM;
	if (!error)
		*slot = t;
	if (!error && !t->file)
		WRITE_ONCE(t->dev->swap, true);
	mutex_unlock(&swapon_mutex);
	if (error)
		target_free(t);
	return error;
}

long sys_swapoff(const char __user *name)
{
	struct target t = { 0 }, **slot, *old = NULL;
	struct path path;
	int error;

	if (current->process->euid)
		return -EPERM;
	error = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW, &path);
	if (error)
		return error;
	struct inode *inode = path.dentry->inode;
	struct file like = { .inode = inode };
	t.dev = S_ISBLK(inode->mode) ? device_of(inode) : NULL;
	t.file = S_ISREG(inode->mode) ? &like : NULL;
	mutex_lock(&swapon_mutex);
	slot = t.dev || t.file ? slot_of(&t) : NULL;
	error = slot ? swap_off(*slot) : -EINVAL;
	if (!error) {
		old = *slot;
		*slot = NULL;
		if (!old->file)
			WRITE_ONCE(old->dev->swap, false);
	}
	mutex_unlock(&swapon_mutex);
	if (old)
		target_free(old);
	path_put(&path);
	return error;
}
