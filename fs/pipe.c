/*
 * Pipes and FIFOs: up to 16 pages of bytes between writers and readers, as Linux fills them: a write goes into pages of
 * its own, but its odd part (its length modulo the page size) joins the last page's bytes if it fits behind them whole. So a
 * write of up to PIPE_BUF bytes is never split, and a pipe is full when it has 16 pages, however many bytes they hold.
 *
 * User memory is copied under the pipe's mutex by the copies that cannot fault; after a short copy the mutex is
 * dropped, the buffer faulted in, and that page's part tried again from its start: a part arrives whole or not at all.
 *
 * PI1 tail <= head <= tail + NR_SLOTS; slots tail..head-1 (modulo NR_SLOTS) have a page and at least one byte, the others no page.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define NR_SLOTS 16
#define RING_BYTES (NR_SLOTS * PAGE_SIZE)

struct pipe_slot {
	struct page *page;
	unsigned offset, len;		/* the bytes not read yet */
};

struct pipe {
	struct mutex lock;		/* protects: */
	u32 head, tail;			/*   slots ever filled, emptied; also read racily */
	struct pipe_slot slots[NR_SLOTS];
	struct page *spare;		/*   the last page emptied */
	int readers, writers;		/*   open ends; also read racily */
	u64 reader_opens, writer_opens;	/*   how often, for FIFOs that wait for the other end */
	struct wait_queue read_wait, write_wait;
};

static struct super_block *pipe_sb;
static struct mutex fifo_mutex = MUTEX_INIT(fifo_mutex, "fifo", RANK_FIFO);	/* making inode->private */

static struct pipe *pipe_of(const struct file *file) { return file->inode->private; }

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	mutex_init(&p->lock, "pipe", RANK_LAST_SLEEPING);
	wait_queue_init(&p->read_wait);
	wait_queue_init(&p->write_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (int i = 0; i < NR_SLOTS; i++)
		if (p->slots[i].page)
			page_put(p->slots[i].page);
	if (p->spare)
		page_put(p->spare);
	kfree(p);
}

void pipe_inode_free(struct inode *inode)
{
	if (inode->private)
		pipe_free(inode->private);
	inode->private = NULL;
}

/* --- the ring; the mutex is held --- */

static struct pipe_slot *slot(struct pipe *p, u32 n) { return &p->slots[n % NR_SLOTS]; }
static bool readable(const struct pipe *p) { return READ_ONCE(p->head) != READ_ONCE(p->tail); }
static bool full(const struct pipe *p) { return READ_ONCE(p->head) - READ_ONCE(p->tail) >= NR_SLOTS; }

static void drop_tail(struct pipe *p)
{
	struct pipe_slot *s = slot(p, p->tail);

	if (p->spare)
		page_put(s->page);
	else
		p->spare = s->page;
	s->page = NULL;
	WRITE_ONCE(p->tail, p->tail + 1);
}

/* What a step of a transfer came to. */
enum step {
	STEP_DONE,		/* nothing more to do now: no room, no data, or all done */
	STEP_FAULT,		/* the next *part bytes of the user's are to be faulted in */
	STEP_NO_MEMORY,
};

/* Read as much as there is. */
static enum step take_bytes(struct pipe *p, struct iov_iter *to, size_t *part)
{
	while (to->count && readable(p)) {
		struct pipe_slot *s = slot(p, p->tail);
		struct iov_iter it = *to;

		*part = min(to->count, (size_t)s->len);
		if (copy_to_iter_nofault((char *)page_address(s->page) + s->offset, *part, &it) < *part)
			return STEP_FAULT;
		*to = it;
		s->offset += *part;
		s->len -= *part;
		if (!s->len)
			drop_tail(p);
	}
	return STEP_DONE;
}

/* The odd part of a new write, if it fits whole behind the last bytes. */
static enum step put_odd_part(struct pipe *p, struct iov_iter *from, size_t *part)
{
	struct pipe_slot *s = slot(p, p->head - 1);
	struct iov_iter it = *from;
	size_t n = from->count % PAGE_SIZE;

	if (!n || !readable(p) || s->offset + s->len + n > PAGE_SIZE)
		return STEP_DONE;
	*part = n;
	if (copy_from_iter_nofault((char *)page_address(s->page) + s->offset + s->len, n, &it) < n)
		return STEP_FAULT;
	*from = it;
	s->len += n;
	return STEP_DONE;
}

/* Fill pages as long as there is room. */
static enum step put_pages(struct pipe *p, struct iov_iter *from, size_t *part)
{
	while (from->count && !full(p)) {
		struct pipe_slot *s = slot(p, p->head);
		struct iov_iter it = *from;
		struct page *page = p->spare ? p->spare : page_alloc(0, 0);

		if (!page)
			return STEP_NO_MEMORY;
		p->spare = page;
		*part = min(from->count, PAGE_SIZE);
		if (copy_from_iter_nofault(page_address(page), *part, &it) < *part)
			return STEP_FAULT;
		*from = it;
		*s = (struct pipe_slot){ .page = page, .len = (unsigned)*part };
		p->spare = NULL;
		WRITE_ONCE(p->head, p->head + 1);
	}
	return STEP_DONE;
}

static u32 byte_count(struct pipe *p)
{
	u32 n = 0;

	mutex_lock(&p->lock);
	for (u32 i = p->tail; i != p->head; i++)
		n += slot(p, i)->len;
	mutex_unlock(&p->lock);
	return n;
}

/* --- read and write --- */

static ssize_t pipe_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct pipe *p = pipe_of(file);
	size_t want = to->count, part;
	ssize_t error = 0;

	while (to->count) {
		size_t before = to->count;
		enum step step;
		int writers;

		mutex_lock(&p->lock);
		step = take_bytes(p, to, &part);
		writers = p->writers;
		mutex_unlock(&p->lock);
		if (to->count < before)
			wake_up_all(&p->write_wait, 0);
		if (step == STEP_FAULT) {
			error = iter_fault_in_writeable(to, part) < part ? -EFAULT : 0;
			if (error)
				break;
			continue;
		}
		if (to->count < want || !writers)
			break;
		error = -EAGAIN;
		if (!(file->flags & O_NONBLOCK))
			error = wait_event(&p->read_wait, WAIT_INTERRUPTIBLE, readable(p) || !READ_ONCE(p->writers));
		if (error)
			break;
	}
	return to->count < want ? (ssize_t)(want - to->count) : error;
}

static ssize_t pipe_write(struct file *file, struct iov_iter *from, loff_t *pos)
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
			wake_up_all(&p->read_wait, 0);
		if (step == STEP_NO_MEMORY)
			error = -ENOMEM;
		else if (step == STEP_FAULT)
			error = iter_fault_in_readable(from, part) < part ? -EFAULT : 0;
		else if (from->count && !error && file->flags & O_NONBLOCK)
			error = -EAGAIN;
		else if (from->count && !error)
			error = wait_event(&p->write_wait, WAIT_INTERRUPTIBLE, !full(p) || !READ_ONCE(p->readers));
	}
	if (error == -EPIPE)
		signal_send_task(current, SIGPIPE, NULL);
	return from->count < want ? (ssize_t)(want - from->count) : error;
}

static u32 pipe_poll(struct file *file, struct poll_table *table)
{
	struct pipe *p = pipe_of(file);
	u32 mask = 0;

	if (file->mode & FMODE_READ) {
		poll_wait(table, &p->read_wait);
		if (readable(p))
			mask |= POLLIN | POLLRDNORM;
		if (!READ_ONCE(p->writers) && p->writer_opens)
			mask |= POLLHUP;
	}
	if (file->mode & FMODE_WRITE) {
		poll_wait(table, &p->write_wait);
		if (!full(p))
			mask |= POLLOUT | POLLWRNORM;
		if (!READ_ONCE(p->readers))
			mask |= POLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	struct pipe *p = pipe_of(file);

	if (cmd != FIONREAD)
		return -ENOTTY;
	return put_user((int)byte_count(p), (int __user *)arg);
}

/* --- opening and closing --- */

static void pipe_release(struct file *file)
{
	struct pipe *p = pipe_of(file);

	mutex_lock(&p->lock);
	if (file->mode & FMODE_READ)
		p->readers--;
	if (file->mode & FMODE_WRITE)
		p->writers--;
	while (!p->readers && !p->writers && readable(p))	/* a FIFO forgets what nobody read */
		drop_tail(p);
	mutex_unlock(&p->lock);
	wake_up_all(&p->read_wait, 0);
	wake_up_all(&p->write_wait, 0);
}

static int fifo_pipe(struct inode *inode, struct pipe **out)
{
	mutex_lock(&fifo_mutex);
	if (!inode->private)
		inode->private = pipe_alloc();
	*out = inode->private;
	mutex_unlock(&fifo_mutex);
	return *out ? 0 : -ENOMEM;
}

static int fifo_open(struct inode *inode, struct file *file)
{
	bool reads = file->mode & FMODE_READ, writes = file->mode & FMODE_WRITE;
	u64 seen_readers, seen_writers;
	struct pipe *p;
	int error = fifo_pipe(inode, &p);

	if (error)
		return error;
	if (!reads && !writes)
		return -EINVAL;
	file->mode |= FMODE_STREAM;
	mutex_lock(&p->lock);
	/* An end of a pipe opened again (/dev/stdin, /proc/PID/fd/N) waits for nobody. */
	bool named = inode->sb != pipe_sb;
	if (named && writes && !reads && file->flags & O_NONBLOCK && !p->readers) {
		mutex_unlock(&p->lock);
		return -ENXIO;
	}
	seen_readers = p->reader_opens;
	seen_writers = p->writer_opens;
	if (reads) {
		p->readers++;
		p->reader_opens++;
	}
	if (writes) {
		p->writers++;
		p->writer_opens++;
	}
	bool wait = named && !(reads && writes) && !(file->flags & O_NONBLOCK) && !(reads ? p->writers : p->readers);
	mutex_unlock(&p->lock);
	wake_up_all(&p->read_wait, 0);
	wake_up_all(&p->write_wait, 0);
	if (!wait)
		return 0;
	/* The other end may come and go before we look: its count of opens tells. */
	if (reads)
		error = wait_event(&p->read_wait, WAIT_INTERRUPTIBLE, READ_ONCE(p->writer_opens) != seen_writers);
	else
		error = wait_event(&p->write_wait, WAIT_INTERRUPTIBLE, READ_ONCE(p->reader_opens) != seen_readers);
	if (error)
		pipe_release(file);
	return error;
}

const struct file_ops fifo_file_ops = {
	.open = fifo_open, .release = pipe_release, .read = pipe_read, .write = pipe_write, .poll = pipe_poll, .ioctl = pipe_ioctl,
};

long pipe_size(const struct file *file) { return S_ISFIFO(file->inode->mode) ? (long)RING_BYTES : -EBADF; }

/* The ring has one size: what asks for no more gets that. */
long pipe_set_size(struct file *file, unsigned long size)
{
	if (!S_ISFIFO(file->inode->mode))
		return -EBADF;
	if (!size)
		return -EINVAL;
	return size <= RING_BYTES ? (long)RING_BYTES : -EPERM;
}

/* --- pipe(2) --- */

static struct inode *pipe_inode(void)
{
	static atomic64_t next_ino;
	struct inode *inode = inode_new(pipe_sb, 0);

	if (!inode)
		return NULL;
	inode->ino = atomic64_add_return(&next_ino, 1);
	inode->mode = S_IFIFO | 0600;
	inode->uid = fsuid();
	inode->gid = current->process->fsgid;
	inode->atime = inode->mtime = inode->ctime = now_timespec();
	inode->private = pipe_alloc();
	if (!inode->private) {
		inode_put(inode);
		return NULL;
	}
	return inode;
}

static struct file *end_open(const struct path *path, u32 flags)
{
	struct file *file = file_alloc(path, flags);

	if (IS_ERR(file))
		return file;
	file->ops = &fifo_file_ops;
	file->mode |= FMODE_STREAM;
	return file;
}

/* Both ends as files, or an error and nothing. */
static int pipe_create(struct file *ends[2], u32 flags)
{
	struct inode *inode = pipe_inode();
	struct path path = { NULL, NULL };
	struct name name;
	struct pipe *p;
	char text[32];

	if (!inode)
		return -ENOMEM;
	name = (struct name){ text, (u32)ksnprintf(text, sizeof(text), "pipe:[%lu]", inode->ino), 0 };
	path.dentry = dentry_unplaced(pipe_sb, &name, inode);
	if (!path.dentry) {
		inode_put(inode);
		return -ENOMEM;
	}
	p = inode->private;
	p->readers = p->writers = 1;
	p->reader_opens = p->writer_opens = 1;
	ends[0] = end_open(&path, O_RDONLY | flags);
	ends[1] = IS_ERR(ends[0]) ? ends[0] : end_open(&path, O_WRONLY | flags);
	path_put(&path);
	if (!IS_ERR(ends[1]))
		return 0;
	if (!IS_ERR(ends[0]))
		file_put(ends[0]);
	return -ENFILE;
}

long sys_pipe2(int __user *fds, int flags)
{
	struct file *ends[2];
	int nr[2], error;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))	/* O_DIRECT, packets, is not there */
		return -EINVAL;
	error = pipe_create(ends, flags & O_NONBLOCK);
	if (error)
		return error;
	error = nr[0] = fd_reserve(0, flags & O_CLOEXEC);
	if (error < 0)
		goto out_files;
	error = nr[1] = fd_reserve(0, flags & O_CLOEXEC);
	if (error < 0)
		goto out_first;
	error = -EFAULT;
	if (copy_to_user(fds, nr, sizeof(nr)))
		goto out_second;
	fd_install(nr[0], ends[0]);
	fd_install(nr[1], ends[1]);
	return 0;
out_second:
	fd_unreserve(nr[1]);
out_first:
	fd_unreserve(nr[0]);
out_files:
	file_put(ends[0]);
	file_put(ends[1]);
	return error;
}

long sys_pipe(int __user *fds) { return sys_pipe2(fds, 0); }

void pipe_init(void)
{
	pipe_sb = super_alloc("pipefs");
	if (!pipe_sb)
		panic("no memory for pipes");
	pipe_sb->magic = PIPEFS_MAGIC;
	pipe_sb->block_size = PAGE_SIZE;
}
