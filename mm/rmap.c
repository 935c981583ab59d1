/*
 * From a file to the entries that map it: walk the VMAs on the mapping's list.
 *
 * The list's lock keeps the VMAs, their bounds and the tables below them (mm/walk.c). fork and mremap copy or move
 * entries between two listed VMAs under both leaf locks, the target being listed after the source, so a walk from the head meets every
 * entry at least once.
 */
#include "mm/vma.h"

#include "mm/pagecache.h"
#include "mm/vmstat.h"

/* The part of vma that shows pages [first, last]; false: none. */
static bool vma_part(const struct vma *vma, u64 first, u64 last, vaddr_t *start, vaddr_t *end)
{
	u64 vma_last = vma->pgoff + vma_pages(vma) - 1;

	if (last < vma->pgoff || first > vma_last)
		return false;
	*start = vma->start + ((max(first, vma->pgoff) - vma->pgoff) << PAGE_SHIFT);
	*end = vma->start + ((min(last, vma_last) - vma->pgoff + 1) << PAGE_SHIFT);
	return true;
}

/*
 * Does anybody map the file? Who truncates has stored the size before, who maps is on the list before it reads the size: so one
 * of the two sees the other, given a barrier on each side (joining the list is a locked instruction).
 */
static bool mapped(struct address_space *mapping)
{
	smp_mb();
	return atomic_read(&mapping->nr_mapped) != 0;
}

bool mapping_has_writable(struct address_space *mapping)
{
	const u64 both = VM_SHARED | VM_MAYWRITE;
	bool found = false;
	struct vma *vma;

	mutex_lock(&mapping->i_mmap_lock);
	list_for_each(vma, &mapping->i_mmap, i_mmap_node)
		found |= (vma->flags & both) == both;
	mutex_unlock(&mapping->i_mmap_lock);
	return found;
}

static void zap_locked(struct address_space *mapping, u64 first, u64 last, unsigned what)
{
	struct vma *vma;
	vaddr_t start, end;

	list_for_each(vma, &mapping->i_mmap, i_mmap_node) {
		struct tlb_batch batch;
		if (!vma_part(vma, first, last, &start, &end))
			continue;
		tlb_batch_init(&batch, vma->mm, TLB_ZAP);
		zap_range(vma->mm, start, end, what, &batch);
		tlb_batch_others(&batch, start, end);
		vmstat_inc(VM_RMAP_ZAP);
		tlb_batch_finish(&batch);
	}
}

void rmap_zap(struct address_space *mapping, u64 first, u64 last, bool private_copies_too)
{
	if (!mapped(mapping))
		return;
	mutex_lock(&mapping->i_mmap_lock);
	zap_locked(mapping, first, last, ZAP_FILE | (private_copies_too ? ZAP_PRIVATE : 0));
	mutex_unlock(&mapping->i_mmap_lock);
}

/* The entry by which this VMA maps page `index` of the file, and what it was; NULL: it does not. leaf->lock is not needed to look. i_mmap_lock held. */
static entry_t *file_entry(struct vma *vma, u64 index, u64 *value)
{
	vaddr_t start, end, next;

	if (!vma_part(vma, index, index, &start, &end))
		return NULL;
	struct page *leaf = leaf_find(vma->mm, start, &next);
	entry_t *e = leaf ? leaf_entry(leaf, start) : NULL;

	*value = e ? entry_read(e) : 0;
	return *value & ENTRY_P && !(*value & ENTRY_PRIV) ? e : NULL;
}

/* Who calls mlock() stores VM_LOCKED under i_mmap_lock before he looks whether all is there. The page's lock, which our caller has, keeps new entries away. */
static bool locked_through(struct vma *vma, u64 index)
{
	u64 value;

	return vma->flags & VM_LOCKED && file_entry(vma, index, &value);
}

bool rmap_try_zap(struct address_space *mapping, u64 index)
{
	bool locked = false;
	struct vma *vma;

	if (!mapped(mapping))
		return true;
	if (!mutex_trylock(&mapping->i_mmap_lock))
		return false;
	list_for_each(vma, &mapping->i_mmap, i_mmap_node)
		locked |= locked_through(vma, index);
	if (!locked)
		zap_locked(mapping, index, index, ZAP_FILE);
	mutex_unlock(&mapping->i_mmap_lock);
	return !locked;
}

/* Was page `index` used through this VMA since the last look? A is a hint. i_mmap_lock held. */
static bool used_through(struct vma *vma, u64 index)
{
	u64 value;
	entry_t *e = file_entry(vma, index, &value);

	if (!e || !(value & ENTRY_A))
		return false;
	atomic64_cmpxchg(e, &value, value & ~ENTRY_A);
	return true;
}

bool rmap_try_used(struct address_space *mapping, u64 index)
{
	struct vma *vma;
	bool used = false;

	if (!mutex_trylock(&mapping->i_mmap_lock))
		return true;
	list_for_each(vma, &mapping->i_mmap, i_mmap_node)
		used |= used_through(vma, index);
	mutex_unlock(&mapping->i_mmap_lock);
	return used;
}

/* Take RW from the FILE entries of one leaf; true if any had it. */
static bool write_protect_leaf(struct page *leaf, vaddr_t va, vaddr_t end)
{
	bool any = false;

	spin_lock(&leaf->lock);
	for (; va < end; va += PAGE_SIZE) {
		entry_t *e = leaf_entry(leaf, va);
		u64 value = entry_read(e);
		if (!(value & ENTRY_PRIV) && value & ENTRY_RW) {
			atomic64_fetch_and(e, ~ENTRY_RW);
			any = true;
		}
	}
	spin_unlock(&leaf->lock);
	return any;
}

void rmap_write_protect(struct address_space *mapping, u64 first, u64 last)
{
	struct vma *vma;
	vaddr_t start, end, next;

	if (!mapped(mapping))
		return;
	mutex_lock(&mapping->i_mmap_lock);
	list_for_each(vma, &mapping->i_mmap, i_mmap_node) {
		if (!(vma->flags & VM_SHARED) || !vma_part(vma, first, last, &start, &end))
			continue;
		bool any = false;
		for (vaddr_t va = start; va < end; va = next) {
			struct page *leaf = leaf_find(vma->mm, va, &next);
			if (leaf && READ_ONCE(leaf->live))
				any |= write_protect_leaf(leaf, va, min(next, end));
		}
		vmstat_add(VM_RMAP_PROTECT, any);
		if (any || atomic_read(&vma->mm->unflushed))	/* or somebody took RW away and has not flushed yet */
			tlb_flush_range(vma->mm, start, end, TLB_CLEAN);
	}
	mutex_unlock(&mapping->i_mmap_lock);
}
