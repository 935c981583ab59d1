/*
 * alarm(), setitimer() and getitimer(): the calls. ITIMER_REAL runs in kernel/timers.c's thread, the others in kernel/cputimer.c.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/timers.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

#define NS_PER_USEC 1000

struct user_itimerval {
	long interval_sec, interval_usec, value_sec, value_usec;
};

/* Set value and interval (ns, value relative, 0: off); gives the old ones. */
static int change_timer(u64 *value, u64 *interval, bool set)
{
	struct process *p = current->process;
	u64 now = ktime_ns(), new_value = *value, new_interval = *interval;

	if (set && new_value && timers_changed())
		return -ENOMEM;		/* the thread is there before it is needed */
	spin_lock(&p->sig_lock);
	*value = !p->alarm_ns ? 0 : p->alarm_ns > now ? p->alarm_ns - now : NS_PER_USEC;
	*interval = p->alarm_interval_ns;
	if (set) {
		p->alarm_ns = new_value ? deadline_after(new_value) : 0;
		p->alarm_interval_ns = new_interval;
	}
	spin_unlock(&p->sig_lock);
	return set && new_value ? timers_changed() : 0;
}

static int change(int which, u64 *value, u64 *interval, bool set)
{
	if (which == ITIMER_REAL)
		return change_timer(value, interval, set);
	if (which != ITIMER_VIRTUAL && which != ITIMER_PROF)
		return -EINVAL;
	cputimer_change(which == ITIMER_PROF, value, interval, set);
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
	int r = change(which, &value, &interval, true);
	return r || !old ? r : put_itimer(old, value, interval);
}

long sys_getitimer(int which, void __user *to)
{
	u64 value = 0, interval = 0;

	int r = change(which, &value, &interval, false);
	return r ? r : put_itimer(to, value, interval);
}
