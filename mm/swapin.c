/*
 * Back in: the fault of a swap entry, and swapoff, which does the same for all of an area.
 *
 * As in filemap_fault(), the page lock of the slot is only tried under mmap_lock; if the page must be read, or somebody works on it, mmap_lock is
 * dropped and the fault begun again. With the page there and locked, the entry is looked at again under its leaf's lock:
 * if it is still the same, the page is shared with the cache. When no entry names the slot any more the cache gives it up, and
 * the page is this entry's alone, as it was before it went out (INV-E8). If it is under writeback just then, it is left with the cache: a store then copies
 * it, and waits for nothing.
 */
#include "mm/swap.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/trace.h"
#include "mm/gup.h"
#include "mm/slot.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* The area of an entry that is still there stays while it is held. */
static bool hold_area(struct page *leaf, entry_t *e, u64 seen)
{
	spin_lock(&leaf->lock);
	bool same = entry_read(e) == seen && swap_hold(swap_area_of(swap_id(seen)));
	spin_unlock(&leaf->lock);
	return same;
}

/* Leaf and page locked, entry as it was seen. Its value from now on; 0: somebody's pin is in the way, try again. */
static u64 map_page(struct fault *f, struct page *leaf, entry_t *e, u64 seen, struct address_space *m, entry_t *slot)
{
	u64 cached = entry_read(slot), value;
	struct page *page = entry_page(cached);

	if (!page_share(page))
		return 0;
	swap_count(swap_id(seen), -1);
	if (!swap_count_of(swap_id(seen)) && !(cached & ENTRY_WRITEBACK))
		swap_cache_empty(m, slot);
	value = page_to_phys(page) | vma_entry_bits(f->vma) | ENTRY_PRIV | ENTRY_D;
	if (page_adoptable(page)) {	/* the entry is its one holder */
		value |= ENTRY_EXCL;
		if (f->vma->flags & VM_WRITE)
			value |= ENTRY_RW;
	}
	entry_exchange_locked(leaf, e, value);
	fault_pin_installed(f, e);
	return value;
}

enum fault_result swap_fault(struct fault *f, struct page *leaf, entry_t *e, u64 seen)
{
	struct swap_area *a = swap_area_of(swap_id(seen));
	struct address_space *m = &a->mapping;
	u64 index = SWAP_SLOT(swap_id(seen)), value = 0;
	enum fault_result result;
	entry_t *slot;

	if (!hold_area(leaf, e, seen))
		goto retry;
	if (!page_trylock_uptodate(m, index, &slot)) {
		f->index = index;
		result = fault_wait_page(f, m, 0);
		swap_release(a);
		return result;
	}
	spin_lock(&leaf->lock);
	if (entry_read(e) == seen)
		value = map_page(f, leaf, e, seen, m, slot);
	spin_unlock(&leaf->lock);
	page_unlock(m, index, slot, entry_read(slot) & ENTRY_A, 0);
	swap_release(a);
	if (!value)
		goto retry;
	vmstat_inc(VM_SWAP_FAULT);
	trace(TRACE_ATTACH, f->address, m, index);
	return f->write && !(value & ENTRY_RW) ? cow_fault(f, leaf, e, value) : FAULT_DONE;
retry:
	up_read(&f->mm->mmap_lock);
	return FAULT_RETRY;
}

/* --- swapoff --- */

static bool is_of(u64 e, const struct swap_area *a) { return entry_is_swap(e) && swap_area_of(swap_id(e)) == a; }

/* The first entry of the area from va on, in mm, in a leaf of its own; mmap_lock held. NULL: none, or *error. */
static struct page *find_entry(struct mm *mm, struct swap_area *a, vaddr_t *va, struct vma **vma, int *error)
{
	vaddr_t next;

	for (unsigned i = vma_index(mm, *va); i < mm->nr_vmas; i++) {
		*vma = mm->vmas[i];
		for (*va = max(*va, (*vma)->start); *va < (*vma)->end; *va = next) {
			*error = leaves_own(mm, *va, *va + 1);
			if (*error)
				return NULL;
			struct page *leaf = leaf_find(mm, *va, &next);
			next = min(next, (*vma)->end);
			if (!leaf || !READ_ONCE(leaf->live))
				continue;
			for (; *va < next; *va += PAGE_SIZE)
				if (is_of(entry_read(leaf_entry(leaf, *va)), a))
					return leaf;
		}
	}
	return NULL;
}

static int swap_in_mm(struct mm *mm, struct swap_area *a)
{
	struct fault f = { .mm = mm, .killable = true };
	struct page *leaf;
	vaddr_t va = 0;
	int error = 0;

	down_read(&mm->mmap_lock);
	while (!error && (leaf = find_entry(mm, a, &va, &f.vma, &error))) {
		entry_t *e = leaf_entry(leaf, va);
		u64 seen = entry_read(e);
		f.address = va;
		if (!is_of(seen, a))
			continue;
		switch (swap_fault(&f, leaf, e, seen)) {
		case FAULT_DONE:
			va += PAGE_SIZE;
			break;
		case FAULT_RETRY:
			down_read(&mm->mmap_lock);
			break;
		case FAULT_OOM:
			error = -ENOMEM;
			break;
		default:
			error = -EIO;
		}
		if (signal_pending(current))
			error = error ? error : -EINTR;
	}
	up_read(&mm->mmap_lock);
	return error;
}

int swap_in_all(struct swap_area *a)
{
	int error = 0;

	/* An address space that fork is just making is not on the list yet: again, until nothing is left. */
	while (READ_ONCE(a->nr_used) && !error) {
		struct mm *mm;
		for (unsigned left = mm_count(); !error && (mm = mm_next(&left));) {
			error = swap_in_mm(mm, a);
			mm_ref_put(mm);
		}
		if (READ_ONCE(a->nr_used) && !error)
			sleep_until_ns(ktime_ns() + 1000000, WAIT_UNINTERRUPTIBLE);
		if (signal_pending(current))
			error = error ? error : -EINTR;
	}
	return error;
}
