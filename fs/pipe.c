/*
 * Pipes and FIFOs: a ring of 16 pages between writers and readers.
 *
 * User memory is copied under the pipe's mutex by the copies that cannot fault; after a short copy the mutex is
 * dropped, the buffer faulted in, and the rest tried again. A write of up to PIPE_BUF bytes is committed whole or not at all.
 *
 * PI1 tail <= head <= page_start(tail) + RING_BYTES: byte p lies in pages[p / PAGE_SIZE % NR_PAGES].
 * PI2 An empty pipe starts again at the beginning of a page.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define NR_PAGES 16
#define RING_BYTES (NR_PAGES * PAGE_SIZE)

struct pipe {
	struct mutex lock;		/* protects: */
	u64 head, tail;			/*   bytes ever written, read (but PI2); also read racily */
	struct page *pages[NR_PAGES];
	struct page *spare;		/*   the last page emptied */
	int readers, writers;		/*   open ends; also read racily */
	u64 reader_opens, writer_opens;	/*   how often, for FIFOs that wait for the other end */
	struct wait_queue read_wait, write_wait;
};

static struct super_block *pipe_sb;
static struct mutex fifo_mutex = MUTEX_INIT(fifo_mutex, "fifo", RANK_FS_TREE);	/* making inode->private */

static struct pipe *pipe_of(const struct file *file) { return file->inode->private; }

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	mutex_init(&p->lock, "pipe", RANK_SLEEPING);
	wait_queue_init(&p->read_wait);
	wait_queue_init(&p->write_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (int i = 0; i < NR_PAGES; i++)
		if (p->pages[i])
			page_put(p->pages[i]);
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

static struct page **slot(struct pipe *p, u64 pos) { return &p->pages[pos / PAGE_SIZE % NR_PAGES]; }
static u64 space(const struct pipe *p) { return ALIGN_DOWN(p->tail, PAGE_SIZE) + RING_BYTES - p->head; }
static bool readable(const struct pipe *p) { return READ_ONCE(p->head) != READ_ONCE(p->tail); }

/* The page for byte pos, made if it is not there; NULL: no memory. */
static char *page_at(struct pipe *p, u64 pos)
{
	struct page **s = slot(p, pos);

	if (!*s) {
		*s = p->spare ? p->spare : page_alloc(0, 0);
		p->spare = NULL;
	}
	return *s ? page_address(*s) : NULL;
}

/* The tail left the page before it. */
static void release_page(struct pipe *p, u64 pos)
{
	struct page **s = slot(p, pos);

	if (p->spare)
		page_put(*s);
	else
		p->spare = *s;
	*s = NULL;
}

/* Up to n bytes out, page by page; a page's part whose copy would have to fault stays whole. */
static size_t take_bytes(struct pipe *p, struct iov_iter *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t offset = p->tail % PAGE_SIZE, len = min(n - done, PAGE_SIZE - offset);
		struct iov_iter it = *to;

		if (copy_to_iter_nofault((char *)page_address(*slot(p, p->tail)) + offset, len, &it) < len)
			break;
		*to = it;
		WRITE_ONCE(p->tail, p->tail + len);
		done += len;
		if (p->tail % PAGE_SIZE == 0)
			release_page(p, p->tail - 1);
	}
	if (p->head == p->tail)
		p->head = p->tail = ALIGN_DOWN(p->tail, PAGE_SIZE);
	return done;
}

/* Copy n bytes in behind the head, not yet visible; only whole parts of a page count, as above. -ENOMEM. */
static ssize_t put_bytes(struct pipe *p, struct iov_iter *from, size_t n)
{
	size_t done = 0;

	while (done < n) {
		u64 pos = p->head + done;
		size_t offset = pos % PAGE_SIZE, len = min(n - done, PAGE_SIZE - offset);
		struct iov_iter it = *from;
		char *page = page_at(p, pos);

		if (!page)
			return done ? (ssize_t)done : -ENOMEM;
		if (copy_from_iter_nofault(page + offset, len, &it) < len)
			break;
		*from = it;
		done += len;
	}
	return (ssize_t)done;
}

/* --- read and write --- */

static ssize_t pipe_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct pipe *p = pipe_of(file);
	size_t done = 0;
	int error;

	while (to->count) {
		size_t n, k, part;
		int writers;

		mutex_lock(&p->lock);
		n = min(to->count, p->head - p->tail);
		k = take_bytes(p, to, n);
		part = min(n - k, PAGE_SIZE - p->tail % PAGE_SIZE);
		writers = p->writers;
		mutex_unlock(&p->lock);
		done += k;
		if (k)
			wake_up_all(&p->write_wait, 0);
		if (k < n) {
			if (iter_fault_in_writeable(to, part) < part)
				return done ? (ssize_t)done : -EFAULT;
			continue;
		}
		if (done || !writers)
			break;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		error = wait_event(&p->read_wait, WAIT_INTERRUPTIBLE, readable(p) || !READ_ONCE(p->writers));
		if (error)
			return error;
	}
	return (ssize_t)done;
}

/* What of the write fits now, all or nothing if it is a small one. Bytes, maybe 0 (*full, or a fault in the next *part bytes), -EPIPE, -ENOMEM. */
static ssize_t write_some(struct pipe *p, struct iov_iter *from, bool atomic, bool *full, size_t *part)
{
	struct iov_iter it = *from;
	size_t n;
	ssize_t k;

	*full = false;
	if (!p->readers)
		return -EPIPE;
	n = min(from->count, space(p));
	if (!n || (atomic && n < from->count)) {
		*full = true;
		return 0;
	}
	*part = atomic ? n : min(n, PAGE_SIZE - p->head % PAGE_SIZE);
	k = put_bytes(p, &it, n);
	if (k <= 0 || (atomic && (size_t)k < n))
		return min(k, (ssize_t)0);
	*from = it;
	WRITE_ONCE(p->head, p->head + (u64)k);
	return k;
}

/* Room for a writer that wants n bytes, or a reason to give up. Racy: the writer looks again. */
static bool writable(const struct pipe *p, size_t n)
{
	return !READ_ONCE(p->readers) || space(p) >= min(n, (size_t)PIPE_BUF);
}

static ssize_t pipe_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct pipe *p = pipe_of(file);
	bool atomic = from->count <= PIPE_BUF, full;
	size_t done = 0, part;
	ssize_t k = 0;

	while (from->count) {
		mutex_lock(&p->lock);
		k = write_some(p, from, atomic, &full, &part);
		mutex_unlock(&p->lock);
		if (k < 0)
			break;
		if (k) {
			done += (size_t)k;
			wake_up_all(&p->read_wait, 0);
		} else if (full) {
			k = -EAGAIN;
			if (!(file->flags & O_NONBLOCK))
				k = wait_event(&p->write_wait, WAIT_INTERRUPTIBLE, writable(p, from->count));
			if (k)
				break;
		} else if (iter_fault_in_readable(from, part) < part) {
			k = -EFAULT;
			break;
		}
	}
	if (k == -EPIPE)
		signal_send_task(current, SIGPIPE, NULL);
	return done ? (ssize_t)done : min(k, (ssize_t)0);
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
		if (space(p) >= PIPE_BUF)
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
	return put_user((int)(READ_ONCE(p->head) - READ_ONCE(p->tail)), (int __user *)arg);
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
	if (!p->readers && !p->writers && readable(p)) {	/* a FIFO forgets what nobody read */
		while (p->tail < p->head) {
			u64 next = min(ALIGN_DOWN(p->tail, PAGE_SIZE) + PAGE_SIZE, p->head);
			if (next % PAGE_SIZE == 0)
				release_page(p, p->tail);
			p->tail = next;
		}
		p->head = p->tail = ALIGN_DOWN(p->tail, PAGE_SIZE);
	}
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
