/*
 * What time it is: ktime_ns() and realtime_ns() (declared in kernel/task.h) and the frequencies behind them.
 *
 * The clock is the TSC wherever it counts evenly: the processor says so (invariant TSC), or a hypervisor provides it. Else
 * it is the HPET or ACPI's timer (drivers/counter.h). `clocksource=tsc|hpet|acpi_pm` on the command line chooses.
 * The TSC's frequency comes from CPUID or is measured, in 2 ms.
 */
#pragma once

#include "kernel/types.h"

void clock_init(void);			/* after apic_init() */
bool clock_needs_reading(void);		/* every few seconds: the clock is a counter that wraps */
u64 tsc_khz(void);
extern u64 recent_realtime_ns;		/* use realtime_recent_ns() */
static inline u64 realtime_recent_ns(void) { return READ_ONCE(recent_realtime_ns); }	/* since 1970, at the last tick of any CPU: cheap */
static inline s64 realtime_recent_s(void) { return (s64)(realtime_recent_ns() / 1000000000); }	/* the same in seconds */
void clock_tick(void);			/* the tick, and a CPU that stops being idle */
u64 clock_tsc_ns(u64 tsc);		/* a TSC value as nanoseconds since boot, also where the TSC is not the clock */
u64 apic_timer_khz(void);		/* of the local APIC's timer as drivers/apic.c sets it up */
struct vdso_data;
void clock_vdso(struct vdso_data *data);	/* what programs compute the time from; after clock_init() */
void clock_delay_us(u64 us);		/* busy; in any context, before clock_init() with a guess of the TSC's frequency */
