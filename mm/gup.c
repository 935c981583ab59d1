/*
 * Pinning a page of the current program. No lock: the walk runs with interrupts off, so that no table of this address space is freed under it, nor a frame
 * that an entry shows now (both wait for this CPU's answer to a flush: mm/shootdown.c); after the pin the entry is read again. If it still
 * shows the page with the right that is asked for, the pin came first: who takes the page away or shares it from then on sees it. Only a
 * page that is not there, or not writable, is worth a fault.
 */
#include "mm/vma.h"

#include "kernel/cpu.h"

#define GUP_TRIES 64	/* other threads may zap or fork between the fault and the pin, but not for ever without malice */

static bool allows(u64 entry, bool write) { return entry & ENTRY_P && (!write || entry & ENTRY_RW); }

/* Pin what the entry shows now, if it allows the access; else NULL. */
static struct page *pin_entry(struct mm *mm, vaddr_t va, bool write)
{
	u64 flags = irq_save(), value = 0, now = 0;
	struct page *page = NULL;
	vaddr_t next;
	struct page *leaf = leaf_find(mm, va, &next);

	if (leaf)
		value = entry_read(leaf_entry(leaf, va));
	if (allows(value, write)) {
		page = entry_page(value);
		if (write ? page_pin_exclusive(page) : page_pin_read(page))
			now = entry_read(leaf_entry(leaf, va));
		else
			page = NULL;
	}
	irq_restore(flags);
	if (!page || (allows(now, write) && entry_page(now) == page))
		return page;
	write ? page_unpin_exclusive(page) : page_unpin_read(page);
	return NULL;
}

int pin_user_page(vaddr_t va, bool write, struct page **page)
{
	struct mm *mm = current->mm;

	if (!mm || va >= USER_TOP)
		return -EFAULT;
	*page = pin_entry(mm, va, write);
	if (*page)
		return 0;
	for (int i = 0; i < GUP_TRIES; i++) {
		enum fault_result result = write ? mm_fault(mm, va, true, false) : mm_fault_pin(mm, va, page);
		if (result == FAULT_OOM)
			return -ENOMEM;
		if (result != FAULT_DONE)
			return -EFAULT;
		/* A read pin is taken where the entry is made: a thread that zaps it all the time cannot starve us. */
		if (write || !*page)
			*page = pin_entry(mm, va, write);
		if (*page)
			return 0;
	}
	return -EFAULT;
}
