/*
 * The processor as the hosted tests see it: replaces kernel/cpu.h. Every task has its own "CPU", so that
 * interleavings of several CPUs are explored, not only those of one; interrupts do not exist.
 */
#pragma once

#include "kernel/task.h"

#define NR_CPUS 8

struct cpu {
	struct cpu *self;
	struct task *current;
	int preempt_count;
	int need_resched;
	int id;
	struct mm *active_mm;
	struct task *idle;
};
extern int nr_cpus_online;

struct cpu *this_cpu(void);
struct task *get_current(void);
#define current get_current()

extern struct cpu_features {
	bool nx, smep, smap, umip, xsave, pge, fsgsbase, erms, rdrand, pages_1g, invariant_tsc;
} cpu_features;

static inline u64 irq_save(void) { return 0; }
static inline void irq_restore(u64 flags) { (void)flags; }
static inline void irq_enable(void) { }
static inline void irq_disable(void) { }
static inline bool irqs_off(void) { return false; }
void cpu_relax(void);		/* lets another task run */
u64 rdtsc(void);
