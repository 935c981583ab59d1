/* The kernel's ACPI parser as a program: acpi FILE takes it for the physical memory's beginning, with the RSDP at 16, and prints what was understood. */
#include <stdio.h>
#include <stdlib.h>

#include "drivers/acpi_tables.h"

static unsigned char memory[2 << 20];

static const void *map(paddr_t pa, size_t bytes)
{
	return pa <= sizeof(memory) && bytes <= sizeof(memory) - pa ? memory + pa : NULL;
}

static void print_register(const char *name, struct acpi_register r)
{
	printf("%s %u %u %#lx\n", name, r.space, r.bits, (unsigned long)r.address);
}

int main(int argc, char **argv)
{
	static struct acpi_info info;
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;

	if (!f)
		return 2;
	size_t n = fread(memory, 1, sizeof(memory), f);
	fclose(f);
	printf("%s\n", acpi_read_tables(n > 16 && memory[16] ? 16 : 0, map, &info) ? "found" : "none");
	printf("lapic %#lx cpus", (unsigned long)info.lapic_address);
	for (unsigned i = 0; i < info.nr_cpus; i++)
		printf(" %u", info.cpus[i]);
	printf("\n");
	for (unsigned i = 0; i < info.nr_ioapics; i++)
		printf("ioapic %#lx from %u\n", (unsigned long)info.ioapics[i].address, info.ioapics[i].gsi_base);
	for (unsigned i = 0; i < 16; i++)
		if (info.isa[i].gsi != i || info.isa[i].low || info.isa[i].level)
			printf("irq %u is %u%s%s\n", i, info.isa[i].gsi, info.isa[i].low ? " low" : "", info.isa[i].level ? " level" : "");
	print_register("pm1a", info.pm1a_control);
	print_register("pm1b", info.pm1b_control);
	print_register("reset", info.reset);
	print_register("timer", info.pm_timer);
	print_register("sleep", info.sleep_control);
	printf("reset value %u, century %u, smi %#x %u, s5 %d %u %u, hpet %#lx\n", info.reset_value, info.century, info.smi_command, info.acpi_enable,
	       info.s5, info.s5_a, info.s5_b, (unsigned long)info.hpet);
	printf("%s%s%s%s%s\n", info.hardware_reduced ? "reduced " : "", info.pm_timer_32 ? "32bit " : "", info.no_8042 ? "no8042 " : "", info.no_rtc ? "nortc " : "",
	       info.no_vga ? "novga " : "");
	return 0;
}
