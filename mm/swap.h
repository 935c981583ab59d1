/*
 * Swap: private pages that nobody used lately go to an area on a block device and come back by a fault.
 *
 * A swap area is a file whose page n is slot n of the device: it has a page cache like any other, and what is in it is a page on its
 * way out or in. The entry of a process then has P=0, PRIV and ENTRY_SWAP, and names area and slot in place of a frame.
 *
 *   out  entry -> swap entry, flush, then the frame goes from the entry to the area's cache, dirty, and is written; when that is
 *        done the cache lets it go. A fault before that finds it there.
 *   in   a fault shares the page with the cache; if its entry was the slot's last, the slot is free and the page its alone again.
 *
 * SW1  count[slot] = swap entries of all processes that name it. 0: free, once nobody has its page lock and it is not under writeback;
 *      a page may still lie in its cache then, which nobody needs.
 * SW2  A page enters the cache only without pins of any kind, after its entry was taken away everywhere (INV-E8); so it is not changed from
 *      then on: the cache's holder and writeback's, or the entries that share it again, are more than one (PG1).
 * SW3  Who names a slot by an entry keeps the area; who looks without one holds it (swap_hold).
 *
 * Callers: the fault handler (swap_fault), reclaim (swap_out, swap_shrink), fork and who removes entries (swap_dup, swap_put), fs/swapon.c.
 */
#pragma once

#include "mm/mm.h"
#include "mm/pagecache.h"

#define SWAP_AREAS 4
#define SWAP_SLOT_BITS 28
#define SWAP_SLOT(id) ((id) & (BIT(SWAP_SLOT_BITS) - 1))
#define SWAP_REQUESTS 64		/* writes and reads of one area under way at once */

struct swap_area;

/* One page to read or write; the device's own struct begins with it. */
struct swap_request {
	struct list_head node;		/* the area's list while it is free */
	struct swap_area *area;
	bool write;
	u64 slot;
	struct page *page;
};

struct swap_device_ops {
	size_t request_size;		/* of the device's struct, which begins with struct swap_request */
	/* Begin; later, from any context that need not sleep, swap_request_done(). Takes no sleeping lock, allocates nothing. */
	void (*submit)(void *device, struct swap_request *r);
};
void swap_request_done(struct swap_request *r, int error);

struct swap_setup {
	const char *name;		/* for /proc/swaps: copied */
	void *device;
	bool file;			/* for /proc/swaps, too: no device of its own */
	const struct swap_device_ops *ops;
	u64 last;			/* slots 1 to last */
	int priority;			/* higher ones are filled first; negative: in the order of swapon */
	const u32 *bad;			/* slots that cannot be used, or NULL */
	unsigned nr_bad;
};

/* 0, -ENOMEM, -EBUSY (the device is in use), -EPERM (no area is free), -EINVAL. Sleeps. */
int swap_on(const struct swap_setup *setup);
/* Bring everything in and give the area up. -EINVAL: none on this device; -ENOMEM, -EIO, -EINTR (a signal): then it is in use as before. Sleeps. */
int swap_off(void *device);

struct swap_info { char name[64]; bool file; u64 total, used; int priority; };	/* pages */
bool swap_nth(unsigned n, struct swap_info *out);	/* false: no area n, others may follow up to SWAP_AREAS */
u64 swap_total(void), swap_free(void), swap_cached(void);	/* pages */

/* --- entries: under the lock of the leaf that has them --- */

static inline bool entry_is_swap(u64 e) { return (e & (ENTRY_P | ENTRY_SWAP)) == ENTRY_SWAP; }
static inline u32 swap_id(u64 e) { return (u32)(e >> PAGE_SHIFT); }
static inline u64 swap_entry(u32 id) { return (u64)id << PAGE_SHIFT | ENTRY_SWAP | ENTRY_PRIV; }
void swap_dup(u64 e);			/* one more entry like e */
void swap_put(u64 e);			/* one less. Takes no sleeping lock */
unsigned swap_users(u64 e);		/* how many there are; without the lock: were */

/*
 * The fault of a swap entry: `seen` is what *e was. mmap_lock held for reading; FAULT_RETRY: it was dropped to wait for the page. FAULT_DONE: the page is
 * mapped, writable if the fault is a write.
 */
enum fault_result swap_fault(struct fault *f, struct page *leaf, entry_t *e, u64 seen);

/* --- reclaim --- */

/* Begin to write about nr private pages that were not used lately out. The number begun. Waits for nobody's lock; at most for writes of its own. */
unsigned swap_out(unsigned nr);
/* Let go of pages in the areas' caches that are clean, or that nobody needs. How many frames that may free. */
unsigned swap_shrink(unsigned nr);
/* Wait until a write that is under way is done; false: there is none. Any sleeping lock may be held. */
bool swap_wait(void);
/* Wait for as many writes as are under way now. */
void swap_settle(void);
/* Without looking at A: the private pages of [start, end) in one VMA. mmap_lock held. How many were begun. */
unsigned swap_out_range(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end);

/* --- inside mm/swap*.c --- */

struct swap_area {
	bool active;			/* swap_lock: slots may be given out */
	bool used;			/* swap_lock: is an area, even if swapoff is at work */
	u8 number;			/* I */
	bool failed;			/* racy: a write failed, nothing more is written to it */
	char name[64];			/* I while used, as what follows */
	void *device;
	bool file;
	const struct swap_device_ops *ops;
	u64 last;
	int priority;
	u64 nr_slots;
	u32 *count;			/* swap_lock: by slot */
	u64 nr_used;			/* swap_lock: slots with a count */
	u64 next;			/* swap_lock: where the search for a free slot goes on */
	u64 hand;			/* racy hint: swap_shrink */
	atomic_t holds;			/* A: who looks without an entry */
	void *pool;
	struct list_head requests;	/* swap_io_lock: free ones */
	unsigned in_flight;		/* swap_io_lock */
	struct address_space mapping;
};
extern struct swap_area swap_areas[SWAP_AREAS];
extern struct spinlock swap_lock;
static inline struct swap_area *swap_area_of(u32 id) { return &swap_areas[id >> SWAP_SLOT_BITS]; }

/* mm/swap.c */
bool swap_hold(struct swap_area *a);		/* false: no area there */
void swap_release(struct swap_area *a);
bool swap_alloc(u32 *id, entry_t **slot);	/* a slot with count 1 and page lock, its cache empty; false: all are full */
bool swap_slot_trylock(struct address_space *m, u64 index, entry_t **slot);
void swap_count(u32 id, int n);			/* one entry more or less; nothing is done at 0 */
unsigned swap_count_of(u32 id);
/* mm/swapio.c */
int swap_io_init(struct swap_area *a);		/* -ENOMEM */
void swap_io_exit(struct swap_area *a);		/* waits for what is under way */
extern const struct address_space_ops swap_aops;
struct swap_request *swap_request_get(struct swap_area *a);	/* NULL: all are under way */
void swap_request_put(struct swap_request *r);
/* Page lock owned, page dirty in the cache: write it. Unlocks. */
void swap_write(struct swap_request *r, u64 index, entry_t *slot);
void swap_cache_add(struct address_space *m, entry_t *slot, struct page *page);	/* page lock owned; the caller's holder becomes the cache's */
void swap_cache_drop(struct address_space *m, u64 index, entry_t *slot);	/* page lock owned, not under writeback: empty it, and unlock */
void swap_cache_empty(struct address_space *m, entry_t *slot);	/* the same, keeping the page lock */
void swap_let_go(u32 id, entry_t *slot);	/* page lock owned: unlock, and empty it if nobody needs what it has */
/* mm/swapin.c */
int swap_in_all(struct swap_area *a);		/* swapoff: until no entry names it */
/* mm/mm.c: all address spaces, each visited under a reference: NULL after the last of *left */
struct mm *mm_next(unsigned *left);
unsigned mm_count(void);
