/*
 * Stores to lent pages, one after the other: several in one fault.
 *
 * A store to a lent page (mm/loan.h) copies it, or takes it over if the other side has let go. A program that reads into memory and then works on it, or
 * fills a buffer again that a pipe has had, does so page after page, in order; the fault costs as much as the copy. So the mapping remembers where the last
 * fault ended (as mm/faultahead.c, in the same place): one that goes on there does twice as many pages, up to RUN_MAX. One elsewhere copies only its own
 * page. Taking pages over costs next to nothing: that goes up to RUN_MAX in any case. What a page becomes is the same, only earlier. Nothing is done
 * ahead in mappings that nothing was lent from or to.
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/gup.h"
#include "mm/loan.h"
#include "mm/vmstat.h"

#define RUN_MAX 16U		/* pages; at most as many as a flush names one by one */

struct run {
	entry_t *entry;			/* of the fault's page; the others follow in the leaf */
	unsigned n;			/* pages */
	u64 seen[RUN_MAX];		/* to be copied: the entry; its page has a read pin. 0: taken over */
	struct page *copy[RUN_MAX];
};

/* Take over what is nobody else's, pin what has to be copied of the first `copy` pages, up to the first of n that is neither. How many are to be copied. */
static unsigned look_at(struct run *run, struct page *leaf, unsigned n, unsigned copy)
{
	unsigned copies = 0, reused = 0;

	spin_lock(&leaf->lock);
	for (run->n = 0; run->n < n; run->n++) {
		entry_t *e = run->entry + run->n;
		u64 value = entry_read(e);

		if ((value & (ENTRY_P | ENTRY_RW | ENTRY_PRIV)) != (ENTRY_P | ENTRY_PRIV))
			break;
		if (entry_may_reuse(value)) {
			atomic64_fetch_or(e, ENTRY_RW | ENTRY_EXCL | ENTRY_D | ENTRY_A);
			run->seen[run->n] = 0;
			reused++;
		} else if (run->n < copy && page_pin_read(entry_page(value))) {
			run->seen[run->n] = value;
			copies++;
		} else {
			break;
		}
	}
	spin_unlock(&leaf->lock);
	vmstat_add(VM_COW_REUSE, reused);
	return copies;
}

/* Copy what is pinned, and unpin it. Without memory the run ends where it came to an end. How many copies there are. */
static unsigned fill_copies(struct run *run, vaddr_t va)
{
	unsigned done = 0, n = run->n;

	for (unsigned i = 0; i < n; i++) {
		struct page *old = entry_page(run->seen[i]);

		if (!run->seen[i])
			continue;
		run->copy[i] = i < run->n ? page_alloc(0, PA_PROGRAM) : NULL;
		if (run->copy[i]) {
			arch_copy_page(page_address(run->copy[i]), page_address(old));
			trace(TRACE_COW, va + i * PAGE_SIZE, page_to_pfn(old), page_to_pfn(run->copy[i]));
			done++;
		} else if (i < run->n) {
			run->n = i;
		}
		page_unpin_read(old);
	}
	return done;
}

/* Put the copies in the place of what was seen, unless an entry has changed meanwhile. */
static void exchange(struct fault *f, struct page *leaf, struct run *run)
{
	u64 bits = vma_owned_bits(f->vma);
	bool mine[RUN_MAX];

	spin_lock(&leaf->lock);
	for (unsigned i = 0; i < run->n; i++) {
		mine[i] = run->seen[i] && entry_same(entry_read(run->entry + i), run->seen[i]);
		if (mine[i])
			entry_exchange_locked(leaf, run->entry + i, 0);
	}
	/* No CPU may read an old page through these addresses after one has written the new (INV-S2). */
	tlb_flush_range(f->mm, f->address, f->address + run->n * PAGE_SIZE, TLB_COW);
	for (unsigned i = 0; i < run->n; i++)
		if (mine[i]) {
			page_ref_to_holder(run->copy[i]);
			entry_exchange_locked(leaf, run->entry + i, page_to_phys(run->copy[i]) | bits);
		}
	spin_unlock(&leaf->lock);
	for (unsigned i = 0; i < run->n; i++)
		if (mine[i])
			page_drop_holder(entry_page(run->seen[i]));
		else if (run->seen[i])
			page_put(run->copy[i]);
}

bool loan_break_run(struct fault *f, struct page *leaf, entry_t *e)
{
	struct vma *vma = f->vma;
	unsigned copies, n = (unsigned)min((vma->end - f->address) >> PAGE_SHIFT, (u64)RUN_MAX);
	struct run run;

	n = min(n, 512 - table_index(f->address, 0));
	run.entry = e;
	copies = look_at(&run, leaf, n, READ_ONCE(vma->ahead) == f->address ? min(2 * READ_ONCE(vma->ahead_pages), RUN_MAX) : 1);
	if (copies) {
		copies = fill_copies(&run, f->address);
		if (run.n)
			exchange(f, leaf, &run);
		vmstat_add(VM_COW_COPY, copies);
		while (copies--)
			vma_loan_broken(vma);
	}
	n = max(run.n, 1U);
	WRITE_ONCE(vma->ahead_pages, n);
	WRITE_ONCE(vma->ahead, f->address + n * PAGE_SIZE);
	vmstat_add(VM_LOAN_AHEAD, n - 1);
	return run.n != 0;
}
