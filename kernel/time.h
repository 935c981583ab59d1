/*
 * Timers by each CPU's local APIC in one-shot mode: a tick of 4 ms while the CPU runs a task, earlier for a sleeper that is
 * due; an idle CPU has no tick. The clock itself is kernel/clock.h.
 */
#pragma once

#include "kernel/list.h"
#include "kernel/types.h"

void time_init(void);			/* after apic_init() and sched_init(): the clock, and this CPU's timer */
void time_init_cpu(void);		/* the timer of another CPU, called by it; interrupts off */
void tick_restart(u64 now_ns);		/* this CPU stops being idle; interrupts off */
void tick_soon(void);			/* some CPU has a tick within TICK_NS, though all be idle: there is deferred work. Any context */
/*
 * One expiry. `expired` is called once by the timer interrupt, after the deadline (of ktime_ns()), under a spinlock with interrupts off: it
 * wakes somebody, no more. After ktimer_cancel() it is not called and not under way.
 */
struct ktimer {
	struct list_head node;
	u64 deadline_ns;
	int cpu;			/* whose list it is on, or was last */
	void (*expired)(struct ktimer *t);
};
void ktimer_init(struct ktimer *t, void (*expired)(struct ktimer *t));
void ktimer_start(struct ktimer *t, u64 deadline_ns);	/* on this CPU; it is not running */
void ktimer_cancel(struct ktimer *t);			/* running or not */
/* Sleep in the state that is already set, at most until deadline: false if it has passed. */
bool schedule_until(u64 deadline_ns);
#define TICK_NS 4000000UL
