/*
 * Timers that count CPU time: ITIMER_VIRTUAL and ITIMER_PROF, and RLIMIT_CPU.
 *
 * The tick, which has charged the running task, only looks whether its process has any of these, and then sends the task here on
 * its way to user mode; the comparing is done with locks, outside of interrupts. So they are as fine as the tick, 4 ms.
 */
#include "kernel/cpu.h"
#include "kernel/rusage.h"
#include "kernel/signal.h"
#include "kernel/timers.h"
#include "kernel/times.h"
#include "kernel/usermode.h"

void cputimer_tick(void)
{
	struct task *t = current;

	if (READ_ONCE(READ_ONCE(t->process)->cpu_timers))
		task_set_flag(t, TF_CPU_TIMER | TF_SIGPENDING);
}

/* Has the timer expired at `used`? Then it is set anew. sig_lock held. */
static bool expired(struct cpu_timer *timer, u64 used)
{
	if (!timer->expiry_ns || used < timer->expiry_ns)
		return false;
	timer->expiry_ns = timer->interval_ns ? used + timer->interval_ns : 0;
	return true;
}

/* SIGXCPU each second from the soft limit on, SIGKILL at the hard one; 0: neither. tasklist_lock and sig_lock held. */
static int over_limit(struct process *p, u64 used)
{
	const struct rlimit64 *limit = &p->limits[RLIMIT_CPU];
	u64 seconds = used / NS_PER_SEC;

	if (seconds >= limit->rlim_max)
		return SIGKILL;
	if (seconds < limit->rlim_cur || seconds < p->next_xcpu)
		return 0;
	p->next_xcpu = seconds + 1;
	return SIGXCPU;
}

void cputimer_expire(void)
{
	struct process *p = current->process;
	u64 user_ns, system_ns;

	spin_lock(&tasklist_lock);
	process_times(p, &user_ns, &system_ns);
	spin_lock(&p->sig_lock);
	bool virtual = expired(&p->virtual_timer, user_ns), prof = expired(&p->prof_timer, user_ns + system_ns);
	int limit = over_limit(p, user_ns + system_ns);
	cputimer_recheck_locked(p);
	spin_unlock(&p->sig_lock);
	if (virtual)
		signal_send_locked(p, NULL, SIGVTALRM, NULL);
	if (prof)
		signal_send_locked(p, NULL, SIGPROF, NULL);
	if (limit)
		signal_send_locked(p, NULL, limit, NULL);
	spin_unlock(&tasklist_lock);
}

void cputimer_recheck_locked(struct process *p)
{
	const struct rlimit64 *limit = &p->limits[RLIMIT_CPU];

	WRITE_ONCE(p->cpu_timers, p->virtual_timer.expiry_ns || p->prof_timer.expiry_ns || limit->rlim_cur != RLIM64_INFINITY ||
		   limit->rlim_max != RLIM64_INFINITY);
}

void cputimer_change(bool prof, u64 *value, u64 *interval, bool set)
{
	struct process *p = current->process;
	struct cpu_timer *timer = prof ? &p->prof_timer : &p->virtual_timer;
	u64 new_value = *value, new_interval = *interval, used, system_ns;

	spin_lock(&tasklist_lock);
	process_times(p, &used, &system_ns);
	if (prof)
		used += system_ns;
	spin_lock(&p->sig_lock);
	*value = !timer->expiry_ns ? 0 : timer->expiry_ns > used ? timer->expiry_ns - used : 1000;
	*interval = timer->interval_ns;
	if (set) {
		timer->expiry_ns = new_value ? used + new_value : 0;
		timer->interval_ns = new_interval;
		cputimer_recheck_locked(p);
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
}
