/* Random numbers (kernel/random.c): ChaCha20, seeded from RDRAND and the time stamp counter; fixed by -seed under --icount. */
#pragma once

#include "kernel/types.h"

void random_bytes(void *buf, size_t n);		/* any context but interrupts */
