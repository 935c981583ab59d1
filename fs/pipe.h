/*
 * Pipes from the inside: a ring of buffers, each some bytes of one frame. Used by fs/pipe.c (read, write), fs/pipering.c (the ring), fs/fifo.c
 * (opening, closing, pipe(2)), fs/splice.c and fs/vmsplice.c (references instead of bytes). fcntl and sendfile need the last part only.
 *
 * A buffer's frame is one of two things:
 *   own       allocated by this pipe, which has its only reference: read() and write() copy through it, and the next write may append
 *   a share   of a page of a file, of a program or of another pipe: one holder of it is the buffer's, and so nobody changes it (PG1)
 *
 * PI1 tail <= head <= tail + nr_slots; buffers tail..head-1 (modulo nr_slots) have a frame and at least one byte, the others no frame.
 * PI2 Only an own frame is ever written. That is what Dirty Pipe (CVE-2022-0847) was about: appending to a page of a file.
 * PI3 limit is nr_slots less what is reserved: who has reserved a place and then reads a socket or terminal can put there what he read.
 * PI4 While `claimed`, nobody but who claimed it takes bytes: the buffers from tail on stay what they are, without the mutex.
 */
#pragma once

#include "fs/vfs.h"
#include "mm/page.h"

#define PIPE_SLOTS 16			/* of a new pipe */
#define PIPE_KEPT 2			/* spare frames that are kept, however little memory there is */
/* splice(2), vmsplice(2) */
#define SPLICE_F_MOVE 1U
#define SPLICE_F_NONBLOCK 2U
#define SPLICE_F_MORE 4U
#define SPLICE_F_GIFT 8U
#define SPLICE_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

#define PIPE_MAX_SIZE (1UL << 20)	/* what F_SETPIPE_SZ allows everybody */

struct pipe_buf {
	struct page *page;
	u16 offset, len;		/* the bytes not read yet */
	bool own;
};

struct pipe {
	struct mutex lock;		/* RANK_PIPE; protects: */
	u32 head, tail;			/*   buffers ever filled, emptied; also read racily */
	u32 nr_slots, limit;		/*   a power of two; PI3; also read racily */
	struct pipe_buf *bufs;		/*   nr_slots: first_bufs, or an array of its own */
	struct page *spare[PIPE_SLOTS];	/*   own frames that were emptied, for the next writes */
	unsigned nr_spare;
	bool claimed;			/*   PI4; also read racily */
	int readers, writers;		/*   open ends; also read racily */
	u64 reader_opens, writer_opens;	/*   how often, for FIFOs that wait for the other end */
	struct wait_queue read_wait, write_wait;
	struct pipe_buf first_bufs[PIPE_SLOTS];
};

/* Racy without the mutex: for waiting, and for giving up early. */
static inline bool pipe_readable(const struct pipe *p) { return READ_ONCE(p->head) != READ_ONCE(p->tail); }
static inline bool pipe_full(const struct pipe *p) { return READ_ONCE(p->head) - READ_ONCE(p->tail) >= READ_ONCE(p->limit); }
/* Something to read: bytes, or the end; and nobody has claimed it, unless that does not matter to the caller. */
static inline bool pipe_read_due(const struct pipe *p, bool claimed_too)
{
	return (claimed_too || !READ_ONCE(p->claimed)) && (pipe_readable(p) || !READ_ONCE(p->writers));
}
static inline struct pipe *pipe_of(const struct file *file) { return file->inode->private; }

/* --- the ring (fs/pipering.c) --- */
struct pipe *pipe_alloc(void);		/* empty, without ends; NULL */
void pipe_free(struct pipe *p);

/* These with the mutex held. */
static inline struct pipe_buf *pipe_slot(struct pipe *p, u32 n) { return &p->bufs[n & (p->nr_slots - 1)]; }
/* A frame of the pipe's own, not in the ring yet, with any contents; NULL. Put it into the ring, or back by pipe_page_free(). */
static inline struct page *pipe_page(struct pipe *p) { return likely(p->nr_spare) ? p->spare[--p->nr_spare] : page_alloc(0, 0); }
void pipe_page_free(struct pipe *p, struct page *page);
/* Room must be there (pipe_full). The reference, or the holder of a share, is the ring's from then on. */
static inline void pipe_push(struct pipe *p, struct page *page, unsigned offset, unsigned len, bool own)
{
	*pipe_slot(p, p->head) = (struct pipe_buf){ page, (u16)offset, (u16)len, own };
	ADD_ONCE(p->head, 1);
}
void pipe_drop_buf(struct pipe *p, struct pipe_buf *b);
/* Take b, the first buffer, out of the ring. */
static inline void pipe_drop_first(struct pipe *p, struct pipe_buf *b)
{
	if (likely(b->own && p->nr_spare < PIPE_KEPT))
		p->spare[p->nr_spare++] = b->page;
	else
		pipe_drop_buf(p, b);
	b->page = NULL;
	ADD_ONCE(p->tail, 1);
}
static inline void pipe_drop_tail(struct pipe *p) { pipe_drop_first(p, pipe_slot(p, p->tail)); }
void pipe_consume(struct pipe *p, size_t n);	/* the first n bytes, which are there */
/* A second reference of a buffer, which becomes a share thereby. False: the limit of holders is reached. */
bool pipe_buf_share(struct pipe_buf *b);
u32 pipe_byte_count(struct pipe *p);		/* takes the mutex itself */
/*
 * After the mutex was dropped: something was put in; taken out. Whoever waits is on the queue before he looks at the ring, with a barrier in
 * between; we have changed the ring before the mutex was dropped, by an atomic operation. So if we miss him here, he has seen the change.
 */
static inline void pipe_wake_readers(struct pipe *p)
{
	if (!list_empty(&p->read_wait.waiters))
		wake_up_all(&p->read_wait, 0);
}
static inline void pipe_wake_writers(struct pipe *p)
{
	if (unlikely(!list_empty(&p->write_wait.waiters)))
		wake_up_all(&p->write_wait, 0);
}

/* Until there is room, or nobody will ever make any: 0, -ERESTARTSYS. Out of line: writes that find room have less of a frame to make. */
int pipe_wait_room(struct pipe *p);
/* Until pipe_read_due(): 0, -ERESTARTSYS. */
static inline int pipe_wait_bytes(struct pipe *p, bool claimed_too)
{
	return wait_event_lasting(&p->read_wait, WAIT_INTERRUPTIBLE, pipe_read_due(p, claimed_too));
}
/* A buffer that is in no ring: give its frame back. */
void pipe_buf_release(struct pipe_buf *b);
/* Reserve up to `want` places (at least one), waiting for one if need be: how many; -EAGAIN (nonblock), -EPIPE (with the signal), -ERESTARTSYS. */
int pipe_reserve(struct pipe *p, unsigned want, bool nonblock);
/* Give the reserved places back and put the n <= reserved buffers there. -EPIPE (with the signal): no reader is left, they are released. */
int pipe_fill_reserved(struct pipe *p, unsigned reserved, struct pipe_buf *bufs, unsigned n);
/*
 * Claim the bytes that are there now, waiting for some: the number of buffers, at most `max`, copied to `bufs`; they are still the ring's. 0: the
 * end, nobody will write any more. -EAGAIN (nonblock), -ERESTARTSYS. Then pipe_unclaim() with the number of bytes used up.
 */
int pipe_claim(struct pipe *p, bool nonblock, struct pipe_buf *bufs, unsigned max);
void pipe_unclaim(struct pipe *p, size_t used);
/* Both mutexes, in the order of their addresses. */
void pipe_lock_two(struct pipe *a, struct pipe *b);
void pipe_unlock_two(struct pipe *a, struct pipe *b);

/* --- read and write (fs/pipe.c), as the operations of files --- */
ssize_t pipe_read_iter(struct pipe *p, struct iov_iter *to, bool nonblock);
ssize_t pipe_read(struct file *file, struct iov_iter *to, loff_t *pos);
ssize_t pipe_write(struct file *file, struct iov_iter *from, loff_t *pos);
u32 pipe_poll(struct file *file, struct poll_table *table);
long pipe_ioctl(struct file *file, unsigned cmd, unsigned long arg);

/* --- for everybody --- */
struct pipe *file_pipe(const struct file *file);		/* NULL: it is no pipe */
long pipe_size(const struct file *file);			/* F_GETPIPE_SZ; EBADF: no pipe */
long pipe_set_size(struct file *file, unsigned long size);	/* F_SETPIPE_SZ: the new size; EBUSY, EPERM, EINVAL, ENOMEM */
/*
 * Up to n bytes of the file from *pos on, which moves, into the pipe: whole cached pages by reference. Waits for room, not for all n bytes. Bytes; 0: the
 * end of the file. -EAGAIN (nonblock), -EPIPE, -EINVAL (not such a file)... (fs/splice.c)
 */
ssize_t splice_file_to_pipe(struct file *in, loff_t *pos, struct pipe *p, size_t n, bool nonblock);
/* Up to n bytes of `in` to `out`, another pipe, by reference; they leave `in` unless `keep` (tee). As above; -EFAULT: a frame has too many holders. */
ssize_t pipe_to_pipe(struct pipe *in, struct pipe *out, size_t n, bool nonblock, bool keep);
void pipe_init(void);
