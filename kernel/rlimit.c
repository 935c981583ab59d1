/*
 * Resource limits and resource usage. Limits are per process (tasklist_lock); who enforces one reads
 * process->limits itself.
 */
#include "kernel/rlimit.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/rusage.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "kernel/timers.h"
#include "mm/mm.h"
#include "mm/usercopy.h"

#define INF RLIM64_INFINITY

void rlimits_default(struct process *p)
{
	static const struct rlimit64 defaults[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { INF, INF }, [RLIMIT_FSIZE] = { INF, INF }, [RLIMIT_DATA] = { INF, INF },
		[RLIMIT_STACK] = { 8 << 20, INF }, [RLIMIT_CORE] = { 0, INF }, [RLIMIT_RSS] = { INF, INF },
		[RLIMIT_NPROC] = { INF, INF }, [RLIMIT_NOFILE] = { 1024, 4096 }, [RLIMIT_MEMLOCK] = { 8 << 20, 8 << 20 },
		[RLIMIT_AS] = { INF, INF }, [RLIMIT_LOCKS] = { INF, INF }, [RLIMIT_SIGPENDING] = { 4096, 4096 },
		[RLIMIT_MSGQUEUE] = { 819200, 819200 }, [RLIMIT_NICE] = { 0, 0 }, [RLIMIT_RTPRIO] = { 0, 0 },
		[RLIMIT_RTTIME] = { INF, INF },
	};
	memcpy(p->limits, defaults, sizeof(defaults));
}

/* Read and perhaps replace one limit. new NULL: only read. */
static long change_limit(struct process *p, unsigned resource, const struct rlimit64 *new, struct rlimit64 *old)
{
	struct rlimit64 *limit = &p->limits[resource];
	long r = 0;

	if (new && new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (new && resource == RLIMIT_NOFILE && new->rlim_max > 1 << 20)
		return -EPERM;			/* Linux: sysctl fs.nr_open */
	spin_lock(&tasklist_lock);
	if (old)
		*old = *limit;
	if (new && new->rlim_max > limit->rlim_max && current->process->euid)
		r = -EPERM;
	else if (new)
		*limit = *new;
	if (new && resource == RLIMIT_CPU) {
		spin_lock(&p->sig_lock);
		cputimer_recheck_locked(p);
		spin_unlock(&p->sig_lock);
	}
	spin_unlock(&tasklist_lock);
	return r;
}

long sys_getrlimit(unsigned resource, struct rlimit __user *limit)
{
	struct rlimit64 v;

	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	change_limit(current->process, resource, NULL, &v);
	return copy_to_user(limit, &v, sizeof(v)) ? -EFAULT : 0;
}

long sys_setrlimit(unsigned resource, const struct rlimit __user *limit)
{
	struct rlimit64 v;

	if (copy_from_user(&v, limit, sizeof(v)))
		return -EFAULT;
	if (resource >= RLIM_NLIMITS)
		return -EINVAL;
	return change_limit(current->process, resource, &v, NULL);
}

static bool may_limit(const struct process *p)
{
	const struct process *self = current->process;

	return p == self || !self->euid || (self->uid == p->uid && self->uid == p->euid && self->uid == p->suid &&
					    self->gid == p->gid && self->gid == p->egid && self->gid == p->sgid);
}

long sys_prlimit64(int pid, unsigned resource, const struct rlimit64 __user *limit, struct rlimit64 __user *old)
{
	struct rlimit64 new_v, old_v;

	if (limit && copy_from_user(&new_v, limit, sizeof(new_v)))
		return -EFAULT;
	struct process *p = process_find_get(pid ? pid : current->process->pid);
	if (!p)
		return -ESRCH;
	long r = !may_limit(p) ? -EPERM : resource >= RLIM_NLIMITS ? -EINVAL :
		change_limit(p, resource, limit ? &new_v : NULL, &old_v);
	process_put(p);
	if (!r && old && copy_to_user(old, &old_v, sizeof(old_v)))
		r = -EFAULT;
	return r;
}

void process_times(const struct process *p, u64 *user_ns, u64 *system_ns)
{
	struct task *t;

	*user_ns = p->dead_utime_ns;
	*system_ns = p->dead_stime_ns;
	list_for_each(t, &p->threads, thread_node) {
		*user_ns += READ_ONCE(t->utime_ns);
		*system_ns += READ_ONCE(t->stime_ns);
	}
}

static void fill_times(struct rusage *usage, u64 user_ns, u64 system_ns)
{
	memset(usage, 0, sizeof(*usage));
	usage->ru_utime.tv_sec = (long)(user_ns / 1000000000);
	usage->ru_utime.tv_usec = (long)(user_ns / 1000 % 1000000);
	usage->ru_stime.tv_sec = (long)(system_ns / 1000000000);
	usage->ru_stime.tv_usec = (long)(system_ns / 1000 % 1000000);
}

void rusage_of_child(const struct process *p, struct rusage *usage)
{
	u64 user_ns, system_ns;

	process_times(p, &user_ns, &system_ns);
	fill_times(usage, user_ns + p->child_utime_ns, system_ns + p->child_stime_ns);
}

long sys_getrusage(int who, struct rusage __user *usage)
{
	struct process *p = current->process;
	struct rusage v;
	u64 user_ns, system_ns;

	if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	process_times(p, &user_ns, &system_ns);
	if (who == RUSAGE_CHILDREN) {
		user_ns = p->child_utime_ns;
		system_ns = p->child_stime_ns;
	} else if (who == RUSAGE_THREAD) {
		user_ns = READ_ONCE(current->utime_ns);
		system_ns = READ_ONCE(current->stime_ns);
	}
	spin_unlock(&tasklist_lock);
	fill_times(&v, user_ns, system_ns);
	if (who != RUSAGE_CHILDREN)
		v.ru_maxrss = (long)(mm_rss_pages(current->mm) * (PAGE_SIZE / 1024));
	return copy_to_user(usage, &v, sizeof(v)) ? -EFAULT : 0;
}

#define NS_PER_TICK 10000000	/* USER_HZ = 100 */

long sys_times(struct tms __user *buf)
{
	struct process *p = current->process;
	u64 user_ns, system_ns;
	struct tms v;

	spin_lock(&tasklist_lock);
	process_times(p, &user_ns, &system_ns);
	v.tms_utime = (long)(user_ns / NS_PER_TICK);
	v.tms_stime = (long)(system_ns / NS_PER_TICK);
	v.tms_cutime = (long)(p->child_utime_ns / NS_PER_TICK);
	v.tms_cstime = (long)(p->child_stime_ns / NS_PER_TICK);
	spin_unlock(&tasklist_lock);
	if (buf && copy_to_user(buf, &v, sizeof(v)))
		return -EFAULT;
	return (long)(ktime_ns() / NS_PER_TICK);
}
