/*
 * Spinlocks, mutexes, reader-writer semaphores, and the record of who holds what.
 *
 * The checks that are always on: taking a spinlock twice, unlocking what another took, sleeping with preemption off or
 * page faults disabled. Each is a panic that names the lock and the first caller.
 */
#include "kernel/lock.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/sched.h"

#define CALLER __builtin_return_address(0)

/* --- records --- */

void held_add(enum held_kind kind, const void *object, u64 index, void *caller)
{
	struct task *t = current;
	int i = t->held_count;

	/* Take the place first: an interrupt may come between the two and add and remove its own above it. */
	WRITE_ONCE(t->held_count, i + 1);
	barrier();
	if (likely(i < HELD_MAX))
		t->held[i] = (struct held_lock){ kind, object, index, caller };
}

void held_remove(enum held_kind kind, const void *object, u64 index)
{
	struct task *t = current;
	int n = min(t->held_count, HELD_MAX), i = n - 1;

	for (; i >= 0; i--)
		if (t->held[i].object == object && t->held[i].index == index && t->held[i].kind == kind)
			break;
	if (i < 0) {
		ASSERT(t->held_count > HELD_MAX);	/* not recorded: deeper than we keep */
	} else {
		for (; i < n - 1; i++)
			t->held[i] = t->held[i + 1];
	}
	barrier();
	WRITE_ONCE(t->held_count, t->held_count - 1);
}

static __noreturn void misuse(const char *what, const char *name, void *first)
{
	char where[80];

	symbol_name(first, where, sizeof(where));
	panic("%s: %s (taken at %s)", what, name, where);
}

/* --- preemption --- */

void preempt_disable(void)
{
	__asm__ volatile("incl %%gs:32" ::: "memory", "cc");
}

void preempt_enable(void)
{
	bool zero;

	__asm__ volatile("decl %%gs:32" : "=@ccz"(zero) :: "memory");
	if (zero && unlikely(this_cpu()->need_resched) && !irqs_off())
		schedule_preempt();
}

void might_sleep(void)
{
	if (unlikely(this_cpu()->preempt_count || current->pagefault_disabled))
		panic("sleeping where that is forbidden: preempt count %d, page faults disabled %d", this_cpu()->preempt_count,
		      current->pagefault_disabled);
}

/* --- spinlocks --- */

void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}

static void acquire(struct spinlock *lock, void *caller)
{
	int id = this_cpu()->id;

	if (unlikely(atomic_xchg(&lock->locked, 1))) {
		if (READ_ONCE(lock->cpu) == id)
			misuse("spinlock taken twice", lock->name, lock->caller);
		while (atomic_read(&lock->locked) || atomic_xchg(&lock->locked, 1))
			cpu_relax();
	}
	lock->cpu = (s16)id;
	lock->caller = caller;
	held_add(HELD_SPIN, lock, 0, caller);
}

static void release(struct spinlock *lock)
{
	if (unlikely(lock->cpu != this_cpu()->id))
		misuse("spinlock released that this CPU does not hold", lock->name, lock->caller);
	held_remove(HELD_SPIN, lock, 0);
	lock->cpu = -1;
	smp_store_release(&lock->locked.v, 0);
}

void spin_lock(struct spinlock *lock)
{
	preempt_disable();
	acquire(lock, CALLER);
}

void spin_unlock(struct spinlock *lock)
{
	release(lock);
	preempt_enable();
}

bool spin_trylock(struct spinlock *lock)
{
	preempt_disable();
	if (atomic_xchg(&lock->locked, 1)) {
		preempt_enable();
		return false;
	}
	lock->cpu = (s16)this_cpu()->id;
	lock->caller = CALLER;
	held_add(HELD_SPIN, lock, 0, lock->caller);
	return true;
}

u64 spin_lock_irqsave(struct spinlock *lock)
{
	u64 flags = irq_save();

	preempt_disable();
	acquire(lock, CALLER);
	return flags;
}

void spin_unlock_irqrestore(struct spinlock *lock, u64 flags)
{
	release(lock);
	irq_restore(flags);
	preempt_enable();
}

bool spin_held(const struct spinlock *lock)
{
	return atomic_read(&lock->locked) && lock->cpu == this_cpu()->id;
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

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	*m = (struct mutex)MUTEX_INIT(*m, name, rank);
}

void mutex_lock(struct mutex *m)
{
	struct lock_waiter w = { .task = current, .caller = CALLER };
	u64 flags;

	might_sleep();
	flags = spin_lock_irqsave(&m->lock);
	if (!m->owner) {
		m->owner = current;
		m->caller = w.caller;
		spin_unlock_irqrestore(&m->lock, flags);
	} else {
		if (m->owner == current)
			misuse("mutex taken twice", m->name, m->caller);
		list_add_tail(&w.node, &m->waiters);
		wait_for_grant(&m->lock, &w, flags);
	}
	held_add(HELD_MUTEX, m, 0, w.caller);
}

bool mutex_trylock(struct mutex *m)
{
	u64 flags = spin_lock_irqsave(&m->lock);
	bool got = !m->owner;

	if (got) {
		m->owner = current;
		m->caller = CALLER;
	}
	spin_unlock_irqrestore(&m->lock, flags);
	if (got)
		held_add(HELD_MUTEX, m, 0, CALLER);
	return got;
}

void mutex_unlock(struct mutex *m)
{
	u64 flags = spin_lock_irqsave(&m->lock);
	struct task *wake = NULL;

	if (m->owner != current)
		misuse("mutex released by another task", m->name, m->caller);
	held_remove(HELD_MUTEX, m, 0);
	m->owner = NULL;
	if (!list_empty(&m->waiters)) {
		struct lock_waiter *w = list_first(&m->waiters, struct lock_waiter, node);
		list_del(&w->node);
		m->owner = wake = w->task;
		m->caller = w->caller;
		w->granted = true;	/* w may be gone as soon as the spinlock is free */
		task_wake(wake);
	}
	spin_unlock_irqrestore(&m->lock, flags);
}

bool mutex_held(const struct mutex *m) { return READ_ONCE(m->owner) == current; }

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	*s = (struct rwsem)RWSEM_INIT(*s, name, rank);
}

/* Hand the lock to the first waiter, and if that is a reader to all readers up to the next writer. */
static void rwsem_grant(struct rwsem *s)
{
	while (!list_empty(&s->waiters) && !s->writer) {
		struct lock_waiter *w = list_first(&s->waiters, struct lock_waiter, node);
		struct task *task = w->task;

		if (w->write && s->readers)
			return;
		list_del(&w->node);
		if (w->write) {
			s->writer = task;
			s->caller = w->caller;
		} else {
			s->readers++;
		}
		w->granted = true;
		task_wake(task);
	}
}

static void rwsem_lock(struct rwsem *s, bool write, void *caller)
{
	struct lock_waiter w = { .task = current, .write = write, .caller = caller };
	u64 flags;

	might_sleep();
	flags = spin_lock_irqsave(&s->lock);
	if (s->writer == current)
		misuse("rwsem taken twice", s->name, s->caller);
	list_add_tail(&w.node, &s->waiters);
	if (list_first(&s->waiters, struct lock_waiter, node) == &w) {
		/* Nobody waits before us: take it now if that is possible. */
		if (!s->writer && !(write && s->readers)) {
			list_del(&w.node);
			w.granted = true;
			if (write) {
				s->writer = current;
				s->caller = caller;
			} else {
				s->readers++;
			}
		}
	}
	wait_for_grant(&s->lock, &w, flags);
	held_add(write ? HELD_WRITE : HELD_READ, s, 0, caller);
}

static bool rwsem_trylock(struct rwsem *s, bool write, void *caller)
{
	u64 flags = spin_lock_irqsave(&s->lock);
	bool got = !s->writer && !(write && s->readers) && list_empty(&s->waiters);

	if (got && write) {
		s->writer = current;
		s->caller = caller;
	} else if (got) {
		s->readers++;
	}
	spin_unlock_irqrestore(&s->lock, flags);
	if (got)
		held_add(write ? HELD_WRITE : HELD_READ, s, 0, caller);
	return got;
}

void down_read(struct rwsem *s) { rwsem_lock(s, false, CALLER); }
void down_write(struct rwsem *s) { rwsem_lock(s, true, CALLER); }
bool down_read_trylock(struct rwsem *s) { return rwsem_trylock(s, false, CALLER); }
bool down_write_trylock(struct rwsem *s) { return rwsem_trylock(s, true, CALLER); }

void up_read(struct rwsem *s)
{
	u64 flags = spin_lock_irqsave(&s->lock);

	ASSERT(s->readers > 0);
	held_remove(HELD_READ, s, 0);
	s->readers--;
	rwsem_grant(s);
	spin_unlock_irqrestore(&s->lock, flags);
}

void up_write(struct rwsem *s)
{
	u64 flags = spin_lock_irqsave(&s->lock);

	if (s->writer != current)
		misuse("rwsem released by another task", s->name, s->caller);
	held_remove(HELD_WRITE, s, 0);
	s->writer = NULL;
	rwsem_grant(s);
	spin_unlock_irqrestore(&s->lock, flags);
}

bool rwsem_held(const struct rwsem *s) { return READ_ONCE(s->writer) || READ_ONCE(s->readers); }
