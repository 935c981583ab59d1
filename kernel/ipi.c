/*
 * Interrupts from one CPU to another (kernel/smp.h).
 *
 * smp_call() needs no lock: each CPU has one call that it makes at a time, and one word in which others leave a bit to say that they want it to
 * look at theirs. Whoever waits has interrupts on, so two that call each other both go on.
 */
#include "drivers/apic.h"
#include "kernel/irq.h"
#include "kernel/lockcheck.h"
#include "kernel/printk.h"
#include "kernel/smp.h"

static struct call {
	void (*fn)(void *arg);		/* its own CPU, while waiting is 0 */
	void *arg;
	atomic64_t waiting;		/* for these CPUs: each clears its bit when it has run fn */
	atomic64_t asked_by;		/* these CPUs want this one to run their call */
} __attribute__((aligned(64))) calls[NR_CPUS];

void smp_interrupt(int cpu) { apic_ipi(cpus[cpu].apic_id, VECTOR_RESCHED); }

void smp_kick(int cpu)
{
	WRITE_ONCE(cpus[cpu].need_resched, RESCHED_DUE | explore_flag);
	smp_interrupt(cpu);
}

void smp_call(u64 wanted, void (*fn)(void *arg), void *arg)
{
	int self = cpu_id();
	struct call *mine = &calls[self];

	if (DEBUG_BUILD)
		lockcheck_call(__builtin_return_address(0));
	wanted &= cpus_online() & ~BIT(self);
	if (!wanted)
		return;
	ASSERT(!irqs_off() && preempt_count());
	mine->fn = fn;
	mine->arg = arg;
	atomic64_set(&mine->waiting, wanted);
	for (u64 left = wanted; left; left &= left - 1) {
		int cpu = __builtin_ctzl(left);
		/* An interrupt is on its way already if a bit was set: it looks at all of them. The atomic operation publishes the call. */
		if (!atomic64_fetch_or(&calls[cpu].asked_by, BIT(self)))
			apic_ipi(cpus[cpu].apic_id, VECTOR_CALL);
	}
	while (smp_load_acquire(&mine->waiting.v))
		cpu_relax();
}

void smp_call_resend(void)
{
	for (u64 left = smp_load_acquire(&calls[cpu_id()].waiting.v); left; left &= left - 1)
		apic_ipi(cpus[__builtin_ctzl(left)].apic_id, VECTOR_CALL);
}

void smp_call_interrupt(void)
{
	int self = cpu_id();

	for (u64 from = atomic64_xchg(&calls[self].asked_by, 0); from; from &= from - 1) {
		struct call *call = &calls[__builtin_ctzl(from)];
		call->fn(call->arg);
		atomic64_fetch_and(&call->waiting, ~BIT(self));
	}
}
