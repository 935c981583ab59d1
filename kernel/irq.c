/* Device interrupts: one handler per ISA line, called with interrupts off on the interrupted task's stack. */
#include "kernel/irq.h"

#include "drivers/apic.h"
#include "kernel/cpu.h"
#include "kernel/nmi.h"
#include "kernel/printk.h"
#include "kernel/smp.h"

#define NR_IRQS 16

/* The vectors that occur: devices', and those of the local APIC. */
#define NR_COUNTED 32
static u64 counts[NR_CPUS][NR_COUNTED];	/* its own CPU counts, anybody reads */

static u64 *count_of(int cpu, unsigned vector)
{
	unsigned i = vector >= 0xf0 ? vector - 0xf0 + NR_IRQS : vector - VECTOR_IRQ0;

	return i < NR_COUNTED && vector >= VECTOR_IRQ0 ? &counts[cpu][i] : NULL;
}

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

/* Said once for each vector: a storm of them must not fill the log. */
static void unexpected(u64 vector)
{
	static atomic64_t said[256 / 64];
	u64 bit = BIT(vector % 64);

	if (!(atomic64_fetch_or(&said[vector / 64], bit) & bit))
		printk("unexpected interrupt, vector %lu\n", vector);
}

u64 irq_count(int cpu, unsigned vector)
{
	const u64 *count = count_of(cpu, vector);

	return count ? READ_ONCE(*count) : 0;
}

const void *irq_handler(unsigned irq) { return irq < NR_IRQS ? handlers[irq].handler : NULL; }

void irq_dispatch(struct trapframe *frame)
{
	u64 vector = frame->vector, *count = count_of(cpu_id(), (unsigned)vector);

	if (count)
		++*count;
	if (vector == VECTOR_SPURIOUS || (vector >= VECTOR_PIC && vector < VECTOR_PIC + 16))
		return;			/* of the local APIC or of a PIC: no end-of-interrupt is due */
	this_cpu()->preempt_count++;	/* a handler is never preempted */
	this_cpu()->irq_depth++;
	if (vector == VECTOR_TIMER)
		timer_interrupt(from_user(frame));
	else if (vector == VECTOR_CALL)
		smp_call_interrupt();
	else if (vector == VECTOR_LATER)
		nmi_later();
	else if (vector == VECTOR_RESCHED)
		;			/* what it is for comes on the way back */
	else if (vector >= VECTOR_IRQ0 && vector < VECTOR_IRQ0 + NR_IRQS && handlers[vector - VECTOR_IRQ0].handler)
		handlers[vector - VECTOR_IRQ0].handler(handlers[vector - VECTOR_IRQ0].arg);
	else
		unexpected(vector);
	apic_end_of_interrupt();
	this_cpu()->irq_depth--;
	this_cpu()->preempt_count--;
	if (unlikely(vector == VECTOR_LATER))
		nmi_signal(frame);
}
