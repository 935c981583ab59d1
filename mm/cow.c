/*
 * Copy-on-write: a store to a page that this entry may not write.
 *
 * Reuse it if it is ours alone: the entry says so (EXCL), or the page's word does (one holder, no pin: this entry is
 * that holder). Otherwise copy. References that only keep the page alive never decide (INV-E5); the VMA's flags never
 * do (INV-E6); the frame of zeroes and cache pages are never reused (INV-E7).
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/gup.h"
#include "mm/loan.h"
#include "mm/pagecache.h"
#include "mm/vmstat.h"

/* Leaf locked. True: nothing is left to do, or the entry has changed and the access is to be tried again. */
static bool reuse_locked(struct fault *f, entry_t *e, u64 seen)
{
	u64 now = entry_read(e);

	if (!entry_same(now, seen))
		return true;
	if (!(now & ENTRY_PRIV))
		return false;
	if (!entry_may_reuse(now))
		return false;
	/* Other CPUs may keep the read-only translation: they fault once more and find this. */
	atomic64_fetch_or(e, ENTRY_EXCL | ENTRY_D | ENTRY_A | (f->vma->flags & VM_WRITE ? ENTRY_RW : 0));
	fault_pin_installed(f, e);
	vmstat_inc(VM_COW_REUSE);
	trace(TRACE_COW, f->address, page_to_pfn(entry_page(now)), 0);
	return true;
}

/* Put `copy` in the place of what was `seen`, unless the entry has changed meanwhile. */
static void replace(struct fault *f, struct page *leaf, entry_t *e, u64 seen, struct page *copy)
{
	struct page *old = NULL;
	bool replaced = false;

	spin_lock(&leaf->lock);
	if (entry_same(entry_read(e), seen)) {
		u64 was = entry_exchange_locked(leaf, e, 0);
		/* No CPU may read the old page through this address after one has written the new (INV-S2). */
		tlb_flush_page(f->mm, f->address, TLB_COW);
		page_ref_to_holder(copy);
		entry_exchange_locked(leaf, e, page_to_phys(copy) | vma_owned_bits(f->vma));
		fault_pin_installed(f, e);
		if (was & ENTRY_PRIV)
			old = entry_page(was);
		replaced = true;
	}
	spin_unlock(&leaf->lock);
	if (old)
		page_drop_holder(old);
	if (!replaced)
		page_put(copy);
}

enum fault_result cow_fault(struct fault *f, struct page *leaf, entry_t *e, u64 seen)
{
	struct page *old = entry_page(seen);

	if (unlikely(READ_ONCE(f->vma->lent)) && !f->pin && loan_break_run(f, leaf, e))
		return FAULT_DONE;
	spin_lock(&leaf->lock);
	bool done = reuse_locked(f, e, seen);
	/* The pin keeps the data while we copy without the lock; under the lock the page is certainly in use. */
	if (!done && !page_pin_read(old))
		done = true;		/* 32768 readers at this moment: try again */
	spin_unlock(&leaf->lock);
	if (done)
		return FAULT_DONE;

	struct page *copy = page_alloc(0, PA_PROGRAM | (old == zero_page ? PA_ZERO : 0));
	if (copy && old != zero_page)
		arch_copy_page(page_address(copy), page_address(old));
	page_unpin_read(old);
	if (!copy)
		return FAULT_OOM;
	vmstat_inc(VM_COW_COPY);
	vma_loan_broken(f->vma);
	trace(TRACE_COW, f->address, page_to_pfn(old), page_to_pfn(copy));
	replace(f, leaf, e, seen, copy);
	return FAULT_DONE;
}
