/*
 * Blocks: which are free, and taking and giving back. One bit per block in each group's bitmap; the counts in the
 * descriptors and the super block are kept in memory (s->groups, s->free_blocks) and written by sync.
 *
 * Policy: at the goal, then a free run of eight behind it in its group, then any free block of the group, then the
 * next groups. A bitmap that offers a block of the file system's own (a corrupt one) is corrected, not believed.
 */
#include "fs/ext2/ext2.h"

#include "kernel/cpu.h"
#include "kernel/string.h"

bool ext2_group_has_super(const struct ext2_sb *s, u32 group)
{
	static const u32 bases[] = { 3, 5, 7 };

	if (group <= 1 || !s->sparse_super)
		return true;
	for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
		u64 power = bases[i];

		while (power < group)
			power *= bases[i];
		if (power == group)
			return true;
	}
	return false;
}

/* Does the block belong to the group's own structures? */
static bool is_system_block(const struct ext2_sb *s, u32 group, u32 block)
{
	const struct ext2_group_disk *g = &s->groups[group];
	u32 table_blocks = DIV_UP((u64)s->inodes_per_group * s->inode_size, s->block_size);

	if (block == g->block_bitmap || block == g->inode_bitmap)
		return true;
	if (block >= g->inode_table && block - g->inode_table < table_blocks)
		return true;
	return ext2_group_has_super(s, group) && block - ext2_group_first(s, group) < 1 + s->desc_blocks;
}

bool ext2_block_ok(const struct ext2_sb *s, u32 block)
{
	if (block < s->first_data_block || block >= s->blocks_count)
		return false;
	/* With blocks of 1 KiB block 0 is the boot block; with larger ones it holds the super block: never a file's. */
	return block && !is_system_block(s, (block - s->first_data_block) / s->blocks_per_group, block);
}

u32 ext2_find_zero(const u8 *bitmap, u32 from, u32 limit)
{
	const u64 *words = (const u64 *)bitmap;	/* it is a page */
	u32 i = from;

	while (i < limit) {
		if (i % 64 == 0 && limit - i >= 64 && words[i / 64] == ~0UL)
			i += 64;
		else if (i % 8 == 0 && bitmap[i / 8] == 0xff)
			i += 8;
		else if (!(bitmap[i / 8] >> (i % 8) & 1))
			return i;
		else
			i++;
	}
	return limit;
}

/* The bit to take in a group, at or near `want`; limit if there is none. */
static u32 choose_bit(const u8 *bitmap, u32 want, u32 limit)
{
	u32 bit;

	if (want < limit && !(bitmap[want / 8] >> (want % 8) & 1))
		return want;
	for (u32 byte = want / 8 + 1; byte < limit / 8; byte++)
		if (!bitmap[byte])
			return byte * 8;
	bit = ext2_find_zero(bitmap, want, limit);
	return bit < limit ? bit : ext2_find_zero(bitmap, 0, limit);
}

/* How many blocks of the group, from `block` on (at most n), are none of its own structures: without this a run would ask for each. */
static u32 before_system_block(const struct ext2_sb *s, u32 group, u32 block, u32 n)
{
	const struct ext2_group_disk *g = &s->groups[group];
	const u32 starts[] = { g->block_bitmap, g->inode_bitmap, g->inode_table };

	if (is_system_block(s, group, block))
		return 0;
	for (unsigned i = 0; i < ARRAY_SIZE(starts); i++)
		if (starts[i] > block)
			n = min(n, starts[i] - block);
	return n;	/* what belongs to a copy of the super block is at the group's start, before any free block */
}

/* Take the free blocks that follow bit `bit`, taken already, n in all if there are so many. How many in all. By bytes: there may be a thousand. */
static u32 extend_run(u8 *bitmap, u32 bit, u32 n)
{
	u32 at = bit + 1, end = bit + n;

	while (at < end) {
		if (at % 8 == 0 && end - at >= 8 && !bitmap[at / 8]) {
			bitmap[at / 8] = 0xff;
			at += 8;
		} else if (!(bitmap[at / 8] >> (at % 8) & 1)) {
			bitmap[at / 8] |= 1 << (at % 8);
			at++;
		} else {
			break;
		}
	}
	return at - bit;
}

/* alloc_lock held. 0, *block and *got, -ENOSPC if the group has none after all, or an error. */
static int alloc_in_group(struct ext2_sb *s, u32 group, u32 want, u32 n, u32 *block, u32 *got)
{
	struct ext2_group_disk *g = &s->groups[group];
	u32 first = ext2_group_first(s, group), limit = ext2_group_size(s, group), bit;
	struct ext2_change c;
	u8 *bitmap;
	int error = ext2_meta_begin(s, g->block_bitmap, false, &c);

	if (error)
		return error;
	bitmap = c.data;
	for (;;) {
		bit = choose_bit(bitmap, want, limit);
		if (bit == limit)
			break;
		bitmap[bit / 8] |= 1 << (bit % 8);
		if (!is_system_block(s, group, first + bit) && first + bit)
			break;
		ext2_error(s, "the bitmap of group %u calls block %u of the file system's own free", group, first + bit);
	}
	if (bit < limit) {
		n = min(n, limit - bit);
		n = min(n, (u32)g->free_blocks_count);
		*got = extend_run(bitmap, bit, before_system_block(s, group, first + bit, n));
	}
	ext2_meta_end(s, &c, true);
	if (bit == limit) {
		ext2_error(s, "group %u has no free block where its descriptor counts %u", group, g->free_blocks_count);
		return -ENOSPC;
	}
	*block = first + bit;
	g->free_blocks_count -= *got;
	s->group_dirty[group] = 1;
	s->free_blocks -= *got;
	return 0;
}

/* How many blocks the caller may take: some are kept back for root. */
static u32 blocks_allowed(const struct ext2_sb *s)
{
	u32 uid = current->process ? current->process->fsuid : 0;

	if (uid == 0 || uid == s->reserved_uid)
		return s->free_blocks;
	return s->free_blocks > s->reserved_blocks ? s->free_blocks - s->reserved_blocks : 0;
}

int ext2_alloc_run(struct ext2_sb *s, u32 goal, u32 n, u32 *block, u32 *got)
{
	u32 start, want, group;
	int error = -ENOSPC;

	if (goal < s->first_data_block || goal >= s->blocks_count)
		goal = s->first_data_block;
	start = (goal - s->first_data_block) / s->blocks_per_group;
	want = (goal - s->first_data_block) % s->blocks_per_group;

	mutex_lock(&s->alloc_lock);
	n = min(n, blocks_allowed(s));
	for (u32 i = 0; n && i < s->group_count; i++) {
		group = (start + i) % s->group_count;
		if (!s->groups[group].free_blocks_count)
			continue;
		error = alloc_in_group(s, group, i ? 0 : want, n, block, got);
		if (error != -ENOSPC)
			break;
	}
	mutex_unlock(&s->alloc_lock);
	return error;
}

int ext2_alloc_block(struct ext2_sb *s, u32 goal, u32 *block)
{
	u32 got;

	return ext2_alloc_run(s, goal, 1, block, &got);
}

/* alloc_lock held; all in one group. */
static void free_in_group(struct ext2_sb *s, u32 group, u32 block, u32 count)
{
	struct ext2_group_disk *g = &s->groups[group];
	u32 bit = block - ext2_group_first(s, group), freed = 0;
	struct ext2_change c;
	u8 *bitmap;
	int error = ext2_meta_begin_must(s, g->block_bitmap, &c);

	if (error) {
		ext2_error(s, "cannot read the block bitmap of group %u (error %d): %u blocks stay taken", group, -error, count);
		return;
	}
	bitmap = c.data;
	for (u32 i = bit; i < bit + count; i++) {
		if (bitmap[i / 8] >> (i % 8) & 1) {
			bitmap[i / 8] &= ~(1 << (i % 8));
			freed++;
		}
	}
	ext2_meta_end(s, &c, true);
	if (freed != count)
		ext2_error(s, "of blocks %u to %u, to be freed, only %u were in use", block, block + count - 1, freed);
	if (g->free_blocks_count + freed > ext2_group_size(s, group))
		freed = 0;	/* a corrupt count: does not get worse */
	g->free_blocks_count += freed;
	s->group_dirty[group] = 1;
	s->free_blocks += freed;
}

void ext2_free_blocks(struct ext2_sb *s, u32 block, u32 count)
{
	mutex_lock(&s->alloc_lock);
	while (count) {
		u32 group = (block - s->first_data_block) / s->blocks_per_group;
		u32 n = min(count, ext2_group_first(s, group) + ext2_group_size(s, group) - block);

		free_in_group(s, group, block, n);
		block += n;
		count -= n;
	}
	mutex_unlock(&s->alloc_lock);
}
