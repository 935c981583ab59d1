/* sync(), fsync() and their relatives, and the advice about what will be read. */
#include "fs/internal.h"

#include "fs/syscalls.h"

#define LAST_PAGE (~0UL >> (PAGE_SHIFT + 1))

static int sync_super(struct super_block *sb)
{
	int error = sync_inodes(sb);

	if (!error && sb->ops && sb->ops->sync)
		error = sb->ops->sync(sb);
	return error;
}

/* Every file system: data, inodes, then its own metadata. The first error is returned, but all are tried. */
int sync_all(void)
{
	struct super_block *sb;
	int first_error = 0;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node) {
		int error = sync_super(sb);

		first_error = first_error ? first_error : error;
	}
	mutex_unlock(&super_lock);
	return first_error;
}

long sys_sync(void)
{
	sync_all();
	return 0;
}

static long fsync_fd(unsigned fd, bool data_only)
{
	struct file *file = fd_get_file((int)fd);
	long r;

	if (!file)
		return -EBADF;
	r = file->ops->fsync ? file->ops->fsync(file, data_only) : -EINVAL;
	file_put(file);
	return r;
}

long sys_fsync(unsigned fd) { return fsync_fd(fd, false); }
long sys_fdatasync(unsigned fd) { return fsync_fd(fd, true); }

long sys_syncfs(int fd)
{
	struct file *file = fd_get_file(fd);
	long r;

	if (!file)
		return -EBADF;
	r = sync_super(file->inode->sb);
	file_put(file);
	return r;
}

/* The cache of the file's bytes; ops NULL: it has none. */
static struct address_space *cache_of(struct file *file) { return file->ops->mapping ? file->ops->mapping(file) : &file->inode->mapping; }

/* The pages that [offset, offset + n) touches; n == 0: to the end of the file. */
static void page_range(loff_t offset, loff_t n, u64 *first, u64 *last)
{
	*first = (u64)offset >> PAGE_SHIFT;
	*last = n && offset + n > 0 ? (u64)(offset + n - 1) >> PAGE_SHIFT : LAST_PAGE;
}

long sys_sync_file_range(int fd, loff_t offset, loff_t n, unsigned flags)
{
	const unsigned known = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
	struct file *file = fd_get_file(fd);
	struct address_space *m;
	u64 first, last;
	u32 mode;
	long r = -EINVAL;

	if (!file)
		return -EBADF;
	if (flags & ~known || offset < 0 || n < 0 || offset + n < offset)
		goto out;
	mode = file->inode->mode;
	r = -ESPIPE;
	if (!S_ISREG(mode) && !S_ISBLK(mode) && !S_ISDIR(mode) && !S_ISLNK(mode))
		goto out;
	page_range(offset, n, &first, &last);
	m = cache_of(file);
	r = flags && m->ops ? mapping_writeback(m, first, last, flags & ~SYNC_FILE_RANGE_WRITE) : 0;
out:
	file_put(file);
	return r;
}

#define READ_AHEAD_MAX 512	/* pages per call: a hint must not fill memory */

/* Read pages ahead into the cache. Errors are not the caller's: the read itself will meet them. tmpfs has nothing to read, and a
 * page made for a hole there would stay. */
static void read_ahead(struct address_space *m, u64 first, u64 last)
{
	u64 end = DIV_UP((u64)READ_ONCE(m->size), PAGE_SIZE);

	if (m->no_writeback)
		return;
	last = min(last, first + READ_AHEAD_MAX - 1);
	for (u64 index = first; index < end && index <= last; index++) {
		struct page *page;

		if (pagecache_read(m, index, (unsigned)min(last - index, 31UL), &page) || !page)
			return;
		page_unpin_read(page);
	}
}

long sys_readahead(int fd, loff_t offset, size_t n)
{
	struct file *file = fd_get_file(fd);
	long r = 0;

	if (!file)
		return -EBADF;
	if (!(file->mode & FMODE_READ))
		r = -EBADF;
	else if (!S_ISREG(file->inode->mode) && !S_ISBLK(file->inode->mode))
		r = -EINVAL;
	else if (cache_of(file)->ops && n && offset >= 0 && (loff_t)n > 0)
		read_ahead(cache_of(file), (u64)offset >> PAGE_SHIFT, (u64)(offset + (loff_t)n - 1) >> PAGE_SHIFT);
	file_put(file);
	return r;
}

static long advise(struct file *file, loff_t offset, loff_t n, int advice)
{
	struct address_space *m = cache_of(file);
	u64 first, last;

	if (S_ISFIFO(file->inode->mode))
		return -ESPIPE;
	if (n < 0)
		return -EINVAL;
	page_range(max(offset, 0L), n, &first, &last);
	if (!m->ops)
		return advice < 0 || advice > POSIX_FADV_NOREUSE ? -EINVAL : 0;
	switch (advice) {
	case POSIX_FADV_NORMAL:
	case POSIX_FADV_RANDOM:
	case POSIX_FADV_SEQUENTIAL:
	case POSIX_FADV_NOREUSE:
		return 0;			/* hints that nothing here depends on */
	case POSIX_FADV_WILLNEED:
		if (S_ISREG(file->inode->mode) || S_ISBLK(file->inode->mode))
			read_ahead(m, first, last);
		return 0;
	case POSIX_FADV_DONTNEED:
		if (!S_ISREG(file->inode->mode) && !S_ISBLK(file->inode->mode))
			return 0;
		mapping_writeback(m, first, last, false);
		first = DIV_UP((u64)max(offset, 0L), PAGE_SIZE);	/* whole pages only */
		if (n && offset + n < READ_ONCE(m->size))
			last = ((u64)(offset + n) >> PAGE_SHIFT) - 1;
		if (first <= last && last != ~0UL)
			pagecache_drop(m, first, last);
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_fadvise64(int fd, loff_t offset, size_t len, int advice)
{
	struct file *file = fd_get_file(fd);
	long r;

	if (!file)
		return -EBADF;
	r = advise(file, offset, (loff_t)len, advice);
	file_put(file);
	return r;
}

/* --- the thread: changed inodes go to metadata pages, which mm/writeback.c's thread writes with the others --- */

#define INTERVAL_NS (5UL * 1000 * 1000 * 1000)

static void sync_thread(void *arg)
{
	for (;;) {
		sleep_until_ns(ktime_ns() + INTERVAL_NS, WAIT_UNINTERRUPTIBLE);
		inodes_write_dirty();
	}
}

void sync_start(void)
{
	if (!kthread_start("inode-sync", sync_thread, NULL))
		printk("sync: no memory for the thread: inodes are written by sync only\n");
}
