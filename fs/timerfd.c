/*
 * timerfd: a timer that is read. What has expired is computed when somebody looks; the kernel's timer (kernel/time.h) only wakes
 * those who wait.
 */
#include "fs/internal.h"

#include "fs/poll.h"
#include "fs/syscalls.h"
#include "kernel/time.h"
#include "kernel/times.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define TFD_TIMER_ABSTIME 1		/* timerfd_create(2); UAPI headers lack some of these */
#define TFD_CLOEXEC O_CLOEXEC
#define TFD_NONBLOCK O_NONBLOCK

struct timerfd {
	struct ktimer timer;
	struct spinlock lock;		/* protects: */
	u64 expiry_ns, interval_ns;	/*   of ktime_ns(), the next that was not read; 0: not running */
	bool realtime;			/* I */
	struct wait_queue wait;
};

struct user_itimerspec { struct __kernel_timespec interval, value; };

static void expired(struct ktimer *t) { wake_up_all(&container_of(t, struct timerfd, timer)->wait, 0); }

/* How often it has expired since it was read. lock held. */
static u64 count_locked(const struct timerfd *t)
{
	u64 now = ktime_ns();

	if (!t->expiry_ns || now < t->expiry_ns)
		return 0;
	return 1 + (t->interval_ns ? (now - t->expiry_ns) / t->interval_ns : 0);
}

static bool has_expired(struct timerfd *t)
{
	spin_lock(&t->lock);
	bool any = count_locked(t);
	spin_unlock(&t->lock);
	return any;
}

/* Those expiries are over: the next one is awaited. lock held. */
static void advance_locked(struct timerfd *t, u64 count)
{
	t->expiry_ns = t->interval_ns ? t->expiry_ns + count * t->interval_ns : 0;
	ktimer_cancel(&t->timer);
	if (t->expiry_ns)
		ktimer_start(&t->timer, t->expiry_ns);
}

static ssize_t timerfd_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct timerfd *t = file->private;
	u64 count;

	if (to->count < sizeof(count))
		return -EINVAL;
	for (;;) {
		spin_lock(&t->lock);
		count = count_locked(t);
		if (count)
			advance_locked(t, count);
		spin_unlock(&t->lock);
		if (count)
			break;
		if (file->flags & O_NONBLOCK)
			return -EAGAIN;
		int error = wait_event(&t->wait, WAIT_INTERRUPTIBLE, has_expired(t));
		if (error)
			return error;
	}
	return copy_to_iter(&count, sizeof(count), to) == sizeof(count) ? (ssize_t)sizeof(count) : -EFAULT;
}

static u32 timerfd_poll(struct file *file, struct poll_table *table)
{
	struct timerfd *t = file->private;

	poll_wait(table, &t->wait);
	return has_expired(t) ? POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *t = file->private;

	ktimer_cancel(&t->timer);
	kfree(t);
}

static const struct file_ops timerfd_ops = { .release = timerfd_release, .read = timerfd_read, .poll = timerfd_poll, .llseek = anon_llseek };

long sys_timerfd_create(int clock, int flags)
{
	struct timerfd *t;
	struct file *file;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME)
		return -EINVAL;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	ktimer_init(&t->timer, expired);
	spin_init(&t->lock, "timerfd", RANK_LAST_SPIN);
	wait_queue_init(&t->wait);
	t->realtime = clock == CLOCK_REALTIME;
	file = anon_file("[timerfd]", &timerfd_ops, t, flags & TFD_NONBLOCK);
	if (IS_ERR(file)) {
		kfree(t);
		return PTR_ERR(file);
	}
	return fd_give(file, flags & TFD_CLOEXEC);
}

/* The time that is left and the interval. lock held. */
static void state_locked(const struct timerfd *t, u64 *left, u64 *interval)
{
	u64 now = ktime_ns(), next = t->expiry_ns, count = count_locked(t);

	*interval = t->interval_ns;
	if (count)		/* of an interval timer that is behind: to its next expiry */
		next = t->interval_ns ? next + count * t->interval_ns : 0;
	*left = next > now ? next - now : next ? 1 : 0;
}

static int put_state(u64 left, u64 interval, struct user_itimerspec __user *to)
{
	int error = timespec_put(interval, &to->interval);

	return error ? error : timespec_put(left, &to->value);
}

/* The timer of a descriptor; ERR_PTR(EBADF, EINVAL). */
static struct timerfd *timer_get(int fd, struct file **file)
{
	*file = fd_get_file(fd);
	if (!*file)
		return ERR_PTR(-EBADF);
	if ((*file)->ops == &timerfd_ops)
		return (*file)->private;
	file_put(*file);
	return ERR_PTR(-EINVAL);
}

/* TFD_TIMER_CANCEL_ON_SET is not there: EINVAL. */
long sys_timerfd_settime(int fd, int flags, const struct user_itimerspec __user *new, struct user_itimerspec __user *old)
{
	u64 value, interval, left, old_interval;
	struct file *file;
	struct timerfd *t;
	int error = timespec_get(&new->interval, &interval);

	if (!error)
		error = timespec_get(&new->value, &value);
	if (error)
		return error;
	if (flags & ~TFD_TIMER_ABSTIME)
		return -EINVAL;
	t = timer_get(fd, &file);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (value && flags & TFD_TIMER_ABSTIME && t->realtime) {
		u64 offset = realtime_ns() - ktime_ns();
		value = value > offset ? value - offset : 1;
	} else if (value && !(flags & TFD_TIMER_ABSTIME)) {
		value = deadline_after(value);
	}
	spin_lock(&t->lock);
	state_locked(t, &left, &old_interval);
	ktimer_cancel(&t->timer);
	t->expiry_ns = value;
	t->interval_ns = interval;
	if (value)
		ktimer_start(&t->timer, value);
	spin_unlock(&t->lock);
	error = old ? put_state(left, old_interval, old) : 0;
	file_put(file);
	return error;
}

long sys_timerfd_gettime(int fd, struct user_itimerspec __user *to)
{
	struct file *file;
	struct timerfd *t = timer_get(fd, &file);
	u64 left, interval;

	if (IS_ERR(t))
		return PTR_ERR(t);
	spin_lock(&t->lock);
	state_locked(t, &left, &interval);
	spin_unlock(&t->lock);
	file_put(file);
	return put_state(left, interval, to);
}
