/*
 * Reading the firmware's ACPI tables (ACPI specification 6.4, chapter 5): what this kernel needs, in one struct.
 *
 * A parser and nothing else: physical memory is seen through the caller's function, no byte is read that it did not
 * give, and no table is believed whose length or checksum is wrong. Whatever the tables say, it ends, within the
 * limits below. AML is not interpreted: the sleep type of \_S5 is found by its bytes, as every small kernel does.
 */
#pragma once

#include "kernel/types.h"

#define ACPI_CPUS 256
#define ACPI_IOAPICS 16
#define ACPI_TABLES 128			/* of the root table are looked at */
#define ACPI_TABLE_MAX (4U << 20)	/* bytes: larger ones are not believed */

/* A hardware register (Generic Address Structure). */
struct acpi_register {
	u8 space;			/* ACPI_MEMORY, ACPI_PORT; others are not used */
	u8 bits;
	u64 address;			/* 0: there is none */
};
#define ACPI_MEMORY 0
#define ACPI_PORT 1

/* Where an ISA interrupt arrives, and how. */
struct acpi_isa_irq {
	u32 gsi;			/* global system interrupt: counted over all IOAPICs */
	bool low, level;		/* active low; level triggered */
};

struct acpi_info {
	bool madt, fadt;				/* these tables were there */
	u64 lapic_address;				/* MADT; 0: unknown */
	unsigned nr_cpus;				/* MADT: processors that may be started, in its order */
	u32 cpus[ACPI_CPUS];				/* their APIC ids */
	unsigned nr_ioapics;
	struct { u64 address; u32 gsi_base; } ioapics[ACPI_IOAPICS];
	struct acpi_isa_irq isa[16];

	struct acpi_register pm1a_control, pm1b_control, reset, sleep_control, pm_timer;
	bool pm_timer_32;				/* it counts 32 bits, not 24 */
	bool hardware_reduced;				/* no PM1 registers: sleep_control instead */
	bool no_8042, no_rtc, no_vga;			/* the firmware says that there is none */
	u8 reset_value;
	u8 century;					/* CMOS register of the century; 0: none */
	u16 smi_command;				/* port; writing acpi_enable there turns ACPI on. 0: it is on */
	u8 acpi_enable;
	bool s5;					/* the sleep types of "off" are known */
	u8 s5_a, s5_b;
	u64 hpet;					/* physical address of its registers; 0: none */
};

/* `bytes` of physical memory at pa, to be looked at as long as the call lasts, or NULL: cannot be seen. */
typedef const void *(*acpi_map_fn)(paddr_t pa, size_t bytes);

/* Fill *info from the RSDP at this address (0: look for it where a BIOS puts it). False: no tables; *info then says what holds without. */
bool acpi_read_tables(paddr_t rsdp, acpi_map_fn map, struct acpi_info *info);
