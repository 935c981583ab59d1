/*
 * The run queues, one per CPU: shared by sched.c (who runs next), balance.c (on which CPU) and loadavg.c (how many want to); nobody else
 * includes this.
 *
 * A queue's lock is taken by the task that leaves the CPU and released by the one that comes, so it keeps no record of an owner. It is taken
 * with interrupts off. Two are held only by balance.c, which tries for the second one.
 */
#pragma once

#include "kernel/cpu.h"
#include "kernel/sched.h"

struct runqueue {
	atomic_t locked;
	u32 nr;				/* length of tasks; read racily by other CPUs */
	struct list_head tasks;		/* by vruntime; never the running one */
	u64 min_vruntime;		/* never goes back; read racily by other CPUs */
	u32 ticks;			/* of balance_tick() */
	/* What the last switch left to the task that came, for when the lock is free: */
	struct task *dead;		/* to be freed */
	struct task *moving;		/* may not run on this CPU any more */
	struct mm *left;		/* not loaded any more: owns a reference */
} __attribute__((aligned(64)));
extern struct runqueue runqueues[NR_CPUS];

static inline void rq_lock_irqs_off(struct runqueue *rq)
{
	while (atomic_xchg(&rq->locked, 1))
		while (atomic_read(&rq->locked))
			cpu_relax();
}
static inline bool rq_trylock(struct runqueue *rq) { return !atomic_read(&rq->locked) && !atomic_xchg(&rq->locked, 1); }
static inline void rq_unlock_irqs_off(struct runqueue *rq) { smp_store_release(&rq->locked.v, 0); }

/* The queue of the CPU that t is or was on, locked; interrupts are off from before. */
struct runqueue *task_rq_lock(struct task *t);
void enqueue(struct runqueue *rq, struct task *t);
void dequeue(struct runqueue *rq, struct task *t);
void resched_cpu(int cpu);		/* it looks for another task soon; its queue locked */

/* kernel/loadavg.c: the tick */
void load_update(void);

/* kernel/balance.c. CPUs that have nothing to do: */
void idle_enter(int cpu);		/* its queue locked */
void idle_leave(int cpu);
int place_task(struct task *t);		/* the CPU on which it shall run now that it is runnable */
/* Take a task from the longest of the other queues if that has at least so many; rq is the CPU's own, locked. True: there is one more. */
bool steal_task(struct runqueue *rq, u32 at_least);
void balance_tick(struct runqueue *rq);	/* its own queue, locked */
/* t's vruntime, counted as queue `to` counts it, and t->cpu. t is on no queue and no CPU, or its queue is locked. */
void change_queue(struct task *t, int to);
/* A runnable task that is on no queue and on no CPU, and which nobody else may touch: it goes to `cpu`. Interrupts off. */
void move_task(struct task *t, int cpu);
