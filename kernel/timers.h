/*
 * Timers that send signals: POSIX timers and ITIMER_REAL (kernel/timers.c), those that count CPU time (kernel/cputimer.c).
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/task.h"

/* One of timer_create()'s, on process->timers. All of it: written under tasklist_lock and sig_lock, read under either. */
struct posix_timer {
	struct list_head node;
	int id;
	int notify, signo, tid;		/* SIGEV_*; tid: of SIGEV_THREAD_ID */
	bool realtime;			/* its clock; expiry is ktime all the same */
	u64 value;			/* sigevent's */
	u64 expiry_ns, interval_ns;	/* of ktime_ns(); 0: not running */
	bool queued;			/* its signal is pending: the next expiry counts as an overrun */
	int overrun, last_overrun;	/* since it was queued; of the last signal taken */
};

/* exec and the end of a process: delete all its timers. Takes the locks. */
void timers_delete_all(struct process *p);
/* A timer's siginfo leaves the queue: taken, the overrun count goes into info (NULL: dropped). sig_lock held. */
void timer_signal_gone(struct process *p, struct ksiginfo *info, int id);
/* Wake the timer thread, after a change; start it the first time. 0 or -ENOMEM. Sleeps. */
int timers_changed(void);

/* --- kernel/cputimer.c --- */
void cputimer_tick(void);		/* the tick, current charged, interrupts off */
void cputimer_expire(void);		/* on the way to user mode, TF_CPU_TIMER was set: send what is due */
void cputimer_recheck_locked(struct process *p);	/* a timer or RLIMIT_CPU has changed. tasklist_lock, sig_lock held */
/* ITIMER_VIRTUAL, ITIMER_PROF: set value and interval (ns of CPU time, 0: off) if `set`; gives the old ones. Takes the locks. */
void cputimer_change(bool prof, u64 *value, u64 *interval, bool set);
