/*
 * The page cache beside direct I/O: what a transfer between the device and a program's memory has to do with the pages of the same range.
 *
 * Transfers in flight are counted (nr_direct). A change of the block map (truncate, punch) waits for them, before it takes invalidate_lock, with
 * i_rwsem held exclusively, under which no new one begins. A write to the device first takes the range out of the cache, written back, and
 * keeps it out by invalidate_lock; if it goes on after the call has returned (AIO), what was read meanwhile is forgotten at its end.
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "mm/mm.h"
#include "mm/vmstat.h"

#define DETACH_TRIES 8	/* somebody stores through a mapping all the time, or the page is pinned for it */

static struct wait_queue all_done = WAIT_QUEUE_INIT(all_done);		/* key: the mapping */

void pagecache_direct_begin(struct address_space *m) { atomic_inc(&m->nr_direct); }

void pagecache_direct_end(struct address_space *m)
{
	if (atomic_dec_and_test(&m->nr_direct))
		wake_up_all(&all_done, (u64)m);		/* m may be gone: only its address is used */
}

void pagecache_direct_wait(struct address_space *m)
{
	struct wait_entry entry = { 0 };

	if (likely(!atomic_read(&m->nr_direct)))
		return;
	might_sleep();
	for (;;) {
		wait_prepare(&all_done, &entry, WAIT_UNINTERRUPTIBLE, (u64)m);
		smp_mb();
		if (!atomic_read(&m->nr_direct))
			break;
		wait_sleep(WAIT_UNINTERRUPTIBLE);
	}
	wait_finish(&all_done, &entry);
}

bool pagecache_forget(struct address_space *m, u64 first, u64 last)
{
	bool all = true;
	entry_t *slot;

	for (u64 index = first; index <= last && (slot = slot_next(m, &index, last)); index++) {
		if (page_lock(m, index, &slot))
			panic("page lock of an existing slot failed");
		page_wait_writeback(m, index);
		/* A store through a mapping needs the page lock to make the slot dirty: after this there is none. */
		if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))
			rmap_zap(m, index, index, false);
		if (entry_read(slot) & ENTRY_D) {
			page_unlock(m, index, slot, 0, 0);
			all = false;
		} else {
			slot_remove(m, index, slot);
			vmstat_inc(VM_DIRECT_DETACH);
		}
	}
	return all;
}

int pagecache_detach_begin(struct address_space *m, u64 first, u64 last)
{
	int error = -EBUSY;

	down_write(&m->invalidate_lock);
	for (int i = 0; i < DETACH_TRIES && error == -EBUSY; i++) {
		error = mapping_writeback(m, first, last, true);
		if (!error && !pagecache_forget(m, first, last))
			error = -EBUSY;
	}
	if (error)
		up_write(&m->invalidate_lock);
	return error;
}

void pagecache_detach_end(struct address_space *m) { up_write(&m->invalidate_lock); }

int pagecache_write_out(struct address_space *m, u64 first, u64 last)
{
	/* Who reserves a block for a store does so with the page locked, and makes the page dirty before he unlocks it. */
	for (u64 index = first; index <= last && slot_next(m, &index, last); index++)
		page_wait_unlocked(m, index, false);
	return mapping_writeback(m, first, last, true);
}
