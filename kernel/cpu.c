/*
 * The processor's own set-up: features, GDT, TSS and IST stacks, per-CPU data, system-call MSRs, control
 * registers. early_cpu_init() runs on the loader's tables, before anything else, so that from then on a fault is reported.
 */
#include "kernel/cpu.h"

#include "kernel/nmi.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/trap.h"
#include "mm/slab.h"

struct cpu cpus[NR_CPUS];
int nr_cpus_online = 1;
struct cpu_features cpu_features;
u8 clac_on_entry;		/* entry.asm: the processor has SMAP */

_Static_assert(offsetof(struct cpu, task) == 8, "entry.asm, get_current");
_Static_assert(offsetof(struct cpu, kstack_top) == 16, "entry.asm");
_Static_assert(offsetof(struct cpu, user_rsp) == 24, "entry.asm");
_Static_assert(offsetof(struct cpu, preempt_count) == 32, "entry.asm, kernel/lock.c");
_Static_assert(offsetof(struct cpu, need_resched) == 36, "entry.asm");
_Static_assert(offsetof(struct cpu, id) == 48, "cpu_id");
_Static_assert(offsetof(struct task, held_count) == 0 && offsetof(struct task, pagefault_disabled) == 4, "entry.asm");
_Static_assert(offsetof(struct task, flags) == 8 && TF_SIGPENDING == 2, "entry.asm");
_Static_assert(offsetof(struct cpu, stack_canary) == 40, "-mstack-protector-guard-offset");

#define MSR_PAT 0x277
#define PAT_VALUE 0x0007010600070106UL	/* as at reset, but PWT alone is write-combining (SDM vol. 3, 12.12) */
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084

#define CR4_MCE BIT(6)
#define CR4_PGE BIT(7)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)

extern char syscall_entry[];

/* --- segments: SDM vol. 3, 3.4.5 and 7.2.3 --- */

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, io_map;
} __packed;

#define IST_SIZE 8192
struct cpu_segments {
	u64 gdt[7];
	struct tss tss;
	char ist[3][IST_SIZE] __attribute__((aligned(16)));	/* NMI, double fault, machine check */
};
static struct cpu_segments boot_segments;		/* of the first CPU; the others' are allocated by cpu_prepare() */
static struct cpu_segments *segments[NR_CPUS] = { &boot_segments };

__attribute__((no_stack_protector)) static void load_segments(int cpu)
{
	struct cpu_segments *s = segments[cpu];
	u64 base = (u64)&s->tss;
	struct { u16 limit; u64 base; } __packed gdtr = { sizeof(s->gdt) - 1, (u64)s->gdt };

	s->gdt[1] = 0x00af9b000000ffff;		/* KERNEL_CS */
	s->gdt[2] = 0x00cf93000000ffff;		/* KERNEL_DS */
	s->gdt[3] = 0x00cff3000000ffff;		/* USER_DS */
	s->gdt[4] = 0x00affb000000ffff;		/* USER_CS */
	s->gdt[5] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
	s->gdt[6] = base >> 32;
	for (int i = 0; i < 3; i++)
		s->tss.ist[i] = (u64)(s->ist[i] + IST_SIZE);
	s->tss.io_map = sizeof(struct tss);
	__asm__ volatile("lgdt %0; push %1; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:"
			 "mov %2, %%ss; mov %2, %%ds; mov %2, %%es; xor %%eax, %%eax; mov %%eax, %%fs; mov %%eax, %%gs"
			 :: "m"(gdtr), "i"(KERNEL_CS), "r"(KERNEL_DS) : "rax", "memory");
	__asm__ volatile("ltr %w0" :: "r"(0x28));
}

void cpu_set_kstack(u64 top)
{
	struct cpu *cpu = this_cpu();

	cpu->kstack_top = top;
	segments[cpu->id]->tss.rsp[0] = top;
}

/* --- features --- */

static void cpuid(u32 leaf, u32 sub, u32 out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

/* Leaves 0x15 (TSC = crystal * b / a) and 0x16 (base frequency, which stands in for a crystal that is not told). */
static u32 tsc_frequency(u32 max_leaf)
{
	u32 r[4], base[4] = { 0 };

	if (max_leaf < 0x15)
		return 0;
	cpuid(0x15, 0, r);
	if (max_leaf >= 0x16)
		cpuid(0x16, 0, base);
	if (!r[0] || !r[1])
		return 0;
	return r[2] ? (u64)r[2] * r[1] / r[0] / 1000 : (base[0] & 0xffff) * 1000;
}

static void detect(void)
{
	struct cpu_features *f = &cpu_features;
	u32 r[4], max_leaf, max_extended;

	cpuid(0, 0, r);
	max_leaf = r[0];
	memcpy(f->vendor, &r[1], 4);
	memcpy(f->vendor + 4, &r[3], 4);
	memcpy(f->vendor + 8, &r[2], 4);
	cpuid(1, 0, r);
	f->mce = r[3] & BIT(7);
	f->apic = r[3] & BIT(9);
	f->pge = r[3] & BIT(13);
	f->pat = r[3] & BIT(16);
	f->hypervisor = r[2] & BIT(31);
	f->xsave = r[2] & BIT(26);
	f->rdrand = r[2] & BIT(30);
	f->x2apic = r[2] & BIT(21);
	f->pcid = f->pge && r[2] & BIT(17);	/* together in every processor: cpu_flush_tlb() needs it so */
	f->mca = f->mce && r[3] & BIT(14);
	if (max_leaf >= 7) {
		cpuid(7, 0, r);
		f->fsgsbase = r[1] & BIT(0);
		f->smep = r[1] & BIT(7);
		f->erms = r[1] & BIT(9);
		f->smap = r[1] & BIT(20);
		f->umip = r[2] & BIT(2);
	}
	f->tsc_khz = tsc_frequency(max_leaf);
	cpuid(0x80000000, 0, r);
	max_extended = r[0];
	cpuid(0x80000001, 0, r);
	f->nx = r[3] & BIT(20);
	f->pages_1g = r[3] & BIT(26);
	if (max_extended >= 0x80000004)
		for (u32 i = 0; i < 3; i++) {
			cpuid(0x80000002 + i, 0, r);
			memcpy(f->brand + 16 * i, r, 16);
		}
	if (max_extended >= 0x80000007) {
		cpuid(0x80000007, 0, r);
		f->invariant_tsc = r[3] & BIT(8);
	}
	if (f->xsave) {
		cpuid(0xd, 0, r);
		f->xcr0 = r[0] & 7;		/* x87, SSE, AVX: what signal frames describe */
	}
}

void cpu_flush_tlb(void)
{
	u64 cr4 = read_cr4();

	if (cpu_features.pge) {		/* each change of the bit flushes all, for all PCIDs (SDM vol. 3, 4.10.4.1) */
		write_cr4(cr4 & ~CR4_PGE);
		write_cr4(cr4 | CR4_PGE);
	} else {
		write_cr3(read_cr3());
	}
}

static void cpu_control(void)
{
	struct cpu_features *f = &cpu_features;
	u64 cr4 = read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT;
	u32 r[4];

	cr4 |= f->pge ? CR4_PGE : 0;
	cr4 |= f->mce ? CR4_MCE : 0;	/* else a machine check is a silent reset */
	cr4 |= f->umip ? CR4_UMIP : 0;
	cr4 |= f->smep ? CR4_SMEP : 0;
	cr4 |= f->xsave ? CR4_OSXSAVE : 0;
	cr4 |= f->pcid ? CR4_PCIDE : 0;	/* CR3 has PCID 0 now, as it must */
	write_cr4(cr4);
	if (f->xsave) {
		__asm__ volatile("xsetbv" :: "c"(0), "a"((u32)f->xcr0), "d"((u32)(f->xcr0 >> 32)));
		cpuid(0xd, 0, r);
		f->xsave_size = r[1];
	}
	if (f->pat)
		wrmsr(MSR_PAT, PAT_VALUE);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1 | (f->nx ? BIT(11) : 0));	/* SCE, NXE */
	wrmsr(MSR_STAR, (u64)KERNEL_CS << 32 | (u64)KERNEL_DS << 48);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_SFMASK, 0x47700);	/* AC NT IOPL DF IF TF: off in the kernel */
}

/* After paging_init(): user pages exist only from now on, so SMAP may be turned on. */
void cpu_protect(void)
{
	if (!cpu_features.smap)
		return;
	write_cr4(read_cr4() | CR4_SMAP);
	clac_on_entry = 1;
}

/* No stack protector in these two: this is where %gs:40 gets its meaning. A task's functions begin on one CPU and end on another, so all have the same canary. */
__attribute__((no_stack_protector)) static void enter(struct cpu *cpu)
{
	load_segments(cpu->id);
	wrmsr(MSR_GS_BASE, (u64)cpu);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
}

__attribute__((no_stack_protector)) void early_cpu_init(void)
{
	static struct task boot_task = { .name = "boot", .flags = TF_KTHREAD, .state = TASK_RUNNABLE, .on_cpu = 1, .cpus_allowed = ~0UL };
	struct cpu *cpu = &cpus[0];

	detect();
	cpu->self = cpu;
	cpu->task = cpu->idle = &boot_task;
	cpu->preempt_count = 1;
	enter(cpu);
	cpu->stack_canary = (rdtsc() * 0x9e3779b97f4a7c15UL) & ~0xffUL;	/* a NUL byte stops string overruns */
	trap_init();
	cpu_control();
	machine_check_init();
}

int cpu_prepare(int id, u32 apic_id, struct task *idle)
{
	struct cpu *cpu = &cpus[id];

	if (!segments[id])
		segments[id] = kzalloc(sizeof(*segments[id]));
	if (!segments[id])
		return -ENOMEM;
	idle->on_cpu = 1;
	idle->cpu = id;
	idle->state = TASK_RUNNABLE;
	*cpu = (struct cpu){ .self = cpu, .task = idle, .idle = idle, .rq = cpu->rq, .preempt_count = 1, .stack_canary = cpus[0].stack_canary,
			     .id = id, .apic_id = apic_id };
	return 0;
}

__attribute__((no_stack_protector)) void cpu_init(int id)
{
	enter(&cpus[id]);
	trap_load();
	cpu_control();
	machine_check_init();
	cpu_protect();
}
