/*
 * Tables: the one structure of memory (DESIGN.md 2). A table is a frame of 512 entries in the
 * MMU's format, of kind PROCESS (an address space) or CACHE (a file). refs of a table = lifetime
 * references in its own word = owning parents.
 *
 * Rules (FOREST.md):
 * T1  A table with more than one owning parent is immutable: whoever changes it owns it first (leaf_own). Only leaves of address spaces
 *     have several (mm/share.c).
 * T2  Software changes an entry only by locked read-modify-write; a replacement is an exchange whose
 *     returned A and D bits are merged. The MMU may set A and D at any moment.
 * T3  Entries of a PROCESS table change in software only under the table's lock. In a CACHE leaf LOCKED
 *     is set by compare-and-swap on the entry looked up, and who owns LOCKED or WRITEBACK changes it
 *     by single atomic operations without the table lock (so I/O completion takes no lock).
 */
#pragma once

#include "kernel/printk.h"
#include "mm/page.h"

typedef atomic64_t entry_t;

/* Hardware bits (SDM vol. 3, table 4-20) */
#define ENTRY_P		BIT(0)
#define ENTRY_RW	BIT(1)
#define ENTRY_US	BIT(2)
#define ENTRY_PWT	BIT(3)
#define ENTRY_PCD	BIT(4)
#define ENTRY_A		BIT(5)
#define ENTRY_D		BIT(6)
#define ENTRY_PS	BIT(7)
#define ENTRY_G		BIT(8)
#define ENTRY_NX	BIT(63)
#define ENTRY_FRAME	0x000ffffffffff000UL
/* Upper entries allow everything; restrictions are in the leaves. But RW is clear above a leaf that others may have too. */
#define UPPER_FLAGS	(ENTRY_P | ENTRY_RW | ENTRY_US | ENTRY_A)

/*
 * Software bits of PROCESS leaves. An entry that is not zero but has P=0 is a PRIV entry under PROT_NONE: it keeps
 * its page, of which it is a holder, until mprotect() gives access back or it is zapped; or it is a swap entry and has no page.
 */
#define ENTRY_PRIV	BIT(9)	/* this entry is a holder of its page (anonymous or a private copy); clear: FILE entry, owns nothing */
#define ENTRY_EXCL	BIT(10)	/* the page is this address space's alone, whatever RW says */

#define ENTRY_SWAP	BIT(11)	/* P=0, PRIV: no frame but a place in a swap area (mm/swap.h) */

/* Software bits of CACHE leaves; disjoint from the above, so that a table can move between the two */
#define ENTRY_LOCKED	BIT(52)	/* the page lock */
#define ENTRY_WRITEBACK	BIT(53)	/* the slot's block is being written */
#define ENTRY_ERROR	BIT(54)	/* the last read of it failed; cleared by the next attempt */
#define ENTRY_COW	BIT(55)	/* somebody else may hold the page as a snapshot: look at its count before changing it in place */
#define ENTRY_RESERVED	BIT(58)	/* all of the page is reserved on the device: a write to it need not ask; stays until the slot is emptied */
/* Software bits of CACHE upper entries */
#define ENTRY_TABLE	BIT(57)	/* set in the root entry of a file if it points to a table; clear: it is page 0's slot */
#define ENTRY_DIRTY_BELOW BIT(56) /* some page below may be dirty: fsync need not scan the rest */

static inline u64 entry_read(const entry_t *e) { return atomic64_read(e); }
/* Its page; as phys_to_page(), but one shift fewer: a struct page is a 64th of its frame. */
static inline struct page *entry_page(u64 e) { return (struct page *)((char *)page_array() + ((e & ENTRY_FRAME) >> (PAGE_SHIFT - 6))); }
static inline void *entry_address(u64 e) { return phys_to_virt(e & ENTRY_FRAME); }	/* of the page's contents */
static inline entry_t *table_entries(const struct page *table) { return page_address(table); }
#define LEAF_SPAN (PAGE_SIZE << 9)	/* bytes below one leaf */
static inline unsigned table_index(vaddr_t va, unsigned level) { return va >> (PAGE_SHIFT + 9 * level) & 511; }

/* A zeroed table (a process's root is not: arch_init_root()) with one owning reference, or NULL. `flags` are PA_* of mm/page.h: may sleep (reclaim). */
struct page *table_alloc(enum page_kind kind, unsigned level, unsigned flags);
/* A leaf of an address space that nobody can find any more: drop what its entries hold, and clear them. */
void leaf_empty(struct page *leaf);
/* Drop one owning reference; the last one frees the table, and what a leaf's entries hold. Whoever had it from the caller's parent was flushed before. */
void table_put(struct page *table);

/* May it get one owner more? They are half of what the count can hold at most, so that who asks without a lock is not wrong, either. */
static inline bool table_takes_owner(const struct page *table) { return own_refs(atomic64_read(&table->own)) < 0x8000; }
/* Is it a leaf with several owning parents? A user of mm->mmap_lock who finds it his own may rely on it: only fork() lets others in. */
static inline bool table_shared(const struct page *table) { return own_refs(atomic64_read(&table->own)) > 1; }

/* What else `template` of a file's leaf may be (mm/template.c). */
#define TEMPLATE_WANTED 2UL		/* read once since it changed: worth making */
#define TEMPLATE_MAKING BIT(0)		/* beside its address: not to be used yet */
static inline bool template_usable(const struct page *template) { return (u64)template > TEMPLATE_WANTED && !((u64)template & TEMPLATE_MAKING); }

/*
 * The table under `slot` of `parent` (level parent->level - 1), allocated if absent. A leaf may be shared: leaf_own() copies it.
 * Sleeps only to allocate; takes parent's lock itself to publish. NULL: no memory.
 */
struct page *table_own(struct page *parent, unsigned slot);

/* The locks of two tables of one level, which may be the same: in the order of RANK_TABLE_PROCESS. */
void table_lock_two(struct page *a, struct page *b);
void table_unlock_two(struct page *a, struct page *b);

/* n entries more (or fewer) are not zero. Under the table's lock; some look without it. */
static inline void table_live_add(struct page *table, unsigned n) { __atomic_store_n(&table->live, table->live + n, __ATOMIC_RELAXED); }

/* Set or clear an entry under the table's lock, keeping `live`. Returns the old value. */
static inline u64 entry_exchange_locked(struct page *table, entry_t *e, u64 value)
{
	ASSERT(atomic_read(&table->lock.locked));
	u64 old = atomic64_xchg(e, value);

	table_live_add(table, (value != 0) - (old != 0));
	return old;
}
