/*
 * splice and tee: bytes between a pipe and something else, or another pipe, as references to frames where that is possible.
 *
 *   file -> pipe     whole cached pages are lent to the pipe (mm/loan.h): whoever writes to the file then replaces its page, so the pipe keeps the bytes
 *                    of the moment of splice(). Linux lets later writes show; its manual promises neither. The rest is read into frames
 *   pipe -> pipe     buffers move; tee, and a part of a buffer: one holder more
 *   pipe -> file     whole pages become the file's, by reference; what is left is written by the file's own write operation
 *   sockets, terminals and other devices are read into frames, and written from them
 *
 * No user memory is touched. Nothing is held while a file is read or written: the places in the pipe are reserved before, or its bytes claimed.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/usermode.h"
#include "mm/loan.h"
#include "mm/ownership.h"
#include "mm/switches.h"
#include "mm/usercopy.h"
#include "mm/vmstat.h"

#define SHARE_MIN 512		/* bytes of a page: below, copying them is cheaper than a reference */
#define BATCH 16		/* buffers at a time */

/* Files with pages or bytes of their own; /proc, eventfd and their like make what they say anew. */
static bool has_bytes(const struct file *f)
{
	return file_has_pages(f) || S_ISSOCK(f->inode->mode) || S_ISCHR(f->inode->mode) || S_ISBLK(f->inode->mode);
}

/* Buffers that are being gathered for places that are reserved. */
struct gather {
	struct pipe_buf bufs[BATCH];
	unsigned nr, places;
};

/* --- a file to a pipe --- */

/* Read up to n bytes into frames. Bytes, 0 at the end, or an error. */
static ssize_t read_frames(struct file *in, loff_t *pos, size_t n, struct gather *g)
{
	unsigned frames = (unsigned)min(DIV_UP(n, PAGE_SIZE), (size_t)(g->places - g->nr)), i;
	struct pipe_buf *b = &g->bufs[g->nr];
	struct iovec iov[BATCH];
	struct iov_iter it;
	ssize_t done, left;

	for (i = 0; i < frames && (b[i].page = page_alloc(0, 0)); i++)
		iov[i] = (struct iovec){ page_address(b[i].page), min(n - i * PAGE_SIZE, PAGE_SIZE) };
	if (!i)
		return -ENOMEM;
	iter_init_kernel(&it, iov, i);
	frames = i;
	done = file_has_pages(in) ? generic_file_read(in, &it, pos) : in->ops->read(in, &it, pos);
	left = max(done, 0L);
	for (i = 0; i < frames; i++, left -= min(left, (ssize_t)PAGE_SIZE)) {
		if (left) {
			b[i] = (struct pipe_buf){ .page = b[i].page, .len = (u16)min(left, (ssize_t)PAGE_SIZE), .own = true };
			g->nr++;
			vmstat_inc(VM_SPLICE_COPY);
		} else {
			page_put(b[i].page);
		}
	}
	return done;
}

/* Whole cached pages of the file, by reference; also for parts of pages, if they are worth it. Bytes; 0: read them. */
static size_t lend_pages(struct file *in, loff_t pos, size_t n, struct gather *g)
{
	unsigned offset = pos & ~PAGE_MASK, pages, got;
	struct page *loan[BATCH];
	size_t done = 0;

	if (!switch_zerocopy_read || n < SHARE_MIN || PAGE_SIZE - offset < SHARE_MIN)
		return 0;
	pages = (unsigned)min(DIV_UP(offset + n, PAGE_SIZE), (size_t)(g->places - g->nr));
	got = loan_from_file(&in->inode->mapping, (u64)pos >> PAGE_SHIFT, pages, loan);
	for (unsigned i = 0; i < got; i++, offset = 0) {
		size_t len = min(n - done, PAGE_SIZE - offset);

		page_held_elsewhere(loan[i], 1);
		g->bufs[g->nr++] = (struct pipe_buf){ .page = loan[i], .offset = (u16)offset, .len = (u16)len };
		done += len;
	}
	vmstat_add(VM_SPLICE_SHARE, got);
	return done;
}

/* Fill the places with bytes of the file from *pos on. Bytes, 0 at the end, or an error. */
static ssize_t gather_file(struct file *in, loff_t *pos, size_t n, struct gather *g)
{
	bool paged = file_has_pages(in);
	ssize_t done = 0, k;

	if (!n)
		return 0;
	do {
		size_t want = n - (size_t)done;

		k = paged ? (ssize_t)lend_pages(in, *pos, want, g) : 0;
		if (k) {
			*pos += k;
			file_touch_atime(in);
		} else {
			k = read_frames(in, pos, paged ? min(want, PAGE_SIZE - (*pos & ~PAGE_MASK)) : want, g);
		}
		if (k <= 0)
			break;
		done += k;
	} while (paged && (size_t)done < n && g->nr < g->places);
	return done ? done : k;
}

/* Would a read wait? Of a file with pages never for long. */
static bool would_wait(struct file *in)
{
	return in->ops->poll && !(in->ops->poll(in, NULL) & (POLLIN | POLLHUP | POLLERR));
}

ssize_t splice_file_to_pipe(struct file *in, loff_t *pos, struct pipe *p, size_t n, bool nonblock)
{
	ssize_t done = 0, k;

	if (!has_bytes(in))
		return -EINVAL;
	do {
		struct gather g = { .nr = 0 };
		int places = pipe_reserve(p, (unsigned)min(DIV_UP(n - (size_t)done, PAGE_SIZE) + 1, (size_t)BATCH), nonblock || done);

		if (places < 0) {
			k = places;
			break;
		}
		g.places = (unsigned)places;
		k = nonblock && would_wait(in) ? -EAGAIN : gather_file(in, pos, n - (size_t)done, &g);
		places = pipe_fill_reserved(p, g.places, g.bufs, g.nr);
		if (places < 0)
			k = places;
		if (k > 0)
			done += k;
	} while (k > 0 && (size_t)done < n && file_has_pages(in) && !signal_pending(current));
	return done ? done : k;
}

/* --- a pipe to a file --- */

/* Write up to n bytes of the buffers. */
static ssize_t write_frames(struct file *out, loff_t *pos, const struct pipe_buf *bufs, unsigned nr, size_t n)
{
	struct iovec iov[BATCH];
	struct iov_iter it;

	for (unsigned i = 0; i < nr; i++)
		iov[i] = (struct iovec){ (char *)page_address(bufs[i].page) + bufs[i].offset, bufs[i].len };
	iter_init_kernel(&it, iov, nr);
	iter_truncate(&it, n);
	return out->ops->write(out, &it, pos);
}

/* Whole pages at the front of the claimed buffers become the file's. Bytes, 0: write them; or an error. */
static ssize_t give_pages(struct pipe *p, struct file *out, loff_t *pos, const struct pipe_buf *bufs, unsigned nr, size_t n)
{
	struct page *loan[BATCH];
	unsigned given = 0;

	if (!out->ops->give || !switch_zerocopy_write || *pos & ~PAGE_MASK)
		return 0;
	mutex_lock(&p->lock);	/* their frames get a second holder: nothing may be appended to them any more */
	for (; given < nr && given < n >> PAGE_SHIFT && bufs[given].len == PAGE_SIZE; given++) {
		struct pipe_buf *b = pipe_slot(p, p->tail + given);

		if (!pipe_buf_share(b))
			break;
		page_held_elsewhere(b->page, -1);
		loan[given] = b->page;
	}
	mutex_unlock(&p->lock);
	return given ? out->ops->give(out, pos, loan, given) : 0;
}

static ssize_t splice_pipe_to_file(struct pipe *p, struct file *out, loff_t *pos, size_t n, bool nonblock)
{
	struct pipe_buf bufs[BATCH];
	ssize_t done = 0, k;

	if (!out->ops->write || !has_bytes(out))
		return -EINVAL;
	do {
		size_t there = 0;

		k = pipe_claim(p, nonblock || done, bufs, BATCH);
		if (k <= 0)
			break;
		for (int i = 0; i < k; i++)
			there += bufs[i].len;
		there = min(there, n - (size_t)done);
		ssize_t given = give_pages(p, out, pos, bufs, (unsigned)k, there);
		k = given ? given : write_frames(out, pos, bufs, (unsigned)k, there);
		vmstat_add(VM_SPLICE_GIVE, given > 0 ? given >> PAGE_SHIFT : 0);
		pipe_unclaim(p, k > 0 ? (size_t)k : 0);
		if (k > 0)
			done += k;
		if (k <= 0 || (!given && k < (ssize_t)there))
			break;
	} while ((size_t)done < n && !signal_pending(current));
	return done ? done : k;
}

/* --- a pipe to a pipe --- */

/* Both mutexes held: up to n bytes of `in` to `out`, which they leave unless `keep`. -EFAULT: a frame has too many holders. */
static ssize_t pass_on(struct pipe *in, struct pipe *out, size_t n, bool keep)
{
	size_t done = 0;

	for (u32 i = in->tail; i != in->head && done < n && !pipe_full(out); i++) {
		struct pipe_buf *b = pipe_slot(in, i);
		size_t len = min((size_t)b->len, n - done);

		if (!keep && len == b->len) {
			pipe_push(out, b->page, b->offset, b->len, b->own);
			b->page = NULL;
			WRITE_ONCE(in->tail, in->tail + 1);
		} else {
			if (!pipe_buf_share(b))
				return done ? (ssize_t)done : -EFAULT;
			pipe_push(out, b->page, b->offset, (unsigned)len, false);
			if (!keep)
				pipe_consume(in, len);
		}
		vmstat_inc(VM_SPLICE_SHARE);
		done += len;
	}
	return (ssize_t)done;
}

ssize_t pipe_to_pipe(struct pipe *in, struct pipe *out, size_t n, bool nonblock, bool keep)
{
	for (;;) {
		bool empty, at_end, unread;
		ssize_t k = 0;

		pipe_lock_two(in, out);
		empty = !pipe_readable(in) || (in->claimed && !keep);
		at_end = !pipe_readable(in) && !in->writers;
		unread = !out->readers;
		if (!empty && !unread)
			k = pass_on(in, out, n, keep);
		pipe_unlock_two(in, out);
		if (k > 0) {
			pipe_wake_readers(out);
			if (!keep)
				pipe_wake_writers(in);
			return k;
		}
		if (unread && (!empty || at_end)) {
			signal_send_task(current, SIGPIPE, NULL);
			return -EPIPE;
		}
		if (k < 0 || at_end)
			return k;
		if (nonblock)
			return -EAGAIN;
		if (empty)
			k = pipe_wait_bytes(in, keep);
		else
			k = pipe_wait_room(out);
		if (k)
			return k;
	}
}

/* --- the calls --- */

static bool both_files(int fd_in, int fd_out, struct file **in, struct file **out)
{
	*out = NULL;
	*in = fd_get_file(fd_in);
	if (*in)
		*out = fd_get_file(fd_out);
	return *out;
}

static void put_files(struct file *in, struct file *out)
{
	if (out)
		file_put(out);
	if (in)
		file_put(in);
}

/* A position in the file, if one was given: it must have some, and n bytes from there. */
static int check_position(const struct file *file, bool given, loff_t pos, size_t n)
{
	loff_t end;

	if (given && file->mode & FMODE_STREAM)
		return -EINVAL;
	return pos < 0 || (ssize_t)n < 0 || __builtin_add_overflow(pos, (loff_t)n, &end) ? -EINVAL : 0;
}

/* Exactly one of the two is a pipe, p. at NULL: the file's own position. */
static long splice_file(struct pipe *p, struct file *file, loff_t *at, size_t n, bool nonblock, bool out)
{
	loff_t *pos = at ? at : &file->pos;
	int error;

	if (out && file->flags & O_APPEND)
		return -EINVAL;
	error = check_position(file, at, *pos, n);
	if (error)
		return error;
	n = min(n, (size_t)MAX_RW_COUNT);
	return out ? splice_pipe_to_file(p, file, pos, n, nonblock) : splice_file_to_pipe(file, pos, p, n, nonblock);
}

static long splice(struct file *in, loff_t __user *uin, struct file *out, loff_t __user *uout, size_t n, unsigned flags)
{
	struct pipe *from = file_pipe(in), *to = file_pipe(out);
	loff_t __user *upos = from ? uout : uin;
	bool nonblock = flags & SPLICE_F_NONBLOCK;
	loff_t pos;
	long done;

	if ((from && uin) || (to && uout))
		return -ESPIPE;
	if (upos && get_user(pos, upos))
		return -EFAULT;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		return -EBADF;
	if ((!from && !to) || from == to)
		return -EINVAL;
	nonblock |= (from && in->flags & O_NONBLOCK) || (to && out->flags & O_NONBLOCK);
	if (from && to)
		return pipe_to_pipe(from, to, n, nonblock, false);
	done = splice_file(from ? from : to, from ? out : in, upos ? &pos : NULL, n, nonblock, from);
	return done >= 0 && upos && put_user(pos, upos) ? -EFAULT : done;
}

long sys_splice(int fd_in, loff_t __user *uin, int fd_out, loff_t __user *uout, size_t n, unsigned flags)
{
	struct file *in, *out;
	long done = -EBADF;

	if (!n)
		return 0;
	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (both_files(fd_in, fd_out, &in, &out))
		done = splice(in, uin, out, uout, n, flags);
	put_files(in, out);
	return done;
}

long sys_tee(int fd_in, int fd_out, size_t n, unsigned flags)
{
	struct file *in, *out;
	long done = -EBADF;

	if (flags & ~SPLICE_FLAGS)
		return -EINVAL;
	if (!n)
		return 0;
	if (both_files(fd_in, fd_out, &in, &out) && in->mode & FMODE_READ && out->mode & FMODE_WRITE) {
		struct pipe *from = file_pipe(in), *to = file_pipe(out);
		bool nonblock = flags & SPLICE_F_NONBLOCK || (in->flags | out->flags) & O_NONBLOCK;
		done = from && to && from != to ? pipe_to_pipe(from, to, n, nonblock, true) : -EINVAL;
	}
	put_files(in, out);
	return done;
}
