/*
 * The inside of a descriptor table, for fs/fdtable.c and for the calls that look a descriptor up without counting.
 *
 * Who uses the table alone may borrow a file from it: nobody else can close the descriptor, and the table's own reference stays until he
 * does it himself. A second user comes only by clone(), of the task itself; /proc counts as one while it looks, and changes nothing.
 */
#pragma once

#include "fs/internal.h"

struct fdarray {
	u32 cap;			/* a multiple of 64 */
	u64 *used, *cloexec;		/* bits; reserved numbers are used and have no file */
	struct file *file[];
};

struct files {
	atomic_t refs;			/* A: tasks */
	struct spinlock lock;		/* protects array and what it points to */
	struct fdarray *array;
	unsigned first_free;		/* no free number is below */
};

/*
 * The file of descriptor fd of the current task, for the length of a call, or NULL; O_PATH files too give NULL. *counted: a reference was
 * taken, because the table is shared. fd_return() gives back what fd_borrow() gave.
 */
static inline struct file *fd_borrow(int fd, bool *counted)
{
	struct files *files = current->files;
	struct file *file;

	*counted = atomic_read(&files->refs) != 1;
	if (unlikely(*counted))
		return fd_get_file(fd);
	file = (u32)fd < files->array->cap ? files->array->file[fd] : NULL;
	return likely(file) && likely(!file_is_path(file)) ? file : NULL;
}

static inline void fd_return(struct file *file, bool counted)
{
	if (unlikely(counted))
		file_put(file);
}
