/*
 * Waiting for many files at once: poll and select collect the wait queues of all files in a table, and sleep until
 * one of them is woken.
 */
#pragma once

#include "fs/vfs.h"

#define POLL_FAST 16

struct poll_entry {
	struct wait_entry wait;		/* wait.wake = poll's */
	struct wait_queue *wq;
	struct poll_table *table;
	struct file *file;		/* reference: the queue lives in it */
	struct poll_entry *next;
};

struct poll_table {
	struct poll_entry fast[POLL_FAST];
	unsigned nr_fast;
	struct poll_entry *entries;	/* all of them */
	struct file *file;		/* the one asked now */
	bool collecting;		/* first round */
	int error;			/* -ENOMEM: a queue could not be added */
	int triggered;			/* A */
	struct wait_queue own;		/* the poller sleeps here */
};

void poll_begin(struct poll_table *t);
void poll_end(struct poll_table *t);
/* What the file is ready for: POLL* bits, EBADF as POLLNVAL. t may be NULL: only ask. */
u32 poll_fd(struct poll_table *t, int fd);
/* Sleep until something happened, or the deadline (ktime_ns; ~0: none): 0, -ETIMEDOUT, -ERESTARTSYS. */
int poll_sleep(struct poll_table *t, u64 deadline);
/* Timeout of a timespec at `user` (NULL: none) as a deadline: EFAULT, EINVAL. And the rest of it, written back. */
int deadline_get(const void __user *user, bool micro, u64 *deadline);
void deadline_put(void __user *user, bool micro, u64 deadline);
/* A signal mask for the call's time: EFAULT, EINVAL (size). mask NULL: nothing. */
int sigmask_begin(const u64 __user *mask, size_t size, u64 *saved, bool *changed);
void sigmask_end(bool changed, u64 saved, bool interrupted);
