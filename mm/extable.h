/* The exception table (extable_fixup() itself is declared in kernel/trap.h, for the trap handlers). */
#pragma once

#include "kernel/trap.h"

/* Where the instruction at rip continues after a fault; 0: it is not one that may fault. */
vaddr_t extable_find(vaddr_t rip);
