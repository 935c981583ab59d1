/*
 * Swap areas and their slots (mm/swap.h): who has one, how many entries name it, which one is free.
 *
 * One lock for all counts. They change under the lock of the leaf whose entry changes, so an entry that is seen under that lock
 * keeps its slot. What a slot's cache has is the business of who owns its page lock; freeing a slot only tries for it, and what it
 * leaves behind then is found by who wants the slot next, or by swap_shrink().
 */
#include "mm/swap.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/wait.h"
#include "mm/slab.h"
#include "mm/slot.h"
#include "mm/vmstat.h"

struct swap_area swap_areas[SWAP_AREAS];
struct spinlock swap_lock = SPINLOCK_INIT("swap slots", RANK_LAST_SPIN);
static struct mutex swap_mutex = MUTEX_INIT(swap_mutex, "swapon", RANK_SUPER);	/* one swapon or swapoff at a time */
static struct wait_queue released = WAIT_QUEUE_INIT(released);

/* --- areas --- */

bool swap_hold(struct swap_area *a)
{
	spin_lock(&swap_lock);
	bool used = a->used;
	if (used)
		atomic_inc(&a->holds);
	spin_unlock(&swap_lock);
	return used;
}

void swap_release(struct swap_area *a)
{
	if (atomic_dec_and_test(&a->holds))
		wake_up_all(&released, 0);	/* areas are never freed */
}

static u64 sum(u64 (*of)(const struct swap_area *a))
{
	u64 n = 0;

	spin_lock(&swap_lock);
	for (unsigned i = 0; i < SWAP_AREAS; i++)
		n += swap_areas[i].used ? of(&swap_areas[i]) : 0;
	spin_unlock(&swap_lock);
	return n;
}

static u64 area_total(const struct swap_area *a) { return a->nr_slots; }
static u64 area_free(const struct swap_area *a) { return a->active && !READ_ONCE(a->failed) ? a->nr_slots - a->nr_used : 0; }
static u64 area_cached(const struct swap_area *a) { return atomic64_read(&a->mapping.nr_pages); }
u64 swap_total(void) { return sum(area_total); }
u64 swap_free(void) { return sum(area_free); }
u64 swap_cached(void) { return sum(area_cached); }

bool swap_nth(unsigned n, struct swap_info *out)
{
	struct swap_area *a = &swap_areas[n];

	spin_lock(&swap_lock);
	bool used = n < SWAP_AREAS && a->used;
	if (used) {
		memcpy(out->name, a->name, sizeof(out->name));
		out->file = a->file;
		out->total = a->nr_slots;
		out->used = a->nr_used;
		out->priority = a->priority;
	}
	spin_unlock(&swap_lock);
	return used;
}

static struct swap_area *area_on(const void *device)
{
	for (unsigned i = 0; i < SWAP_AREAS; i++)
		if (swap_areas[i].used && swap_areas[i].device == device)
			return &swap_areas[i];
	return NULL;
}

/* --- slots --- */

void swap_count(u32 id, int n)
{
	struct swap_area *a = swap_area_of(id);
	u32 *count = &a->count[SWAP_SLOT(id)];

	spin_lock(&swap_lock);
	ASSERT(a->used && SWAP_SLOT(id) <= a->last && (n > 0 || *count));
	int was = *count != 0;
	WRITE_ONCE(*count, *count + (u32)n);
	WRITE_ONCE(a->nr_used, a->nr_used + (u64)((int)(*count != 0) - was));	/* both are read without the lock, too */
	spin_unlock(&swap_lock);
}

unsigned swap_count_of(u32 id) { return READ_ONCE(swap_area_of(id)->count[SWAP_SLOT(id)]); }

unsigned swap_users(u64 e)
{
	struct swap_area *a = swap_area_of(swap_id(e));
	unsigned n = 0;

	if (!swap_hold(a))
		return 0;
	if (SWAP_SLOT(swap_id(e)) <= a->last)
		n = swap_count_of(swap_id(e));
	swap_release(a);
	return n;
}

void swap_dup(u64 e) { swap_count(swap_id(e), 1); }

bool swap_slot_trylock(struct address_space *m, u64 index, entry_t **slot)
{
	*slot = slot_find(m, index);
	u64 e = entry_read(*slot);

	do {
		if (e & ENTRY_LOCKED)
			return false;
	} while (!atomic64_cmpxchg(*slot, &e, e | ENTRY_LOCKED));
	held_add(HELD_PAGE, m, index, __builtin_return_address(0));
	return true;
}

void swap_put(u64 e)
{
	struct swap_area *a = swap_area_of(swap_id(e));
	u64 index = SWAP_SLOT(swap_id(e));
	entry_t *slot;

	if (!swap_hold(a))	/* from the count's end on no entry keeps the area */
		ASSERT(!"a swap entry without its area");
	swap_count(swap_id(e), -1);
	if (!swap_count_of(swap_id(e)) && swap_slot_trylock(&a->mapping, index, &slot)) {
		if (!swap_count_of(swap_id(e)) && !(entry_read(slot) & ENTRY_WRITEBACK))
			swap_cache_drop(&a->mapping, index, slot);
		else
			page_unlock(&a->mapping, index, slot, 0, 0);
	}
	swap_release(a);
}

/* A slot of this area that no entry names; its count is 1 then. swap_lock held. 0: none. */
static u64 claim_slot(struct swap_area *a)
{
	u64 n = a->next;

	if (!a->active || READ_ONCE(a->failed) || a->nr_used == a->nr_slots)
		return 0;
	for (u64 tried = 0; tried < a->last; tried++, n++) {
		if (n > a->last)
			n = 1;
		if (a->count[n])
			continue;
		WRITE_ONCE(a->count[n], 1);
		WRITE_ONCE(a->nr_used, a->nr_used + 1);
		a->next = n + 1;
		return n;
	}
	return 0;
}

/* Slots whose I/O is not over, or whose cache somebody looks at just now, are passed over. */
static bool alloc_in(struct swap_area *a, u32 *id, entry_t **slot)
{
	for (unsigned attempt = 0; attempt < 16; attempt++) {
		spin_lock(&swap_lock);
		u64 n = claim_slot(a);
		spin_unlock(&swap_lock);
		if (!n)
			return false;
		*id = (u32)(a->number << SWAP_SLOT_BITS | n);
		if (swap_slot_trylock(&a->mapping, n, slot)) {
			u64 e = entry_read(*slot);
			if (!(e & ENTRY_WRITEBACK)) {
				if (e & ENTRY_FRAME) {
					swap_cache_drop(&a->mapping, n, *slot);
					if (!swap_slot_trylock(&a->mapping, n, slot)) {
						swap_count(*id, -1);
						continue;
					}
					ASSERT(!(entry_read(*slot) & ENTRY_FRAME));
				}
				return true;
			}
			page_unlock(&a->mapping, n, *slot, 0, 0);
		}
		swap_count(*id, -1);
	}
	return false;
}

bool swap_alloc(u32 *id, entry_t **slot)
{
	int below = 1 << 30;

	/* By priority; there are few areas, so each time anew. */
	for (unsigned n = 0; n < SWAP_AREAS; n++) {
		struct swap_area *best = NULL;
		spin_lock(&swap_lock);
		for (unsigned i = 0; i < SWAP_AREAS; i++)
			if (swap_areas[i].active && swap_areas[i].priority < below && (!best || swap_areas[i].priority > best->priority))
				best = &swap_areas[i];
		spin_unlock(&swap_lock);
		if (!best)
			return false;
		if (alloc_in(best, id, slot))
			return true;
		below = best->priority;
	}
	return false;
}

/* --- swapon, swapoff --- */

/* The tables of the whole area now: reclaim, which uses them, has no memory to make some. */
static int make_tables(struct swap_area *a)
{
	entry_t *slot;
	int error = 0;

	for (u64 index = 1; index <= a->last && !error; index += 512)
		error = slot_own(&a->mapping, index, &slot);
	return error ? error : slot_own(&a->mapping, a->last, &slot);
}

static void free_area(struct swap_area *a)
{
	mapping_destroy(&a->mapping);
	kfree(a->count);
	a->count = NULL;
}

static int set_up(struct swap_area *a, const struct swap_setup *s)
{
	u32 *count = kzalloc((s->last + 1) * sizeof(*count));
	u64 number = a - swap_areas;
	int error;

	if (!count)
		return -ENOMEM;
	memset(a, 0, sizeof(*a));
	a->number = number;
	str_copy(a->name, s->name, sizeof(a->name));
	a->device = s->device;
	a->file = s->file;
	a->ops = s->ops;
	a->last = a->nr_slots = s->last;
	a->priority = s->priority;
	a->count = count;
	a->next = 1;
	for (unsigned i = 0; i < s->nr_bad; i++)
		if (s->bad[i] && s->bad[i] <= s->last && !count[s->bad[i]]) {
			count[s->bad[i]] = ~0U;		/* never 0 */
			a->nr_slots--;
		}
	mapping_init(&a->mapping, &swap_aops, a, RANK_META_PAGE);
	a->mapping.no_writeback = true;		/* mm/swapio.c writes it, and nobody else */
	a->mapping.size = (loff_t)((s->last + 1) << PAGE_SHIFT);
	error = make_tables(a);
	if (!error)
		error = swap_io_init(a);
	if (error)
		free_area(a);
	return error;
}

static int free_priority(void)
{
	int lowest = -1;

	for (unsigned i = 0; i < SWAP_AREAS; i++)
		if (swap_areas[i].used)
			lowest = min(lowest, swap_areas[i].priority);
	return lowest - 1;
}

int swap_on(const struct swap_setup *setup)
{
	struct swap_setup s = *setup;
	struct swap_area *a = NULL;
	int error = -EPERM;

	if (!s.last || s.last >= BIT(SWAP_SLOT_BITS))
		return -EINVAL;
	mutex_lock(&swap_mutex);
	for (unsigned i = SWAP_AREAS; i-- > 0;)
		if (!swap_areas[i].used)
			a = &swap_areas[i];
	if (area_on(s.device))
		error = -EBUSY;
	else if (a) {
		if (s.priority < 0)
			s.priority = free_priority();
		error = set_up(a, &s);
	}
	if (!error) {
		spin_lock(&swap_lock);
		a->used = a->active = true;
		spin_unlock(&swap_lock);
		printk("swap: %lu KiB on %s\n", a->nr_slots * (PAGE_SIZE / 1024), a->name);
	}
	mutex_unlock(&swap_mutex);
	return error;
}

static void set_active(struct swap_area *a, bool active, bool used)
{
	spin_lock(&swap_lock);
	a->active = active;
	a->used = used;
	spin_unlock(&swap_lock);
}

int swap_off(void *device)
{
	struct swap_area *a;
	int error = -EINVAL;

	mutex_lock(&swap_mutex);
	a = area_on(device);
	if (a) {
		set_active(a, false, true);
		error = swap_in_all(a);
		set_active(a, error, error);
		if (!error) {
			wait_event(&released, WAIT_UNINTERRUPTIBLE, atomic_read(&a->holds) == 0);
			swap_io_exit(a);
			free_area(a);
		}
	}
	mutex_unlock(&swap_mutex);
	return error;
}
