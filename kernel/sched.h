/*
 * The scheduler's side of a task's life (kernel/sched.c). fork makes a task in these steps: task_alloc(),
 * fill in, task_attach(), task_start(). A task ends by setting its state to TASK_DEAD and calling
 * schedule(); the scheduler frees it (task_free) once another task runs on the CPU.
 */
#pragma once

#include "kernel/task.h"

/* A zeroed task with a kernel stack and an inherited nice value, state TASK_SLEEPING_HARD, on no list; NULL: no memory. Sleeps. */
struct task *task_alloc(void);
/* Free a task that was never started, or is dead and off its CPU: its stack and fpu area too. */
void task_free(struct task *task);
/*
 * Put it on a run queue. It first runs at ret_from_fork, which calls return_to_user() with the trap frame at the
 * very top of its kernel stack: (struct trapframe *)task->kstack_top - 1; TF_SIGPENDING leads to signal_deliver() first.
 */
void task_start(struct task *task);
