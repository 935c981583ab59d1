/*
 * Telling the TLBs. Whoever takes permissions away or replaces a page gathers the change here and
 * flushes before the frame or table is freed, and before the lock that hides the change is dropped
 * (DESIGN.md 7, MECHANISMS.md H). Not-present to present needs no flush, nor does a change to more rights of the same frame.
 *
 * On return no CPU has the old translation any more. CPUs that run the address space are asked by an interrupt (mm/shootdown.c), so
 * these are called with interrupts on; spinlocks may be held if nobody takes them with interrupts off (INV-S4).
 */
#pragma once

#include "mm/page.h"

struct mm;

/* Why: each has its two counters in /proc/vmstat, flushes and CPUs asked. */
enum tlb_reason { TLB_COW, TLB_FORK, TLB_UNMAP, TLB_PROTECT, TLB_MOVE, TLB_ZAP, TLB_CLEAN, TLB_SWAP, TLB_LOAN, NR_TLB_REASONS };

void tlb_flush_page(struct mm *mm, vaddr_t va, enum tlb_reason why);
void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, enum tlb_reason why);
void tlb_flush_mm(struct mm *mm, enum tlb_reason why);

/*
 * mm/shootdown.c: drop the translations of [start, end), or everything with the paging-structure caches if that is more than FLUSH_PAGES_MAX
 * pages, here and on every CPU that runs mm. Returns how many others were asked.
 */
#define FLUSH_PAGES_MAX 32	/* above this, dropping everything is cheaper */
unsigned tlb_shootdown(struct mm *mm, vaddr_t start, vaddr_t end);

/* Frames and tables that lost their entries and wait for the flush. On the stack; no lock of its own. */
#define TLB_BATCH 64
struct tlb_batch {
	struct mm *mm;
	enum tlb_reason why;
	vaddr_t start, end;		/* what must be flushed; empty if start >= end */
	unsigned nr;
	struct page *holders[TLB_BATCH];	/* drop one holder each after the flush */
	unsigned nr_tables;
	struct page *tables[TLB_BATCH];		/* table_put each after the flush; a leaf may have its entries still */
};
void tlb_batch_init(struct tlb_batch *b, struct mm *mm, enum tlb_reason why);
/*
 * [start, end) needs a flush. Called before the entry changes: whoever finds it changed then also finds that the flush is due, and does it
 * himself if he relies on it (tlb_batch_others()).
 */
void tlb_batch_range(struct tlb_batch *b, vaddr_t start, vaddr_t end);
/* After a look at all of [start, end): flush it if somebody else has changed entries of this mm and not flushed yet. */
void tlb_batch_others(struct tlb_batch *b, vaddr_t start, vaddr_t end);
/* Room for one more of each? If not, call tlb_batch_finish first (with no table lock needed after). */
static inline bool tlb_batch_full(const struct tlb_batch *b) { return b->nr == TLB_BATCH || b->nr_tables == TLB_BATCH; }
void tlb_batch_table(struct tlb_batch *b, struct page *table);
void tlb_batch_finish(struct tlb_batch *b);	/* flush, then drop; b is empty again */
