/*
 * Traps, interrupts and system calls share one frame, in the order in which the entry stubs push
 * it (kernel/entry.asm draws the picture). It is also what signals save and ptrace would show.
 */
#pragma once

#include "kernel/types.h"

struct trapframe {
	u64 r15, r14, r13, r12, rbp, rbx;
	u64 r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 vector;		/* or SYSCALL_VECTOR */
	u64 error;		/* the CPU's error code; for a system call its number (orig_rax) */
	u64 rip, cs, rflags, rsp, ss;
};
#define SYSCALL_VECTOR 0x100

#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
#define USER_DS 0x1b
#define USER_CS 0x23

static inline bool from_user(const struct trapframe *f) { return (f->cs & 3) == 3; }

/* #PF error code bits (SDM vol. 3, 4.7) */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_USER BIT(2)
#define PF_RSVD BIT(3)
#define PF_FETCH BIT(4)

/* mm/fault.c: a page fault at `address`. From user mode it resolves it or sends a signal; from kernel
 * mode it resolves it, or jumps to the fixup of the exception table, or returns false (panic). */
bool page_fault(struct trapframe *frame, vaddr_t address);
/* mm/extable.c: if rip of this kernel-mode frame has a fixup, go there and return true. */
bool extable_fixup(struct trapframe *frame);

/* kernel/trap.c, called by entry.asm where something is to be done on the way to user mode, or something is held that must not be (panic). */
void user_return_work(struct trapframe *frame);

/* kernel/irq.c: device interrupts. The handler runs with interrupts off. */
void irq_register(unsigned irq, void (*handler)(void *arg), void *arg);

/* kernel/signal.c: called with interrupts on, on every return to user mode with work to do. */
void signal_deliver(struct trapframe *frame);
/* Send a fault signal to the current task (blocked or ignored: kills). */
void signal_fault(int sig, int code, vaddr_t address);
