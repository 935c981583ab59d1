/*
 * What the debug build checks of locks (kernel/lockcheck.h). Only in that build: the Makefile leaves this file out of others.
 *
 * Everything is judged from the task's own records (task->held), so nothing here takes a lock or waits, and it works in interrupts: what
 * a handler takes, it takes under all that the interrupted task holds.
 */
#include "kernel/lockcheck.h"

#include "kernel/cpu.h"
#include "kernel/held.h"
#include "kernel/panic.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/table.h"

/* --- which locks were held when another was taken: /proc/lock_order --- */

/* A lock's name and rank; every instance of it is the same to us. */
#define MAX_CLASSES 96
static struct class {
	const char *name;
	unsigned rank;
} classes[MAX_CLASSES];
static atomic_t nr_classes;
static u32 edges[MAX_CLASSES][MAX_CLASSES];	/* [outer][inner]: low half of the address where inner was taken first under outer */

/* Two CPUs may enter a class twice: harmless, one of the two is never found again. */
static int class_of(const struct held_lock *h)
{
	const char *name = held_name(h);
	unsigned rank = held_rank(h);
	int n = min(atomic_read(&nr_classes), MAX_CLASSES);

	for (int i = 0; i < n; i++)
		if (READ_ONCE(classes[i].name) == name && classes[i].rank == rank)
			return i;
	n = atomic_add_return(&nr_classes, 1) - 1;
	if (n >= MAX_CLASSES)
		return -1;
	classes[n].rank = rank;
	smp_store_release(&classes[n].name, name);
	return n;
}

static void note_edge(const struct held_lock *outer, const struct held_lock *inner)
{
	int a = class_of(outer), b = class_of(inner);

	if (a >= 0 && b >= 0 && !READ_ONCE(edges[a][b]))
		WRITE_ONCE(edges[a][b], (u32)(u64)inner->caller);
}

bool lockcheck_edge(unsigned *at, char *buf, size_t size)
{
	unsigned n = min((unsigned)atomic_read(&nr_classes), MAX_CLASSES * 1U);

	for (; *at < n * MAX_CLASSES; ++*at) {
		const struct class *outer = &classes[*at / MAX_CLASSES], *inner = &classes[*at % MAX_CLASSES];
		u32 caller = READ_ONCE(edges[*at / MAX_CLASSES][*at % MAX_CLASSES]);
		char where[80];

		if (!caller)
			continue;
		symbol_name((void *)(KERNEL_BASE | caller), where, sizeof(where));
		ksnprintf(buf, size, "%u %s > %u %s at %s\n", outer->rank, outer->name, inner->rank, inner->name, where);
		++*at;
		return true;
	}
	return false;
}

/* --- stopping --- */

/* The panic prints everything that is held after this. */
static __noreturn void stop(const char *what, const struct held_lock *new, const struct held_lock *held)
{
	char a[160], b[160];

	held_describe(new, a, sizeof(a));
	if (!held)
		panic("%s: %s", what, a);
	held_describe(held, b, sizeof(b));
	panic("%s: %s, while holding %s", what, a, b);
}

/* --- the order --- */

/* A table above comes before those below it; on one level by address (both are locked at once: mm/mremap.c, mm/fork.c). */
static bool table_before(const struct page *held, const struct page *new)
{
	return held->level > new->level || (held->level == new->level && held < new);
}

/* Two locks of one rank: is this the order in which they are taken? As kernel/lockrank.h says it beside the rank. */
static bool same_rank_allowed(unsigned rank, const struct held_lock *held, const struct held_lock *new)
{
	switch (rank) {
	case RANK_PAGE:
	case RANK_META_PAGE:
		return held->object != new->object ? held->object < new->object : held->index < new->index;
	case RANK_TABLE_FILE:
	case RANK_TABLE_PROCESS:
		return table_before(container_of(held->object, struct page, lock), container_of(new->object, struct page, lock));
	case RANK_INODE:
	case RANK_FUTEX:
	case RANK_PIPE:
		return held->object < new->object;
	case RANK_EPOLL_ITEMS:
	case RANK_EPOLL_WATCHED:
		return true;		/* fs/epoll.c, may_watch(): no loops */
	default:
		return false;
	}
}

static bool same_lock(const struct held_lock *a, const struct held_lock *b)
{
	return a->object == b->object && a->index == b->index;
}

static int recorded(void) { return min(current->held_count, HELD_MAX); }

/* The context: which of the three groups of ranks may be taken here? */
void lockcheck_tried(const struct held_lock *new)
{
	unsigned rank = held_rank(new);

	if (new->kind != HELD_SPIN)
		return;
	if (rank >= RANK_FIRST_IRQ && !irqs_off())
		stop("spinlock of interrupt handlers taken with interrupts on", new, NULL);
	if (rank < RANK_FIRST_IRQ && this_cpu()->irq_depth)
		stop("spinlock taken in an interrupt handler, and elsewhere with interrupts on", new, NULL);
	if (rank < RANK_FIRST_SPIN)
		stop("spinlock with the rank of a sleeping lock", new, NULL);
}

void lockcheck_take(const struct held_lock *new, const void *under)
{
	unsigned rank = held_rank(new);
	bool ordered = !under;

	if (new->kind != HELD_SPIN)
		lockcheck_sleep(new->caller);
	lockcheck_tried(new);
	for (int i = 0; i < recorded(); i++) {
		const struct held_lock *h = &current->held[i];
		unsigned r;

		if (!READ_ONCE(h->object))
			continue;	/* we are in an interrupt of the code that makes the record */
		r = held_rank(h);
		if (same_lock(h, new))
			stop(new->kind == HELD_PAGE ? "recursive page lock" : "lock taken twice", new, h);
		if (h->object == under)
			ordered = true;
		else if (r > rank || (r == rank && !under && !same_rank_allowed(rank, h, new)))
			stop("lock inversion", new, h);
		note_edge(h, new);
	}
	if (!ordered)
		stop("the lock that should order it is not held", new, NULL);
}

/* --- sleeping, user memory, other CPUs --- */

/* The innermost lock of this rank or above that the task holds. */
static const struct held_lock *holds_from(unsigned rank)
{
	for (int i = recorded() - 1; i >= 0; i--)
		if (READ_ONCE(current->held[i].object) && held_rank(&current->held[i]) >= rank)
			return &current->held[i];
	return NULL;
}

static __noreturn void stop_at(const char *what, void *caller, const struct held_lock *held)
{
	char where[80], lock[160];

	symbol_name(caller, where, sizeof(where));
	if (!held)
		panic("%s at %s: preempt count %d, page faults disabled %d, interrupts %s", what, where, preempt_count(),
		      current->pagefault_disabled, irqs_off() ? "off" : "on");
	held_describe(held, lock, sizeof(lock));
	panic("%s at %s, while holding %s", what, where, lock);
}

/* kernel/lock.h */
void lockcheck_sleep(void *caller)
{
	const struct held_lock *spin = holds_from(RANK_FIRST_SPIN);

	if (!this_cpu()->nr_switches)
		return;			/* it boots: there is nobody who could be kept waiting */
	if (spin)
		stop_at("sleeping", caller, spin);
	if (preempt_count() || current->pagefault_disabled || irqs_off())
		stop_at("sleeping where that is forbidden", caller, NULL);
}

void lockcheck_user_access(void *caller)
{
	const struct held_lock *held = holds_from(RANK_MMAP);	/* the first that a fault takes */

	if (held)
		stop_at("user access that may fault", caller, held);
	lockcheck_sleep(caller);
}

void lockcheck_call(void *caller)
{
	const struct held_lock *held = holds_from(RANK_FIRST_IRQ);

	if (held)
		stop_at("call to other processors", caller, held);	/* whoever spins for it does not answer (INV-S4) */
	if (irqs_off() || !preempt_count())
		stop_at("call to other processors where that is forbidden", caller, NULL);
}
