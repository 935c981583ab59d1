/*
 * ACPI: what the firmware's tables say of this machine (drivers/acpi_tables.h), read once at boot, and access to the
 * registers that they name. No AML is run.
 */
#pragma once

#include "drivers/acpi_tables.h"

extern struct acpi_info acpi;		/* fixed after acpi_init(); without tables: the PC's defaults */

void acpi_init(void);			/* after page_init(); maps what acpi_write() needs */
bool acpi_has(const struct acpi_register *r);
u64 acpi_read(const struct acpi_register *r);	/* 0 if there is none */
void acpi_write(const struct acpi_register *r, u64 value);
