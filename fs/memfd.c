/* memfd_create: a file of a tmpfs that nobody mounted, and the seals on it: promises that it will not be changed, for who shares it. */
#include "fs/tmpfs.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/usercopy.h"

static struct super_block *memfd_sb;		/* made at boot */

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define NO_WRITES (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

/* --- seals --- */

int seals_allow_resize(struct inode *inode, loff_t size)
{
	u32 seals = ti(inode)->seals;

	if ((size < inode->mapping.size && seals & F_SEAL_SHRINK) || (size > inode->mapping.size && seals & F_SEAL_GROW))
		return -EPERM;
	return 0;
}

ssize_t seals_allow_write(struct inode *inode, loff_t pos, size_t n)
{
	loff_t size = inode->mapping.size;
	u32 seals = ti(inode)->seals;

	if (seals & NO_WRITES)
		return -EPERM;
	if (!(seals & F_SEAL_GROW) || pos + (loff_t)n <= size)
		return (ssize_t)n;
	/* As Linux, page by page: those that lie in the file still are written. */
	size = ALIGN_DOWN(size, (loff_t)PAGE_SIZE);
	return pos < size ? size - pos : -EPERM;
}

int seals_allow_mmap(struct inode *inode, struct map_request *req)
{
	if (!(READ_ONCE(ti(inode)->seals) & NO_WRITES) || (req->map_flags & MAP_TYPE) == MAP_PRIVATE)
		return 0;
	if (req->prot & PROT_WRITE)
		return -EPERM;
	req->vm_flags &= ~(u64)VM_MAYWRITE;
	return 0;
}

static int add_seals(struct inode *inode, u32 seals)
{
	struct tmpfs_inode *t = ti(inode);
	int error = 0;

	down_write(&inode->i_rwsem);
	if (t->seals & F_SEAL_SEAL)
		error = -EPERM;
	else if (seals & F_SEAL_WRITE && !(t->seals & F_SEAL_WRITE) && mapping_has_writable(&inode->mapping))
		error = -EBUSY;
	else
		WRITE_ONCE(t->seals, t->seals | seals);
	up_write(&inode->i_rwsem);
	return error;
}

long memfd_fcntl(struct file *file, unsigned cmd, unsigned long arg)
{
	if (file->inode->sb->magic != TMPFS_MAGIC || !S_ISREG(file->inode->mode))
		return -EINVAL;
	if (cmd == F_GET_SEALS)
		return READ_ONCE(ti(file->inode)->seals);
	if (!(file->mode & FMODE_WRITE))
		return -EPERM;
	return arg & ~(unsigned long)ALL_SEALS ? -EINVAL : add_seals(file->inode, (u32)arg);
}

/* --- the call --- */

static struct file *memfd_open(const char *text, bool sealable)
{
	struct name n = { text, (u32)strlen(text), 0 };
	struct inode *inode = tmpfs_make_inode(memfd_sb, NULL, S_IFREG | 0777, 0);
	struct path path = { NULL, NULL };
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->nlink = 0;
	ti(inode)->seals = sealable ? 0 : F_SEAL_SEAL;
	if (sealable)
		inode->fops = &tmpfs_sealable_fops;
	path.dentry = dentry_unplaced(memfd_sb, &n, inode);
	if (!path.dentry) {
		inode_put(inode);
		return ERR_PTR(-ENOMEM);
	}
	file = file_open_path(&path, O_RDWR | O_LARGEFILE);
	path_put(&path);
	return file;
}

#define MEMFD_NAME_MAX (NAME_MAX - 6)

long sys_memfd_create(const char __user *uname, unsigned flags)
{
	char text[NAME_MAX + 16] = "/memfd:";
	struct file *file;
	ssize_t n;
	int fd;

	if (flags & ~3U)	/* MFD_CLOEXEC | MFD_ALLOW_SEALING */
		return -EINVAL;
	n = strncpy_from_user(text + 7, uname, MEMFD_NAME_MAX + 1);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	str_copy(text + 7 + n, " (deleted)", 11);
	fd = fd_reserve(0, flags & 1);
	if (fd < 0)
		return fd;
	file = memfd_open(text, flags & 2);
	if (IS_ERR(file)) {
		fd_unreserve(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int memfd_init(void) { return tmpfs_make("tmpfs", 0700, &memfd_sb); }
