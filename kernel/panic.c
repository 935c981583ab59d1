/*
 * Panic: say all we know, once, and stop. Uses nothing that could fail again: no lock, no allocation.
 */
#include "kernel/panic.h"

#include "drivers/apic.h"
#include "drivers/debugcon.h"
#include "drivers/power.h"
#include "drivers/serial.h"
#include "drivers/vt.h"
#include "kernel/backtrace.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/held.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/trace.h"
#include "mm/layout.h"

extern const u32 ksyms_count, ksyms_addrs[], ksyms_names[];
extern const char ksyms_strings[], text_start[], text_end[];

void symbol_name(const void *address, char *buf, size_t size)
{
	u64 a = (u64)address;
	u32 low = 0, high = ksyms_count;

	if (a < (u64)text_start || a >= (u64)text_end || !high) {
		ksnprintf(buf, size, "?");
		return;
	}
	while (high - low > 1) {
		u32 middle = (low + high) / 2;
		if (KERNEL_BASE + ksyms_addrs[middle] <= a)
			low = middle;
		else
			high = middle;
	}
	ksnprintf(buf, size, "%s+0x%lx", &ksyms_strings[ksyms_names[low]], a - KERNEL_BASE - ksyms_addrs[low]);
}

static void backtrace(u64 rip, u64 rbp)
{
	u64 rips[32];
	int n = backtrace_frames(rip, rbp, rips, ARRAY_SIZE(rips));
	char name[80];

	printk("backtrace:\n");
	for (int i = 0; i < n; i++) {
		symbol_name((void *)rips[i], name, sizeof(name));
		printk("  %016lx %s\n", rips[i], name);
	}
}

static void print_registers(const struct trapframe *f)
{
	printk("rip %016lx rsp %016lx rflags %lx cs %lx ss %lx\n", f->rip, f->rsp, f->rflags, f->cs, f->ss);
	printk("rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", f->rax, f->rbx, f->rcx, f->rdx);
	printk("rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", f->rsi, f->rdi, f->rbp, f->r8);
	printk("r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", f->r9, f->r10, f->r11, f->r12);
	printk("r13 %016lx r14 %016lx r15 %016lx\n", f->r13, f->r14, f->r15);
}

/* The machine is stopped: the runner wants to know. */
static __noreturn void stop(void)
{
	debugcon_control("P\n", 2);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* The CPU that tells, and the one that it has asked to tell too: number + 1, 0 for none. */
static atomic_t panicking, asked;

/* Only the first panic speaks; one inside it stops at once. On another CPU it waits: the first one asks by an NMI where that CPU is. */
static bool first_panic(void)
{
	int nobody = 0;

	irq_disable();
	if (!atomic_cmpxchg(&panicking, &nobody, cpu_id() + 1))
		return false;
	log_panic_mode();
	vt_panic();
	return true;
}

#define TRACE_LINES 32
#define PATIENCE_MS 3000		/* for each of the others: on a busy host a virtual processor may wait for its turn */

/* The last trace records, if anything was traced. */
static void print_trace(void)
{
	static struct trace_line line;

	trace_mask = 0;
	trace_skip_to_last(&line, TRACE_LINES);
	while (trace_next(&line))
		printk("trace: %s", line.text);
}

static void print_cpu(u64 rip, u64 rbp)
{
	struct task *t = current;

	printk("CPU %d, task %d (%s), preempt count %d\n", cpu_id(), t->tid, t->name, preempt_count());
	held_print(t);
	backtrace(rip, rbp);
}

void panic_if_asked(const struct trapframe *f)
{
	if (!atomic_read(&panicking) || atomic_read(&asked) != cpu_id() + 1)
		return;
	if (from_user(f))
		printk("CPU %d, task %d (%s), in user mode at %016lx\n", cpu_id(), current->tid, current->name, f->rip);
	else
		print_cpu(f->rip, f->rbp);
	atomic_set(&asked, 0);
	for (;;)
		__asm__ volatile("cli; hlt");
}

/* One after the other, so that their lines do not mix. */
static void stop_others(void)
{
	for (int cpu = 0; cpu < nr_cpus_online; cpu++) {
		if (cpu == cpu_id())
			continue;
		atomic_set(&asked, cpu + 1);
		apic_nmi(cpus[cpu].apic_id);
		for (int ms = 0; ms < PATIENCE_MS && atomic_read(&asked); ms++)
			clock_delay_us(1000);
		if (atomic_xchg(&asked, 0))
			printk("CPU %d does not answer\n", cpu);
	}
}

static __noreturn void report(const struct trapframe *f, u64 rip, u64 rbp)
{
	if (f)
		print_registers(f);
	printk("cr0 %lx cr2 %016lx cr3 %lx cr4 %lx\n", read_cr0(), read_cr2(), read_cr3(), read_cr4());
	print_cpu(rip, rbp);
	stop_others();
	print_trace();
	printk("stopped.\n");
	stop();
}

static __noreturn void panic_at(const struct trapframe *f, u64 rip, u64 rbp, const char *fmt, __builtin_va_list ap)
{
	char text[256];

	if (!first_panic()) {
		if (atomic_read(&panicking) == cpu_id() + 1)
			stop();
		for (;;)
			__asm__ volatile("hlt");
	}
	kvsnprintf(text, sizeof(text), fmt, ap);
	printk("PANIC: %s\n", text);
	report(f, rip, rbp);
}

void panic_frame(const struct trapframe *f, const char *fmt, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	panic_at(f, f->rip, f->rbp, fmt, ap);
}

void panic(const char *fmt, ...)
{
	__builtin_va_list ap;

	__builtin_va_start(ap, fmt);
	panic_at(NULL, (u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0), fmt, ap);
}

void fatal(const char *fmt, ...)
{
	char text[256];
	__builtin_va_list ap;
	int n;

	__builtin_va_start(ap, fmt);
	n = kvsnprintf(text, sizeof(text) - 1, fmt, ap);
	__builtin_va_end(ap);
	vt_panic();
	printk("cowslip cannot go on: %s\n", text);
	debugcon_control("E ", 2);
	debugcon_control(text, min((size_t)n, sizeof(text) - 2));
	debugcon_control("\n", 1);
	if (debugcon_present())
		power_off();
	printk("stopped.\n");		/* nobody but the screen has the text: leave it there */
	for (;;)
		__asm__ volatile("cli; hlt");
}

void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
	panic("stack protector: a buffer on the stack was overrun");
}
