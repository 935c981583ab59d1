/*
 * Exceptions and interrupts, after entry.asm has built the frame. Page faults go to mm/, exceptions of user programs
 * become signals, those of the kernel go to a fixup or end in a panic. Interrupt returns to the kernel preempt.
 */
#include "kernel/cpu.h"
#include "kernel/explore.h"
#include "kernel/irq.h"
#include "kernel/kstack.h"
#include "kernel/nmi.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/syscall.h"
#include "kernel/trap.h"

#define VECTOR_NMI 2
#define VECTOR_BREAKPOINT 3
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PAGE_FAULT 14
#define VECTOR_MACHINE_CHECK 18
#define RFLAGS_IF 0x200

static struct idt_gate {
	u16 offset_low, selector;
	u8 ist, type;
	u16 offset_mid;
	u32 offset_high, zero;
} idt[256];

extern char trap_stubs[];

void trap_init(void)
{
	for (int i = 0; i < 256; i++) {
		u64 stub = (u64)trap_stubs + 16 * i;
		idt[i] = (struct idt_gate){
			.offset_low = stub, .offset_mid = stub >> 16, .offset_high = stub >> 32,
			.selector = KERNEL_CS,
			.type = i == VECTOR_BREAKPOINT || i == 4 ? 0xee : 0x8e,	/* int3 and into: from user mode too */
			.ist = i == VECTOR_NMI ? 1 : i == VECTOR_DOUBLE_FAULT ? 2 : i == VECTOR_MACHINE_CHECK ? 3 : 0,
		};
	}
	trap_load();
}

void trap_load(void)
{
	struct { u16 limit; u64 base; } __packed idtr = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" :: "m"(idtr));
}

static const char *const names[32] = {
	"divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode", "device not available",
	"double fault", "coprocessor overrun", "invalid TSS", "segment not present", "stack fault", "general protection", "page fault", "reserved",
	"x87 error", "alignment check", "machine check", "SIMD error", "virtualization", "control protection",
};

const char *trap_name(u64 vector)
{
	return vector < 32 && names[vector] ? names[vector] : vector == SYSCALL_VECTOR ? "system call" : "interrupt";
}

/* The si_code of a floating-point exception: from the flags that are set and not masked, by Linux's order (SDM vol. 1, 8.5 and 11.5). */
static int float_code(u64 vector)
{
	u32 mxcsr, errors;
	u16 control, status;

	if (vector == 19) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		errors = ~(mxcsr >> 7) & mxcsr;
	} else {
		__asm__ volatile("fnstcw %0" : "=m"(control));
		__asm__ volatile("fnstsw %0" : "=m"(status));
		errors = ~(u32)control & status;
	}
	return errors & 1 ? FPE_FLTINV : errors & 4 ? FPE_FLTDIV : errors & 8 ? FPE_FLTOVF : errors & 0x12 ? FPE_FLTUND : FPE_FLTRES;
}

/* A user program's exception as Linux's signal and code (arch/x86 behaviour; sigaction(2)). */
static void user_exception(struct trapframe *f)
{
	switch (f->vector) {
	case 0: signal_fault(SIGFPE, FPE_INTDIV, f->rip); break;
	case 1: signal_fault(SIGTRAP, TRAP_TRACE, f->rip); break;
	case 3: signal_fault(SIGTRAP, SI_KERNEL, 0); break;
	case 4: signal_fault(SIGSEGV, SI_KERNEL, 0); break;
	case 6: signal_fault(SIGILL, ILL_ILLOPN, f->rip); break;
	case 11:
	case 12: signal_fault(SIGBUS, SI_KERNEL, 0); break;
	case 16:
	case 19: signal_fault(SIGFPE, float_code(f->vector), f->rip); break;
	case 17: signal_fault(SIGBUS, BUS_ADRALN, 0); break;
	default: signal_fault(SIGSEGV, SI_KERNEL, 0); break;
	}
}

static void page_fault_exception(struct trapframe *f)
{
	vaddr_t address = read_cr2();

	if (f->rflags & RFLAGS_IF)
		irq_enable();
	if (likely(page_fault(f, address)))
		return;
	irq_disable();
	panic_frame(f, "page fault at %016lx: %s%s%s", address, f->error & PF_WRITE ? "write" : f->error & PF_FETCH ? "fetch" : "read",
		    f->error & PF_PRESENT ? ", protection" : ", not mapped", kstack_guard(address) ? " (kernel stack overflow)" : "");
}

static void exception(struct trapframe *f)
{
	if (f->vector == VECTOR_PAGE_FAULT) {
		page_fault_exception(f);
		return;
	}
	if (from_user(f) && f->vector != VECTOR_DOUBLE_FAULT) {
		irq_enable();
		user_exception(f);
		return;
	}
	if (f->vector != VECTOR_DOUBLE_FAULT && extable_fixup(f))
		return;
	if (f->vector == VECTOR_DOUBLE_FAULT && kstack_guard(read_cr2()))
		panic_frame(f, "kernel stack overflow (double fault, stack guard at %016lx)", read_cr2());
	panic_frame(f, "%s (vector %lu, error %lx)", trap_name(f->vector), f->vector, f->error);
}

static __attribute__((noinline)) void dispatch_any(struct trapframe *f)
{
	/* From anywhere, on stacks that are not the task's: they neither leave it a frame nor let anybody else run. */
	if (unlikely(f->vector == VECTOR_NMI || f->vector == VECTOR_MACHINE_CHECK)) {
		f->vector == VECTOR_NMI ? nmi(f) : machine_check(f);
		return;
	}
	if (from_user(f))
		current->frame = f;
	if (f->vector < 32)
		exception(f);
	else
		irq_dispatch(f);
	irq_disable();
	/* Preemption anywhere in the kernel where interrupts are on and nothing forbids it. */
	if (!from_user(f) && f->rflags & RFLAGS_IF && need_resched() && !preempt_count())
		preempt_here();
	irq_disable();
}

/* Called by entry.asm with interrupts off, and returns so. A program's page fault is most of what happens: it takes the short way, 30 instructions less. */
void trap_dispatch(struct trapframe *f);
void trap_dispatch(struct trapframe *f)
{
	if (f->vector != VECTOR_PAGE_FAULT || !from_user(f)) {
		dispatch_any(f);
		return;
	}
	current->frame = f;
	page_fault_exception(f);
	irq_disable();
}

/* On the way to user mode (entry.asm): returns with interrupts off and nothing left to do. */
void user_return_work(struct trapframe *f)
{
	/* Whatever happened, and whatever the arguments were: nothing stays locked, nothing stays forbidden. */
	if (unlikely(current->held_count || current->pagefault_disabled || preempt_count()))
		panic("after %s %s: %d locks held, preempt count %d, page faults disabled %d", trap_name(f->vector),
		      f->vector == SYSCALL_VECTOR ? syscall_name(f->error) : "", current->held_count, preempt_count(),
		      current->pagefault_disabled);
	if (unlikely(explore_flag) && explore_event())
		this_cpu()->need_resched |= RESCHED_DUE;
	while (resched_due() || READ_ONCE(current->flags) & TF_SIGPENDING) {	/* interrupts are off */
		irq_enable();
		if (resched_due())
			schedule();
		if (READ_ONCE(current->flags) & TF_SIGPENDING)
			signal_deliver(f);
		irq_disable();
	}
}
