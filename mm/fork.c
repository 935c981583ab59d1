/*
 * fork(): a second address space that sees what the first one sees now.
 *
 * Private pages are shared: the parent's entry loses RW and EXCL, the page gains a holder, the child's entry
 * is equal. A page that somebody has pinned exclusively cannot be shared (its holder writes it behind
 * our back): the child gets a copy at once and the parent keeps the page (DESIGN.md 6, rule 6). Entries that own nothing
 * are not copied: the child faults them in again.
 *
 * Two leaf locks are held at once, parent's then child's, so that an entry is never in neither table while truncate walks both (it
 * meets the parent first: vma_insert()).
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* Both leaves locked. Gives the child its entry; false: the page cannot be shared and there is no `spare` to copy it to. */
static bool copy_entry(const struct vma *vma, struct page *to, vaddr_t va, entry_t *from, struct page **spare)
{
	u64 value = entry_read(from);

	if (unlikely(entry_is_swap(value))) {
		swap_dup(value);
		entry_exchange_locked(to, leaf_entry(to, va), value);
		return true;
	}
	value = atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL));
	u64 taken = value & (ENTRY_RW | ENTRY_EXCL);
	struct page *page = entry_page(value);

	if (page_share(page)) {
		entry_exchange_locked(to, leaf_entry(to, va), value & ~(ENTRY_RW | ENTRY_EXCL));
		vmstat_inc(VM_FORK_SHARE);
		trace(TRACE_SHARE, va, page_to_pfn(page), own_holders(atomic64_read(&page->own)));
		return true;
	}
	atomic64_fetch_or(from, taken);
	if (!*spare)
		return false;
	arch_copy_page(page_address(*spare), page_address(page));
	page_ref_to_holder(*spare);
	value = (value & ~(ENTRY_FRAME | ENTRY_RW)) | page_to_phys(*spare) | ENTRY_EXCL;
	if (vma->flags & VM_WRITE && value & ENTRY_P)
		value |= ENTRY_RW | ENTRY_D;
	entry_exchange_locked(to, leaf_entry(to, va), value);
	*spare = NULL;
	vmstat_inc(VM_FORK_COPY);
	return true;
}

/* Copy the private entries of [va, end), which one leaf covers. 0 or -ENOMEM. */
static int copy_leaf(struct page *from, struct mm *new, const struct vma *vma, vaddr_t va, vaddr_t end)
{
	struct page *to = leaf_own(new, va), *spare = NULL;
	bool stuck;

	if (!to)
		return -ENOMEM;
	do {
		stuck = false;
		table_lock_two(from, to);
		for (unsigned left = from->live; va < end && left; va += PAGE_SIZE) {
			entry_t *e = leaf_entry(from, va);
			u64 value = entry_read(e);
			left -= value != 0;
			if (value & ENTRY_PRIV && (stuck = !copy_entry(vma, to, va, e, &spare)))
				break;
		}
		table_unlock_two(from, to);
		if (stuck && !(spare = page_alloc(0, 0)))
			return -ENOMEM;
	} while (stuck);
	if (spare)
		page_put(spare);
	return 0;
}

static int copy_entries(struct mm *old, struct mm *new, const struct vma *vma)
{
	vaddr_t next;
	int error = 0;

	for (vaddr_t va = vma->start; va < vma->end && !error; va = next) {
		struct page *from = leaf_find(old, va, &next);
		if (from && READ_ONCE(from->live))
			error = copy_leaf(from, new, vma, va, min(next, vma->end));
	}
	return error;
}

/* The child's VMA is listed before its tables are filled (MM2). */
static int copy_vma(struct mm *old, struct mm *new, struct vma *vma)
{
	struct vma *child = vma_alloc(new);

	if (!child)
		return -ENOMEM;
	child->start = vma->start;
	child->end = vma->end;
	child->flags = vma->flags & ~VM_LOCKED;		/* memory locks are not inherited */
	child->mapping = vma->mapping;
	child->pgoff = vma->pgoff;
	child->ops = vma->ops;
	child->owner = vma->owner;
	if (child->ops && child->ops->open)
		child->ops->open(child);
	vma_insert(new, child, vma);
	return vma->flags & (VM_WIPEONFORK | VM_SHARED) ? 0 : copy_entries(old, new, vma);
}

static void copy_layout(struct mm *new, const struct mm *old)
{
	new->brk_start = old->brk_start;
	new->brk = old->brk;
	new->mmap_top = old->mmap_top;
	new->stack_top = old->stack_top;
	new->code_start = old->code_start;
	new->code_end = old->code_end;
	new->data_start = old->data_start;
	new->data_end = old->data_end;
	new->arg_start = old->arg_start;
	new->arg_end = old->arg_end;
	new->env_start = old->env_start;
	new->env_end = old->env_end;
	for (unsigned i = 0; i < ARRAY_SIZE(new->auxv); i++)
		new->auxv[i] = old->auxv[i];
}

struct mm *mm_fork(struct mm *old)
{
	struct mm *new = mm_alloc();
	int error;

	if (!new)
		return NULL;
	down_write(&old->mmap_lock);
	WRITE_ONCE(old->forking, current);	/* no VMA changes: what we allocate may come from swapping our own pages out */
	copy_layout(new, old);
	error = vmas_reserve(new, old->nr_vmas);
	for (unsigned i = 0; i < old->nr_vmas && !error; i++)
		if (!(old->vmas[i]->flags & VM_DONTFORK))
			error = copy_vma(old, new, old->vmas[i]);
	/* Before anybody can read through the child: the parent's threads lose write access to what is shared now. */
	tlb_flush_mm(old, TLB_FORK);
	WRITE_ONCE(old->forking, NULL);
	up_write(&old->mmap_lock);
	mm_list(new);		/* only now: until here it had no lock */
	if (error) {
		mm_put(new);
		return NULL;
	}
	return new;
}
