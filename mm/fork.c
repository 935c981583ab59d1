/*
 * fork(): a second address space that sees what the first one sees now.
 *
 * Private pages are shared: the parent's entry loses RW and EXCL, the page gains a holder, the child's entry
 * is equal. A page that somebody has pinned exclusively cannot be shared (its holder writes it behind
 * our back): the child gets a copy at once and the parent keeps the page (DESIGN.md 6, rule 6). Entries of private mappings that own
 * nothing are copied as they are, 10 instructions each: the child would fault them in again, and needs most of them. Page tables that are
 * full enough are not copied but shared (mm/share.c).
 *
 * Two leaf locks are held at once, so that an entry is never in neither table while truncate walks both: it
 * meets the parent first (vma_insert()), and then either we find the entry gone, or it finds ours in the child.
 */
#include "mm/vma.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/trace.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

#define GIVEN (ENTRY_RW | ENTRY_EXCL)	/* what the parent's entry loses */

/*
 * Both leaves locked. Up to n entries from `from` on are shared with the child, whose own are empty; how many, before one that is not a private
 * page, or whose page cannot be shared. 16 to 25 instructions each (in a function of its own with its counters it was 62).
 */
static __attribute__((noinline)) unsigned share_run(entry_t *from, entry_t *to, unsigned n)
{
	entry_t *const first = from, *const end = from + n;

	for (; from < end; from++, to++) {
		u64 value = entry_read(from), seen = value;
		if ((value & (ENTRY_PRIV | ENTRY_SWAP)) != ENTRY_PRIV)
			break;
		if (unlikely(value & GIVEN))	/* before the holder: a fast pin looks at the entry after it has pinned */
			value = atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL)) & ~GIVEN;
		if (unlikely(!page_share(entry_page(value)))) {
			atomic64_fetch_or(from, seen & GIVEN);
			break;
		}
		atomic64_xchg(to, value);
	}
	return (unsigned)(from - first);
}

/* The same of entries that own nothing: cache pages, not writable, and the frame of zeroes. */
static unsigned copy_run(const entry_t *from, entry_t *to, unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		u64 value = entry_read(from + i);
		if (!value || value & ENTRY_PRIV)
			break;
		atomic64_xchg(to + i, value);
	}
	return i;
}

static void trace_run(vaddr_t va, const entry_t *e, unsigned n)
{
	for (; n; n--, e++, va += PAGE_SIZE) {
		struct page *page = entry_page(entry_read(e));
		trace(TRACE_SHARE, va, page_to_pfn(page), own_holders(atomic64_read(&page->own)));
	}
}

/* Both leaves locked; an entry where share_run() stopped. False: the page cannot be shared and there is no `spare` to copy it to. */
static bool copy_entry(const struct vma *vma, struct page *to, vaddr_t va, u64 value, struct page **spare)
{
	if (entry_is_swap(value)) {
		swap_dup(value);
		entry_exchange_locked(to, leaf_entry(to, va), value);
		return true;
	}
	if (!*spare)
		return false;
	arch_copy_page(page_address(*spare), page_address(entry_page(value)));
	page_ref_to_holder(*spare);
	value = (value & ~(ENTRY_FRAME | ENTRY_RW)) | page_to_phys(*spare) | ENTRY_EXCL;
	if (vma->flags & VM_WRITE && value & ENTRY_P)
		value |= ENTRY_RW | ENTRY_D;
	entry_exchange_locked(to, leaf_entry(to, va), value);
	*spare = NULL;
	vmstat_inc(VM_FORK_COPY);
	return true;
}

/* Both leaves locked; the entry at va is in use. A run that begins there: how many entries. 0: at a page that needs a spare one. */
static __attribute__((always_inline)) inline unsigned copy_some(const struct vma *vma, struct page *from, struct page *to, vaddr_t va, vaddr_t end, struct page **spare)
{
	entry_t *e = leaf_entry(from, va), *child = leaf_entry(to, va);
	unsigned n = (unsigned)((end - va) >> PAGE_SHIFT);
	bool private = entry_read(e) & ENTRY_PRIV;

	n = private ? share_run(e, child, n) : copy_run(e, child, n);
	if (!n)
		return copy_entry(vma, to, va, entry_read(e), spare);
	table_live_add(to, n);
	if (private) {
		vmstat_add(VM_FORK_SHARE, n);
		if (trace_on(TRACE_SHARE))
			trace_run(va, e, n);
	}
	return n;
}

/* Both leaves locked. Returns where it stopped: end, or at a page that needs a spare one. Inlined for fork: 55 instructions a leaf. */
static __attribute__((always_inline)) inline vaddr_t copy_locked(const struct vma *vma, struct page *from, struct page *to, vaddr_t va, vaddr_t end, struct page **spare)
{
	while ((va = leaf_next_used(from, va, end)) < end) {
		unsigned n = copy_some(vma, from, to, va, end, spare);
		if (!n)
			break;
		va += n * PAGE_SIZE;
	}
	return va;
}

bool leaf_copy(struct page *from, struct page *to, vaddr_t base)
{
	struct page *spare = NULL;

	return copy_locked(NULL, from, to, base, base + LEAF_SPAN, &spare) == base + LEAF_SPAN;
}

/* Copy the entries of [va, end), which one leaf covers. 0 or -ENOMEM. */
static int copy_leaf(struct page *from, struct mm *new, const struct vma *vma, vaddr_t va, vaddr_t end)
{
	struct page *to, *spare = NULL;

	va = leaf_next_used(from, va, end);
	if (va == end)
		return 0;		/* the child needs no table for it yet */
	to = leaf_own(new, va);
	if (!to)
		return -ENOMEM;
	for (;;) {
		table_lock_two(from, to);
		va = copy_locked(vma, from, to, va, end, &spare);
		table_unlock_two(from, to);
		if (va >= end)
			break;
		spare = page_alloc(0, 0);
		if (!spare)
			return -ENOMEM;
	}
	if (spare)
		page_put(spare);
	return 0;
}

static int copy_entries(struct mm *old, struct mm *new, const struct vma *vma)
{
	bool may_share = vma_has_leaves(vma);
	vaddr_t next;
	int error = 0;

	for (vaddr_t va = vma->start; va < vma->end && error >= 0; va = next) {
		struct page *from = leaf_find_locked(old, va, &next);
		if (!from || !READ_ONCE(from->live))
			continue;
		error = may_share ? leaf_share(old, new, vma, va) : 0;
		if (may_share && !error) {	/* page by page: then it is the parent's own, and stays while we find memory */
			from = leaf_own(old, va);
			error = from ? 0 : -ENOMEM;
		}
		if (!error)
			error = copy_leaf(from, new, vma, va, min(next, vma->end));
	}
	return min(error, 0);
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
	memcpy(new->auxv, old->auxv, sizeof(new->auxv));
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
	if (switch_share_tables)
		leaves_restrict(old);
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
