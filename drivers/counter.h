/*
 * Counters of known frequency that a PC may have besides the TSC: HPET, the ACPI power-management timer, the PIT's
 * channel 2. They measure the TSC, and replace it where it does not count evenly. None is trusted to be there: one that
 * does not count is not found. Source: IA-PC HPET specification 1.0a; ACPI 6.4, 4.8.3.3; Intel 8254 data sheet.
 */
#pragma once

#include "kernel/types.h"

struct counter {
	const char *name;
	u64 hz, mask;			/* counts up, modulo mask + 1 */
	u32 (*read)(void);		/* may be called in any context */
};

/* The best one that counts, after acpi_init(); NULL: none. `name`: only this one; NULL: any. */
const struct counter *counter_find(const char *name);
