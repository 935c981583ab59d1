/*
 * Waiting for many files at once. A file's ->poll names the wait queues that are woken when its state changes (poll_wait), and
 * says what it is ready for now. Who asks brings a struct poll_table whose function joins those queues: poll and select collect
 * them and sleep until one is woken (this file), epoll stays on them for as long as it watches the file (fs/epoll.c).
 */
#pragma once

#include "fs/vfs.h"

#define POLL_FAST 16

struct poll_table {
	void (*queue)(struct poll_table *t, struct wait_queue *wq);	/* NULL: only asking */
	u32 want;			/* POLL* bits the asker is interested in: a file may leave out other queues */
};

struct poll_entry {
	struct wait_entry wait;		/* wait.wake = poll's */
	struct wait_queue *wq;
	struct poll_waiter *waiter;
	struct file *file;		/* reference: the queue lives in it */
	struct poll_entry *next;
};

/* poll's and select's. */
struct poll_waiter {
	struct poll_table table;
	struct poll_entry fast[POLL_FAST];
	unsigned nr_fast;
	struct poll_entry *entries;	/* all of them */
	struct file *file;		/* the one asked now */
	int error;			/* -ENOMEM: a queue could not be added */
	int triggered;			/* A */
	struct wait_queue own;		/* the poller sleeps here */
};

void poll_begin(struct poll_waiter *w);
void poll_end(struct poll_waiter *w);
/* What the file is ready for: POLL* bits; the second: POLLNVAL for a bad descriptor. NULL: only ask. */
u32 poll_file(struct file *file, struct poll_table *t);
u32 poll_fd(struct poll_waiter *w, int fd, u32 want);
/*
 * Ask all, by round(), which gives how many are ready (w NULL: only ask), until some are or the deadline (ktime_ns; 0: has passed; ~0: none). How many;
 * 0: it passed; -ERESTARTNOHAND; -ENOMEM. Sleeps.
 */
int poll_until(int (*round)(struct poll_waiter *w, void *what), void *what, u64 deadline);
/* Timeout of a timespec at `user` (NULL: none) as a deadline: EFAULT, EINVAL. And the rest of it, written back. */
int deadline_get(const void __user *user, bool micro, u64 *deadline);
void deadline_put(void __user *user, bool micro, u64 deadline);
/* A signal mask for the call's time: EFAULT, EINVAL (size). mask NULL: nothing. */
int sigmask_begin(const u64 __user *mask, size_t size, u64 *saved, bool *changed);
void sigmask_end(bool changed, u64 saved, bool interrupted);
