/*
 * Loans from and to files. See mm/loan.h; the program's side is mm/loanuser.c.
 *
 * A page leaves a slot under its page lock, which is only tried and held for some twenty instructions: so a second holder comes only under
 * that lock, and a writer who found one holder under it may go on. Waiters that came meanwhile are woken at the end of the run.
 */
#include "mm/loan.h"

#include "kernel/printk.h"
#include "kernel/task.h"
#include "mm/slot.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

/* How many of n slots from index on lie in one table: their entries are neighbours. Page 0 may be alone in the root. */
static unsigned slots_together(const struct address_space *m, const entry_t *slot, u64 index, unsigned n)
{
	return slot == &m->root ? 1 : min(n, (unsigned)(512 - (index & 511)));
}

void loan_return(struct page **loan, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		page_drop_holder(loan[i]);
}

/* --- from a file --- */

static unsigned lend_slots(struct address_space *m, u64 index, entry_t *slot, unsigned n, struct page **loan)
{
	unsigned got;

	preempt_disable();	/* who waits for one of these locks waits for this loop, and no longer */
	for (got = 0; got < n; got++, slot++) {
		u64 e = entry_read(slot);

		if ((e & (ENTRY_P | ENTRY_LOCKED | ENTRY_RW | ENTRY_TABLE)) != ENTRY_P || !atomic64_cmpxchg(slot, &e, e | ENTRY_LOCKED))
			break;
		bool lent = page_share(entry_page(e));
		atomic64_fetch_and(slot, ~ENTRY_LOCKED);
		if (unlikely(!lent))
			break;
		loan[got] = entry_page(e);
	}
	preempt_enable();
	return got;
}

/* Slots are unlocked again: who waits for one of them? */
static void wake_slots(struct address_space *m, u64 index, unsigned n)
{
	if (likely(!atomic_read(&page_waiters)))
		return;
	for (unsigned i = 0; i < n; i++)
		page_wake(m, index + i);
}

/* The page may be stored to by shared mappings: after this their next store asks, and then finds it lent. */
static void protect_slot(struct address_space *m, u64 index)
{
	entry_t *slot;

	if (!page_trylock_uptodate(m, index, &slot))
		return;
	slot_write_protect(m, index, slot);
	page_unlock(m, index, slot, 0, 0);
	vmstat_inc(VM_LOAN_PROTECT);
}

unsigned loan_from_file(struct address_space *m, u64 index, unsigned n, struct page **loan)
{
	entry_t *slot = slot_find(m, index);
	unsigned got;

	if (!slot)
		return 0;
	if (entry_read(slot) & ENTRY_RW)
		protect_slot(m, index);
	got = lend_slots(m, index, slot, slots_together(m, slot, index, min(n, LOAN_MAX)), loan);
	wake_slots(m, index, min(got + 1, n));		/* one more was locked, perhaps, and not lent */
	/* After the slots, as in pagecache_read_iter(): truncate stores the size before it touches a page. */
	u64 whole = (u64)smp_load_acquire(&m->size) >> PAGE_SHIFT, keep = whole > index ? whole - index : 0;
	if (unlikely(got > keep)) {
		loan_return(loan + keep, got - (unsigned)keep);
		got = (unsigned)keep;
	}
	return got;
}

/* --- to a file --- */

#define SLOT_READY (ENTRY_P | ENTRY_D | ENTRY_RESERVED)
#define SLOT_FILLED (SLOT_READY | ENTRY_US | ENTRY_A)

/*
 * Slots in which there is nothing, so that nobody maps or pins a page of theirs: all are locked, then the size is published, then the pages: 15
 * instructions each, where one after the other took 41. How many, from the first on.
 */
static unsigned put_empty(struct address_space *m, u64 index, entry_t *slot, struct page **loan, unsigned n)
{
	unsigned k = 0;

	for (u64 e = 0; k < n && atomic64_cmpxchg(&slot[k], &e, ENTRY_LOCKED); k++)
		;
	if (k && (loff_t)((index + k) << PAGE_SHIFT) > m->size)
		smp_store_release(&m->size, (loff_t)((index + k) << PAGE_SHIFT));	/* before P (PC1) */
	for (unsigned i = 0; i < k; i++)
		smp_store_release(&slot[i].v, page_to_phys(loan[i]) | SLOT_FILLED);	/* and unlocks */
	smp_mb();	/* before who waits is looked for */
	return k;
}

/*
 * Where nobody maps the file, nothing is to be reserved (`room`, or the slot is so already), and the slot is at rest: the page
 * goes in by two operations; writeback is told once of all. Returns how many went in; the next one needs pagecache_put_frame().
 */
static unsigned put_slots(struct address_space *m, u64 index, entry_t *slot, struct page **loan, unsigned n, bool room)
{
	const u64 must = room ? 0 : SLOT_READY, looked_at = must | ENTRY_LOCKED | ENTRY_WRITEBACK | ENTRY_RW | ENTRY_TABLE;
	unsigned done, added, same = 0;

	dirty_count(m, n);	/* before any can be written */
	preempt_disable();
	added = done = room && !entry_read(slot) ? put_empty(m, index, slot, loan, n) : 0;
	for (slot += done; done < n; done++, slot++) {
		u64 e = entry_read(slot), value = page_to_phys(loan[done]) | SLOT_FILLED;
		struct page *old = e & ENTRY_P ? entry_page(e) : NULL;
		loff_t end = (loff_t)((index + done + 1) << PAGE_SHIFT);

		if (old == loan[done]) {	/* shared, so nobody changed it: the file says this already */
			page_drop_holder(old);
			same++;
			continue;
		}
		if ((e ^ must) & looked_at || (old && !(e & ENTRY_D) && !m->no_writeback) || !atomic64_cmpxchg(slot, &e, e | ENTRY_LOCKED))
			break;
		/* A fault maps a page only under its lock, so nobody begins to map this one; an exclusive pin stays in its slot. */
		if (atomic_read(&m->nr_mapped) || (old && own_xpins(atomic64_read(&old->own)))) {
			atomic64_fetch_and(slot, ~ENTRY_LOCKED);
			break;
		}
		if (old)
			slot_drop_template(m, slot);
		if (end > m->size)
			smp_store_release(&m->size, end);	/* before P (PC1) */
		atomic64_xchg(slot, value);			/* and unlocks */
		if (old)
			page_drop_holder(old);
		else
			added++;
	}
	preempt_enable();
	slot_count(m, added);
	dirty_count(m, (s64)added - (s64)n);
	if (added) {
		vmstat_add(VM_CACHE_DIRTY, added);
		if (!m->no_writeback)
			mapping_mark_dirty(m, index);	/* after D; all are below one leaf, which is one tag */
	}
	vmstat_add(VM_LOAN_SAME, same);
	wake_slots(m, index, min(done + 1, n));
	return done;
}

/* The quick way, for pages from `at` on that have room, or replace dirty ones: how many; 0: the next one needs pagecache_put_frame(). Or an error. */
static unsigned put_ready(struct loan_target *t, u64 at, struct page **loan, unsigned n, int *error)
{
	struct address_space *m = t->m;
	entry_t *slot;

	*error = m->whole_blocks ? slot_own(m, at, &slot) : 0;
	if (*error || !m->whole_blocks)
		return 0;
	if (at >= t->ready && m->ops->room)
		t->ready = at + m->ops->room(m, at, max(t->end, at + n) - at);
	if (at < t->ready)
		n = (unsigned)min((u64)n, t->ready - at);
	else if ((entry_read(slot) & SLOT_READY) != SLOT_READY)
		return 0;
	return put_slots(m, at, slot, loan, slots_together(m, slot, at, n), at < t->ready);
}

unsigned loan_to_file(struct loan_target *t, u64 index, struct page **loan, unsigned n, int *error)
{
	unsigned done = 0, k;

	for (; done < n; done += k) {
		k = put_ready(t, index + done, loan + done, n - done, error);
		if (*error)
			break;
		if (k)
			continue;
		*error = pagecache_put_frame(t->m, (loff_t)((index + done) << PAGE_SHIFT), PAGE_SIZE, loan[done]);
		if (*error) {
			loan_return(loan + done + 1, n - done - 1);	/* this one is given in any case */
			return done;
		}
		k = 1;
	}
	loan_return(loan + done, n - done);
	return done;
}

ssize_t pagecache_give(struct address_space *m, loff_t *pos, struct page **loan, unsigned n)
{
	struct loan_target t = { .m = m };
	int error = *pos > m->size ? pagecache_zero_tail(m) : 0;
	unsigned done = 0;

	if (error || !n)
		loan_return(loan, n);
	else
		done = loan_to_file(&t, (u64)*pos >> PAGE_SHIFT, loan, n, &error);
	*pos += (loff_t)done << PAGE_SHIFT;
	mapping_settle(m);
	if (done)
		writeback_balance(m);
	return done ? (ssize_t)done << PAGE_SHIFT : error;
}

/* --- file to file --- */

ssize_t pagecache_share(struct address_space *from, loff_t *from_pos, struct address_space *to, loff_t *to_pos, size_t n)
{
	struct loan_target t = { .m = to };
	struct page *loan[LOAN_MAX];
	size_t done = 0;
	int error = 0;

	if (!switch_zerocopy_write || (*from_pos | *to_pos) & ~PAGE_MASK)
		return 0;
	if (*to_pos > to->size)
		error = pagecache_zero_tail(to);
	t.end = (u64)(*to_pos + min((loff_t)n, max(READ_ONCE(from->size) - *from_pos, (loff_t)0))) >> PAGE_SHIFT;
	while (!error && done + PAGE_SIZE <= n) {
		unsigned got = loan_from_file(from, (u64)*from_pos >> PAGE_SHIFT, (unsigned)min((n - done) >> PAGE_SHIFT, (size_t)LOAN_MAX), loan);
		unsigned put = got ? loan_to_file(&t, (u64)*to_pos >> PAGE_SHIFT, loan, got, &error) : 0;

		vmstat_add(VM_LOAN_COPY, put);
		done += (size_t)put << PAGE_SHIFT;
		*from_pos += (loff_t)put << PAGE_SHIFT;
		*to_pos += (loff_t)put << PAGE_SHIFT;
		if (!got || fatal_signal_pending(current))
			break;
	}
	mapping_settle(to);
	if (done)
		writeback_balance(to);
	return done ? (ssize_t)done : error;
}
