/*
 * Faults of file mappings: from the page cache into the page tables.
 *
 * A page is mapped only under its lock, after the size was checked again under that lock: so no fault maps a page that
 * truncate removed (FOREST.md). The caller holds mmap_lock, under which the page lock is only tried. When that fails,
 * because the page is absent or somebody works on it, mmap_lock is dropped, the mapping kept alive by its owner's
 * reference, the page waited for or read, and the fault begun again (FAULT_RETRY): nobody else of the program waits
 * behind our I/O.
 *
 *   read                       FILE entry, read-only (writable if the slot is ready for stores and the mapping is)
 *   write, private mapping     a copy, PRIV and EXCL
 *   write, shared mapping      FILE entry, writable; the slot needs RW first: prepare_store(), without mmap_lock
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/task.h"
#include "kernel/trace.h"
#include "mm/mm.h"
#include "mm/switches.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define FAULT_AROUND 16		/* pages mapped along by a read fault, if they are there: an aligned block of so many */
#define FAULT_READ_AHEAD 8	/* pages read from the device along with an absent one */

static enum fault_result fault_error(int error)
{
	return error == -ENOMEM ? FAULT_OOM : error == -EINTR ? FAULT_RETRY : FAULT_SIGBUS;
}

/* --- without mmap_lock --- */

static void leave_mmap(struct fault *f, struct address_space *m)
{
	if (m->ops->hold)
		m->ops->hold(m);	/* the VMA, and with it the file, may go away now */
	up_read(&f->mm->mmap_lock);
}

/* mmap_lock is held again unless the result is FAULT_RETRY. f->vma must not be looked at any more. */
static enum fault_result enter_mmap(struct fault *f, struct address_space *m, int error)
{
	enum fault_result result = error ? fault_error(error) : FAULT_RETRY;

	if (m->ops->release)
		m->ops->release(m);
	if (result != FAULT_RETRY)
		down_read(&f->mm->mmap_lock);
	return result;
}

enum fault_result fault_wait_page(struct fault *f, struct address_space *m, unsigned ahead)
{
	struct page *page = NULL;
	int error;

	leave_mmap(f, m);
	if (!(pagecache_peek(m, f->index) & ENTRY_P)) {
		vmstat_inc(VM_FAULT_MAJOR);
		current->maj_flt++;
		current->min_flt--;	/* resolve() will count it there */
	}
	error = page_wait_unlocked(m, f->index, true);
	if (!error)
		error = pagecache_read(m, f->index, ahead, &page);
	if (page)
		page_unpin_read(page);
	return enter_mmap(f, m, error);		/* past the end: the retry finds out */
}

/*
 * A first store through a shared mapping since the page was read or written back: reserve its blocks, take it out of any
 * sharing (a snapshot, or writeback that is still reading it: that is why a store never waits for writeback), and say
 * so by RW in the slot. D goes with it: from here on the MMU writes without telling us.
 */
static int prepare_store(struct address_space *m, u64 index)
{
	u64 start = index << PAGE_SHIFT;
	loff_t size;
	entry_t *slot;
	int error = page_lock_uptodate(m, index, false, &slot);

	if (error == -ENODATA)
		return 0;	/* truncated: the retry finds out */
	if (error)
		return error;
	size = READ_ONCE(m->size);
	if ((loff_t)start >= size) {	/* invalidation and truncate may have come before our lock */
		page_unlock(m, index, slot, 0, 0);
		return 0;
	}
	error = slot_make_sole(m, index, slot);
	if (!error && m->ops->reserve)
		error = m->ops->reserve(m, index, 0, min((u64)size - start, PAGE_SIZE));
	page_unlock(m, index, slot, error ? 0 : ENTRY_RW | ENTRY_D | ENTRY_A, 0);
	if (!error && m->ops->touched)
		m->ops->touched(m);
	return error;
}

static enum fault_result store_unready(struct fault *f, struct address_space *m)
{
	int error;

	leave_mmap(f, m);
	error = prepare_store(m, f->index);
	return enter_mmap(f, m, error);
}

/* --- with the page locked --- */

/* May a mapping write this page without another fault? */
static bool store_ready(u64 e)
{
	return (e & (ENTRY_RW | ENTRY_D)) == (ENTRY_RW | ENTRY_D) && page_sole_holder(entry_page(e));
}

static enum fault_result map_copy(struct fault *f, struct page *copy, struct page *page)
{
	u64 seen = mm_entry(f->mm, f->address);

	/* The entry shows nothing or this file's page: if it is anything else by the time of the exchange, the copy is dropped. */
	if (seen & ENTRY_PRIV) {
		page_put(copy);
		return FAULT_DONE;
	}
	arch_copy_page(page_address(copy), page_address(page));
	vmstat_inc(VM_COW_COPY);
	trace(TRACE_COW, f->address, page_to_pfn(page), page_to_pfn(copy));
	return fault_map_private(f, copy, seen);
}

/* The pages around that are there already, so that they need no faults of their own. */
static void map_around(const struct fault *f)
{
	vaddr_t block = f->address & ~(FAULT_AROUND * PAGE_SIZE - 1);

	map_cached(f->mm, f->vma, max(block, f->vma->start), min(block + FAULT_AROUND * PAGE_SIZE, f->vma->end));
}

/* --- as before 2006: fault_lock=0 --- */

/*
 * The page that the cache has is mapped, whatever has happened since it was looked up: source 002 is the patch that ended this. The read pin keeps the
 * frame from being freed meanwhile, not from leaving the file. Others may run in between, as they may on real processors at any time.
 */
static enum fault_result fault_unlocked(struct fault *f, struct address_space *m, struct page *copy)
{
	struct page *page = pagecache_lookup(m, f->index);
	bool shared = f->vma->flags & VM_SHARED;
	enum fault_result result;
	u64 e;

	if (!page) {
		if (copy)
			page_put(copy);
		return fault_wait_page(f, m, FAULT_READ_AHEAD - 1);
	}
	e = pagecache_peek(m, f->index);
	if (f->write && shared && (!(e & ENTRY_P) || !store_ready(e))) {
		page_unpin_read(page);
		return store_unready(f, m);
	}
	sched_yield_cpu();
	result = copy ? map_copy(f, copy, page) : fault_map_file(f, page, f->write);
	page_unpin_read(page);
	return result;
}

int filemap_fault(struct fault *f)
{
	struct address_space *m = f->vma->mapping;
	bool shared = f->vma->flags & VM_SHARED;
	enum fault_result result;
	struct page *copy = NULL;
	entry_t *slot;
	u64 e;

	if (f->index >= mapping_pages(m))
		return FAULT_SIGBUS;
	if (f->write && !shared) {
		copy = page_alloc(0, PA_PROGRAM);	/* before the page lock: it may have to reclaim */
		if (!copy)
			return FAULT_OOM;
	}
	if (unlikely(!switch_fault_lock))
		return fault_unlocked(f, m, copy);
	if (!page_trylock_uptodate(m, f->index, &slot)) {
		if (copy)
			page_put(copy);
		return fault_wait_page(f, m, FAULT_READ_AHEAD - 1);
	}
	e = entry_read(slot);
	/* Under the lock: truncate sets the size before it takes this lock to remove the page. */
	if (f->index >= mapping_pages(m)) {
		result = FAULT_SIGBUS;
	} else if (copy) {
		result = map_copy(f, copy, entry_page(e));
		copy = NULL;
	} else if (f->write && !store_ready(e)) {
		page_unlock(m, f->index, slot, 0, 0);
		return store_unready(f, m);
	} else {
		result = fault_map_file(f, entry_page(e), shared && f->vma->flags & VM_WRITE && store_ready(e));
	}
	page_unlock(m, f->index, slot, ENTRY_A, 0);
	if (copy)
		page_put(copy);
	if (result == FAULT_DONE && !f->write)
		map_around(f);
	return result;
}
