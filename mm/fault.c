/*
 * Page faults: from an access that a program made, or would make, to an entry that allows it.
 *
 *   entry        mapping          read                    write
 *   0            anonymous        frame of zeroes, RO     new page: PRIV, EXCL, RW
 *   0            file             filemap_fault()         filemap_fault(): shared RW, or private copy
 *   FILE, RO     private          (spurious)              cow_fault(): copy
 *   FILE, RO     shared           (spurious)              filemap_fault(): reserve, then RW
 *   PRIV, RO     any              (spurious)              cow_fault(): reuse or copy
 *   P=0, PRIV    no access: SIGSEGV before it is looked at
 *   SWAP         any              swap_fault()            swap_fault(), then as PRIV
 *
 * mmap_lock is held for reading. filemap_fault() may drop it to wait for a page and then says FAULT_RETRY: everything is
 * looked up again. So no fault waits for I/O with it, and munmap or `ps` never hang behind one.
 */
#include "mm/vma.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/trace.h"
#include "mm/gup.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/vmstat.h"

/* --- anonymous memory --- */

/* Install `value` if the entry is still zero. */
static inline bool install_if_zero(struct fault *f, struct page *leaf, entry_t *e, u64 value)
{
	spin_lock(&leaf->lock);
	bool free = entry_read(e) == 0;
	if (free)
		entry_exchange_locked(leaf, e, value);
	fault_pin_installed(f, e);
	spin_unlock(&leaf->lock);
	return free;
}

static __attribute__((always_inline)) inline enum fault_result fault_anonymous(struct fault *f, struct page *leaf, entry_t *e)
{
	if (!f->write) {
		vmstat_inc(VM_FAULT_ZERO);
		install_if_zero(f, leaf, e, page_to_phys(zero_page) | vma_entry_bits(f->vma));
		return FAULT_DONE;
	}
	struct page *page = page_alloc_kept();
	if (unlikely(!page)) {
		page = page_alloc(0, PA_ZERO | PA_PROGRAM);
		if (!page)
			return FAULT_OOM;
		page_ref_to_holder(page);
	}
	vmstat_inc(VM_FAULT_ANON);
	if (!install_if_zero(f, leaf, e, page_to_phys(page) | vma_owned_bits(f->vma)))
		page_drop_holder(page);		/* another thread's fault was faster */
	if (!(f->vma->flags & VM_NOHUGEPAGE) && !f->pin)
		fault_ahead(f->vma, leaf, f->address);
	return FAULT_DONE;
}

/* --- what filemap_fault() installs --- */

static struct page *fault_leaf(struct fault *f)
{
	vaddr_t next;

	return leaf_find(f->mm, f->address, &next);
}

enum fault_result fault_map_file(struct fault *f, struct page *page, bool writable)
{
	struct page *leaf = fault_leaf(f);
	u64 value = page_to_phys(page) | vma_entry_bits(f->vma);

	if (!leaf)
		return FAULT_DONE;	/* a neighbour that has no table: not worth one */
	if (writable) {
		ASSERT((f->vma->flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE));
		value |= ENTRY_RW | ENTRY_D;
	}
	entry_t *e = leaf_entry(leaf, f->address);
	spin_lock(&leaf->lock);
	u64 old = entry_read(e);
	if (old == 0) {
		entry_exchange_locked(leaf, e, value);
	} else if (!(old & ENTRY_PRIV)) {
		if ((old & ENTRY_FRAME) == (value & ENTRY_FRAME)) {
			if (writable)
				atomic64_fetch_or(e, ENTRY_RW | ENTRY_D);	/* more rights, same frame: no flush */
		} else {
			/* The page was replaced in the cache meanwhile; its entry here is about to be zapped anyway. */
			entry_exchange_locked(leaf, e, 0);
			tlb_flush_page(f->mm, f->address, TLB_COW);
			entry_exchange_locked(leaf, e, value);
		}
	}
	fault_pin_installed(f, e);
	spin_unlock(&leaf->lock);
	vmstat_inc(VM_FAULT_FILE);
	trace(TRACE_ATTACH, f->address, f->vma->mapping, f->index);
	return FAULT_DONE;
}

enum fault_result fault_map_private(struct fault *f, struct page *copy, u64 seen)
{
	struct page *leaf = fault_leaf(f);
	bool installed = false;

	if (leaf) {
		entry_t *e = leaf_entry(leaf, f->address);
		spin_lock(&leaf->lock);
		u64 old = entry_read(e);
		if (entry_same(old, seen) && !(old & ENTRY_PRIV)) {
			if (old) {
				entry_exchange_locked(leaf, e, 0);
				tlb_flush_page(f->mm, f->address, TLB_COW);
			}
			page_ref_to_holder(copy);
			entry_exchange_locked(leaf, e, page_to_phys(copy) | vma_owned_bits(f->vma));
			installed = true;
		}
		fault_pin_installed(f, e);
		spin_unlock(&leaf->lock);
	}
	if (!installed)
		page_put(copy);
	return FAULT_DONE;
}

/* --- the fault --- */

/* Another page of stack, if this is one. mmap_lock held for writing. */
static bool grow_stack(struct mm *mm, vaddr_t va)
{
	unsigned i = vma_index(mm, va);
	struct vma *vma = i < mm->nr_vmas ? mm->vmas[i] : NULL;

	if (!vma || !(vma->flags & VM_GROWSDOWN))
		return false;
	if (vma->start <= va)
		return true;		/* somebody else grew it */
	u64 pages = (vma->start - va) >> PAGE_SHIFT;
	if (vma->end - va > task_limit(RLIMIT_STACK) || !may_expand(mm, pages, vma->flags) || va < MMAP_MIN_ADDR)
		return false;
	if (i > 0 && va < mm->vmas[i - 1]->end + STACK_GUARD_GAP &&
	    mm->vmas[i - 1]->flags & (VM_READ | VM_WRITE | VM_EXEC) && !(mm->vmas[i - 1]->flags & VM_GROWSDOWN))
		return false;
	vma_set_bounds(vma, va, vma->end);
	vmstat_inc(VM_FAULT_STACK);
	return true;
}

/* Find the VMA of va; mmap_lock is held for reading on return. NULL: none. */
static struct vma *fault_vma(struct mm *mm, vaddr_t va)
{
	down_read(&mm->mmap_lock);
	struct vma *vma = vma_find(mm, va);
	if (!vma || vma->start <= va || !(vma->flags & VM_GROWSDOWN))
		return vma && vma->start <= va ? vma : NULL;

	up_read(&mm->mmap_lock);	/* mappings may change here: grow_stack() looks again, and so do we */
	down_write(&mm->mmap_lock);
	bool grown = grow_stack(mm, va);
	up_write(&mm->mmap_lock);
	down_read(&mm->mmap_lock);
	return grown ? vma_lookup(mm, va) : NULL;
}

static bool access_allowed(const struct vma *vma, bool write, bool exec)
{
	if (write)
		return vma->flags & VM_WRITE;
	if (exec)
		return vma->flags & VM_EXEC;
	return vma->flags & (VM_READ | VM_WRITE | VM_EXEC);	/* the MMU cannot refuse reads alone */
}

/* Inlined for the usual case, which saves 40 instructions. */
static __attribute__((always_inline)) inline enum fault_result handle(struct fault *f)
{
	struct page *leaf = leaf_own(f->mm, f->address);

	if (unlikely(!leaf))
		return FAULT_OOM;
	entry_t *e = leaf_entry(leaf, f->address);
	u64 seen = entry_read(e);
	if (seen == 0)
		return f->vma->mapping ? filemap_fault(f) : fault_anonymous(f, leaf, e);
	if (unlikely(entry_is_swap(seen)))
		return swap_fault(f, leaf, e, seen);
	ASSERT(seen & ENTRY_P || f->pin);	/* PROT_NONE was refused above, but for PIN_FORCE */
	if (!f->write || seen & ENTRY_RW)
		return FAULT_DONE;		/* somebody else resolved it */
	if (!(seen & ENTRY_PRIV) && f->vma->flags & VM_SHARED)
		return filemap_fault(f);
	return cow_fault(f, leaf, e, seen);
}

enum fault_result fault_handle(struct fault *f) { return handle(f); }

static enum fault_result fault_bad(struct mm *mm, enum fault_result result)
{
	up_read(&mm->mmap_lock);
	vmstat_inc(VM_FAULT_BAD);
	return result;
}

enum fault_result mm_fault(struct mm *mm, vaddr_t va, bool write, bool exec)
{
	struct fault f = { .mm = mm, .address = va & PAGE_MASK, .write = write, .exec = exec, .killable = true };

	if (unlikely(va >= USER_TOP))
		return FAULT_MAPERR;
	for (;;) {
		struct vma *vma = f.vma = fault_vma(mm, f.address);
		if (unlikely(!vma || !access_allowed(vma, write, exec)))
			return fault_bad(mm, vma ? FAULT_SIGSEGV : FAULT_MAPERR);
		f.index = vma->pgoff + ((f.address - vma->start) >> PAGE_SHIFT);
		enum fault_result result = handle(&f);
		if (likely(result != FAULT_RETRY)) {
			up_read(&mm->mmap_lock);
			vmstat_inc(result == FAULT_DONE ? VM_FAULT : VM_FAULT_BAD);
			current->min_flt++;
			return result;
		}
		vmstat_inc(VM_FAULT_RETRY);
		if (fatal_signal_pending(current))
			return FAULT_SIGSEGV;	/* it dies before it can see which failure it was */
	}
}
