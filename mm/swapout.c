/*
 * Out: the clock hand over the private pages of all address spaces.
 *
 * There is no list of pages: the hand walks the tables themselves, an address space after the other, from where it stopped last time. An entry
 * that was used since (A) loses the bit and gets another round. mmap_lock is only tried, as reclaim must; an address space whose
 * lock somebody holds for writing is passed over.
 *
 * One leaf at a time, some pages together, all under the leaf's lock: entries become swap entries, one flush, and then the pins
 * are looked at. A pin that came before finds its page again in the entry and is seen here: the entry is put back. One that comes
 * after finds the entry changed (mm/gup.c). Only then does the page go to the cache and the device (INV-E8, SW2).
 */
#include "mm/swap.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/slot.h"
#include "mm/switches.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define BATCH 12	/* pages out with one flush; each has a page lock meanwhile */

struct victim {
	entry_t *e, *slot;
	u64 was;			/* the entry before */
	u32 id;
	struct page *page;
	struct swap_request *request;	/* NULL: the page is in its cache already */
};

struct scan {
	unsigned want, begun;
	bool force;			/* without looking at A */
	unsigned copy_flags;		/* of leaves that others have too; LEAF_TAKE: their pages stay */
	bool full;			/* no slot, or no request: enough for now */
};

static struct address_space *place(const struct victim *v, u64 *index)
{
	*index = SWAP_SLOT(v->id);
	return &swap_area_of(v->id)->mapping;
}

/* Another entry's page, which went out before and is still there? Its slot, one count more, page lock taken. */
static bool join(struct victim *v)
{
	struct swap_area *a;
	bool joined = false;

	v->id = READ_ONCE(v->page->swap_id);
	a = swap_area_of(v->id);
	if (!v->id || v->id >> SWAP_SLOT_BITS >= SWAP_AREAS || !swap_hold(a))
		return false;
	if (SWAP_SLOT(v->id) <= a->last && page_trylock_uptodate(&a->mapping, SWAP_SLOT(v->id), &v->slot)) {
		joined = entry_page(entry_read(v->slot)) == v->page;
		if (joined)
			swap_count(v->id, 1);
		else
			page_unlock(&a->mapping, SWAP_SLOT(v->id), v->slot, 0, 0);
	}
	swap_release(a);
	v->request = NULL;
	return joined;
}

/* A place for the page: slot, page lock, and the request to write it with. */
static bool find_slot(struct victim *v)
{
	u64 index;

	if (join(v))
		return true;
	if (!swap_alloc(&v->id, &v->slot))
		return false;
	v->request = swap_request_get(swap_area_of(v->id));
	if (v->request)
		return true;
	swap_count(v->id, -1);
	page_unlock(place(v, &index), SWAP_SLOT(v->id), v->slot, 0, 0);
	return false;
}

/* Leaf locked. Take the page at *e away from it, if it is one that may go. */
static bool take(struct scan *s, struct page *leaf, entry_t *e, struct victim *v)
{
	u64 value = entry_read(e);

	if (!(value & ENTRY_PRIV) || value & ENTRY_SWAP)
		return false;
	vmstat_inc(VM_SWAP_SCAN);
	if (value & ENTRY_A && !s->force) {
		atomic64_fetch_and(e, ~ENTRY_A);	/* a CPU that has it in its TLB may use it unseen: it is a hint */
		vmstat_inc(VM_SWAP_ACTIVE);
		return false;
	}
	v->e = e;
	v->page = entry_page(value);
	if (!page_unpinned(v->page) && !switch_swap_pinned) {
		vmstat_inc(VM_SWAP_PINNED);
		return false;
	}
	if (!find_slot(v)) {
		s->full = true;
		return false;
	}
	v->was = entry_exchange_locked(leaf, e, swap_entry(v->id));
	return true;
}

/* swap_pinned=1: the page as it is now goes out as if nobody had pinned it; who has may keep the frame, which is nobody's memory any more. */
static bool leave_to_pin(struct victim *v)
{
	struct page *copy = switch_swap_pinned && v->request ? page_alloc(0, PA_ATOMIC | PA_RESERVE) : NULL;

	if (!copy)
		return false;
	arch_copy_page(page_address(copy), page_address(v->page));
	page_ref_to_holder(copy);
	page_drop_holder(v->page);
	v->page = copy;
	return true;
}

/* Leaf locked, flushed: no CPU has the page any more, and who pinned it is seen. True: the page is in the cache, to be written. */
static bool commit(struct page *leaf, struct victim *v)
{
	u64 index;
	struct address_space *m = place(v, &index);

	if (!page_unpinned(v->page) && !leave_to_pin(v)) {
		vmstat_inc(VM_SWAP_PINNED);
		entry_exchange_locked(leaf, v->e, v->was);
		swap_count(v->id, -1);
		page_unlock(m, index, v->slot, 0, 0);
		if (v->request)
			swap_request_put(v->request);
		return false;
	}
	if (!v->request) {
		page_drop_holder(v->page);
		swap_let_go(v->id, v->slot);
		return false;
	}
	WRITE_ONCE(v->page->swap_id, v->id);
	swap_cache_add(m, v->slot, v->page);
	return true;
}

/* From va to end, or until a batch is full; returns where it stopped. */
static vaddr_t scan_leaf(struct mm *mm, struct page *leaf, vaddr_t va, vaddr_t end, struct scan *s)
{
	struct victim victims[BATCH];
	vaddr_t first = 0, last = 0;
	unsigned n = 0, writes = 0;

	spin_lock(&leaf->lock);
	for (; va < end && n < BATCH && s->begun + n < s->want; va += PAGE_SIZE) {
		if (take(s, leaf, leaf_entry(leaf, va), &victims[n])) {
			first = n++ ? first : va;
			last = va;
		}
		if (s->full)
			break;
	}
	if (n)
		tlb_flush_range(mm, first, last + PAGE_SIZE, TLB_SWAP);
	for (unsigned i = 0; i < n; i++)
		if (commit(leaf, &victims[i]))
			victims[writes++] = victims[i];
	spin_unlock(&leaf->lock);
	for (unsigned i = 0; i < writes; i++)
		swap_write(victims[i].request, SWAP_SLOT(victims[i].id), victims[i].slot);
	s->begun += n;
	return va;
}

static vaddr_t scan_range(struct mm *mm, vaddr_t va, vaddr_t end, struct scan *s)
{
	vaddr_t next;

	while (va < end && s->begun < s->want && !s->full) {
		struct page *leaf = leaf_find_own(mm, va, &next, s->copy_flags);
		va = leaf && READ_ONCE(leaf->live) ? scan_leaf(mm, leaf, va, min(next, end), s) : next;
	}
	return va;
}

static bool may_go(const struct vma *vma) { return !(vma->flags & (VM_LOCKED | VM_SHARED)); }

static void scan_mm(struct mm *mm, struct scan *s)
{
	bool ours = READ_ONCE(mm->forking) == current;	/* it has the lock for writing, and changes no VMA */
	vaddr_t va = READ_ONCE(mm->swap_hand);

	if (!ours && !down_read_trylock(&mm->mmap_lock))
		return;
	for (unsigned i = vma_index(mm, va); i < mm->nr_vmas && s->begun < s->want && !s->full; i++) {
		struct vma *vma = mm->vmas[i];
		if (may_go(vma))
			va = scan_range(mm, max(va, vma->start), vma->end, s);
	}
	WRITE_ONCE(mm->swap_hand, s->begun < s->want && !s->full ? 0 : va);
	if (!ours)
		up_read(&mm->mmap_lock);
}

unsigned swap_out(unsigned nr)
{
	struct scan s = { .want = nr, .copy_flags = LEAF_TAKE };
	struct mm *mm;

	if (!swap_free())
		return 0;
	/* The first round takes A away, the second the pages, and those that page tables share only then. */
	for (int round = 0; round < 2 && s.begun < nr && !s.full; round++) {
		for (unsigned left = mm_count(); s.begun < nr && !s.full && (mm = mm_next(&left));) {
			scan_mm(mm, &s);
			mm_ref_put(mm);
		}
		s.copy_flags = PA_ATOMIC | PA_RESERVE;	/* a table for each 512 pages that may go then */
	}
	return s.begun;
}

unsigned swap_out_range(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end)
{
	struct scan s = { .want = ~0U, .force = true, .copy_flags = LEAF_TAKE };

	if (!may_go(vma))
		return 0;
	for (vaddr_t va = start; va < end; s.full = false) {
		va = scan_range(mm, va, end, &s);
		if (s.full && (!swap_free() || !swap_wait()))
			break;
	}
	return s.begun;
}
