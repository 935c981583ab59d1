/* Deliberate crashes: null (read through NULL), stack (overflow), assert, divide, user (touch user memory outside the user copies), write (into kernel text). */
#include "kernel/crash.h"

#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/time.h"

/* Calls itself until the stack ends; the result is used after the call, so that it stays a call. */
static __attribute__((noinline)) int overflow_stack(volatile int *depth)
{
	volatile int frame[64];

	frame[0] = *depth + 1;
	return frame[0] < 0 ? 0 : overflow_stack(frame) + frame[0];
}

/* A kernel thread that was woken a moment ago may run on another CPU still: until all of them are idle, whose backtraces are known. */
static void wait_until_others_idle(void)
{
	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		while (cpu != cpu_id() && READ_ONCE(cpus[cpu].task) != cpus[cpu].idle)
			sleep_until_ns(ktime_ns() + 1000000, WAIT_UNINTERRUPTIBLE);
}

static struct spinlock crash_lock = SPINLOCK_INIT("crash test", RANK_LAST_SPIN);

void crash_if_asked(void)
{
	char kind[32];
	volatile int zero = 0;

	if (!cmdline_get("crash", kind, sizeof(kind)))
		return;
	printk("crash=%s, as the command line asks\n", kind);
	if (!strcmp(kind, "null"))
		*(volatile int *)(u64)zero;
	else if (!strcmp(kind, "stack"))
		overflow_stack(&zero);
	else if (!strcmp(kind, "divide"))
		zero = 100 / zero;
	else if (!strcmp(kind, "user"))
		*(volatile int *)0x400000 = 1;
	else if (!strcmp(kind, "write"))
		*(volatile char *)(u64)crash_if_asked = 0;
	else if (!strcmp(kind, "assert")) {
		wait_until_others_idle();
		spin_lock(&crash_lock);
		ASSERT(zero);
	} else if (!crash_locks(kind))
		printk("crash: kinds are null stack divide user write assert, and those of kernel/crashlocks.c\n");
}
