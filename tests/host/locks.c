/*
 * Locks of the hosted tests. Checked on the way: ranks, recursion, foreign unlock, sleeping where it is forbidden.
 * Waiting is the scheduler's business: a task that spins or sleeps here just cannot run. Wait queues are the kernel's own (kernel/wait.c).
 */
#include "sched.h"

struct lock_waiter {
	struct list_head node;
	struct host_task *task;
	bool write, granted;
};
bool host_lenient_faults;

/* --- what is held --- */
static void hold(enum held_kind kind, const void *object, u64 index, unsigned rank, const char *name, bool tried)
{
	struct host_task *me = host_running;
	for (int i = 0; i < me->nr_held; i++) {
		struct held *h = &me->held[i];
		bool same_ok = rank == h->rank && (rank == RANK_INODE || rank == RANK_TABLE_FILE || rank == RANK_TABLE_PROCESS || (rank == RANK_PIPE && h->object < object));
		if (!tried && !host_lenient_faults && h->rank >= rank && !same_ok)
			host_fail("lock order: %s (rank %u) taken while %s (rank %u) is held", name, rank, h->name, h->rank);
	}
	if (me->nr_held == MAX_HELD)
		host_fail("too many locks held");
	me->held[me->nr_held++] = (struct held){ kind, object, index, rank, name };
	me->nr_spins += kind == HELD_SPIN;
}
static void unhold(enum held_kind kind, const void *object, u64 index, const char *name)
{
	struct host_task *me = host_running;
	for (int i = me->nr_held - 1; i >= 0; i--) {
		struct held *h = &me->held[i];
		if (h->object != object || h->index != index || h->kind != kind)
			continue;
		memmove(h, h + 1, (me->nr_held - 1 - i) * sizeof(*h));
		me->nr_held--;
		me->nr_spins -= kind == HELD_SPIN;
		return;
	}
	host_fail("%s released by %s, which does not hold it", name, me->t.name);
}
/* Page locks: the order is checked for what is taken below them; taking them is often a try. */
void held_add(enum held_kind kind, const void *object, u64 index, void *caller)
{
	(void)caller;
	unsigned rank = kind == HELD_PAGE ? ((const struct address_space *)object)->lock_rank : RANK_FILE_POS;
	hold(kind, object, index, rank, kind == HELD_PAGE ? "page lock" : "held", true);
}
void wait_begin(enum held_kind kind, const void *object, u64 index, void *caller)
{
	host_running->t.waits_for = (struct held_lock){ kind, object, index, caller };
}
void wait_end(void) { host_running->t.waits_for.object = NULL; }
void held_remove(enum held_kind kind, const void *object, u64 index) { unhold(kind, object, index, "page lock"); }

/* --- preemption --- */
void preempt_disable(void) { this_cpu()->preempt_count++; }
void preempt_enable(void)
{
	if (this_cpu()->preempt_count-- <= 0)
		host_fail("preempt_enable without preempt_disable");
}

/* --- spinlocks: a task that finds one taken waits as a spinning CPU would --- */
void spin_init(struct spinlock *lock, const char *name, enum lock_rank rank)
{
	*lock = (struct spinlock)SPINLOCK_INIT(name, rank);
}
/* The allocators' order among tasks does not matter when all schedules are wanted. */
static void spin_point(const struct spinlock *lock)
{
	if (!host_points || lock->rank < RANK_SLAB)
		host_access(lock->name, lock, true);
}
static void spin_take(struct spinlock *lock, bool tried)
{
	hold(HELD_SPIN, lock, 0, lock->rank, lock->name, tried);
	lock->locked.v = this_cpu()->id + 1;
	lock->caller = NULL;
}
/* A plain store: it may stay in the buffer behind what was stored under the lock. */
static void spin_free(struct spinlock *lock)
{
	if (!host_tso || !host_tso_store(&lock->locked.v, 0, sizeof(lock->locked.v)))
		lock->locked.v = 0;
}
void spin_lock(struct spinlock *lock)
{
	spin_point(lock);
	tso_drain(host_running, 0);
	while (lock->locked.v) {
		if (lock->locked.v == this_cpu()->id + 1)
			host_fail("spinlock %s taken twice", lock->name);
		host_running->spinning = lock;
		host_pick(lock->name, false);
		host_running->spinning = NULL;
	}
	spin_take(lock, false);
}
bool spin_trylock(struct spinlock *lock)
{
	spin_point(lock);
	tso_drain(host_running, 0);
	if (lock->locked.v)
		return false;
	spin_take(lock, true);
	return true;
}
void spin_unlock(struct spinlock *lock)
{
	unhold(HELD_SPIN, lock, 0, lock->name);
	spin_free(lock);
	spin_point(lock);
}
u64 spin_lock_irqsave(struct spinlock *lock)
{
	u64 flags = irq_save();
	spin_lock(lock);
	return flags;
}
void spin_unlock_irqrestore(struct spinlock *lock, u64 flags)
{
	unhold(HELD_SPIN, lock, 0, lock->name);
	spin_free(lock);
	irq_restore(flags);
	spin_point(lock);
}
bool spin_held(const struct spinlock *lock)
{
	if (host_tso)
		host_tso_load(&lock->locked.v);
	return lock->locked.v == this_cpu()->id + 1;
}

/* --- sleeping locks, first come first served, handed over directly; here state is the owner, or the number of readers --- */
static void lock_wait(struct list_head *waiters, bool write, const char *name)
{
	struct lock_waiter w = { .task = host_running, .write = write };
	list_add_tail(&w.node, waiters);
	while (!w.granted) {
		host_running->t.state = TASK_SLEEPING_HARD;
		host_pick(name, false);
	}
}
static void grant(struct lock_waiter *w)
{
	list_del(&w->node);
	w->granted = true;
	w->task->t.state = TASK_RUNNABLE;
}
/* Before a sleeping lock is taken; or tried. */
static void about_to_lock(const void *lock, const char *name, bool tried)
{
	if (!tried)
		host_can_sleep(name);
	host_access(name, lock, true);
	tso_drain(host_running, 0);
}

void mutex_init(struct mutex *m, const char *name, enum lock_rank rank)
{
	memset(m, 0, sizeof(*m));
	list_init(&m->waiters);
	m->name = name;
	m->rank = rank;
}
void mutex_lock(struct mutex *m)
{
	about_to_lock(m, m->name, false);
	if (m->state.v == (u64)&host_running->t)
		host_fail("mutex %s taken twice", m->name);
	hold(HELD_MUTEX, m, 0, m->rank, m->name, false);
	if (m->state.v)
		lock_wait(&m->waiters, true, m->name);
	m->state.v = (u64)&host_running->t;
}
bool mutex_trylock(struct mutex *m)
{
	about_to_lock(m, m->name, true);
	if (m->state.v || !list_empty(&m->waiters))
		return false;
	hold(HELD_MUTEX, m, 0, m->rank, m->name, true);
	m->state.v = (u64)&host_running->t;
	return true;
}
void mutex_unlock(struct mutex *m)
{
	unhold(HELD_MUTEX, m, 0, m->name);
	tso_drain(host_running, 0);
	if (list_empty(&m->waiters)) {
		m->state.v = 0;
	} else {
		struct lock_waiter *w = list_first(&m->waiters, struct lock_waiter, node);
		m->state.v = (u64)&w->task->t;
		grant(w);
	}
	host_access(m->name, m, true);
}
bool mutex_held(const struct mutex *m) { return m->state.v == (u64)&host_running->t; }

void rwsem_init(struct rwsem *s, const char *name, enum lock_rank rank)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->waiters);
	s->name = name;
	s->rank = rank;
}
static void rwsem_grant(struct rwsem *s)
{
	while (!list_empty(&s->waiters) && !s->writer) {
		struct lock_waiter *w = list_first(&s->waiters, struct lock_waiter, node);
		if (w->write && s->state.v)
			return;
		if (w->write)
			s->writer = &w->task->t;
		else
			s->state.v++;
		grant(w);
	}
}
void down_read(struct rwsem *s)
{
	about_to_lock(s, s->name, false);
	hold(HELD_READ, s, 0, s->rank, s->name, false);
	if (s->writer || !list_empty(&s->waiters))
		lock_wait(&s->waiters, false, s->name);
	else
		s->state.v++;
}
bool down_read_trylock(struct rwsem *s)
{
	about_to_lock(s, s->name, true);
	if (s->writer || !list_empty(&s->waiters))
		return false;
	hold(HELD_READ, s, 0, s->rank, s->name, true);
	s->state.v++;
	return true;
}
void up_read(struct rwsem *s)
{
	unhold(HELD_READ, s, 0, s->name);
	tso_drain(host_running, 0);
	s->state.v--;
	rwsem_grant(s);
	host_access(s->name, s, true);
}
void down_write(struct rwsem *s)
{
	about_to_lock(s, s->name, false);
	hold(HELD_WRITE, s, 0, s->rank, s->name, false);
	if (s->writer || s->state.v || !list_empty(&s->waiters))
		lock_wait(&s->waiters, true, s->name);
	else
		s->writer = &host_running->t;
}
/* A second one of the same rank; the caller knows an order. */
void down_write_nested(struct rwsem *s, const struct rwsem *under)
{
	if (under->writer != &host_running->t || under->rank != s->rank)
		host_fail("%s nests under %s, which is not held or of another rank", s->name, under->name);
	down_write(s);
}
bool down_write_trylock(struct rwsem *s)
{
	about_to_lock(s, s->name, true);
	if (s->writer || s->state.v || !list_empty(&s->waiters))
		return false;
	hold(HELD_WRITE, s, 0, s->rank, s->name, true);
	s->writer = &host_running->t;
	return true;
}
void up_write(struct rwsem *s)
{
	unhold(HELD_WRITE, s, 0, s->name);
	tso_drain(host_running, 0);
	s->writer = NULL;
	rwsem_grant(s);
	host_access(s->name, s, true);
}
bool rwsem_held(const struct rwsem *s) { return s->writer || s->state.v; }
