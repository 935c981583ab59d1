/*
 * The ownership word of a frame (mm/page.h): every change is one compare-and-swap or one locked add, so
 * that no two of its fields are ever seen out of step. Whoever makes the word zero frees the frame.
 */
#include "mm/page.h"

#include "kernel/printk.h"

#define OWN_MAX_REFS	0xffffUL
#define OWN_MAX_XPINS	0xfffUL

void page_get(struct page *page)
{
	u64 own = atomic64_add_return(&page->own, OWN_REF);

	ASSERT(own_refs(own) != 0 && own != OWN_REF);	/* no overflow, was in use */
}

bool page_get_unless_free(struct page *page)
{
	u64 own = atomic64_read(&page->own);

	while (own && own_refs(own) < OWN_MAX_REFS)
		if (atomic64_cmpxchg(&page->own, &own, own + OWN_REF))
			return true;
	return false;
}

void page_put(struct page *page)
{
	ASSERT(own_refs(atomic64_read(&page->own)) != 0);
	own_sub(page, OWN_REF);
}

void page_ref_to_holder(struct page *page)
{
	u64 own = atomic64_add_return(&page->own, OWN_HOLDER - OWN_REF);

	ASSERT(own_holders(own) == 1 && own_xpins(own) == 0);
}

void page_drop_holder(struct page *page)
{
	ASSERT(own_holders(atomic64_read(&page->own)) != 0);
	own_sub(page, OWN_HOLDER);
}

bool page_pin_exclusive(struct page *page)
{
	u64 own = atomic64_read(&page->own);

	while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)
		if (atomic64_cmpxchg(&page->own, &own, own + OWN_XPIN))
			return true;
	return false;
}

void page_unpin_exclusive(struct page *page)
{
	ASSERT(own_xpins(atomic64_read(&page->own)) != 0);
	own_sub(page, OWN_XPIN);
}
