/*
 * Wait queues: sleep until a condition holds. The condition is tested after the task is on the
 * queue and not running any more by its state, so a wake-up between test and sleep is not lost.
 */
#pragma once

#include "kernel/lock.h"

struct wait_queue {
	struct spinlock lock;		/* protects the list; taken with interrupts off */
	struct list_head waiters;	/* struct wait_entry */
};

struct wait_entry {
	struct list_head node;		/* wait_queue's lock */
	struct task *task;
	/* Called under the queue's lock by wake_up; returns true if it counts as woken. NULL: wake the task. */
	bool (*wake)(struct wait_entry *entry, u64 key);
	u64 key;			/* for queues shared by hash: only equal keys are woken; 0 matches all */
	/* Who wakes the task takes the entry off and sets `task` to NULL, the last thing that he does with it. Then the task need not take the lock again.
	 * Only for queues that outlive their wake-ups by themselves: he unlocks the queue after that. */
	bool auto_remove;
};

/* Not on a queue yet. What wait_prepare() fills in is not cleared first. */
static inline void wait_entry_init(struct wait_entry *entry, bool auto_remove)
{
	entry->task = NULL;
	entry->wake = NULL;
	entry->auto_remove = auto_remove;
}

#define WAIT_QUEUE_INIT(var) { .lock = SPINLOCK_INIT("wait queue", RANK_WAITQUEUE), .waiters = LIST_INIT((var).waiters) }
void wait_queue_init(struct wait_queue *wq);

enum wait_mode {
	WAIT_UNINTERRUPTIBLE,	/* only the wake-up ends it */
	WAIT_KILLABLE,		/* a fatal signal does too */
	WAIT_INTERRUPTIBLE,	/* any pending unmasked signal does too */
};

/* Put the current task on the queue and in the sleeping state of `mode`. May be called again in a loop. */
void wait_prepare(struct wait_queue *wq, struct wait_entry *entry, enum wait_mode mode, u64 key);
/* Take it off and make it running again. */
void wait_leave(struct wait_queue *wq, struct wait_entry *entry);
static inline void wait_finish(struct wait_queue *wq, struct wait_entry *entry)
{
	/* Whoever woke us made us runnable, and then took us off. */
	if (!entry->auto_remove || smp_load_acquire(&entry->task))
		wait_leave(wq, entry);
}
/* Sleep (call schedule()) unless a signal of that mode is pending: 0, or -ERESTARTSYS. */
int wait_sleep(enum wait_mode mode);
/* The same until a deadline, in nanoseconds of ktime_ns(); -ETIMEDOUT when it has passed. */
int wait_sleep_until(enum wait_mode mode, u64 deadline_ns);

/*
 * Sleep on no queue until `condition`, which whoever makes it true does before he wakes the task; or until a deadline, in nanoseconds of ktime_ns()
 * (~0UL: none). Gives 0, -ERESTARTSYS or -ETIMEDOUT.
 */
#define wait_woken(deadline, condition) ({ \
	int woken_result_ = 0; \
	while (!woken_result_) { \
		WRITE_ONCE(current->state, TASK_SLEEPING); \
		smp_mb();	/* the state before the look */ \
		if (condition) \
			break; \
		woken_result_ = (deadline) == ~0UL ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, (deadline)); \
	} \
	WRITE_ONCE(current->state, TASK_RUNNABLE); \
	woken_result_; })

/* Wake all, or at most nr, waiters whose key is equal (key 0: every waiter). From any context. */
void wake_up_all(struct wait_queue *wq, u64 key);
int wake_up_nr(struct wait_queue *wq, u64 key, int nr);

/*
 * Sleep until `condition`; gives 0 or -ERESTARTSYS. The _lasting form is for queues in an object to which everybody who wakes somebody there has a
 * reference of his own: 60 instructions less.
 */
#define wait_event(wq, mode, condition) wait_event_(wq, mode, condition, false)
#define wait_event_lasting(wq, mode, condition) wait_event_(wq, mode, condition, true)
#define wait_event_(wq, mode, condition, lasting) ({ \
	struct wait_entry wait_entry_; \
	int wait_result_ = 0; \
	wait_entry_init(&wait_entry_, (lasting)); \
	debug_might_sleep();	/* schedule() looks in any case */ \
	for (;;) { \
		wait_prepare((wq), &wait_entry_, (mode), 0); \
		if (condition) \
			break; \
		wait_result_ = wait_sleep(mode); \
		if (wait_result_ || (condition)) /* mostly true: no need to prepare for another sleep */ \
			break; \
	} \
	wait_finish((wq), &wait_entry_); \
	wait_result_; })
