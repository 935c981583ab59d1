/* brk(): the heap, one VMA that begins where exec put it. Returns the break there is then, whatever happened. */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/slab.h"
#include "mm/vma.h"

/* Extend the heap over [start, end). mmap_lock held for writing. */
static bool grow_heap(struct mm *mm, vaddr_t start, vaddr_t end, struct list_head *dead)
{
	u64 pages = (end - start) >> PAGE_SHIFT;

	/* A page more: the heap does not come to touch what is above it. */
	if (!range_free(mm, start, end + PAGE_SIZE) || !may_expand(mm, pages, VM_WRITE) || !enough_memory(pages) || vmas_reserve(mm, 1))
		return false;
	u64 flags = VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_HEAP | mm->def_flags;
	if (vma_extend(mm, start, end, flags, dead))
		return true;
	struct vma *vma = vma_alloc(mm);
	if (!vma)
		return false;
	vma->start = start;
	vma->end = end;
	vma->flags = flags;
	vma->pgoff = start >> PAGE_SHIFT;
	vma_insert_joined(mm, vma, dead);
	return true;
}

static bool set_brk(struct mm *mm, vaddr_t brk, struct list_head *dead)
{
	vaddr_t old_end = ALIGN_UP(mm->brk, PAGE_SIZE), new_end = ALIGN_UP(brk, PAGE_SIZE);

	if (brk < mm->brk_start || brk >= USER_TOP - PAGE_SIZE)
		return false;
	u64 limit = task_limit(RLIMIT_DATA);
	if (limit != RLIM64_INFINITY && brk - mm->brk_start + (mm->data_end - mm->data_start) > limit)
		return false;
	if (new_end < old_end)
		return unmap_locked(mm, new_end, old_end, dead) == 0;
	return new_end == old_end || grow_heap(mm, old_end, new_end, dead);
}

long sys_brk(unsigned long brk)
{
	struct mm *mm = current->mm;
	vaddr_t populate = 0;
	LIST_HEAD(dead);

	down_write(&mm->mmap_lock);
	vaddr_t old = mm->brk;
	if (set_brk(mm, brk, &dead)) {
		mm->brk = brk;
		if (mm->def_flags & VM_LOCKED && brk > old)
			populate = ALIGN_UP(brk, PAGE_SIZE);
	}
	brk = mm->brk;
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	if (populate)
		mm_populate(mm, ALIGN_UP(old, PAGE_SIZE), populate);
	return brk;
}
