/*
 * More numbers for a file that is open already, dup(2) and its relatives, and a number's own flag, FD_CLOEXEC.
 */
#include "fs/fdtable.h"

#include "fs/syscalls.h"

/* dup2 and dup3: the file takes that number, closing what it was. */
static long dup_to(unsigned old_fd, unsigned new_fd, bool cloexec)
{
	struct files *files = current->files;
	struct file *file, *replaced;
	int error = 0;

	if (new_fd >= fdtable_limit())
		return -EBADF;
	file = fd_get((int)old_fd);
	if (!file)
		return -EBADF;
	spin_lock(&files->lock);
	if (new_fd >= files->array->cap)
		error = fdtable_grow_locked(files, new_fd);
	replaced = error ? NULL : files->array->file[new_fd];
	if (!error && !replaced && fdtable_test_bit(files->array->used, new_fd))
		error = -EBUSY;		/* another thread is opening into it */
	if (!error) {
		files->array->file[new_fd] = file;
		fdtable_set_bit(files->array->used, new_fd, true);
		fdtable_set_bit(files->array->cloexec, new_fd, cloexec);
	}
	spin_unlock(&files->lock);
	if (error)
		file_put(file);
	else if (replaced)
		fdtable_close_file(files, replaced);
	return error ? error : (long)new_fd;
}

long sys_dup2(unsigned old_fd, unsigned new_fd)
{
	if (old_fd == new_fd) {
		struct file *file = fd_get((int)old_fd);

		if (!file)
			return -EBADF;
		file_put(file);
		return new_fd;
	}
	return dup_to(old_fd, new_fd, false);
}

long sys_dup3(unsigned old_fd, unsigned new_fd, int flags)
{
	if (flags & ~O_CLOEXEC || old_fd == new_fd)
		return -EINVAL;
	return dup_to(old_fd, new_fd, flags & O_CLOEXEC);
}

long sys_dup(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int new_fd;

	if (!file)
		return -EBADF;
	new_fd = fd_alloc(file, 0, false);
	if (new_fd < 0)
		file_put(file);
	return new_fd;
}

int fd_flags(unsigned fd)
{
	struct files *files = current->files;
	int flags = -EBADF;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd])
		flags = fdtable_test_bit(files->array->cloexec, fd) ? FD_CLOEXEC : 0;
	spin_unlock(&files->lock);
	return flags;
}

int fd_set_flags(unsigned fd, int flags)
{
	struct files *files = current->files;
	int error = -EBADF;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd]) {
		fdtable_set_bit(files->array->cloexec, fd, flags & FD_CLOEXEC);
		error = 0;
	}
	spin_unlock(&files->lock);
	return error;
}
