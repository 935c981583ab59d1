/*
 * Load averages, as /proc/loadavg gives them: every 5 s the number of tasks that run or want to goes into three
 * exponential means, of 1, 5 and 15 minutes; fixed point, 1/2048. The factors are 2048 * exp(-5 s / period).
 */
#include "kernel/runqueue.h"

#include "kernel/time.h"

static struct spinlock load_lock = SPINLOCK_INIT("load averages", RANK_IRQ);	/* taken by the tick */
static u64 load_averages[3], next_load_ns;	/* load_lock */
#define LOAD_PERIOD_NS 5000000000UL

/* Idle CPUs have no tick, so whole periods may be made up for here: nothing was active in all but the last of them. */
void load_update(void)
{
	static const u64 factors[3] = { 1884, 2014, 2037 };
	u64 now = ktime_ns(), active = 0, flags;

	if (now < READ_ONCE(next_load_ns))
		return;
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		active += READ_ONCE(runqueues[cpu].nr) + (READ_ONCE(cpus[cpu].task) != cpus[cpu].idle);
	flags = spin_lock_irqsave(&load_lock);
	for (; now >= next_load_ns; next_load_ns += LOAD_PERIOD_NS) {
		u64 n = next_load_ns + LOAD_PERIOD_NS > now ? active : 0;
		for (int i = 0; i < 3; i++)
			load_averages[i] = (load_averages[i] * factors[i] + n * 2048 * (2048 - factors[i])) / 2048;
	}
	spin_unlock_irqrestore(&load_lock, flags);
}

void sched_load(u64 hundredths[3])
{
	load_update();
	for (int i = 0; i < 3; i++)
		hundredths[i] = (READ_ONCE(load_averages[i]) * 100 + 1024) / 2048;
}
