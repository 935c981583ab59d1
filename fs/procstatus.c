/* The state of a process or thread in /proc: stat (for programs), status (for people), limits. */
#include "fs/procfs.h"

#include "kernel/backtrace.h"
#include "kernel/rusage.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/usage.h"

#define NS_PER_TICK 10000000UL
#define KB(pages) ((pages) * (PAGE_SIZE / 1024))
#define PF_EXITING 0x4			/* Linux's task flags, as far as they exist here */
#define PF_FORKNOEXEC 0x40
#define ALL_CAPABILITIES 0x1ffffffffffUL

/* Everything that tasklist_lock protects, read at once. */
struct snapshot {
	char name[16], state;
	int id, ppid, pgid, sid, nr_threads, nice, tty_pgrp, exit_signal, exit_code, fd_size, cpu;
	u32 tty, flags, umask;
	u64 user, system, child_user, child_system, start_ns;
	u64 min_flt, maj_flt, child_min_flt, child_maj_flt, switches, preemptions;
	u64 cpus_allowed, pending, shared_pending, blocked, ignored, caught;
	bool waits;
	/* Memory, read afterwards */
	struct mm *mm;			/* a reference, or NULL */
	struct mm_usage use;
};

static char state_letter(const struct task *t)
{
	if (READ_ONCE(t->flags) & TF_STOPPED)
		return 'T';
	switch (READ_ONCE(t->state)) {
	case TASK_RUNNABLE: return 'R';
	case TASK_SLEEPING: return 'S';
	case TASK_DEAD: return 'X';
	}
	return 'D';
}

static const char *state_name(char c)
{
	return c == 'R' ? "running" : c == 'S' ? "sleeping" : c == 'D' ? "disk sleep" : c == 'T' ? "stopped" : c == 'X' ? "dead" : "zombie";
}

static void take_signals(struct snapshot *s, struct process *p)
{
	s->shared_pending = p->pending.signals;
	for (int i = 0; i < 64; i++) {
		if (p->action[i].handler == (void __user *)SIG_IGN)
			s->ignored |= BIT(i);
		else if (p->action[i].handler != (void __user *)SIG_DFL)
			s->caught |= BIT(i);
	}
}

/* The whole process: its threads, those that have gone, its children that were waited for. */
static void take_process(struct snapshot *s, const struct process *p)
{
	struct task *t;

	process_times(p, &s->user, &s->system);
	s->child_user = p->child_utime_ns;
	s->child_system = p->child_stime_ns;
	s->min_flt = p->dead_min_flt;
	s->maj_flt = p->dead_maj_flt;
	s->child_min_flt = p->child_min_flt;
	s->child_maj_flt = p->child_maj_flt;
	list_for_each(t, &p->threads, thread_node) {
		s->min_flt += t->min_flt;
		s->maj_flt += t->maj_flt;
	}
	s->exit_signal = p->exit_signal;
	s->exit_code = p->zombie ? p->exit_code : 0;
}

static void take_task(struct snapshot *s, const struct task *t, bool alone)
{
	memcpy(s->name, t->name, sizeof(s->name));
	s->nice = t->nice;
	s->pending = t->pending.signals;
	s->blocked = READ_ONCE(t->sig_mask);
	s->state = state_letter(t);
	if (t->process->stopping && t->state == TASK_SLEEPING_KILLABLE)
		s->state = 'T';		/* parked (kernel/jobctl.c) */
	s->waits = s->state != 'R';
	s->flags |= READ_ONCE(t->flags) & TF_EXITING ? PF_EXITING : 0;
	s->switches = t->nr_switches;
	s->preemptions = t->nr_preemptions;
	s->cpu = READ_ONCE(t->cpu);
	s->cpus_allowed = READ_ONCE(t->cpus_allowed) & cpus_online();
	if (t->fs)
		s->umask = t->fs->umask;
	if (alone) {
		s->user = READ_ONCE(t->utime_ns);
		s->system = READ_ONCE(t->stime_ns);
		s->min_flt = t->min_flt;
		s->maj_flt = t->maj_flt;
		s->exit_signal = t->tid == t->process->pid ? t->process->exit_signal : -1;
	}
}

/* -ESRCH: that thread has gone. */
static int take(const struct proc_subject *subject, struct snapshot *s)
{
	struct process *p = subject->process;
	struct task *t;

	memset(s, 0, sizeof(*s));
	spin_lock(&tasklist_lock);
	t = proc_task(subject);
	if (!t && subject->tid && subject->tid != p->pid) {
		spin_unlock(&tasklist_lock);
		return -ESRCH;
	}
	s->id = subject->tid ? subject->tid : p->pid;
	s->state = 'Z';
	memcpy(s->name, p->last_name, sizeof(s->name));
	s->ppid = p->parent ? p->parent->pid : 0;
	s->pgid = p->pgid;
	s->sid = p->sid;
	s->nr_threads = max(p->nr_threads, 1);
	s->start_ns = p->start_ns;
	s->flags = p->did_exec ? 0 : PF_FORKNOEXEC;
	s->tty_pgrp = -1;
	if (p->tty && session_tty_hook)
		session_tty_hook(p, &s->tty, &s->tty_pgrp);
	take_signals(s, p);
	take_process(s, p);
	if (t)
		take_task(s, t, subject->tid);
	spin_unlock(&tasklist_lock);
	s->name[sizeof(s->name) - 1] = 0;
	s->mm = t ? proc_mm(subject) : NULL;
	if (s->mm)
		mm_usage(s->mm, &s->use);
	return 0;
}

/* --- stat: proc(5) numbers the fields --- */

static void stat_memory(struct text *t, const struct snapshot *s, const struct process *p, bool permitted)
{
	static const struct mm none;
	const struct mm *mm = s->mm ? s->mm : &none;

	text_printf(t, "%lu %lu %lu ", mm->total_pages * PAGE_SIZE, s->use.anonymous + s->use.file + s->use.shmem, (u64)p->limits[RLIMIT_RSS].rlim_cur);
	if (s->mm && permitted)
		text_printf(t, "%lu %lu %lu 0 0 ", mm->code_start, mm->code_end, mm->stack_top);
	else
		text_printf(t, "%d %d 0 0 0 ", s->mm != NULL, s->mm != NULL);
}

int proc_show_stat(struct text *t, const struct proc_subject *subject)
{
	struct process *p = subject->process;
	bool permitted = proc_may_access(p);
	struct snapshot s;
	int error = take(subject, &s);

	if (error)
		return error;
	text_printf(t, "%d (%s) %c %d %d %d %u %d %u ", s.id, s.name, s.state, s.ppid, s.pgid, s.sid, s.tty, s.tty_pgrp, s.flags);
	text_printf(t, "%lu %lu %lu %lu ", s.min_flt, s.child_min_flt, s.maj_flt, s.child_maj_flt);
	text_printf(t, "%lu %lu %lu %lu ", s.user / NS_PER_TICK, s.system / NS_PER_TICK, s.child_user / NS_PER_TICK, s.child_system / NS_PER_TICK);
	text_printf(t, "%d %d %d 0 %lu ", 20 + s.nice, s.nice, s.nr_threads, s.start_ns / NS_PER_TICK);
	stat_memory(t, &s, p, permitted);
	text_printf(t, "%lu %lu %lu %lu ", s.pending & 0x7fffffff, s.blocked & 0x7fffffff, s.ignored & 0x7fffffff, s.caught & 0x7fffffff);
	text_printf(t, "%d 0 0 %d %d 0 0 0 0 0 ", permitted && s.waits, s.exit_signal, s.cpu);
	if (s.mm && permitted)
		text_printf(t, "%lu %lu %lu %lu %lu %lu %lu %d\n", s.mm->data_start, s.mm->data_end, s.mm->brk_start, s.mm->arg_start, s.mm->arg_end,
			    s.mm->env_start, s.mm->env_end, s.exit_code);
	else
		text_printf(t, "0 0 0 0 0 0 0 %d\n", permitted ? s.exit_code : 0);
	if (s.mm)
		mm_put(s.mm);
	return 0;
}

/* --- status --- */

static void status_memory(struct text *t, const struct snapshot *s)
{
	const struct mm *mm = s->mm;
	const struct mm_usage *u = &s->use;
	u64 code = (ALIGN_UP(mm->code_end, PAGE_SIZE) - ALIGN_DOWN(mm->code_start, PAGE_SIZE)) >> PAGE_SHIFT;
	const struct { const char *name; u64 pages; } lines[] = {
		{ "VmPeak:", mm->peak_pages }, { "VmSize:", mm->total_pages }, { "VmLck:", mm->locked_pages }, { "VmPin:", 0 },
		{ "VmRSS:", u->anonymous + u->file + u->shmem }, { "RssAnon:", u->anonymous }, { "RssFile:", u->file },
		{ "RssShmem:", u->shmem }, { "VmData:", u->data }, { "VmStk:", u->stack }, { "VmExe:", code },
		{ "VmLib:", u->exec > code ? u->exec - code : 0 }, { "VmPTE:", u->tables }, { "VmSwap:", u->swap },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		text_printf(t, "%s\t%8lu kB\n", lines[i].name, KB(lines[i].pages));
}

static void status_identity(struct text *t, const struct snapshot *s, const struct process *p)
{
	text_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", p->uid, p->euid, p->suid, p->fsuid, p->gid, p->egid, p->sgid, p->fsgid);
	text_printf(t, "FDSize:\t%u\nGroups:\t", s->fd_size);
	for (int i = 0; i < p->ngroups; i++)
		text_printf(t, "%u ", p->groups[i]);
	text_printf(t, "\nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", p->pid, s->id, s->pgid, s->sid);
}

/* A set of CPUs as "0-3,6". */
static void text_cpus(struct text *t, u64 set)
{
	const char *comma = "";

	for (int first = 0, last; first < NR_CPUS; first = last + 1) {
		last = first;
		if (!(set & BIT(first)))
			continue;
		while (last + 1 < NR_CPUS && set & BIT(last + 1))
			last++;
		text_printf(t, last > first ? "%s%d-%d" : "%s%d", comma, first, last);
		comma = ",";
	}
}

static void status_rest(struct text *t, const struct snapshot *s, const struct process *p)
{
	u64 caps = p->euid ? 0 : ALL_CAPABILITIES, permitted = !p->uid || !p->euid || !p->suid ? ALL_CAPABILITIES : 0;

	text_printf(t, "Threads:\t%d\nSigQ:\t%u/%lu\n", s->nr_threads, READ_ONCE(p->nr_queued), (u64)p->limits[RLIMIT_SIGPENDING].rlim_cur);
	text_printf(t, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", s->pending, s->shared_pending,
		    s->blocked, s->ignored, s->caught);
	text_printf(t, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n", 0UL, permitted, caps, ALL_CAPABILITIES, 0UL);
	text_printf(t, "NoNewPrivs:\t%d\nSeccomp:\t0\nCpus_allowed:\t%lx\nCpus_allowed_list:\t", p->no_new_privs, s->cpus_allowed);
	text_cpus(t, s->cpus_allowed);
	text_printf(t, "\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_switches:\t%lu\n",
		    s->switches, s->preemptions);
}

int proc_show_status(struct text *t, const struct proc_subject *subject)
{
	struct process *p = subject->process;
	struct files *files = proc_files(subject);
	struct snapshot s;
	int error = take(subject, &s);

	s.fd_size = files ? (int)files_size(files) : 0;
	files_put(files);
	if (error)
		return error;
	text_string(t, "Name:\t");
	text_escaped(t, s.name, "\n");
	text_printf(t, "\nUmask:\t%04o\nState:\t%c (%s)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", s.umask, s.state, state_name(s.state),
		    p->pid, s.id, s.ppid);
	status_identity(t, &s, p);
	if (s.mm) {
		status_memory(t, &s);
		mm_put(s.mm);
	}
	status_rest(t, &s, p);
	return 0;
}

/* --- limits --- */

static void add_limit(struct text *t, u64 v)
{
	if (v == RLIM64_INFINITY)
		text_printf(t, "%-20s ", "unlimited");
	else
		text_printf(t, "%-20lu ", v);
}

int proc_show_limits(struct text *t, const struct proc_subject *s)
{
	static const struct { const char *name, *unit; } names[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" }, [RLIMIT_FSIZE] = { "Max file size", "bytes" }, [RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" }, [RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" }, [RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" }, [RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" }, [RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" }, [RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", NULL }, [RLIMIT_RTPRIO] = { "Max realtime priority", NULL },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};
	struct rlimit64 limits[RLIM_NLIMITS];

	spin_lock(&tasklist_lock);
	memcpy(limits, s->process->limits, sizeof(limits));
	spin_unlock(&tasklist_lock);
	text_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		text_printf(t, "%-25s ", names[i].name);
		add_limit(t, limits[i].rlim_cur);
		add_limit(t, limits[i].rlim_max);
		text_printf(t, names[i].unit ? "%-10s\n" : "\n", names[i].unit);
	}
	return 0;
}
