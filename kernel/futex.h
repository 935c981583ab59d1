/*
 * Futexes, for who wakes them from inside the kernel (the end of a thread).
 */
#pragma once

#include "kernel/types.h"

void futex_init(void);		/* boot */
/* Wake up to nr waiters on a word of the current address space, private or shared. Sleeps. */
void futex_wake_address(u32 __user *uaddr, int nr);
/* kernel/robust.c: the current thread lets go of its address space: mark and wake the robust futexes it still holds. Sleeps. */
void exit_robust_list(void);
