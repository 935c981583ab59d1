/*
 * Names: from the user, and from a name to the place in the tree that it means. How the way there goes is in fs/walk.c.
 */
#include "fs/internal.h"

#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

/* --- names from the user --- */

static __attribute__((noinline)) int get_long(struct filename *f, const char __user *name)
{
	ssize_t n;

	f->text = kmalloc(PATH_MAX + NAME_SLACK);
	if (!f->text)
		return -ENOMEM;
	n = strncpy_from_user(f->text, name, PATH_MAX);
	if (n < 0)
		filename_put(f);
	return n < 0 ? (int)n : 0;
}

int filename_get(struct filename *f, const char __user *name)
{
	ssize_t n = strncpy_from_user(f->short_text, name, SHORT_NAME);

	f->text = f->short_text;
	if (likely(n >= 0))
		return 0;
	return n == -ENAMETOOLONG ? get_long(f, name) : (int)n;
}

int filename_copy(struct filename *f, const char *name)
{
	size_t size = strlen(name) + 1;

	if (size > PATH_MAX)
		return -ENAMETOOLONG;
	f->text = size > SHORT_NAME ? kmalloc(size + NAME_SLACK) : f->short_text;
	if (!f->text)
		return -ENOMEM;
	memcpy(f->text, name, size);
	return 0;
}

/* --- places --- */

void path_put(const struct path *path)
{
	dentry_put(path->dentry);
	if (!path->mnt)
		return;
	if (unlikely(path->mnt->expiring))
		path->mnt->expiring = false;
	mount_put(path->mnt);
}

bool path_equal(const struct path *a, const struct path *b) { return a->mnt == b->mnt && a->dentry == b->dentry; }

/* --- whole names --- */

/* AT_EMPTY_PATH: the descriptor itself. */
static int path_of_fd(int fd, struct path *out)
{
	struct file *file;

	if (fd == AT_FDCWD) {
		spin_lock(&dcache_lock);
		current_cwd(out);
		path_get(out);
		spin_unlock(&dcache_lock);
		return 0;
	}
	file = fd_get(fd);
	if (!file)
		return -EBADF;
	*out = file->path;
	path_get(out);
	file_put(file);
	return 0;
}

/* To the end of the name; dcache_lock is held. The caller ends the walk, if 0 or an error of the walk itself comes back (*begun). */
static int walk_through(struct walk *w, int dirfd, const char *name, u32 flags, bool *begun)
{
	int error = walk_begin(w, dirfd, name);

	*begun = !error;
	if (error)
		return error;
	error = walk_to_end(w, flags & LOOKUP_FOLLOW);
	walk_relock(w);
	if (!error && (w->slash || flags & LOOKUP_DIRECTORY) && !S_ISDIR(w->at.dentry->inode->mode))
		error = -ENOTDIR;
	return error;
}

static int walk_path(int dirfd, const char *name, u32 flags, struct path *out)
{
	struct walk w;
	bool begun;
	int error = walk_through(&w, dirfd, name, flags, &begun);

	if (!error)
		walk_take(&w, out);
	if (begun)
		walk_end(&w);
	return error;
}

/* Under dcache_lock, which keeps what is there: no reference is taken and given back. Of devices getattr may sleep. */
static bool fill_stat_locked(const struct walk *w, struct kstat *k)
{
	struct inode *inode = w->at.dentry->inode;

	if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode) && !S_ISLNK(inode->mode))
		return false;
	generic_fill_stat(inode, k);
	return true;
}

int path_stat_user(int dirfd, const char __user *name, u32 flags, struct kstat *k)
{
	struct path path = { NULL, NULL };
	struct filename f;
	struct walk w;
	bool begun = false;
	int error = filename_get(&f, name);

	if (error)
		return error;
	if (flags & LOOKUP_EMPTY && !*f.text) {
		error = path_of_fd(dirfd, &path);
	} else {
		error = walk_through(&w, dirfd, f.text, flags, &begun);
		if (!error && !fill_stat_locked(&w, k))
			walk_take(&w, &path);
		if (begun)
			walk_end(&w);
	}
	if (path.dentry) {
		generic_fill_stat(path.dentry->inode, k);
		path_put(&path);
	}
	filename_put(&f);
	return error;
}

int path_lookup(const char *kernel_name, u32 flags, struct path *out)
{
	struct filename f;
	int error = filename_copy(&f, kernel_name);

	if (error)
		return error;
	error = walk_path(AT_FDCWD, f.text, flags, out);
	filename_put(&f);
	return error;
}

int path_lookup_user(int dirfd, const char __user *name, u32 flags, struct path *out)
{
	struct filename f;
	int error = filename_get(&f, name);

	if (error)
		return error;
	if (flags & LOOKUP_EMPTY && !*f.text)
		error = path_of_fd(dirfd, out);
	else
		error = walk_path(dirfd, f.text, flags, out);
	filename_put(&f);
	return error;
}
