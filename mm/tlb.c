/* Flushing translations, and dropping what they pointed to only afterwards (mm/tlb.h). */
#include "mm/tlb.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/layout.h"
#include "mm/mm.h"
#include "mm/table.h"
#include "mm/vmstat.h"

void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, enum tlb_reason why)
{
	bool all = (end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX;
	unsigned asked;

	if (start >= end)
		return;
	trace(TRACE_FLUSH, start, end, why);
	vmstat_add(all ? VM_TLB_FLUSH_ALL : VM_TLB_FLUSH_PAGE, all ? 1 : (end - start) >> PAGE_SHIFT);
	vmstat_inc(VM_TLB + why);
	asked = tlb_shootdown(mm, start, end);
	if (asked)
		vmstat_add(VM_TLB_CALL + why, asked);
}

void tlb_flush_page(struct mm *mm, vaddr_t va, enum tlb_reason why) { tlb_flush_range(mm, va & PAGE_MASK, (va & PAGE_MASK) + PAGE_SIZE, why); }
void tlb_flush_mm(struct mm *mm, enum tlb_reason why) { tlb_flush_range(mm, 0, USER_TOP, why); }

void tlb_batch_init(struct tlb_batch *b, struct mm *mm, enum tlb_reason why)
{
	b->mm = mm;
	b->why = why;
	b->start = ~0UL;
	b->end = 0;
	b->nr = b->nr_tables = 0;
}

void tlb_batch_range(struct tlb_batch *b, vaddr_t start, vaddr_t end)
{
	if (b->start >= b->end)
		atomic_inc(&b->mm->unflushed);
	b->start = min(b->start, start);
	b->end = max(b->end, end);
}

void tlb_batch_others(struct tlb_batch *b, vaddr_t start, vaddr_t end)
{
	if (atomic_read(&b->mm->unflushed) > (b->start < b->end))
		tlb_batch_range(b, start, end);
}

void tlb_batch_table(struct tlb_batch *b, struct page *table)
{
	ASSERT(b->nr_tables < TLB_BATCH);
	b->tables[b->nr_tables++] = table;
}

void tlb_batch_finish(struct tlb_batch *b)
{
	if (b->start >= b->end && !b->nr && !b->nr_tables)
		return;			/* nothing was there */
	if (b->nr_tables)
		tlb_flush_mm(b->mm, b->why);	/* the paging-structure caches too */
	else
		tlb_flush_range(b->mm, b->start, b->end, b->why);
	if (b->start < b->end)
		atomic_dec(&b->mm->unflushed);
	for (unsigned i = 0; i < b->nr; i++)
		page_drop_holder(b->holders[i]);
	for (unsigned i = 0; i < b->nr_tables; i++)
		table_put(b->tables[i]);
	tlb_batch_init(b, b->mm, b->why);
}
