/*
 * Tasks (threads) and processes (thread groups).
 *
 * A task is what the scheduler runs. It points to what it may share with others: its process, the
 * address space (struct mm), the descriptor table (struct files), the working directory (struct
 * fs_context). A kernel thread has no process's mm and belongs to process 0.
 *
 * Locks: T = the task itself only (current), R = runqueue lock, L = tasklist_lock, S = process->sig_lock,
 * I = fixed after creation, A = atomic.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/lock.h"
#include "kernel/wait.h"

struct mm;
struct files;
struct fs_context;
struct trapframe;

enum task_state {
	TASK_RUNNABLE,			/* running or on a run queue */
	TASK_SLEEPING,			/* by WAIT_INTERRUPTIBLE */
	TASK_SLEEPING_KILLABLE,
	TASK_SLEEPING_HARD,		/* only its wake-up */
	TASK_DEAD,			/* never runs again */
};

/* task->flags */
#define TF_KTHREAD	BIT(0)	/* I */
#define TF_SIGPENDING	BIT(1)	/* A: look at signals on the way to user mode */
#define TF_EXITING	BIT(2)	/* A */
#define TF_CPU_TIMER	BIT(5)	/* A: a timer of CPU time may be due */
#define TF_STOPPED	BIT(4)	/* T: parked in jobctl_park() */
#define TF_RESTORE_MASK	BIT(3)	/* T: sigsuspend: restore saved_mask if no handler runs */
#define TF_DRAINING	BIT(6)	/* T: in rights_drain() (fs/unixrights.c) */

#define KSTACK_SIZE	(4 * PAGE_SIZE)

/* What a siginfo_t carries, without its padding (48 of 128 bytes): kept and handed on inside the kernel. */
struct ksiginfo {
	__SIGINFO;
};

/* Pending signals (kernel/sigqueue.c). */
struct sig_entry {
	struct list_head node;		/* sigpending.queue */
	int sig;
	struct ksiginfo info;
};

struct sigpending {
	u64 signals;			/* bit n-1 = signal n */
	struct list_head queue;		/* struct sig_entry: what was sent with them */
	bool first_used;
	struct sig_entry first;		/* mostly there is one at a time: it needs no allocation */
};

struct task {
	/* Read by entry.asm on every way to user mode; kernel/cpu.c checks the offsets */
	int held_count;			/* 0, T: entries of held[] */
	int pagefault_disabled;		/* 4, T: copies in progress that must not sleep (DESIGN.md 4) */
	u32 flags;			/* 8, A: TF_* */
	struct trapframe *frame;	/* T: user registers of the system call or trap in progress, NULL in a kernel thread */

	/* Scheduling (kernel/sched.c) */
	u64 kstack_top;			/* I; loaded into TSS.rsp0 and the per-CPU entry stack */
	u64 saved_rsp;			/* R: where switch_to left it */
	int state;			/* R, written by the task itself before it sleeps; enum task_state */
	int on_cpu;			/* R */
	int cpu;			/* R: where it runs, or ran last (kernel/runqueue.h) */
	u64 cpus_allowed;		/* R; inherited */
	u64 explore_generation, explore_priority;	/* R: kernel/explore.c */
	struct list_head run_node;	/* R */
	u64 vruntime;			/* R: ns of CPU time, weighted by nice */
	u64 run_start;			/* R */
	u64 utime_ns, stime_ns;		/* R: CPU time used; split by the tick */
	int nice;			/* R */
	int policy;			/* R: SCHED_NORMAL, SCHED_BATCH, SCHED_IDLE */
	u64 nr_switches, nr_preemptions;	/* R: how often it gave the CPU up, and lost it */
	u64 min_flt, maj_flt;		/* T: its page faults without and with I/O */
	bool frees_memory;		/* T: that is its work; it may have the last frames for it (mm/page.c) */
	void (*kthread_fn)(void *arg);	/* I: a kernel thread's function, NULL for others */
	void *kthread_arg;		/* I */
	void *fpu;			/* T: XSAVE or FXSAVE area, NULL for kernel threads */
	u64 fs_base, gs_base;		/* T: user segment bases (arch_prctl) */

	/* Identity */
	int tid;			/* I */
	char name[16];			/* T; read racily by ps */
	struct process *process;	/* I */
	struct list_head thread_node;	/* L: process->threads */

	/* What it uses */
	struct mm *mm;			/* T: user address space, NULL in a kernel thread */
	struct files *files;		/* T */
	struct fs_context *fs;		/* T */
	int __user *set_child_tid;	/* T: CLONE_CHILD_SETTID: written on the first way to user mode */
	int __user *clear_child_tid;	/* T: CLONE_CHILD_CLEARTID */
	struct vfork_wait *vfork;	/* L: the parent that waits for our exec or exit (kernel/fork.c) */
	void __user *robust_list;	/* T */
	u16 mempolicy;			/* T: set_mempolicy (mm/mempolicy.c) */
	bool mempolicy_node;		/* T: node 0 is in its mask */

	/* Signals of this thread (kernel/signal.c) */
	struct sigpending pending;	/* S */
	u64 sig_mask;			/* written by the task itself, read by others: SG4 of kernel/signal.h */
	u64 saved_mask;			/* T */
	u64 restart_deadline;		/* T: of a call that is restarted with what is left of its time; 0: none */
	u64 sig_wait;			/* S: blocked signals that sigtimedwait() is waiting for */
	stack_t sig_stack;		/* T: sigaltstack */
	u64 trap_nr, trap_error, trap_address;	/* T: of the last fault, for sigcontext */

	/* Debugging: who holds what (kernel/lock.c, sleeplock.c) and waits for what */
	struct held_lock held[HELD_MAX];	/* T; read racily by panic and the hang detector */
	struct held_lock waits_for;		/* T: the lock waited for, object NULL if none: wait_begin(), wait_end() */
	u64 wait_since_ns;			/* T */
	bool kcsan_busy;			/* T: has a watchpoint (kernel/kcsan.c) */
	bool injected;			/* T: of a tree of tasks whose failures are counted (kernel/inject.h); inherited */
	bool hang_reported;			/* the hang detector has told of this wait */
	unsigned hang_looks;			/* the hang detector's: so often it has seen the wait that began at hang_since_ns */
	u64 hang_since_ns;
};

struct sighand;

struct process {
	int pid;			/* I: tid of the first task */
	atomic_t refs;			/* A: threads, /proc, waiters */
	struct list_head threads;	/* L: struct task.thread_node */
	int nr_threads;			/* L */
	atomic_t live;			/* A: threads that have not begun to exit */
	struct task *exec_task;		/* S: this thread is in execve and kills the others */
	struct wait_queue thread_wait;	/* woken when a thread has gone */
	struct list_head all_node;	/* L: every process */
	struct process *parent;		/* L */
	int ppid;			/* L: parent's pid, for who reads it without the lock */
	struct list_head children;	/* L */
	struct list_head sibling;	/* L */
	int pgid, sid;			/* L */
	struct wait_queue child_wait;	/* woken when a child changes state */
	bool zombie;			/* L: all threads are gone, waits for its parent */
	/* Job control (kernel/jobctl.c); written under L and S, read under either */
	bool stop_armed;		/* S: a stop signal was taken and no SIGCONT came since */
	bool stopping;			/* every thread parks; read without locks as a hint */
	bool stopped;			/* all of them have */
	int stop_signal;
	int nr_parked;			/* S: threads in jobctl_park() */
	enum stop_report { STOP_NOTHING, STOP_STOPPED, STOP_CONTINUED } stop_report;	/* what wait() has not reported yet */
	struct wait_queue stop_wait;
	bool group_exit;		/* S: exit_group or a fatal signal is under way */
	int exit_code;			/* S until zombie, then L: as wait4 gives it (status << 8 | signal) */
	int exit_signal;		/* I: sent to the parent at exit (SIGCHLD) */
	int pdeath_signal;		/* S: sent to us when the parent dies (prctl) */
	bool did_exec;			/* L */
	bool no_new_privs, dumpable;	/* written by its own threads */
	u32 personality;		/* written by its own threads */

	struct spinlock sig_lock;	/* S */
	struct sigpending pending;	/* S: for any thread */
	u32 nr_queued;			/* S: siginfos queued here and for its threads */

	u32 uid, euid, suid, fsuid, gid, egid, sgid, fsgid;	/* written by its own threads */
	int ngroups;
	u32 groups[32];
	struct rlimit64 limits[RLIM_NLIMITS];	/* L */
	u64 start_ns;			/* I */
	u64 dead_utime_ns, dead_stime_ns, child_utime_ns, child_stime_ns;	/* L */
	u64 dead_min_flt, dead_maj_flt, child_min_flt, child_maj_flt;	/* L */
	char last_name[16];		/* L: of the thread that left last: a zombie's name */
	int oom_score_adj;		/* written by anybody who may; kept for programs, read by nobody */
	struct file *exe;		/* L: what was executed; owns a reference */
	struct sem_undo *sem_undos;	/* sem_ids.lock: what SEM_UNDO is to undo (kernel/sem.c) */
	struct tty *tty;		/* L: controlling terminal */
	int tty_old_pgrp;		/* L: of a session leader whose terminal was hung up: the foreground group then, or 0 */
	struct list_head timers;	/* struct posix_timer: written under L and S */
	struct cpu_timer { u64 expiry_ns, interval_ns; } virtual_timer, prof_timer;	/* S: of CPU time, 0 = off */
	u64 next_xcpu;			/* S: seconds of CPU time at which SIGXCPU comes again */
	bool cpu_timers;		/* S: any of them runs, or RLIMIT_CPU is set; read by the tick as it is */
	u64 alarm_ns;			/* S: ITIMER_REAL expiry, 0 = none */
	u64 alarm_interval_ns;		/* S */

	struct sigaction_k { void __user *handler; u64 flags; void __user *restorer; u64 mask; } action[64];	/* S; last: not zeroed by process_alloc() */
};

extern struct spinlock tasklist_lock;		/* RANK_TASKLIST */
extern struct list_head process_list;		/* L */

/* kernel/sched.c */
void schedule(void);				/* sleep or yield: runs another task */
void sched_yield_cpu(void);
/* Make a sleeping task runnable; true if it was asleep in one of the states of `mode` and above. */
bool task_wake(struct task *task);		/* from any state */
bool task_wake_irqs_off(struct task *task);	/* the same: interrupts and preemption are off, and whoever allows them again sees to it that it may run */
bool task_wake_signal(struct task *task, bool fatal);	/* only if its sleep may be interrupted so */
struct task *kthread_start(const char *name, void (*fn)(void *arg), void *arg);	/* NULL: no memory */
u64 ktime_ns(void);				/* monotonic, since boot */
u64 realtime_ns(void);				/* since 1970 */
int sleep_until_ns(u64 deadline_ns, enum wait_mode mode);	/* 0 or -ERESTARTSYS */

/* kernel/signal.c */
bool signal_pending(const struct task *task);		/* an unmasked signal waits */
bool fatal_signal_pending(const struct task *task);
