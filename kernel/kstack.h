/* Kernel stacks: 16 KiB each, an unmapped guard below, so that an overflow is a double fault with a message. */
#pragma once

#include "kernel/types.h"

u64 kstack_alloc(void);		/* the top, or 0: no memory. Sleeps. */
void kstack_free(u64 top);
u64 kstack_pages(void);		/* frames that kernel stacks take, in use or kept for the next task */
