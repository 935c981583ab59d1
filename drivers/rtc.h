/* The battery's clock in the CMOS: read once, at boot. */
#pragma once

#include "kernel/types.h"

/* Seconds since 1970 (it is taken to be UTC); 0: there is no such clock, or it says nonsense. After clock_init()'s ktime_ns(). */
u64 rtc_seconds(void);
