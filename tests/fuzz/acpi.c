/*
 * ACPI's tables (drivers/acpi_tables.c) on an arbitrary physical memory that begins with the input. Each piece that the parser
 * asks for is a heap block of its own, so that ASan sees a byte too far; checksums are put right in it, or nothing would get past them.
 */
#include "drivers/acpi_tables.h"
#include "fuzz.h"

#define RSDP 16
#define MAPS 20000

static const u8 *memory;
static size_t memory_size;
static u8 *maps[MAPS];
static unsigned nr_maps;

static void put_right(u8 *p, size_t n, size_t at)
{
	u8 sum = 0;

	p[at] = 0;
	for (size_t i = 0; i < n; i++)
		sum += p[i];
	p[at] = -sum;
}

static const void *map(paddr_t pa, size_t bytes)
{
	u8 *p;

	if (pa > memory_size || bytes > memory_size - pa)
		return NULL;
	FUZZ_CHECK(nr_maps < MAPS);
	p = maps[nr_maps++] = malloc(bytes);
	memcpy(p, memory + pa, bytes);
	if (bytes == 20)
		put_right(p, 20, 8);
	else if (bytes == 36 && !memcmp(p, "RSD PTR ", 8))
		put_right(p, 36, 32);
	else if (bytes >= 36)
		put_right(p, bytes, 9);
	return p;
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t length)
{
	struct acpi_info info;

	memory = input;
	memory_size = length;
	acpi_read_tables(RSDP, map, &info);
	FUZZ_CHECK(info.nr_cpus <= ACPI_CPUS && info.nr_ioapics <= ACPI_IOAPICS);
	FUZZ_CHECK(info.s5_a < 8 && info.s5_b < 8);
	for (unsigned i = 0; i < info.nr_cpus; i++)
		for (unsigned j = 0; j < i; j++)
			FUZZ_CHECK(info.cpus[i] != info.cpus[j]);
	while (nr_maps)
		free(maps[--nr_maps]);
	return 0;
}
