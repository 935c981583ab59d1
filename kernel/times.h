/*
 * User time values into the kernel's nanoseconds and back (kernel/times.c).
 */
#pragma once

#include "kernel/abi.h"

#define NS_PER_SEC 1000000000UL

/* A timespec as a number of nanoseconds, cut at some 292 years: 0, -EFAULT, -EINVAL. Sleeps. */
int timespec_get(const struct __kernel_timespec __user *ts, u64 *ns);
/* 0 or -EFAULT. */
int timespec_put(u64 ns, struct __kernel_timespec __user *ts);
/*
 * A call that sleeps for a relative time and is interrupted without a handler (stopped and continued) sleeps for what is left, not
 * anew: it takes its deadline from timeout_deadline() and, interrupted, returns timeout_interrupted().
 */
u64 timeout_deadline(u64 ns);
long timeout_interrupted(u64 deadline);		/* -ERESTART_RESTARTBLOCK */
/* ktime_ns() + ns without wrapping. */
u64 deadline_after(u64 ns);
