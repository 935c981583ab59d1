/*
 * The page lock (LOCKED in the slot), waiting for it and for WRITEBACK, and the completions of I/O that end them.
 *
 * The lock is taken by compare-and-swap on the entry that was looked up, and released by one atomic operation that
 * also publishes what the owner did. Waiters sleep in one of 256 queues, hashed by (mapping, index) and not by the
 * entry's address, so that a waiter needs nothing of the mapping's memory while it sleeps. A task that waits says
 * for what (wait_begin()), and one that holds has a HELD_PAGE record: the hang detector prints both.
 * While I/O owns the lock no task holds it.
 */
#include "mm/slot.h"

#include "kernel/lockcheck.h"
#include "kernel/printk.h"
#include "kernel/trace.h"
#include "kernel/wait.h"
#include "mm/ownership.h"
#include "mm/vmstat.h"

#define NR_QUEUES 256
static struct wait_queue queues[NR_QUEUES];
atomic_t page_waiters;

/*
 * Frames under writeback, hashed by their slot: a slot may get another frame meanwhile (a writer swaps), so the
 * slot does not tell what to release at the end.
 */
static struct page *in_flight[NR_QUEUES];
static u64 nr_in_flight;		/* in_flight_lock; read racily */
static struct spinlock in_flight_lock = SPINLOCK_INIT("writeback in flight", RANK_IRQ);	/* irqsave: completions come from anywhere */

void pagelock_init(void)
{
	for (unsigned i = 0; i < NR_QUEUES; i++)
		wait_queue_init(&queues[i]);
}

static u64 page_key(const struct address_space *m, u64 index)
{
	u64 key = ((u64)m >> 4) * 0x9e3779b97f4a7c15UL + index * 0xc2b2ae3d27d4eb4fUL;

	return key ? key : 1;	/* 0 would wake everybody */
}

static struct wait_queue *page_queue(u64 key) { return &queues[key >> 56]; }

void page_wake(const struct address_space *m, u64 index)
{
	u64 key = page_key(m, index);
	struct wait_queue *wq = page_queue(key);

	/* The caller's atomic operation on the slot is a full barrier, as is the waiter's between joining the queue and
	 * reading the slot: either we see it in the queue, or it sees the slot changed. */
	if (READ_ONCE(wq->waiters.next) != &wq->waiters)
		wake_up_all(wq, key);
}

/* --- waiting --- */

static bool slot_has(struct address_space *m, u64 index, u64 bits)
{
	return pagecache_peek(m, index) & bits;
}

/* Sleep until none of `bits` is set in the slot. */
static int wait_bits(struct address_space *m, u64 index, u64 bits, bool killable, void *caller)
{
	enum wait_mode mode = killable ? WAIT_KILLABLE : WAIT_UNINTERRUPTIBLE;
	struct wait_entry entry = { 0 };
	u64 key = page_key(m, index), since;
	struct wait_queue *wq = page_queue(key);
	int error = 0;

	if (!slot_has(m, index, bits))
		return 0;
	might_sleep();
	since = ktime_ns();
	vmstat_inc(VM_PAGE_LOCK_WAIT);
	if (bits & ENTRY_LOCKED)
		wait_begin(HELD_PAGE, m, index, caller);
	atomic_inc(&page_waiters);
	for (;;) {
		wait_prepare(wq, &entry, mode, key);
		smp_mb();		/* pairs with page_wake */
		if (!slot_has(m, index, bits))
			break;
		error = wait_sleep(mode);
		if (error)
			break;
	}
	wait_finish(wq, &entry);
	atomic_dec(&page_waiters);
	trace(TRACE_WAIT, m, index, ktime_ns() - since);
	if (bits & ENTRY_LOCKED)
		wait_end();
	return error ? -EINTR : 0;
}

/* Debug build, also where there is nothing to wait for. */
static inline void check_wait(struct address_space *m, u64 index, void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_take(&(struct held_lock){ HELD_PAGE, m, index, caller }, NULL);
	debug_might_sleep();
}

int page_wait_unlocked(struct address_space *m, u64 index, bool killable)
{
	check_wait(m, index, __builtin_return_address(0));
	return wait_bits(m, index, ENTRY_LOCKED, killable, __builtin_return_address(0));
}

int page_wait_writeback(struct address_space *m, u64 index)
{
	debug_might_sleep();
	return wait_bits(m, index, ENTRY_WRITEBACK, false, __builtin_return_address(0));
}

/* --- the lock --- */

static int lock_slot(struct address_space *m, u64 index, entry_t **slot, bool killable, void *caller)
{
	u64 since = 0;		/* when we began to wait, if that is traced */

	check_wait(m, index, caller);
	for (;;) {
		int error = slot_own(m, index, slot);
		u64 e;

		if (error)
			return error;
		e = entry_read(*slot);
		if (e & ENTRY_TABLE)
			continue;	/* page 0 moved into a table since */
		if (!(e & ENTRY_LOCKED)) {
			if (!atomic64_cmpxchg(*slot, &e, e | ENTRY_LOCKED))
				continue;	/* changed: look it up again from the root */
			held_add(HELD_PAGE, m, index, caller);
			trace(TRACE_LOCK, m, index, since ? ktime_ns() - since : 0);
			return 0;
		}
		if (trace_on(TRACE_LOCK) && !since)
			since = ktime_ns();
		error = wait_bits(m, index, ENTRY_LOCKED, killable, caller);
		if (error)
			return error;
	}
}

int page_lock(struct address_space *m, u64 index, entry_t **slot)
{
	return lock_slot(m, index, slot, false, __builtin_return_address(0));
}

int page_lock_killable(struct address_space *m, u64 index, entry_t **slot)
{
	return lock_slot(m, index, slot, true, __builtin_return_address(0));
}

bool page_trylock_uptodate(struct address_space *m, u64 index, entry_t **slot)
{
	u64 e;

	*slot = slot_find(m, index);
	if (!*slot)
		return false;
	e = entry_read(*slot);
	do {
		if ((e & (ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P)
			return false;
	} while (!atomic64_cmpxchg(*slot, &e, e | ENTRY_LOCKED));
	held_add(HELD_PAGE, m, index, __builtin_return_address(0));
	trace(TRACE_LOCK, m, index, 0);
	return true;
}

void page_unlock(struct address_space *m, u64 index, entry_t *slot, u64 set, u64 clear)
{
	u64 e = entry_read(slot), next;

	ASSERT(e & ENTRY_LOCKED);
	held_remove(HELD_PAGE, m, index);
	trace(TRACE_UNLOCK, m, index, set);
	if (set & ENTRY_D && !(e & ENTRY_D)) {
		/* D, then the tags above it, and only then let go: whoever locks this page next finds them (PC7). */
		atomic64_fetch_or(slot, ENTRY_D);
		slot_dirtied(m, index);
		e = entry_read(slot);
	} else if (clear & ENTRY_D && e & ENTRY_D) {
		slot_cleaned(m);
	}
	do {
		next = ((e | set) & ~clear) & ~ENTRY_LOCKED;
	} while (!atomic64_cmpxchg(slot, &e, next));
	page_wake(m, index);
}

/* --- completions --- */

void pagecache_read_done(struct address_space *m, u64 index, int error)
{
	entry_t *slot = slot_find(m, index);
	u64 e = entry_read(slot), next;

	ASSERT((e & (ENTRY_LOCKED | ENTRY_P)) == ENTRY_LOCKED && e & ENTRY_FRAME);
	if (error) {
		atomic64_add_return(&m->nr_pages, -1);
		atomic64_add_return(&cached_pages, -1);
		if (m->no_writeback)
			atomic64_add_return(&kept_pages, -1);
	}
	do {
		next = error ? ENTRY_ERROR : (e & ~ENTRY_LOCKED) | ENTRY_P | ENTRY_A;
	} while (!atomic64_cmpxchg(slot, &e, next));
	page_wake(m, index);		/* from here on m may be gone */
	if (error)
		page_drop_holder(entry_page(e));
}

u64 writeback_pages(void) { return READ_ONCE(nr_in_flight); }

bool writeback_add(struct address_space *m, u64 index, struct page *page)
{
	struct page **head = &in_flight[page_key(m, index) >> 56];
	u64 flags = spin_lock_irqsave(&in_flight_lock);
	bool added = !page->in_flight;

	if (added) {
		page->in_flight = true;
		page->wb_mapping = m;
		page->wb_index = index;
		page->wb_next = *head;
		*head = page;
		WRITE_ONCE(nr_in_flight, nr_in_flight + 1);
	}
	spin_unlock_irqrestore(&in_flight_lock, flags);
	if (added) {
		page_held_elsewhere(page, 1);
		atomic_inc(&m->nr_writeback);
	}
	return added;
}

static struct page *writeback_take(struct address_space *m, u64 index)
{
	struct page **at = &in_flight[page_key(m, index) >> 56], *page;
	u64 flags = spin_lock_irqsave(&in_flight_lock);

	while ((page = *at) && (page->wb_mapping != m || page->wb_index != index))
		at = &page->wb_next;
	ASSERT(page);
	*at = page->wb_next;
	WRITE_ONCE(nr_in_flight, nr_in_flight - 1);
	page->in_flight = false;
	spin_unlock_irqrestore(&in_flight_lock, flags);
	return page;
}

void pagecache_write_done(struct address_space *m, u64 index, int error)
{
	struct page *page = writeback_take(m, index);
	entry_t *slot = slot_find(m, index);

	if (error == -ENOMEM) {
		/* It was not even tried: still dirty. */
		if (!(atomic64_fetch_or(slot, ENTRY_D) & ENTRY_D))
			slot_dirtied(m, index);
	}
	if (error) {
		WRITE_ONCE(m->wb_error, error);
		smp_mb();
	}
	atomic_dec(&m->nr_writeback);
	atomic64_fetch_and(slot, ~ENTRY_WRITEBACK);
	page_wake(m, index);		/* from here on m may be gone */
	page_held_elsewhere(page, -1);
	page_drop_holder(page);
}
