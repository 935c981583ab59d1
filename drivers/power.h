/* Power off and reset. Neither returns. File systems must have been synced. */
#pragma once

#include "kernel/types.h"

__noreturn void power_off(void);
__noreturn void power_reset(void);
