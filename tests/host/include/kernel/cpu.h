/*
 * The processor as the hosted tests see it: replaces kernel/cpu.h. Every task starts on a simulated CPU of its own, so that
 * interleavings of several CPUs are explored, not only those of one. Interrupts are calls from other CPUs (kernel/smp.h).
 */
#pragma once

#include "kernel/task.h"

#define NR_CPUS 32

#define CPU_COUNTERS 120

struct cpu {
	struct cpu *self;
	struct task *task;
	int preempt_count;
	int need_resched;
	int id;
	bool irqs_off;
	struct mm *active_mm;
	struct task *idle;
	u64 counters[CPU_COUNTERS];
};
extern struct cpu cpus[NR_CPUS];
extern int nr_cpus_online;

struct cpu *this_cpu(void);
static inline void cpu_count(unsigned item, u64 n) { this_cpu()->counters[item] += n; }
static inline u64 cpu_counted(int cpu, unsigned item) { return cpus[cpu].counters[item]; }
static inline int cpu_id(void) { return this_cpu()->id; }
struct task *get_current(void);
#define current get_current()
static inline bool sleeping_is_fine(void) { return false; }	/* might_sleep() is a choice of who runs */
void might_sleep(void);

extern struct cpu_features {
	bool nx, smep, smap, umip, xsave, pge, fsgsbase, erms, rdrand, pages_1g, invariant_tsc, pcid;
} cpu_features;

u64 irq_save(void);
void irq_restore(u64 flags);
void irq_enable(void);
void irq_disable(void);
bool irqs_off(void);
void cpu_relax(void);		/* lets another task run */
u64 rdtsc(void);
