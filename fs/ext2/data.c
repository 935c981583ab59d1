/*
 * Contents of files, directories and long symbolic links between the page cache and the device. A page holds one
 * to four blocks. Holes, and what lies past the end of the file, read as zeroes.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"

#define MAX_BLOCKS EXT2_IO_BLOCKS

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

/* A block without a place is a hole. Of a write the page has zeroes there (the tail that truncate cleared), or it would have been reserved. */
static int start_io(struct address_space *m, u64 index, struct page *page, bool write)
{
	struct inode *inode = m->owner;
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_io *io;
	u32 phys[MAX_BLOCKS];
	unsigned keep;
	int n = find_blocks(inode, index, phys, &keep);

	if (n < 0)
		return n;
	io = ext2_io_alloc(m, index, page, write);
	io->keep = keep;
	for (int i = 0; i < n; i++) {
		if (phys[i])
			ext2_io_add(io, s, i * s->block_size, phys[i]);
		else if (!write)
			memset((u8 *)page_address(page) + i * s->block_size, 0, s->block_size);
	}
	ext2_io_submit(io);
	return 0;
}

static int data_read_page(struct address_space *m, u64 index, struct page *page) { return start_io(m, index, page, false); }
static int data_write_page(struct address_space *m, u64 index, struct page *page) { return start_io(m, index, page, true); }

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

/*
 * Only behind the end: there ext2_trim takes away what was reserved and then not written (E4); inside it would show an older file's bytes. Where
 * there is none, ->reserve() says why.
 */
static u64 data_room(struct address_space *m, u64 index, u64 n)
{
	const u64 small_end = 0x7fffffffUL >> PAGE_SHIFT;	/* a file that grows past it needs a feature */

	if ((loff_t)(index << PAGE_SHIFT) < m->size || !m->whole_blocks || index >= small_end)
		return 0;
	return ext2_map_append(m->owner, index, min(n, small_end - index));
}

/* What was reserved and then not written: a fault or an error ended it before the size covered it (E4). */
static void data_settle(struct address_space *m)
{
	if (unlikely(ext2_trim(m->owner)))
		inode_mark_dirty(m->owner);
}

static void data_touched(struct address_space *m) { inode_touch(m->owner, ATTR_MTIME); }
static void data_hold(struct address_space *m) { inode_get(m->owner); }
static void data_release(struct address_space *m) { inode_put(m->owner); }

static void data_name(struct address_space *m, char *buf, size_t size)
{
	str_copy(buf, ext2_i(m->owner)->name, size);
}

const struct address_space_ops ext2_data_ops = {
	.read_page = data_read_page, .write_page = data_write_page, .reserve = data_reserve, .room = data_room, .settle = data_settle, .touched = data_touched,
	.hold = data_hold, .release = data_release, .name = data_name,
};
