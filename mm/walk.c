/*
 * Walking the tables of an address space: find a leaf, make one, clear a range, free what is left over.
 *
 * Upper tables, and leaves with RW in the entry above, go away only under mmap_lock held for writing, and only where no VMA is; so whoever
 * holds mmap_lock, or the i_mmap_lock of a listed VMA, may walk below that VMA without further locks. A leaf without RW above may be others' too
 * (mm/share.c): a thread that wants to change it puts a copy in its place, under mmap_lock held for reading. Who looks at one then holds it
 * (leaf_hold()). Entries of leaves change under the leaf's own lock.
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "mm/swap.h"

static u64 span(unsigned level) { return PAGE_SIZE << (9 * level); }	/* bytes under one entry of that level */

/*
 * The leaf used last, in one word: its frame number, and above it which 2 MiB it maps; the next fault there saves a walk of some 180
 * instructions. Set under mmap_lock only, where no leaf can go away; a leaf that goes takes the hint with it. Who looks without the lock
 * may find a leaf that is just going, as he may on a walk.
 */
#define HINT_FRAME_BITS 38
#define HINT_FRAME (BIT(HINT_FRAME_BITS) - 1)

static struct page *hinted_leaf(struct mm *mm, vaddr_t va)
{
	u64 hint = READ_ONCE(mm->leaf_hint);

	return hint && hint >> HINT_FRAME_BITS == va / LEAF_SPAN ? pfn_to_page(hint & HINT_FRAME) : NULL;
}

static void set_hint(struct mm *mm, vaddr_t va, const struct page *leaf)
{
	WRITE_ONCE(mm->leaf_hint, va / LEAF_SPAN << HINT_FRAME_BITS | page_to_pfn(leaf));
}

entry_t *leaf_slot(struct mm *mm, vaddr_t va)
{
	struct page *table = mm->root;

	while (table && table->level > 1) {
		u64 value = entry_read(&table_entries(table)[table_index(va, table->level)]);
		table = likely(value & ENTRY_P) ? entry_page(value) : table_own(table, table_index(va, table->level));
	}
	return table ? &table_entries(table)[table_index(va, 1)] : NULL;
}

struct page *leaf_own(struct mm *mm, vaddr_t va)
{
	struct page *leaf = hinted_leaf(mm, va);

	if (likely(leaf))
		return leaf;
	entry_t *slot = leaf_slot(mm, va);
	if (!slot || !table_own(virt_to_page(slot), table_index(va, 1)))
		return NULL;
	u64 above = entry_read(slot);	/* table and right at once: another thread may be owning it */
	leaf = entry_page(above);
	if (unlikely(!(above & ENTRY_RW)))
		leaf = leaf_unshare(mm, slot, va, 0);
	if (leaf)
		set_hint(mm, va, leaf);
	return leaf;
}

/* A leaf, and the entry above it: what that said, and where it is (NULL: the hint knew, and it knows only leaves with RW above). */
struct found { struct page *leaf; u64 upper; entry_t *slot; };

static __attribute__((always_inline)) inline struct found find_leaf(struct mm *mm, vaddr_t va, vaddr_t *next)
{
	struct found f = { hinted_leaf(mm, va), UPPER_FLAGS, NULL };

	if (!f.leaf)
		f.leaf = mm->root;
	while (f.leaf->level > 0) {
		f.slot = &table_entries(f.leaf)[table_index(va, f.leaf->level)];
		f.upper = entry_read(f.slot);
		if (!(f.upper & ENTRY_P)) {
			*next = ALIGN_DOWN(va, span(f.leaf->level)) + span(f.leaf->level);
			f.leaf = NULL;
			return f;
		}
		f.leaf = entry_page(f.upper);
	}
	*next = ALIGN_DOWN(va, span(1)) + span(1);
	return f;
}

/* Is it still the one that it was found to be? One with RW above stays, as does any while nobody else changes tables. */
static inline bool still_there(const struct found *f)
{
	return !f->slot || entry_page(entry_read(f->slot)) == f->leaf;
}

struct page *leaf_find(struct mm *mm, vaddr_t va, vaddr_t *next) { return find_leaf(mm, va, next).leaf; }

struct page *leaf_find_locked(struct mm *mm, vaddr_t va, vaddr_t *next)
{
	struct found f = find_leaf(mm, va, next);

	if (f.leaf && f.upper & ENTRY_RW)
		set_hint(mm, va, f.leaf);
	return f.leaf;
}

struct page *leaf_find_own(struct mm *mm, vaddr_t va, vaddr_t *next, unsigned copy_flags)
{
	struct found f = find_leaf(mm, va, next);

	if (!f.leaf || likely(f.upper & ENTRY_RW))
		return f.leaf;
	return leaf_unshare(mm, f.slot, va, copy_flags);
}

struct page *leaf_hold(struct mm *mm, vaddr_t va, vaddr_t *next)
{
	for (;;) {
		struct found f = find_leaf(mm, va, next);
		if (!f.leaf)
			return NULL;
		if (!page_pin_read(f.leaf))
			continue;		/* freed, so no longer there */
		if (still_there(&f))
			return f.leaf;
		page_unpin_read(f.leaf);
	}
}

bool leaf_let_go(struct mm *mm, vaddr_t va, struct page *leaf)
{
	vaddr_t next;
	bool same = find_leaf(mm, va, &next).leaf == leaf;

	page_unpin_read(leaf);
	return same;
}

const entry_t *leaf_find_entry(struct mm *mm, vaddr_t va, u64 *value)
{
	struct found f;
	vaddr_t next;

	do {
		f = find_leaf(mm, va, &next);
		if (!f.leaf)
			return NULL;
		*value = entry_read(leaf_entry(f.leaf, va));
	} while (unlikely(!still_there(&f)));
	if (unlikely(!(f.upper & ENTRY_RW)))
		*value &= ~(ENTRY_RW | ENTRY_EXCL);
	return leaf_entry(f.leaf, va);
}

u64 mm_entry(struct mm *mm, vaddr_t va)
{
	u64 value = 0;

	/* Tables are freed after a flush that asks every CPU which runs mm; one with interrupts off has not answered yet. */
	u64 flags = irq_save();
	leaf_find_entry(mm, va, &value);
	irq_restore(flags);
	return value;
}

int leaves_own(struct mm *mm, vaddr_t start, vaddr_t end)
{
	vaddr_t next;

	for (vaddr_t va = start; va < end; va = next) {
		struct found f = find_leaf(mm, va, &next);
		if (f.leaf && unlikely(!(f.upper & ENTRY_RW)) && !leaf_unshare(mm, f.slot, va, 0))
			return -ENOMEM;
	}
	return 0;
}

/* Leaf locked. Up to n private pages from e on lose their entries; out[] gets them. How many, before an entry that is something else. */
static unsigned clear_run(entry_t *e, unsigned n, struct page **out)
{
	unsigned i;

	for (i = 0; i < n; i++, e++) {
		if ((entry_read(e) & (ENTRY_PRIV | ENTRY_SWAP)) != ENTRY_PRIV)
			break;
		out[i] = entry_page(atomic64_xchg(e, 0));
	}
	return i;
}

/* The same of entries that own nothing. */
static unsigned clear_file_run(entry_t *e, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++, e++) {
		u64 value = entry_read(e);
		if (!value || value & ENTRY_PRIV)
			break;
		atomic64_xchg(e, 0);
	}
	return i;
}

/* Leaf locked. Clear a run of private pages at va, or one of entries that own nothing; returns its end. */
static vaddr_t zap_run(struct page *leaf, vaddr_t va, vaddr_t end, bool private, struct tlb_batch *batch)
{
	unsigned n = (unsigned)((end - va) >> PAGE_SHIFT);
	entry_t *e = leaf_entry(leaf, va);

	tlb_batch_range(batch, va, va + PAGE_SIZE);
	if (private) {
		n = clear_run(e, min(n, TLB_BATCH - batch->nr), batch->holders + batch->nr);
		batch->nr += n;
	} else {
		n = clear_file_run(e, n);
	}
	table_live_add(leaf, -n);
	tlb_batch_range(batch, va, va + n * PAGE_SIZE);
	return va + n * PAGE_SIZE;
}

/* Clear in one leaf, from va to end or until the batch is full; returns where it stopped. */
static vaddr_t zap_leaf(struct page *leaf, vaddr_t va, vaddr_t end, unsigned what, struct tlb_batch *batch)
{
	spin_lock(&leaf->lock);
	while (va < end && leaf->live && !tlb_batch_full(batch)) {
		entry_t *e = leaf_entry(leaf, va);
		u64 value = entry_read(e);
		if (!value) {
			va = leaf_next_used(leaf, va, end);
		} else if (!(what & (value & ENTRY_PRIV ? ZAP_PRIVATE : ZAP_FILE))) {
			va += PAGE_SIZE;
		} else if (unlikely(entry_is_swap(value))) {
			entry_exchange_locked(leaf, e, 0);
			swap_put(value);
			va += PAGE_SIZE;
		} else {
			va = zap_run(leaf, va, end, value & ENTRY_PRIV, batch);
		}
	}
	bool empty = !leaf->live;
	spin_unlock(&leaf->lock);
	return empty ? end : va;
}

#define WHOLE_LEAF 64		/* entries: with fewer, clearing them is cheaper than another table */

/*
 * Take the leaf at va out of the tables with all that it has: 25 instructions a page are 17, and no page waits for the flush in a list of its own. Only
 * for who has mmap_lock for writing, and where no file's VMA is, so that nobody else gets at the leaf. If others have it too, that is all there is to do.
 */
static void detach_leaf(struct mm *mm, struct page *leaf, vaddr_t va, struct tlb_batch *batch)
{
	entry_t *slot = leaf_slot(mm, va);
	struct page *table = virt_to_page(slot);

	tlb_batch_range(batch, va, va + LEAF_SPAN);
	WRITE_ONCE(mm->leaf_hint, 0);
	spin_lock(&table->lock);
	entry_exchange_locked(table, slot, 0);
	spin_unlock(&table->lock);
	tlb_batch_table(batch, leaf);
}

void leaf_empty(struct page *leaf)
{
	entry_t *e = table_entries(leaf);

	for (unsigned left = leaf->live; left; e++) {
		u64 value = entry_read(e);
		if (!value)
			continue;
		left--;
		atomic64_set(e, 0);
		if (likely((value & (ENTRY_PRIV | ENTRY_SWAP)) == ENTRY_PRIV))
			own_sub(entry_page(value), OWN_HOLDER);
		else if (entry_is_swap(value))
			swap_put(value);
	}
	leaf->live = 0;
}

void zap_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned what, struct tlb_batch *batch)
{
	vaddr_t next;

	for (vaddr_t va = start; va < end; ) {
		struct page *leaf = what & ZAP_LOCKED ? leaf_find_locked(mm, va, &next) : leaf_find(mm, va, &next);
		u32 live = leaf ? READ_ONCE(leaf->live) : 0;
		if (!live) {
			va = next;
		} else if (table_shared(leaf) || (what & ZAP_LEAVES && live >= WHOLE_LEAF && !(va & (LEAF_SPAN - 1)) && next <= end)) {
			ASSERT(!(va & (LEAF_SPAN - 1)) && next <= end);	/* a shared one lies in one VMA, and where a part of it goes it was owned */
			detach_leaf(mm, leaf, va, batch);
			va = next;
		} else {
			va = zap_leaf(leaf, va, min(next, end), what, batch);
		}
		if (tlb_batch_full(batch))
			tlb_batch_finish(batch);
	}
}

/*
 * Below `table`, whose first address is `base`: free the children that lie in [low, high) whole and touch [start, end).
 * All their entries are clear.
 */
static void free_children(struct page *table, vaddr_t base, vaddr_t start, vaddr_t end, vaddr_t low, vaddr_t high, struct tlb_batch *batch)
{
	u64 size = span(table->level);
	unsigned first = start > base ? (start - base) / size : 0, left = table->live;	/* mmap_lock keeps it as it is */

	for (unsigned slot = first; left && slot < 512 && base + slot * size < end; slot++) {
		vaddr_t child_base = base + slot * size;
		entry_t *e = &table_entries(table)[slot];
		u64 value = entry_read(e);
		if (!(value & ENTRY_P))
			continue;
		left--;
		struct page *child = entry_page(value);
		if (child->level > 0)
			free_children(child, child_base, start, end, low, high, batch);
		if (child_base < low || child_base + size > high || READ_ONCE(child->live))
			continue;
		WRITE_ONCE(batch->mm->leaf_hint, 0);
		spin_lock(&table->lock);
		entry_exchange_locked(table, e, 0);
		spin_unlock(&table->lock);
		tlb_batch_table(batch, child);
		if (tlb_batch_full(batch))
			tlb_batch_finish(batch);
	}
}

/* [va, end) lies below one leaf: is there a table on the way down that has no entries? */
static bool empty_table_above(struct page *table, vaddr_t va)
{
	for (;;) {
		u64 value = entry_read(&table_entries(table)[table_index(va, table->level)]);
		if (!(value & ENTRY_P))
			return false;
		table = entry_page(value);
		if (!READ_ONCE(table->live))
			return true;
		if (table->level == 0)
			return false;
	}
}

void free_tables(struct mm *mm, vaddr_t start, vaddr_t end, vaddr_t low, vaddr_t high, struct tlb_batch *batch)
{
	vaddr_t leaf_base = max(ALIGN_DOWN(start, LEAF_SPAN), ALIGN_UP(low, LEAF_SPAN));

	if (leaf_base >= end || leaf_base + LEAF_SPAN > high)
		return;			/* as mostly: neighbours need the leaf that it lies in */
	if (start / LEAF_SPAN != (end - 1) / LEAF_SPAN || empty_table_above(mm->root, start))
		free_children(mm->root, 0, start, end, low, high, batch);
}

static u64 leaf_present(struct page *leaf, vaddr_t va, vaddr_t end)
{
	u64 pages = 0;

	for (; va < end; va += PAGE_SIZE) {
		u64 value = entry_read(leaf_entry(leaf, va));
		pages += value && !entry_is_swap(value) && entry_page(value) != zero_page;
	}
	return pages;
}

u64 mm_rss_pages(struct mm *mm)
{
	u64 pages = 0;
	vaddr_t next;

	down_read(&mm->mmap_lock);
	for (unsigned i = 0; i < mm->nr_vmas; i++)
		for (vaddr_t va = mm->vmas[i]->start, end = mm->vmas[i]->end; va < end; va = next) {
			struct page *leaf = leaf_hold(mm, va, &next);
			u64 here;
			if (!leaf)
				continue;
			here = READ_ONCE(leaf->live) ? leaf_present(leaf, va, min(next, end)) : 0;
			if (leaf_let_go(mm, va, leaf))
				pages += here;
			else
				next = va;
		}
	up_read(&mm->mmap_lock);
	return pages;
}
