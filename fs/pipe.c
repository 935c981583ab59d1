/*
 * Reading and writing pipes and FIFOs, as Linux fills them: a write goes into frames of its own, but its odd part (its length modulo the page
 * size) joins the last buffer's bytes if it fits behind them whole. So a write of up to PIPE_BUF bytes is never split, and a
 * pipe is full when all its buffers are used (16, if nobody asked for another size), however many bytes they hold.
 *
 * User memory is copied under the pipe's mutex by the copies that cannot fault; after a short copy the mutex is
 * dropped, the buffer faulted in, and that buffer's part tried again from its start: a part arrives whole or not at all.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "kernel/usermode.h"
#include "mm/switches.h"
#include "mm/usercopy.h"

/* What a step of a transfer came to. */
enum step {
	STEP_DONE,		/* nothing more to do now: no room, no data, or all done */
	STEP_FAULT,		/* the next *part bytes of the user's are to be faulted in */
	STEP_NO_MEMORY,
};

/* n bytes at `from` to the iterator: all, or none of them counts. */
static __attribute__((noinline)) bool put_pieces(const char *from, size_t n, struct iov_iter *to)
{
	struct iov_iter it = *to;

	if (copy_pieces_to_iter_nofault(from, n, &it) < n)
		return false;
	*to = it;
	return true;
}

static inline bool put_part(const char *from, size_t n, struct iov_iter *to)
{
	if (likely(iter_in_one_segment(to, n))) {
		if (unlikely(checked_to_user_nofault((__force char __user *)to->at, from, n)))
			return false;
		iter_advanced(to, n);
		return true;
	}
	return put_pieces(from, n, to);
}

static __attribute__((noinline)) bool get_pieces(char *to, size_t n, struct iov_iter *from)
{
	struct iov_iter it = *from;

	if (copy_pieces_from_iter_nofault(to, n, &it) < n)
		return false;
	*from = it;
	return true;
}

static inline bool get_part(char *to, size_t n, struct iov_iter *from)
{
	if (likely(iter_in_one_segment(from, n))) {
		if (unlikely(checked_from_user_nofault(to, (__force char __user *)from->at, n)))
			return false;
		iter_advanced(from, n);
		return true;
	}
	return get_pieces(to, n, from);
}

static inline char *buf_data(const struct pipe_buf *b) { return (char *)page_address(b->page) + b->offset; }

/* Read as much as there is. */
static enum step take_bytes(struct pipe *p, struct iov_iter *to, size_t *part)
{
	while (to->count && pipe_readable(p)) {
		struct pipe_buf *b = pipe_slot(p, p->tail);
		size_t n = min(to->count, (size_t)b->len);

		if (unlikely(!put_part(buf_data(b), n, to))) {
			*part = n;
			return STEP_FAULT;
		}
		b->offset += n;
		b->len -= n;
		if (!b->len)
			pipe_drop_first(p, b);
	}
	return STEP_DONE;
}

/* May a write go behind these bytes? Only if the frame is the pipe's own (PI2). pipe_merge=1 takes any frame, as Linux did in 2020 to 2022. */
static inline bool may_append(const struct pipe_buf *b) { return likely(b->own) || unlikely(switch_pipe_merge); }

/* The odd part of a new write, if it fits whole behind the last bytes. */
static enum step put_odd_part(struct pipe *p, struct iov_iter *from, size_t *part)
{
	size_t n = from->count % PAGE_SIZE;
	struct pipe_buf *b;

	if (!n || !pipe_readable(p))
		return STEP_DONE;
	b = pipe_slot(p, p->head - 1);
	if (b->offset + b->len + n > PAGE_SIZE || !may_append(b))
		return STEP_DONE;
	if (unlikely(!get_part(buf_data(b) + b->len, n, from))) {
		*part = n;
		return STEP_FAULT;
	}
	b->len += n;
	return STEP_DONE;
}

/* Fill frames as long as there is room. */
static enum step put_pages(struct pipe *p, struct iov_iter *from, size_t *part)
{
	while (from->count && !pipe_full(p)) {
		size_t n = min(from->count, PAGE_SIZE);
		struct page *page = pipe_page(p);

		if (unlikely(!page))
			return STEP_NO_MEMORY;
		if (unlikely(!get_part(page_address(page), n, from))) {
			pipe_page_free(p, page);
			*part = n;
			return STEP_FAULT;
		}
		pipe_push(p, page, 0, (unsigned)n, true);
	}
	return STEP_DONE;
}

/* --- read and write --- */

ssize_t pipe_read_iter(struct pipe *p, struct iov_iter *to, bool nonblock)
{
	size_t want = to->count, part;
	ssize_t error = 0;

	while (to->count && !error) {
		enum step step = STEP_DONE;
		bool at_end = false;

		/* No need of the mutex to know that we must wait. */
		if (!pipe_read_due(p, false)) {
			if (to->count < want)
				break;
			error = nonblock ? -EAGAIN : pipe_wait_bytes(p, false);
			if (error)
				break;
		}
		mutex_lock(&p->lock);
		if (likely(!p->claimed)) {
			step = take_bytes(p, to, &part);
			at_end = !p->writers;
		}
		mutex_unlock(&p->lock);
		if (to->count < want)
			pipe_wake_writers(p);
		if (unlikely(step == STEP_FAULT))
			error = iter_fault_in_writeable(to, part) < part ? -EFAULT : 0;
		else if (to->count < want || at_end)
			break;
	}
	return to->count < want ? (ssize_t)(want - to->count) : error;
}

ssize_t pipe_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	return pipe_read_iter(pipe_of(file), to, file->flags & O_NONBLOCK);
}

ssize_t pipe_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct pipe *p = pipe_of(file);
	size_t want = from->count, part;
	bool odd_tried = false;
	ssize_t error = 0;

	while (from->count && !error) {
		size_t before = from->count;
		enum step step = STEP_DONE;

		mutex_lock(&p->lock);
		if (!p->readers)
			error = -EPIPE;
		if (!error && !odd_tried)
			step = put_odd_part(p, from, &part);
		if (!error && step == STEP_DONE) {
			odd_tried = true;
			step = put_pages(p, from, &part);
		}
		mutex_unlock(&p->lock);
		if (from->count < before)
			pipe_wake_readers(p);
		if (step == STEP_NO_MEMORY)
			error = -ENOMEM;
		else if (step == STEP_FAULT)
			error = iter_fault_in_readable(from, part) < part ? -EFAULT : 0;
		else if (from->count && !error && file->flags & O_NONBLOCK)
			error = -EAGAIN;
		else if (from->count && !error)
			error = pipe_wait_room(p);
	}
	if (error == -EPIPE)
		signal_send_task(current, SIGPIPE, NULL);
	return from->count < want ? (ssize_t)(want - from->count) : error;
}

u32 pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *p = pipe_of(file);
	u32 mask = 0;

	if (file->mode & FMODE_READ)
		poll_wait(table, &p->read_wait);
	if (file->mode & FMODE_WRITE)
		poll_wait(table, &p->write_wait);
	smp_mb();			/* on the queues before the ring is looked at: pipe_wake_readers() */
	if (file->mode & FMODE_READ) {
		if (pipe_readable(p))
			mask |= POLLIN | POLLRDNORM;
		if (!READ_ONCE(p->writers) && p->writer_opens)
			mask |= POLLHUP;
	}
	if (file->mode & FMODE_WRITE) {
		if (!pipe_full(p))
			mask |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			mask |= POLLERR;
	}
	return mask;
}

long pipe_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	if (cmd != FIONREAD)
		return -ENOTTY;
	return put_user((int)pipe_byte_count(pipe_of(file)), (int __user *)arg);
}
