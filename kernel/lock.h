/*
 * Locks. Spinlocks disable preemption and know owner and caller; mutexes and rwsems sleep and
 * know their owner. Every lock held is recorded in the task (struct held_lock), and so is what it waits for, so
 * that a panic and the hang detector can tell who holds what and who waits for whom.
 *
 * Rules: ranks of kernel/lockrank.h; nothing sleeps with a spinlock held or preemption off; a
 * lock is released by the task that took it. The debug build (make DEBUG=1) checks them: kernel/lockcheck.h.
 */
#pragma once

#include "kernel/atomic.h"
#include "kernel/list.h"
#include "kernel/lockrank.h"

#ifndef DEBUG_BUILD
#define DEBUG_BUILD 0		/* 1 by make DEBUG=1 */
#endif

struct task;

struct spinlock {
	atomic_t locked;	/* while held: the owner's CPU number + 1 */
	u16 rank;		/* fixed */
	void *caller;		/* where it was taken: written by the owner only */
	const char *name;	/* fixed */
};
#define SPINLOCK_INIT(lockname, lockrank) { .rank = (lockrank), .name = (lockname) }

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank);
/* Take or release; preemption is off in between. Not for locks that interrupt handlers take. */
void spin_lock(struct spinlock *lock);
void spin_unlock(struct spinlock *lock);
bool spin_trylock(struct spinlock *lock);
/* The same with interrupts off: for locks that interrupt handlers take too. Returns the old RFLAGS. */
u64 spin_lock_irqsave(struct spinlock *lock);
void spin_unlock_irqrestore(struct spinlock *lock, u64 flags);
bool spin_held(const struct spinlock *lock);	/* by this CPU */

/*
 * Sleeping locks. Without contention each is one compare-and-swap on its state word. Who has to wait sets the word's WAITERS bit, under the
 * lock's spinlock; while the bit is set only the spinlock's holder changes the word, and who releases hands the lock to the first waiter.
 */
struct mutex {
	atomic64_t state;		/* the owner's struct task, and MUTEX_WAITERS; 0: free */
	struct spinlock lock;		/* protects waiters, and state while MUTEX_WAITERS is set */
	void *caller;			/* where the owner took it */
	struct list_head waiters;	/* struct lock_waiter, first come first served */
	u16 rank;
	const char *name;
};
#define MUTEX_WAITERS 1UL
void mutex_init(struct mutex *m, const char *name, enum lock_rank rank);
#define MUTEX_INIT(var, lockname, lockrank) { .lock = SPINLOCK_INIT(lockname, RANK_WAITQUEUE), \
	.waiters = LIST_INIT((var).waiters), .rank = (lockrank), .name = (lockname) }
void mutex_lock(struct mutex *m);	/* sleeps */
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m);	/* by the current task */

/* Reader-writer semaphore, fair: a waiting writer holds back later readers. */
struct rwsem {
	atomic64_t state;		/* readers * RWSEM_READER, RWSEM_WRITER, RWSEM_WAITERS; 0: free */
	struct spinlock lock;		/* protects waiters, and state while RWSEM_WAITERS is set */
	struct task *writer;		/* written by the writer, or who hands the lock to it */
	void *caller;			/* where the writer took it */
	struct list_head waiters;
	u16 rank;
	const char *name;
};
#define RWSEM_WRITER 1UL
#define RWSEM_WAITERS 2UL
#define RWSEM_READER 4UL
void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank);
#define RWSEM_INIT(var, lockname, lockrank) { .lock = SPINLOCK_INIT(lockname, RANK_WAITQUEUE), \
	.waiters = LIST_INIT((var).waiters), .rank = (lockrank), .name = (lockname) }
void down_read(struct rwsem *s);	/* sleeps */
bool down_read_trylock(struct rwsem *s);
void up_read(struct rwsem *s);
void down_write(struct rwsem *s);	/* sleeps */
/*
 * A second one of the same rank: `under`, which the task holds, keeps the two in order. The locks of directories come before those of
 * what is in them: a directory's children stay its children while it is locked, and rename_mutex keeps ancestors ancestors.
 */
void down_write_nested(struct rwsem *s, const struct rwsem *under);
bool down_write_trylock(struct rwsem *s);
void up_write(struct rwsem *s);
bool rwsem_held(const struct rwsem *s);	/* by anyone, for assertions */

/*
 * What the current task holds (at most HELD_MAX, deeper ones are counted but not recorded).
 * kind HELD_PAGE: object is the address_space, index the page index.
 */
enum held_kind { HELD_SPIN, HELD_MUTEX, HELD_READ, HELD_WRITE, HELD_PAGE };
#define HELD_MAX 24	/* swapping out holds 12 pages, below a fault that reads a file through its map */
struct held_lock {
	enum held_kind kind;
	const void *object;
	u64 index;
	void *caller;
};
void held_add(enum held_kind kind, const void *object, u64 index, void *caller);
void held_remove(enum held_kind kind, const void *object, u64 index);
/*
 * The current task begins to wait for a lock, and has it, or has given up. Until wait_end() the lock's memory must stay: the hang
 * detector, which holds waits_lock then, looks at it.
 */
void wait_begin(enum held_kind kind, const void *object, u64 index, void *caller);
void wait_end(void);
extern struct spinlock waits_lock;

/* Preemption. preempt_enable() reschedules if that was due. Nests. */
void preempt_disable(void);
void preempt_enable(void);
/* might_sleep() (kernel/cpu.h) in the debug build only: for fast paths that sleep now and then. */
void lockcheck_sleep(void *caller);
#define debug_might_sleep() do { if (DEBUG_BUILD) lockcheck_sleep(__builtin_return_address(0)); } while (0)
