/*
 * Pinning a page of the current program: fault it in, then take the pin under the lock of the leaf that shows
 * it, so that the page pinned is the page mapped.
 */
#include "mm/vma.h"

#include "kernel/cpu.h"

#define GUP_TRIES 64	/* other threads may zap or fork between the fault and the pin, but not for ever without malice */

/* Pin what the entry shows now, if it allows the access. */
static struct page *pin_entry(struct mm *mm, vaddr_t va, bool write)
{
	struct page *page = NULL;
	vaddr_t next;

	down_read(&mm->mmap_lock);
	struct page *leaf = leaf_find(mm, va, &next);
	if (leaf) {
		spin_lock(&leaf->lock);
		u64 value = entry_read(leaf_entry(leaf, va));
		if (value & ENTRY_P && (!write || value & ENTRY_RW)) {
			page = entry_page(value);
			if (!(write ? page_pin_exclusive(page) : page_pin_read(page)))
				page = NULL;
		}
		spin_unlock(&leaf->lock);
	}
	up_read(&mm->mmap_lock);
	return page;
}

int pin_user_page(vaddr_t va, bool write, struct page **page)
{
	struct mm *mm = current->mm;

	if (!mm)
		return -EFAULT;
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
