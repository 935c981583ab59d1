/* Fault injection (kernel/inject.h): the counters. */
#include "kernel/inject.h"

#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/trace.h"
#include "mm/vmstat.h"

struct injection injections[NR_INJECT];

void inject_arm_as(enum inject_kind kind, u64 nth, u64 every, enum inject_scope scope, bool (*fails)(enum inject_kind kind, u32 which))
{
	struct injection *i = &injections[kind];

	atomic64_set(&i->left, 0);	/* who counts meanwhile counts nothing */
	WRITE_ONCE(i->every, every);
	WRITE_ONCE(i->task, current);
	WRITE_ONCE(i->scope, scope);
	WRITE_ONCE(i->fails, fails);
	if (scope == INJECT_TREE)
		current->injected = nth != 0;
	if (kind == INJECT_KILL)
		trace_calls_slow(nth != 0);
	atomic64_set(&i->left, nth);
}

void inject_arm(enum inject_kind kind, u64 nth, u64 every, enum inject_scope scope) { inject_arm_as(kind, nth, every, scope, NULL); }

u64 inject_left(enum inject_kind kind) { return atomic64_read(&injections[kind].left); }

static bool counts(const struct injection *i)
{
	enum inject_scope scope = READ_ONCE(i->scope);

	return scope == INJECT_ALL || (scope == INJECT_TASK ? READ_ONCE(i->task) == current : current->injected);
}

static bool count_down(struct injection *i)
{
	u64 left = atomic64_read(&i->left);

	while (left && !atomic64_cmpxchg(&i->left, &left, left == 1 ? READ_ONCE(i->every) : left - 1))
		;
	return left == 1;
}

bool inject_count(enum inject_kind kind, u32 which)
{
	struct injection *i = &injections[kind];
	bool (*by_path)(enum inject_kind kind, u32 which) = READ_ONCE(i->fails);

	if (!counts(i) || !(by_path ? by_path(kind, which) : count_down(i)))
		return false;
	if (kind == INJECT_ALLOC)
		vmstat_inc(VM_ALLOC_FAIL);
	return true;
}

void inject_init(void)
{
	char word[48];
	u64 nth = 0, every = 0, *number = &nth;

	if (!cmdline_get("alloc_fail", word, sizeof(word)))
		return;
	for (const char *c = word; *c; c++) {
		if (*c == ',' && number == &nth)
			number = &every;
		else if (*c >= '0' && *c <= '9' && *number < 1UL << 48)
			*number = *number * 10 + (*c - '0');
		else {
			printk("alloc_fail=%s: not N[,EVERY]; ignored\n", word);
			return;
		}
	}
	printk("alloc_fail: allocation %lu fails, then every %lu\n", nth, every);
	inject_arm(INJECT_ALLOC, nth, every, INJECT_ALL);
}
