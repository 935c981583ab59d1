/* Device interrupts: one handler per ISA line, called with interrupts off on the interrupted task's stack. */
#include "kernel/irq.h"

#include "drivers/apic.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"

#define NR_IRQS 16

static struct {
	void (*handler)(void *arg);
	void *arg;
} handlers[NR_IRQS];

void irq_register(unsigned irq, void (*handler)(void *arg), void *arg)
{
	ASSERT(irq < NR_IRQS);
	handlers[irq].arg = arg;
	smp_store_release(&handlers[irq].handler, handler);
	ioapic_enable(irq, VECTOR_IRQ0 + irq);
}

void irq_dispatch(struct trapframe *frame)
{
	u64 vector = frame->vector;

	if (vector == VECTOR_SPURIOUS)
		return;
	this_cpu()->preempt_count++;	/* a handler is never preempted */
	if (vector == VECTOR_TIMER)
		timer_interrupt(from_user(frame));
	else if (vector >= VECTOR_IRQ0 && vector < VECTOR_IRQ0 + NR_IRQS && handlers[vector - VECTOR_IRQ0].handler)
		handlers[vector - VECTOR_IRQ0].handler(handlers[vector - VECTOR_IRQ0].arg);
	else
		printk("unexpected interrupt, vector %lu\n", vector);
	apic_end_of_interrupt();
	this_cpu()->preempt_count--;
}
