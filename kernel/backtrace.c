/* Backtraces by frame pointers: for panics, /proc/PID/stack and wchan. */
#include "kernel/backtrace.h"

#include "kernel/kstack.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/layout.h"

#define BOOT_STACK_SIZE 16384

extern char boot_stack[];

/* The end of the kernel stack that this address is on, or 0. */
static u64 stack_end(u64 address)
{
	u64 boot = (u64)boot_stack;

	return address >= boot && address < boot + BOOT_STACK_SIZE ? boot + BOOT_STACK_SIZE : kstack_top(address);
}

int backtrace_frames(u64 rip, u64 rbp, u64 *out, int max)
{
	u64 end = stack_end(rbp);	/* all frames are on one stack */
	int n = 0;

	while (n < max && (rip || !n)) {
		out[n++] = rip;
		if (rbp & 7 || !rbp || !end || rbp > end - 16)
			break;
		u64 caller = ((u64 *)rbp)[0];
		rip = ((u64 *)rbp)[1];
		rbp = caller > rbp ? caller : 0;	/* stacks grow downwards: a caller's frame is above */
	}
	return n;
}

/* What switch_to (kernel/switch.asm) leaves at saved_rsp: rbp, return address. */
#define SAVED_RBP 0
#define SAVED_RIP 1

int backtrace_task(const struct task *t, u64 *out, int max)
{
	u64 rsp = READ_ONCE(t->saved_rsp), top = t->kstack_top;
	const u64 *saved = (const u64 *)rsp;
	u64 rbp;

	if (READ_ONCE(t->on_cpu) || rsp < top - KSTACK_SIZE || rsp > top - 2 * sizeof(u64) || rsp & 7)
		return 0;
	rbp = READ_ONCE(saved[SAVED_RBP]);
	return backtrace_frames(READ_ONCE(saved[SAVED_RIP]), rbp > rsp && rbp < top ? rbp : 0, out, max);
}

/* Functions that only wait: what called them is what a task waits in. */
static bool only_waits(u64 rip)
{
	static const char *const names[] = {
		"switch_to", "switch_tasks", "schedule", "schedule_preempt", "schedule_until", "wait_sleep", "wait_sleep_until", "sleep_until_ns",
		"wait_for_grant", "mutex_lock", "rwsem_lock", "down_read", "down_write", "wait_bits",
	};
	char name[80], *plus;

	symbol_name((void *)rip, name, sizeof(name));
	plus = strchr(name, '+');
	if (plus)
		*plus = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

u64 backtrace_wchan(const struct task *t)
{
	u64 rips[12];
	int n;

	if (READ_ONCE(t->state) == TASK_RUNNABLE || READ_ONCE(t->state) == TASK_DEAD)
		return 0;
	n = backtrace_task(t, rips, ARRAY_SIZE(rips));
	for (int i = 0; i < n; i++)
		if (!only_waits(rips[i]))
			return rips[i];
	return 0;
}
