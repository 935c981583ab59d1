/* Kernel stacks: 16 KiB each, an unmapped guard below, so that an overflow is a double fault with a message. */
#pragma once

#include "kernel/types.h"

u64 kstack_alloc(void);		/* the top, or 0: no memory. Sleeps. */
/* No CPU runs on it. Interrupts on (but for an idle task's, at boot); does not sleep, may call the other CPUs: no lock held that is taken with interrupts off. */
void kstack_free(u64 top);
u64 kstack_pages(void);		/* frames that kernel stacks take, in use or kept for the next task */
bool kstack_guard(vaddr_t address);	/* is it in the guard below a kernel stack? Any context */
u64 kstack_top(vaddr_t address);	/* the top of the kernel stack that this address is on, or 0. It may be freed meanwhile, unless it is the caller's. Any context */
