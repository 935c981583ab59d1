/*
 * Reading into memory that was never touched.
 *
 * The first copy into it stops at its first byte. Faulting it in would make a page of zeroes, only to copy over them. Instead new frames
 * are filled from the cache, and mapped when they have their contents: all that the read wants of one leaf under one hold of mmap_lock, where
 * the destination is whole pages of private anonymous memory. Nobody sees zeroes on the way. 4677 -> 940 instructions a page (readfile_16m).
 */
#include "mm/slot.h"

#include "kernel/cpu.h"
#include "mm/mm.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

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

/* mmap_lock held for reading: pages of [va, end) filled from page `index` on. */
static unsigned fill_leaf(struct mm *mm, struct address_space *m, u64 index, vaddr_t va, vaddr_t end)
{
	struct vma *vma = vma_lookup(mm, va);
	unsigned n = 0;

	if (!vma || vma->mapping || (vma->flags & (VM_WRITE | VM_SHARED)) != VM_WRITE)
		return 0;
	end = min(end, vma->end);
	struct page *leaf = leaf_own(mm, va);
	u64 bits = vma_entry_bits(vma) | ENTRY_RW | ENTRY_D | ENTRY_PRIV | ENTRY_EXCL;

	for (; leaf && va < end && !entry_read(leaf_entry(leaf, va)); va += PAGE_SIZE, n++) {
		struct page *copy = copy_of_cached(m, index + n);
		if (!copy || !install(leaf, va, copy, bits))
			break;
	}
	return n;
}

size_t pagecache_read_fill(struct address_space *m, loff_t pos, struct iov_iter *to)
{
	struct mm *mm = current->mm;
	size_t len;
	vaddr_t va = (vaddr_t)iter_address(to, &len), next = ALIGN_DOWN(va, PAGE_SIZE << 9) + (PAGE_SIZE << 9);
	size_t done;

	if (to->kernel || !mm || (va | pos) & ~PAGE_MASK || len < PAGE_SIZE)
		return 0;
	down_read(&mm->mmap_lock);
	done = (size_t)fill_leaf(mm, m, (u64)pos >> PAGE_SHIFT, va, min(next, va + ALIGN_DOWN(len, PAGE_SIZE))) << PAGE_SHIFT;
	up_read(&mm->mmap_lock);
	vmstat_add(VM_READ_FILL, done >> PAGE_SHIFT);
	iter_advance(to, done);
	return done;
}
