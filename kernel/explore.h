/*
 * Schedule exploration: sched=explore:SEED[,d=N][,k=N] makes who runs next a function of the seed. Docs: docs/testing.md.
 *
 * The method is probabilistic concurrency testing (Burckhardt and others, ASPLOS 2010): every task has a random priority, the highest one that can run runs; at
 * d - 1 random ones of the next k events the running task falls below all others. An event is every place where a task may be
 * preempted: the end of a section with preemption off (each unlock of a spinlock), the taking and releasing of a sleeping lock, the return from an interrupt,
 * the way back to user mode; in the exploring build (make EXPLORE=1, `--explore`) also each atomic read-modify-write outside of such sections. Each CPU's timer comes at random times, 2 to 32 us, so that events lie between any two instructions.
 * With --icount all of that repeats exactly.
 *
 * While it is off nothing of it costs an instruction: it is switched on by a second bit in the word that every such place looks at
 * already, cpu->need_resched.
 */
#pragma once

#include "kernel/task.h"

/* RESCHED_EXPLORE while exploring, else 0: what cpu->need_resched holds when nothing is due. */
extern int explore_flag;

void explore_init(void);			/* from the command line; after sched_init() */
/* An event: true if another task shall run now. Preemption allowed, interrupts on or off. */
bool explore_event(void);
/* Of the tasks on this queue, which is locked and not empty, the one that runs next. */
struct task *explore_choose(struct list_head *tasks);
/* One of the CPUs in this set. */
int explore_cpu(u64 allowed);
void explore_yield(void);			/* the current task says that others should run */
u64 explore_timer_ns(void);			/* until the next interrupt of this CPU's timer */

int explore_show(char *buf, size_t size);	/* /proc/explore */
int explore_command(char *words);		/* the same words as on the command line, or "off": 0 or -EINVAL */
