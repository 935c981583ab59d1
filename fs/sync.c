/*
 * Making changes lasting: sync, fsync and relatives, and the thread that does a little of it all the time.
 * (Pages of data are written by mm/writeback.c's thread; here inodes become metadata pages, which that thread writes too.)
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "mm/page.h"

#define INTERVAL_NS (5UL * 1000 * 1000 * 1000)

static int sync_super(struct super_block *sb)
{
	int error = sync_inodes(sb), e = 0;

	if (sb->ops && sb->ops->sync)
		e = sb->ops->sync(sb);
	return error ? error : e;
}

int sync_all(void)
{
	struct super_block *sb;
	int error = 0;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node) {
		int e = sb->bdev && sb->root ? sync_super(sb) : 0;
		error = error ? error : e;
	}
	mutex_unlock(&super_lock);
	return error;
}

/* Every file system: data, inodes, then its own metadata. The first error is returned, but all are tried. */
int sync_all(void)
{
	struct super_block *sb;
	int first_error = 0;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node) {
		int error = sync_inodes(sb);

		if (!error && sb->ops->sync)
			error = sb->ops->sync(sb);
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

static long fsync_fd(int fd, bool data_only)
{
	struct file *file = fd_get_file(fd);
	long error;

	if (!file)
		return -EBADF;
	error = file->ops->fsync ? file->ops->fsync(file, data_only) : -EINVAL;
	file_put(file);
	return error;
}

long sys_fsync(unsigned fd) { return fsync_fd((int)fd, false); }
long sys_fdatasync(unsigned fd) { return fsync_fd((int)fd, true); }

long sys_syncfs(int fd)
{
	struct file *file = fd_get_file(fd);
	long error;

	if (!file)
		return -EBADF;
	error = file->inode->sb->bdev ? sync_super(file->inode->sb) : 0;
	file_put(file);
	return error;
}

long sys_sync_file_range(int fd, loff_t offset, loff_t n, unsigned flags)
{
	struct file *file = fd_get_file(fd);
	u64 last = n ? (u64)(offset + n - 1) >> PAGE_SHIFT : ~0UL >> PAGE_SHIFT;
	long error = 0;

	if (!file)
		return -EBADF;
	if (flags & ~7U || offset < 0 || n < 0 || offset + n < offset)
		error = -EINVAL;
	else if (!S_ISREG(file->inode->mode) && !S_ISBLK(file->inode->mode) && !S_ISDIR(file->inode->mode))
		error = -ESPIPE;
	else if (file->inode->mapping.ops && !file->inode->mapping.no_writeback)
		error = mapping_writeback(&file->inode->mapping, (u64)offset >> PAGE_SHIFT, last, flags & 5);
	file_put(file);
	return error;
}

/* Advice is checked and not needed. */
long sys_fadvise64(int fd, loff_t offset, size_t len, int advice)
{
	struct file *file = fd_get_file(fd);
	long error = 0;

	if (!file)
		return -EBADF;
	if (S_ISFIFO(file->inode->mode))
		error = -ESPIPE;
	else if ((loff_t)len < 0 || advice < 0 || advice > 5)
		error = -EINVAL;
	file_put(file);
	return error;
}

#define READAHEAD_MAX 512		/* pages */

long sys_readahead(int fd, loff_t offset, size_t n)
{
	struct file *file = fd_get_file(fd);
	long error = 0;

	if (!file)
		return -EBADF;
	if (!(file->mode & FMODE_READ))
		error = -EBADF;
	else if (!S_ISREG(file->inode->mode) || offset < 0)
		error = -EINVAL;
	else {
		struct page *page;
		u64 first = (u64)offset >> PAGE_SHIFT, pages = min(n >> PAGE_SHIFT, (size_t)READAHEAD_MAX);

		if (pages && !pagecache_read(&file->inode->mapping, first, (unsigned)pages - 1, &page) && page)
			page_unpin_read(page);
	}
	file_put(file);
	return error;
}

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
