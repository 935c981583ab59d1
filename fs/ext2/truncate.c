/*
 * Shortening a file: the blocks behind its end are freed, in runs of neighbours, and the indirect blocks that lead to nothing else.
 *
 * A pointer is taken out of its place before what it points to is freed: a branch of a damaged image that leads back to itself then ends, and
 * an error on the way loses blocks, which e2fsck finds, but never leaves one with two owners. All of it under the inode's map_lock.
 */
#include "fs/ext2/ext2.h"

/* Blocks to be freed, collected into runs. */
struct free_run {
	struct inode *inode;
	u32 start, count;
};

static void run_flush(struct free_run *run)
{
	u64 sectors = (u64)run->count * ext2_s(run->inode)->sectors_per_block;

	if (!run->count)
		return;
	ext2_free_blocks(ext2_s(run->inode), run->start, run->count);
	run->inode->blocks -= min(sectors, run->inode->blocks);	/* a corrupt count stays unsigned */
	run->count = 0;
}

static void run_add(struct free_run *run, u32 block)
{
	struct ext2_sb *s = ext2_s(run->inode);

	if (!ext2_block_ok(s, block)) {
		ext2_error(s, "inode %lu points to block %u, which cannot be a file's", run->inode->ino, block);
		return;
	}
	if (run->count && block == run->start + run->count) {
		run->count++;
		return;
	}
	run_flush(run);
	run->start = block;
	run->count = 1;
}

static void free_branch(struct free_run *run, u32 block, unsigned level, u64 from);

/* A pointer that was taken out of its place: free what it points to, data (level 0) or a whole branch. */
static void free_pointer(struct free_run *run, u32 block, unsigned level)
{
	struct ext2_sb *s = ext2_s(run->inode);

	if (level) {
		if (!ext2_block_ok(s, block)) {
			ext2_error(s, "inode %lu points to block %u, which cannot be a file's", run->inode->ino, block);
			return;
		}
		free_branch(run, block, level, 0);
		ext2_meta_forget(s, block);
	}
	run_add(run, block);
}

#define PTR_CHUNK 64

/*
 * Take the pointers from `first` on out of an indirect block and free what they point to. In chunks through the stack: a
 * pointer is gone from the block before it is followed, so that blocks that point to one another end.
 */
static void free_pointers(struct free_run *run, u32 block, unsigned level, u32 first)
{
	struct ext2_sb *s = ext2_s(run->inode);
	u32 chunk[PTR_CHUNK];

	while (first < s->ptrs) {
		u32 n = min(s->ptrs - first, (u32)PTR_CHUNK), used = 0;
		struct ext2_change c;
		int error = ext2_meta_begin_must(s, block, &c);
		u32 *ptr = c.data;

		if (error) {
			ext2_error(s, "inode %lu: indirect block %u cannot be changed (error %d): its blocks are lost until e2fsck", run->inode->ino,
				   block, -error);
			return;
		}
		for (u32 i = first; i < first + n; i++) {
			if (ptr[i])
				chunk[used++] = ptr[i];
			ptr[i] = 0;
		}
		ext2_meta_end(s, &c, used);
		for (u32 i = 0; i < used; i++)
			free_pointer(run, chunk[i], level - 1);
		first += n;
	}
}

/* Free the blocks from number `from` of the branch under indirect block `block` (level 1: it points to data). */
static void free_branch(struct free_run *run, u32 block, unsigned level, u64 from)
{
	struct ext2_sb *s = ext2_s(run->inode);
	u64 span = 1;
	u32 slot;

	for (unsigned i = 1; i < level; i++)
		span *= s->ptrs;
	slot = from / span;
	if (from % span) {	/* the first branch is kept in part */
		struct page *page;
		unsigned tries = 0;
		u32 child;
		int error;

		do
			error = ext2_meta_read(s, block, &page);
		while (ext2_try_again(error, &tries));
		if (error) {
			ext2_error(s, "inode %lu: indirect block %u cannot be read (error %d): its blocks are lost until e2fsck", run->inode->ino,
				   block, -error);
			return;
		}
		child = READ_ONCE(((u32 *)page_address(page))[slot]);
		page_unpin_read(page);
		if (child && ext2_block_ok(s, child))
			free_branch(run, child, level - 1, from % span);
		slot++;
	}
	free_pointers(run, block, level, slot);
}

void ext2_map_truncate(struct inode *inode, u64 first)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *s = ext2_s(inode);
	struct free_run run = { .inode = inode };
	u64 base = EXT2_NDIR, span = s->ptrs;

	mutex_lock(&ei->map_lock);
	for (u64 i = first; i < EXT2_NDIR; i++) {
		u32 block = ei->block[i];

		ei->block[i] = 0;
		if (block)
			run_add(&run, block);
	}
	for (unsigned level = 1; level <= 3; level++) {
		u32 *top = &ei->block[EXT2_IND + level - 1], block = *top;

		if (block && first <= base) {
			*top = 0;
			free_pointer(&run, block, level);
		} else if (block && first < base + span && ext2_block_ok(s, block)) {
			free_branch(&run, block, level, first - base);
		}
		base += span;
		span *= s->ptrs;
	}
	run_flush(&run);
	ei->last_phys = 0;
	if (ei->reserved_end > first)
		ei->reserved_end = first;
	mutex_unlock(&ei->map_lock);
}

bool ext2_trim(struct inode *inode)
{
	struct ext2_sb *s = ext2_s(inode);
	u64 end = DIV_UP((u64)inode->mapping.size, s->block_size);

	if (READ_ONCE(ext2_i(inode)->reserved_end) <= end)
		return false;
	ext2_map_truncate(inode, end);
	return true;
}
