/*
 * The interrupt controllers: the old PICs masked for good, the local APIC (xAPIC, memory-mapped) with its timer, and the
 * first IOAPIC. Addresses are the architectural defaults; ACPI's MADT is read by a later version.
 * Source: SDM vol. 3, chapter 11; 82093AA IOAPIC data sheet.
 */
#pragma once

#include "kernel/types.h"

void apic_init(void);				/* after page_init(); interrupts stay off */
void apic_end_of_interrupt(void);
void ioapic_enable(unsigned irq, unsigned vector);	/* ISA line, edge triggered, to CPU 0 */
void apic_timer_start(unsigned vector, u32 count, bool periodic);	/* counts down at the bus clock, divided by 16 */
u32 apic_timer_count(void);
