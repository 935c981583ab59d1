/* The records of who holds what (struct held_lock of kernel/lock.h): reading and printing them. None takes a lock; of another task they are a snapshot. */
#pragma once

#include "kernel/lock.h"

const char *held_name(const struct held_lock *h);	/* as it was given to spin_init(), mutex_init(), ...; "page" */
unsigned held_rank(const struct held_lock *h);
/* "mutex rename taken at sys_rename+0x10"; a page lock with its file's name. */
void held_describe(const struct held_lock *h, char *buf, size_t size);
/* One line to the log for each lock that t holds. For panic() too. */
void held_print(const struct task *t);
/* Stop: `what`, the lock's name, and where its owner took it. */
__noreturn void lock_misuse(const char *what, const char *name, void *taken_at);
