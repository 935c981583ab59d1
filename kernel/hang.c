/*
 * The hang detector: a kernel thread that looks twice a second for tasks that have waited too long for a lock (wait_begin()), and follows
 * from each to who holds that lock, to what that one waits for, and so on. If this leads back it is a cycle, and it says so. Who waits for
 * anything else than a lock (a reader of a pipe, a sleeper) does not hang. It reads other tasks without their locks: what it prints is a
 * snapshot. How long somebody waits is counted in looks, not by the clock: that goes on when the whole machine stands still (a virtual one
 * that its host forgets for some seconds), and then nobody has waited for long.
 *
 * A CPU that spins for a spinlock looks itself (hang_spinning()): perhaps no thread runs any more. It counts turns, too.
 */
#include "kernel/hang.h"

#include "kernel/backtrace.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/held.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "kernel/usermode.h"
#include "mm/pagecache.h"
#include "mm/vmstat.h"

#define SECOND_NS 1000000000UL
#define PERIOD_NS (SECOND_NS / 2)
#define MAX_CHAIN 16
#define LEAST_TURNS (4UL * HANG_SPINS)	/* whoever spins for seconds has made more */

static u64 limit_ns = 3 * SECOND_NS;

/* --- who holds what --- */

/* t's record of the lock, whatever the kind of the hold (an rwsem is held for reading or writing). */
static const struct held_lock *record_of(const struct task *t, const struct held_lock *lock)
{
	for (int i = 0; i < min(READ_ONCE(t->held_count), HELD_MAX); i++)
		if (t->held[i].object == lock->object && (lock->kind != HELD_PAGE || t->held[i].index == lock->index))
			return &t->held[i];
	return NULL;
}

/* Call fn for every task until it returns true. tasklist_lock held. */
static struct task *find_task(bool (*fn)(struct task *t, const struct held_lock *lock), const struct held_lock *lock)
{
	struct process *p;
	struct task *t;

	list_for_each(t, &kernel_process.threads, thread_node)
		if (fn(t, lock))
			return t;
	list_for_each(p, &process_list, all_node)
		list_for_each(t, &p->threads, thread_node)
			if (fn(t, lock))
				return t;
	return NULL;
}

static bool holds(struct task *t, const struct held_lock *lock) { return record_of(t, lock); }

/* A wait for a spinlock is looked at by its CPU: what it waits for may be gone when we look. */
static bool waits_for_lock(const struct task *t) { return READ_ONCE(t->waits_for.object) && t->waits_for.kind != HELD_SPIN; }

/* For each task: in how many looks it has been in the wait that it is in. Never true: all are looked at. */
static bool count_look(struct task *t, const struct held_lock *lock)
{
	u64 since = READ_ONCE(t->wait_since_ns);

	if (!waits_for_lock(t) || t->hang_since_ns != since) {
		t->hang_since_ns = since;
		t->hang_looks = 0;
	}
	t->hang_looks++;
	return false;
}

/* Between the first look and the last one lie as many periods as the limit has. */
static bool waits_too_long(struct task *t, const struct held_lock *lock)
{
	return waits_for_lock(t) && !t->hang_reported && t->hang_looks > limit_ns / PERIOD_NS;
}

/* --- the report --- */

/* "mutex rename", "page lock /etc/passwd:3" */
static void name_lock(const struct held_lock *lock, char *buf, size_t size)
{
	const struct address_space *m = lock->object;
	char file[128] = "?";

	if (lock->kind != HELD_PAGE) {
		ksnprintf(buf, size, "%s %s", lock->kind == HELD_SPIN ? "spinlock" : lock->kind == HELD_MUTEX ? "mutex" : "rwsem", held_name(lock));
		return;
	}
	if (m->ops->name)
		m->ops->name((struct address_space *)m, file, sizeof(file));
	ksnprintf(buf, size, "page lock %s:%lu", file, lock->index);
}

/* t waits for a lock: say who holds it. NULL: no task does. */
static struct task *report_wait(const struct task *t)
{
	struct held_lock lock = t->waits_for;
	struct task *owner = find_task(holds, &lock);
	const struct held_lock *h = owner ? record_of(owner, &lock) : NULL;
	char name[160], function[80];

	name_lock(&lock, name, sizeof(name));
	if (!h) {
		printk("hang: %s(%d) waits for %s held by %s\n", t->name, t->tid, name, lock.kind == HELD_PAGE ? "I/O" : "nobody known");
		return NULL;
	}
	symbol_name(h->caller, function, sizeof(function));
	printk("hang: %s(%d) waits for %s held by %s(%d) at %s\n", t->name, t->tid, name, owner->name, owner->tid, function);
	return owner;
}

/* The members of chain[from..n), the last of which waits for the first. */
static void report_cycle(struct task *const *chain, int from, int n)
{
	char text[400];
	size_t len = 0;

	for (int i = from; i <= n; i++) {
		const struct task *t = chain[i < n ? i : from];
		len = min(len + ksnprintf(text + len, sizeof(text) - len, "%s%s(%d)", i > from ? " -> " : "", t->name, t->tid), sizeof(text) - 1);
	}
	printk("hang: a cycle: %s\n", text);
}

/* The last one of a chain holds a lock and waits for none: what does it do? */
static void report_end(const struct task *t)
{
	u64 rip = backtrace_wchan(t);
	char function[80];

	symbol_name((void *)rip, function, sizeof(function));
	if (rip)
		printk("hang: %s(%d) sleeps in %s\n", t->name, t->tid, function);
	else
		printk("hang: %s(%d) runs\n", t->name, t->tid);
}

/* From t along what each waits for, until somebody does not wait for a lock, or it leads back. */
static void report_chain(struct task *t)
{
	struct task *chain[MAX_CHAIN];
	int n = 0;

	while (t && waits_for_lock(t) && n < MAX_CHAIN) {
		for (int i = 0; i < n; i++)
			if (chain[i] == t) {
				report_cycle(chain, i, n);
				return;
			}
		t->hang_reported = true;	/* once a wait: cleared when the next one begins */
		chain[n++] = t;
		t = report_wait(t);
	}
	if (t && n < MAX_CHAIN)
		report_end(t);
}

static void hang_thread(void *arg)
{
	for (;;) {
		struct task *t;

		sleep_until_ns(ktime_ns() + PERIOD_NS, WAIT_UNINTERRUPTIBLE);
		spin_lock(&waits_lock);		/* who waits keeps the lock's memory alive, until it has stopped waiting */
		spin_lock(&tasklist_lock);
		find_task(count_look, NULL);
		t = find_task(waits_too_long, NULL);
		if (t) {
			report_chain(t);
			vmstat_inc(VM_HANG);
		}
		spin_unlock(&tasklist_lock);
		spin_unlock(&waits_lock);
	}
}

void hang_start(void)
{
	limit_ns = cmdline_u64("hang_seconds", 3) * SECOND_NS;
	if (!kthread_start("hang", hang_thread, NULL))
		printk("hang detector: no memory to start it\n");
}

/* --- spinlocks --- */

/* The task on the CPU that has the lock; NULL: free. */
static struct task *spin_owner(const struct spinlock *lock)
{
	int cpu = atomic_read(&lock->locked) - 1;

	return cpu >= 0 ? READ_ONCE(cpus[cpu].task) : NULL;
}

/* What t spins for, if it has done so for long. */
static const struct spinlock *spins_for(const struct task *t)
{
	const struct spinlock *lock = READ_ONCE(t->waits_for.object);
	bool spin = READ_ONCE(t->waits_for.kind) == HELD_SPIN;

	return spin && READ_ONCE(t->waits_for.object) == lock ? lock : NULL;
}

/* t spins for the lock, which owner has. */
struct spin_link {
	const struct task *t;
	const struct spinlock *lock;
	const struct task *owner;
};

static void report_spin(const struct spin_link *l)
{
	char function[80];

	symbol_name(l->lock->caller, function, sizeof(function));
	printk("hang: %s(%d) spins for spinlock %s held by %s(%d) on CPU %d at %s\n", l->t->name, l->t->tid, l->lock->name, l->owner->name,
	       l->owner->tid, atomic_read(&l->lock->locked) - 1, function);
}

/* Everybody in a cycle spins with preemption off, so once it is there it stays; the links of it, n in all, 0: there is none. */
static int spin_cycle(struct task *self, struct spin_link *links)
{
	struct task *t = self;

	for (int n = 0; n < MAX_CHAIN; n++) {
		const struct spinlock *lock = spins_for(t);
		struct task *owner = lock ? spin_owner(lock) : NULL;

		if (!owner || owner == t)
			return 0;
		links[n] = (struct spin_link){ t, lock, owner };
		if (owner == self)
			return n + 1;
		t = owner;
	}
	return 0;
}

void hang_spinning(const struct spinlock *lock, u64 turns)
{
	static atomic_t reported;
	struct task *self = current, *owner;
	struct spin_link links[MAX_CHAIN];
	int n;

	if (turns < LEAST_TURNS || ktime_ns() - self->wait_since_ns < limit_ns)
		return;
	n = spin_cycle(self, links);
	if (n && !atomic_xchg(&reported, 1)) {		/* all of a cycle see it at once: one tells */
		for (int i = 0; i < n && lock->rank < RANK_LOG; i++)	/* otherwise there is nothing to print with */
			report_spin(&links[i]);
		panic("spinlocks in a cycle: %s", lock->name);
	}
	if (n || self->hang_reported)
		return;
	self->hang_reported = true;
	owner = spin_owner(lock);
	if (owner && lock->rank < RANK_LOG)
		report_spin(&(struct spin_link){ self, lock, owner });
}
