/* Does the ownership oracle notice (mm/ownership.h)? What the frames' words say is made wrong, in one way at a time. Debug build only. */
#include "mm/ownership.h"

#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/vma.h"

static int spoil_entry(struct mm *mm, const char *what)
{
	vaddr_t va = ALIGN_DOWN(mm->arg_start, PAGE_SIZE), next;
	struct page *leaf = leaf_find(mm, va, &next);
	entry_t *e = leaf ? leaf_entry(leaf, va) : NULL;
	struct page *page;

	if (!e || !(entry_read(e) & ENTRY_PRIV))
		return -ENOMEM;
	page = entry_page(entry_read(e));
	if (!strcmp(what, "holder"))
		atomic64_add_return(&page->own, OWN_HOLDER);
	else if (!strcmp(what, "table"))
		page_get(leaf);
	else if (!strcmp(what, "writable"))
		atomic64_fetch_and(e, ~ENTRY_EXCL);
	else if (!strcmp(what, "shared") && page_share(page))
		page_held_elsewhere(page, 1);
	else
		return -EINVAL;
	return 0;
}

int ownership_spoil(const char *what)
{
	struct page *page;
	int error;

	if (!strcmp(what, "lost")) {
		page = page_alloc(0, 0);
		if (page)
			atomic64_set(&page->own, 0);
		return page ? 0 : -ENOMEM;
	}
	down_write(&current->mm->mmap_lock);
	error = spoil_entry(current->mm, what);
	up_write(&current->mm->mmap_lock);
	return error;
}
