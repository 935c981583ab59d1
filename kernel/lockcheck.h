/*
 * Locks that check themselves: in the debug build (make DEBUG=1, ./cowslip run --debug), called by the locks of kernel/lock.c, the page lock
 * and the user copies, `if (DEBUG_BUILD)`. Each stops the machine with what is wrong, both locks, where both were taken, and all that is held.
 *
 * What is checked here: the order of ranks (kernel/lockrank.h) against everything held, also where nobody else has the lock; a lock taken
 * again by who has it; spinlocks of interrupt handlers taken with interrupts on, and others taken in a handler; sleeping with a spinlock, with
 * preemption, interrupts or page faults off, also where it happens not to be necessary; a user access that may fault with a lock held that
 * the fault could want. Always on, in kernel/lock.c, kernel/sleeplock.c and kernel/trap.c: releasing what one does not hold, a lock held on return to user mode.
 */
#pragma once

#include "kernel/lock.h"

/* Before a lock is waited for: `new` describes it; `under` as for down_write_nested(), mostly NULL. */
void lockcheck_take(const struct held_lock *new, const void *under);
/* It was tried and got: it cannot deadlock, but what comes after it can. */
void lockcheck_tried(const struct held_lock *new);
void lockcheck_user_access(void *caller);	/* user memory is about to be touched in a way that may fault */
void lockcheck_call(void *caller);		/* other CPUs are about to be waited for: smp_call() */
/* A line of /proc/lock_order, "outer > inner" and where the inner one was first taken under the outer, from *at on, which begins at 0; false: no more. */
bool lockcheck_edge(unsigned *at, char *buf, size_t size);
