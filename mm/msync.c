/* munmap() and msync(), the calls around file mappings that need no descriptor. */
#include "mm/syscalls.h"

#include "kernel/cpu.h"
#include "mm/pagecache.h"
#include "mm/vma.h"

long sys_munmap(unsigned long addr, size_t len) { return mm_unmap(current->mm, addr, len); }

/*
 * The next part of [*va, end) that is mapped shared from a file: a copy of its VMA, whose owner is referenced. False: no more.
 * *hole is set if something before it was not mapped.
 */
static bool next_shared(struct mm *mm, vaddr_t *va, vaddr_t end, struct vma *copy, bool *hole)
{
	bool found = false;

	down_read(&mm->mmap_lock);
	while (*va < end && !found) {
		struct vma *vma = vma_find(mm, *va);
		if (!vma || vma->start > *va)
			*hole = true;
		if (!vma || vma->start >= end)
			break;
		copy->start = max(*va, vma->start);
		copy->end = min(vma->end, end);
		*va = copy->end;
		if (!(vma->flags & VM_SHARED) || !vma->mapping)
			continue;
		copy->mapping = vma->mapping;
		copy->pgoff = vma->pgoff + ((copy->start - vma->start) >> PAGE_SHIFT);
		copy->ops = vma->ops;
		copy->owner = vma->owner;
		if (copy->ops && copy->ops->open)
			copy->ops->open(copy);
		found = true;
	}
	up_read(&mm->mmap_lock);
	return found;
}

long sys_msync(unsigned long addr, size_t len, int flags)
{
	bool hole = false;
	struct vma copy = { 0 };

	if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || addr & ~PAGE_MASK || (flags & MS_ASYNC && flags & MS_SYNC))
		return -EINVAL;
	size_t length = ALIGN_UP(len, PAGE_SIZE);
	if (length < len || addr + length < addr)
		return -ENOMEM;
	for (vaddr_t va = addr, end = addr + length; next_shared(current->mm, &va, end, &copy, &hole); ) {
		/* Written without mmap_lock: the file system may wait, and the file may be unmapped meanwhile. */
		int error = flags & MS_SYNC ? mapping_writeback(copy.mapping, copy.pgoff, copy.pgoff + vma_pages(&copy) - 1, true) : 0;
		if (copy.ops && copy.ops->close)
			copy.ops->close(&copy);
		if (error)
			return error;
	}
	return hole ? -ENOMEM : 0;
}
