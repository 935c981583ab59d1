/* memfd_create: a file of a tmpfs that nobody mounted. */
#include "fs/tmpfs.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

static struct super_block *memfd_sb;		/* made at boot */

static struct file *memfd_open(const char *text)
{
	struct name n = { text, (u32)strlen(text), 0 };
	struct inode *inode = tmpfs_make_inode(memfd_sb, NULL, S_IFREG | 0777, 0);
	struct path path = { NULL, NULL };
	struct file *file;

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->nlink = 0;
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
	file = memfd_open(text);
	if (IS_ERR(file)) {
		fd_unreserve(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

int memfd_init(void) { return tmpfs_make("tmpfs", 0700, &memfd_sb); }
