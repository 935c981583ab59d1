/*
 * Mapping pages that are in the page cache already, many at a time, without their page locks: around a read fault, and for
 * MAP_POPULATE.
 *
 * Why it is right without the lock. Who takes a page out of the cache first locks the slot, then zaps the mappings, for which it needs
 * the leaf's lock, and only then changes the slot. We look at the slot and make the entry in one hold of that lock. If the zap came
 * before, we see LOCKED, or what the slot became; if it comes after, it finds our entry. The size is set before the slot is locked.
 */
#include "mm/slot.h"

#include "mm/mm.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

/* One page, leaf locked, its entry empty. True if it is mapped now. */
static bool map_slot(struct page *leaf, vaddr_t va, u64 bits, struct address_space *m, u64 index)
{
	entry_t *slot = slot_find(m, index);
	u64 value = slot ? entry_read(slot) : 0;

	/* Uptodate, nobody at work on it, inside the file. */
	if ((value & (ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P || index >= mapping_pages(m))
		return false;
	entry_exchange_locked(leaf, leaf_entry(leaf, va), (value & ENTRY_FRAME) | bits);
	return true;
}

vaddr_t map_cached(struct mm *mm, const struct vma *vma, vaddr_t start, vaddr_t end)
{
	vaddr_t next, missing = 0;
	struct page *leaf = leaf_find(mm, start, &next);
	u64 bits = vma_entry_bits(vma), index = vma->pgoff + ((start - vma->start) >> PAGE_SHIFT);
	unsigned mapped = 0;

	if (!leaf)
		return start;
	spin_lock(&leaf->lock);
	for (vaddr_t va = start; va < end; va += PAGE_SIZE, index++) {
		if (entry_read(leaf_entry(leaf, va)))
			continue;
		if (map_slot(leaf, va, bits, vma->mapping, index))
			mapped++;
		else if (!missing)
			missing = va;
	}
	spin_unlock(&leaf->lock);
	vmstat_add(VM_FAULT_AROUND, mapped);
	return missing ? missing : end;
}
