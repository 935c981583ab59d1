/* Resource usage: CPU times of processes as Linux's structures have them (kernel/rlimit.c). */
#pragma once

#include "kernel/task.h"

/* CPU time of all threads, dead and alive. tasklist_lock held. */
void process_times(const struct process *p, u64 *user_ns, u64 *system_ns);
/* Of a child, dead or alive, and its reaped children, for wait4. tasklist_lock held. */
void rusage_of_child(const struct process *p, struct rusage *usage);
