/*
 * Reading into memory that is not there yet: zero-copy read.
 *
 * The first copy into it stops at its first byte; that is the only question that is asked (001 of the sources). Then, where the destination is whole
 * pages of private anonymous memory, the file's pages themselves are mapped there, read-only and lent (mm/loan.h): everything
 * that the read wants under one hold of mmap_lock. A later store copies, by either side. Where the page cannot be lent, or lending does
 * not pay (vma_lends(); zerocopy_read=0), new frames are filled from the cache and mapped when they have their contents.
 * Nobody sees zeroes on the way. A hole of a file without a disk has no page to lend: the frame of zeroes is mapped. A page: 4,677 instructions by a fault each, 940 by filling, some 60 by lending. Where 2 MiB
 * of memory and of file are both aligned, whole tables are lent (mm/template.c).
 */
#include "mm/slot.h"

#include "kernel/cpu.h"
#include "kernel/trace.h"
#include "mm/loan.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

#define MAP_AT_ONCE (32UL << 20)	/* bytes under one hold of mmap_lock: some milliseconds */

/* --- filling --- */

/* A frame with the contents of page `index`, one reference; NULL: not cached, not whole inside the file, or no memory. */
static struct page *copy_of_cached(struct address_space *m, u64 index)
{
	struct page *page = pagecache_lookup(m, index), *copy = NULL;

	if (!page)
		return NULL;
	/* The size after the page, as in pagecache_read_iter(). */
	if (smp_load_acquire(&m->size) >= (loff_t)((index + 1) << PAGE_SHIFT))
		copy = page_alloc(0, PA_PROGRAM);
	if (copy)
		arch_copy_page(page_address(copy), page_address(page));
	page_unpin_read(page);
	return copy;
}

/* Map it, unless the entry is in use meanwhile: then false, and the frame is gone. */
static bool install(struct page *leaf, vaddr_t va, struct page *copy, u64 bits)
{
	entry_t *e = leaf_entry(leaf, va);

	page_ref_to_holder(copy);
	spin_lock(&leaf->lock);
	bool empty = entry_read(e) == 0;
	if (empty)
		entry_exchange_locked(leaf, e, page_to_phys(copy) | bits);
	spin_unlock(&leaf->lock);
	if (!empty)
		page_drop_holder(copy);
	return empty;
}

/* mmap_lock held for reading: up to n pages at va, below one leaf, filled from page `index` on. */
static unsigned fill(struct mm *mm, const struct vma *vma, struct address_space *m, u64 index, vaddr_t va, unsigned n)
{
	struct page *leaf = leaf_own(mm, va);
	u64 bits = vma_entry_bits(vma) | ENTRY_RW | ENTRY_D | ENTRY_PRIV | ENTRY_EXCL;
	unsigned done;

	for (done = 0; leaf && done < n && !entry_read(leaf_entry(leaf, va)); done++, va += PAGE_SIZE) {
		struct page *copy = copy_of_cached(m, index + done);
		if (!copy || !install(leaf, va, copy, bits))
			break;
	}
	vmstat_add(VM_READ_FILL, done);
	return done;
}

/* --- holes --- */

/*
 * As fill(), where the file has holes and no disk: the frame of zeroes, which nobody owns. A write that fills the hole meanwhile comes after
 * this read.
 */
static unsigned map_zeroes(struct mm *mm, const struct vma *vma, struct address_space *m, u64 index, vaddr_t va, unsigned n)
{
	struct page *leaf = pagecache_hole(m, index) ? leaf_own(mm, va) : NULL;
	u64 value = page_to_phys(zero_page) | vma_entry_bits(vma);
	unsigned done;
	bool empty = true;

	for (done = 0; leaf && done < n && pagecache_hole(m, index + done); done++, va += PAGE_SIZE) {
		entry_t *e = leaf_entry(leaf, va);

		if (smp_load_acquire(&m->size) < (loff_t)((index + done + 1) << PAGE_SHIFT))
			break;
		spin_lock(&leaf->lock);
		empty = entry_read(e) == 0;
		if (empty)
			entry_exchange_locked(leaf, e, value);
		spin_unlock(&leaf->lock);
		if (!empty)
			break;
	}
	vmstat_add(VM_FAULT_ZERO, done);
	return done;
}

/* --- lending --- */

static unsigned lend(struct mm *mm, const struct vma *vma, struct address_space *m, u64 index, vaddr_t va, unsigned n)
{
	struct page *loan[LOAN_MAX];
	unsigned got = loan_from_file(m, index, n, loan), done = got ? loan_to_user(mm, vma, va, loan, got) : 0;

	loan_return(loan + done, got - done);
	vmstat_add(VM_LOAN_READ, done);
	return done;
}

/* mmap_lock held for reading: as much as can be of [va, end) from page `index` of the file on. Returns where it ends. */
static vaddr_t map_run(struct mm *mm, struct vma *vma, struct address_space *m, u64 index, vaddr_t va, vaddr_t end)
{
	bool lends = switch_zerocopy_read && !(vma->flags & VM_LOCKED) && vma_lends(vma, (end - va) >> PAGE_SHIFT);

	while (va < end) {
		vaddr_t leaf_end = ALIGN_DOWN(va, LEAF_SPAN) + LEAF_SPAN;
		unsigned n = (unsigned)((min(leaf_end, end) - va) >> PAGE_SHIFT), k = 0;

		if (lends && n == LEAF_SPAN >> PAGE_SHIFT && !(index & (n - 1)))
			k = template_attach(mm, vma, m, index, va);
		if (!k && lends)
			k = lend(mm, vma, m, index, va, n);
		if (!k && lends)
			k = map_zeroes(mm, vma, m, index, va, n);
		if (!k)
			k = fill(mm, vma, m, index, va, lends ? 1 : n);
		if (!k)
			break;
		va += k * PAGE_SIZE;
		index += k;
	}
	return va;
}

size_t pagecache_read_fill(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	struct mm *mm = current->mm;
	size_t len, done = 0;
	vaddr_t va = (vaddr_t)iter_address(to, &len);
	struct vma *vma;

	if (to->kernel || !mm || (va | pos) & ~PAGE_MASK || len < PAGE_SIZE)
		return 0;
	len = min(ALIGN_DOWN(len, PAGE_SIZE), MAP_AT_ONCE);
	down_read(&mm->mmap_lock);
	vma = vma_lookup(mm, va);
	if (vma && !vma->mapping && (vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE)
		done = map_run(mm, vma, m, (u64)pos >> PAGE_SHIFT, va, min(vma->end, va + len)) - va;
	up_read(&mm->mmap_lock);
	trace(TRACE_LOAN, va, (u64)pos >> PAGE_SHIFT, done >> PAGE_SHIFT);
	iter_advance(to, done);
	return done;
}
