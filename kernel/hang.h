/* The hang detector (kernel/hang.c): `hang_seconds=` on the command line says how long a wait for a lock may take, 3 by default. */
#pragma once

#include "kernel/lock.h"

void hang_start(void);

#define HANG_SPINS (1U << 14)		/* turns of spin_lock()'s loop between two looks at the clock */
/* The current task has spun for `lock` for so many turns, and since its wait_begin(): looks whether for too long, and for ever. Any context. */
void hang_spinning(const struct spinlock *lock, u64 turns);
