/*
 * Open files that are objects of the kernel and no files: eventfd, epoll and their like. They share one inode and differ by name.
 */
#include "fs/internal.h"

#include "kernel/string.h"

#define ANON_INODE_MAGIC 0x09041934

static struct super_block *anon_sb;
static struct inode *anon_inode;

struct file *anon_file(const char *text, const struct file_ops *ops, void *private, u32 flags)
{
	char full[48];
	struct name name = { full, (u32)ksnprintf(full, sizeof(full), "anon_inode:%s", text), 0 };
	struct path path = { NULL, NULL };
	struct file *file;

	inode_get(anon_inode);
	path.dentry = dentry_unplaced(anon_sb, &name, anon_inode);
	if (!path.dentry) {
		inode_put(anon_inode);
		return ERR_PTR(-ENOMEM);
	}
	file = file_alloc(&path, O_RDWR | flags);
	if (IS_ERR(file)) {
		path_put(&path);
		return file;
	}
	file->ops = ops;
	file->private = private;
	file->mode |= FMODE_STREAM;
	return file;
}

loff_t anon_llseek(struct file *file, loff_t offset, int whence) { return file->pos; }

int fd_give(struct file *file, bool cloexec)
{
	int fd = fd_alloc(file, 0, cloexec);

	if (fd < 0)
		file_put(file);
	return fd;
}

void anon_init(void)
{
	anon_sb = super_alloc("anon_inodefs");
	anon_inode = anon_sb ? inode_new(anon_sb, 0) : NULL;
	if (!anon_inode)
		panic("no memory for files without a name");
	anon_sb->magic = ANON_INODE_MAGIC;
	anon_sb->block_size = PAGE_SIZE;
	anon_inode->ino = 1;
	anon_inode->mode = 0600;
	anon_inode->atime = anon_inode->mtime = anon_inode->ctime = now_timespec();
}
