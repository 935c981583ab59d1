/*
 * Contents of files, directories and long symbolic links between the page cache and the device. A page holds one
 * to four blocks; blocks that lie together travel in one bio; the last bio to complete reports. Holes, and what lies past
 * the end of the file, read as zeroes.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"
#include "mm/slab.h"

#define MAX_BLOCKS (PAGE_SIZE / 1024)

struct page_io {
	atomic_t pending;		/* bios on their way, and one for who submits */
	int error;			/* of any of them */
	struct address_space *mapping;
	u64 index;
	struct page *page;
	unsigned keep;			/* reading: bytes that the file has in this page, zeroes follow */
	bool write;
	unsigned nr;
	struct bio bio[MAX_BLOCKS];
};

static void io_put(struct page_io *io)
{
	struct address_space *m = io->mapping;
	u64 index = io->index;
	int error;

	if (!atomic_dec_and_test(&io->pending))
		return;
	error = io->error;
	if (!io->write && !error)
		memset((u8 *)page_address(io->page) + io->keep, 0, PAGE_SIZE - io->keep);
	if (io->write) {
		kfree(io);
		pagecache_write_done(m, index, error);
	} else {
		kfree(io);
		pagecache_read_done(m, index, error);
	}
}

static void bio_done(struct bio *bio, int error)
{
	struct page_io *io = bio->private;

	if (error)
		WRITE_ONCE(io->error, error);
	io_put(io);
}

/* Add block i of the page, at phys: to the last bio if it follows it. */
static void io_add(struct page_io *io, struct ext2_sb *s, unsigned i, u32 phys)
{
	u64 sector = (u64)phys * s->sectors_per_block;
	unsigned offset = i * s->block_size;
	struct bio *bio = io->nr ? &io->bio[io->nr - 1] : NULL;

	if (bio && bio->sector + bio->length / 512 == sector && bio->offset + bio->length == offset) {
		bio->length += s->block_size;
		return;
	}
	io->bio[io->nr++] = (struct bio){
		.dev = s->dev, .write = io->write, .sector = sector, .page = io->page, .offset = offset, .length = s->block_size,
		.done = bio_done, .private = io,
	};
}

static void io_submit(struct page_io *io)
{
	unsigned nr = io->nr;

	atomic_set(&io->pending, nr + 1);
	for (unsigned i = 0; i < nr; i++)
		io->bio[i].dev->submit(&io->bio[i]);
	io_put(io);
}

/* The blocks of a page that lie inside the file. Returns their number and *keep bytes; phys[] says where they are. */
static int find_blocks(struct inode *inode, u64 index, u32 phys[MAX_BLOCKS], unsigned *keep)
{
	struct ext2_sb *s = ext2_s(inode);
	loff_t size = READ_ONCE(inode->mapping.size), start = (loff_t)index << PAGE_SHIFT;
	unsigned n;
	int error;

	*keep = size <= start ? 0 : min(size - start, (loff_t)PAGE_SIZE);
	n = DIV_UP(*keep, s->block_size);
	error = ext2_map_many(inode, (u64)start >> s->block_shift, n, phys);
	return error ? error : (int)n;
}

static struct page_io *io_alloc(struct address_space *m, u64 index, struct page *page, bool write)
{
	struct page_io *io = kzalloc(sizeof(*io));

	if (!io)
		return NULL;
	io->mapping = m;
	io->index = index;
	io->page = page;
	io->write = write;
	return io;
}

static int data_read_page(struct address_space *m, u64 index, struct page *page)
{
	struct inode *inode = m->owner;
	struct ext2_sb *s = ext2_s(inode);
	struct page_io *io;
	u32 phys[MAX_BLOCKS];
	unsigned keep;
	int n = find_blocks(inode, index, phys, &keep);

	if (n < 0)
		return n;
	io = io_alloc(m, index, page, false);
	if (!io)
		return -ENOMEM;
	io->keep = keep;
	for (int i = 0; i < n; i++) {
		if (phys[i])
			io_add(io, s, i, phys[i]);
		else
			memset((u8 *)page_address(page) + i * s->block_size, 0, s->block_size);
	}
	io_submit(io);
	return 0;
}

static int data_write_page(struct address_space *m, u64 index, struct page *page)
{
	struct inode *inode = m->owner;
	struct page_io *io;
	u32 phys[MAX_BLOCKS];
	unsigned keep;
	int n = find_blocks(inode, index, phys, &keep);

	if (n < 0)
		return n;
	io = io_alloc(m, index, page, true);
	if (!io)
		return -ENOMEM;
	/* A block without a place was not reserved: it is a hole, and the page has zeroes there (the tail that truncate cleared). */
	for (int i = 0; i < n; i++)
		if (phys[i])
			io_add(io, ext2_s(inode), i, phys[i]);
	io_submit(io);
	return 0;
}

static int data_reserve(struct address_space *m, u64 index, unsigned from, unsigned to)
{
	struct inode *inode = m->owner;
	struct ext2_sb *s = ext2_s(inode);
	u64 start = index << PAGE_SHIFT;

	if (from >= to)
		return 0;
	if (start + to > (u64)s->max_size)
		return -EFBIG;
	if (start + to > 0x7fffffff) {
		int error = ext2_want_large_file(s);

		if (error)
			return error;
	}
	return ext2_map_reserve(inode, (start + from) >> s->block_shift, (start + to - 1) >> s->block_shift);
}

static void data_touched(struct address_space *m) { inode_touch(m->owner, ATTR_MTIME); }
static void data_hold(struct address_space *m) { inode_get(m->owner); }
static void data_release(struct address_space *m) { inode_put(m->owner); }

static void data_name(struct address_space *m, char *buf, size_t size)
{
	struct inode *inode = m->owner;

	ksnprintf(buf, size, "%s (inode %lu)", ext2_i(inode)->name, inode->ino);
}

const struct address_space_ops ext2_data_ops = {
	.read_page = data_read_page, .write_page = data_write_page, .reserve = data_reserve, .touched = data_touched,
	.hold = data_hold, .release = data_release, .name = data_name,
};
