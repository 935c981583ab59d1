/*
 * Frames: the buddy allocator, and the ownership word's changes.
 *
 * Free blocks of 2^order frames hang on one list per order. The first page of a free block, and no
 * other page, has kind PAGE_FREE: that is how a block recognises its buddy. One lock (frames_lock) protects the lists,
 * `kind` and `order` of free pages, and the counts; a page that is not free belongs to its user.
 *
 * Each CPU keeps some single frames (PAGE_KEPT) for itself, so that CPUs seldom meet at frames_lock and most frames come and go in a few
 * instructions; of those that come back as zeroes (tables do) some are kept as such. Where few are free none
 * are kept, and who finds the lists empty first takes back what all CPUs keep.
 *
 * When few frames are left, ordinary allocations reclaim (mm/reclaim.h) and try again; the last ones are kept for those
 * that cannot wait (PA_ATOMIC) or that free memory by allocating (PA_RESERVE; tasks that do nothing else: task->frees_memory).
 */
#include "mm/page.h"

#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/inject.h"
#include "kernel/printk.h"
#include "kernel/smp.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "mm/vmstat.h"

#define MAX_ORDER 10
#define RECLAIM_TRIES 32	/* others may take what was reclaimed; each try frees something, or is the last */

u64 nr_frames;
struct page *zero_page;

static struct spinlock frames_lock = SPINLOCK_INIT("frames", RANK_FRAMES);
static struct list_head free_lists[MAX_ORDER + 1];	/* frames_lock */
static u64 nr_free;					/* frames_lock; read racily */
static u64 nr_total;					/* fixed after boot, as far as drivers do not keep some for good */
static u64 nr_reserved;					/* fixed after boot: kept for PA_ATOMIC and PA_RESERVE */

/* --- the buddy lists; frames_lock held --- */

static void free_list_add(struct page *page, unsigned order)
{
	page_set_kind(page, PAGE_FREE);
	page->order = order;
	list_add(&page->node, &free_lists[order]);
}

static void free_list_remove(struct page *page)
{
	list_del(&page->node);
	page_set_kind(page, PAGE_DATA);
}

/* The block's buddy, if it is free and whole; else NULL. */
static struct page *free_buddy(pfn_t pfn, unsigned order)
{
	pfn_t buddy = pfn ^ BIT(order);

	if (buddy + BIT(order) > nr_frames)
		return NULL;
	struct page *page = pfn_to_page(buddy);
	return __atomic_load_n(&page->kind, __ATOMIC_RELAXED) == PAGE_FREE && page->order == order ? page : NULL;
}

static void free_block(struct page *page, unsigned order)
{
	pfn_t pfn = page_to_pfn(page);
	struct page *buddy;

	ADD_ONCE(nr_free, BIT(order));
	while (order < MAX_ORDER && (buddy = free_buddy(pfn, order))) {
		free_list_remove(buddy);
		pfn &= ~BIT(order);
		order++;
	}
	free_list_add(pfn_to_page(pfn), order);
}

/* Take a block of exactly this order, splitting a larger one; NULL if there is none. */
static struct page *take_block(unsigned order)
{
	unsigned have = order;

	while (have <= MAX_ORDER && list_empty(&free_lists[have]))
		have++;
	if (have > MAX_ORDER)
		return NULL;
	struct page *page = list_first(&free_lists[have], struct page, node);
	free_list_remove(page);
	while (have > order) {
		have--;
		free_list_add(page + BIT(have), have);
	}
	ADD_ONCE(nr_free, -BIT(order));
	return page;
}

/* --- frames that a CPU keeps: by that CPU alone, with interrupts off --- */

#define KEEP_MAX 64
#define KEEP_BATCH_ORDER 5
#define KEEP_BATCH (1U << KEEP_BATCH_ORDER)
#define KEEP_ZEROED 16

static struct frame_keep {
	u32 nr, nr_zeroed;		/* read racily by others */
	struct page *pages[KEEP_MAX];
	struct page *zeroed[KEEP_ZEROED];	/* their contents are zeroes */
} __attribute__((aligned(64))) keeps[NR_CPUS];
static u64 keep_least;			/* fixed after boot: where fewer are free, none are kept; ~0: never */

void page_keep_begin(void)
{
	keep_least = min(nr_total / 16, (u64)4096);
	slab_keep_begin();
}

static bool may_keep(void) { return READ_ONCE(nr_free) >= keep_least; }

static void keep_push(struct frame_keep *keep, struct page *page)
{
	page_set_kind(page, PAGE_KEPT);
	keep->pages[keep->nr] = page;
	WRITE_ONCE(keep->nr, keep->nr + 1);
}

static struct page *keep_pop(struct frame_keep *keep)
{
	WRITE_ONCE(keep->nr, keep->nr - 1);
	struct page *page = keep->pages[keep->nr];
	page_set_kind(page, PAGE_DATA);
	return page;
}

static bool keep_push_zeroed(struct frame_keep *keep, struct page *page)
{
	if (keep->nr_zeroed == KEEP_ZEROED)
		return false;
	page_set_kind(page, PAGE_KEPT);
	keep->zeroed[keep->nr_zeroed] = page;
	WRITE_ONCE(keep->nr_zeroed, keep->nr_zeroed + 1);
	return true;
}

static struct page *keep_pop_zeroed(struct frame_keep *keep)
{
	WRITE_ONCE(keep->nr_zeroed, keep->nr_zeroed - 1);
	struct page *page = keep->zeroed[keep->nr_zeroed];
	page_set_kind(page, PAGE_DATA);
	return page;
}

static __attribute__((noinline)) void keep_give_back(struct frame_keep *keep, u32 rest)
{
	u64 irq = spin_lock_irqsave(&frames_lock);

	while (keep->nr > rest)
		free_block(keep_pop(keep), 0);
	while (!rest && keep->nr_zeroed)
		free_block(keep_pop_zeroed(keep), 0);
	spin_unlock_irqrestore(&frames_lock, irq);
}

/*
 * A whole block of the smallest size that there is, up to KEEP_BATCH frames: small ones are used up first, and a frame costs 10 instructions, not 60
 * as when a larger block is halved for each.
 */
static void keep_push_block(struct frame_keep *keep)
{
	unsigned order = 0;

	while (order < KEEP_BATCH_ORDER && list_empty(&free_lists[order]))
		order++;
	struct page *page = take_block(order);
	for (unsigned i = 0; i < BIT(order); i++)
		keep_push(keep, page + i);
}

static __attribute__((noinline)) void keep_fill(struct frame_keep *keep)
{
	u64 irq = spin_lock_irqsave(&frames_lock);

	while (keep->nr < KEEP_BATCH && nr_free >= keep_least && nr_free)
		keep_push_block(keep);
	spin_unlock_irqrestore(&frames_lock, irq);
}

/* A frame from this CPU's; NULL: ask the lists. */
static inline struct page *alloc_kept(void)
{
	u64 irq = irq_save();
	struct frame_keep *keep = &keeps[cpu_id()];

	if (unlikely(!keep->nr) && may_keep())
		keep_fill(keep);
	struct page *page = likely(keep->nr) ? keep_pop(keep) : NULL;
	irq_restore(irq);
	return page;
}

/* One of zeroes, if there is one. */
static struct page *alloc_zeroed(void)
{
	u64 irq = irq_save();
	struct frame_keep *keep = &keeps[cpu_id()];
	struct page *page = keep->nr_zeroed ? keep_pop_zeroed(keep) : NULL;

	irq_restore(irq);
	if (DEBUG_BUILD && page)
		for (u64 *word = page_address(page), i = 0; i < PAGE_SIZE / 8; i++)
			ASSERT(!word[i]);
	return page;
}

static void free_kept(struct page *page)
{
	u64 irq = irq_save();
	struct frame_keep *keep = &keeps[cpu_id()];

	if (page->kind == PAGE_ZEROED && keep_push_zeroed(keep, page)) {
		irq_restore(irq);
		return;
	}
	if (unlikely(keep->nr == KEEP_MAX))
		keep_give_back(keep, KEEP_MAX - KEEP_BATCH);
	keep_push(keep, page);
	irq_restore(irq);
}

static u64 nr_kept(void)
{
	u64 n = 0;

	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		n += READ_ONCE(keeps[cpu].nr) + READ_ONCE(keeps[cpu].nr_zeroed);
	return n;
}

static void give_back_here(void *arg)
{
	u64 irq = irq_save();

	slab_give_back();		/* may free frames */
	keep_give_back(&keeps[cpu_id()], 0);
	irq_restore(irq);
}

/* What the CPUs keep, frames and objects, goes back to the lists; false: they keep no frames. */
static bool give_back_all(void)
{
	if (!nr_kept())
		return false;
	vmstat_inc(VM_KEPT_DRAIN);
	preempt_disable();
	give_back_here(NULL);
	smp_call(cpus_online(), give_back_here, NULL);
	preempt_enable();
	return true;
}

/* --- allocation --- */

static struct page *alloc_block(unsigned order, unsigned flags)
{
	u64 rest = flags & (PA_ATOMIC | PA_RESERVE) ? 0 : nr_reserved;
	struct page *page = NULL;

	u64 irq = spin_lock_irqsave(&frames_lock);
	if (nr_free >= rest + BIT(order))
		page = take_block(order);
	spin_unlock_irqrestore(&frames_lock, irq);
	return page;
}

static struct page *page_alloc_once(unsigned order, unsigned flags)
{
	struct page *page = order ? NULL : alloc_kept();

	return likely(page) ? page : alloc_block(order, flags);
}

/* Nothing was free. */
static __attribute__((noinline)) struct page *page_alloc_slow(unsigned order, unsigned flags)
{
	struct page *page = NULL;

	might_sleep();
	if (give_back_all())
		page = page_alloc_once(order, flags);
	if (!page && current->frees_memory)
		page = alloc_block(order, flags | PA_RESERVE);
	for (int attempt = 0; !page && attempt < RECLAIM_TRIES; attempt++) {
		reclaim_kick();
		if (flags & PA_PROGRAM ? !reclaim_for_program(BIT(order) + 32) : !reclaim_pages(BIT(order) + 32))
			break;
		page = page_alloc_once(order, flags);
	}
	return page;
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	ASSERT(order <= MAX_ORDER);
	if (!(flags & PA_ATOMIC))
		debug_might_sleep();
	if (inject_now(INJECT_ALLOC))
		return NULL;
	struct page *page = NULL;
	if (flags & PA_ZERO && !order && READ_ONCE(keeps[cpu_id()].nr_zeroed) && (page = alloc_zeroed()))
		flags &= ~PA_ZERO;
	else
		page = page_alloc_once(order, flags);
	if (unlikely(!page) && !(flags & PA_ATOMIC))
		page = page_alloc_slow(order, flags);
	if (unlikely(!page)) {
		vmstat_inc(VM_ALLOC_FAIL);
		return NULL;
	}
	ASSERT(atomic64_read(&page->own) == 0);
	page->order = order;
	page->live = 0;
	if (flags & PA_ZERO)
		for (unsigned i = 0; i < BIT(order); i++)
			arch_clear_page(page_address(page + i));
	/* Last: from here on lockless lookups may find it in use. */
	__atomic_store_n(&page->own.v, OWN_REF, __ATOMIC_RELEASE);
	vmstat_inc(VM_PAGE_ALLOC);
	return page;
}

struct page *page_alloc_kept(void)
{
	struct page *page;

	if (unlikely(inject_left(INJECT_ALLOC) || !(page = alloc_kept())))
		return NULL;
	ASSERT(atomic64_read(&page->own) == 0);
	page->order = 0;
	page->live = 0;
	arch_clear_page(page_address(page));
	__atomic_store_n(&page->own.v, OWN_HOLDER, __ATOMIC_RELEASE);	/* last, as in page_alloc() */
	vmstat_inc(VM_PAGE_ALLOC);
	return page;
}

void page_free(struct page *page)
{
	ASSERT(page->kind != PAGE_FREE && page->kind != PAGE_KEPT && page->kind != PAGE_RESERVED);
	ASSERT(atomic64_read(&page->own) == 0);
	vmstat_inc(VM_PAGE_FREE);
	if (likely(!page->order && may_keep())) {
		free_kept(page);
		return;
	}
	u64 irq = spin_lock_irqsave(&frames_lock);
	free_block(page, page->order);
	spin_unlock_irqrestore(&frames_lock, irq);
}

u64 page_free_count(void) { return READ_ONCE(nr_free) + nr_kept(); }
u64 page_total_count(void) { return nr_total; }
u64 page_reserve(void) { return nr_reserved; }

void page_free_blocks(u64 nr[PAGE_ORDERS])
{
	struct page *page;

	_Static_assert(PAGE_ORDERS == MAX_ORDER + 1, "every order");
	for (unsigned order = 0; order <= MAX_ORDER; order++) {
		nr[order] = 0;
		u64 irq = spin_lock_irqsave(&frames_lock);
		list_for_each(page, &free_lists[order], node)
			nr[order]++;
		spin_unlock_irqrestore(&frames_lock, irq);
	}
	nr[0] += nr_kept();
}

/* --- boot --- */

void page_init_begin(u64 frames)
{
	nr_frames = frames;
	nr_free = nr_total = nr_reserved = 0;
	keep_least = ~0UL;
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		keeps[cpu].nr = keeps[cpu].nr_zeroed = 0;
	for (unsigned order = 0; order <= MAX_ORDER; order++)
		list_init(&free_lists[order]);
	_Static_assert(PAGE_RESERVED == 0, "a zeroed page array is reserved");
}

void page_add_range(paddr_t start, paddr_t end)
{
	pfn_t pfn = DIV_UP(start, PAGE_SIZE), last = min(end >> PAGE_SHIFT, nr_frames);

	if (pfn == 0)
		pfn = 1;			/* frame 0 is left alone: physical address 0 would look like "no frame" */
	while (pfn < last) {
		unsigned order = min((unsigned)__builtin_ctzl(pfn), (unsigned)MAX_ORDER);
		while (pfn + BIT(order) > last)
			order--;
		/* Members of the block are "data" from now on: PAGE_FREE marks its first page only. */
		for (unsigned i = 0; i < BIT(order); i++)
			page_set_kind(pfn_to_page(pfn + i), PAGE_DATA);
		u64 irq = spin_lock_irqsave(&frames_lock);
		free_block(pfn_to_page(pfn), order);
		nr_total += BIT(order);
		spin_unlock_irqrestore(&frames_lock, irq);
		pfn += BIT(order);
	}
}

static void set_reserve(void) { nr_reserved = min(max(nr_total / 128, (u64)32), (u64)1024); }

void page_total_reduce(u64 frames)
{
	nr_total -= min(frames, nr_total);
	set_reserve();
}

void page_init_end(void)
{
	set_reserve();
	zero_page = page_alloc(0, PA_ZERO);
	ASSERT(zero_page);
	page_ref_to_holder(zero_page);
}
