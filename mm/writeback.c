/*
 * Writing dirty pages back.
 *
 * A page goes out like this, under its lock: RW and D are cleared in one operation, WRITEBACK set; the mappings that
 * could write it are write-protected and flushed; then writeback takes a holder of its own on the frame, and the lock is
 * dropped. From then on the frame has two holders, so nobody changes it: a write() or a store swaps the slot to
 * a copy and goes on at once. The device reads stable data and no writer waits for it. The slot keeps WRITEBACK
 * until the device is done, and its next writeback waits for that.
 *
 * A thread does so every 5 seconds, and whenever more than a fifth of memory is dirty; fsync and sync do it for one file.
 */
#include "mm/slot.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/mm.h"
#include "mm/vmstat.h"

#define PERIOD_NS 5000000000UL

static atomic64_t dirty_pages;				/* D set in mappings that are written back */
static LIST_HEAD(dirty_mappings);			/* mapping_lists: address_space.dirty_node */
static struct wait_queue thread_wait = WAIT_QUEUE_INIT(thread_wait);
static atomic_t kicked;
static bool started;					/* once */

u64 writeback_dirty_pages(void) { return atomic64_read(&dirty_pages); }

/* --- getting dirty and clean --- */

void mapping_mark_dirty(struct address_space *m, u64 index)
{
	slot_tag_dirty(m, index);
	if (!list_empty(&m->dirty_node))
		return;		/* racy: taken off just now, then the thread is about to search it, after our tags */
	spin_lock(&mapping_lists);
	if (list_empty(&m->dirty_node))
		list_add_tail(&m->dirty_node, &dirty_mappings);
	spin_unlock(&mapping_lists);
}

void slot_dirtied(struct address_space *m, u64 index)
{
	vmstat_inc(VM_CACHE_DIRTY);
	if (m->no_writeback)
		return;
	atomic64_add_return(&dirty_pages, 1);
	mapping_mark_dirty(m, index);
}

void dirty_count(struct address_space *m, s64 n)
{
	if (!m->no_writeback && n)
		atomic64_add_return(&dirty_pages, n);
}

void slot_cleaned(struct address_space *m) { dirty_count(m, -1); }

/* --- one page --- */

/* What lies past the end is written as zeroes (INV-T3), whatever a mapping stored there. */
static void zero_past_end(struct address_space *m, u64 index, struct page *page)
{
	loff_t size = READ_ONCE(m->size);
	u64 start = index << PAGE_SHIFT;

	if ((loff_t)start < size && size - (loff_t)start < (loff_t)PAGE_SIZE && page_sole_holder(page))
		memset((char *)page_address(page) + (size - start), 0, PAGE_SIZE - (size - start));
}

/*
 * The frame to write, remembered, with a holder for the write. Normally the slot's own. If that is exclusively pinned (a device may be
 * changing it) a copy goes out, and the page stays dirty; a copy also if it is just being written for another slot that has it by a loan.
 */
static struct page *stable_frame(struct address_space *m, u64 index, struct page *page, bool *still_dirty)
{
	struct page *bounce;

	*still_dirty = !page_share(page);
	if (!*still_dirty) {
		if (writeback_add(m, index, page))
			return page;
		page_drop_holder(page);
	}
	bounce = page_alloc(0, PA_RESERVE);
	if (!bounce)
		return NULL;
	arch_copy_page(page_address(bounce), page_address(page));
	page_ref_to_holder(bounce);
	writeback_add(m, index, bounce);
	return bounce;
}

/* Start writing the page if it still is dirty. `arg`: bool, wait for the previous write of it. */
static int write_slot(struct address_space *m, u64 index, entry_t *slot, void *arg)
{
	bool *wait = arg, still_dirty, mapped_rw;
	struct page *page, *frame;
	int error;
	u64 e;

	error = page_lock(m, index, &slot);
	if (error)
		return error;
	e = entry_read(slot);
	if (!(e & ENTRY_D) || !(e & ENTRY_P)) {
		page_unlock(m, index, slot, 0, 0);
		return 0;
	}
	if (e & ENTRY_WRITEBACK) {
		if (*wait)
			page_wait_writeback(m, index);	/* needs no page lock to end */
		else
			mapping_mark_dirty(m, index);	/* next time */
		if (!*wait) {
			page_unlock(m, index, slot, 0, 0);
			return 0;
		}
	}
	page = entry_page(e);
	zero_past_end(m, index, page);
	e = entry_read(slot);
	while (!atomic64_cmpxchg(slot, &e, (e & ~(ENTRY_D | ENTRY_RW)) | ENTRY_WRITEBACK))
		;
	slot_cleaned(m);
	mapped_rw = e & ENTRY_RW;
	if (mapped_rw && atomic_read(&m->nr_mapped))
		rmap_write_protect(m, index, index);	/* before the holder is taken: PG1 */
	frame = stable_frame(m, index, page, &still_dirty);
	if (!frame) {
		atomic64_fetch_and(slot, ~ENTRY_WRITEBACK);
		page_wake(m, index);
		page_unlock(m, index, slot, ENTRY_D, 0);
		return -ENOMEM;
	}
	page_unlock(m, index, slot, still_dirty ? ENTRY_D : 0, 0);
	vmstat_inc(VM_WRITEBACK);
	error = m->ops->write_page(m, index, frame);
	if (error)
		pagecache_write_done(m, index, error);
	return error == -ENOMEM ? error : 0;	/* other errors are kept in wb_error; the other pages go out all the same */
}

/* --- a mapping --- */

static void wait_written(struct address_space *m, u64 first, u64 last)
{
	u64 index = first;
	entry_t *slot;

	while (atomic_read(&m->nr_writeback) && (slot = slot_next(m, &index, last))) {
		if (entry_read(slot) & ENTRY_WRITEBACK)
			page_wait_writeback(m, index);
		if (index++ >= last)
			break;
	}
}

static int write_range(struct address_space *m, u64 first, u64 last, bool wait)
{
	int error;

	mutex_lock(&m->wb_mutex);
	error = slot_each_dirty(m, first, last, write_slot, &wait);
	mutex_unlock(&m->wb_mutex);
	if (wait)
		wait_written(m, first, last);
	return error;
}

int mapping_writeback(struct address_space *m, u64 first, u64 last, bool wait)
{
	int error;

	if (m->no_writeback)
		return 0;
	error = write_range(m, first, last, wait);
	if (wait && READ_ONCE(m->wb_error)) {
		int wb = __atomic_exchange_n(&m->wb_error, 0, __ATOMIC_SEQ_CST);
		error = error ? error : wb;
	}
	return error;
}

/* --- the thread --- */

bool writeback_kick(void)
{
	atomic_set(&kicked, 1);
	wake_up_all(&thread_wait, 0);
	return started;
}

/* The next mapping to visit, off the list and with a visitor on it; NULL: none. */
static struct address_space *next_dirty(void)
{
	struct address_space *m = NULL;

	spin_lock(&mapping_lists);
	if (!list_empty(&dirty_mappings)) {
		m = list_first(&dirty_mappings, struct address_space, dirty_node);
		list_del(&m->dirty_node);
		m->visitors++;
	}
	spin_unlock(&mapping_lists);
	return m;
}

static void write_all(void)
{
	struct address_space *m;
	unsigned n = 0;

	spin_lock(&mapping_lists);
	list_for_each(m, &dirty_mappings, dirty_node)
		n++;
	spin_unlock(&mapping_lists);
	/* Only so many: those that get dirty again while we are at it wait for the next round. */
	while (n-- && (m = next_dirty())) {
		write_range(m, 0, ~0UL, false);
		mapping_visit_end(m);
	}
}

static void sleep_or_kick(void)
{
	struct wait_entry entry = { 0 };
	u64 deadline = ktime_ns() + PERIOD_NS;

	for (;;) {
		wait_prepare(&thread_wait, &entry, WAIT_UNINTERRUPTIBLE, 0);
		if (atomic_xchg(&kicked, 0))
			break;
		if (wait_sleep_until(WAIT_UNINTERRUPTIBLE, deadline))
			break;		/* -ETIMEDOUT */
	}
	wait_finish(&thread_wait, &entry);
}

static void writeback_thread(void *arg)
{
	current->frees_memory = true;
	for (;;) {
		sleep_or_kick();
		write_all();
	}
}

void writeback_start(void)
{
	started = kthread_start("writeback", writeback_thread, NULL) != NULL;
	if (!started)
		printk("writeback: no memory for the thread: only sync writes files back\n");
}

void writeback_balance(struct address_space *m)
{
	u64 dirty = atomic64_read(&dirty_pages), total = page_total_count();

	if (m->no_writeback || dirty * 5 <= total)
		return;
	writeback_kick();
	if (dirty * 5 > total * 2)
		write_range(m, 0, ~0UL, true);	/* the writer is faster than the device: it pays */
}
