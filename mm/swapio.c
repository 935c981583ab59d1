/*
 * A swap area's cache and its device: pages on their way out and in.
 *
 * States of a slot of the area's mapping, besides those of mm/slot.h: P D is a page that only memory has, P without D one that the device
 * has too. The general writeback does not know these pages (no_writeback): who puts one in writes it at once, and its completion
 * lets it go, unless somebody uses it by then. The requests were allocated by swapon: writing needs no memory.
 *
 * If a write fails the page stays, dirty, and its entries find it there; nothing more is written to that area.
 */
#include "mm/swap.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/wait.h"
#include "mm/ownership.h"
#include "mm/slab.h"
#include "mm/slot.h"
#include "mm/vmstat.h"

static struct spinlock swap_io_lock = SPINLOCK_INIT("swap requests", RANK_IRQ);
static struct wait_queue progress = WAIT_QUEUE_INIT(progress);
static unsigned nr_writing;		/* swap_io_lock: of all areas */
static u64 nr_written;			/* swap_io_lock: ended, well or not */

/* --- requests --- */

struct swap_request *swap_request_get(struct swap_area *a)
{
	struct swap_request *r = NULL;
	u64 flags = spin_lock_irqsave(&swap_io_lock);

	if (!list_empty(&a->requests)) {
		r = list_first(&a->requests, struct swap_request, node);
		list_del(&r->node);
		WRITE_ONCE(a->in_flight, a->in_flight + 1);
	}
	spin_unlock_irqrestore(&swap_io_lock, flags);
	return r;
}

void swap_request_put(struct swap_request *r)
{
	u64 flags = spin_lock_irqsave(&swap_io_lock);

	list_add(&r->node, &r->area->requests);
	WRITE_ONCE(r->area->in_flight, r->area->in_flight - 1);
	spin_unlock_irqrestore(&swap_io_lock, flags);
	wake_up_all(&progress, 0);
}

int swap_io_init(struct swap_area *a)
{
	char *pool = kzalloc(a->ops->request_size * SWAP_REQUESTS);

	if (!pool)
		return -ENOMEM;
	a->pool = pool;
	list_init(&a->requests);
	for (unsigned i = 0; i < SWAP_REQUESTS; i++) {
		struct swap_request *r = (void *)(pool + i * a->ops->request_size);
		r->area = a;
		list_add(&r->node, &a->requests);
	}
	return 0;
}

void swap_io_exit(struct swap_area *a)
{
	wait_event(&progress, WAIT_UNINTERRUPTIBLE, READ_ONCE(a->in_flight) == 0);
	/* Who lowered it has let go of the lock. */
	u64 flags = spin_lock_irqsave(&swap_io_lock);
	spin_unlock_irqrestore(&swap_io_lock, flags);
	kfree(a->pool);
}

/* --- the cache; page lock owned --- */

static void count_cached(struct address_space *m, s64 n)
{
	atomic64_add_return(&m->nr_pages, n);
	atomic64_add_return(&cached_pages, n);
	atomic64_add_return(&kept_pages, n);
}

void swap_cache_add(struct address_space *m, entry_t *slot, struct page *page)
{
	u64 e = entry_read(slot);

	ASSERT(e & ENTRY_LOCKED && !(e & (ENTRY_FRAME | ENTRY_WRITEBACK)));
	count_cached(m, 1);
	/* Without A: nobody but the device wants it. */
	atomic64_xchg(slot, page_to_phys(page) | ENTRY_LOCKED | ENTRY_P | ENTRY_D | ENTRY_US);
}

void swap_cache_drop(struct address_space *m, u64 index, entry_t *slot)
{
	u64 e = entry_read(slot);

	if (e & ENTRY_P)
		WRITE_ONCE(entry_page(e)->swap_id, 0);
	slot_remove(m, index, slot);
}

void swap_cache_empty(struct address_space *m, entry_t *slot)
{
	u64 e = atomic64_xchg(slot, ENTRY_LOCKED);

	ASSERT((e & (ENTRY_LOCKED | ENTRY_P | ENTRY_WRITEBACK)) == (ENTRY_LOCKED | ENTRY_P));
	count_cached(m, -1);
	WRITE_ONCE(entry_page(e)->swap_id, 0);
	page_drop_holder(entry_page(e));
}

/* Clean, or of no use: let it go. With `shared` also if entries hold the page too. True if it went. Page lock owned; unlocks. */
static bool let_go(struct swap_area *a, u64 index, entry_t *slot, bool shared)
{
	u64 e = entry_read(slot);
	bool unused = !READ_ONCE(a->count[index]);

	if (!(e & ENTRY_WRITEBACK) && e & ENTRY_P && (unused || (!(e & ENTRY_D) && (shared || page_adoptable(entry_page(e)))))) {
		swap_cache_drop(&a->mapping, index, slot);
		return true;
	}
	page_unlock(&a->mapping, index, slot, 0, 0);
	return false;
}

void swap_let_go(u32 id, entry_t *slot) { let_go(swap_area_of(id), SWAP_SLOT(id), slot, false); }

/* --- out --- */

void swap_write(struct swap_request *r, u64 index, entry_t *slot)
{
	struct address_space *m = &r->area->mapping;
	u64 e = entry_read(slot);
	struct page *page = entry_page(e);

	/* A pin by somebody who has not yet seen that the entry is gone: it stays dirty, swap_shrink comes by again. */
	if (READ_ONCE(r->area->failed) || !page_share(page)) {
		swap_request_put(r);
		page_unlock(m, index, slot, 0, 0);
		return;
	}
	while (!atomic64_cmpxchg(slot, &e, (e & ~ENTRY_D) | ENTRY_WRITEBACK))
		;
	page_held_elsewhere(page, 1);
	atomic_inc(&m->nr_writeback);
	r->write = true;
	r->slot = index;
	r->page = page;
	u64 flags = spin_lock_irqsave(&swap_io_lock);
	nr_writing++;
	spin_unlock_irqrestore(&swap_io_lock, flags);
	vmstat_inc(VM_SWAP_OUT);
	page_unlock(m, index, slot, 0, 0);
	r->area->ops->submit(r->area->device, r);
}

static void written(struct swap_request *r, int error)
{
	struct swap_area *a = r->area;
	struct address_space *m = &a->mapping;
	entry_t *slot = slot_find(m, r->slot);
	struct page *page = r->page;
	u64 index = r->slot;

	if (error) {
		if (!READ_ONCE(a->failed))
			printk("swap: writing to %s failed: nothing more is swapped out to it\n", a->name);
		WRITE_ONCE(a->failed, true);
		vmstat_inc(VM_SWAP_ERROR);
		atomic64_fetch_or(slot, ENTRY_D);
	}
	atomic_dec(&m->nr_writeback);
	atomic64_fetch_and(slot, ~ENTRY_WRITEBACK);
	page_wake(m, index);
	page_held_elsewhere(page, -1);
	page_drop_holder(page);
	if (swap_slot_trylock(m, index, &slot))
		let_go(a, index, slot, false);
	u64 flags = spin_lock_irqsave(&swap_io_lock);
	nr_writing--;
	WRITE_ONCE(nr_written, nr_written + 1);
	spin_unlock_irqrestore(&swap_io_lock, flags);
	swap_request_put(r);		/* wakes; the area may be gone now */
}

bool swap_wait(void)
{
	u64 flags = spin_lock_irqsave(&swap_io_lock), seen = nr_written;
	bool any = nr_writing != 0;

	spin_unlock_irqrestore(&swap_io_lock, flags);
	/* A write ends without anybody's lock and without memory: so this ends, whatever the caller holds. */
	if (any)
		wait_event(&progress, WAIT_UNINTERRUPTIBLE, READ_ONCE(nr_written) != seen);
	return any;
}

void swap_settle(void)
{
	u64 flags = spin_lock_irqsave(&swap_io_lock), target = nr_written + nr_writing;

	spin_unlock_irqrestore(&swap_io_lock, flags);
	wait_event(&progress, WAIT_UNINTERRUPTIBLE, READ_ONCE(nr_written) >= target);
}

/* --- in --- */

void swap_request_done(struct swap_request *r, int error)
{
	if (r->write) {
		written(r, error);
		return;
	}
	if (error)
		vmstat_inc(VM_SWAP_ERROR);
	pagecache_read_done(&r->area->mapping, r->slot, error);
	swap_request_put(r);
}

static int swap_read_page(struct address_space *m, u64 index, struct page *page)
{
	struct swap_area *a = m->owner;
	struct swap_request *r;

	wait_event(&progress, WAIT_UNINTERRUPTIBLE, (r = swap_request_get(a)) != NULL);
	r->write = false;
	r->slot = index;
	r->page = page;
	vmstat_inc(VM_SWAP_IN);
	a->ops->submit(a->device, r);
	return 0;
}

static void swap_mapping_hold(struct address_space *m) { atomic_inc(&((struct swap_area *)m->owner)->holds); }
static void swap_mapping_release(struct address_space *m) { swap_release(m->owner); }
static void swap_mapping_name(struct address_space *m, char *buf, size_t size)
{
	str_copy(buf, ((struct swap_area *)m->owner)->name, size);
}

const struct address_space_ops swap_aops = {
	.read_page = swap_read_page,
	.hold = swap_mapping_hold,
	.release = swap_mapping_release,
	.name = swap_mapping_name,
};

/* --- the clock hand over an area's cache --- */

static unsigned shrink_area(struct swap_area *a, unsigned nr)
{
	u64 start = READ_ONCE(a->hand), index = start;
	unsigned n = 0;
	entry_t *slot;

	for (int round = 0; round < 2 && n < nr && (!round || start); round++, index = 0) {
		u64 last = round ? start - 1 : a->last;
		for (; n < nr && index <= last && (slot = slot_next(&a->mapping, &index, last)); index++) {
			u64 e = entry_read(slot);
			if (!(e & ENTRY_P) || e & ENTRY_WRITEBACK || !swap_slot_trylock(&a->mapping, index, &slot))
				continue;
			e = entry_read(slot);
			struct swap_request *r;
			if (e & ENTRY_A) {
				atomic64_fetch_and(slot, ~ENTRY_A);
				page_unlock(&a->mapping, index, slot, 0, 0);
			} else if ((e & (ENTRY_P | ENTRY_D | ENTRY_WRITEBACK)) == (ENTRY_P | ENTRY_D) && READ_ONCE(a->count[index]) && !READ_ONCE(a->failed) &&
				   (r = swap_request_get(a)) != NULL) {
				swap_write(r, index, slot);	/* it was not when it came here */
			} else {
				bool frees = e & ENTRY_P && page_adoptable(entry_page(e));
				n += let_go(a, index, slot, true) && frees;
			}
		}
	}
	WRITE_ONCE(a->hand, index);
	return n;
}

unsigned swap_shrink(unsigned nr)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SWAP_AREAS && n < nr; i++)
		if (swap_hold(&swap_areas[i])) {
			if (atomic64_read(&swap_areas[i].mapping.nr_pages))
				n += shrink_area(&swap_areas[i], nr - n);
			swap_release(&swap_areas[i]);
		}
	return n;
}
