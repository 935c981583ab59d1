/*
 * read, write and their relatives: from a descriptor and user buffers to the file's own operation.
 *
 * Checks come in Linux's order, which programs that pass bad pointers can see: descriptor, direction, address range, length.
 */
#include "fs/fdtable.h"

#include "fs/syscalls.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

/* --- positions --- */

/* Whoever else could move the position is kept out. Not needed if nobody else can have the file in use: it is borrowed from its only table. */
static bool pos_lock(struct file *file, bool counted)
{
	if (file->mode & FMODE_STREAM || (!counted && atomic_read(&file->refs) == 1))
		return false;
	mutex_lock(&file->pos_lock);
	return true;
}

static void pos_unlock(struct file *file, bool locked)
{
	if (locked)
		mutex_unlock(&file->pos_lock);
}

/* --- one transfer --- */

static inline __attribute__((always_inline)) int check_direction(const struct file *file, bool write)
{
	return file->mode & (write ? FMODE_WRITE : FMODE_READ) ? 0 : -EBADF;
}

typedef ssize_t (*transfer_fn)(struct file *file, struct iov_iter *it, loff_t *pos);

static ssize_t read_directory(struct file *file, struct iov_iter *it, loff_t *pos) { return -EISDIR; }

/* What does it; NULL: this kind of file cannot. */
static inline transfer_fn transfer_of(const struct file *file, bool write)
{
	transfer_fn fn = write ? file->ops->write : file->ops->read;

	return likely(fn) || write || !S_ISDIR(file->inode->mode) ? fn : read_directory;
}

/* pos NULL: the file's own. */
static inline ssize_t rw_buf(struct file *file, bool counted, bool write, void __user *buf, size_t n, loff_t *pos)
{
	struct iov_iter it;
	ssize_t done = check_direction(file, write);
	transfer_fn transfer = transfer_of(file, write);
	bool locked;

	if (done)
		return done;
	if (unlikely(!transfer))
		return -EINVAL;
	if (unlikely(iter_init_user_buf(&it, buf, n)))
		return -EFAULT;
	if (pos)
		return transfer(file, &it, pos);
	locked = pos_lock(file, counted);
	done = transfer(file, &it, &file->pos);
	pos_unlock(file, locked);
	return done;
}

static inline long rw_here(unsigned fd, bool write, void __user *buf, size_t n)
{
	bool counted;
	struct file *file = fd_borrow((int)fd, &counted);
	long done;

	if (!file)
		return -EBADF;
	done = rw_buf(file, counted, write, buf, n, NULL);
	fd_return(file, counted);
	return done;
}

long sys_read(unsigned fd, char __user *buf, size_t n) { return rw_here(fd, false, buf, n); }
long sys_write(unsigned fd, const char __user *buf, size_t n) { return rw_here(fd, true, (char __user *)buf, n); }

static inline long rw_at(unsigned fd, bool write, void __user *buf, size_t n, loff_t pos)
{
	struct file *file;
	bool counted;
	long done;

	if (pos < 0)
		return -EINVAL;
	file = fd_borrow((int)fd, &counted);
	if (!file)
		return -EBADF;
	done = file->mode & FMODE_STREAM ? -ESPIPE : rw_buf(file, counted, write, buf, n, &pos);
	fd_return(file, counted);
	return done;
}

long sys_pread64(unsigned fd, char __user *buf, size_t n, loff_t pos) { return rw_at(fd, false, buf, n, pos); }
long sys_pwrite64(unsigned fd, const char __user *buf, size_t n, loff_t pos) { return rw_at(fd, true, (char __user *)buf, n, pos); }

/* --- vectors --- */

/* May this file do what the flags ask for? NOWAIT: only a read from the cache of a disk can tell that it would wait. */
static int check_rwf(const struct file *file, bool write, __kernel_rwf_t flags)
{
	const __kernel_rwf_t known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;

	if (flags & ~known)
		return -EOPNOTSUPP;
	return flags & RWF_NOWAIT && (write || file->ops->read != generic_file_read || file->inode->mapping.no_writeback) ? -EOPNOTSUPP : 0;
}

static ssize_t rw_vector(struct file *file, bool counted, bool write, const struct iovec __user *uiov, unsigned long nr, loff_t *pos, int flags)
{
	struct iovec fast[FAST_IOV], *iov;
	struct iov_iter it;
	ssize_t done = check_direction(file, write);
	transfer_fn transfer = transfer_of(file, write);
	bool locked = false;

	if (done)
		return done;
	iov = iter_import(&it, uiov, nr, fast, FAST_IOV);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	if (!transfer)
		done = -EINVAL;
	if (!done && it.count && flags) {
		it.rwf = (__force __kernel_rwf_t)flags;
		done = check_rwf(file, write, it.rwf);
	}
	if (!done && it.count) {
		if (!pos)
			locked = pos_lock(file, counted);
		done = transfer(file, &it, pos ? pos : &file->pos);
		pos_unlock(file, locked);
	}
	if (iov != fast)
		kfree(iov);
	return done;
}

/* at: at *at, not at the file's own position. */
static long vector_call(unsigned long fd, bool write, const struct iovec __user *iov, unsigned long nr, loff_t *at, int flags)
{
	struct file *file;
	bool counted;
	long done;

	if (at && *at < 0)
		return -EINVAL;
	file = fd_borrow((int)fd, &counted);
	if (!file)
		return -EBADF;
	done = at && file->mode & FMODE_STREAM ? -ESPIPE : rw_vector(file, counted, write, iov, nr, at, flags);
	fd_return(file, counted);
	return done;
}

long sys_readv(unsigned long fd, const struct iovec __user *iov, unsigned long nr) { return vector_call(fd, false, iov, nr, NULL, 0); }
long sys_writev(unsigned long fd, const struct iovec __user *iov, unsigned long nr) { return vector_call(fd, true, iov, nr, NULL, 0); }

/* On 64-bit the whole position is in `pos`; the high half is unused. */
long sys_preadv(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high)
{
	return vector_call(fd, false, iov, nr, &(loff_t){ (loff_t)pos }, 0);
}

long sys_pwritev(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high)
{
	return vector_call(fd, true, iov, nr, &(loff_t){ (loff_t)pos }, 0);
}

/* Position -1: the file's own. */
static long vector2(unsigned long fd, bool write, const struct iovec __user *iov, unsigned long nr, loff_t pos, int flags)
{
	return vector_call(fd, write, iov, nr, pos == -1 ? NULL : &pos, flags);
}

long sys_preadv2(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high, int flags)
{
	return vector2(fd, false, iov, nr, (loff_t)pos, flags);
}

long sys_pwritev2(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high, int flags)
{
	return vector2(fd, true, iov, nr, (loff_t)pos, flags);
}

/* --- lseek --- */

long sys_lseek(unsigned fd, loff_t offset, unsigned whence)
{
	bool counted, locked;
	struct file *file = fd_borrow((int)fd, &counted);
	long pos;

	if (!file)
		return -EBADF;
	if (whence > SEEK_HOLE) {
		pos = -EINVAL;
	} else if (!file->ops->llseek) {
		pos = -ESPIPE;
	} else {
		locked = pos_lock(file, counted);
		pos = file->ops->llseek(file, offset, (int)whence);
		pos_unlock(file, locked);
	}
	fd_return(file, counted);
	return pos;
}
