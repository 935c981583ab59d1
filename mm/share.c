/*
 * Leaves that several address spaces have.
 *
 * A fork that shares page by page takes a holder of each page and writes an entry for it: 20 instructions, 512 times for 2 MiB. The leaf says
 * the same of all of them, so the child may have the leaf itself: one reference more, and RW=0 in the entries above it, which x86 ANDs with those
 * below. From then on nobody changes it (T1 in mm/table.h). Its pages have one holder, the leaf, whoever has that (PG1 counts tables, not
 * programs), and EXCL and RW of its entries mean nothing until there is one owner again.
 *
 * Who wants to change something (a store, munmap of a part, mprotect, a pin for writing...) calls leaf_own(): the last owner takes the leaf over
 * as it is, with all that he may write in it; one of several makes a copy, for which each page gets a holder, and is then where a fork page by
 * page would have left him.
 *
 *   who may be shared   2 MiB, all in one VMA of private anonymous memory (so nobody comes by a file's list of VMAs), with switch_share_min entries or
 *                       more: fewer are copied sooner than a table is made. vma_split() keeps it so: it calls leaf_own() where it cuts.
 *   who may pin         exclusively: only below RW=1. So RW=0 comes first, then a flush, whose interrupt ends the fast pins that had seen
 *                       RW=1, and only then is looked for pins (FOREST.md, T3 and T4). A leaf in which there was never a pin says so itself.
 *   who is flushed      who loses the leaf, before he drops his reference (T1): the next owner may write to it. One page is enough, as that
 *                       drops what is remembered of upper entries (INV-S6; SDM vol. 3, 4.10.4.1).
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

/* --- fork --- */

/* The leaves of [va, end) that the child may have lose RW above. True: one of them had it. */
static bool restrict_range(struct mm *mm, vaddr_t va, vaddr_t end)
{
	bool any = false;
	vaddr_t next;

	for (; va < end && end - va >= LEAF_SPAN; va = next) {
		struct page *leaf = leaf_find(mm, va, &next);
		if (!leaf || leaf->live < READ_ONCE(switch_share_min))
			continue;
		entry_t *slot = leaf_slot(mm, va);
		if (!(entry_read(slot) & ENTRY_RW))
			continue;
		spin_lock(&virt_to_page(slot)->lock);
		atomic64_fetch_and(slot, ~ENTRY_RW);
		spin_unlock(&virt_to_page(slot)->lock);
		any = true;
	}
	return any;
}

void leaves_restrict(struct mm *mm)
{
	bool any = false;

	for (unsigned i = 0; i < mm->nr_vmas; i++) {
		const struct vma *vma = mm->vmas[i];
		if (vma_has_leaves(vma) && !(vma->flags & (VM_DONTFORK | VM_WIPEONFORK)))
			any |= restrict_range(mm, ALIGN_UP(vma->start, LEAF_SPAN), vma->end);
	}
	if (!any)
		return;
	WRITE_ONCE(mm->leaf_hint, 0);	/* it is of leaves with RW=1 */
	tlb_flush_mm(mm, TLB_FORK);
}

/* Leaf locked, RW=0 above, all fast pins that did not see that are over. Is a page of it pinned exclusively? */
static bool has_pins(struct page *leaf)
{
	const entry_t *e = table_entries(leaf);

	if (!READ_ONCE(leaf->pinned))
		return false;
	for (unsigned i = 0; i < 512; i++) {
		u64 value = entry_read(&e[i]);
		if (value & ENTRY_PRIV && !(value & ENTRY_SWAP) && own_xpins(atomic64_read(&entry_page(value)->own)))
			return true;
	}
	WRITE_ONCE(leaf->pinned, false);
	return false;
}

int leaf_share(struct mm *old, struct mm *new, const struct vma *vma, vaddr_t va)
{
	struct page *leaf;
	entry_t *slot;
	u64 above;

	if (!switch_share_tables || va & (LEAF_SPAN - 1) || vma->end - va < LEAF_SPAN)
		return 0;
	slot = leaf_slot(new, va);
	if (!slot)
		return -ENOMEM;
	/* Only now: to find memory, our own pages may have been swapped out, and their leaves taken over or copied for that. */
	above = entry_read(leaf_slot(old, va));
	if (above & ENTRY_RW)
		return 0;
	leaf = entry_page(above);
	spin_lock(&virt_to_page(slot)->lock);
	spin_lock(&leaf->lock);
	bool shared = !has_pins(leaf) && table_takes_owner(leaf);
	if (shared) {
		page_get(leaf);
		entry_exchange_locked(virt_to_page(slot), slot, page_to_phys(leaf) | (UPPER_FLAGS & ~ENTRY_RW));
	}
	spin_unlock(&leaf->lock);
	spin_unlock(&virt_to_page(slot)->lock);
	if (!shared)
		return 0;
	vmstat_inc(VM_TABLE_SHARE);
	trace(TRACE_SHARE, va, page_to_pfn(leaf), own_refs(atomic64_read(&leaf->own)));
	return 1;
}

/* --- one's own again --- */

/* Parent locked. The last owner takes the leaf over; or `copy`, if there is one, becomes his. False: a copy is needed, or could not be made. */
static bool own_locked(entry_t *slot, vaddr_t va, struct page *copy)
{
	struct page *leaf = entry_page(entry_read(slot));
	bool done = true;

	if (copy)
		table_lock_two(leaf, copy);
	else
		spin_lock(&leaf->lock);		/* until whoever copies it has done so */
	if (!table_shared(leaf)) {
		atomic64_fetch_or(slot, ENTRY_RW);	/* more rights, same table: no flush */
		vmstat_inc(VM_TABLE_TAKE);
	} else if (!copy) {
		done = false;
	} else {
		done = leaf_copy(leaf, copy, ALIGN_DOWN(va, LEAF_SPAN));
		if (done)
			entry_exchange_locked(virt_to_page(slot), slot, page_to_phys(copy) | UPPER_FLAGS);
	}
	if (copy)
		table_unlock_two(leaf, copy);
	else
		spin_unlock(&leaf->lock);
	return done;
}

struct page *leaf_unshare(struct mm *mm, entry_t *slot, vaddr_t va, unsigned copy_flags)
{
	struct page *parent = virt_to_page(slot), *copy = NULL, *old = NULL, *leaf;
	bool done;

	for (;;) {
		spin_lock(&parent->lock);
		u64 value = entry_read(slot);
		done = value & ENTRY_RW || own_locked(slot, va, copy);
		leaf = entry_page(entry_read(slot));
		old = leaf != entry_page(value) ? entry_page(value) : NULL;
		spin_unlock(&parent->lock);
		if (done || copy || copy_flags == LEAF_TAKE)
			break;
		copy = table_alloc(PAGE_TABLE_PROCESS, 0, copy_flags);
		if (!copy)
			return NULL;
	}
	if (old) {
		vmstat_inc(VM_TABLE_COPY);
		trace(TRACE_COW, va, page_to_pfn(old), page_to_pfn(leaf));
		tlb_flush_page(mm, va, TLB_COW);
		table_put(old);
	} else if (copy) {
		table_put(copy);
	}
	return done ? leaf : NULL;
}
