/* Resource limits (kernel/rlimit.c). */
#pragma once

#include "kernel/task.h"

/* Linux's limits of a freshly booted system: for init. */
void rlimits_default(struct process *p);
