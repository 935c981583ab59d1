/* The ring of a pipe: its buffers and their frames, its size, and the places and bytes that splice works on without the mutex. See fs/pipe.h. */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "kernel/usermode.h"
#include "mm/ownership.h"
#include "mm/slab.h"

struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	mutex_init(&p->lock, "pipe", RANK_PIPE);
	wait_queue_init(&p->read_wait);
	wait_queue_init(&p->write_wait);
	p->bufs = p->first_bufs;
	p->nr_slots = p->limit = PIPE_SLOTS;
	return p;
}

void pipe_free(struct pipe *p)
{
	for (; p->tail != p->head; p->tail++)
		pipe_buf_release(pipe_slot(p, p->tail));
	while (p->nr_spare)
		page_put(p->spare[--p->nr_spare]);
	if (p->bufs != p->first_bufs)
		kfree(p->bufs);
	kfree(p);
}

/* --- frames --- */

/* A few are kept, and as many as the ring has while memory is plenty: a pipe that is filled and emptied needs no allocator. */
void pipe_page_free(struct pipe *p, struct page *page)
{
	if (p->nr_spare < PIPE_KEPT || (p->nr_spare < PIPE_SLOTS && page_free_count() > page_total_count() / 4))
		p->spare[p->nr_spare++] = page;
	else
		page_put(page);
}

static void drop_share(struct page *page)
{
	page_held_elsewhere(page, -1);
	page_drop_holder(page);
}

void pipe_buf_release(struct pipe_buf *b)
{
	if (b->own)
		page_put(b->page);
	else
		drop_share(b->page);
	b->page = NULL;
}

void pipe_drop_buf(struct pipe *p, struct pipe_buf *b)
{
	if (b->own)
		pipe_page_free(p, b->page);
	else
		drop_share(b->page);
}

void pipe_consume(struct pipe *p, size_t n)
{
	while (n) {
		struct pipe_buf *b = pipe_slot(p, p->tail);

		if (n < b->len) {
			b->offset += n;
			b->len -= n;
			return;
		}
		n -= b->len;
		pipe_drop_tail(p);
	}
}

bool pipe_buf_share(struct pipe_buf *b)
{
	if (b->own) {
		page_ref_to_holder(b->page);
		page_held_elsewhere(b->page, 1);
	}
	b->own = false;
	if (!page_share(b->page))
		return false;
	page_held_elsewhere(b->page, 1);
	return true;
}

u32 pipe_byte_count(struct pipe *p)
{
	u32 n = 0;

	mutex_lock(&p->lock);
	for (u32 i = p->tail; i != p->head; i++)
		n += pipe_slot(p, i)->len;
	mutex_unlock(&p->lock);
	return n;
}

/* --- places and bytes without the mutex --- */

int pipe_wait_room(struct pipe *p)
{
	return wait_event_lasting(&p->write_wait, WAIT_INTERRUPTIBLE, !pipe_full(p) || !READ_ONCE(p->readers));
}

static int no_reader(void)
{
	signal_send_task(current, SIGPIPE, NULL);
	return -EPIPE;
}

int pipe_reserve(struct pipe *p, unsigned want, bool nonblock)
{
	for (;;) {
		unsigned used, got = 0;
		bool readers;
		int error;

		mutex_lock(&p->lock);
		used = p->head - p->tail;
		readers = p->readers;
		if (readers && used < p->limit) {
			got = min(want, p->limit - used);
			WRITE_ONCE(p->limit, p->limit - got);
		}
		mutex_unlock(&p->lock);
		if (!readers)
			return no_reader();
		if (got)
			return (int)got;
		if (nonblock)
			return -EAGAIN;
		error = pipe_wait_room(p);
		if (error)
			return error;
	}
}

int pipe_fill_reserved(struct pipe *p, unsigned reserved, struct pipe_buf *bufs, unsigned n)
{
	unsigned done = 0;

	mutex_lock(&p->lock);
	WRITE_ONCE(p->limit, p->limit + reserved);
	if (likely(p->readers)) {
		for (; done < n; done++)
			*pipe_slot(p, p->head + done) = bufs[done];
		WRITE_ONCE(p->head, p->head + done);
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_readers(p);
	if (done < reserved)
		pipe_wake_writers(p);
	if (done == n)
		return 0;
	while (done < n)
		pipe_buf_release(&bufs[done++]);
	return no_reader();
}

/* The first buffers, at most max, stay where they are. How many. */
static unsigned copy_out(const struct pipe *p, struct pipe_buf *bufs, unsigned max)
{
	const struct pipe_buf *ring = p->bufs;
	u32 tail = p->tail, mask = p->nr_slots - 1, n = min(p->head - tail, (u32)max);

	for (u32 i = 0; i < n; i++)
		bufs[i] = ring[(tail + i) & mask];
	return n;
}

int pipe_claim(struct pipe *p, bool nonblock, struct pipe_buf *bufs, unsigned max)
{
	for (;;) {
		unsigned n = 0;
		bool claimed, writers;
		int error;

		mutex_lock(&p->lock);
		claimed = p->claimed;
		writers = p->writers;
		if (!claimed)
			n = copy_out(p, bufs, max);
		if (n)
			WRITE_ONCE(p->claimed, true);
		mutex_unlock(&p->lock);
		if (n)
			return (int)n;
		if (!claimed && !writers)
			return 0;
		if (nonblock)
			return -EAGAIN;
		error = pipe_wait_bytes(p, false);
		if (error)
			return error;
	}
}

void pipe_unclaim(struct pipe *p, size_t used)
{
	mutex_lock(&p->lock);
	pipe_consume(p, used);
	WRITE_ONCE(p->claimed, false);
	mutex_unlock(&p->lock);
	pipe_wake_readers(p);	/* those who wait for the claim to end */
	if (used)
		pipe_wake_writers(p);
}

void pipe_lock_two(struct pipe *a, struct pipe *b)
{
	mutex_lock(a < b ? &a->lock : &b->lock);
	mutex_lock(a < b ? &b->lock : &a->lock);
}

void pipe_unlock_two(struct pipe *a, struct pipe *b)
{
	mutex_unlock(&a->lock);
	mutex_unlock(&b->lock);
}

/* --- its size --- */

struct pipe *file_pipe(const struct file *file) { return file->ops == &fifo_file_ops ? pipe_of(file) : NULL; }

long pipe_size(const struct file *file)
{
	struct pipe *p = file_pipe(file);

	return p ? (long)(READ_ONCE(p->nr_slots) * PAGE_SIZE) : -EBADF;
}

/* The ring in an array of n buffers, which it owns from then on unless -EBUSY: more are in use, or reserved. */
static int move_ring(struct pipe *p, struct pipe_buf *bufs, u32 n)
{
	struct pipe_buf *old = NULL;
	u32 reserved;

	mutex_lock(&p->lock);
	reserved = p->nr_slots - p->limit;
	if (p->head - p->tail + reserved > n) {
		mutex_unlock(&p->lock);
		return -EBUSY;
	}
	for (u32 i = p->tail; i != p->head; i++)
		bufs[i & (n - 1)] = *pipe_slot(p, i);
	if (p->bufs != p->first_bufs)
		old = p->bufs;
	p->bufs = bufs;
	p->nr_slots = n;
	WRITE_ONCE(p->limit, n - reserved);
	mutex_unlock(&p->lock);
	pipe_wake_writers(p);
	kfree(old);
	return 0;
}

long pipe_set_size(struct file *file, unsigned long arg)
{
	struct pipe *p = file_pipe(file);
	unsigned size = (unsigned)arg;		/* as Linux: fcntl's argument, but an int here */
	struct pipe_buf *bufs;
	u32 n = 1;
	int error;

	if (!p)
		return -EBADF;
	if (size > 1U << 31)
		return -EINVAL;
	while (n * PAGE_SIZE < size)
		n *= 2;
	if (n * PAGE_SIZE > PIPE_MAX_SIZE && n > p->nr_slots && fsuid())
		return -EPERM;
	if (n == p->nr_slots)
		return (long)(n * PAGE_SIZE);
	bufs = kmalloc(n * sizeof(*bufs));
	if (!bufs)
		return -ENOMEM;
	error = move_ring(p, bufs, n);
	if (error)
		kfree(bufs);
	return error ? error : (long)(n * PAGE_SIZE);
}
