/*
 * Open files, and the file operations that every file with a page cache shares.
 */
#include "fs/direct.h"
#include "fs/internal.h"

#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/loan.h"
#include "mm/slab.h"

static struct slab_cache *file_cache;

/* --- life --- */

struct file *file_alloc(const struct path *path, u32 flags)
{
	static const u8 modes[4] = { [O_RDONLY] = FMODE_READ, [O_WRONLY] = FMODE_WRITE, [O_RDWR] = FMODE_READ | FMODE_WRITE };
	struct file *file;

	if (!file_cache) {		/* the first open is at boot, alone */
		file_cache = slab_cache_create("file", sizeof(*file));
		if (!file_cache)
			return ERR_PTR(-ENOMEM);
	}
	file = slab_alloc(file_cache);
	if (!file)
		return ERR_PTR(-ENOMEM);
	*file = (struct file){
		.refs = ATOMIC_INIT(1), .path = *path, .inode = path->dentry->inode, .mode = modes[flags & O_ACCMODE],
		.flags = flags & ~(u32)(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC),
		.pos_lock = MUTEX_INIT(file->pos_lock, "file position", RANK_FILE_POS),
	};
	return file;
}

/* Count one writer (step 1) or one program that runs (-1), unless there are some of the other kind. */
static bool claim_writers(struct inode *inode, int step)
{
	int old = atomic_read(&inode->writers);

	do {
		if (old * step < 0)
			return false;
	} while (!atomic_cmpxchg(&inode->writers, &old, old + step));
	return true;
}

int file_deny_write(struct file *file)
{
	if (!claim_writers(file->inode, -1))
		return -ETXTBSY;
	file->mode |= FMODE_DENIES;
	return 0;
}

static int count_writer(struct file *file)
{
	if (!(file->mode & FMODE_WRITE) || !S_ISREG(file->inode->mode))
		return 0;
	if (!claim_writers(file->inode, 1))
		return -ETXTBSY;
	file->mode |= FMODE_COUNTED;
	return 0;
}

static inline void file_free(struct file *file)
{
	if (file->mode & FMODE_COUNTED)
		atomic_dec(&file->inode->writers);
	if (file->mode & FMODE_DENIES)
		atomic_inc(&file->inode->writers);
	path_put(&file->path);
	slab_free(file_cache, file);
}

/* The operations of what the inode is; a device's own. 0 or -ENXIO. */
static int choose_ops(struct file *file)
{
	u32 mode = file->inode->mode;

	file->ops = file->inode->fops;
	if (S_ISFIFO(mode)) {
		file->ops = &fifo_file_ops;
	} else if ((S_ISCHR(mode) || S_ISBLK(mode)) && !file->ops) {
		file->ops = device_find(mode, file->inode->rdev, &file->private);
	}
	return file->ops ? 0 : -ENXIO;
}

struct file *file_open_path(const struct path *path, u32 flags)
{
	path_get(path);
	return file_open_taken(path, flags);
}

struct file *file_open_taken(const struct path *path, u32 flags)
{
	struct file *file = file_alloc(path, flags);
	int error;

	if (IS_ERR(file)) {
		path_put(path);
		return file;
	}
	if (flags & O_PATH) {
		file->ops = &bad_file_ops;
		file->mode = 0;
		file->flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
		return file;
	}
	error = choose_ops(file);
	if (!error)
		error = count_writer(file);
	if (!error && flags & O_DIRECT && S_ISREG(file->inode->mode)) {
		if (file->ops->direct)
			file->ops = file->ops->direct;
		else
			error = -EINVAL;
	}
	if (!error && !file->ops->llseek)
		file->mode |= FMODE_STREAM;
	if (!error && file->ops->open)
		error = file->ops->open(file->inode, file);
	if (error) {
		file_free(file);
		return ERR_PTR(error);
	}
	file->flags &= ~(u32)O_NOCTTY;	/* it was for ->open alone */
	return file;
}

void file_get(struct file *file) { atomic_inc(&file->refs); }

void file_put(struct file *file)
{
	if (!atomic_dec_and_test(&file->refs))
		return;
	debug_might_sleep();
	if (unlikely(file->watchers))
		epoll_forget(file);
	if (!file_is_path(file)) {
		locks_release_file(file);
		if (file->ops->release)
			file->ops->release(file);
	}
	file_free(file);
}

const struct file_ops bad_file_ops = { 0 };

/* --- contents by the page cache --- */

/* Apart, so that the usual read has no frame here. A read that fails touches, too, as on Linux. */
static __attribute__((noinline)) ssize_t read_and_touch(struct file *file, struct iov_iter *to, loff_t *pos)
{
	ssize_t n;

	if (!to->count)
		return 0;
	n = pagecache_read_iter(&file->inode->mapping, pos, to);
	file_touch_atime(file);
	return n;
}

ssize_t generic_file_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	if (unlikely(!file_atime_will_do(file)))
		return read_and_touch(file, to, pos);
	return pagecache_read_iter(&file->inode->mapping, pos, to);
}

/* A write by others than root takes the set-id bits away. */
static __attribute__((noinline)) void remove_privileges(struct inode *inode)
{
	u32 kill = inode->mode & S_ISUID;

	if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		kill |= S_ISGID;
	if (kill && S_ISREG(inode->mode) && fsuid()) {
		inode->mode &= ~kill;
		inode_touch_ctime(inode);
	}
}

/* How many of n bytes at pos the limits allow; -EFBIG (and SIGXFSZ): none. */
static __attribute__((noinline)) ssize_t write_limited(loff_t pos, size_t n)
{
	u64 limit = current->process ? READ_ONCE(current->process->limits[RLIMIT_FSIZE].rlim_cur) : RLIM64_INFINITY;

	if (limit == RLIM64_INFINITY)
		limit = 0x7fffffffffffffffUL;
	if ((u64)pos >= limit) {
		if (limit != 0x7fffffffffffffffUL)
			signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	return (ssize_t)min((u64)n, limit - (u64)pos);
}

/* Mostly there is no limit. */
static inline ssize_t write_allowed(loff_t pos, size_t n)
{
	struct process *p = current->process;

	return likely(p && READ_ONCE(p->limits[RLIMIT_FSIZE].rlim_cur) == RLIM64_INFINITY && (s64)((u64)pos + n) >= 0) ? (ssize_t)n : write_limited(pos, n);
}

/* O_SYNC contains O_DSYNC. */
static inline bool wants_sync(const struct file *file, const struct inode *inode, const struct iov_iter *from)
{
	return file->flags & O_SYNC || from->rwf & (RWF_SYNC | RWF_DSYNC) || inode->sb->flags & MS_SYNCHRONOUS;
}

/* i_rwsem held: how many of n bytes may be written at pos; the times and the set-id bits are what they are after a write. Or an error. */
static inline __attribute__((always_inline)) ssize_t begin_write(struct file *file, struct inode *inode, loff_t pos, size_t n)
{
	ssize_t allowed = write_allowed(pos, n);

	if (unlikely(file->ops->may_write) && allowed > 0)
		allowed = file->ops->may_write(inode, pos, (size_t)allowed);
	if (unlikely(allowed < 0))
		return allowed;
	if (unlikely(inode->mode & (S_ISUID | S_ISGID)))
		remove_privileges(inode);
	/* The second write of a tick finds the times as they are to be; that the size may change has been said, too, where there is a disk. Saves 60. */
	if (unlikely(inode->written_ns != realtime_recent_ns() || !(inode->mapping.no_writeback || READ_ONCE(inode->state) & I_DIRTY)))
		inode_touch_written(inode);
	return allowed;
}

typedef ssize_t (*write_fn)(struct address_space *m, loff_t *pos, struct iov_iter *from);

/* Of what the iterator has only the first n bytes. */
static __attribute__((noinline)) ssize_t write_cut(struct inode *inode, loff_t *pos, struct iov_iter *from, size_t n, write_fn fn)
{
	size_t cut = from->count - n;
	ssize_t done;

	iter_truncate(from, n);
	done = fn(&inode->mapping, pos, from);
	from->count += cut;
	return done;
}

/* `fn` moves the bytes; inline, so that it is called directly. */
static inline __attribute__((always_inline)) ssize_t write_by(struct file *file, struct iov_iter *from, loff_t *pos, write_fn fn)
{
	struct inode *inode = file->inode;
	ssize_t n;

	if (!from->count)
		return 0;
	down_write(&inode->i_rwsem);
	if (file->flags & O_APPEND || from->rwf & RWF_APPEND)
		*pos = inode->mapping.size;
	n = begin_write(file, inode, *pos, from->count);
	if (n < 0)
		goto out_unlock;
	n = likely((size_t)n == from->count) ? fn(&inode->mapping, pos, from) : write_cut(inode, pos, from, (size_t)n, fn);
out_unlock:
	up_write(&inode->i_rwsem);
	if (n > 0 && wants_sync(file, inode, from) && file->ops->fsync) {
		int error = file->ops->fsync(file, !(file->flags & (O_SYNC & ~O_DSYNC) || from->rwf & RWF_SYNC));
		if (error)
			n = error;
	}
	return n;
}

ssize_t generic_file_share(struct file *out, loff_t *to, struct file *in, loff_t *from, size_t n)
{
	struct inode *inode = out->inode;
	ssize_t done;

	if (out->flags & O_SYNC || inode->sb->flags & MS_SYNCHRONOUS || (*to | *from) & ~PAGE_MASK ||
	    n < PAGE_SIZE)
		return 0;
	down_write(&inode->i_rwsem);
	done = begin_write(out, inode, *to, n);
	if (done > 0)
		done = pagecache_share(&in->inode->mapping, from, &inode->mapping, to, (size_t)done);
	up_write(&inode->i_rwsem);
	return done;
}

ssize_t generic_file_give(struct file *file, loff_t *to, struct page **loan, unsigned n)
{
	struct inode *inode = file->inode;
	unsigned given;
	ssize_t done;

	if (file->flags & O_SYNC || inode->sb->flags & MS_SYNCHRONOUS || *to & ~PAGE_MASK) {
		loan_return(loan, n);
		return 0;
	}
	down_write(&inode->i_rwsem);
	done = begin_write(file, inode, *to, n * PAGE_SIZE);
	given = done > 0 ? (unsigned)((size_t)done >> PAGE_SHIFT) : 0;
	loan_return(loan + given, n - given);
	if (done > 0)
		done = pagecache_give(&inode->mapping, to, loan, given);
	up_write(&inode->i_rwsem);
	return done;
}

ssize_t generic_file_write(struct file *file, struct iov_iter *from, loff_t *pos) { return write_by(file, from, pos, pagecache_write_iter); }
ssize_t generic_direct_write(struct file *file, struct iov_iter *from, loff_t *pos) { return write_by(file, from, pos, direct_write_iter); }

bool file_async_write_begin(struct file *file, loff_t end)
{
	struct inode *inode = file->inode;

	if (file->flags & (O_APPEND | O_SYNC) || inode->sb->flags & MS_SYNCHRONOUS || write_allowed(end - 1, 1) < 0)
		return false;
	remove_privileges(inode);
	inode_touch(inode, ATTR_MTIME);
	return true;
}

static loff_t seek_data(const struct file *file, loff_t pos, loff_t size, bool hole)
{
	if (pos < 0 || pos >= size)
		return -ENXIO;
	if (file->ops->seek_data)
		pos = file->ops->seek_data(file->inode, pos, hole);
	else if (hole)
		pos = size;
	if (pos >= size)
		return hole ? size : -ENXIO;
	return pos;
}

loff_t generic_llseek(struct file *file, loff_t offset, int whence)
{
	loff_t size = READ_ONCE(file->inode->mapping.size), from;

	switch (whence) {
	case SEEK_SET:
		from = 0;
		break;
	case SEEK_CUR:
		if (!offset)
			return file->pos;
		from = file->pos;
		break;
	case SEEK_END:
		from = size;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		offset = seek_data(file, offset, size, whence == SEEK_HOLE);
		return offset < 0 ? offset : (file->pos = offset);
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(from, offset, &offset) || offset < 0)
		return -EINVAL;
	return file->pos = offset;
}

int generic_fsync(struct file *file, bool data_only)
{
	struct inode *inode = file->inode;
	int error = mapping_writeback(&inode->mapping, 0, ~0UL >> PAGE_SHIFT, true);
	int e = inode->sb->ops && inode->sb->ops->write_inode ? inode_write_back(inode) : 0;

	return error ? error : e;
}

/* --- for the kernel --- */

ssize_t file_read_kernel(struct file *file, void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;

	iter_init_kernel_buf(&it, buf, n);
	if (!file->ops->read)
		return S_ISDIR(file->inode->mode) ? -EISDIR : -EINVAL;
	return file->ops->read(file, &it, &pos);
}

ssize_t file_write_kernel(struct file *file, const void *buf, size_t n, loff_t *pos)
{
	struct iov_iter it;

	iter_init_kernel_buf(&it, (void *)buf, n);
	if (!file->ops->write)
		return -EINVAL;
	return file->ops->write(file, &it, pos);
}

/* --- names --- */

/* Put text before *at, which moves; false: no room. */
static bool prepend(char *buf, char **at, const char *text, size_t len)
{
	if ((size_t)(*at - buf) < len)
		return false;
	*at -= len;
	memcpy(*at, text, len);
	return true;
}

int dentry_path(const struct dentry *d, char *buf, size_t size)
{
	char *p = buf + size;
	bool fits = size && prepend(buf, &p, "", 1);
	size_t len;

	spin_lock(&dcache_lock);
	if (d->parent == d)
		fits = fits && prepend(buf, &p, "/", 1);
	for (; fits && d->parent != d; d = d->parent)
		fits = prepend(buf, &p, d->name, d->name_len) && prepend(buf, &p, "/", 1);
	spin_unlock(&dcache_lock);
	if (!fits)
		return -ENAMETOOLONG;
	len = strlen(p);
	memmove(buf, p, len + 1);
	return (int)len;
}

int file_path(const struct path *path, char *buf, size_t size)
{
	static const char deleted[] = " (deleted)";
	struct path at = *path, root;
	char *p = buf + size;
	bool fits;
	size_t len;

	if (!size)
		return -ENAMETOOLONG;
	fits = prepend(buf, &p, "", 1);
	spin_lock(&dcache_lock);
	current_root(&root);
	if (dentry_unhashed(at.dentry))
		fits = fits && prepend(buf, &p, deleted, sizeof(deleted) - 1);
	while (fits && !path_equal(&at, &root)) {
		if (!at.mnt) {			/* a pipe, a memfd: a name and no place */
			fits = prepend(buf, &p, at.dentry->name, at.dentry->name_len);
			break;
		}
		if (at.dentry == at.mnt->root) {
			if (!at.mnt->parent)
				break;
			at = (struct path){ at.mnt->parent, at.mnt->mountpoint };
			continue;
		}
		fits = prepend(buf, &p, at.dentry->name, at.dentry->name_len) && prepend(buf, &p, "/", 1);
		at.dentry = at.dentry->parent;
	}
	if (!*p || *p == ' ')			/* nothing but the root */
		fits = fits && prepend(buf, &p, "/", 1);
	spin_unlock(&dcache_lock);
	if (!fits)
		return -ENAMETOOLONG;
	len = strlen(p);
	memmove(buf, p, len + 1);
	return (int)len;
}
