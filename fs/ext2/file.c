/*
 * Attributes (the size above all: truncate), and the operations of open files. Reading and writing are the page cache's; here
 * is only what has to be done to the block map afterwards.
 */
#include "fs/ext2/ext2.h"

#include "fs/direct.h"
#include "kernel/task.h"

/* --- attributes --- */

static int set_size(struct inode *inode, loff_t size)
{
	struct ext2_sb *s = ext2_s(inode);
	loff_t old = inode->mapping.size;
	int error = 0;

	if (!S_ISREG(inode->mode))
		return S_ISDIR(inode->mode) ? -EISDIR : -EINVAL;
	if (size < 0)
		return -EINVAL;
	if (size > s->max_size)
		return -EFBIG;
	if (size > 0x7fffffff)
		error = ext2_want_large_file(s);
	if (!error)
		error = pagecache_truncate_begin(&inode->mapping, size);
	if (error)
		return error;
	if (size < old) {
		/* With small blocks the last page holds blocks to be freed, and an older write of it may be on its way. */
		page_wait_writeback(&inode->mapping, (u64)size >> PAGE_SHIFT);
		ext2_map_truncate(inode, DIV_UP((u64)size, s->block_size));
	}
	pagecache_truncate_end(&inode->mapping);
	inode_touch(inode, ATTR_MTIME);
	return 0;
}

int ext2_setattr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE) {
		int error = set_size(inode, attr->size);
		if (error)
			return error;
	}
	inode_copy_attr(inode, attr);
	inode_touch_ctime(inode);
	return 0;
}

/* --- open files --- */

/* A block at a time: the requests of neighbours are joined anyway. */
static ssize_t direct_map(struct inode *inode, loff_t pos, size_t n, struct direct_place *place)
{
	struct ext2_sb *s = ext2_s(inode);
	unsigned offset = (u64)pos & (s->block_size - 1);
	u32 phys;
	int error = ext2_map(inode, (u64)pos >> s->block_shift, &phys);

	if (error)
		return error;
	*place = (struct direct_place){ .dev = s->dev, .sector = (u64)phys * s->sectors_per_block + offset / 512, .hole = !phys };
	return (ssize_t)min(n, (size_t)(s->block_size - offset));
}

static int file_fsync(struct file *file, bool data_only)
{
	int error = generic_fsync(file, data_only), meta_error;

	if (ext2_is_read_only(file->inode))
		return error;
	meta_error = ext2_write_inode(file->inode);
	if (!meta_error)
		meta_error = ext2_meta_sync(ext2_s(file->inode));
	return error ? error : meta_error;
}

static void free_pages(struct inode *inode, u64 first, u64 last)
{
	unsigned shift = PAGE_SHIFT - ext2_s(inode)->block_shift;

	ext2_map_punch(inode, first << shift, ((last + 1) << shift) - 1);
	inode_mark_dirty(inode);
}

static int file_fallocate(struct file *file, int mode, loff_t start, loff_t end)
{
	struct inode *inode = file->inode;
	int error = 0;

	if (end > ext2_s(inode)->max_size)
		return -EFBIG;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		error = generic_punch(inode, start, end, free_pages);
	if (!error && !(mode & FALLOC_FL_PUNCH_HOLE))
		error = generic_allocate(file, start, end, mode & FALLOC_FL_KEEP_SIZE);
	if (ext2_trim(inode))
		inode_mark_dirty(inode);
	return error;
}

static loff_t file_seek_data(struct inode *inode, loff_t pos, bool hole)
{
	unsigned shift = ext2_s(inode)->block_shift;
	u64 lblock = (u64)pos >> shift;
	s64 found = ext2_map_next(inode, lblock, (u64)READ_ONCE(inode->mapping.size) >> shift, hole);

	return found < 0 ? found : found == (s64)lblock ? pos : found << shift;
}

#define COMMON_OPS \
	.share = generic_file_share, .give = generic_file_give, .llseek = generic_llseek, .mmap = generic_mmap, .fsync = file_fsync, .fallocate = file_fallocate, .seek_data = file_seek_data, \
	.direct = &ext2_direct_ops, .direct_map = direct_map

static const struct file_ops ext2_direct_ops = { .read = direct_read, .write = generic_direct_write, COMMON_OPS };
const struct file_ops ext2_file_ops = { .read = generic_file_read, .write = generic_file_write, COMMON_OPS };

const struct file_ops ext2_dir_file_ops = {
	.iterate = ext2_dir_iterate, .llseek = generic_llseek, .fsync = file_fsync,
};
