/*
 * mprotect(): what a mapping allows, apart from what a page is.
 *
 * Taking write access away clears RW and keeps EXCL: the page stays exclusively this address space's, pins and
 * all, and the next store after access comes back reuses it (INV-E3). Giving access sets RW only where EXCL says that the page is
 * ours (INV-E6); other pages get there by a fault. PROT_NONE hides private pages (P=0) and forgets the others.
 */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/swap.h"
#include "mm/vma.h"

/* The entry's value under the new flags; 0: forget it. */
static u64 new_value(u64 old, const struct vma *vma)
{
	u64 value = old & ~(ENTRY_P | ENTRY_RW | ENTRY_US | arch_nx());

	value |= vma_entry_bits(vma) & ~ENTRY_A;
	if (!(old & ENTRY_PRIV)) {
		if (!(value & ENTRY_P))
			return 0;
		return value | (vma->flags & VM_WRITE ? old & ENTRY_RW : 0);
	}
	if (vma->flags & VM_WRITE && old & ENTRY_EXCL)
		value |= ENTRY_RW | ENTRY_D;
	return value;
}

/* Could a CPU do through the old entry what the new one forbids? */
static bool loses_rights(u64 old, u64 value)
{
	return old & ENTRY_P && (!(value & ENTRY_P) || (old & ~value & ENTRY_RW) || (value & ~old & ENTRY_NX));
}

static void change_leaf(struct page *leaf, vaddr_t va, vaddr_t end, const struct vma *vma, struct tlb_batch *batch)
{
	spin_lock(&leaf->lock);
	for (; va < end; va += PAGE_SIZE) {
		entry_t *e = leaf_entry(leaf, va);
		u64 old = entry_read(e);
		if (!old || entry_is_swap(old))		/* it gets its rights when it comes in */
			continue;
		u64 value = new_value(old, vma);
		if (loses_rights(old, value))	/* before the change (mm/tlb.h) */
			tlb_batch_range(batch, va, va + PAGE_SIZE);
		if (!value)
			entry_exchange_locked(leaf, e, 0);
		else
			while (!atomic64_cmpxchg(e, &old, value))	/* the MMU may set A and D meanwhile */
				value = new_value(old, vma);
	}
	spin_unlock(&leaf->lock);
}

/* Bring all entries of the VMA in line with its flags, and flush those that lost something. */
static void change_entries(struct mm *mm, const struct vma *vma)
{
	struct tlb_batch batch;
	vaddr_t next;

	tlb_batch_init(&batch, mm, TLB_PROTECT);
	for (vaddr_t va = vma->start; va < vma->end; va = next) {
		struct page *leaf = leaf_find(mm, va, &next);
		if (leaf && READ_ONCE(leaf->live))
			change_leaf(leaf, va, min(next, vma->end), vma, &batch);
	}
	tlb_batch_finish(&batch);
}

static int check_access(const struct vma *vma, u64 access, vaddr_t start, vaddr_t end)
{
	u64 pages = (end - start) >> PAGE_SHIFT;

	if (access & ~(vma->flags / VM_MAYREAD))	/* VM_MAYx are VM_x, four bits up */
		return -EACCES;
	if (access & VM_WRITE && !(vma->flags & (VM_WRITE | VM_SHARED | VM_NORESERVE)) && !enough_memory(pages))
		return -ENOMEM;
	if (!(vma->flags & VM_WRITE) && !may_be_data(vma->mm, pages, (vma->flags & ~VM_WRITE) | (access & VM_WRITE)))
		return -ENOMEM;
	return 0;
}

/* mmap_lock held for writing. */
static int protect_locked(struct mm *mm, vaddr_t start, vaddr_t end, u64 access)
{
	vaddr_t va = start;

	while (va < end) {
		struct vma *vma = vma_lookup(mm, va);
		if (!vma)
			return -ENOMEM;
		vaddr_t stop = min(vma->end, end);
		int error = check_access(vma, access, va, stop);
		if (!error && (vma->flags & (VM_READ | VM_WRITE | VM_EXEC)) != access) {
			error = vma_split_range(mm, va, stop);
			if (!error) {
				vma = vma_lookup(mm, va);
				error = vma_has_leaves(vma) ? leaves_own(mm, va, stop) : 0;
			}
			if (!error) {
				vma->flags = (vma->flags & ~(VM_READ | VM_WRITE | VM_EXEC)) | access;
				change_entries(mm, vma);
			}
		}
		if (error)
			return error;
		va = stop;
	}
	return 0;
}

long sys_mprotect(unsigned long addr, size_t len, unsigned long prot)
{
	struct mm *mm = current->mm;
	LIST_HEAD(dead);

	_Static_assert(VM_MAYREAD == VM_READ << 4 && VM_MAYWRITE == VM_WRITE << 4 && VM_MAYEXEC == VM_EXEC << 4, "see check_access");
	if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) || addr & ~PAGE_MASK)
		return -EINVAL;
	if (len == 0)
		return 0;
	size_t length = ALIGN_UP(len, PAGE_SIZE);
	if (length < len || addr > USER_TOP || length > USER_TOP - addr)
		return -ENOMEM;
	down_write(&mm->mmap_lock);
	int error = protect_locked(mm, addr, addr + length, prot & (PROT_READ | PROT_WRITE | PROT_EXEC));
	vma_merge_range(mm, addr, addr + length, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	return error;
}
