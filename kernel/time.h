/*
 * Timers by the local APIC in one-shot mode: a tick of 4 ms while anything runs, earlier for a sleeper that is
 * due. The clock itself is kernel/clock.h.
 */
#pragma once

#include "kernel/list.h"
#include "kernel/types.h"

void time_init(void);			/* after apic_init(); starts the timer of this CPU */
/*
 * One expiry. `expired` is called once by the timer interrupt, after the deadline (of ktime_ns()), under a spinlock with interrupts off: it
 * wakes somebody, no more. After ktimer_cancel() it is not called and not under way.
 */
struct ktimer {
	struct list_head node;
	u64 deadline_ns;
	void (*expired)(struct ktimer *t);
};
void ktimer_init(struct ktimer *t, void (*expired)(struct ktimer *t));
void ktimer_start(struct ktimer *t, u64 deadline_ns);	/* it is not running */
void ktimer_cancel(struct ktimer *t);			/* running or not */
/* Sleep in the state that is already set, at most until deadline: false if it has passed. */
bool schedule_until(u64 deadline_ns);
#define TICK_NS 4000000UL
