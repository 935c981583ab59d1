/*
 * The inside of the page cache, for the files of mm/ that implement it (pagetree, pagecache, pagelock, mapping, read, write, truncate,
 * filemap, writeback, reclaim, shmem). Everybody else uses mm/pagecache.h.
 *
 * States of a slot:
 *   0 or ERROR           empty (ERROR: the last read failed)
 *   LOCKED               empty, somebody is about to fill it
 *   LOCKED frame         being read or filled: the frame is reachable for the lock holder only
 *   P frame ...          uptodate; LOCKED, WRITEBACK, D, A, RW as mm/table.h says
 * Only the owner of LOCKED changes the frame or P. Anybody may set A (by compare-and-swap on what he read).
 */
#pragma once

#include "mm/pagecache.h"

/* --- pagetree.c: the tree --- */
/*
 * The leaf found last is remembered in one word: its frame number, and above it the part of the file that it holds. The next page of
 * the same part then takes 8 instructions instead of 50. Tables stay for the mapping's life (PC6), so a hint is never wrong.
 */
#define SLOT_HINT_BITS 40
static inline entry_t *slot_hinted(struct address_space *m, u64 index)
{
	u64 hint = READ_ONCE(m->leaf_hint);

	if (unlikely(!hint || hint >> SLOT_HINT_BITS != index >> 9))
		return NULL;
	entry_t *slot = (entry_t *)phys_to_virt((hint & (BIT(SLOT_HINT_BITS) - 1)) << PAGE_SHIFT) + (index & 511);
	if (!slot)
		__builtin_unreachable();
	return slot;
}
entry_t *slot_walk(struct address_space *m, u64 index);
/* The slot of index, or NULL if there is no table for it. Lockless. */
static inline entry_t *slot_find(struct address_space *m, u64 index)
{
	entry_t *slot = slot_hinted(m, index);

	return likely(slot) ? slot : slot_walk(m, index);
}
/* One try. NULL: not uptodate, or somebody changed something meanwhile. */
static inline __attribute__((always_inline)) struct page *slot_lookup(struct address_space *m, u64 index)
{
	entry_t *slot = slot_find(m, index);
	u64 e = slot ? entry_read(slot) : 0, now;
	struct page *page = entry_page(e);

	/* A table: the tree grew between the two reads. No pin: freed since we read the slot (which then has changed), or 32768 readers. */
	if (unlikely((e & (ENTRY_P | ENTRY_TABLE)) != ENTRY_P || !page_pin_read(page)))
		return NULL;
	/* Between the read and the pin the frame may have left the slot and been given away: only now it cannot
	 * be changed behind our back if it still is the slot's (FOREST.md T2). Only page 0's slot may move (PC6). */
	if (likely(slot != &m->root || slot_find(m, index) == slot)) {
		now = entry_read(slot);
		if (likely(now & ENTRY_P && !((now ^ e) & (ENTRY_FRAME | ENTRY_TABLE)))) {
			if (unlikely(!(now & ENTRY_A)))
				atomic64_cmpxchg(slot, &now, now | ENTRY_A);
			return page;
		}
	}
	page_unpin_read(page);
	return NULL;
}
struct page *slot_lookup_again(struct address_space *m, u64 index);	/* until it succeeds or the page is not there */

/*
 * The usual page of a leaf's slot that said e: uptodate, marked as used, and nothing changes meanwhile. The same as slot_lookup() by comparing all of the
 * entry. NULL: something is unusual; ask slot_lookup_page(). (e may have TABLE, if the slot is the root.)
 */
static inline __attribute__((always_inline)) struct page *slot_pin_usual(const entry_t *slot, u64 e)
{
	const u64 usual = ENTRY_P | ENTRY_A;
	struct page *page = entry_page(e);

	if (unlikely((e & (usual | ENTRY_TABLE)) != usual || !page_pin_read(page)))
		return NULL;
	if (likely(entry_read(slot) == e))	/* FOREST.md T2 */
		return page;
	page_unpin_read(page);
	return NULL;
}

/* pagecache_lookup() for the files that do it for each page. */
static inline __attribute__((always_inline)) struct page *slot_lookup_page(struct address_space *m, u64 index)
{
	struct page *page = slot_lookup(m, index);

	return likely(page) ? page : slot_lookup_again(m, index);
}
/* The same as slot_find(), allocating tables. -ENOMEM, -EFBIG. Sleeps; the caller may hold page locks of this file, but not page 0's when the
 * file has just outgrown one page (see tree_grow). */
int slot_own(struct address_space *m, u64 index, entry_t **slot);
/* The first slot that is not zero in [*index, last]; *index becomes its index. NULL: none. Lockless. */
entry_t *slot_next(struct address_space *m, u64 *index, u64 last);
/*
 * Call fn for every slot with D in [first, last], looking only below DIRTY_BELOW; the tag of each subtree inside the range is
 * taken off first. fn may sleep; a result other than 0 ends the search and is returned. Under wb_mutex.
 */
typedef int (*slot_fn)(struct address_space *m, u64 index, entry_t *slot, void *arg);
int slot_each_dirty(struct address_space *m, u64 first, u64 last, slot_fn fn, void *arg);
/* Set DIRTY_BELOW in all entries above the slot (PC7). */
void slot_tag_dirty(struct address_space *m, u64 index);
/* Free all tables; every slot is empty and nobody looks any more. */
void slot_free_tables(struct address_space *m);

/* --- template.c --- */
void template_drop(struct page *leaf);		/* the file's reference to its template, if there is one. Any context but interrupts */
/*
 * Before the page of a slot changes, or is found to be held by others: readers get no more tables with it. The caller owns LOCKED, if he changes
 * something. True: it may have fewer holders now.
 */
static inline bool slot_drop_template(struct address_space *m, entry_t *slot)
{
	if (slot == &m->root || likely((u64)READ_ONCE(virt_to_page(slot)->template) <= TEMPLATE_WANTED))
		return false;
	template_drop(virt_to_page(slot));
	return true;
}
/* Has nobody else the page that the slot says (e)? Under LOCKED it stays so. (INV-P3) */
static inline bool slot_sole(struct address_space *m, entry_t *slot, u64 e)
{
	return likely(page_sole_holder(entry_page(e))) || (slot_drop_template(m, slot) && page_sole_holder(entry_page(e)));
}

/* --- pagecache.c: changing a slot; the caller owns LOCKED --- */
/*
 * Make `page` (whose one lifetime reference becomes the holder) the contents, keeping LOCKED, WRITEBACK, D and RW; P if
 * `uptodate`. Mappings of the old page are zapped and flushed first, its holder is dropped last (PC5). Sleeps if mapped.
 */
void slot_replace(struct address_space *m, u64 index, entry_t *slot, struct page *page, bool uptodate);
/* The same with a page that comes with a holder of its own: others may have more. */
void slot_replace_held(struct address_space *m, u64 index, entry_t *slot, struct page *page, bool uptodate);
/* nr_pages and the totals: n slots more (or fewer) have a page. */
void slot_count(struct address_space *m, s64 n);
/* Before a change in place: if somebody else holds the page (a snapshot, writeback), replace it by a copy. -ENOMEM. */
int slot_make_sole(struct address_space *m, u64 index, entry_t *slot);
/* Take the page out, unlock. The caller has waited for WRITEBACK and zapped the mappings. */
void slot_remove(struct address_space *m, u64 index, entry_t *slot);
/* Take away RW from the slot and from all its mappings, so that the next store faults and reserves again. */
void slot_write_protect(struct address_space *m, u64 index, entry_t *slot);

/*
 * Read what is absent of [index, index + nr), inside the file, and wait for it. The caller holds invalidate_lock
 * (either way). 0, or -ENOMEM, -EIO... if page `index` could not be started, -EINTR if somebody else has it locked
 * and a fatal signal came. 0 does not promise that the page is there: look it up.
 */
int pagecache_fill(struct address_space *m, u64 index, unsigned nr, bool killable);
/* Lock page `index` with its contents uptodate. 0, -ENOMEM, -EIO, -EINTR; -ENODATA if it lies past the end.
 * `have_invalidate`: the caller holds invalidate_lock. */
int page_lock_uptodate(struct address_space *m, u64 index, bool have_invalidate, entry_t **slot);
/* Pages that the size covers. */
static inline u64 mapping_pages(const struct address_space *m)
{
	return ((u64)READ_ONCE(m->size) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* --- pagelock.c --- */
/* Wake who waits for LOCKED or WRITEBACK of this page. m may be gone: only its address is used. */
void page_wake(const struct address_space *m, u64 index);
extern atomic_t page_waiters;	/* tasks that wait for any page: who unlocks many need not wake for each if there are none (as page_wake(), after a full barrier) */
/*
 * Write the frame for this slot: remembered until pagecache_write_done. The caller gives a holder with it. False: it is being written for
 * another slot, which has it too (a loan), and nothing was done.
 */
bool writeback_add(struct address_space *m, u64 index, struct page *page);
void pagelock_init(void);

/* --- truncate.c --- */
/* Zero what lies behind the end in the last page, before the size grows (FOREST.md). Caller: i_rwsem exclusive. -ENOMEM, -EINTR. */
int pagecache_zero_tail(struct address_space *m);

/* --- write.c: for who has the contents of whole pages already --- */
/*
 * The k bytes at pos of the frame, which is zero otherwise, are the new contents of pos's page; nothing else in it matters (it is whole, or the file
 * ends in it). The frame comes with a holder, which is given in any case. i_rwsem exclusive. 0, -ENOSPC, -ENOMEM, -EINTR...
 */
int pagecache_put_frame(struct address_space *m, loff_t pos, size_t k, struct page *frame);

/* --- readfill.c --- */
/*
 * The destination's next page is not there, or only as an earlier loan: map the file's pages, or new frames with their contents, from `pos` of
 * the file on. Bytes (whole pages) read, `to` is that far on; 0: not such a place, or not cached. Sleeps: the caller may hold read pins, no locks.
 */
size_t pagecache_read_fill(struct address_space *m, loff_t pos, struct iov_iter *to);

/* After what may have reserved blocks; see ->settle(). */
static inline void mapping_settle(struct address_space *m)
{
	if (m->ops->settle)
		m->ops->settle(m);
}

/* --- writeback.c --- */
/* D of a slot of m went from clear to set (or back): counters, tags, writeback's list. */
void slot_dirtied(struct address_space *m, u64 index);
void slot_cleaned(struct address_space *m);
/* The counter alone, for who does many slots at once: D will be set in n slots of m (or, below 0, was not). mapping_mark_dirty() after D. */
void dirty_count(struct address_space *m, s64 n);
/* After a write: if too much is dirty, help writing it. Holds nothing but i_rwsem. */
void writeback_balance(struct address_space *m);
bool writeback_kick(void);		/* wake the thread now; any context. False: there is none */

/* --- the list of all mappings (mapping.c): lets writeback and reclaim visit mappings that may die --- */
extern struct spinlock mapping_lists;		/* protects cache_node, dirty_node, visitors */
extern struct list_head all_mappings;		/* address_space.cache_node */
void mapping_visit_end(struct address_space *m);	/* visitors-- (raised under mapping_lists), waking mapping_destroy */

extern atomic64_t cached_pages;			/* all mappings */
extern atomic64_t kept_pages;			/* of them, those of mappings without another copy (no_writeback): never reclaimed */
