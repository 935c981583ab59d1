/*
 * fallocate(2): room for bytes that are written later (0, KEEP_SIZE), holes (PUNCH_HOLE | KEEP_SIZE), zeroes (ZERO_RANGE).
 *
 * Room is zeroes in the page cache for which the file system has reserved blocks; there are no extents that are allocated and
 * not written. Behind the end of a file there is no room: KEEP_SIZE gives it up to the end only.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"

/* --- for file systems --- */

/* Page `index` gets a block wherever [from, to) has none, and is dirty: what the block holds on the disk is not ours. */
static int allocate_page(struct address_space *m, u64 index, unsigned from, unsigned to)
{
	struct page *page;
	entry_t *slot;
	int error = pagecache_begin_change(m, index, false, &page, &slot);

	if (error)
		return error;
	if (m->ops->reserve)
		error = m->ops->reserve(m, index, from, to);
	pagecache_end_change(m, index, slot, !error);
	return error;
}

/* Zeroes from the end of the file to `end`. */
static int extend(struct file *file, loff_t end)
{
	struct page *zeroes = page_alloc(0, PA_ZERO);
	struct address_space *m = &file->inode->mapping;
	int error = zeroes ? 0 : -ENOMEM;

	while (!error && m->size < end) {
		loff_t pos = m->size;
		struct iov_iter it;
		ssize_t n;

		iter_init_kernel_buf(&it, page_address(zeroes), (size_t)min(end - pos, (loff_t)PAGE_SIZE - (pos & ~(loff_t)PAGE_MASK)));
		n = pagecache_write_iter(m, &pos, &it);
		error = n < 0 ? (int)n : fatal_signal_pending(current) ? -EINTR : 0;
	}
	if (zeroes)
		page_put(zeroes);
	return error;
}

static int set_size(struct address_space *m, loff_t size)
{
	int error = pagecache_truncate_begin(m, size);

	if (!error)
		pagecache_truncate_end(m);
	return error;
}

int generic_allocate(struct file *file, loff_t start, loff_t end, bool keep_size)
{
	struct address_space *m = &file->inode->mapping;
	loff_t size = m->size, inside = min(end, size);
	int error = 0;

	for (loff_t pos = start; pos < inside && !error; pos = ALIGN_DOWN(pos, (loff_t)PAGE_SIZE) + (loff_t)PAGE_SIZE) {
		loff_t page_start = ALIGN_DOWN(pos, (loff_t)PAGE_SIZE);

		error = allocate_page(m, (u64)pos >> PAGE_SHIFT, (unsigned)(pos - page_start), (unsigned)min(inside - page_start, (loff_t)PAGE_SIZE));
		if (!error && fatal_signal_pending(current))
			error = -EINTR;
	}
	if (error || keep_size || end <= size)
		return error;
	if (start > size)		/* what lies between stays a hole */
		error = set_size(m, start);
	if (!error)
		error = extend(file, end);
	if (error)
		set_size(m, size);	/* its blocks: the caller, who knows them */
	return error;
}

int generic_punch(struct inode *inode, loff_t start, loff_t end, void (*free_blocks)(struct inode *inode, u64 first_page, u64 last_page))
{
	struct address_space *m = &inode->mapping;
	u64 first = DIV_UP((u64)start, PAGE_SIZE), behind;
	int error;

	end = min(end, m->size);
	if (start >= end)
		return 0;
	error = pagecache_zero_ends(m, start, end);
	if (error)
		return error;
	behind = end == m->size ? DIV_UP((u64)end, PAGE_SIZE) : (u64)end >> PAGE_SHIFT;
	if (first >= behind)
		return 0;
	pagecache_punch_begin(m, first, behind - 1);
	if (free_blocks)
		free_blocks(inode, first, behind - 1);
	pagecache_punch_end(m);
	return 0;
}

/* --- the call --- */

static bool known_mode(int mode)
{
	switch (mode) {
	case 0:
	case FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
	case FALLOC_FL_ZERO_RANGE:
	case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
		return true;
	}
	return false;
}

static int check(const struct file *file, int mode, loff_t offset, loff_t len)
{
	u32 type = file->inode->mode;

	if (offset < 0 || len <= 0)
		return -EINVAL;
	if (!known_mode(mode))
		return -EOPNOTSUPP;
	if (!(file->mode & FMODE_WRITE))
		return -EBADF;
	if (S_ISFIFO(type))
		return -ESPIPE;
	if (S_ISDIR(type))
		return -EISDIR;
	if (!S_ISREG(type) && !S_ISBLK(type))
		return -ENODEV;
	if (len > 0x7fffffffffffffffL - offset)
		return -EFBIG;
	return file->ops->fallocate ? 0 : -EOPNOTSUPP;
}

static int do_fallocate(struct file *file, int mode, loff_t start, loff_t end)
{
	struct inode *inode = file->inode;
	u64 limit = READ_ONCE(current->process->limits[RLIMIT_FSIZE].rlim_cur);
	int error;

	down_write(&inode->i_rwsem);
	if (!(mode & FALLOC_FL_KEEP_SIZE) && end > inode->mapping.size && (u64)end > limit) {
		signal_send_task(current, SIGXFSZ, NULL);
		error = -EFBIG;
	} else {
		error = file->ops->fallocate(file, mode, start, end);
	}
	if (!error)
		inode_touch(inode, ATTR_MTIME);
	up_write(&inode->i_rwsem);
	return error;
}

long sys_fallocate(int fd, int mode, loff_t offset, loff_t len)
{
	struct file *file = fd_get_file(fd);
	int error;

	if (!file)
		return -EBADF;
	error = check(file, mode, offset, len);
	if (!error)
		error = do_fallocate(file, mode, offset, offset + len);
	file_put(file);
	return error;
}
