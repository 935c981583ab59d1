/*
 * Clocks and sleeping. Wall-clock time cannot be set in this release (settimeofday is unknown).
 */
#include "kernel/times.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/rusage.h"
#include "mm/usercopy.h"

#define SEC_MAX (0x7fffffffffffffffUL / NS_PER_SEC)

int timespec_get(const struct __kernel_timespec __user *ts, u64 *ns)
{
	struct __kernel_timespec v;

	if (copy_from_user(&v, ts, sizeof(v)))
		return -EFAULT;
	if (v.tv_sec < 0 || (u64)v.tv_nsec >= NS_PER_SEC)
		return -EINVAL;
	*ns = (u64)v.tv_sec >= SEC_MAX ? 0x7fffffffffffffffUL : (u64)v.tv_sec * NS_PER_SEC + (u64)v.tv_nsec;
	return 0;
}

int timespec_put(u64 ns, struct __kernel_timespec __user *ts)
{
	struct __kernel_timespec v = { .tv_sec = (s64)(ns / NS_PER_SEC), .tv_nsec = (long long)(ns % NS_PER_SEC) };

	return copy_to_user(ts, &v, sizeof(v)) ? -EFAULT : 0;
}

u64 deadline_after(u64 ns)
{
	u64 now = ktime_ns();

	return now + ns < now ? ~0UL - 1 : now + ns;
}

u64 timeout_deadline(u64 ns)
{
	u64 deadline = current->restart_deadline;

	current->restart_deadline = 0;
	return deadline ? deadline : deadline_after(ns);
}

long timeout_interrupted(u64 deadline)
{
	current->restart_deadline = deadline;
	return -ERESTART_RESTARTBLOCK;
}

static u64 cpu_time(bool process)
{
	u64 user_ns, system_ns;

	if (!process)
		return READ_ONCE(current->utime_ns) + READ_ONCE(current->stime_ns);
	spin_lock(&tasklist_lock);
	process_times(current->process, &user_ns, &system_ns);
	spin_unlock(&tasklist_lock);
	return user_ns + system_ns;
}

static int clock_read(int clock, u64 *ns)
{
	switch (clock) {
	case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: case CLOCK_TAI:
		*ns = realtime_ns();
		return 0;
	case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME:
		*ns = ktime_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID: case CLOCK_THREAD_CPUTIME_ID:
		*ns = cpu_time(clock == CLOCK_PROCESS_CPUTIME_ID);
		return 0;
	}
	return -EINVAL;
}

long sys_clock_gettime(int clock, struct __kernel_timespec __user *ts)
{
	u64 ns;
	int r = clock_read(clock, &ns);

	return r ? r : timespec_put(ns, ts);
}

long sys_clock_getres(int clock, struct __kernel_timespec __user *ts)
{
	u64 ns;
	int r = clock_read(clock, &ns);

	if (r || !ts)
		return r;
	return timespec_put(clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE ? 4000000 : 1, ts);
}

/* Sleep until the deadline; interrupted: the rest goes to *rem if it was a relative sleep. */
static long sleep_to(u64 deadline, bool relative, struct __kernel_timespec __user *rem)
{
	int r = sleep_until_ns(deadline, WAIT_INTERRUPTIBLE);

	if (!r || r == -ETIMEDOUT)
		return 0;
	if (relative && rem) {
		u64 now = ktime_ns();
		if (timespec_put(deadline > now ? deadline - now : 0, rem))
			return -EFAULT;
	}
	return relative ? timeout_interrupted(deadline) : -ERESTARTNOHAND;
}

long sys_nanosleep(const struct __kernel_timespec __user *req, struct __kernel_timespec __user *rem)
{
	u64 ns;
	int r = timespec_get(req, &ns);

	return r ? r : sleep_to(timeout_deadline(ns), true, rem);
}

long sys_clock_nanosleep(int clock, int flags, const struct __kernel_timespec __user *req, struct __kernel_timespec __user *rem)
{
	u64 ns, now;

	if (clock_read(clock, &now))
		return -EINVAL;
	if (clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE ||
	    clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		return -EOPNOTSUPP;
	int r = timespec_get(req, &ns);
	if (r)
		return r;
	if (!(flags & TIMER_ABSTIME))
		return sleep_to(timeout_deadline(ns), true, rem);
	return sleep_to(deadline_after(ns > now ? ns - now : 0), false, NULL);
}

long sys_gettimeofday(struct __kernel_old_timeval __user *tv, struct timezone __user *tz)
{
	u64 ns = realtime_ns();
	long v[2] = { (long)(ns / NS_PER_SEC), (long)(ns % NS_PER_SEC / 1000) };
	int zone[2] = { 0, 0 };

	if (tv && copy_to_user(tv, v, sizeof(v)))
		return -EFAULT;
	return tz && copy_to_user(tz, zone, sizeof(zone)) ? -EFAULT : 0;
}

long sys_time(long __user *tloc)
{
	long now = (long)(realtime_ns() / NS_PER_SEC);

	return tloc && put_user(now, tloc) ? -EFAULT : now;
}
