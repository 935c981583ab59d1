/*
 * The scheduling system calls. SCHED_OTHER goes by nice values, SCHED_BATCH is the same, SCHED_IDLE counts as nice 19 (sched.c);
 * there are no real-time policies.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/sched.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

#define SLICE_NS 4000000

long sys_sched_yield(void)
{
	sched_yield_cpu();
	return 0;
}

/* Is there a thread `pid` (0: the current one)? tasklist_lock held. */
static struct task *task_or_self(int pid)
{
	return pid ? task_find(pid) : current;
}

static long check_task(int pid)
{
	spin_lock(&tasklist_lock);
	bool found = task_or_self(pid) != NULL;
	spin_unlock(&tasklist_lock);
	return found ? 0 : -ESRCH;
}

static bool may_set(const struct task *t)
{
	const struct process *self = current->process;

	return !self->euid || self->euid == t->process->uid || self->euid == t->process->euid;
}

long sys_sched_getaffinity(int pid, unsigned len, unsigned long __user *mask)
{
	struct task *t;
	u64 v = 0;

	if (len * 8UL < (u64)nr_cpus_online || len % sizeof(u64))
		return -EINVAL;
	spin_lock(&tasklist_lock);
	t = task_or_self(pid);
	if (t)
		v = READ_ONCE(t->cpus_allowed) & cpus_online();
	spin_unlock(&tasklist_lock);
	if (!t)
		return -ESRCH;
	return copy_to_user(mask, &v, sizeof(v)) ? -EFAULT : (long)sizeof(v);
}

long sys_sched_setaffinity(int pid, unsigned len, const unsigned long __user *mask)
{
	struct task *t;
	u64 v = 0;
	long r = 0;

	if (copy_from_user(&v, mask, min((size_t)len, sizeof(v))))
		return -EFAULT;
	spin_lock(&tasklist_lock);
	t = task_or_self(pid);
	if (!t)
		r = -ESRCH;
	else if (!may_set(t))
		r = -EPERM;
	else if (!(v & cpus_online()))
		r = -EINVAL;
	else
		sched_set_affinity(t, v & cpus_online());
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_sched_getscheduler(int pid)
{
	struct task *t;
	long policy;

	if (pid < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	t = task_or_self(pid);
	policy = t ? t->policy : -ESRCH;
	spin_unlock(&tasklist_lock);
	return policy;
}

/* The parameter, which is a priority, and must be 0 for all that we have. */
static int get_param(int pid, const int __user *param, int *priority)
{
	if (!param || pid < 0)
		return -EINVAL;
	return get_user(*priority, param) ? -EFAULT : 0;
}

static long set_policy_locked(struct task *t, int policy)
{
	if (!t)
		return -ESRCH;
	if (!may_set(t))
		return -EPERM;
	t->policy = policy;
	return 0;
}

long sys_sched_setscheduler(int pid, int policy, const int __user *param)
{
	int priority, error = policy < 0 ? -EINVAL : get_param(pid, param, &priority);
	long r;

	if (error)
		return error;
	policy &= ~SCHED_RESET_ON_FORK;		/* only real-time policies would be reset */
	r = check_task(pid);
	if (r)
		return r;
	if (policy != SCHED_NORMAL && policy != SCHED_BATCH && policy != SCHED_IDLE)
		return policy == SCHED_FIFO || policy == SCHED_RR ? -EPERM : -EINVAL;
	if (priority)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	r = set_policy_locked(task_or_self(pid), policy);
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_sched_setparam(int pid, const int __user *param)
{
	int priority, error = get_param(pid, param, &priority);
	long r = error ? error : check_task(pid);

	return r ? r : priority ? -EINVAL : 0;
}

long sys_sched_getparam(int pid, int __user *param)
{
	if (!param || pid < 0)
		return -EINVAL;
	long r = check_task(pid);
	return r ? r : put_user(0, param);
}

static long priority_limit(int policy, int realtime)
{
	switch (policy) {
	case SCHED_FIFO: case SCHED_RR:
		return realtime;
	case SCHED_NORMAL: case SCHED_BATCH: case SCHED_IDLE: case SCHED_DEADLINE:
		return 0;
	}
	return -EINVAL;
}

long sys_sched_get_priority_max(int policy)
{
	return priority_limit(policy, 99);
}

long sys_sched_get_priority_min(int policy)
{
	return priority_limit(policy, 1);
}

long sys_sched_rr_get_interval(int pid, struct __kernel_timespec __user *interval)
{
	if (pid < 0)
		return -EINVAL;
	long r = check_task(pid);
	return r ? r : timespec_put(SLICE_NS, interval);
}

/* --- nice values --- */

enum { WHICH_PROCESS, WHICH_GROUP, WHICH_USER };

static bool selected(const struct process *p, const struct task *t, int which, int who)
{
	if (which == WHICH_PROCESS)
		return who ? t->tid == who : t == current;
	if (which == WHICH_GROUP)
		return p->pgid == (who ? who : current->process->pgid);
	return p->uid == (who ? (u32)who : current->process->uid);
}

static long set_nice(struct task *t, int nice)
{
	if (!may_set(t))
		return -EPERM;
	if (current->process->euid && nice < t->nice)
		return -EACCES;
	t->nice = nice;
	return 0;
}

long sys_getpriority(int which, int who)
{
	struct process *p;
	struct task *t;
	long best = -ESRCH;

	if (which < WHICH_PROCESS || which > WHICH_USER)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		list_for_each(t, &p->threads, thread_node)
			if (selected(p, t, which, who))
				best = max(best, 20L - t->nice);
	spin_unlock(&tasklist_lock);
	return best;
}

long sys_setpriority(int which, int who, int nice)
{
	struct process *p;
	struct task *t;
	long r = -ESRCH;

	if (which < WHICH_PROCESS || which > WHICH_USER)
		return -EINVAL;
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		list_for_each(t, &p->threads, thread_node)
			if (selected(p, t, which, who)) {
				long one = set_nice(t, nice);
				if (r == -ESRCH || one)
					r = one;
			}
	spin_unlock(&tasklist_lock);
	return r;
}

/* I/O priorities: there is one; asking tells "none", setting a valid one is accepted. */
long sys_ioprio_get(int which, int who)
{
	return which < 1 || which > 3 ? -EINVAL : which == 1 ? check_task(who) : 0;
}

long sys_ioprio_set(int which, int who, int prio)
{
	if (which < 1 || which > 3 || prio >> 13 > 3 || prio < 0)
		return -EINVAL;
	return which == 1 ? check_task(who) : 0;
}
