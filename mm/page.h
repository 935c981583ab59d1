/*
 * Frames. One struct page per 4 KiB frame of RAM; the buddy allocator hands them out.
 *
 * The ownership word `own` says who uses a frame, in one 64-bit word, so that each change is one
 * compare-and-swap and "nobody uses it" is one test (MECHANISMS.md b). The lifetime count lives in
 * the same word: whoever makes the word zero frees the frame.
 *
 *   bits 63..44 holders  entries that own the frame: cache slots, PRIV PTEs, writeback, pipe buffers
 *   bits 43..32 xpins    exclusive pins: write, or long-term read
 *   bits 31..16 rpins    short reads of the data (read()'s copy-out, pinned copy sources)
 *   bits 15..0  refs     lifetime only: keeps the frame from being freed, never changes a decision
 *
 * PG1  holders > 1 => nobody changes the data (xpins == 0, no writable mapping).
 * PG2  own == 0 <=> the frame is free (or about to be given to the allocator by who made it zero).
 * PG3  a writer is the sole holder, or replaces its own reference by a new frame.
 *
 * None of these functions sleeps unless it says so; all may be called in any context.
 */
#pragma once

#include "kernel/atomic.h"
#include "kernel/list.h"
#include "kernel/lock.h"
#include "mm/layout.h"

#define OWN_REF		(1UL << 0)
#define OWN_RPIN	(1UL << 16)
#define OWN_XPIN	(1UL << 32)
#define OWN_HOLDER	(1UL << 44)
#define OWN_REFS	(0xffffUL * OWN_REF)
#define OWN_RPINS	(0xffffUL * OWN_RPIN)
#define OWN_XPINS	(0xfffUL * OWN_XPIN)
#define OWN_MANY_RPINS	(0x8000UL * OWN_RPIN)	/* one bit: so many are the most, and that is one test */
#define OWN_FULL	BIT(63)	/* no more holders, at half of what the field could count: one test of the word tells, together with the pins */
#define own_refs(w)	((w) & 0xffff)
#define own_rpins(w)	((w) >> 16 & 0xffff)
#define own_xpins(w)	((w) >> 32 & 0xfff)
#define own_holders(w)	((w) >> 44)

enum page_kind {
	PAGE_RESERVED,		/* not RAM, or the kernel image, boot data, the ramdisk: never allocated */
	PAGE_FREE,		/* in the buddy allocator */
	PAGE_DATA,		/* anonymous or cache contents, kernel stacks, buffers */
	PAGE_TABLE_PROCESS,	/* a table of an address space: PRIV entries are holders */
	PAGE_TABLE_CACHE,	/* a table of a file: every present entry is a holder */
	PAGE_SLAB,		/* owned by mm/slab */
	PAGE_LARGE,		/* first page of a kmalloc larger than the slabs */
	PAGE_KEPT,		/* free, and kept by a CPU for its next allocation */
	PAGE_ZEROED,		/* about to be freed, and all zeroes: the next allocation with PA_ZERO need not clear it */
};

struct address_space;
struct page {
	atomic64_t own;			/* A */
	u8 kind;			/* enum page_kind: written by allocator and owner only */
	u8 order;			/* of the block, in its first page */
	u8 level;			/* tables: 0 = leaf (PTEs) ... 3 = PML4; fixed */
	union {
		bool in_flight;		/* data: under writeback for some slot; the lock of mm/pagelock.c's table */
		bool pinned;		/* leaves of address spaces: perhaps some page has an exclusive pin. Set before the pin, cleared by fork() */
	};
	union {
		u32 live;		/* tables: entries that are not zero; table lock */
		u32 swap_id;		/* data: the place in a swap area whose cache may have it: a hint, to be checked there; else 0 */
	};
	union {
		struct list_head node;		/* free: buddy list (frames lock); others: the owner's use */
		struct {			/* tables */
			struct spinlock lock;		/* protects entries against other software */
			struct page *template;		/* leaves of files: lock; what readers are given, or a mark (mm/table.h), or NULL */
		};
		struct {			/* slab (mm/slab.c) */
			struct list_head slab_node;
			void *slab_free;
			void *slab_cache;
		};
		struct {			/* data under writeback: in-flight table (mm/pagelock.c) */
			struct page *wb_next;
			struct address_space *wb_mapping;
			u64 wb_index;
		};
	};
	u32 slab_used;
	u32 elsewhere;			/* A: holders that no entry shows; debug build only (mm/ownership.h) */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct page) == 64, "struct page is one cache line");

extern u64 nr_frames;				/* length of the page array: highest frame of RAM + 1 */
static inline struct page *pfn_to_page(pfn_t pfn) { return page_array() + pfn; }
static inline pfn_t page_to_pfn(const struct page *p) { return (pfn_t)(p - page_array()); }
static inline paddr_t page_to_phys(const struct page *p)	/* as one shift, not two */
{
	return ((paddr_t)p - (paddr_t)page_array()) * (PAGE_SIZE / sizeof(struct page));
}
static inline struct page *phys_to_page(paddr_t pa) { return pfn_to_page(pa >> PAGE_SHIFT); }
/* The frame's contents, through the direct map. */
static inline void *page_address(const struct page *p) { return phys_to_virt(page_to_phys(p)); }
static inline struct page *virt_to_page(const void *va) { return phys_to_page(virt_to_phys(va)); }

/*
 * Allocation flags. Without PA_ATOMIC the allocator may reclaim clean cache pages, which sleeps: then
 * no spinlock, no page lock... may be held except as mm/reclaim.h allows.
 */
#define PA_ZERO		BIT(0)	/* fill with zeroes */
#define PA_ATOMIC	BIT(1)	/* never sleep, never reclaim */
#define PA_PROGRAM	BIT(3)	/* a program's own memory: fails rather than take the last cached pages, see mm/reclaim.h */
#define PA_RESERVE	BIT(2)	/* may use the last frames: for who frees memory by allocating a little */

/* As a whole: whoever frees the frame beside it looks whether this one is free, under another lock than the owner's, which has none. */
static inline void page_set_kind(struct page *page, enum page_kind kind) { __atomic_store_n(&page->kind, (u8)kind, __ATOMIC_RELAXED); }

/* 2^order frames (order <= 10), own = one lifetime reference on the first; NULL if there are none. */
struct page *page_alloc(unsigned order, unsigned flags);
/*
 * One frame of zeroes, with a holder, of those that this CPU keeps; NULL: there is none, as when memory is short, or a failing allocation is awaited.
 * 40 instructions fewer than page_alloc(). Does not sleep, does not reclaim.
 */
struct page *page_alloc_kept(void);
/* Give back a block whose own word is zero (called by page_put and its relatives only). */
void page_free(struct page *page);

u64 page_free_count(void);	/* frames in the allocator, those that CPUs keep included */
u64 page_total_count(void);	/* frames it manages, free or not */
u64 page_reserve(void);		/* of them, kept for PA_ATOMIC and PA_RESERVE */
void page_total_reduce(u64 frames);	/* at boot: so many were allocated and are not memory any more (a RAM disk) */
#define PAGE_ORDERS 11
void page_free_blocks(u64 nr[PAGE_ORDERS]);	/* free blocks of each order, for /proc/buddyinfo */

/*
 * Boot, in this order, one CPU: page_init_begin() with the length of the page array (mapped, zeroed), page_add_range() for each
 * range of RAM that nobody uses, page_init_end(); then, perhaps, page_keep_begin(): from then on CPUs keep frames.
 * page_init() does it all from the boot information.
 */
struct boot_info;
void page_init(const struct boot_info *boot);
void page_init_begin(u64 frames);
void page_add_range(paddr_t start, paddr_t end);
void page_init_end(void);
void page_keep_begin(void);

/* Whoever makes the word zero frees the frame. */
static inline void own_sub(struct page *page, u64 unit)
{
	if (atomic64_add_return(&page->own, -(s64)unit) == 0)
		page_free(page);
}

/* Lifetime references. */
void page_get(struct page *page);		/* the caller knows that it is in use */
bool page_get_unless_free(struct page *page);	/* for lockless lookups: false if own was zero */
void page_put(struct page *page);

/* Holders. */
void page_ref_to_holder(struct page *page);	/* the caller's reference becomes the first holder */
/* One holder more of a page that has one; false if it is exclusively pinned, or at the limit. */
static inline bool page_share(struct page *page)
{
	u64 own = atomic64_read(&page->own);

	/* One mask, not fields: six instructions fewer for each page lent. */
	while (likely(!(own & (OWN_XPINS | OWN_FULL))))
		if (likely(atomic64_cmpxchg(&page->own, &own, own + OWN_HOLDER)))
			return true;
	return false;
}
void page_drop_holder(struct page *page);	/* one less; the last user frees */
static inline bool page_sole_holder(const struct page *page) { return own_holders(atomic64_read(&page->own)) == 1; }	/* pins not asked */
/* One holder, no pin of either kind: the caller, that holder, may take it over (DESIGN.md 6, rule 1). */
static inline bool page_adoptable(const struct page *page)
{
	return (atomic64_read(&page->own) & ~OWN_REFS) == OWN_HOLDER;	/* as one comparison, not of three fields: 6 instructions less */
}

/* No pin of either kind, however many holders. */
static inline bool page_unpinned(const struct page *page)
{
	u64 own = atomic64_read(&page->own);

	return !own_xpins(own) && !own_rpins(own);
}

/* Pins. Each fails (false) rather than overflow its field. */
static inline bool page_pin_read(struct page *page)	/* false also if own is zero: lockless callers recheck their entry after */
{
	u64 own = atomic64_read(&page->own);

	while (likely(own && !(own & OWN_MANY_RPINS)))
		if (likely(atomic64_cmpxchg(&page->own, &own, own + OWN_RPIN)))
			return true;
	return false;
}

static inline void page_unpin_read(struct page *page)
{
	own_sub(page, OWN_RPIN);
}
bool page_pin_exclusive(struct page *page);	/* false if holders > 1 */
void page_unpin_exclusive(struct page *page);

/* The frame of zeroes, mapped read-only for anonymous reads; it has a permanent holder. */
extern struct page *zero_page;
