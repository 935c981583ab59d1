/*
 * Making tasks, for the calls of kernel/fork.c and for init_start().
 */
#pragma once

#include "kernel/task.h"

/* What clone(2) and its relatives ask for. */
struct clone_request {
	u64 flags;			/* CLONE_* */
	int exit_signal;		/* 0: none */
	u64 stack;			/* the child's stack pointer; 0: the parent's value */
	u64 tls;			/* CLONE_SETTLS */
	int __user *parent_tid, *child_tid;
};
/* The child's tid, or -EINVAL, -EPERM, -EAGAIN, -ENOMEM. Sleeps; with CLONE_VFORK until the child's exec or exit. */
long task_clone(const struct clone_request *req);

/* A process with its locks and lists, one reference, nothing in it, on no list; the caller fills in its signals' actions. NULL: no memory. */
struct process *process_alloc(void);
extern atomic64_t nr_forks;		/* processes and threads made since boot, for /proc/stat */

/* The current task leaves the address space it borrowed (exec, exit): let its vfork parent go on. Takes tasklist_lock. */
void vfork_release(void);
