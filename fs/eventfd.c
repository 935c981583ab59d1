/* eventfd: a counter that is added to by write and taken by read, whole or (EFD_SEMAPHORE) by one. */
#include "fs/internal.h"

#include "fs/poll.h"
#include "fs/syscalls.h"
#include "mm/slab.h"

#define EFD_SEMAPHORE 1		/* eventfd(2); older UAPI headers lack these */
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK

#define COUNT_MAX (~0UL - 1)

struct eventfd {
	struct spinlock lock;		/* protects: */
	u64 count;			/*   also read racily */
	bool semaphore;			/* I */
	struct wait_queue read_wait, write_wait;
};

/* Take a value; false: there is none. */
static bool take(struct eventfd *e, u64 *value)
{
	spin_lock(&e->lock);
	*value = e->semaphore && e->count ? 1 : e->count;
	WRITE_ONCE(e->count, e->count - *value);
	spin_unlock(&e->lock);
	return *value;
}

static ssize_t eventfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct eventfd *e = file->private;
	u64 value;

	if (to->count < sizeof(value))
		return -EINVAL;
	while (!take(e, &value)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event(&e->read_wait, WAIT_INTERRUPTIBLE, READ_ONCE(e->count));
		if (error)
			return error;
	}
	wake_up_all(&e->write_wait, 0);
	return copy_to_iter(&value, sizeof(value), to) == sizeof(value) ? (ssize_t)sizeof(value) : -EFAULT;
}

static bool add(struct eventfd *e, u64 value)
{
	bool room;

	spin_lock(&e->lock);
	room = value <= COUNT_MAX - e->count;
	if (room)
		WRITE_ONCE(e->count, e->count + value);
	spin_unlock(&e->lock);
	return room;
}

static ssize_t eventfd_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct eventfd *e = file->private;
	u64 value;

	if (from->count < sizeof(value))
		return -EINVAL;
	if (copy_from_iter(&value, sizeof(value), from) < sizeof(value))
		return -EFAULT;
	if (value == ~0UL)
		return -EINVAL;
	while (!add(e, value)) {
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event(&e->write_wait, WAIT_INTERRUPTIBLE, value <= COUNT_MAX - READ_ONCE(e->count));
		if (error)
			return error;
	}
	if (value)
		wake_up_all(&e->read_wait, 0);
	return sizeof(value);
}

static u32 eventfd_poll(struct file *file, struct poll_table *t)
{
	struct eventfd *e = file->private;
	u64 count;

	poll_wait(t, &e->read_wait);
	poll_wait(t, &e->write_wait);
	smp_mb();			/* on the queues before the count is read */
	count = READ_ONCE(e->count);
	return (count ? POLLIN : 0) | (count < COUNT_MAX ? POLLOUT : 0);
}

static void eventfd_release(struct file *file) { kfree(file->private); }

static const struct file_ops eventfd_ops = { .release = eventfd_release, .read = eventfd_read, .write = eventfd_write, .llseek = anon_llseek, .poll = eventfd_poll };

long sys_eventfd2(unsigned count, int flags)
{
	struct eventfd *e;
	struct file *file;

	if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	spin_init(&e->lock, "eventfd", RANK_LAST_SPIN);
	wait_queue_init(&e->read_wait);
	wait_queue_init(&e->write_wait);
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	file = anon_file("[eventfd]", &eventfd_ops, e, flags & EFD_NONBLOCK);
	if (IS_ERR(file)) {
		kfree(e);
		return PTR_ERR(file);
	}
	return fd_give(file, flags & EFD_CLOEXEC);
}

bool file_is_eventfd(const struct file *file) { return file->ops == &eventfd_ops; }

void eventfd_add(struct file *file, u64 value)
{
	struct eventfd *e = file->private;

	if (add(e, value))
		wake_up_all(&e->read_wait, 0);
}

long sys_eventfd(unsigned count) { return sys_eventfd2(count, 0); }
