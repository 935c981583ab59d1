/*
 * Spinlocks, preemption, and the record of who holds what and waits for what. Mutexes and rwsems: kernel/sleeplock.c.
 *
 * The checks that are always on: taking a spinlock twice, unlocking what another took, sleeping with preemption off or
 * page faults disabled. Each is a panic that names the lock and the first caller. What costs more is in kernel/lockcheck.c,
 * called if (DEBUG_BUILD).
 */
#include "kernel/lock.h"

#include "kernel/cpu.h"
#include "kernel/hang.h"
#include "kernel/lockrecord.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

/* --- records --- */

/* Where the record of a lock is; of object NULL, a place that stands for a lock without one. -1: nowhere. */
static int find_record(const struct task *t, enum held_kind kind, const void *object, u64 index)
{
	int i = min(t->held_count, HELD_MAX) - 1;

	while (i >= 0 && (t->held[i].object != object || (object && (t->held[i].kind != kind || (kind == HELD_PAGE && t->held[i].index != index)))))
		i--;
	return i;
}

/*
 * Of more than HELD_MAX locks the last ones have no record. When one that has is released before them, the last place stands for one of those from
 * then on, with no object: so all places below held_count are in use, and who is not found is known to be one of those, or none of ours.
 */
void forget_slow(enum held_kind kind, const void *object, u64 index)
{
	struct task *t = current;
	int n = min(t->held_count, HELD_MAX), i = find_record(t, kind, object, index);

	if (i < 0 && t->held_count <= HELD_MAX && (i = find_record(t, kind, NULL, 0)) < 0) {
		struct held_lock h = { kind, object, index, NULL };

		lock_misuse("released by a task that does not hold it", held_name(&h), NULL);
	}
	if (i >= 0) {
		for (; i < n - 1; i++)
			t->held[i] = t->held[i + 1];
		t->held[n - 1].object = NULL;
	}
	barrier();
	WRITE_ONCE(t->held_count, t->held_count - 1);
}

void held_add(enum held_kind kind, const void *object, u64 index, void *caller) { record(kind, object, index, caller); }
void held_remove(enum held_kind kind, const void *object, u64 index) { forget(kind, object, index); }

/* --- and of who waits --- */

struct spinlock waits_lock = SPINLOCK_INIT("waits", RANK_WAITS);

/* The object goes first and comes last: who reads it twice, and what is beside it in between, has one wait's. */
static void wait_set(struct task *t, const struct held_lock *lock, u64 since_ns, bool reported)
{
	WRITE_ONCE(t->waits_for.object, NULL);
	barrier();
	t->waits_for.kind = lock->kind;
	t->waits_for.index = lock->index;
	t->waits_for.caller = lock->caller;
	t->wait_since_ns = since_ns;
	t->hang_reported = reported;
	smp_store_release(&t->waits_for.object, lock->object);
}

void wait_begin(enum held_kind kind, const void *object, u64 index, void *caller)
{
	wait_set(current, &(struct held_lock){ kind, object, index, caller }, ktime_ns(), false);
}

void wait_end(void)
{
	spin_lock(&waits_lock);
	WRITE_ONCE(current->waits_for.object, NULL);
	spin_unlock(&waits_lock);
}

/* --- preemption --- */

void preempt_if_allowed(void)
{
	if (!irqs_off())
		preempt_here();
}

void preempt_disable(void) { preempt_off(); }
void preempt_enable(void) { preempt_on(); }

void might_sleep_slow(void)
{
	if (DEBUG_BUILD)
		lockcheck_sleep(CALLER);
	if (preempt_count() || current->pagefault_disabled)
		panic("sleeping where that is forbidden: preempt count %d, page faults disabled %d", preempt_count(), current->pagefault_disabled);
	preempt_if_due();
}

/* --- spinlocks --- */

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

/* Somebody has it. A task that waits may spin for another lock in between, in an interrupt for example: then it waits on. */
static __attribute__((noinline)) void spin_until_free(struct spinlock *lock, int id)
{
	struct task *t = current;
	struct held_lock outer;
	u64 since_ns = 0, turns = 0;
	bool reported = false;
	int free = 0;

	if (atomic_read(&lock->locked) == id)
		lock_misuse("spinlock taken twice", lock->name, lock->caller);
	/* Not by an exchange: that would overwrite the owner's number where somebody else was faster. */
	while (atomic_read(&lock->locked) || !atomic_cmpxchg(&lock->locked, &free, id)) {
		cpu_relax();
		free = 0;
		if (likely(++turns % HANG_SPINS))
			continue;
		if (turns == HANG_SPINS) {
			outer = t->waits_for;
			since_ns = t->wait_since_ns;
			reported = t->hang_reported;
			wait_begin(HELD_SPIN, lock, 0, NULL);
		}
		hang_spinning(lock, turns);
	}
	if (unlikely(turns >= HANG_SPINS))
		wait_set(t, &outer, since_ns, reported);
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
