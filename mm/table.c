/* Tables (mm/table.h): how they come, are found below one another, and go. Several owners: mm/share.c. */
#include "mm/table.h"

#include "kernel/printk.h"
#include "mm/vmstat.h"

struct page *table_alloc(enum page_kind kind, unsigned level, unsigned flags)
{
	bool root = kind == PAGE_TABLE_PROCESS && level == 3;	/* arch_init_root() fills it: frames of zeroes are kept for the others */
	struct page *table = page_alloc(0, flags | (root ? 0 : PA_ZERO));

	if (!table)
		return NULL;
	ASSERT(kind == PAGE_TABLE_PROCESS || kind == PAGE_TABLE_CACHE);
	page_set_kind(table, kind);
	table->level = level;
	table->live = 0;
	table->template = NULL;
	if (kind == PAGE_TABLE_PROCESS)
		spin_init(&table->lock, "process table", RANK_TABLE_PROCESS);
	else
		spin_init(&table->lock, "file table", RANK_TABLE_FILE);
	vmstat_inc(VM_TABLE_ALLOC);
	return table;
}

void table_put(struct page *table)
{
	ASSERT(table->kind == PAGE_TABLE_PROCESS || table->kind == PAGE_TABLE_CACHE);
	u64 own = atomic64_read(&table->own);
	while (own_refs(own) > 1)	/* not the last one: in one step, or two that go at once both leave the entries to the other */
		if (atomic64_cmpxchg(&table->own, &own, own - OWN_REF))
			return;
	if (table->live && table->kind == PAGE_TABLE_PROCESS && !table->level)
		leaf_empty(table);
	ASSERT(table->live == 0 && (u64)table->template <= TEMPLATE_WANTED);
	/* No entry is left: zeroes. But a root has the kernel's half, and entries of files' leaves are not counted. */
	table->pinned = false;		/* it is another field of data */
	page_set_kind(table, table->kind == PAGE_TABLE_PROCESS && table->level < 3 ? PAGE_ZEROED : PAGE_DATA);
	vmstat_inc(VM_TABLE_FREE);
	page_put(table);
}

void table_lock_two(struct page *a, struct page *b)
{
	spin_lock(&min(a, b)->lock);
	if (a != b)
		spin_lock(&max(a, b)->lock);
}

void table_unlock_two(struct page *a, struct page *b)
{
	if (a != b)
		spin_unlock(&max(a, b)->lock);	/* the last one first: it is found at once among those held */
	spin_unlock(&min(a, b)->lock);
}

struct page *table_own(struct page *parent, unsigned slot)
{
	entry_t *e = &table_entries(parent)[slot];
	u64 value = entry_read(e);

	ASSERT(parent->level > 0);
	if (!(value & ENTRY_P)) {
		struct page *child = table_alloc(parent->kind, parent->level - 1, 0), *lost = NULL;
		if (!child)
			return NULL;
		spin_lock(&parent->lock);
		value = entry_read(e);
		if (value & ENTRY_P)
			lost = child;		/* somebody else was faster */
		else
			entry_exchange_locked(parent, e, value = page_to_phys(child) | UPPER_FLAGS);
		spin_unlock(&parent->lock);
		if (lost)
			table_put(lost);
	}
	struct page *child = entry_page(value);
	ASSERT(child->kind == parent->kind && child->level == parent->level - 1);
	ASSERT(child->level == 0 || !table_shared(child));
	return child;
}
