/*
 * fcntl and flock. Record locks (F_SETLK and friends) are not there yet: EINVAL, as from a file system without them.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "fs/pipe.h"
#include "mm/slab.h"

#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC)

static long set_flags(struct file *file, u32 flags)
{
	if (flags & O_NOATIME && !(file->flags & O_NOATIME) && !owner_or_root(file->inode))
		return -EPERM;
	if (flags & O_DIRECT)
		return -EINVAL;
	WRITE_ONCE(file->flags, (file->flags & ~(u32)SETFL_MASK) | (flags & SETFL_MASK));
	return 0;
}

static long dup_from(struct file *file, unsigned long from, bool cloexec)
{
	int fd;

	if (from >= READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur))
		return -EINVAL;
	fd = fd_reserve((unsigned)from, cloexec);
	if (fd < 0)
		return fd;
	file_get(file);
	fd_install(fd, file);
	return fd;
}

static long file_fcntl(struct file *file, unsigned fd, unsigned cmd, unsigned long arg)
{
	if (file_is_path(file) && cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC && cmd != F_GETFD && cmd != F_SETFD && cmd != F_GETFL)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
		return dup_from(file, arg, false);
	case F_DUPFD_CLOEXEC:
		return dup_from(file, arg, true);
	case F_GETFD:
		return fd_flags(fd);
	case F_SETFD:
		return fd_set_flags(fd, (int)arg);
	case F_GETFL:
		return file->flags;
	case F_SETFL:
		return set_flags(file, (u32)arg);
	case F_GETOWN:
		return 0;
	case F_GETPIPE_SZ:
		return pipe_size(file);
	case F_SETPIPE_SZ:
		return pipe_set_size(file, arg);
	}
	return -EINVAL;
}

long sys_fcntl(unsigned fd, unsigned cmd, unsigned long arg)
{
	struct file *file = fd_get((int)fd);
	long result;

	if (!file)
		return -EBADF;
	result = file_fcntl(file, fd, cmd, arg);
	file_put(file);
	return result;
}

/* --- flock: locks of open files on inodes, advisory --- */

struct flock_entry {
	struct list_head node;
	struct file *file;		/* no reference: the lock goes with the file */
	bool exclusive;
};

static struct mutex flock_mutex = MUTEX_INIT(flock_mutex, "flock", RANK_SLEEPING);
static LIST_HEAD(flocks);		/* flock_mutex */
static int nr_flocks;			/* flock_mutex; read racily by who has none himself */
static u64 releases;			/* written under flock_mutex */
static struct wait_queue flock_wait = WAIT_QUEUE_INIT(flock_wait);

static struct flock_entry *find_own(const struct file *file)
{
	struct flock_entry *e;

	list_for_each(e, &flocks, node)
		if (e->file == file)
			return e;
	return NULL;
}

static void drop_own(struct file *file)
{
	struct flock_entry *e = find_own(file);

	if (!e)
		return;
	list_del(&e->node);
	nr_flocks--;
	WRITE_ONCE(releases, releases + 1);
	kfree(e);
	wake_up_all(&flock_wait, 0);
}

void flock_release(struct file *file)
{
	if (!READ_ONCE(nr_flocks))
		return;
	mutex_lock(&flock_mutex);
	drop_own(file);
	mutex_unlock(&flock_mutex);
}

static bool conflicts(const struct file *file, bool exclusive)
{
	struct flock_entry *e;

	list_for_each(e, &flocks, node)
		if (e->file != file && e->file->inode == file->inode && (exclusive || e->exclusive))
			return true;
	return false;
}

/* Take the lock if nobody is in the way; *fresh is used up then. */
static bool try_flock(struct file *file, bool exclusive, struct flock_entry **fresh)
{
	bool free;

	mutex_lock(&flock_mutex);
	free = !conflicts(file, exclusive);
	if (free) {
		drop_own(file);
		(*fresh)->file = file;
		(*fresh)->exclusive = exclusive;
		list_add(&(*fresh)->node, &flocks);
		nr_flocks++;
		*fresh = NULL;
	}
	mutex_unlock(&flock_mutex);
	return free;
}

static long do_flock(struct file *file, unsigned cmd)
{
	bool exclusive = (cmd & ~(unsigned)LOCK_NB) == LOCK_EX;
	struct flock_entry *fresh;
	long error = 0;

	if ((cmd & ~(unsigned)LOCK_NB) == LOCK_UN) {
		flock_release(file);
		return 0;
	}
	fresh = kmalloc(sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	for (;;) {
		u64 seen = READ_ONCE(releases);	/* before the attempt: a release after it ends the wait */

		if (try_flock(file, exclusive, &fresh))
			break;
		error = -EWOULDBLOCK;
		if (cmd & LOCK_NB)
			break;
		flock_release(file);		/* a conversion gives the old lock up first, as on Linux */
		error = wait_event(&flock_wait, WAIT_INTERRUPTIBLE, READ_ONCE(releases) != seen);
		if (error)
			break;
	}
	kfree(fresh);
	return error;
}

long sys_flock(unsigned fd, unsigned cmd)
{
	struct file *file = fd_get_file((int)fd);
	unsigned op = cmd & ~(unsigned)LOCK_NB;
	long result;

	if (cmd & LOCK_MAND) {		/* as Linux: gone, but not an error */
		if (file)
			file_put(file);
		return 0;
	}
	if (op != LOCK_SH && op != LOCK_EX && op != LOCK_UN) {
		if (file)
			file_put(file);
		return -EINVAL;
	}
	if (!file)
		return -EBADF;
	result = do_flock(file, cmd);
	file_put(file);
	return result;
}
