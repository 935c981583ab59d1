/*
 * The interrupt controllers: the old PICs masked for good, each CPU's local APIC with its timer (x2APIC where the processor has it,
 * registers are MSRs then; else xAPIC, memory-mapped), and all IOAPICs that ACPI's MADT names. Where there is no MADT, addresses and
 * routing are the architectural defaults. Source: SDM vol. 3, chapter 11; 82093AA IOAPIC data sheet; ACPI 6.4, 5.2.12.
 */
#pragma once

#include "kernel/types.h"

void apic_init(void);				/* after acpi_init(); interrupts stay off */
void apic_init_cpu(void);			/* the local APIC of another CPU, called by it */
void apic_end_of_interrupt(void);
void ioapic_enable(unsigned irq, unsigned vector);	/* ISA line, where and how the MADT says, to the boot CPU */
void apic_timer_start(unsigned vector, u32 count);	/* once (vector 0: no interrupt); counts down at the bus clock, divided by 16 */
u32 apic_timer_count(void);
/* To the CPU with this APIC id; any context, interrupts on or off. */
void apic_ipi(u32 apic_id, unsigned vector);
void apic_ipi_self(unsigned vector);		/* also from an NMI, between any two instructions of the others */
void apic_nmi(u32 apic_id);
void apic_reset(u32 apic_id);			/* INIT: it waits for a startup interrupt */
void apic_startup(u32 apic_id, paddr_t page);	/* it begins in real mode at this page below 1 MiB */
