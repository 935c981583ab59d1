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

/* Somebody else may have to run: find out, and let him. Preempt count 0, interrupts as they are. */
void preempt_here(void);
/* Let another task run now, keeping this one on the queue whatever its state: interrupt return, preempt_enable(). Preempt count 0. */
void schedule_preempt(void);
void sched_account(bool user);	/* the timer: charge the running task; interrupts off */
void sched_load(u64 hundredths[3]);	/* load averages of 1, 5 and 15 minutes, in hundredths */
void sched_tick(void);		/* the timer, each 4 ms: is it somebody else's turn? */
void sched_init(void);		/* before the first task is made */
/* Only these CPUs (bit = number; at least one is online). The current task has moved when it next returns to user mode. Takes the run queue's lock. */
void sched_set_affinity(struct task *task, u64 cpus);
/* The boot task becomes this CPU's idle task: enables preemption and interrupts, never returns. */
__noreturn void sched_idle(void);
