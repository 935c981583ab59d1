/*
 * Backtraces by frame pointers. The kernel is compiled with them, and entry.asm ends the chain with rbp = 0. Every frame pointer is
 * checked before it is followed, so a damaged stack gives a short list and never a fault.
 */
#pragma once

#include "kernel/task.h"

/* The code addresses of frame (rip, rbp) and its callers, innermost first; how many. Any context. */
int backtrace_frames(u64 rip, u64 rbp, u64 *out, int max);
/*
 * The same of a task that does not run, from where it left the CPU: 0 if it runs. The task stays (tasklist_lock
 * held, or it is the caller's); should it run meanwhile the list is of no use, but nothing breaks.
 */
int backtrace_task(const struct task *t, u64 *out, int max);
/* In what a task waits: the first of its functions that is not part of the waiting itself; 0 if it is runnable. */
u64 backtrace_wchan(const struct task *t);
