/*
 * The end of processes, as exit.c, wait4.c and the drivers share it.
 */
#pragma once

#include "kernel/task.h"

extern struct process *init_process;	/* PID 1: set before it first runs */

/* Called when a session leader ends, may sleep (drivers/tty.c: hang up the terminal). NULL: nobody. */
extern void (*session_exit_hook)(struct process *p);

/* Take a zombie out of the tables and drop the table's reference. tasklist_lock held; p is the caller's no more. */
void process_reap_locked(struct process *p);
/* The siginfo of a child's end. */
void siginfo_child(struct ksiginfo *info, const struct process *p);
