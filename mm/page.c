/*
 * Frames: the buddy allocator, and the ownership word's changes.
 *
 * Free blocks of 2^order frames hang on one list per order. The first page of a free block, and no
 * other page, has kind PAGE_FREE: that is how a block recognises its buddy. One lock (frames_lock) protects the lists,
 * `kind` and `order` of free pages, and the counts; a page that is not free belongs to its user.
 *
 * When few frames are left, ordinary allocations reclaim (mm/reclaim.h) and try again; the last ones are kept for those
 * that cannot wait (PA_ATOMIC) or that free memory by allocating (PA_RESERVE).
 */
#include "mm/page.h"

#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "mm/reclaim.h"
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

	nr_free += BIT(order);
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
	nr_free -= BIT(order);
	return page;
}

/* --- allocation --- */

static struct page *page_alloc_once(unsigned order, unsigned flags)
{
	u64 keep = flags & (PA_ATOMIC | PA_RESERVE) ? 0 : nr_reserved;
	struct page *page = NULL;

	u64 irq = spin_lock_irqsave(&frames_lock);
	if (nr_free >= keep + BIT(order))
		page = take_block(order);
	spin_unlock_irqrestore(&frames_lock, irq);
	return page;
}

struct page *page_alloc(unsigned order, unsigned flags)
{
	ASSERT(order <= MAX_ORDER);
	if (!(flags & PA_ATOMIC))
		debug_might_sleep();
	if (alloc_fail_now())
		return NULL;
	struct page *page = page_alloc_once(order, flags);
	for (int attempt = 0; !page && !(flags & PA_ATOMIC) && attempt < RECLAIM_TRIES; attempt++) {
		might_sleep();
		reclaim_kick();
		if (flags & PA_PROGRAM ? !reclaim_for_program(BIT(order) + 32) : !reclaim_pages(BIT(order) + 32))
			break;
		page = page_alloc_once(order, flags);
	}
	if (!page) {
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

void page_free(struct page *page)
{
	ASSERT(page->kind != PAGE_FREE && page->kind != PAGE_RESERVED);
	ASSERT(atomic64_read(&page->own) == 0);
	vmstat_inc(VM_PAGE_FREE);
	u64 irq = spin_lock_irqsave(&frames_lock);
	free_block(page, page->order);
	spin_unlock_irqrestore(&frames_lock, irq);
}

u64 page_free_count(void) { return READ_ONCE(nr_free); }
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
}

/* --- boot --- */

void page_init_begin(u64 frames)
{
	nr_frames = frames;
	nr_free = nr_total = nr_reserved = 0;
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

/* --- fault injection --- */

static atomic64_t alloc_fail_countdown;	/* allocations until the failing one; 0 = off */
static u64 alloc_fail_every;

void alloc_fail_set(u64 nth, u64 every)
{
	alloc_fail_every = every;
	atomic64_set(&alloc_fail_countdown, nth);
}

bool alloc_fail_now(void)
{
	u64 left = atomic64_read(&alloc_fail_countdown);

	if (likely(!left))
		return false;
	while (left && !atomic64_cmpxchg(&alloc_fail_countdown, &left, left == 1 ? alloc_fail_every : left - 1))
		;
	if (left == 1)
		vmstat_inc(VM_ALLOC_FAIL);
	return left == 1;
}

void alloc_fail_init(void)
{
	char word[48];
	u64 nth = 0, every = 0, *number = &nth;

	if (!cmdline_get("alloc_fail", word, sizeof(word)))
		return;
	for (const char *c = word; *c; c++) {
		if (*c == ',' && number == &nth)
			number = &every;
		else if (*c >= '0' && *c <= '9' && *number < 1UL << 48)
			*number = *number * 10 + (*c - '0');
		else {
			printk("alloc_fail=%s: not N[,EVERY]; ignored\n", word);
			return;
		}
	}
	printk("alloc_fail: allocation %lu fails, then every %lu\n", nth, every);
	alloc_fail_set(nth, every);
}
