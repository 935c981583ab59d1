/* The working directory, the root and the umask of a task: struct fs_context. */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

static struct fs_context *context_alloc(void)
{
	struct fs_context *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	atomic_set(&fs->refs, 1);
	return fs;
}

struct fs_context *fs_context_create(void)
{
	struct fs_context *fs = context_alloc();

	if (!fs)
		return NULL;
	fs->root = fs->cwd = (struct path){ root_mount, root_mount->root };
	fs->umask = 022;
	path_get(&fs->root);
	path_get(&fs->cwd);
	return fs;
}

struct fs_context *fs_context_copy(struct fs_context *old)
{
	struct fs_context *fs = context_alloc();

	if (!fs)
		return NULL;
	spin_lock(&dcache_lock);	/* they stay while we count them */
	fs->root = old->root;
	fs->cwd = old->cwd;
	fs->umask = old->umask;
	path_get(&fs->root);
	path_get(&fs->cwd);
	spin_unlock(&dcache_lock);
	return fs;
}

void fs_context_put(struct fs_context *fs)
{
	if (!fs || !atomic_dec_and_test(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	kfree(fs);
}

u32 current_umask(void) { return current->fs ? READ_ONCE(current->fs->umask) : 0; }

long sys_umask(u32 mask)
{
	u32 old = current->fs->umask;

	WRITE_ONCE(current->fs->umask, mask & 0777);
	return old;
}

/* Replace cwd or root; the reference is taken over. */
static void change(struct path *which, const struct path *path)
{
	struct path old;

	spin_lock(&dcache_lock);
	old = *which;
	*which = *path;
	spin_unlock(&dcache_lock);
	path_put(&old);
}

static long change_to_name(struct path *which, const char __user *name, bool needs_root)
{
	struct path path;
	int error = path_lookup_user(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &path);

	if (error)
		return error;
	error = inode_permission(path.dentry->inode, MAY_EXEC);
	if (!error && needs_root && fsuid())
		error = -EPERM;
	if (error)
		path_put(&path);
	else
		change(which, &path);
	return error;
}

long sys_chdir(const char __user *name) { return change_to_name(&current->fs->cwd, name, false); }
long sys_chroot(const char __user *name) { return change_to_name(&current->fs->root, name, true); }

long sys_fchdir(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int error;

	if (!file)
		return -EBADF;
	error = S_ISDIR(file->inode->mode) ? inode_permission(file->inode, MAY_EXEC) : -ENOTDIR;
	if (!error) {
		path_get(&file->path);
		change(&current->fs->cwd, &file->path);
	}
	file_put(file);
	return error;
}

long sys_getcwd(char __user *buf, unsigned long size)
{
	struct path cwd;
	char *text;
	long n;

	spin_lock(&dcache_lock);
	cwd = current->fs->cwd;
	path_get(&cwd);
	spin_unlock(&dcache_lock);
	text = kmalloc(PATH_MAX);
	if (!text)
		n = -ENOMEM;
	else if (dentry_unhashed(cwd.dentry))
		n = -ENOENT;
	else
		n = file_path(&cwd, text, PATH_MAX);
	if (n >= 0 && (unsigned long)n + 1 > size)
		n = -ERANGE;
	else if (n >= 0)
		n = copy_to_user(buf, text, (size_t)n + 1) ? -EFAULT : n + 1;
	kfree(text);
	path_put(&cwd);
	return n;
}
