/*
 * mmap(2): from a descriptor to what mm/ maps. A mapping of a file holds the open file.
 */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "mm/layout.h"
#include "mm/mm.h"

static void vma_open(struct vma *vma) { file_get(vma->owner); }
static void vma_close(struct vma *vma) { file_put(vma->owner); }

static int vma_name(struct vma *vma, char *buf, size_t size)
{
	struct file *file = vma->owner;

	return file_path(&file->path, buf, size);
}

static void vma_stat(struct vma *vma, u32 *major, u32 *minor, u64 *ino)
{
	struct inode *inode = ((struct file *)vma->owner)->inode;

	*major = dev_major(inode->sb->dev);
	*minor = dev_minor(inode->sb->dev);
	*ino = inode->ino;
}

static const struct vma_ops file_vma_ops = { .open = vma_open, .close = vma_close, .name = vma_name, .stat = vma_stat };

int generic_mmap(struct file *file, struct map_request *req) { return mapping_mmap(file, &file->inode->mapping, req); }

int mapping_mmap(struct file *file, struct address_space *mapping, struct map_request *req)
{
	req->mapping = mapping;
	req->ops = &file_vma_ops;
	req->owner = file;
	inode_touch_atime(file->inode);
	return 0;
}

/* What MAP_SHARED_VALIDATE accepts for these files: no MAP_SYNC. */
#define KNOWN_FLAGS ((u64)(MAP_TYPE | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_UNINITIALIZED | \
	MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT | MAP_HUGE_2MB | MAP_HUGE_1GB))

/* What the file's mode allows; the VM_MAY* of the mapping. */
static int check_file(const struct file *file, struct map_request *req)
{
	u64 type = req->map_flags & MAP_TYPE;

	if (type == MAP_SHARED_VALIDATE && req->map_flags & ~KNOWN_FLAGS)
		return -EOPNOTSUPP;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (type != MAP_PRIVATE && req->prot & PROT_WRITE && !(file->mode & FMODE_WRITE))
		return -EACCES;
	if (!(file->mode & FMODE_READ))
		return -EACCES;
	if (!file->ops->mmap)
		return -ENODEV;
	if (file->path.mnt && file->path.mnt->flags & MS_NOEXEC) {
		if (req->prot & PROT_EXEC)
			return -EPERM;
	} else {
		req->vm_flags |= VM_MAYEXEC;
	}
	req->vm_flags |= VM_MAYREAD;
	if (type == MAP_PRIVATE || file->mode & FMODE_WRITE)
		req->vm_flags |= VM_MAYWRITE;
	return 0;
}

long file_map(struct file *file, struct mm *mm, struct map_request *req)
{
	long result = file->ops->mmap ? file->ops->mmap(file, req) : -ENODEV;

	if (result)
		return result;
	if (req->owner == file)
		file_get(file);		/* the mapping's, if it succeeds */
	result = mm_map(mm, req);
	if (result < 0 && req->owner == file)
		file_put(file);
	return result;
}

static long map_file(struct file *file, struct map_request *req)
{
	u64 pages = ALIGN_UP(req->length, PAGE_SIZE) >> PAGE_SHIFT;
	long result;

	if (req->map_flags & MAP_HUGETLB || !req->length)
		return -EINVAL;
	if (!pages || req->length > USER_TOP)
		return -ENOMEM;
	if (req->pgoff + pages < req->pgoff || req->pgoff + pages > ~0UL >> (PAGE_SHIFT + 1))
		return -EOVERFLOW;
	result = check_file(file, req);
	return result ? result : file_map(file, current->mm, req);
}

long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, unsigned long fd, unsigned long offset)
{
	struct map_request req = { .addr = addr, .length = len, .prot = prot, .map_flags = flags, .pgoff = offset >> PAGE_SHIFT };
	struct file *file;
	long result;

	if (offset & ~PAGE_MASK)
		return -EINVAL;
	if (flags & MAP_ANONYMOUS) {
		if ((flags & MAP_TYPE) == MAP_PRIVATE || (flags & MAP_TYPE) == MAP_SHARED)
			req.pgoff = 0;
		return mm_map(current->mm, &req);
	}
	file = fd_get_file((int)fd);
	if (!file)
		return -EBADF;
	result = map_file(file, &req);
	file_put(file);
	return result;
}
