/*
 * The ends of pipes: opening and closing FIFOs, which wait for each other, and pipe(2), whose two ends are there at once.
 *
 * The pipe lives in inode->private: of a FIFO from its first opening on, of pipe(2) from the start; it goes with the inode.
 */
#include "fs/pipe.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

static struct super_block *pipe_sb;
static struct mutex fifo_mutex = MUTEX_INIT(fifo_mutex, "fifo", RANK_FIFO);	/* making inode->private */

void pipe_inode_free(struct inode *inode)
{
	if (inode->private)
		pipe_free(inode->private);
	inode->private = NULL;
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
	while (!p->readers && !p->writers && pipe_readable(p))	/* a FIFO forgets what nobody read */
		pipe_drop_tail(p);
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
	path_get(path);
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
