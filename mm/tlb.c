/*
 * Flushing translations, and dropping what they pointed to only afterwards (mm/tlb.h).
 *
 * One CPU runs programs, and without PCIDs only the loaded address space has translations; flushing for an mm that
 * is not loaded is harmless. With more CPUs, tlb_flush_* will ask those in mm->cpus.
 */
#include "mm/tlb.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/table.h"
#include "mm/vmstat.h"

#define FLUSH_PAGES_MAX 32	/* above this, dropping everything is cheaper */

void tlb_flush_page(struct mm *mm, vaddr_t va)
{
	vmstat_inc(VM_TLB_FLUSH_PAGE);
	trace(TRACE_FLUSH, va, va + PAGE_SIZE, 0);
	arch_flush_page(mm, va);
}

void tlb_flush_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
	if (start >= end)
		return;
	if ((end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX) {
		tlb_flush_mm(mm);
		return;
	}
	for (vaddr_t va = start; va < end; va += PAGE_SIZE)
		tlb_flush_page(mm, va);
}

void tlb_flush_mm(struct mm *mm)
{
	vmstat_inc(VM_TLB_FLUSH_ALL);
	trace(TRACE_FLUSH, 0, USER_TOP, 0);
	arch_flush_all(mm);
}

void tlb_batch_init(struct tlb_batch *b, struct mm *mm)
{
	b->mm = mm;
	b->start = ~0UL;
	b->end = 0;
	b->nr = b->nr_tables = 0;
}

void tlb_batch_holder(struct tlb_batch *b, struct page *page)
{
	ASSERT(b->nr < TLB_BATCH);
	b->holders[b->nr++] = page;
}

void tlb_batch_table(struct tlb_batch *b, struct page *table)
{
	ASSERT(b->nr_tables < TLB_BATCH);
	b->tables[b->nr_tables++] = table;
}

void tlb_batch_finish(struct tlb_batch *b)
{
	if (b->nr_tables)
		tlb_flush_mm(b->mm);	/* the paging-structure caches too */
	else
		tlb_flush_range(b->mm, b->start, b->end);
	for (unsigned i = 0; i < b->nr; i++)
		page_drop_holder(b->holders[i]);
	for (unsigned i = 0; i < b->nr_tables; i++)
		table_put(b->tables[i]);
	tlb_batch_init(b, b->mm);
}
