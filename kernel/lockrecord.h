/*
 * What the two kinds of locks have in common, for kernel/lock.c and kernel/sleeplock.c only: the records of who holds what, and the checks. Inline:
 * a pair of spin_lock() and spin_unlock() costs 36 instructions, records included.
 */
#pragma once

#include "kernel/cpu.h"
#include "kernel/held.h"
#include "kernel/lockcheck.h"

#define CALLER __builtin_return_address(0)
/*
 * Without a frame pointer: to ask for CALLER costs four instructions less. They do the usual case and jump to a slow function, which gets CALLER and
 * returns to it, for all others: no backtrace goes through them.
 */
#if __has_attribute(optimize)	/* gcc has it, clang does not */
#define NO_FRAME __attribute__((optimize("omit-frame-pointer")))
#else
#define NO_FRAME
#endif

/* --- records: a stack, since locks are mostly released in the reverse order --- */

static inline void record(enum held_kind kind, const void *object, u64 index, void *caller)
{
	struct task *t = current;
	int i = t->held_count;

	/* Take the place first: an interrupt may come between the two and add and remove its own above it. The object last: what it finds
	 * there without one is not a record yet. */
	WRITE_ONCE(t->held_count, i + 1);
	barrier();
	if (likely(i < HELD_MAX)) {
		struct held_lock *h = &t->held[i];
		h->kind = kind;
		if (kind == HELD_PAGE || DEBUG_BUILD)	/* the others have none */
			h->index = index;
		h->caller = caller;
		barrier();
		WRITE_ONCE(h->object, object);
	}
}

/* The checks of the debug build rely on what is in the records also in an interrupt right here. */
static inline void erase(struct task *t, unsigned i)
{
	if (DEBUG_BUILD)
		WRITE_ONCE(t->held[i].object, NULL);
}

/* Not the last one, or deeper than we keep. */
void forget_slow(enum held_kind kind, const void *object, u64 index);

/* If the last record is this one, take it off: it proves that the lock is ours. False: nothing was done. */
static inline bool forget_last(enum held_kind kind, const void *object, u64 index)
{
	struct task *t = current;
	unsigned last = (unsigned)t->held_count - 1;

	if (unlikely(last >= HELD_MAX || t->held[last].object != object || t->held[last].kind != kind ||
		     (kind == HELD_PAGE && t->held[last].index != index)))
		return false;
	erase(t, last);
	WRITE_ONCE(t->held_count, (int)last);
	return true;
}

static inline void forget(enum held_kind kind, const void *object, u64 index)
{
	if (unlikely(!forget_last(kind, object, index)))
		forget_slow(kind, object, index);
}

/* Debug build: before waiting, and after a try that succeeded. */
static inline void check_take(enum held_kind kind, const void *object, void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_take(&(struct held_lock){ kind, object, 0, caller }, NULL);
}

static inline void check_tried(enum held_kind kind, const void *object, void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_tried(&(struct held_lock){ kind, object, 0, caller });
}
