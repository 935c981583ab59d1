/* Interrupt vectors and their handlers (kernel/irq.c); the local APIC and IOAPIC are in drivers/apic.c. */
#pragma once

#include "kernel/trap.h"

#define VECTOR_PIC 0x20		/* to 0x2f: the PICs are masked, but may send spurious interrupts */
#define VECTOR_IRQ0 0x30	/* + ISA interrupt number, by the IOAPIC */
#define VECTOR_TIMER 0xf0	/* local APIC timer */
#define VECTOR_RESCHED 0xf1	/* from another CPU: look at need_resched, and on the way to user mode at the task's flags */
#define VECTOR_CALL 0xf2	/* from another CPU: smp_call() */
#define VECTOR_LATER 0xf3	/* from this CPU's NMI or machine check (kernel/nmi.h) */
#define VECTOR_SPURIOUS 0xff	/* no end-of-interrupt */

void irq_dispatch(struct trapframe *frame);
/* For /proc: interrupts of a vector on a CPU so far; the handler of an ISA line, or NULL. */
u64 irq_count(int cpu, unsigned vector);
const void *irq_handler(unsigned irq);
/* The timer's work, once per tick, interrupts off: kernel/time.c. */
void timer_interrupt(bool user_mode);
