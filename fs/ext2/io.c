/*
 * One page to or from the device: blocks that lie together travel in one bio, and the last bio to complete reports to the page
 * cache. It never fails for want of memory: memory is what writing back is for, and what frees blocks must read their bitmap. If
 * there is none, all take turns with one descriptor kept for that; it comes back when its I/O is done, which needs no memory.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"
#include "mm/slab.h"

static struct ext2_io spare;
static atomic_t spare_taken;
static struct wait_queue spare_wait = WAIT_QUEUE_INIT(spare_wait);

struct ext2_io *ext2_io_alloc(struct address_space *m, u64 index, struct page *page, bool write)
{
	struct ext2_io *io = kzalloc(sizeof(*io));

	if (!io) {
		wait_event(&spare_wait, WAIT_UNINTERRUPTIBLE, !atomic_xchg(&spare_taken, 1));
		io = &spare;
		memset(io, 0, sizeof(*io));
	}
	io->mapping = m;
	io->index = index;
	io->page = page;
	io->write = write;
	return io;
}

static void io_free(struct ext2_io *io)
{
	if (io != &spare) {
		kfree(io);
		return;
	}
	atomic_set(&spare_taken, 0);
	smp_mb();
	wake_up_all(&spare_wait, 0);
}

static void io_put(struct ext2_io *io)
{
	struct address_space *m = io->mapping;
	u64 index = io->index;
	bool write = io->write;
	int error;

	if (!atomic_dec_and_test(&io->pending))
		return;
	error = io->error;
	if (!write && !error)
		memset((u8 *)page_address(io->page) + io->keep, 0, PAGE_SIZE - io->keep);
	io_free(io);	/* first: the mapping may be gone as soon as it hears of it */
	if (write)
		pagecache_write_done(m, index, error);
	else
		pagecache_read_done(m, index, error);
}

static void bio_done(struct bio *bio, int error)
{
	struct ext2_io *io = bio->private;

	if (error)
		WRITE_ONCE(io->error, error);
	io_put(io);
}

void ext2_io_add(struct ext2_io *io, const struct ext2_sb *s, unsigned offset, u32 block)
{
	u64 sector = (u64)block * s->sectors_per_block;
	struct bio *last = io->nr ? &io->bio[io->nr - 1] : NULL;

	if (last && last->sector + last->length / 512 == sector && last->offset + last->length == offset) {
		last->length += s->block_size;
		return;
	}
	io->bio[io->nr++] = (struct bio){
		.dev = s->dev, .write = io->write, .sector = sector, .page = io->page, .offset = offset, .length = s->block_size,
		.done = bio_done, .private = io,
	};
}

void ext2_io_submit(struct ext2_io *io)
{
	unsigned nr = io->nr;

	atomic_set(&io->pending, nr + 1);	/* one is ours: a page without a bio completes here */
	for (unsigned i = 0; i < nr; i++)
		io->bio[i].dev->submit(&io->bio[i]);
	io_put(io);
}
