/*
 * POSIX timers (timer_create and its family), alarm() and setitimer(ITIMER_REAL).
 *
 * One kernel thread sleeps until the earliest timer of any process and sends the signals; whoever sets a timer wakes it. A timer has at
 * most one signal pending: expiries meanwhile are counted, and the count (overrun) goes with the signal when it is taken.
 */
#include "kernel/timers.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/signal.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_TIMERS 1024			/* of a process; Linux counts them as queued signals */
#define MAX_OVERRUN 0x7fffffff		/* DELAYTIMER_MAX */

static struct wait_queue timer_wait = WAIT_QUEUE_INIT(timer_wait);
static bool timer_changed;		/* atomic */
static bool thread_started;		/* tasklist_lock */

/* --- expiring; tasklist_lock held --- */

/* How often a timer that is due has expired by now, and when it does next (0: no more). */
static u64 expiries(u64 now, u64 *expiry, u64 interval)
{
	u64 n = 1;

	if (interval) {
		n += (now - *expiry) / interval;
		*expiry += n * interval;
	} else {
		*expiry = 0;
	}
	return n;
}

static void fire(struct process *p, struct posix_timer *timer, u64 times)
{
	struct ksiginfo info = { .si_signo = timer->signo, .si_code = SI_TIMER };
	struct task *target = timer->notify == SIGEV_THREAD_ID ? task_find(timer->tid) : NULL;

	if (timer->notify == SIGEV_NONE || (timer->notify == SIGEV_THREAD_ID && (!target || target->process != p)))
		return;
	if (timer->queued) {
		timer->overrun = (int)min((u64)timer->overrun + times, (u64)MAX_OVERRUN);
		return;
	}
	info.si_tid = timer->id;
	info.si_ptr = (void *)timer->value;
	timer->overrun = (int)min(times - 1, (u64)MAX_OVERRUN);
	timer->queued = true;
	signal_send_locked(p, target, timer->signo, &info);
	/* Ignored, or no room: nothing is pending that could be taken. */
	if (!(READ_ONCE((target ? &target->pending : &p->pending)->signals) & SIG_BIT(timer->signo)))
		timer->queued = false;
}

/* One process: fire what is due; the earliest that is left. */
static u64 run_process(struct process *p, u64 now)
{
	struct posix_timer *timer;
	u64 next = ~0UL;

	spin_lock(&p->sig_lock);
	bool alarm = p->alarm_ns && p->alarm_ns <= now;
	if (alarm)
		expiries(now, &p->alarm_ns, p->alarm_interval_ns);
	if (p->alarm_ns)
		next = p->alarm_ns;
	spin_unlock(&p->sig_lock);
	if (alarm)
		signal_send_locked(p, NULL, SIGALRM, NULL);
	list_for_each(timer, &p->timers, node) {
		if (!timer->expiry_ns)
			continue;
		if (timer->expiry_ns <= now) {
			u64 times = expiries(now, &timer->expiry_ns, timer->interval_ns);
			fire(p, timer, times);
		}
		if (timer->expiry_ns)
			next = min(next, timer->expiry_ns);
	}
	return next;
}

static u64 run_timers(void)
{
	u64 now = ktime_ns(), next = ~0UL;
	struct process *p;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node) {
		u64 earliest = run_process(p, now);
		next = min(next, earliest);
	}
	spin_unlock(&tasklist_lock);
	return next;
}

static void timer_thread(void *arg)
{
	for (;;) {
		struct wait_entry entry = { 0 };
		u64 next = run_timers();
		wait_prepare(&timer_wait, &entry, WAIT_UNINTERRUPTIBLE, 0);
		if (!__atomic_exchange_n(&timer_changed, false, __ATOMIC_SEQ_CST)) {
			if (next == ~0UL)
				wait_sleep(WAIT_UNINTERRUPTIBLE);
			else
				wait_sleep_until(WAIT_UNINTERRUPTIBLE, next);
		}
		wait_finish(&timer_wait, &entry);
	}
}

int timers_changed(void)
{
	spin_lock(&tasklist_lock);
	bool start = !thread_started;
	thread_started = true;
	spin_unlock(&tasklist_lock);
	if (start && !kthread_start("timers", timer_thread, NULL)) {
		thread_started = false;
		return -ENOMEM;
	}
	__atomic_store_n(&timer_changed, true, __ATOMIC_SEQ_CST);
	wake_up_all(&timer_wait, 0);
	return 0;
}

/* --- a process's timers --- */

/* Of the current process; tasklist_lock held. */
static struct posix_timer *timer_find(const struct process *p, int id)
{
	struct posix_timer *timer;

	list_for_each(timer, &p->timers, node)
		if (timer->id == id)
			return timer;
	return NULL;
}

void timer_signal_gone(struct process *p, struct ksiginfo *info, int id)
{
	struct posix_timer *timer = timer_find(p, id);

	if (!timer)
		return;			/* deleted meanwhile: the signal comes all the same */
	timer->queued = false;
	timer->last_overrun = timer->overrun;
	timer->overrun = 0;
	if (info)
		info->si_overrun = timer->last_overrun;
}

void timers_delete_all(struct process *p)
{
	struct posix_timer *timer, *next;
	LIST_HEAD(dead);

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	list_splice_tail(&p->timers, &dead);
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	list_for_each_safe(timer, next, &dead, node)
		kfree(timer);
}

/* --- system calls --- */

static int check_event(const struct sigevent *event)
{
	struct task *target;
	int error = 0;

	switch (event->sigev_notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL:
		break;
	case SIGEV_THREAD_ID:
		spin_lock(&tasklist_lock);
		target = task_find(event->_sigev_un._tid);
		if (!target || target->process != current->process)
			error = -EINVAL;
		spin_unlock(&tasklist_lock);
		break;
	default:
		return -EINVAL;		/* SIGEV_THREAD is the C library's */
	}
	return error || event->sigev_signo < 1 || event->sigev_signo > NR_SIGNALS ? -EINVAL : 0;
}

/* Put it on the list with the lowest free number, which it returns. -EAGAIN: too many. */
static int publish(struct process *p, struct posix_timer *timer)
{
	int id = 0;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	while (id < MAX_TIMERS && timer_find(p, id))
		id++;
	timer->id = id;
	if (id < MAX_TIMERS)
		list_add_tail(&timer->node, &p->timers);
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	return id < MAX_TIMERS ? id : -EAGAIN;
}

long sys_timer_create(int clock, const struct sigevent __user *uevent, int __user *uid)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct posix_timer *timer;
	int id, error;

	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
		return -EOPNOTSUPP;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
		return clock < 0 || clock > CLOCK_TAI ? -EINVAL : -EOPNOTSUPP;
	if (uevent && copy_from_user(&event, uevent, sizeof(event)))
		return -EFAULT;
	error = check_event(&event);
	if (error)
		return error;
	timer = kzalloc(sizeof(*timer));
	if (!timer)
		return -EAGAIN;
	timer->notify = event.sigev_notify;
	timer->signo = event.sigev_signo;
	timer->tid = event._sigev_un._tid;
	timer->realtime = clock == CLOCK_REALTIME || clock == CLOCK_TAI;
	timer->value = (u64)event.sigev_value.sival_ptr;
	id = publish(current->process, timer);
	if (id < 0) {
		kfree(timer);
		return id;
	}
	if (!uevent) {
		spin_lock(&tasklist_lock);
		timer->value = (u64)id;		/* POSIX: the timer's number */
		spin_unlock(&tasklist_lock);
	}
	if (put_user(id, uid)) {
		sys_timer_delete(id);
		return -EFAULT;
	}
	return 0;
}

/* What is left and the interval, in the form of itimerspec. tasklist_lock held. */
static void read_timer(const struct posix_timer *timer, u64 *left, u64 *interval)
{
	u64 now = ktime_ns();

	*interval = timer->interval_ns;
	*left = !timer->expiry_ns ? 0 : timer->expiry_ns > now ? timer->expiry_ns - now : 1;	/* due, not yet run: not "off" */
}

static int put_timer(struct __kernel_itimerspec __user *to, u64 left, u64 interval)
{
	return timespec_put(interval, &to->it_interval) || timespec_put(left, &to->it_value) ? -EFAULT : 0;
}

long sys_timer_settime(int id, int flags, const struct __kernel_itimerspec __user *new_value, struct __kernel_itimerspec __user *old)
{
	struct process *p = current->process;
	u64 value, interval, left = 0, old_interval = 0;
	struct posix_timer *timer;
	int error = timespec_get(&new_value->it_value, &value);

	if (!error)
		error = timespec_get(&new_value->it_interval, &interval);
	if (!error)
		error = value ? timers_changed() : 0;	/* the thread is there before it is needed */
	if (error)
		return error;
	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	timer = timer_find(p, id);
	if (timer) {
		read_timer(timer, &left, &old_interval);
		if (value && flags & TIMER_ABSTIME) {
			u64 now = timer->realtime ? realtime_ns() : ktime_ns();
			value = deadline_after(value > now ? value - now : 0);
		} else if (value) {
			value = deadline_after(value);
		}
		timer->expiry_ns = value;
		timer->interval_ns = value ? interval : 0;
		timer->overrun = timer->last_overrun = 0;
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	if (!timer)
		return -EINVAL;
	if (value)
		timers_changed();
	return old ? put_timer(old, left, old_interval) : 0;
}

long sys_timer_gettime(int id, struct __kernel_itimerspec __user *to)
{
	u64 left = 0, interval = 0;

	spin_lock(&tasklist_lock);
	struct posix_timer *timer = timer_find(current->process, id);
	if (timer)
		read_timer(timer, &left, &interval);
	spin_unlock(&tasklist_lock);
	return timer ? put_timer(to, left, interval) : -EINVAL;
}

long sys_timer_getoverrun(int id)
{
	spin_lock(&tasklist_lock);
	struct posix_timer *timer = timer_find(current->process, id);
	long overrun = timer ? timer->last_overrun : -EINVAL;
	spin_unlock(&tasklist_lock);
	return overrun;
}

long sys_timer_delete(int id)
{
	struct process *p = current->process;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	struct posix_timer *timer = timer_find(p, id);
	if (timer)
		list_del(&timer->node);
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	kfree(timer);
	return timer ? 0 : -EINVAL;
}
