/*
 * Loans from and to a program's memory. See mm/loan.h; the file's side is mm/loan.c.
 *
 * Pages that were taken are private to the program as before, but shared: what fork() leaves behind, so all that handles
 * that (cow_fault(), gup, mprotect, zap...) handles this.
 */
#include "mm/loan.h"

#include "mm/switches.h"
#include "mm/vmstat.h"

/* Of `n` pages at va, those below the same leaf table, and not more than a loan has. */
static unsigned pages_together(vaddr_t va, unsigned n)
{
	unsigned below = 512 - table_index(va, 0);

	n = min(n, LOAN_MAX);
	return min(n, below);
}

/* --- from a program --- */

unsigned loan_from_user(struct mm *mm, const struct vma *vma, vaddr_t va, unsigned n, struct page **loan)
{
	vaddr_t next;
	struct page *leaf = vma->mapping ? NULL : leaf_find_own(mm, va, &next, 0);
	bool writable = false;
	unsigned got;

	if (!leaf || vma->flags & (VM_SHARED | VM_LOCKED))
		return 0;
	n = pages_together(va, n);
	entry_t *e = leaf_entry(leaf, va);
	spin_lock(&leaf->lock);
	for (got = 0; got < n; got++, e++) {
		u64 value = entry_read(e), taken = value & (ENTRY_RW | ENTRY_EXCL);
		struct page *page = entry_page(value);

		if ((value & (ENTRY_P | ENTRY_PRIV)) != (ENTRY_P | ENTRY_PRIV))
			break;
		if (taken)	/* before the holder: a fast pin looks at the entry after it has pinned */
			atomic64_fetch_and(e, ~(ENTRY_RW | ENTRY_EXCL));
		if (unlikely(!page_share(page))) {
			atomic64_fetch_or(e, taken);
			break;
		}
		writable |= taken & ENTRY_RW;
		loan[got] = page;
	}
	/* With the leaf locked: another thread that finds the entries read-only may rely on it (INV-Z1). */
	if (writable)
		tlb_flush_range(mm, va, va + got * PAGE_SIZE, TLB_LOAN);
	spin_unlock(&leaf->lock);
	return got;
}

/* --- to a program --- */

/* What an earlier loan left here may be exchanged; a page that may be written, or that may not be accessed, stays. */
static inline bool exchangeable(u64 old)
{
	return (old & (ENTRY_P | ENTRY_RW | ENTRY_EXCL)) == ENTRY_P;
}

/*
 * Leaf locked. Entries that were in use have been cleared, and old[i] tells them: flush, and map the new pages. Where the same page is mapped again
 * nothing was cleared (INV-R6).
 */
static void map_exchanged(struct mm *mm, entry_t *e, vaddr_t va, struct page **loan, const u64 *old, unsigned n, u64 bits)
{
	tlb_flush_range(mm, va, va + n * PAGE_SIZE, TLB_LOAN);
	for (unsigned i = 0; i < n; i++)
		if (old[i] && !entry_read(e + i))
			atomic64_xchg(e + i, page_to_phys(loan[i]) | bits);
}

unsigned loan_to_user(struct mm *mm, const struct vma *vma, vaddr_t va, struct page **loan, unsigned n)
{
	struct page *leaf = leaf_own(mm, va);
	u64 bits = vma_entry_bits(vma) | ENTRY_PRIV, old[LOAN_MAX];
	unsigned done, fresh = 0, cleared = 0;

	if (!leaf)
		return 0;
	n = pages_together(va, n);
	entry_t *first = leaf_entry(leaf, va), *e = first;
	spin_lock(&leaf->lock);
	for (done = 0; done < n; done++, e++) {
		old[done] = entry_read(e);
		if (likely(!old[done])) {
			atomic64_xchg(e, page_to_phys(loan[done]) | bits);
			fresh++;
		} else if (!exchangeable(old[done])) {
			break;
		} else if (entry_page(old[done]) != loan[done]) {
			atomic64_xchg(e, 0);
			cleared++;
		}
	}
	if (cleared)
		map_exchanged(mm, first, va, loan, old, done, bits);
	table_live_add(leaf, fresh);
	spin_unlock(&leaf->lock);
	/* One holder each is too many now: that of the page that was exchanged, or, of the same page, the loan's. */
	for (unsigned i = 0; fresh < done && i < done; i++)
		if (old[i] & ENTRY_PRIV)
			page_drop_holder(entry_page(old[i]));
	vmstat_add(VM_LOAN_REPLACED, cleared);
	vmstat_add(VM_LOAN_SAME, done - fresh - cleared);
	return done;
}

/* --- does it pay? --- */

#define BROKEN_FREE 64U		/* so many stores to lent pages say nothing */
#define LENT_MAX 512U		/* what was longer ago than some so many pages counts half */

bool vma_lends(struct vma *vma, unsigned pages)
{
	u32 lent = READ_ONCE(vma->lent), broken = READ_ONCE(vma->loans_broken);

	if (2 * broken > lent + BROKEN_FREE) {
		WRITE_ONCE(vma->loans_broken, broken - 1);	/* ask again later: programs change */
		return false;
	}
	lent += min(pages, LENT_MAX / 2);
	if (lent >= LENT_MAX) {
		lent /= 2;
		WRITE_ONCE(vma->loans_broken, broken / 2);
	}
	WRITE_ONCE(vma->lent, lent);
	return true;
}

void vma_loan_broken(struct vma *vma)
{
	if (unlikely(READ_ONCE(vma->lent)) && READ_ONCE(vma->loans_broken) < LENT_MAX)
		WRITE_ONCE(vma->loans_broken, READ_ONCE(vma->loans_broken) + 1);
}
