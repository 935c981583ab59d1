/*
 * The page-fault exception: who faulted, what that means, and what happens if it cannot be resolved.
 *
 *   user mode                    resolve, or a signal
 *   a user copy (mm/usercopy)    resolve unless page faults are disabled; else continue at the fixup
 *   kernel code anywhere else    false: the trap handler panics. That includes executing user pages (SMEP), touching them
 *                                outside a user copy (SMAP or not), and kernel addresses.
 */
#include "mm/vma.h"

#include "kernel/cpu.h"
#include "kernel/lockcheck.h"
#include "kernel/printk.h"
#include "kernel/trace.h"
#include "kernel/trap.h"
#include "kernel/usermode.h"
#include "mm/extable.h"
#include "mm/vmstat.h"

#define RFLAGS_AC BIT(18)

/* No memory for what this process touched: it is the one that dies (issue: never a panic, never a bystander). */
static void oom_kill(vaddr_t address)
{
	printk("out of memory: killing %s (%d), which asked for %lx\n", current->name, current->tid, address);
	vmstat_inc(VM_OOM_KILL);
	signal_send(current->process, SIGKILL, NULL);
}

static __attribute__((noinline)) void user_fault_failed(enum fault_result result, vaddr_t address)
{
	if (result == FAULT_OOM)
		oom_kill(address);
	else if (result == FAULT_SIGBUS)
		signal_fault(SIGBUS, BUS_ADRERR, address);
	else if (!fatal_signal_pending(current))
		signal_fault(SIGSEGV, result == FAULT_SIGSEGV ? SEGV_ACCERR : SEGV_MAPERR, address);
}

static bool kernel_fault(struct trapframe *frame, vaddr_t address)
{
	if (address >= USER_TOP || frame->error & PF_FETCH || !extable_find(frame->rip))
		return false;
	if (frame->error & PF_PRESENT && cpu_features.smap && !(frame->rflags & RFLAGS_AC))
		return false;		/* SMAP refused it: resolving would change nothing */
	if (current->pagefault_disabled || !current->mm)
		return extable_fixup(frame);
	if (DEBUG_BUILD)
		lockcheck_user_access((void *)frame->rip);
	might_sleep();
	enum fault_result result = mm_fault(current->mm, address, frame->error & PF_WRITE, false);
	if (result == FAULT_DONE)
		return true;
	if (result == FAULT_OOM)
		oom_kill(address);
	return extable_fixup(frame);
}

bool page_fault(struct trapframe *frame, vaddr_t address)
{
	trace(TRACE_FAULT, address, frame->error, frame->rip);
	if (unlikely(frame->error & PF_RSVD))
		return false;		/* an entry that we made is wrong */
	if (unlikely(!from_user(frame)))
		return kernel_fault(frame, address);
	enum fault_result result = mm_fault(current->mm, address, frame->error & PF_WRITE, frame->error & PF_FETCH);
	if (unlikely(result != FAULT_DONE))
		user_fault_failed(result, address);
	return true;
}
