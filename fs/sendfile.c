/*
 * sendfile, copy_file_range, FICLONERANGE: from one file to another without the user's memory.
 *
 * The source has a page cache; its whole pages become the target's too (mm/loan.h), the rest is written from where it lies, under a
 * read pin. A pipe gets the pages themselves (fs/splice.c).
 */
#include "fs/internal.h"

#include "fs/pipe.h"
#include "fs/syscalls.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/usercopy.h"

/* All n bytes at `buf` to out at *pos, or an error; less only if an error comes later. */
static ssize_t write_all(struct file *out, const char *buf, size_t n, loff_t *pos)
{
	size_t sent = 0;

	while (sent < n) {
		ssize_t k = file_write_kernel(out, buf + sent, n - sent, pos);

		if (k <= 0)
			return sent ? (ssize_t)sent : k;
		sent += (size_t)k;
	}
	return (ssize_t)sent;
}

/* Up to n bytes of one page at `from` to `to`. 0: end of file. */
static ssize_t copy_piece(struct file *out, struct file *in, loff_t from, loff_t *to, size_t n)
{
	struct address_space *m = &in->inode->mapping;
	size_t offset = from & ~PAGE_MASK;
	struct page *page;
	loff_t size;
	ssize_t done;
	int error;

	if (from >= READ_ONCE(m->size))
		return 0;
	error = pagecache_read(m, (u64)from >> PAGE_SHIFT, (unsigned)min(n >> PAGE_SHIFT, 31UL), &page);
	if (error || !page)
		return error;
	size = smp_load_acquire(&m->size);	/* as in mm/read.c: after the page was found */
	n = min(n, PAGE_SIZE - offset);
	n = size > from ? min(n, (size_t)(size - from)) : 0;
	done = n ? write_all(out, (char *)page_address(page) + offset, n, to) : 0;
	page_unpin_read(page);
	return done;
}

/* Copy up to n bytes from *from to *to, which both move. Bytes, or an error if none. */
static ssize_t copy_bytes(struct file *out, struct file *in, loff_t *from, loff_t *to, size_t n)
{
	ssize_t done = 0, k = 0;

	while ((size_t)done < n) {
		k = out->ops->share ? out->ops->share(out, to, in, from, n - (size_t)done) : 0;
		if (!k) {
			k = copy_piece(out, in, *from, to, n - (size_t)done);
			*from += max(k, (ssize_t)0);
		}
		if (k <= 0)
			break;
		done += k;
		if (fatal_signal_pending(current))
			break;
	}
	if (done && !(in->flags & O_NOATIME))
		inode_touch_atime(in->inode);
	return done ? done : k;
}

/* --- sendfile --- */

/* From *offset on, which moves; NULL: from in's own position. */
static long send(struct file *out, struct file *in, loff_t *offset, size_t n)
{
	loff_t *pos = offset ? offset : &in->pos;

	if (!(in->mode & FMODE_READ))
		return -EBADF;
	if (offset && in->mode & FMODE_STREAM)
		return -ESPIPE;
	if (*pos < 0)
		return -EINVAL;
	if (!(out->mode & FMODE_WRITE))
		return -EBADF;
	if (!file_has_pages(in) || !out->ops->write || out->flags & O_APPEND)
		return -EINVAL;
	n = min(n, MAX_RW_COUNT);
	if (file_pipe(out))	/* as splice(): what there is room for */
		return splice_file_to_pipe(in, pos, file_pipe(out), n, out->flags & O_NONBLOCK);
	return copy_bytes(out, in, pos, &out->pos, n);
}

long sys_sendfile(int out_fd, int in_fd, loff_t __user *uoffset, size_t n)
{
	struct file *in, *out = NULL;
	loff_t offset = 0;
	long result = -EBADF;

	if (uoffset && get_user(offset, uoffset))
		return -EFAULT;
	in = fd_get_file(in_fd);
	if (in)
		out = fd_get_file(out_fd);
	if (out)
		result = send(out, in, uoffset ? &offset : NULL, n);
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	/* Also after an error, as Linux. */
	return uoffset && put_user(offset, uoffset) ? -EFAULT : result;
}

/* --- copy_file_range --- */

/* How many bytes may be copied: 0 at the end of the source, or an error. */
static ssize_t range_allowed(const struct file *out, const struct file *in, loff_t from, loff_t to, size_t n)
{
	struct inode *source = in->inode, *target = out->inode;
	loff_t size = READ_ONCE(source->mapping.size);
	u64 limit = READ_ONCE(current->process->limits[RLIMIT_FSIZE].rlim_cur);

	if (S_ISDIR(source->mode) || S_ISDIR(target->mode))
		return -EISDIR;
	if (!S_ISREG(source->mode) || !S_ISREG(target->mode))
		return -EINVAL;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE) || out->flags & O_APPEND)
		return -EBADF;
	if (source->sb != target->sb)
		return -EXDEV;
	if (!file_has_pages(in) || !out->ops->write)
		return -EINVAL;
	if ((u64)from + n < (u64)from || (u64)to + n < (u64)to)
		return -EOVERFLOW;
	n = from >= size ? 0 : min(n, (size_t)(size - from));
	if (n && limit != RLIM64_INFINITY && (u64)to >= limit) {
		signal_send_task(current, SIGXFSZ, NULL);
		return -EFBIG;
	}
	if (source == target && to + (loff_t)n > from && to < from + (loff_t)n)
		return -EINVAL;		/* the two overlap */
	if (from < 0 || to < 0)
		return -EINVAL;
	return (ssize_t)min(n, MAX_RW_COUNT);
}

static ssize_t copy_range(struct file *in, loff_t __user *uin, struct file *out, loff_t __user *uout, size_t n, unsigned flags)
{
	loff_t from = in->pos, to = out->pos;
	ssize_t done;

	if (uin && copy_from_user(&from, uin, sizeof(from)))
		return -EFAULT;
	if (uout && copy_from_user(&to, uout, sizeof(to)))
		return -EFAULT;
	if (flags)
		return -EINVAL;
	done = range_allowed(out, in, from, to, n);
	if (done > 0)
		done = copy_bytes(out, in, &from, &to, (size_t)done);
	if (done <= 0)
		return done;
	if (!uin)
		in->pos = from;
	if (!uout)
		out->pos = to;
	if ((uin && copy_to_user(uin, &from, sizeof(from))) || (uout && copy_to_user(uout, &to, sizeof(to))))
		return -EFAULT;
	return done;
}

long sys_copy_file_range(int in_fd, loff_t __user *uin, int out_fd, loff_t __user *uout, size_t n, unsigned flags)
{
	struct file *in = fd_get_file(in_fd), *out = in ? fd_get_file(out_fd) : NULL;
	long result = out ? copy_range(in, uin, out, uout, n, flags) : -EBADF;

	if (out)
		file_put(out);
	if (in)
		file_put(in);
	return result;
}

/* --- FICLONE, FICLONERANGE: as copy_file_range(), all of it or an error (ioctl_ficlonerange(2)) --- */

static long clone_allowed(const struct file *out, const struct file *in, const struct file_clone_range *r, u64 *n)
{
	struct inode *source = in->inode, *target = out->inode;
	u64 size = (u64)READ_ONCE(source->mapping.size), room;

	if (S_ISDIR(source->mode) || S_ISDIR(target->mode))
		return -EISDIR;
	if (!S_ISREG(source->mode) || !S_ISREG(target->mode))
		return -EINVAL;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE) || out->flags & O_APPEND)
		return -EBADF;
	if (source->sb != target->sb)
		return -EXDEV;
	if (!out->ops->share || in->ops->read != generic_file_read)
		return -EOPNOTSUPP;
	if (r->src_offset > size || r->src_length > size - r->src_offset || __builtin_add_overflow(r->dest_offset, size, &room) || (s64)room < 0)
		return -EINVAL;
	*n = r->src_length ? r->src_length : size - r->src_offset;
	if ((r->src_offset | r->dest_offset) & ~PAGE_MASK)
		return -EINVAL;
	/* A part of a page: only if it ends both files. */
	if (*n & ~PAGE_MASK && (r->src_offset + *n != size || r->dest_offset + *n < (u64)READ_ONCE(target->mapping.size)))
		return -EINVAL;
	if (source == target && r->dest_offset + *n > r->src_offset && r->dest_offset < r->src_offset + *n)
		return -EINVAL;
	return 0;
}

long file_clone(struct file *out, const struct file_clone_range *r)
{
	loff_t from = (loff_t)r->src_offset, to = (loff_t)r->dest_offset;
	struct file *in = r->src_fd >= 0 && r->src_fd <= 0x7fffffff ? fd_get_file((int)r->src_fd) : NULL;
	u64 n = 0;
	long error;

	if (!in)
		return -EBADF;
	error = clone_allowed(out, in, r, &n);
	while (!error && n) {
		ssize_t k = copy_bytes(out, in, &from, &to, min(n, (u64)MAX_RW_COUNT));

		if (k <= 0)
			error = k ? k : -EINVAL;	/* 0: the source was truncated meanwhile */
		else if (fatal_signal_pending(current))
			error = -EINTR;
		else
			n -= (u64)k;
	}
	file_put(in);
	return error;
}
