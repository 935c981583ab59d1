/*
 * Telling the TLBs. Whoever takes permissions away or replaces a page gathers the change here and
 * flushes before the frame or table is freed, and before the lock that hides the change is dropped
 * (DESIGN.md 7, MECHANISMS.md H). Not-present to present needs no flush.
 *
 * One CPU runs programs now; these functions are where other CPUs will be asked.
 */
#pragma once

#include "mm/page.h"

struct mm;

void tlb_flush_page(struct mm *mm, vaddr_t va);
void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end);
void tlb_flush_mm(struct mm *mm);

/* Frames and tables that lost their entries and wait for the flush. On the stack; no lock of its own. */
#define TLB_BATCH 64
struct tlb_batch {
	struct mm *mm;
	vaddr_t start, end;		/* what must be flushed; empty if start >= end */
	unsigned nr;
	struct page *holders[TLB_BATCH];	/* drop one holder each after the flush */
	unsigned nr_tables;
	struct page *tables[TLB_BATCH];		/* table_put each after the flush */
};
void tlb_batch_init(struct tlb_batch *b, struct mm *mm);
static inline void tlb_batch_range(struct tlb_batch *b, vaddr_t start, vaddr_t end)	/* needs a flush */
{
	b->start = min(b->start, start);
	b->end = max(b->end, end);
}
/* Room for one more of each? If not, call tlb_batch_finish first (with no table lock needed after). */
static inline bool tlb_batch_full(const struct tlb_batch *b) { return b->nr == TLB_BATCH || b->nr_tables == TLB_BATCH; }
void tlb_batch_holder(struct tlb_batch *b, struct page *page);
void tlb_batch_table(struct tlb_batch *b, struct page *table);
void tlb_batch_finish(struct tlb_batch *b);	/* flush, then drop; b is empty again */
