/*
 * Changing a file's size under everybody who reads, writes and maps it.
 *
 * Shrinking: the size first, then the mappings, then page by page under its lock. A fault rechecks the size under
 * the page lock, so it can map no page that was removed; and what it mapped before the lock was ours, we zap. All
 * that can fail (memory or a read for the last page's tail) comes before the size changes.
 * Growing: what lies behind the old end in its page is zeroed before the new size makes it visible.
 * Punching: as shrinking, but the size stays; private copies of the pages stay too.
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/vmstat.h"

#define LAST_INDEX (~0UL >> PAGE_SHIFT)

static bool all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

int pagecache_zero_tail(struct address_space *m)
{
	loff_t size = m->size;
	unsigned tail = size & ~PAGE_MASK;
	u64 index = (u64)size >> PAGE_SHIFT, e;
	entry_t *slot;
	char *p;
	int error;

	/* Absent: on the device the tail is zeroes, writeback and shrinking see to that. */
	if (!tail || !pagecache_peek(m, index))
		return 0;
	error = page_lock_killable(m, index, &slot);
	if (error)
		return error;
	e = entry_read(slot);
	if (e & ENTRY_P) {
		slot_write_protect(m, index, slot);	/* blocks behind the old end are not reserved: a store must ask again */
		p = (char *)page_address(entry_page(e)) + tail;
		if (!all_zero(p, PAGE_SIZE - tail)) {
			error = slot_make_sole(m, index, slot);
			if (!error)
				memset((char *)page_address(entry_page(entry_read(slot))) + tail, 0, PAGE_SIZE - tail);
		}
	}
	page_unlock(m, index, slot, 0, 0);
	return error;
}

/* Shrinking to the middle of a page: lock that page, uptodate and ours alone, if its tail has anything to zero. Then *slot is set. */
static int lock_tail(struct address_space *m, loff_t new_size, entry_t **slot)
{
	unsigned tail = new_size & ~PAGE_MASK;
	u64 index = (u64)new_size >> PAGE_SHIFT;
	int error;

	*slot = NULL;
	if (!tail)
		return 0;
	error = page_lock_uptodate(m, index, true, slot);
	if (error == -ENODATA)
		return 0;
	if (!error && !atomic_read(&m->nr_mapped) &&
	    all_zero((char *)page_address(entry_page(entry_read(*slot))) + tail, PAGE_SIZE - tail)) {
		page_unlock(m, index, *slot, 0, 0);	/* a hole stays one */
		*slot = NULL;
		return 0;
	}
	if (!error) {
		error = slot_make_sole(m, index, *slot);
		if (error)
			page_unlock(m, index, *slot, 0, 0);
	}
	if (error)
		*slot = NULL;
	return error;
}

/* Remove the pages in [first, last]. invalidate_lock keeps new ones away (a size that says so, those that are looked for). */
static void remove_pages(struct address_space *m, u64 first, u64 last, bool private_copies_too)
{
	entry_t *slot;

	if (atomic_read(&m->nr_mapped))
		rmap_zap(m, first, last, private_copies_too);
	for (u64 index = first; (slot = slot_next(m, &index, last)); index++) {
		if (page_lock(m, index, &slot))
			panic("page lock of an existing slot failed");
		page_wait_writeback(m, index);	/* its block must not be freed and reused before (FOREST.md W2) */
		/* A fault that checked the size before we set it held the page lock, and may have mapped the page. */
		if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))
			rmap_zap(m, index, index, private_copies_too);
		slot_remove(m, index, slot);
		vmstat_inc(VM_TRUNCATE_PAGE);
	}
}

int pagecache_truncate_begin(struct address_space *m, loff_t new_size)
{
	u64 index = (u64)new_size >> PAGE_SHIFT;
	unsigned tail = new_size & ~PAGE_MASK;
	entry_t *slot;
	int error;

	pagecache_direct_wait(m);
	down_write(&m->invalidate_lock);
	if (new_size >= m->size) {
		error = new_size > m->size ? pagecache_zero_tail(m) : 0;
		if (error)
			goto out_unlock;
		smp_store_release(&m->size, new_size);
		return 0;
	}
	error = lock_tail(m, new_size, &slot);
	if (error)
		goto out_unlock;
	smp_store_release(&m->size, new_size);
	if (slot) {
		char *p = (char *)page_address(entry_page(entry_read(slot))) + tail;
		bool zero;

		slot_write_protect(m, index, slot);
		zero = all_zero(p, PAGE_SIZE - tail);
		if (!zero)
			memset(p, 0, PAGE_SIZE - tail);
		page_unlock(m, index, slot, zero ? 0 : ENTRY_D, 0);	/* a hole needs no block for zeroes */
	}
	remove_pages(m, (new_size + PAGE_SIZE - 1) >> PAGE_SHIFT, LAST_INDEX, true);
	return 0;
out_unlock:
	up_write(&m->invalidate_lock);
	return error;
}

void pagecache_truncate_end(struct address_space *m) { up_write(&m->invalidate_lock); }

/* Bytes [start, end), all in one page, become zeroes. What is a hole stays one. */
static int zero_part(struct address_space *m, loff_t start, loff_t end)
{
	u64 index = (u64)start >> PAGE_SHIFT;
	size_t n = (size_t)(end - start);
	struct page *page;
	entry_t *slot;
	char *p;
	int error;

	if (!n)
		return 0;
	error = pagecache_begin_change(m, index, false, &page, &slot);
	if (error)
		return error;
	p = (char *)page_address(page) + (start & ~PAGE_MASK);
	if (all_zero(p, n)) {
		page_unlock(m, index, slot, 0, 0);
		return 0;
	}
	memset(p, 0, n);	/* it was written, so there is a block for it */
	pagecache_end_change(m, index, slot, true);
	return 0;
}

int pagecache_zero_ends(struct address_space *m, loff_t start, loff_t end)
{
	loff_t first = ALIGN_UP(start, (loff_t)PAGE_SIZE), last = ALIGN_DOWN(end, (loff_t)PAGE_SIZE);
	int error;

	if (first > last)
		return zero_part(m, start, end);
	error = zero_part(m, start, min(first, end));
	return error ? error : zero_part(m, last, end);
}

void pagecache_punch_begin(struct address_space *m, u64 first, u64 last)
{
	pagecache_direct_wait(m);
	down_write(&m->invalidate_lock);
	remove_pages(m, first, last, false);
}

void pagecache_punch_end(struct address_space *m) { up_write(&m->invalidate_lock); }
