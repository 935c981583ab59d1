/*
 * Power off and reset, as ACPI's FADT says, then by the older ways. Neither returns: where nothing works the machine stops with
 * a message. File systems must have been synced. They may be called from a panic: no lock, no memory.
 */
#pragma once

#include "kernel/types.h"

__noreturn void power_off(void);
__noreturn void power_reset(void);
