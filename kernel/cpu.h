/*
 * The processor: per-CPU data (GS base while in the kernel), control registers, MSRs, port I/O.
 * One-instruction wrappers live here and nowhere else.
 *
 * struct cpu's first fields are known to assembly and to the compiler (stack protector at
 * %gs:40): kernel/cpu.c checks their offsets.
 */
#pragma once

#include "kernel/task.h"

#define NR_CPUS 64		/* a set of them is a u64 (kernel/smp.h) */

#define CPU_COUNTERS 120

struct cpu {
	struct cpu *self;		/* 0 */
	struct task *task;		/* 8: running now */
	u64 kstack_top;			/* 16: stack for the next entry from user mode */
	u64 user_rsp;			/* 24: scratch of the system-call entry */
	int preempt_count;		/* 32: spinlocks, preempt_disable, interrupts */
	int need_resched;		/* 36: RESCHED_* */
	u64 stack_canary;		/* 40 */
	int id;				/* 48: index in cpus[] */
	u32 apic_id;
	struct mm *active_mm;		/* whose tables CR3 holds (lazy: may be a dead task's) */
	struct task *idle;
	struct runqueue *rq;		/* its own (kernel/runqueue.h) */
	u64 nr_switches;		/* by this CPU only; read racily, as the next two */
	u64 user_ns, system_ns;		/* that tasks ran on it */
	int irq_depth;			/* interrupt handlers that run now */
	u64 counters[CPU_COUNTERS];	/* mm/vmstat.h: by this CPU only, one instruction each */
} __attribute__((aligned(64)));
extern struct cpu cpus[NR_CPUS];
extern int nr_cpus_online;		/* cpus[0 .. nr_cpus_online - 1] run; grows at boot only */

static inline struct cpu *this_cpu(void)
{
	struct cpu *c;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(c));
	return c;
}
static inline int cpu_id(void)
{
	int id;
	__asm__ volatile("mov %%gs:48, %0" : "=r"(id));
	return id;
}
static inline int preempt_count(void)
{
	int n;
	__asm__ volatile("mov %%gs:32, %0" : "=r"(n));
	return n;
}
#define RESCHED_DUE 1		/* somebody else may have to run */
#define RESCHED_EXPLORE 2	/* kernel/explore.h decides at every such place */
/* Something is to be asked of the scheduler: either bit. */
static inline bool need_resched(void)
{
	bool due;
	__asm__ volatile("cmpl $0, %%gs:36" : "=@ccnz"(due) :: "cc");
	return due;
}
static inline bool resched_due(void)
{
	bool due;
	__asm__ volatile("testl %1, %%gs:36" : "=@ccnz"(due) : "i"(RESCHED_DUE) : "cc");
	return due;
}
/* preempt_count and need_resched in one. */
static inline u64 preempt_word(void)
{
	u64 n;
	__asm__ volatile("mov %%gs:32, %0" : "=r"(n));
	return n;
}
/* Preemption: preempt_disable() and preempt_enable() (kernel/lock.h) in place, for who is counted in instructions. */
void preempt_if_allowed(void);		/* let others run, if interrupts are on */
static inline void preempt_off(void) { __asm__ volatile("incl %%gs:32" ::: "memory", "cc"); }
static inline void preempt_on(void)
{
	bool zero;

	__asm__ volatile("decl %%gs:32" : "=@ccz"(zero) :: "memory");
	if (zero && unlikely(need_resched()))
		preempt_if_allowed();
}
/* A sleeping lock was released, or somebody woken: it may have to run now (and kernel/explore.c to have its say). */
static inline void preempt_if_due(void)
{
	if (unlikely(need_resched()) && !preempt_count())
		preempt_if_allowed();
}
/* Add to a counter of this CPU, whichever that is at that instruction. */
static inline void cpu_count(unsigned item, u64 n)
{
	if (__builtin_constant_p(item) && __builtin_constant_p(n) && n < 0x7fffffff)
		__asm__ volatile("addq %1, %%gs:%c0" :: "i"(offsetof(struct cpu, counters) + item * sizeof(u64)), "i"(n) : "cc");
	else
		__asm__ volatile("addq %1, %%gs:%c2(,%0,8)" :: "r"((u64)item), "r"(n), "i"(offsetof(struct cpu, counters)) : "cc");
}
static inline u64 cpu_counted(int cpu, unsigned item) { return READ_ONCE(cpus[cpu].counters[item]); }
static inline struct task *get_current(void)
{
	struct task *t;
	__asm__("mov %%gs:8, %0" : "=r"(t));
	return t;
}
#define current get_current()

/* Nothing forbids it and nobody waits for the processor: might_sleep() would do nothing. */
static inline bool sleeping_is_fine(void)
{
	return likely(!DEBUG_BUILD && !(preempt_word() | (u32)current->pagefault_disabled));
}
/* Asserts that the caller may sleep: no spinlock, preemption and page faults enabled. Others may run here, if that is due. */
void might_sleep_slow(void);		/* kernel/lock.c */
static inline void might_sleep(void)
{
	if (!sleeping_is_fine())
		might_sleep_slow();
}

/* What CPUID found and the kernel uses (kernel/cpu.c). */
extern struct cpu_features {
	bool nx, smep, smap, umip, xsave, pge, fsgsbase, erms, rdrand, pages_1g, invariant_tsc, apic, x2apic, pat, pcid, mce, mca, hypervisor;
	u32 tsc_khz;			/* the TSC's frequency, if CPUID knows it; else 0 */
	u32 xsave_size;
	u64 xcr0;
	char vendor[13], brand[49];
} cpu_features;

/* The user's FPU registers, to and from an area of fpu_alloc() (kernel/fpu.c). */
static inline void fpu_save(void *area)
{
	if (likely(cpu_features.xsave))
		__asm__ volatile("xsave64 (%0)" :: "r"(area), "a"((u32)cpu_features.xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" :: "r"(area) : "memory");
}
static inline void fpu_restore(const void *area)
{
	if (likely(cpu_features.xsave))
		__asm__ volatile("xrstor64 (%0)" :: "r"(area), "a"((u32)cpu_features.xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" :: "r"(area) : "memory");
}

#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101		/* the kernel's while in the kernel */
#define MSR_KERNEL_GS_BASE 0xc0000102	/* the user's while in the kernel */

void early_cpu_init(void);		/* kernel/cpu.c: before everything else */
int cpu_prepare(int cpu, u32 apic_id, struct task *idle);	/* what another CPU needs to start; -ENOMEM. kernel/smp.c */
void cpu_init(int cpu);			/* on that CPU, the first it does in C: from then on a fault is reported */
void cpu_protect(void);			/* turn SMAP on: when the kernel's own tables are in use */
void cpu_flush_tlb(void);		/* this CPU forgets all translations, of all address spaces and of the kernel. Preemption off */
void cpu_set_kstack(u64 top);		/* the stack for entries from user mode on this CPU */
void trap_init(void);			/* kernel/trap.c: the IDT */
void trap_load(void);			/* another CPU loads it too */

static inline u64 read_cr0(void) { u64 v; __asm__ volatile("mov %%cr0, %0" : "=r"(v)); return v; }
static inline u64 read_cr2(void) { u64 v; __asm__ volatile("mov %%cr2, %0" : "=r"(v)); return v; }
static inline u64 read_cr3(void) { u64 v; __asm__ volatile("mov %%cr3, %0" : "=r"(v)); return v; }
static inline u64 read_cr4(void) { u64 v; __asm__ volatile("mov %%cr4, %0" : "=r"(v)); return v; }
static inline void write_cr0(u64 v) { __asm__ volatile("mov %0, %%cr0" :: "r"(v) : "memory"); }
static inline void write_cr3(u64 v) { __asm__ volatile("mov %0, %%cr3" :: "r"(v) : "memory"); }
static inline void write_cr4(u64 v) { __asm__ volatile("mov %0, %%cr4" :: "r"(v) : "memory"); }
static inline void write_cr8(u64 v) { __asm__ volatile("mov %0, %%cr8" :: "r"(v) : "memory"); }	/* the task priority: 15 lets no device interrupt in */
static inline void invlpg(vaddr_t va) { __asm__ volatile("invlpg (%0)" :: "r"(va) : "memory"); }
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" :: "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
static inline void outb(u16 port, u8 v) { __asm__ volatile("outb %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outw(u16 port, u16 v) { __asm__ volatile("outw %0, %1" :: "a"(v), "Nd"(port)); }
static inline void outl(u16 port, u32 v) { __asm__ volatile("outl %0, %1" :: "a"(v), "Nd"(port)); }
static inline u8 inb(u16 port) { u8 v; __asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u16 inw(u16 port) { u16 v; __asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline u32 inl(u16 port) { u32 v; __asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port)); return v; }
static inline void outsb(u16 port, const void *buf, size_t n)
{
	__asm__ volatile("rep outsb" : "+S"(buf), "+c"(n) : "d"(port) : "memory");
}
static inline void insb(u16 port, void *buf, size_t n)
{
	__asm__ volatile("rep insb" : "+D"(buf), "+c"(n) : "d"(port) : "memory");
}
static inline u64 irq_save(void)
{
	u64 flags;
	__asm__ volatile("pushfq; pop %0; cli" : "=r"(flags) :: "memory");
	return flags;
}
static inline void irq_restore(u64 flags)
{
	__asm__ volatile("push %0; popfq" :: "r"(flags) : "memory", "cc");
}
static inline void irq_enable(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void irq_disable(void) { __asm__ volatile("cli" ::: "memory"); }
extern int explore_flag;
bool explore_pauses(void);	/* kernel/explore.c */
static inline void cpu_relax(void)
{
	if (!explore_flag || explore_pauses())
		__asm__ volatile("pause");
	barrier();
}
static inline bool irqs_off(void)
{
	u64 flags;
	__asm__ volatile("pushfq; pop %0" : "=r"(flags));
	return !(flags & 0x200);
}
