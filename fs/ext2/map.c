/*
 * The block map: 12 direct blocks in the inode, then one, two and three levels of indirect blocks.
 *
 *   inode: block[0..11] -> data
 *          block[12]    -> indirect -> data
 *          block[13]    -> double   -> indirect -> data
 *          block[14]    -> triple   -> double -> indirect -> data
 *
 * All of it is protected by the inode's map_lock. A new branch is built from its tip and linked in last, so that an error on the
 * way leaves nothing to undo but blocks nobody points to.
 */
#include "fs/ext2/ext2.h"

#include "kernel/string.h"

#define EXT2_APPEND_MAX 1024U	/* blocks at once, which others cannot have meanwhile: the pointers of one indirect block of 4 KiB */

/* Which slots lead to block lblock: slot[0] in the inode, slot[1..] in indirect blocks. Returns their number, 0 if it is too far. */
static int block_path(const struct ext2_sb *s, u64 lblock, u32 slot[4])
{
	u64 n = s->ptrs;

	if (lblock < EXT2_NDIR) {
		slot[0] = lblock;
		return 1;
	}
	lblock -= EXT2_NDIR;
	if (lblock < n) {
		slot[0] = EXT2_IND;
		slot[1] = lblock;
		return 2;
	}
	lblock -= n;
	if (lblock < n * n) {
		slot[0] = EXT2_IND + 1;
		slot[1] = lblock / n;
		slot[2] = lblock % n;
		return 3;
	}
	lblock -= n * n;
	if (lblock < n * n * n) {
		slot[0] = EXT2_IND + 2;
		slot[1] = lblock / n / n;
		slot[2] = lblock / n % n;
		slot[3] = lblock % n;
		return 4;
	}
	return 0;
}

/*
 * Follow the path as far as it exists. where[i] is the indirect block that holds slot[i] (i >= 1), *phys the block at its
 * end, or 0. Returns the depth at which it ended: == levels if the block exists, else the slot that is empty.
 */
static int walk(struct inode *inode, const u32 slot[4], int levels, u32 where[4], u32 *phys)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *s = ext2_s(inode);
	u32 block = ei->block[slot[0]];
	int depth;

	for (depth = 1; block; depth++) {
		struct page *page;
		int error;

		if (!ext2_block_ok(s, block))
			return ext2_error(s, "inode %lu points to block %u, which cannot be a file's", inode->ino, block);
		if (depth == levels)
			break;
		where[depth] = block;
		error = ext2_meta_read(s, block, &page);
		if (error)
			return error;
		block = READ_ONCE(((u32 *)page_address(page))[slot[depth]]);
		page_unpin_read(page);
	}
	*phys = block;
	return block ? levels : depth - 1;
}

static int map_locked(struct inode *inode, u64 lblock, u32 *phys)
{
	u32 slot[4], where[4];
	int levels = block_path(ext2_s(inode), lblock, slot);
	int depth;

	*phys = 0;
	if (!levels)
		return 0;	/* past what the map can name: a hole */
	depth = walk(inode, slot, levels, where, phys);
	return min(depth, 0);
}

int ext2_map_many(struct inode *inode, u64 lblock, unsigned n, u32 *phys)
{
	int error = 0;

	mutex_lock(&ext2_i(inode)->map_lock);
	for (unsigned i = 0; i < n && !error; i++)
		error = map_locked(inode, lblock + i, &phys[i]);
	mutex_unlock(&ext2_i(inode)->map_lock);
	return error;
}

int ext2_map(struct inode *inode, u64 lblock, u32 *phys)
{
	return ext2_map_many(inode, lblock, 1, phys);
}

/* The number of blocks from lblock on that the pointer at slot[depth] of its path leads to. */
static u64 blocks_behind(const struct ext2_sb *s, const u32 slot[4], int levels, int depth)
{
	u64 span = 1, into = 0;

	for (int i = levels - 1; i > depth; i--) {
		into += slot[i] * span;
		span *= s->ptrs;
	}
	return span - into;
}

s64 ext2_map_next(struct inode *inode, u64 lblock, u64 last, bool hole)
{
	struct ext2_sb *s = ext2_s(inode);
	int depth = 0;

	mutex_lock(&ext2_i(inode)->map_lock);
	while (lblock <= last) {
		u32 slot[4], where[4], phys;
		int levels = block_path(s, lblock, slot);

		if (!levels) {
			lblock = hole ? lblock : last + 1;
			break;
		}
		depth = walk(inode, slot, levels, where, &phys);
		if (depth < 0 || (depth == levels) != hole)
			break;
		lblock += depth == levels ? 1 : blocks_behind(s, slot, levels, depth);
	}
	mutex_unlock(&ext2_i(inode)->map_lock);
	return depth < 0 ? depth : (s64)min(lblock, last + 1);
}

/* Where a new block of the file should go: behind the one before it, or in the inode's group. */
static u32 find_goal(struct inode *inode, u64 lblock)
{
	struct ext2_inode *ei = ext2_i(inode);
	u32 before = 0;

	if (ei->last_phys && lblock == (u64)ei->last_lblock + 1)
		return ei->last_phys + 1;
	if (lblock && !map_locked(inode, lblock - 1, &before) && before)
		return before + 1;
	return ext2_group_first(ext2_s(inode), ei->group);
}

static void give_back(struct ext2_sb *s, const u32 *blocks, int n)
{
	while (n-- > 0) {
		ext2_meta_forget(s, blocks[n]);
		ext2_free_blocks(s, blocks[n], 1);
	}
}

static int set_pointer(struct ext2_sb *s, u32 indirect, bool fresh, u32 slot, u32 value)
{
	struct ext2_change c;
	int error = ext2_meta_begin(s, indirect, fresh, &c);

	if (error)
		return error;
	((u32 *)c.data)[slot] = value;
	ext2_meta_end(s, &c, true);
	return 0;
}

/* Put something at the end of a path that `walk` found empty at `depth`. map_lock held. */
static int add_branch(struct inode *inode, u64 lblock, const u32 slot[4], int levels, int depth, const u32 where[4])
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *s = ext2_s(inode);
	u32 goal = find_goal(inode, lblock), blocks[4];
	int need = levels - depth, got, error = 0;
	u64 sectors = (u64)need * s->sectors_per_block;

	if (inode->blocks + sectors > ~0U)
		return -EFBIG;
	/* blocks[0 .. need-2] become indirect blocks, the last one holds data. */
	for (got = 0; got < need; got++) {
		error = ext2_alloc_block(s, goal, &blocks[got]);
		if (error)
			goto out_blocks;
		goal = blocks[got] + 1;
	}
	for (int i = need - 2; i >= 0; i--) {
		error = set_pointer(s, blocks[i], true, slot[depth + 1 + i], blocks[i + 1]);
		if (error)
			goto out_blocks;
	}
	if (depth == 0) {
		ei->block[slot[0]] = blocks[0];
	} else {
		error = set_pointer(s, where[depth], false, slot[depth], blocks[0]);
		if (error)
			goto out_blocks;
	}
	inode->blocks += sectors;
	ei->last_lblock = lblock;
	ei->last_phys = blocks[need - 1];
	return 0;

out_blocks:
	give_back(s, blocks, got);
	return error;
}

/* Two pointers at once: there are a thousand in a block. */
static u64 load_pair(const u32 *ptr)
{
	u64 pair;

	__builtin_memcpy(&pair, ptr, sizeof(pair));
	return pair;
}

/* `got` pointers, to neighbours from `block` on. */
static void fill_pointers(u32 *ptr, u32 block, u32 got)
{
	u64 pair = (u64)(block + 1) << 32 | block;
	u32 i;

	for (i = 0; i + 2 <= got; i += 2, pair += 2UL << 32 | 2)
		__builtin_memcpy(&ptr[i], &pair, sizeof(pair));
	if (i < got)
		ptr[i] = (u32)pair;
}

/* How many pointers from `slot` on (at most n) of the place that `where` names (0: the inode) are empty. Or an error. */
static int count_empty(struct inode *inode, u32 where, u32 slot, u32 n)
{
	struct ext2_sb *s = ext2_s(inode);
	const u32 *ptr = ext2_i(inode)->block;
	struct page *page = NULL;
	u32 i, limit = where ? s->ptrs : EXT2_NDIR;

	if (where) {
		int error = ext2_meta_read(s, where, &page);

		if (error)
			return error;
		ptr = page_address(page);
	}
	n = min(n, limit - slot);
	for (i = 0; i + 2 <= n && !load_pair(&ptr[slot + i]); i += 2)
		;
	if (i < n && !ptr[slot + i])
		i++;
	if (page)
		page_unpin_read(page);
	return (int)i;
}

/* Pointers from `slot` on: to `got` blocks that are neighbours. */
static int set_pointers(struct inode *inode, u32 where, u32 slot, u32 block, u32 got)
{
	struct ext2_change c = { .data = ext2_i(inode)->block };
	int error = where ? ext2_meta_begin(ext2_s(inode), where, false, &c) : 0;

	if (error)
		return error;
	fill_pointers((u32 *)c.data + slot, block, got);
	if (where)
		ext2_meta_end(ext2_s(inode), &c, true);
	return 0;
}

/*
 * Give up to n blocks from lblock on, whose pointers are neighbours, a place: of the same kind each, so once for all the search for it, the change of the
 * bitmap and that of the pointers. The first is empty; the place for its pointer exists. How many, or an error. map_lock held.
 */
static int add_run(struct inode *inode, u64 lblock, u32 where, u32 slot, u32 n)
{
	struct ext2_inode *ei = ext2_i(inode);
	struct ext2_sb *s = ext2_s(inode);
	u32 block, got;
	int empty = count_empty(inode, where, slot, n), error;

	if (empty <= 0)
		return empty < 0 ? empty : -EUCLEAN;
	if (inode->blocks + (u64)empty * s->sectors_per_block > ~0U)
		return -EFBIG;
	error = ext2_alloc_run(s, find_goal(inode, lblock), (u32)empty, &block, &got);
	if (error)
		return error;
	error = set_pointers(inode, where, slot, block, got);
	if (error) {
		ext2_free_blocks(s, block, got);
		return error;
	}
	inode->blocks += (u64)got * s->sectors_per_block;
	ei->last_lblock = (u32)lblock + got - 1;
	ei->last_phys = block + got - 1;
	return (int)got;
}

/* Undo what map_reserve did for one block: the indirect blocks above it stay, empty perhaps. map_lock held. */
static void unmap_one(struct inode *inode, u64 lblock)
{
	struct ext2_sb *s = ext2_s(inode);
	u32 slot[4], where[4], phys = 0;
	int levels = block_path(s, lblock, slot);
	struct ext2_change c;

	if (walk(inode, slot, levels, where, &phys) != levels)
		return;
	if (levels == 1) {
		ext2_i(inode)->block[slot[0]] = 0;
	} else {
		if (ext2_meta_begin_must(s, where[levels - 1], &c))
			return;		/* still pointed to: it stays the file's */
		((u32 *)c.data)[slot[levels - 1]] = 0;
		ext2_meta_end(s, &c, true);
	}
	ext2_free_blocks(s, phys, 1);
	inode->blocks -= s->sectors_per_block;
}

/* Block lblock and, if that is new, some behind it, up to `last`: how many of them are new; 0: it was there. Or an error. map_lock held. */
static int reserve_some(struct inode *inode, u64 lblock, u64 last)
{
	u32 slot[4], where[4], phys;
	int levels = block_path(ext2_s(inode), lblock, slot), depth;
	int error;

	if (!levels)
		return -EFBIG;
	depth = walk(inode, slot, levels, where, &phys);
	if (depth < 0 || depth == levels)
		return min(depth, 0);
	if (depth == levels - 1 && lblock < last)
		return add_run(inode, lblock, depth ? where[depth] : 0, slot[depth], (u32)(last - lblock) + 1);
	error = add_branch(inode, lblock, slot, levels, depth, where);
	return error ? error : 1;
}

static void map_changed(struct inode *inode)
{
	inode_mark_dirty(inode);
	ext2_begin_changes(ext2_s(inode));	/* a sync between the two did not see the inode: the disk is not clean */
}

int ext2_map_reserve(struct inode *inode, u64 first, u64 last)
{
	struct ext2_inode *ei = ext2_i(inode);
	u64 lblock = first, fresh = 0;		/* bits: new ones */
	int n = 0;

	ASSERT(last - first < EXT2_RESERVE_MAX);
	mutex_lock(&ei->map_lock);
	for (; lblock <= last; lblock += max(n, 1)) {
		n = reserve_some(inode, lblock, last);
		if (n < 0)
			break;
		if (n)
			fresh |= ~0UL >> (64 - n) << (lblock - first);
	}
	if (n < 0) {
		/* Nobody will write them: as they are, they hold an older file's bytes. */
		for (lblock = last + 1; lblock-- > first; )
			if (fresh >> (lblock - first) & 1)
				unmap_one(inode, lblock);
	} else if (fresh) {
		ei->reserved_end = max(ei->reserved_end, (u32)(last + 1));
	}
	mutex_unlock(&ei->map_lock);
	if (fresh)
		map_changed(inode);
	return min(n, 0);
}

u64 ext2_map_append(struct inode *inode, u64 first, u64 n)
{
	struct ext2_inode *ei = ext2_i(inode);
	u64 end = first + min(n, (u64)EXT2_APPEND_MAX), lblock = first;
	int got;

	mutex_lock(&ei->map_lock);
	for (; lblock < end; lblock += (u64)got) {
		got = reserve_some(inode, lblock, end - 1);
		if (got <= 0)
			break;
	}
	if (lblock > first)
		ei->reserved_end = max(ei->reserved_end, (u32)lblock);
	mutex_unlock(&ei->map_lock);
	if (lblock > first)
		map_changed(inode);
	return lblock - first;
}

void ext2_map_punch(struct inode *inode, u64 first, u64 last)
{
	struct ext2_sb *s = ext2_s(inode);
	struct ext2_inode *ei = ext2_i(inode);

	mutex_lock(&ei->map_lock);
	for (u64 lblock = first; lblock <= last; ) {
		u32 slot[4], where[4], phys;
		int levels = block_path(s, lblock, slot), depth;

		if (!levels)
			break;
		depth = walk(inode, slot, levels, where, &phys);
		if (depth == levels)
			unmap_one(inode, lblock);
		lblock += depth >= 0 && depth < levels ? blocks_behind(s, slot, levels, depth) : 1;
	}
	ei->last_phys = 0;
	mutex_unlock(&ei->map_lock);
}
