/*
 * mlock() and its family: accounting, and pages brought in at once. VM_LOCKED is what reclaim looks at, of files' pages (rmap_try_zap()) as of private ones
 * (mm/swapout.c), and what MADV_DONTNEED refuses.
 */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/vma.h"

static bool may_lock(const struct mm *mm, u64 pages)
{
	u64 limit = task_limit(RLIMIT_MEMLOCK);

	return current->process->euid == 0 || limit == RLIM64_INFINITY || mm->locked_pages + pages <= limit >> PAGE_SHIFT;
}

static void set_locked(struct mm *mm, struct vma *vma, bool on)
{
	if (!(vma->flags & VM_LOCKED) == !on)
		return;
	vma_file_lock(vma);		/* who is just taking out pages of the file has done so, or sees it */
	vma->flags ^= VM_LOCKED;
	vma_file_unlock(vma);
	mm->locked_pages += on ? vma_pages(vma) : -vma_pages(vma);
}

/* mmap_lock held for writing; the range is page-aligned. */
static int lock_range(struct mm *mm, vaddr_t start, vaddr_t end, bool on)
{
	int hole = vma_covered(mm, start, end) ? 0 : -ENOMEM;

	if (on && !may_lock(mm, (end - start) >> PAGE_SHIFT))
		return -ENOMEM;
	int error = vma_split_range(mm, start, end);
	if (error)
		return error;
	for (unsigned i = vma_index(mm, start); i < mm->nr_vmas && mm->vmas[i]->start < end; i++)
		set_locked(mm, mm->vmas[i], on);
	return hole;
}

static long lock_call(unsigned long addr, size_t len, bool on)
{
	struct mm *mm = current->mm;
	LIST_HEAD(dead);

	vaddr_t start = addr & PAGE_MASK, end = ALIGN_UP(addr + len, PAGE_SIZE);
	if (on && current->process->euid != 0 && task_limit(RLIMIT_MEMLOCK) == 0)
		return -EPERM;
	if (end < start)
		return -EINVAL;
	if (start == end)
		return 0;
	if (end > USER_TOP)
		return -ENOMEM;
	down_write(&mm->mmap_lock);
	int error = lock_range(mm, start, end, on);
	vma_merge_range(mm, start, end, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
	if (!error && on)
		mm_populate(mm, start, end);
	return error;
}

long sys_mlock(unsigned long addr, size_t len) { return lock_call(addr, len, true); }
long sys_munlock(unsigned long addr, size_t len) { return lock_call(addr, len, false); }

long sys_mlock2(unsigned long addr, size_t len, int flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return lock_call(addr, len, true);	/* locking on fault: locked now is a stronger promise */
}

static void lock_all(struct mm *mm, bool on)
{
	LIST_HEAD(dead);

	for (unsigned i = 0; i < mm->nr_vmas; i++)
		set_locked(mm, mm->vmas[i], on);
	vma_merge_range(mm, 0, USER_TOP, &dead);
	up_write(&mm->mmap_lock);
	vmas_close(&dead);
}

long sys_mlockall(int flags)
{
	struct mm *mm = current->mm;

	if (!flags || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
		return -EINVAL;
	down_write(&mm->mmap_lock);
	if (flags & MCL_CURRENT && !may_lock(mm, mm->total_pages - mm->locked_pages)) {
		up_write(&mm->mmap_lock);
		return -ENOMEM;
	}
	mm->def_flags = flags & MCL_FUTURE ? VM_LOCKED : 0;
	if (!(flags & MCL_CURRENT)) {
		up_write(&mm->mmap_lock);
		return 0;
	}
	lock_all(mm, true);
	mm_populate(mm, 0, USER_TOP);
	return 0;
}

long sys_munlockall(void)
{
	struct mm *mm = current->mm;

	down_write(&mm->mmap_lock);
	mm->def_flags = 0;
	lock_all(mm, false);
	return 0;
}
