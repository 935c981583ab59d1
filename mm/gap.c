/*
 * Free places in an address space: the highest gap between VMAs in which a mapping fits.
 *
 * The VMAs are a sorted array (mm/vma.c), and a few of them are simply walked from the top down. An address space with more than
 * GAPS_FROM of them keeps, for each GAP_CHUNK neighbours, an upper bound of the gaps below them (mm->gaps), so that a search passes over those where
 * nothing fits: 200 mappings without room between them cost it 6 looks instead of 200. A change raises the bounds of what it touches, also where the array
 * moves on by one; only a search that is not stopped by a bound computes it anew, and lowers it.
 *
 * All under mmap_lock for writing.
 */
#include "mm/vma.h"

/* Below VMA i, guard gaps not counted: they only make it smaller. */
static u64 gap_below(const struct mm *mm, unsigned i)
{
	vaddr_t low = i ? mm->vmas[i - 1]->end : MMAP_MIN_ADDR, start = mm->vmas[i]->start;

	return start > low ? start - low : 0;
}

static void raise_bound(struct mm *mm, unsigned i)
{
	u64 *bound = &mm->gaps[i / GAP_CHUNK];

	if (i < mm->nr_vmas)
		*bound = max(*bound, gap_below(mm, i));
}

static u64 largest_gap(const struct mm *mm, unsigned chunk)
{
	unsigned end = min((chunk + 1) * GAP_CHUNK, mm->nr_vmas);
	u64 largest = 0;

	for (unsigned i = chunk * GAP_CHUNK; i < end; i++)
		largest = max(largest, gap_below(mm, i));
	return largest;
}

void gaps_count(struct mm *mm)
{
	for (unsigned chunk = 0; chunk * GAP_CHUNK < mm->nr_vmas; chunk++)
		mm->gaps[chunk] = largest_gap(mm, chunk);
}

void gaps_inserted(struct mm *mm, unsigned i)
{
	unsigned last = mm->nr_vmas - 1;

	if (last % GAP_CHUNK == 0)
		mm->gaps[last / GAP_CHUNK] = 0;		/* a new one */
	for (unsigned chunk = i / GAP_CHUNK + 1; chunk <= last / GAP_CHUNK; chunk++)
		raise_bound(mm, chunk * GAP_CHUNK);	/* came from the one before */
	gaps_moved(mm, i);
}

void gaps_removed(struct mm *mm, unsigned i)
{
	for (unsigned chunk = i / GAP_CHUNK; (chunk + 1) * GAP_CHUNK <= mm->nr_vmas; chunk++)
		raise_bound(mm, chunk * GAP_CHUNK + GAP_CHUNK - 1);	/* came from the next one */
	raise_bound(mm, i);
}

void gaps_moved(struct mm *mm, unsigned i)
{
	raise_bound(mm, i);
	raise_bound(mm, i + 1);
}

static bool chunk_may_hold(const struct mm *mm, unsigned chunk, u64 length)
{
	if (mm->gaps[chunk] >= length)
		mm->gaps[chunk] = largest_gap(mm, chunk);
	return mm->gaps[chunk] >= length;
}

vaddr_t find_gap(const struct mm *mm, u64 length, u64 align, u64 phase, vaddr_t top)
{
	unsigned i = mm->gaps ? vma_index(mm, top) : mm->nr_vmas;

	for (i++; i-- > 0; ) {		/* the gap below VMA i, from the top down */
		vaddr_t high = i < mm->nr_vmas ? min(vma_start_gap(mm->vmas[i]), top) : top;
		vaddr_t low = i > 0 ? max(mm->vmas[i - 1]->end, MMAP_MIN_ADDR) : MMAP_MIN_ADDR;

		if (high >= low && high - low >= length) {
			vaddr_t addr = high - length, misfit = (addr - phase) & (align - 1);
			if (addr - low >= misfit)
				return addr - misfit;
		}
		while (mm->gaps && i >= GAP_CHUNK && i % GAP_CHUNK == 0 && !chunk_may_hold(mm, i / GAP_CHUNK - 1, length))
			i -= GAP_CHUNK;
	}
	return 0;
}

vaddr_t find_place(const struct mm *mm, u64 length, const struct address_space *mapping, u64 pgoff, vaddr_t top)
{
	vaddr_t addr = 0;

	if (length >= LEAF_SPAN)	/* aligned to it, so that tables can be shared */
		addr = find_gap(mm, length, LEAF_SPAN, mapping ? (pgoff << PAGE_SHIFT) & (LEAF_SPAN - 1) : 0, top);
	if (!addr)
		addr = find_gap(mm, length, PAGE_SIZE, 0, top);
	return addr;
}
