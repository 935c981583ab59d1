/*
 * Inode numbers: which are free, and where an inode goes. Files go beside their directory; directories at the top of the tree
 * are spread over the groups, deeper ones stay near their parent (a small Orlov allocator).
 */
#include "fs/ext2/ext2.h"

void ext2_ino_place(const struct ext2_sb *s, u32 ino, u32 *block, u32 *offset)
{
	u32 index = (ino - 1) % s->inodes_per_group;
	u64 byte = (u64)index * s->inode_size;

	*block = s->groups[(ino - 1) / s->inodes_per_group].inode_table + byte / s->block_size;
	*offset = byte % s->block_size;
}

/* alloc_lock held. A directory directly under the root: the group with the fewest directories among those that have at least the
 * average of free inodes and blocks. */
static u32 spread_group(struct ext2_sb *s, u32 fallback)
{
	u32 best = fallback, best_dirs = ~0U;

	for (u32 g = 0; g < s->group_count; g++) {
		const struct ext2_group_disk *d = &s->groups[g];

		if (!d->free_inodes_count || d->free_inodes_count < s->free_inodes / s->group_count)
			continue;
		if (d->free_blocks_count < s->free_blocks / s->group_count || d->used_dirs_count >= best_dirs)
			continue;
		best = g;
		best_dirs = d->used_dirs_count;
	}
	return best;
}

/* alloc_lock held. Take the first free inode of a group: -ENOSPC if it has none after all. */
static int alloc_in_group(struct ext2_sb *s, u32 group, bool is_dir, u32 *ino)
{
	struct ext2_group_disk *g = &s->groups[group];
	u32 from = 0, bit;
	struct ext2_change c;
	u8 *bitmap;
	int error;

	if (group * s->inodes_per_group < s->first_ino - 1)
		from = min(s->first_ino - 1 - group * s->inodes_per_group, s->inodes_per_group);
	error = ext2_meta_begin(s, g->inode_bitmap, false, &c);
	if (error)
		return error;
	bitmap = c.data;
	bit = ext2_find_zero(bitmap, from, s->inodes_per_group);
	if (bit < s->inodes_per_group)
		bitmap[bit / 8] |= 1 << (bit % 8);
	ext2_meta_end(s, &c, bit < s->inodes_per_group);
	if (bit == s->inodes_per_group) {
		ext2_error(s, "group %u has no free inode where its descriptor counts %u", group, g->free_inodes_count);
		return -ENOSPC;
	}
	*ino = group * s->inodes_per_group + bit + 1;
	g->free_inodes_count--;
	s->free_inodes--;
	if (is_dir)
		g->used_dirs_count++;
	s->group_dirty[group] = 1;
	return 0;
}

int ext2_alloc_ino(struct inode *dir, bool is_dir, u32 *ino)
{
	struct ext2_sb *s = ext2_s(dir);
	u32 start = ext2_i(dir)->group;
	int error = -ENOSPC;

	mutex_lock(&s->alloc_lock);
	if (is_dir && dir->ino == EXT2_ROOT_INO)
		start = spread_group(s, start);
	/* First a group that has room for the contents as well, then any. */
	for (unsigned pass = 0; pass < 2 && error == -ENOSPC && s->free_inodes; pass++) {
		for (u32 i = 0; i < s->group_count && error == -ENOSPC; i++) {
			u32 group = (start + i) % s->group_count;

			if (!s->groups[group].free_inodes_count || (!pass && !s->groups[group].free_blocks_count))
				continue;
			error = alloc_in_group(s, group, is_dir, ino);
		}
	}
	mutex_unlock(&s->alloc_lock);
	return error;
}

void ext2_free_ino(struct ext2_sb *s, u32 ino, bool is_dir)
{
	u32 group = (ino - 1) / s->inodes_per_group, bit = (ino - 1) % s->inodes_per_group;
	struct ext2_group_disk *g = &s->groups[group];
	struct ext2_change c;
	bool was_used = false;
	u8 *bitmap;
	int error;

	mutex_lock(&s->alloc_lock);
	error = ext2_meta_begin_must(s, g->inode_bitmap, &c);
	if (!error) {
		bitmap = c.data;
		was_used = bitmap[bit / 8] >> (bit % 8) & 1;
		bitmap[bit / 8] &= ~(1 << (bit % 8));
		ext2_meta_end(s, &c, true);
	}
	if (!was_used)
		ext2_error(s, "inode %u, to be freed, %s", ino, error ? "has an unreadable bitmap: it stays taken" : "was free already");
	if (was_used && g->free_inodes_count < s->inodes_per_group) {
		g->free_inodes_count++;
		s->free_inodes++;
		if (is_dir && g->used_dirs_count)
			g->used_dirs_count--;
		s->group_dirty[group] = 1;
	}
	mutex_unlock(&s->alloc_lock);
}
