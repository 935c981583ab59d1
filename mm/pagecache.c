/*
 * The page cache's tree: a file's pages as a tree of CACHE tables, one entry (slot) per page.
 *
 * Callers find a page without locks (pagecache_lookup) or own its slot by the page lock (mm/pagelock.c). Tables are
 * added, never removed while the mapping lives (PC6), so a slot's address is good for ever, with one exception: page
 * 0's slot is the root entry itself while the file has one page. The root moves into a table only by compare-and-swap
 * while it is neither LOCKED nor WRITEBACK, so nobody who owns a slot ever sees it move.
 *
 * Not here: reading a range for a user (read.c), changing contents (write.c, truncate.c).
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/wait.h"
#include "mm/mm.h"
#include "mm/vmstat.h"

#define MAX_LEVELS 4		/* 512^4 pages: 256 TiB */
#define UPPER_BITS (ENTRY_P | ENTRY_RW | ENTRY_US)

struct spinlock mapping_lists = SPINLOCK_INIT("mapping lists", RANK_LEAF);
struct list_head all_mappings = LIST_INIT(all_mappings);
static struct wait_queue visitors_gone = WAIT_QUEUE_INIT(visitors_gone);
atomic64_t cached_pages;

u64 pagecache_total_pages(void) { return atomic64_read(&cached_pages); }

void pagecache_init(void) { pagelock_init(); }

static void count_pages(struct address_space *m, s64 n)
{
	atomic64_add_return(&m->nr_pages, n);
	atomic64_add_return(&cached_pages, n);
}

/* --- walking --- */

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

entry_t *slot_find(struct address_space *m, u64 index)
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
	table = table_alloc(PAGE_TABLE_CACHE, old ? old->level + 1 : 0);
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

/* In a leaf: the next slot in use from *index to the leaf's end. NULL: none, *index is where the search ended. */
static entry_t *leaf_next(struct page *leaf, u64 *index, u64 last)
{
	for (;; (*index)++) {
		entry_t *slot = table_slot(leaf, *index);
		if (entry_read(slot))
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
	u64 span = 1UL << 9 * table->level;

	for (unsigned i = 0; i < 512; i++) {
		entry_t *e = &table_entries(table)[i];
		u64 start = base + i * span, end = start + span - 1, value;
		int error = 0;

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

/* --- lookup --- */

u64 pagecache_peek(struct address_space *m, u64 index)
{
	entry_t *slot = slot_find(m, index);
	u64 e = slot ? entry_read(slot) : 0;

	return e & ENTRY_TABLE ? pagecache_peek(m, index) : e;
}

struct page *pagecache_lookup(struct address_space *m, u64 index)
{
	for (;;) {
		entry_t *slot = slot_find(m, index);
		u64 e, now;
		struct page *page;

		if (!slot)
			return NULL;
		e = entry_read(slot);
		if (e & ENTRY_TABLE)
			continue;	/* the tree grew between the two reads */
		if (!(e & ENTRY_P))
			return NULL;
		page = entry_page(e);
		if (!page_pin_read(page)) {
			cpu_relax();	/* freed since we read the slot (which then has changed), or 65535 readers */
			continue;
		}
		/* Between the read and the pin the frame may have left the slot and been given away: only now it cannot
		 * be changed behind our back if it still is the slot's (FOREST.md T2). */
		if (slot_find(m, index) == slot) {
			now = entry_read(slot);
			if (now & ENTRY_P && !((now ^ e) & (ENTRY_FRAME | ENTRY_TABLE))) {
				if (!(now & ENTRY_A))
					atomic64_cmpxchg(slot, &now, now | ENTRY_A);
				return page;
			}
		}
		page_unpin_read(page);
	}
}

/* --- changing a slot --- */

void slot_replace(struct address_space *m, u64 index, entry_t *slot, struct page *page, bool uptodate)
{
	u64 e = entry_read(slot), next;
	struct page *old = e & ENTRY_FRAME ? entry_page(e) : NULL;

	ASSERT(e & ENTRY_LOCKED);
	/* A fault cannot map the old page again: it needs the page lock, which we have. */
	if (e & ENTRY_P && atomic_read(&m->nr_mapped))
		rmap_zap(m, index, index, false);
	page_ref_to_holder(page);
	do {
		next = (e & (ENTRY_LOCKED | ENTRY_WRITEBACK | ENTRY_D | ENTRY_RW)) | page_to_phys(page) | ENTRY_US;
		if (uptodate)
			next |= ENTRY_P | ENTRY_A;
	} while (!atomic64_cmpxchg(slot, &e, next));
	if (old)
		page_drop_holder(old);	/* after the new one is in place (PC5) */
	else
		count_pages(m, 1);
}

int slot_make_sole(struct address_space *m, u64 index, entry_t *slot)
{
	struct page *old = entry_page(entry_read(slot)), *copy;

	if (page_sole_holder(old))
		return 0;	/* stays so: a second holder comes only under the page lock */
	copy = page_alloc(0, 0);
	if (!copy)
		return -ENOMEM;
	arch_copy_page(page_address(copy), page_address(old));	/* shared, so nobody changes it (PG1) */
	slot_replace(m, index, slot, copy, true);
	vmstat_inc(VM_WRITE_BREAK);
	return 0;
}

void slot_remove(struct address_space *m, u64 index, entry_t *slot)
{
	u64 e = entry_read(slot);

	ASSERT(e & ENTRY_LOCKED && !(e & ENTRY_WRITEBACK));
	held_remove(HELD_PAGE, m, index);
	if (e & ENTRY_D)
		slot_cleaned(m);
	if (e & ENTRY_FRAME)
		count_pages(m, -1);
	e = atomic64_xchg(slot, 0);
	page_wake(m, index);
	if (e & ENTRY_FRAME)
		page_drop_holder(entry_page(e));
}

void slot_write_protect(struct address_space *m, u64 index, entry_t *slot)
{
	if (!(atomic64_fetch_and(slot, ~ENTRY_RW) & ENTRY_RW))
		return;
	if (atomic_read(&m->nr_mapped))
		rmap_write_protect(m, index, index);
}

/* --- reading --- */

/* Begin to read page `index` unless it is there or locked. 1: begun, 0: not needed, or an error. */
static int start_read(struct address_space *m, u64 index)
{
	struct page *page;
	entry_t *slot;
	int error = slot_own(m, index, &slot);
	u64 e;

	if (error)
		return error;
	e = entry_read(slot);
	if (e & (ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE))
		return 0;
	page = page_alloc(0, 0);
	if (!page)
		return -ENOMEM;
	/* It may have been locked, read, or (page 0) moved while we allocated. */
	if (e & ENTRY_FRAME || !atomic64_cmpxchg(slot, &e, ENTRY_LOCKED)) {
		page_put(page);
		return 0;
	}
	slot_replace(m, index, slot, page, false);
	vmstat_inc(VM_CACHE_READ);
	error = m->ops->read_page(m, index, page);
	if (error)
		pagecache_read_done(m, index, error);
	return 1;
}

int pagecache_fill(struct address_space *m, u64 index, unsigned nr, bool killable)
{
	u64 end = min(index + nr, mapping_pages(m)), i, started = 0;
	entry_t *slot;
	int error;

	if (index >= end)
		return 0;
	end = min(end, index + 64);
	error = slot_own(m, end - 1, &slot);	/* grow before we lock page 0 */
	if (error)
		return error;
	for (i = index; i < end; i++) {
		int got = start_read(m, i);
		if (got < 0) {
			error = i == index ? got : 0;	/* read-ahead is a hint */
			break;
		}
		if (got > 0)
			started |= 1UL << (i - index);
	}
	if (!error && !(started & 1))
		error = page_wait_unlocked(m, index, killable);
	/* What we began we wait for: P must not appear after we let go of invalidate_lock (PC2). */
	for (i = index; i < end; i++)
		if (started & 1UL << (i - index))
			page_wait_unlocked(m, i, false);
	return error;
}

static int read_page_locked(struct address_space *m, u64 index, unsigned ahead, bool have_invalidate, bool killable, struct page **page)
{
	for (bool tried = false;; tried = true) {
		int error;

		*page = pagecache_lookup(m, index);
		if (*page || index >= mapping_pages(m))
			return 0;
		if (tried && (pagecache_peek(m, index) & (ENTRY_ERROR | ENTRY_LOCKED)) == ENTRY_ERROR)
			return -EIO;
		/* Not there after all may also mean: reclaimed or truncated since. Then once more. */
		if (!have_invalidate)
			down_read(&m->invalidate_lock);
		error = pagecache_fill(m, index, 1 + ahead, killable);
		if (!have_invalidate)
			up_read(&m->invalidate_lock);
		if (error)
			return error;
	}
}

int pagecache_read(struct address_space *m, u64 index, unsigned ahead, struct page **page)
{
	return read_page_locked(m, index, ahead, false, true, page);
}

static int lock_uptodate(struct address_space *m, u64 index, bool have_invalidate, bool killable, entry_t **slot)
{
	for (;;) {
		struct page *page;
		int error = killable ? page_lock_killable(m, index, slot) : page_lock(m, index, slot);

		if (error)
			return error;
		if (entry_read(*slot) & ENTRY_P)
			return 0;
		/* Reading owns the lock: let go, and look again afterwards (it may be reclaimed in between). */
		page_unlock(m, index, *slot, 0, 0);
		error = read_page_locked(m, index, 0, have_invalidate, killable, &page);
		if (error)
			return error;
		if (!page)
			return -ENODATA;
		page_unpin_read(page);
	}
}

int page_lock_uptodate(struct address_space *m, u64 index, bool have_invalidate, entry_t **slot)
{
	return lock_uptodate(m, index, have_invalidate, true, slot);
}

/* --- changes by file systems --- */

int pagecache_begin_change(struct address_space *m, u64 index, bool overwrite, struct page **page, entry_t **slot)
{
	struct page *fresh;
	/* Not killable: a change of the disk's structures that is half done must go on. */
	int error = overwrite ? page_lock(m, index, slot) : lock_uptodate(m, index, false, false, slot);

	if (error)
		return error == -ENODATA ? -EIO : error;
	if (entry_read(*slot) & ENTRY_P) {
		error = slot_make_sole(m, index, *slot);
	} else {
		fresh = page_alloc(0, PA_ZERO);
		if (fresh)
			slot_replace(m, index, *slot, fresh, false);
		else
			error = -ENOMEM;
	}
	if (error) {
		page_unlock(m, index, *slot, 0, 0);
		return error;
	}
	*page = entry_page(entry_read(*slot));
	return 0;
}

void pagecache_end_change(struct address_space *m, u64 index, entry_t *slot, bool dirtied)
{
	if (!dirtied && !(entry_read(slot) & ENTRY_P))
		slot_remove(m, index, slot);	/* a fresh page that nobody filled */
	else
		page_unlock(m, index, slot, dirtied ? ENTRY_P | ENTRY_D | ENTRY_A : 0, 0);
}

/* --- life and death --- */

void mapping_init(struct address_space *m, const struct address_space_ops *ops, void *owner, enum lock_rank rank)
{
	bool meta = rank == RANK_META_PAGE;

	memset(m, 0, sizeof(*m));
	m->ops = ops;
	m->owner = owner;
	m->lock_rank = rank;
	rwsem_init(&m->invalidate_lock, "invalidate_lock", meta ? RANK_META_WRITEBACK : RANK_INVALIDATE);
	mutex_init(&m->wb_mutex, "wb_mutex", meta ? RANK_META_WRITEBACK : RANK_WRITEBACK);
	mutex_init(&m->i_mmap_lock, "i_mmap_lock", RANK_I_MMAP);
	list_init(&m->i_mmap);
	list_init(&m->dirty_node);
	spin_lock(&mapping_lists);
	list_add_tail(&m->cache_node, &all_mappings);
	spin_unlock(&mapping_lists);
}

void mapping_visit_end(struct address_space *m)
{
	spin_lock(&mapping_lists);
	WRITE_ONCE(m->visitors, m->visitors - 1);
	spin_unlock(&mapping_lists);
	wake_up_all(&visitors_gone, 0);		/* m may be gone now */
}

/* Off the lists, so that no new visitor comes; then wait for those that are there. */
static void leave_lists(struct address_space *m)
{
	spin_lock(&mapping_lists);
	list_del(&m->cache_node);
	list_del(&m->dirty_node);
	spin_unlock(&mapping_lists);
	wait_event(&visitors_gone, WAIT_UNINTERRUPTIBLE, READ_ONCE(m->visitors) == 0);
	spin_lock(&mapping_lists);	/* the last visitor has let go of the lock that he lowered the count under */
	list_del(&m->dirty_node);	/* he may have put it back */
	spin_unlock(&mapping_lists);
}

static void free_tables(struct page *table)
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
			free_tables(entry_page(value));
		}
	}
	table_put(table);
}

void mapping_destroy(struct address_space *m)
{
	u64 index = 0, root;
	entry_t *slot;

	ASSERT(list_empty(&m->i_mmap));
	leave_lists(m);
	for (; (slot = slot_next(m, &index, ~0UL >> 1)); index++) {
		if (page_lock(m, index, &slot))
			panic("page lock of an existing slot failed");
		page_wait_writeback(m, index);
		slot_remove(m, index, slot);
	}
	root = atomic64_xchg(&m->root, 0);
	if (root & ENTRY_TABLE)
		free_tables(entry_page(root));
	/* No grace period: lockless lookups need somebody who keeps the owner alive, and there is nobody. */
}
