/*
 * Several processors: starting them, and asking them for something.
 *
 * A set of CPUs is a u64, bit n for cpus[n]. CPUs are numbered from 0, the one that booted, without gaps; they are started once
 * and never leave.
 */
#pragma once

#include "kernel/atomic.h"
#include "kernel/cpu.h"

static inline u64 cpus_online(void) { return ~0UL >> (64 - READ_ONCE(nr_cpus_online)); }

/*
 * Start the other processors that ACPI names, at most maxcpus= of them in all. After time_init() and sched_init(), on the boot CPU,
 * interrupts off. One that does not answer is left out.
 */
void smp_init(void);

/*
 * Run fn(arg) on each of these CPUs but the caller's, and return when all have. There it runs in an interrupt: it takes no lock but
 * those taken with interrupts off. Preemption off, interrupts on (two CPUs may call each other). Spinlocks may be held if nobody waits
 * for them with interrupts off (MECHANISMS.md, INV-S4). Does not sleep. All that the caller wrote before is seen by fn, and the reverse.
 */
void smp_call(u64 cpus, void (*fn)(void *arg), void *arg);
/*
 * For an fn that waits until it runs on other CPUs too (others must not wait): first of all. It sends the interrupts of a smp_call() that this one came in the middle
 * of, whose word may stand with a third CPU already: then who asked for fn believed that an interrupt was on its way there.
 */
void smp_call_resend(void);

void smp_interrupt(int cpu);	/* an interrupt, nothing else: what it was doing in user mode it does again after a look at the task's flags. Any context */
void smp_kick(int cpu);		/* it asks its scheduler who is to run. Any context */
void smp_call_interrupt(void);	/* kernel/irq.c: VECTOR_CALL */
