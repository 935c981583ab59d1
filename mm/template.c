/*
 * Templates: page tables that a file keeps for those who read it, 2 MiB at a time ("a full pte page at a time", 001 of the sources).
 *
 * A template is a leaf of an address space's kind with the file's pages of one leaf of its tree, read-only and private: what read() would make for a reader
 * page by page (mm/loan.h). A reader whose memory has no table yet gets it with one store, RW=0 above, as a child gets a leaf by fork (mm/share.c). The file's
 * own reference is in the struct page of its leaf. It is made when the same 2 MiB are read for the second time in this way, also after it was dropped: for one reader it saves nothing.
 *
 * It is right while each slot has the page that it shows. Those pages have two holders or more, so nobody changes them in place; and a slot's page is
 * changed by the owner of LOCKED, who calls slot_drop_template() first. Who made one looks, after he has shown it as one being made, whether a slot is
 * locked or has changed; who locks a slot looks, after that, whether there is one. So one of the two sees the other, and no reader gets a template that was
 * overtaken. A template that nobody has but the file goes, with its holders; one that readers have stays theirs, as it was (INV-P3).
 */
#include "mm/loan.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/slot.h"
#include "mm/switches.h"
#include "mm/vmstat.h"

#define LEAF_PAGES 512U

#define WANTED ((struct page *)TEMPLATE_WANTED)

void template_drop(struct page *leaf)
{
	spin_lock(&leaf->lock);
	struct page *template = leaf->template;
	if (template > WANTED)
		WRITE_ONCE(leaf->template, NULL);
	spin_unlock(&leaf->lock);
	if (template_usable(template))	/* one that is being made goes with its maker */
		table_put(template);
}

/* In the place of `expected`; false: something else is there. */
static bool exchange(struct page *leaf, struct page *expected, struct page *value)
{
	spin_lock(&leaf->lock);
	bool same = leaf->template == expected;
	if (same)
		WRITE_ONCE(leaf->template, value);
	spin_unlock(&leaf->lock);
	return same;
}

/* All pages of the file from index on go into the new table, as loans. False: one could not be lent. */
static bool fill(struct address_space *m, u64 index, struct page *template, u64 bits)
{
	struct page *loan[LOAN_MAX];

	while (template->live < LEAF_PAGES) {
		unsigned got = loan_from_file(m, index + template->live, LEAF_PAGES - template->live, loan);
		entry_t *e = table_entries(template) + template->live;

		for (unsigned i = 0; i < got; i++)
			atomic64_set(&e[i], page_to_phys(loan[i]) | bits | ENTRY_PRIV);
		template->live += got;		/* nobody else knows it */
		if (!got)
			return false;
	}
	return true;
}

/* Is each slot at rest, with the page that the template shows? */
static bool agrees(const entry_t *slot, const entry_t *e)
{
	for (unsigned i = 0; i < LEAF_PAGES; i++)
		if ((entry_read(&slot[i]) ^ entry_read(&e[i])) & (ENTRY_P | ENTRY_LOCKED | ENTRY_FRAME))
			return false;
	return true;
}

/* A new template for the leaf, with a reference for the caller; NULL. */
static struct page *make(struct address_space *m, u64 index, struct page *leaf, u64 bits)
{
	struct page *template = table_alloc(PAGE_TABLE_PROCESS, 0, 0), *making = (struct page *)((u64)template | TEMPLATE_MAKING);
	bool good;

	if (!template)
		return NULL;
	if (!fill(m, index, template, bits)) {
		exchange(leaf, WANTED, NULL);	/* not at the next read again */
		table_put(template);
		return NULL;
	}
	if (!exchange(leaf, WANTED, making)) {
		table_put(template);
		return NULL;
	}
	smp_mb();		/* shown, then looked: who locks a slot does it the other way round */
	good = agrees(table_entries(leaf), table_entries(template));
	page_get(template);
	if (!exchange(leaf, making, good ? template : NULL) || !good) {
		table_put(template);	/* it was not used, or dropped again */
		table_put(template);
		return NULL;
	}
	vmstat_inc(VM_TABLE_TEMPLATE);
	return template;
}

/* Is it all inside the size? */
static bool reaches(struct address_space *m, u64 index) { return smp_load_acquire(&m->size) >= (loff_t)((index + LEAF_PAGES) << PAGE_SHIFT); }

/* The template of 2 MiB of the file from index on, with a reference; NULL: none, or not now. Sleeps. */
static struct page *template_get(struct address_space *m, u64 index, u64 bits)
{
	entry_t *slot = slot_find(m, index);
	struct page *leaf = slot && slot != &m->root ? virt_to_page(slot) : NULL, *template;

	if (!leaf || !reaches(m, index))
		return NULL;
	template = READ_ONCE(leaf->template);
	if (!template)
		exchange(leaf, NULL, WANTED);
	if (template == WANTED)
		return make(m, index, leaf, bits);
	if (!template_usable(template))
		return NULL;
	spin_lock(&leaf->lock);
	template = template_usable(leaf->template) && table_takes_owner(leaf->template) ? leaf->template : NULL;
	if (template)
		page_get(template);
	spin_unlock(&leaf->lock);
	return template;
}

/* Parent locked; its entry shows a leaf, without RW. In its place the template, if others have the leaf too: then there is no pin in it. */
static bool put_over(struct page *parent, entry_t *above, struct page *leaf, u64 value)
{
	spin_lock(&leaf->lock);
	bool shared = table_shared(leaf);
	if (shared)
		entry_exchange_locked(parent, above, value);
	spin_unlock(&leaf->lock);
	return shared;
}

/*
 * Parent locked. The entry above the reader's 2 MiB is empty, or shows a table that others have too, all of which is to be read over: it shows the
 * template from now on. *old: a table to be dropped. False: the reader has a table of his own there, and copies to its pages are cheaper (INV-R2).
 */
static bool put_above(struct page *parent, entry_t *above, struct page *template, struct page **old)
{
	u64 seen = entry_read(above), value = page_to_phys(template) | (UPPER_FLAGS & ~ENTRY_RW);

	if (!seen) {
		entry_exchange_locked(parent, above, value);
		return true;
	}
	*old = entry_page(seen);
	return !(seen & ENTRY_RW) && (*old == template || put_over(parent, above, *old, value));
}

unsigned template_attach(struct mm *mm, const struct vma *vma, struct address_space *m, u64 index, vaddr_t va)
{
	u64 bits = ENTRY_P | ENTRY_US | ENTRY_A | arch_nx();
	struct page *template, *old = NULL;
	entry_t *above;

	if (!switch_share_tables || vma_entry_bits(vma) != bits)
		return 0;
	above = leaf_slot(mm, va);
	if (!above || entry_read(above) & ENTRY_RW)
		return 0;
	template = template_get(m, index, bits);
	if (!template)
		return 0;
	spin_lock(&virt_to_page(above)->lock);
	/* The size after the template, as in loan_from_file(). */
	bool done = reaches(m, index) && put_above(virt_to_page(above), above, template, &old);
	spin_unlock(&virt_to_page(above)->lock);
	if (!done) {
		table_put(template);
		return 0;
	}
	if (old && old != template)
		tlb_flush_range(mm, va, va + LEAF_SPAN, TLB_LOAN);
	if (old)
		table_put(old);
	vmstat_add(VM_LOAN_READ, LEAF_PAGES);
	vmstat_inc(VM_TABLE_ATTACH);
	trace(TRACE_LOAN, va, index, LEAF_PAGES);
	return LEAF_PAGES;
}
