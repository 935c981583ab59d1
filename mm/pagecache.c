/*
 * The page cache: finding pages, reading them in, and the four moves that change a slot.
 *
 * Callers find a page without locks (pagecache_lookup: the page with a read pin), have it read if it is absent
 * (pagecache_read), or lock it with its contents there (page_lock_uptodate, pagecache_begin_change). A slot's frame changes
 * here and nowhere else, by the owner of its page lock: slot_replace, slot_make_sole, slot_remove; the completion of a
 * failed read (pagelock.c) is the only exception.
 *
 * Not here: the tree (pagetree.c), the lock (pagelock.c), reading for a user (read.c), changing contents (write.c,
 * truncate.c), life and death (mapping.c).
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "mm/mm.h"
#include "mm/vmstat.h"

atomic64_t cached_pages, kept_pages;

u64 pagecache_total_pages(void) { return atomic64_read(&cached_pages); }
u64 pagecache_memory_pages(void) { return atomic64_read(&kept_pages); }

void pagecache_init(void) { pagelock_init(); }

void slot_count(struct address_space *m, s64 n)
{
	atomic64_add_return(&m->nr_pages, n);
	atomic64_add_return(&cached_pages, n);
	if (m->no_writeback)
		atomic64_add_return(&kept_pages, n);
}

/* --- lookup --- */

u64 pagecache_peek(struct address_space *m, u64 index)
{
	entry_t *slot = slot_find(m, index);
	u64 e = slot ? entry_read(slot) : 0;

	return e & ENTRY_TABLE ? pagecache_peek(m, index) : e;
}

struct page *slot_lookup_again(struct address_space *m, u64 index)
{
	while (pagecache_peek(m, index) & ENTRY_P) {
		struct page *page = slot_lookup(m, index);
		if (page)
			return page;
		cpu_relax();
	}
	return NULL;
}

u64 pagecache_next(struct address_space *m, u64 index, u64 last)
{
	return slot_next(m, &index, last) ? index : last + 1;
}

struct page *pagecache_lookup(struct address_space *m, u64 index) { return slot_lookup_page(m, index); }

/* --- changing a slot --- */

void slot_replace_held(struct address_space *m, u64 index, entry_t *slot, struct page *page, bool uptodate)
{
	u64 e = entry_read(slot), next;
	struct page *old = e & ENTRY_FRAME ? entry_page(e) : NULL;

	ASSERT(e & ENTRY_LOCKED);
	/* A fault cannot map the old page again: it needs the page lock, which we have. */
	if (e & ENTRY_P && atomic_read(&m->nr_mapped))
		rmap_zap(m, index, index, false);
	if (old)
		slot_drop_template(m, slot);
	do {
		next = (e & (ENTRY_LOCKED | ENTRY_WRITEBACK | ENTRY_D | ENTRY_RW | ENTRY_RESERVED)) | page_to_phys(page) | ENTRY_US;
		if (uptodate)
			next |= ENTRY_P | ENTRY_A;
	} while (!atomic64_cmpxchg(slot, &e, next));
	if (old)
		page_drop_holder(old);	/* after the new one is in place (PC5) */
	else
		slot_count(m, 1);
}

void slot_replace(struct address_space *m, u64 index, entry_t *slot, struct page *page, bool uptodate)
{
	page_ref_to_holder(page);
	slot_replace_held(m, index, slot, page, uptodate);
}

int slot_make_sole(struct address_space *m, u64 index, entry_t *slot)
{
	struct page *old = entry_page(entry_read(slot)), *copy;

	if (slot_sole(m, slot, entry_read(slot)))
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
		slot_count(m, -1);
	slot_drop_template(m, slot);
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
