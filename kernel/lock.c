/*
 * Spinlocks, mutexes, reader-writer semaphores, and the record of who holds what.
 *
 * The checks that are always on: taking a spinlock twice, unlocking what another took, sleeping with preemption off or
 * page faults disabled. Each is a panic that names the lock and the first caller. What costs more is in kernel/lockcheck.c,
 * called if (DEBUG_BUILD).
 */
#include "kernel/lock.h"

#include "kernel/cpu.h"
#include "kernel/hang.h"
#include "kernel/held.h"
#include "kernel/lockcheck.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

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
static __attribute__((noinline)) void forget_slow(enum held_kind kind, const void *object, u64 index)
{
	struct task *t = current;
	int n = min(t->held_count, HELD_MAX), i = n - 1;

	for (; i >= 0; i--)
		if (t->held[i].object == object && t->held[i].kind == kind && (kind != HELD_PAGE || t->held[i].index == index))
			break;
	if (i < 0) {
		struct held_lock h = { kind, object, index, NULL };

		if (t->held_count <= HELD_MAX)		/* otherwise it may be one that was not recorded */
			lock_misuse("released by a task that does not hold it", held_name(&h), NULL);
	} else {
		for (; i < n - 1; i++)
			t->held[i] = t->held[i + 1];
		erase(t, (unsigned)n - 1);
	}
	barrier();
	WRITE_ONCE(t->held_count, t->held_count - 1);
}

static inline void forget(enum held_kind kind, const void *object, u64 index)
{
	struct task *t = current;
	unsigned last = (unsigned)t->held_count - 1;

	if (likely(last < HELD_MAX && t->held[last].object == object && t->held[last].kind == kind &&
		   (kind != HELD_PAGE || t->held[last].index == index))) {
		erase(t, last);
		WRITE_ONCE(t->held_count, (int)last);
	} else {
		forget_slow(kind, object, index);
	}
}

/* If the last record is this one, take it off: it proves that the lock is ours. False: nothing was done. */
static inline bool forget_last(enum held_kind kind, const void *object)
{
	struct task *t = current;
	unsigned last = (unsigned)t->held_count - 1;

	if (unlikely(last >= HELD_MAX || t->held[last].object != object || t->held[last].kind != kind))
		return false;
	erase(t, last);
	WRITE_ONCE(t->held_count, (int)last);
	return true;
}

void held_add(enum held_kind kind, const void *object, u64 index, void *caller) { record(kind, object, index, caller); }
void held_remove(enum held_kind kind, const void *object, u64 index) { forget(kind, object, index); }

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

/* --- and of who waits --- */

struct spinlock waits_lock = SPINLOCK_INIT("waits", RANK_WAITS);

void wait_begin(enum held_kind kind, const void *object, u64 index, void *caller)
{
	struct task *t = current;

	t->waits_for.kind = kind;
	t->waits_for.index = index;
	t->waits_for.caller = caller;
	t->wait_since_ns = ktime_ns();
	t->hang_reported = false;
	smp_store_release(&t->waits_for.object, object);
}

void wait_end(void)
{
	spin_lock(&waits_lock);
	WRITE_ONCE(current->waits_for.object, NULL);
	spin_unlock(&waits_lock);
}

/* --- preemption --- */

static inline void preempt_off(void)
{
	__asm__ volatile("incl %%gs:32" ::: "memory", "cc");
}

static __attribute__((noinline)) void preempt_if_allowed(void)
{
	if (!irqs_off())
		preempt_here();
}

static inline void preempt_on(void)
{
	bool zero;

	__asm__ volatile("decl %%gs:32" : "=@ccz"(zero) :: "memory");
	if (zero && unlikely(need_resched()))
		preempt_if_allowed();
}

void preempt_disable(void) { preempt_off(); }
void preempt_enable(void) { preempt_on(); }

static __attribute__((noinline)) void might_sleep_slow(void)
{
	if (preempt_count() || current->pagefault_disabled)
		panic("sleeping where that is forbidden: preempt count %d, page faults disabled %d", preempt_count(), current->pagefault_disabled);
	preempt_if_allowed();
}

void might_sleep(void)
{
	if (DEBUG_BUILD)
		lockcheck_sleep(CALLER);
	if (unlikely(preempt_word() | (u32)current->pagefault_disabled))
		might_sleep_slow();
}

/* A sleeping lock was released: somebody else may want to run, and kernel/explore.c to have its say. */
static inline void released(void)
{
	if (unlikely(need_resched()) && !preempt_count())
		preempt_if_allowed();
}

/* --- spinlocks --- */

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

/* Somebody has it. */
static __attribute__((noinline)) void spin_until_free(struct spinlock *lock, int id)
{
	int free = 0;
	u32 turns = 0;

	if (atomic_read(&lock->locked) == id)
		lock_misuse("spinlock taken twice", lock->name, lock->caller);
	/* Not by an exchange: that would overwrite the owner's number where somebody else was faster. */
	while (atomic_read(&lock->locked) || !atomic_cmpxchg(&lock->locked, &free, id)) {
		cpu_relax();
		free = 0;
		if (unlikely(++turns % HANG_SPINS == 0))
			hang_spinning(lock, turns == HANG_SPINS);
	}
	if (unlikely(turns >= HANG_SPINS))
		WRITE_ONCE(current->waits_for.object, NULL);
}

static __attribute__((noinline)) void acquire_slow(struct spinlock *lock, void *caller)
{
	spin_until_free(lock, cpu_id() + 1);
	lock->caller = caller;
	record(HELD_SPIN, lock, 0, caller);
}

/* The common case is straight code without a frame's worth of registers to save: a pair costs some 50 instructions, records and checks included. */
static inline void acquire(struct spinlock *lock, void *caller)
{
	int free = 0;

	check_take(HELD_SPIN, lock, caller);
	if (unlikely(!atomic_cmpxchg(&lock->locked, &free, cpu_id() + 1))) {
		acquire_slow(lock, caller);
		return;
	}
	lock->caller = caller;
	record(HELD_SPIN, lock, 0, caller);
}

static __attribute__((noinline)) void release_slow(struct spinlock *lock)
{
	if (atomic_read(&lock->locked) != cpu_id() + 1)
		lock_misuse("spinlock released that this CPU does not hold", lock->name, lock->caller);
	forget_slow(HELD_SPIN, lock, 0);
	smp_store_release(&lock->locked.v, 0);
}

/* False: something is not as usual, release_slow() has to look. That the last record names the lock proves that it is ours: a lock is no other kind's object. */
static inline bool release(struct spinlock *lock)
{
	struct task *t = current;
	unsigned last = (unsigned)t->held_count - 1;

	if (unlikely(last >= HELD_MAX || t->held[last].object != lock))
		return false;
	erase(t, last);
	WRITE_ONCE(t->held_count, (int)last);
	smp_store_release(&lock->locked.v, 0);
	return true;
}

NO_FRAME void spin_lock(struct spinlock *lock)
{
	preempt_off();
	acquire(lock, CALLER);
}

static __attribute__((noinline)) void spin_unlock_slow(struct spinlock *lock)
{
	release_slow(lock);
	preempt_on();
}

void spin_unlock(struct spinlock *lock)
{
	if (likely(release(lock)))
		preempt_on();
	else
		spin_unlock_slow(lock);
}

bool spin_trylock(struct spinlock *lock)
{
	int free = 0;

	preempt_off();
	if (!atomic_cmpxchg(&lock->locked, &free, cpu_id() + 1)) {
		preempt_on();
		return false;
	}
	check_tried(HELD_SPIN, lock, CALLER);
	lock->caller = CALLER;
	record(HELD_SPIN, lock, 0, lock->caller);
	return true;
}

static __attribute__((noinline)) u64 irqsave_slow(struct spinlock *lock, u64 flags, void *caller)
{
	acquire(lock, caller);
	return flags;
}

NO_FRAME u64 spin_lock_irqsave(struct spinlock *lock)
{
	u64 flags = irq_save();
	int free = 0;

	preempt_off();
	if (DEBUG_BUILD || unlikely(!atomic_cmpxchg(&lock->locked, &free, cpu_id() + 1)))
		return irqsave_slow(lock, flags, CALLER);
	lock->caller = CALLER;
	record(HELD_SPIN, lock, 0, CALLER);
	return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, u64 flags)
{
	if (unlikely(!release(lock)))
		release_slow(lock);
	irq_restore(flags);
	preempt_on();
}

bool spin_held(const struct spinlock *lock)
{
	return atomic_read(&lock->locked) == cpu_id() + 1;
}

/* --- sleeping locks: first come, first served; a lock is handed over to the waiter, never raced for --- */

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

static __attribute__((noinline)) void mutex_lock_slow(struct mutex *m, void *caller)
{
	u64 free = 0;

	check_take(HELD_MUTEX, m, caller);
	might_sleep();
	if (likely(atomic64_cmpxchg(&m->state, &free, (u64)current)))
		m->caller = caller;
	else
		mutex_wait(m, caller);
	record(HELD_MUTEX, m, 0, caller);
}

NO_FRAME void mutex_lock(struct mutex *m)
{
	u64 free = 0;

	if (unlikely(!sleeping_is_fine() || !atomic64_cmpxchg(&m->state, &free, (u64)current))) {
		mutex_lock_slow(m, CALLER);
		return;
	}
	m->caller = CALLER;
	record(HELD_MUTEX, m, 0, CALLER);
}

bool mutex_trylock(struct mutex *m)
{
	u64 free = 0;

	if (!atomic64_cmpxchg(&m->state, &free, (u64)current))
		return false;
	m->caller = CALLER;
	record(HELD_MUTEX, m, 0, CALLER);
	return true;
}

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
	released();
}

void mutex_unlock(struct mutex *m)
{
	u64 mine = (u64)current;
	bool forgotten = forget_last(HELD_MUTEX, m);

	if (likely(forgotten && atomic64_cmpxchg(&m->state, &mine, 0)))
		released();
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
	released();
}

static __attribute__((noinline)) void rwsem_lock_slow(struct rwsem *s, u64 take, const struct rwsem *under, void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_take(&(struct held_lock){ take == RWSEM_WRITER ? HELD_WRITE : HELD_READ, s, 0, caller }, under);
	might_sleep();
	if (unlikely(!rwsem_take(s, take)))
		rwsem_wait(s, take, caller);
	rwsem_taken(s, take, caller);
}

/* The usual case: false leaves everything to rwsem_lock_slow(). */
static inline bool rwsem_lock_fast(struct rwsem *s, u64 take, void *caller)
{
	if (unlikely(!sleeping_is_fine() || !rwsem_take(s, take)))
		return false;
	rwsem_taken(s, take, caller);
	return true;
}

static inline bool rwsem_trylock(struct rwsem *s, u64 take, void *caller)
{
	if (!rwsem_take(s, take))
		return false;
	rwsem_taken(s, take, caller);
	return true;
}

NO_FRAME void down_read(struct rwsem *s)
{
	if (!rwsem_lock_fast(s, RWSEM_READER, CALLER))
		rwsem_lock_slow(s, RWSEM_READER, NULL, CALLER);
}

NO_FRAME void down_write(struct rwsem *s)
{
	if (!rwsem_lock_fast(s, RWSEM_WRITER, CALLER))
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
	bool forgotten = forget_last(HELD_READ, s);

	if (likely(forgotten && atomic64_cmpxchg(&s->state, &alone, 0)))
		released();
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
	bool forgotten = forget_last(HELD_WRITE, s);

	if (likely(forgotten)) {
		s->writer = NULL;
		if (likely(atomic64_cmpxchg(&s->state, &alone, 0))) {
			released();
			return;
		}
	}
	up_write_slow(s, forgotten);
}

bool rwsem_held(const struct rwsem *s) { return atomic64_read(&s->state) != 0; }
