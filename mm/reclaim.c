/*
 * Reclaim (mm/reclaim.h): a clock hand over all cached pages, and where that gives too little another over the private pages of all address
 * spaces (mm/swapout.c). A page that was referenced since the hand came by gets another round: A in its slot, or in an entry that maps it.
 * Only locks that are free are taken: the caller may hold any sleeping lock.
 *
 * A thread goes on when somebody ran short, until there is some air again, for those that cannot wait or hold what keeps us out.
 */
#include "mm/reclaim.h"

#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "mm/mm.h"
#include "mm/slot.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

#define WAIT_NS 5000000UL	/* for writeback to clean something */
#define MAX_WAITS 200		/* in which it cleans nothing that can be taken */

/*
 * Take the page of this slot out, if that costs nobody anything. `now`: although it was used lately. True: a frame is free. One that others hold, too (another
 * file, since a copy shared it; a reader), only has a holder less: who of several files comes last frees it. A pinned one stays.
 */
static bool try_page(struct address_space *m, u64 index, entry_t *slot, bool now)
{
	u64 e = entry_read(slot);
	struct page *page;
	bool last;

	vmstat_inc(VM_RECLAIM_SCAN);
	if ((e & (ENTRY_P | ENTRY_LOCKED | ENTRY_WRITEBACK | ENTRY_D | ENTRY_TABLE)) != ENTRY_P)
		return false;
	if (e & ENTRY_A && !now) {
		atomic64_cmpxchg(slot, &e, e & ~ENTRY_A);
		vmstat_inc(VM_RECLAIM_ACTIVE);
		return false;
	}
	if (!atomic64_cmpxchg(slot, &e, e | ENTRY_LOCKED))
		return false;
	held_add(HELD_PAGE, m, index, __builtin_return_address(0));
	page = entry_page(e);
	if (!now && atomic_read(&m->nr_mapped) && rmap_try_used(m, index)) {
		vmstat_inc(VM_RECLAIM_ACTIVE);
		page_unlock(m, index, slot, 0, 0);
		return false;
	}
	/* D again: set before we locked it would have failed the exchange, and only the lock's owner sets it. A FILE entry
	 * is writable only while D is set, so no store is lost. */
	if (!page_adoptable(page))
		slot_drop_template(m, slot);	/* with those of the other 511: perhaps nobody else holds them */
	last = page_adoptable(page);
	if (!page_unpinned(page) || (atomic_read(&m->nr_mapped) && !rmap_try_zap(m, index))) {
		page_unlock(m, index, slot, 0, 0);
		return false;
	}
	/* A reader may take its pin just now: then it reads the page, which is clean, and frees it when it is done. */
	slot_remove(m, index, slot);
	if (last)
		vmstat_inc(VM_RECLAIM_FREED);
	return last;
}

/* Go on from this mapping's clock hand, at most once around. */
static unsigned try_mapping(struct address_space *m, unsigned nr)
{
	u64 start = READ_ONCE(m->clock_hand), index = start;
	unsigned freed = 0;
	entry_t *slot;

	for (int round = 0; round < 2 && freed < nr && (!round || start); round++) {
		u64 last = round ? start - 1 : ~0UL >> PAGE_SHIFT;
		while (freed < nr && index <= last && (slot = slot_next(m, &index, last))) {
			freed += try_page(m, index, slot, false);
			index++;
		}
		if (freed < nr)
			index = 0;
	}
	WRITE_ONCE(m->clock_hand, freed < nr ? start : index);
	return freed;
}

/* The next mapping with pages, moved to the end of the list, with a visitor. */
static struct address_space *next_mapping(unsigned *left)
{
	struct address_space *m = NULL;

	spin_lock(&mapping_lists);
	for (; *left && !m && !list_empty(&all_mappings); (*left)--) {
		struct address_space *first = list_first(&all_mappings, struct address_space, cache_node);
		list_del(&first->cache_node);
		list_add_tail(&first->cache_node, &all_mappings);
		if (atomic64_read(&first->nr_pages) && !first->no_writeback) {
			first->visitors++;
			m = first;
		}
	}
	spin_unlock(&mapping_lists);
	return m;
}

static unsigned count_mappings(void)
{
	struct address_space *m;
	unsigned n = 0;

	spin_lock(&mapping_lists);
	list_for_each(m, &all_mappings, cache_node)
		n++;
	spin_unlock(&mapping_lists);
	return n;
}

u64 pagecache_drop(struct address_space *m, u64 first, u64 last)
{
	u64 dropped = 0;
	entry_t *slot;

	if (m->no_writeback)
		return 0;	/* there is no other copy */
	for (u64 index = first; index <= last && (slot = slot_next(m, &index, last)); index++)
		dropped += try_page(m, index, slot, true);
	return dropped;
}

static unsigned try_all(unsigned nr)
{
	struct address_space *m;
	unsigned freed = 0;

	for (unsigned left = count_mappings(); freed < nr && (m = next_mapping(&left));) {
		freed += try_mapping(m, nr - freed);
		mapping_visit_end(m);
	}
	return freed;
}

/*
 * What is left is dirty or being written. The writeback thread may need what our caller has locked, so this cannot wait for it to
 * finish, just a good while for other pages: it may not have a processor at once. A kernel thread may be the one that writes: it waits once.
 */
static unsigned wait_for_clean(unsigned nr)
{
	int waits = current->mm ? MAX_WAITS : 1;
	unsigned freed = 0;

	while (waits && !freed && (writeback_dirty_pages() || writeback_pages())) {
		waits = writeback_kick() ? waits - 1 : 0;
		sleep_until_ns(ktime_ns() + WAIT_NS, WAIT_UNINTERRUPTIBLE);
		freed = try_all(nr);
	}
	return freed;
}

/* `cache`: file pages too. */
static bool reclaim(unsigned nr, bool cache)
{
	unsigned begun = 0, freed = cache ? try_all(nr) : 0;	/* takes A away where it is set */

	freed += swap_shrink(nr);
	if (freed < nr && cache)
		freed += try_all(nr - freed);		/* now the page */
	if (freed < nr)
		begun = swap_out(nr - freed);
	if (freed)
		return true;
	if (swap_wait()) {
		swap_shrink(nr);
		return true;
	}
	if (begun || (cache && try_all(nr)))	/* written already; or A was in the slot and in a mapping */
		return true;
	return cache && wait_for_clean(nr);
}

bool reclaim_pages(unsigned nr) { return reclaim(nr, true); }

void reclaim_clean(void)
{
	try_all(~0U);
	try_all(~0U);
	try_all(~0U);		/* A of the slot, A of the mappings, the page */
	swap_shrink(~0U);
	swap_shrink(~0U);
}

bool reclaim_for_program(unsigned nr)
{
	u64 left = atomic64_read(&cached_pages) - atomic64_read(&kept_pages);
	u64 floor = min(max(page_total_count() / 64, 128UL), 1024UL);

	return reclaim(nr, left > floor);
}

/* --- the thread --- */

static struct wait_queue thread_wait = WAIT_QUEUE_INIT(thread_wait);
static atomic_t kicked;

void reclaim_kick(void)
{
	if (atomic_read(&kicked))
		return;
	atomic_set(&kicked, 1);
	wake_up_all(&thread_wait, 0);
}

static void reclaim_thread(void *arg)
{
	current->frees_memory = true;
	for (;;) {
		wait_event(&thread_wait, WAIT_UNINTERRUPTIBLE, atomic_read(&kicked));
		while (page_free_count() < page_reserve() * 3 && reclaim_for_program(32))
			;
		atomic_set(&kicked, 0);
	}
}

void reclaim_start(void)
{
	if (!kthread_start("reclaim", reclaim_thread, NULL))
		printk("reclaim: no memory for the thread: only who runs short reclaims\n");
}
