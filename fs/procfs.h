/*
 * /proc, in three files: procfs.c (the tree), procsys.c (files about the system), procpid.c (files about a process).
 * A file's text is made when it is opened.
 */
#pragma once

#include "fs/internal.h"
#include "kernel/task.h"

/* Text that grows. After a failure to grow, `failed` is set and additions are ignored. */
struct text {
	char *buf;
	size_t len, cap;
	bool failed;
};
void text_printf(struct text *t, const char *fmt, ...) __printf(2, 3);
void text_add(struct text *t, const char *bytes, size_t n);

struct proc_node;
/* One name in a directory of /proc. */
struct proc_item {
	const char *name;
	u32 mode;				/* with type */
	int (*show)(struct text *t, struct process *p);		/* regular files; p NULL in the root */
	int (*follow)(struct process *p, struct path *out);	/* magic links */
	const char *target;			/* plain links */
};
extern const struct proc_item proc_system_items[], proc_pid_items[];	/* end with a NULL name */

/* Things of a process, with a reference, or NULL. Take tasklist_lock. */
struct mm;
struct mm *process_mm(struct process *p);	/* mm_put */
struct files *process_files(struct process *p);	/* files_put */
int show_mounts(struct text *t, struct process *p);
