#include "drivers/acpi.h"

#include "boot/bootinfo.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "mm/layout.h"

struct acpi_info acpi;

/* Registers in memory, mapped by acpi_init(): power off and reset must not allocate. */
static struct {
	const struct acpi_register *reg;
	volatile void *at;
} mapped[5];
static unsigned nr_mapped;

/* The direct map reaches to the end of RAM and at least to 4 GiB; firmware keeps its tables below. */
static const void *direct_map(paddr_t pa, size_t bytes)
{
	u64 end = max(boot_info.ram_end, 1UL << 32);

	return pa < end && bytes <= end - pa ? phys_to_virt(pa) : NULL;
}

static void map_register(const struct acpi_register *r)
{
	if (r->space == ACPI_MEMORY && r->address) {
		mapped[nr_mapped].reg = r;
		mapped[nr_mapped++].at = ioremap(r->address, 8);
	}
}

void acpi_init(void)
{
	if (!acpi_read_tables(boot_info.rsdp, direct_map, &acpi)) {
		printk("acpi: no tables\n");
		return;
	}
	map_register(&acpi.pm1a_control);
	map_register(&acpi.pm1b_control);
	map_register(&acpi.reset);
	map_register(&acpi.sleep_control);
	map_register(&acpi.pm_timer);
	printk("acpi: %u processors, %u IOAPICs%s%s%s\n", acpi.nr_cpus, acpi.nr_ioapics, acpi.hpet ? ", HPET" : "",
	       acpi_has(&acpi.pm_timer) ? ", PM timer" : "", acpi.s5 ? "" : ", no way to switch off");
}

static volatile void *memory_of(const struct acpi_register *r)
{
	for (unsigned i = 0; i < nr_mapped; i++)
		if (mapped[i].reg == r)
			return mapped[i].at;
	return NULL;
}

bool acpi_has(const struct acpi_register *r)
{
	return r->address && (r->space == ACPI_PORT || memory_of(r));
}

u64 acpi_read(const struct acpi_register *r)
{
	if (!acpi_has(r))
		return 0;
	if (r->space == ACPI_PORT)
		return r->bits == 32 ? inl(r->address) : r->bits == 16 ? inw(r->address) : inb(r->address);
	volatile void *at = memory_of(r);
	return r->bits == 32 ? *(volatile u32 *)at : r->bits == 16 ? *(volatile u16 *)at : *(volatile u8 *)at;
}

void acpi_write(const struct acpi_register *r, u64 value)
{
	if (!acpi_has(r))
		return;
	if (r->space == ACPI_PORT) {
		if (r->bits == 32)
			outl(r->address, value);
		else if (r->bits == 16)
			outw(r->address, value);
		else
			outb(r->address, value);
		return;
	}
	volatile void *at = memory_of(r);
	if (r->bits == 32)
		*(volatile u32 *)at = value;
	else if (r->bits == 16)
		*(volatile u16 *)at = value;
	else
		*(volatile u8 *)at = value;
}
