/*
 * alarm() and setitimer(ITIMER_REAL). One kernel thread sleeps until the earliest timer of any process and sends
 * SIGALRM; whoever sets a timer wakes it. ITIMER_VIRTUAL and ITIMER_PROF are -EINVAL in this release.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

#define NS_PER_USEC 1000

struct user_itimerval {
	long interval_sec, interval_usec, value_sec, value_usec;
};

static struct wait_queue timer_wait = WAIT_QUEUE_INIT(timer_wait);
static bool timer_changed;		/* atomic */
static bool thread_started;		/* tasklist_lock */

/* Fire what is due; the earliest deadline that is left, or ~0. */
static u64 run_timers(void)
{
	u64 now = ktime_ns(), next = ~0UL;
	struct process *p;

	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node) {
		spin_lock(&p->sig_lock);
		bool due = p->alarm_ns && p->alarm_ns <= now;
		if (due && p->alarm_interval_ns) {
			u64 missed = (now - p->alarm_ns) / p->alarm_interval_ns;
			p->alarm_ns += (missed + 1) * p->alarm_interval_ns;
		} else if (due) {
			p->alarm_ns = 0;
		}
		if (p->alarm_ns)
			next = min(next, p->alarm_ns);
		spin_unlock(&p->sig_lock);
		if (due)
			signal_send_locked(p, NULL, SIGALRM, NULL);
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

/* The first timer starts the thread. 0 or -ENOMEM. */
static int need_thread(void)
{
	spin_lock(&tasklist_lock);
	bool start = !thread_started;
	thread_started = true;
	spin_unlock(&tasklist_lock);
	if (!start || kthread_start("itimer", timer_thread, NULL))
		return 0;
	thread_started = false;
	return -ENOMEM;
}

/* Set value and interval (ns, value relative, 0: off); gives the old ones. */
static int change_timer(u64 *value, u64 *interval, bool set)
{
	struct process *p = current->process;
	u64 now = ktime_ns(), new_value = *value, new_interval = *interval;

	if (set && new_value && need_thread())
		return -ENOMEM;
	spin_lock(&p->sig_lock);
	*value = !p->alarm_ns ? 0 : p->alarm_ns > now ? p->alarm_ns - now : NS_PER_USEC;
	*interval = p->alarm_interval_ns;
	if (set) {
		p->alarm_ns = new_value ? deadline_after(new_value) : 0;
		p->alarm_interval_ns = new_interval;
	}
	spin_unlock(&p->sig_lock);
	if (set) {
		__atomic_store_n(&timer_changed, true, __ATOMIC_SEQ_CST);
		wake_up_all(&timer_wait, 0);
	}
	return 0;
}

long sys_alarm(unsigned seconds)
{
	u64 value = min(seconds, 0x7fffffffU) * NS_PER_SEC, interval = 0;

	int r = change_timer(&value, &interval, true);
	if (r)
		return r;
	u64 left = value / NS_PER_SEC, part = value % NS_PER_SEC;
	return (long)(left + (part >= NS_PER_SEC / 2 || (!left && part)));	/* rounded, but never 0 while it runs */
}

static int get_value(long sec, long usec, u64 *ns)
{
	if (sec < 0 || usec < 0 || usec >= 1000000)
		return -EINVAL;
	*ns = sec > 9000000000L ? 9000000000L * NS_PER_SEC : (u64)sec * NS_PER_SEC + (u64)usec * NS_PER_USEC;
	return 0;
}

static int put_itimer(void __user *to, u64 value, u64 interval)
{
	struct user_itimerval v = {
		(long)(interval / NS_PER_SEC), (long)(interval % NS_PER_SEC / NS_PER_USEC),
		(long)(value / NS_PER_SEC), (long)(value % NS_PER_SEC / NS_PER_USEC),
	};

	return copy_to_user(to, &v, sizeof(v)) ? -EFAULT : 0;
}

long sys_setitimer(int which, const void __user *new_value, void __user *old)
{
	struct user_itimerval v = { 0 };
	u64 value, interval;

	if (new_value && copy_from_user(&v, new_value, sizeof(v)))
		return -EFAULT;
	if (get_value(v.value_sec, v.value_usec, &value) || get_value(v.interval_sec, v.interval_usec, &interval))
		return -EINVAL;
	if (which != ITIMER_REAL)
		return -EINVAL;
	int r = change_timer(&value, &interval, true);
	return r || !old ? r : put_itimer(old, value, interval);
}

long sys_getitimer(int which, void __user *to)
{
	u64 value = 0, interval = 0;

	if (which != ITIMER_REAL)
		return -EINVAL;
	change_timer(&value, &interval, false);
	return put_itimer(to, value, interval);
}
