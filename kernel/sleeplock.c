/*
 * Locks that sleep: mutexes and reader-writer semaphores. First come, first served; a lock is handed over to the waiter, never raced for.
 *
 * Each is one word: without contention a compare-and-swap takes or releases it. Who finds it taken sets WAITERS under the lock's spinlock and sleeps;
 * from then on only the spinlock's holder changes the word (kernel/lock.h). Always checked: taking one twice, releasing what another task took.
 */
#include "kernel/lock.h"

#include "kernel/cpu.h"
#include "kernel/lockrecord.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

struct lock_waiter {
	struct list_head node;
	struct task *task;
	bool write;
	bool granted;		/* set under the lock's spinlock by who hands it over */
	void *caller;
};

/* Sleep until granted. The spinlock (taken with interrupts off) is held on entry, not on return. */
static void wait_for_grant(struct spinlock *lock, struct lock_waiter *w, u64 flags)
{
	while (!w->granted) {
		WRITE_ONCE(current->state, TASK_SLEEPING_HARD);
		spin_unlock_irqrestore(lock, flags);
		schedule();
		flags = spin_lock_irqsave(lock);
	}
	spin_unlock_irqrestore(lock, flags);
}

static struct task *mutex_owner(const struct mutex *m) { return (struct task *)(atomic64_read(&m->state) & ~MUTEX_WAITERS); }

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	*m = (struct mutex)MUTEX_INIT(*m, name, rank);
}

/* Take it after all, or wait until it is handed over. */
static __attribute__((noinline)) void mutex_wait(struct mutex *m, void *caller)
{
	struct lock_waiter w = { .task = current, .caller = caller };
	u64 flags = spin_lock_irqsave(&m->lock), old = atomic64_read(&m->state);

	/* Until the bit is set the fast paths go on around us. */
	while (!(old & MUTEX_WAITERS) && !atomic64_cmpxchg(&m->state, &old, old ? old | MUTEX_WAITERS : (u64)current))
		;
	if (!old) {
		spin_unlock_irqrestore(&m->lock, flags);
		m->caller = caller;
		return;
	}
	if (mutex_owner(m) == current)
		lock_misuse("mutex taken twice", m->name, m->caller);
	list_add_tail(&w.node, &m->waiters);
	wait_begin(HELD_MUTEX, m, 0, caller);
	wait_for_grant(&m->lock, &w, flags);
	wait_end();
}

/* One step without waiting. */
static inline bool mutex_take(struct mutex *m, void *caller)
{
	u64 free = 0;

	if (unlikely(!atomic64_cmpxchg(&m->state, &free, (u64)current)))
		return false;
	m->caller = caller;
	record(HELD_MUTEX, m, 0, caller);
	return true;
}

static __attribute__((noinline)) void mutex_lock_slow(struct mutex *m, void *caller)
{
	check_take(HELD_MUTEX, m, caller);
	might_sleep();
	if (mutex_take(m, caller))
		return;
	mutex_wait(m, caller);
	record(HELD_MUTEX, m, 0, caller);
}

NO_FRAME void mutex_lock(struct mutex *m)
{
	if (unlikely(!sleeping_is_fine() || !mutex_take(m, CALLER)))
		mutex_lock_slow(m, CALLER);
}

bool mutex_trylock(struct mutex *m) { return mutex_take(m, CALLER); }

static __attribute__((noinline)) void mutex_hand_over(struct mutex *m)
{
	u64 flags = spin_lock_irqsave(&m->lock);
	struct lock_waiter *w = list_first(&m->waiters, struct lock_waiter, node);
	struct task *next = w->task;

	list_del(&w->node);
	m->caller = w->caller;
	atomic64_set(&m->state, (u64)next | (list_empty(&m->waiters) ? 0 : MUTEX_WAITERS));
	w->granted = true;		/* w may be gone as soon as the spinlock is free */
	task_wake(next);
	spin_unlock_irqrestore(&m->lock, flags);
}

/* The record is gone already, or is not the last one. */
static __attribute__((noinline)) void mutex_unlock_slow(struct mutex *m, bool forgotten)
{
	u64 mine = (u64)current;

	if (unlikely(mutex_owner(m) != current))
		lock_misuse("mutex released by another task", m->name, m->caller);
	if (!forgotten)
		forget(HELD_MUTEX, m, 0);
	if (unlikely(!atomic64_cmpxchg(&m->state, &mine, 0)))
		mutex_hand_over(m);
	preempt_if_due();
}

void mutex_unlock(struct mutex *m)
{
	u64 mine = (u64)current;
	bool forgotten = forget_last(HELD_MUTEX, m, 0);

	if (likely(forgotten && atomic64_cmpxchg(&m->state, &mine, 0)))
		preempt_if_due();
	else
		mutex_unlock_slow(m, forgotten);
}

bool mutex_held(const struct mutex *m) { return mutex_owner(m) == current; }

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	*s = (struct rwsem)RWSEM_INIT(*s, name, rank);
}

/* One step without waiting: `take` is added if the lock is free for it. A set WAITERS bit means somebody was first. */
static inline bool rwsem_take(struct rwsem *s, u64 take)
{
	u64 old = 0;

	/* Mostly free; a reader also joins other readers. */
	while (!atomic64_cmpxchg(&s->state, &old, old + take))
		if (take == RWSEM_WRITER || old & (RWSEM_WRITER | RWSEM_WAITERS))
			return false;
	return true;
}

static inline void rwsem_taken(struct rwsem *s, u64 take, void *caller)
{
	if (take == RWSEM_WRITER) {
		s->writer = current;
		s->caller = caller;
	}
	record(take == RWSEM_WRITER ? HELD_WRITE : HELD_READ, s, 0, caller);
}

/* Take it after all, or wait until it is granted. */
static __attribute__((noinline)) void rwsem_wait(struct rwsem *s, u64 take, void *caller)
{
	struct lock_waiter w = { .task = current, .write = take == RWSEM_WRITER, .caller = caller };
	u64 flags, old;

	if (s->writer == current)
		lock_misuse("rwsem taken twice", s->name, s->caller);
	flags = spin_lock_irqsave(&s->lock);
	for (;;) {
		if (rwsem_take(s, take)) {
			spin_unlock_irqrestore(&s->lock, flags);
			return;
		}
		old = atomic64_read(&s->state);
		if (old & RWSEM_WAITERS || (old && atomic64_cmpxchg(&s->state, &old, old | RWSEM_WAITERS)))
			break;
	}
	list_add_tail(&w.node, &s->waiters);
	wait_begin(take == RWSEM_WRITER ? HELD_WRITE : HELD_READ, s, 0, caller);
	wait_for_grant(&s->lock, &w, flags);
	wait_end();
}

/* Give up `held`, and hand the lock to the first waiter, and if that is a reader to all readers up to the next writer. */
static __attribute__((noinline)) void rwsem_hand_over(struct rwsem *s, u64 held)
{
	u64 flags = spin_lock_irqsave(&s->lock), state = atomic64_read(&s->state) - held;

	while (!list_empty(&s->waiters) && !(state & RWSEM_WRITER)) {
		struct lock_waiter *w = list_first(&s->waiters, struct lock_waiter, node);
		struct task *task = w->task;

		if (w->write && state >= RWSEM_READER)
			break;
		list_del(&w->node);
		state += w->write ? RWSEM_WRITER : RWSEM_READER;
		if (w->write)
			s->writer = task;
		w->granted = true;
		task_wake(task);
	}
	if (list_empty(&s->waiters))
		state &= ~RWSEM_WAITERS;
	atomic64_set(&s->state, state);
	spin_unlock_irqrestore(&s->lock, flags);
}

/* If nobody waits one step does it. */
static inline void rwsem_release(struct rwsem *s, u64 held)
{
	u64 old = held;

	while (!atomic64_cmpxchg(&s->state, &old, old - held))
		if (old & RWSEM_WAITERS) {
			rwsem_hand_over(s, held);
			break;
		}
	preempt_if_due();
}

static inline bool rwsem_trylock(struct rwsem *s, u64 take, void *caller)
{
	if (unlikely(!rwsem_take(s, take)))
		return false;
	rwsem_taken(s, take, caller);
	return true;
}

static __attribute__((noinline)) void rwsem_lock_slow(struct rwsem *s, u64 take, const struct rwsem *under, void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_take(&(struct held_lock){ take == RWSEM_WRITER ? HELD_WRITE : HELD_READ, s, 0, caller }, under);
	might_sleep();
	if (rwsem_trylock(s, take, caller))
		return;
	rwsem_wait(s, take, caller);
	rwsem_taken(s, take, caller);
}

NO_FRAME void down_read(struct rwsem *s)
{
	if (unlikely(!sleeping_is_fine() || !rwsem_trylock(s, RWSEM_READER, CALLER)))
		rwsem_lock_slow(s, RWSEM_READER, NULL, CALLER);
}

NO_FRAME void down_write(struct rwsem *s)
{
	if (unlikely(!sleeping_is_fine() || !rwsem_trylock(s, RWSEM_WRITER, CALLER)))
		rwsem_lock_slow(s, RWSEM_WRITER, NULL, CALLER);
}

void down_write_nested(struct rwsem *s, const struct rwsem *under) { rwsem_lock_slow(s, RWSEM_WRITER, under, CALLER); }
bool down_read_trylock(struct rwsem *s) { return rwsem_trylock(s, RWSEM_READER, CALLER); }
bool down_write_trylock(struct rwsem *s) { return rwsem_trylock(s, RWSEM_WRITER, CALLER); }

static __attribute__((noinline)) void up_read_slow(struct rwsem *s, bool forgotten)
{
	ASSERT(atomic64_read(&s->state) >= RWSEM_READER);
	if (!forgotten)
		forget(HELD_READ, s, 0);
	rwsem_release(s, RWSEM_READER);
}

void up_read(struct rwsem *s)
{
	u64 alone = RWSEM_READER;
	bool forgotten = forget_last(HELD_READ, s, 0);

	if (likely(forgotten && atomic64_cmpxchg(&s->state, &alone, 0)))
		preempt_if_due();
	else
		up_read_slow(s, forgotten);
}

static __attribute__((noinline)) void up_write_slow(struct rwsem *s, bool forgotten)
{
	if (!forgotten) {
		if (unlikely(s->writer != current))
			lock_misuse("rwsem released by another task", s->name, s->caller);
		forget(HELD_WRITE, s, 0);
		s->writer = NULL;
	}
	rwsem_release(s, RWSEM_WRITER);
}

void up_write(struct rwsem *s)
{
	u64 alone = RWSEM_WRITER;
	bool forgotten = forget_last(HELD_WRITE, s, 0);

	if (likely(forgotten)) {
		s->writer = NULL;
		if (likely(atomic64_cmpxchg(&s->state, &alone, 0))) {
			preempt_if_due();
			return;
		}
	}
	up_write_slow(s, forgotten);
}

bool rwsem_held(const struct rwsem *s) { return atomic64_read(&s->state) != 0; }
