/*
 * The interrupt controllers: the old PICs masked for good, the local APIC with its timer (xAPIC, memory-mapped; x2APIC
 * where the firmware has turned that on), and all IOAPICs that ACPI's MADT names. Where there is no MADT, addresses and
 * routing are the architectural defaults. Source: SDM vol. 3, chapter 11; 82093AA IOAPIC data sheet; ACPI 6.4, 5.2.12.
 */
#pragma once

#include "kernel/types.h"

void apic_init(void);				/* after acpi_init(); interrupts stay off */
void apic_end_of_interrupt(void);
void ioapic_enable(unsigned irq, unsigned vector);	/* ISA line, where and how the MADT says, to this CPU */
void apic_timer_start(unsigned vector, u32 count);	/* once (vector 0: no interrupt); counts down at the bus clock, divided by 16 */
u32 apic_timer_count(void);
