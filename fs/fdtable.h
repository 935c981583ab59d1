/*
 * The inside of a descriptor table, for fs/fdtable.c, fs/dup.c and the calls that look a descriptor up without counting.
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

/* Nobody but current can change the table; a second user comes only by its own clone(). */
static inline bool fdtable_alone(const struct files *files) { return likely(atomic_read(&files->refs) == 1); }

static inline bool fdtable_test_bit(const u64 *bits, unsigned n) { return READ_ONCE(bits[n / 64]) >> (n % 64) & 1; }
static inline void fdtable_set_bit(u64 *bits, unsigned n, bool on)
{
	u64 word = bits[n / 64];

	WRITE_ONCE(bits[n / 64], on ? word | BIT(n % 64) : word & ~BIT(n % 64));
}

/* For fs/dup.c. Room for number fd; the table's lock is dropped and taken again. 0 or -ENOMEM. */
int fdtable_grow_locked(struct files *files, unsigned fd);
void fdtable_close_file(const struct files *files, struct file *file);	/* it was taken out of the table */
unsigned fdtable_limit(void);		/* numbers of current are below */

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
