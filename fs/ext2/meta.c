/*
 * Metadata blocks: s->meta caches one block of the device per page, index = block number (why: ext2.h).
 *
 * Callers read with ext2_meta_read, change between ext2_meta_begin and ext2_meta_end, and call ext2_meta_forget before a
 * block that was metadata (an indirect block) is freed. Which block may be written is kept in s->meta_blocks (E1).
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/slab.h"

static bool may_write(const struct ext2_sb *s, u64 block)
{
	return __atomic_load_n(&s->meta_blocks[block / 64], __ATOMIC_SEQ_CST) >> (block % 64) & 1;
}

static int meta_read_page(struct address_space *m, u64 block, struct page *page)
{
	struct ext2_sb *s = m->owner;
	struct ext2_io *io;

	if (block >= s->blocks_count)
		return -EIO;
	io = ext2_io_alloc(m, block, page, false);
	io->keep = s->block_size;
	ext2_io_add(io, s, 0, block);
	ext2_io_submit(io);
	return 0;
}

static int meta_write_page(struct address_space *m, u64 block, struct page *page)
{
	struct ext2_sb *s = m->owner;
	struct ext2_io *io = ext2_io_alloc(m, block, page, true);

	/* Forgotten since it was changed: it may be a file's data now. WRITEBACK is set already, so that either we see
	 * the bit clear, or forget sees WRITEBACK and waits for us. */
	if (may_write(s, block))
		ext2_io_add(io, s, 0, block);
	ext2_io_submit(io);
	return 0;
}

static void meta_name(struct address_space *m, char *buf, size_t size)
{
	struct ext2_sb *s = m->owner;

	ksnprintf(buf, size, "%s-metadata", s->dev->name);
}

static void meta_hold(struct address_space *m) { }	/* the super block outlives all use of it: put_super destroys the mapping first */

static const struct address_space_ops meta_ops = {
	.read_page = meta_read_page, .write_page = meta_write_page, .name = meta_name, .hold = meta_hold, .release = meta_hold,
};

int ext2_meta_init(struct ext2_sb *s)
{
	s->meta_blocks = kzalloc(DIV_UP((u64)s->blocks_count, 64) * 8);
	if (!s->meta_blocks)
		return -ENOMEM;
	mapping_init(&s->meta, &meta_ops, s, RANK_META_PAGE);
	s->meta.size = (loff_t)s->blocks_count << PAGE_SHIFT;
	return 0;
}

void ext2_meta_destroy(struct ext2_sb *s)
{
	if (!s->meta_blocks)
		return;
	mapping_destroy(&s->meta);
	kfree(s->meta_blocks);
}

int ext2_page_read(struct address_space *m, u64 index, struct page **page)
{
	for (;;) {
		struct ext2_change c;
		int error;

		*page = pagecache_lookup(m, index);
		if (*page)
			return 0;
		error = pagecache_begin_change(m, index, false, &c.page, &c.slot);
		if (error)
			return error;
		if (page_pin_read(c.page))	/* before the unlock: reclaim may take an unlocked page at once */
			*page = c.page;
		pagecache_end_change(m, index, c.slot, false);
		if (*page)
			return 0;
	}
}

int ext2_meta_read(struct ext2_sb *s, u32 block, struct page **page)
{
	return ext2_page_read(&s->meta, block, page);
}

int ext2_meta_begin_quiet(struct ext2_sb *s, u32 block, bool fresh, struct ext2_change *c)
{
	int error = pagecache_begin_change(&s->meta, block, fresh, &c->page, &c->slot);

	if (error)
		return error;
	c->block = block;
	c->data = page_address(c->page);
	if (fresh)
		memset(c->data, 0, PAGE_SIZE);	/* a page of the block's earlier life may have been there */
	__atomic_fetch_or(&s->meta_blocks[block / 64], 1UL << (block % 64), __ATOMIC_SEQ_CST);
	return 0;
}

int ext2_meta_begin(struct ext2_sb *s, u32 block, bool fresh, struct ext2_change *c)
{
	int error = ext2_begin_changes(s);

	return error ? error : ext2_meta_begin_quiet(s, block, fresh, c);
}

bool ext2_try_again(int error, unsigned *tries)
{
	if (error != -ENOMEM || ++*tries > 200)
		return false;
	sleep_until_ns(ktime_ns() + 20000000, WAIT_UNINTERRUPTIBLE);
	return true;
}

int ext2_meta_begin_must(struct ext2_sb *s, u32 block, struct ext2_change *c)
{
	unsigned tries = 0;
	int error;

	do
		error = ext2_meta_begin(s, block, false, c);
	while (ext2_try_again(error, &tries));
	return error;
}

void ext2_meta_end(struct ext2_sb *s, struct ext2_change *c, bool dirtied)
{
	pagecache_end_change(&s->meta, c->block, c->slot, dirtied);
}

void ext2_meta_forget(struct ext2_sb *s, u32 block)
{
	__atomic_fetch_and(&s->meta_blocks[block / 64], ~(1UL << (block % 64)), __ATOMIC_SEQ_CST);
	page_wait_writeback(&s->meta, block);
}

int ext2_meta_sync(struct ext2_sb *s)
{
	return mapping_writeback(&s->meta, 0, s->blocks_count - 1, true);
}
