/* madvise() and mincore(): hints that do something here, hints that need not, and what is in memory. */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/pagecache.h"
#include "mm/swap.h"
#include "mm/usercopy.h"
#include "mm/vma.h"

/* MADV_DONTNEED and MADV_FREE: private pages are dropped and read as zeroes (or the file) again. */
static int zap_vma(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end, bool anonymous_only)
{
	struct tlb_batch batch;

	if (vma->flags & VM_LOCKED || (anonymous_only && vma->mapping))
		return -EINVAL;
	/* Of a leaf that others have too, all goes, or a part of our own copy. */
	if (vma_own_cut(vma, start) || vma_own_cut(vma, end))
		return -ENOMEM;
	tlb_batch_init(&batch, mm, TLB_UNMAP);
	zap_range(mm, start, end, ZAP_FILE | ZAP_PRIVATE, &batch);
	tlb_batch_finish(&batch);
	return 0;
}

/* Change flags of [start, end) of one VMA; mmap_lock held for writing. */
static int change_flags(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end, u64 set, u64 clear)
{
	if (set & VM_WIPEONFORK && (vma->mapping || vma->flags & VM_SHARED))
		return -EINVAL;
	if (((vma->flags & ~clear) | set) == vma->flags)
		return 0;
	int error = vma_split_range(mm, start, end);
	if (error)
		return error == -ENOMEM ? -EAGAIN : error;
	vma = vma_lookup(mm, start);
	vma->flags = (vma->flags & ~clear) | set;
	return 0;
}

/*
 * MADV_HUGEPAGE and MADV_NOHUGEPAGE, for mm/faultahead.c. A mapping without room for a huge page gets none whatever is said, so it keeps its flags, and
 * goes on to be joined with its neighbours.
 */
static int advise_huge(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end, u64 set, u64 clear)
{
	return ALIGN_UP(vma->start, LEAF_SPAN) + LEAF_SPAN > vma->end ? 0 : change_flags(mm, vma, start, end, set, clear);
}

/* MADV_COLD: as if it had not been used for long. */
static void forget_use(struct mm *mm, vaddr_t start, vaddr_t end)
{
	vaddr_t next;

	for (vaddr_t va = start; va < end; va = next) {
		struct page *leaf = leaf_find_own(mm, va, &next, LEAF_TAKE);
		next = min(next, end);
		if (!leaf || !READ_ONCE(leaf->live))
			continue;
		spin_lock(&leaf->lock);
		for (vaddr_t at = va; at < next; at += PAGE_SIZE)
			if (entry_read(leaf_entry(leaf, at)) & ENTRY_P)
				atomic64_fetch_and(leaf_entry(leaf, at), ~ENTRY_A);
		spin_unlock(&leaf->lock);
	}
}

/* MADV_PAGEOUT: private pages go to a swap area, clean pages of the file out of the cache; as far as nobody else uses them. */
static int page_out(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end, bool now)
{
	u64 index = vma->pgoff + ((start - vma->start) >> PAGE_SHIFT);

	if (vma->flags & VM_LOCKED)
		return -EINVAL;
	if (!now) {
		forget_use(mm, start, end);
		return 0;
	}
	swap_out_range(mm, vma, start, end);
	if (vma->mapping)
		pagecache_drop(vma->mapping, index, index + ((end - start) >> PAGE_SHIFT) - 1);
	return 0;
}

static int advise_vma(struct mm *mm, struct vma *vma, vaddr_t start, vaddr_t end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:	return zap_vma(mm, vma, start, end, false);
	case MADV_FREE:		return zap_vma(mm, vma, start, end, true);
	case MADV_COLD:		return page_out(mm, vma, start, end, false);
	case MADV_PAGEOUT:	return page_out(mm, vma, start, end, true);
	case MADV_DONTFORK:	return change_flags(mm, vma, start, end, VM_DONTFORK, 0);
	case MADV_DOFORK:	return change_flags(mm, vma, start, end, 0, VM_DONTFORK);
	case MADV_WIPEONFORK:	return change_flags(mm, vma, start, end, VM_WIPEONFORK, 0);
	case MADV_KEEPONFORK:	return change_flags(mm, vma, start, end, 0, VM_WIPEONFORK);
	case MADV_HUGEPAGE:	return advise_huge(mm, vma, start, end, VM_HUGEPAGE, VM_NOHUGEPAGE);
	case MADV_NOHUGEPAGE:	return advise_huge(mm, vma, start, end, VM_NOHUGEPAGE, VM_HUGEPAGE);
	default:		return 0;	/* a hint that changes nothing here */
	}
}

/* Is it one that Linux knows, and that we follow or may ignore? */
static bool known_advice(int advice)
{
	switch (advice) {
	case MADV_NORMAL: case MADV_RANDOM: case MADV_SEQUENTIAL: case MADV_WILLNEED:
	case MADV_DONTNEED: case MADV_FREE: case MADV_COLD: case MADV_PAGEOUT:
	case MADV_DONTFORK: case MADV_DOFORK: case MADV_WIPEONFORK: case MADV_KEEPONFORK:
	case MADV_HUGEPAGE: case MADV_NOHUGEPAGE: case MADV_DONTDUMP: case MADV_DODUMP:
	case MADV_POPULATE_READ: case MADV_POPULATE_WRITE:
		return true;
	default:
		return false;
	}
}

static int populate(struct mm *mm, vaddr_t start, vaddr_t end, bool write)
{
	for (vaddr_t va = start; va < end; va += PAGE_SIZE) {
		if (fatal_signal_pending(current))
			return -EINTR;
		switch (mm_fault(mm, va, write, false)) {
		case FAULT_DONE:	break;
		case FAULT_MAPERR:	return -ENOMEM;
		case FAULT_OOM:		return -ENOMEM;
		case FAULT_SIGSEGV:	return -EINVAL;
		default:		return -EFAULT;
		}
	}
	return 0;
}

/* A hole does not stop the rest; it is reported at the end. */
static int advise_locked(struct mm *mm, vaddr_t start, vaddr_t end, int advice)
{
	int hole = vma_covered(mm, start, end) ? 0 : -ENOMEM;

	for (vaddr_t va = start; va < end; ) {
		struct vma *vma = vma_find(mm, va);
		if (!vma || vma->start >= end)
			break;
		va = max(va, vma->start);
		vaddr_t stop = min(vma->end, end);
		int error = advise_vma(mm, vma, va, stop, advice);
		if (error)
			return error;
		va = stop;
	}
	return hole;
}

long sys_madvise(unsigned long addr, size_t len, int advice)
{
	struct mm *mm = current->mm;
	LIST_HEAD(dead);

	if (!known_advice(advice) || addr & ~PAGE_MASK)
		return -EINVAL;
	size_t length = ALIGN_UP(len, PAGE_SIZE);
	if (length < len || addr + length < addr)
		return -EINVAL;
	if (length == 0)
		return 0;
	if (addr > USER_TOP || length > USER_TOP - addr)
		return -ENOMEM;
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		return populate(mm, addr, addr + length, advice == MADV_POPULATE_WRITE);
	if (advice == MADV_COLD || advice == MADV_PAGEOUT) {
		down_read(&mm->mmap_lock);
		int error = advise_locked(mm, addr, addr + length, advice);
		up_read(&mm->mmap_lock);
		swap_settle();		/* so that the memory is free, if it can be */
		return error;
	}
	down_write(&mm->mmap_lock);
	int error = advise_locked(mm, addr, addr + length, advice);
	vma_merge_range(mm, addr, addr + length, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	return error;
}

/* Is the page at va in memory: mapped, or in the cache of its file? */
static bool in_core(struct mm *mm, const struct vma *vma, vaddr_t va)
{
	u64 e = mm_entry(mm, va);

	if (e & ENTRY_P || entry_is_swap(e))
		return e & ENTRY_P;
	return vma->mapping && pagecache_peek(vma->mapping, vma->pgoff + ((va - vma->start) >> PAGE_SHIFT)) & ENTRY_P;
}

/* Answers for up to n pages from va on: how many were found mapped. */
static size_t mincore_some(struct mm *mm, vaddr_t va, size_t n, unsigned char *vec)
{
	size_t i = 0;

	down_read(&mm->mmap_lock);
	for (; i < n; i++, va += PAGE_SIZE) {
		struct vma *vma = vma_lookup(mm, va);
		if (!vma)
			break;
		vec[i] = in_core(mm, vma, va);
	}
	up_read(&mm->mmap_lock);
	return i;
}

long sys_mincore(unsigned long addr, size_t len, unsigned char __user *vec)
{
	unsigned char buf[256];

	if (addr & ~PAGE_MASK)
		return -EINVAL;
	if (addr > USER_TOP || len > USER_TOP - addr)
		return -ENOMEM;
	size_t pages = DIV_UP(len, PAGE_SIZE);
	/* Linux looks at the whole result buffer's address first. */
	if ((__force vaddr_t)vec > USER_TOP || pages > USER_TOP - (__force vaddr_t)vec)
		return -EFAULT;
	while (pages) {
		size_t want = min(pages, sizeof(buf)), got = mincore_some(current->mm, addr, want, buf);
		if (copy_to_user(vec, buf, got))
			return -EFAULT;
		if (got < want)
			return -ENOMEM;
		vec += got;
		addr += got << PAGE_SHIFT;
		pages -= got;
	}
	return 0;
}
