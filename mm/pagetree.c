/*
 * The page cache's tree: a file's pages as a tree of CACHE tables, one entry (slot) per page.
 *
 * Callers find slots without locks. Tables are added, never removed while the mapping lives (PC6), so a slot's address
 * is good for ever, with one exception: page 0's slot is the root entry itself while the file has one page. The
 * root moves into a table only by compare-and-swap while it is neither LOCKED nor WRITEBACK, so nobody who owns a
 * slot ever sees it move.
 *
 * Not here: what is in a slot (pagecache.c), who owns it (pagelock.c).
 */
#include "mm/slot.h"

#include "kernel/printk.h"

#define MAX_LEVELS 4		/* 512^4 pages: 256 TiB */
#define UPPER_BITS (ENTRY_P | ENTRY_RW | ENTRY_US)

static struct page *table_of_root(u64 root)
{
	return root & ENTRY_TABLE ? entry_page(root) : NULL;
}

static bool table_covers(const struct page *table, u64 index)
{
	return index >> 9 * (table->level + 1) == 0;
}

static entry_t *table_slot(const struct page *table, u64 index)
{
	return &table_entries(table)[index >> 9 * table->level & 511];
}

entry_t *slot_walk(struct address_space *m, u64 index)
{
	u64 root = smp_load_acquire(&m->root.v);
	struct page *table = table_of_root(root);

	if (!table)
		return index ? NULL : &m->root;
	if (!table_covers(table, index))
		return NULL;
	while (table->level) {
		u64 e = smp_load_acquire(&table_slot(table, index)->v);
		if (!(e & ENTRY_P))
			return NULL;
		table = entry_page(e);
	}
	if (index >> 9 < BIT(64 - SLOT_HINT_BITS))
		WRITE_ONCE(m->leaf_hint, (index >> 9) << SLOT_HINT_BITS | page_to_pfn(table));
	return table_slot(table, index);
}

/*
 * Put a new table above the present root. Page 0's slot moves only if nobody owns it: else wait and let the caller look
 * again. So who holds page 0's lock of a one-page file must not lock another page of it; slot_own makes that
 * impossible for files longer than a page by growing first.
 */
static int tree_grow(struct address_space *m, u64 root)
{
	struct page *old = table_of_root(root), *table;
	u64 below = old ? (root & ~ENTRY_TABLE) | ENTRY_DIRTY_BELOW : root;

	if (!old && root & ENTRY_LOCKED)
		return page_wait_unlocked(m, 0, false);
	if (!old && root & ENTRY_WRITEBACK)
		return page_wait_writeback(m, 0);
	table = table_alloc(PAGE_TABLE_CACHE, old ? old->level + 1 : 0, 0);
	if (!table)
		return -ENOMEM;
	if (old) {
		spin_lock(&table->lock);
		entry_exchange_locked(table, table_entries(table), below);
		spin_unlock(&table->lock);
	} else {
		atomic64_set(table_entries(table), below);
	}
	/* A race with DIRTY_BELOW or D being set in the old root makes the exchange fail, or finds it set here. */
	if (atomic64_cmpxchg(&m->root, &root, page_to_phys(table) | UPPER_BITS | ENTRY_TABLE | ENTRY_DIRTY_BELOW))
		return 0;
	if (old) {
		spin_lock(&table->lock);
		entry_exchange_locked(table, table_entries(table), 0);
		spin_unlock(&table->lock);
	} else {
		atomic64_set(table_entries(table), 0);
	}
	table_put(table);
	return 0;
}

int slot_own(struct address_space *m, u64 index, entry_t **slot)
{
	struct page *table = NULL;
	int error;

	*slot = slot_hinted(m, index);
	if (likely(*slot))
		return 0;
	if (index >> 9 * MAX_LEVELS)
		return -EFBIG;
	for (;;) {
		u64 root = smp_load_acquire(&m->root.v);
		table = table_of_root(root);
		if (table && table_covers(table, index))
			break;
		/* A longer file grows before page 0 is locked, so that two of its pages can be locked in any order. */
		if (!table && !index && (READ_ONCE(m->size) <= (loff_t)PAGE_SIZE || root & (ENTRY_LOCKED | ENTRY_WRITEBACK)))
			break;
		error = tree_grow(m, root);
		if (error == -ENOMEM && !index)
			break;
		if (error)
			return error;
	}
	if (!table) {
		*slot = &m->root;
		return 0;
	}
	while (table->level) {
		table = table_own(table, index >> 9 * table->level & 511);
		if (!table)
			return -ENOMEM;
	}
	*slot = table_slot(table, index);
	return 0;
}

/* Has none of the eight entries from here on any of these bits? Small files leave most of a table empty. */
static bool none_of_8(const entry_t *e, u64 bits)
{
	return !((entry_read(&e[0]) | entry_read(&e[1]) | entry_read(&e[2]) | entry_read(&e[3]) |
		  entry_read(&e[4]) | entry_read(&e[5]) | entry_read(&e[6]) | entry_read(&e[7])) & bits);
}

/* In a leaf: the next slot in use from *index to the leaf's end. NULL: none, *index is where the search ended. */
static entry_t *leaf_next(struct page *leaf, u64 *index, u64 last)
{
	for (;; (*index)++) {
		entry_t *slot = table_slot(leaf, *index);
		if (!(*index & 7) && none_of_8(slot, ~0UL))
			*index |= 7;
		else if (entry_read(slot))
			return slot;
		if (*index >= last || (*index & 511) == 511)
			return NULL;
	}
}

entry_t *slot_next(struct address_space *m, u64 *index, u64 last)
{
	while (*index <= last) {
		u64 root = smp_load_acquire(&m->root.v), end;
		struct page *table = table_of_root(root);
		unsigned level = 0;
		entry_t *slot;

		if (!table)
			return !*index && root ? &m->root : NULL;
		if (!table_covers(table, *index))
			return NULL;
		while (table->level) {
			u64 e = smp_load_acquire(&table_slot(table, *index)->v);
			if (!(e & ENTRY_P)) {
				level = table->level;
				break;
			}
			table = entry_page(e);
		}
		if (!level) {
			slot = leaf_next(table, index, last);
			if (slot)
				return slot;
		}
		end = *index | ((1UL << 9 * level) - 1);	/* past what an absent entry, or this slot, covers */
		if (end >= last)
			return NULL;
		*index = end + 1;
	}
	return NULL;
}

/* The dirty slots under `table`, whose first page is `base`. The tag is taken off before we look below: whoever sets
 * D after that sets the tag again (PC7), so nothing is missed by the next search. */
static int each_dirty(struct address_space *m, struct page *table, u64 base, u64 first, u64 last, slot_fn fn, void *arg)
{
	u64 span = 1UL << 9 * table->level, looked_for = table->level ? ENTRY_DIRTY_BELOW : ENTRY_D;

	for (unsigned i = 0; i < 512; i++) {
		entry_t *e = &table_entries(table)[i];
		u64 start = base + i * span, end = start + span - 1, value;
		int error = 0;

		if (i % 8 == 0 && none_of_8(e, looked_for)) {
			i += 7;
			continue;
		}
		if (end < first)
			continue;
		if (start > last)
			break;
		value = smp_load_acquire(&e->v);
		if (!table->level) {
			if (value & ENTRY_D)
				error = fn(m, start, e, arg);
		} else if (value & ENTRY_DIRTY_BELOW) {
			if (start >= first && end <= last)
				atomic64_fetch_and(e, ~ENTRY_DIRTY_BELOW);
			error = each_dirty(m, entry_page(value), start, first, last, fn, arg);
			if (error)
				atomic64_fetch_or(e, ENTRY_DIRTY_BELOW);	/* not all was visited */
		}
		if (error)
			return error;
	}
	return 0;
}

int slot_each_dirty(struct address_space *m, u64 first, u64 last, slot_fn fn, void *arg)
{
	u64 root = smp_load_acquire(&m->root.v);
	struct page *table;
	int error;

	for (;;) {
		table = table_of_root(root);
		if (!table)
			return !first && root & ENTRY_D ? fn(m, 0, &m->root, arg) : 0;
		if (!(root & ENTRY_DIRTY_BELOW))
			return 0;
		if (first || table_covers(table, last))
			break;		/* only a part is searched: the tag stays */
		/* Exchange, not just clear: the tree may have grown, and the new root's tag is not ours to take. */
		if (atomic64_cmpxchg(&m->root, &root, root & ~ENTRY_DIRTY_BELOW))
			break;
	}
	error = each_dirty(m, table, 0, first, last, fn, arg);
	if (error)
		atomic64_fetch_or(&m->root, ENTRY_DIRTY_BELOW);
	return error;
}

void slot_tag_dirty(struct address_space *m, u64 index)
{
	for (;;) {
		u64 root = smp_load_acquire(&m->root.v);
		struct page *table = table_of_root(root);
		entry_t *path[MAX_LEVELS];
		unsigned n = 0;

		if (!table)
			return;
		path[n++] = &m->root;
		for (; table->level; table = entry_page(entry_read(path[n - 1])))
			path[n++] = table_slot(table, index);
		while (n--)	/* bottom up: the searcher clears top down */
			if (!(entry_read(path[n]) & ENTRY_DIRTY_BELOW))
				atomic64_fetch_or(path[n], ENTRY_DIRTY_BELOW);
		/* The tree may have grown meanwhile: then growth tagged both roots, unless our root was tagged only now. */
		if (((smp_load_acquire(&m->root.v) ^ root) & (ENTRY_FRAME | ENTRY_TABLE)) == 0)
			return;
	}
}

/* --- the end --- */

static void free_table(struct page *table)
{
	if (table->level) {
		for (unsigned i = 0; i < 512; i++) {
			entry_t *e = &table_entries(table)[i];
			u64 value = entry_read(e);
			if (!(value & ENTRY_P))
				continue;
			spin_lock(&table->lock);
			entry_exchange_locked(table, e, 0);
			spin_unlock(&table->lock);
			free_table(entry_page(value));
		}
	}
	table_put(table);
}

void slot_free_tables(struct address_space *m)
{
	u64 root = atomic64_xchg(&m->root, 0);

	m->leaf_hint = 0;
	if (root & ENTRY_TABLE)
		free_table(entry_page(root));
}
