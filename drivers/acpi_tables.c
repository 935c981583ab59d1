#include "drivers/acpi_tables.h"

#include "kernel/string.h"

#define HEADER 36			/* of every table but the RSDP: signature, length, revision, checksum... */

/* A table, checked: `size` bytes at p may be read. */
struct table {
	const u8 *p;
	u32 size;
};

/* Fields by their offset in the specification; 0 beyond the table's end, as a shorter (older) table means. */
static u64 field(struct table t, u32 at, unsigned bytes)
{
	u64 v = 0;

	if (at + bytes > t.size)
		return 0;
	memcpy(&v, t.p + at, bytes);
	return v;
}

static bool sum_is_zero(const u8 *p, size_t n)
{
	u8 sum = 0;

	while (n--)
		sum += *p++;
	return !sum;
}

/* The table at pa; false: not there or damaged. */
static bool open_table(paddr_t pa, acpi_map_fn map, struct table *t)
{
	const u8 *p = pa ? map(pa, HEADER) : NULL;

	if (!p)
		return false;
	t->p = p;
	t->size = HEADER;
	t->size = field(*t, 4, 4);
	if (t->size < HEADER || t->size > ACPI_TABLE_MAX)
		return false;
	t->p = map(pa, t->size);
	return t->p && sum_is_zero(t->p, t->size);
}

static bool is(struct table t, const char *signature) { return !memcmp(t.p, signature, 4); }

/* Generic Address Structure at `at`; when it is empty, the older port number of 32 bits at `old` (0: there is none). */
static struct acpi_register gas(struct table t, u32 at, u32 old, u8 bits)
{
	struct acpi_register r = { field(t, at, 1), field(t, at + 1, 1), field(t, at + 4, 8) };

	if (r.address && r.space <= ACPI_PORT)
		return r;
	return (struct acpi_register){ ACPI_PORT, bits, old ? field(t, old, 4) : 0 };
}

/* --- MADT (5.2.12) --- */

static void add_cpu(struct acpi_info *info, u32 apic_id, u32 flags)
{
	if (!(flags & 1))		/* online-capable only: nobody plugs in processors here */
		return;
	for (unsigned i = 0; i < info->nr_cpus; i++)
		if (info->cpus[i] == apic_id)
			return;		/* listed as APIC and as x2APIC */
	if (info->nr_cpus < ACPI_CPUS)
		info->cpus[info->nr_cpus++] = apic_id;
}

static void read_override(struct acpi_info *info, struct table entry)
{
	u8 irq = field(entry, 3, 1);
	u16 flags = field(entry, 8, 2);

	if (entry.size < 10 || field(entry, 2, 1) != 0 || irq >= 16)
		return;			/* bus 0 is ISA */
	info->isa[irq] = (struct acpi_isa_irq){ .gsi = field(entry, 4, 4), .low = (flags & 3) == 3, .level = (flags >> 2 & 3) == 3 };
}

static void read_madt(struct acpi_info *info, struct table t)
{
	info->madt = true;
	info->lapic_address = field(t, HEADER, 4);
	for (u32 at = 44; at + 2 <= t.size;) {
		struct table entry = { t.p + at, t.p[at + 1] };

		if (entry.size < 2 || at + entry.size > t.size)
			return;
		switch (entry.p[0]) {
		case 0:			/* local APIC */
			if (entry.size >= 8)
				add_cpu(info, field(entry, 3, 1), field(entry, 4, 4));
			break;
		case 1:
			if (entry.size >= 12 && info->nr_ioapics < ACPI_IOAPICS) {
				info->ioapics[info->nr_ioapics].address = field(entry, 4, 4);
				info->ioapics[info->nr_ioapics++].gsi_base = field(entry, 8, 4);
			}
			break;
		case 2:
			read_override(info, entry);
			break;
		case 5:			/* local APIC address, 64 bits */
			if (entry.size >= 12)
				info->lapic_address = field(entry, 4, 8);
			break;
		case 9:			/* local x2APIC */
			if (entry.size >= 16)
				add_cpu(info, field(entry, 4, 4), field(entry, 8, 4));
			break;
		}
		at += entry.size;
	}
}

/* --- \_S5 (7.4.2): Name (\_S5, Package () { SLP_TYPa, SLP_TYPb, ... }) --- */

/* A small integer constant of AML at *at (20.2.3); false: something else. */
static bool aml_integer(struct table t, u32 *at, u8 *value)
{
	u8 op;

	if (*at >= t.size)
		return false;
	op = t.p[(*at)++];
	if (op <= 1) {			/* ZeroOp, OneOp */
		*value = op;
		return true;
	}
	u32 bytes = op == 0x0a ? 1 : op == 0x0b ? 2 : op == 0x0c ? 4 : 0;
	if (!bytes || *at + bytes > t.size)
		return false;
	*value = t.p[*at];
	*at += bytes;
	return true;
}

/* Does a package of S5 begin right behind this name? */
static bool read_s5_package(struct acpi_info *info, struct table t, u32 at)
{
	if (at + 2 > t.size || t.p[at] != 0x12)		/* PackageOp */
		return false;
	at++;
	at += 1 + (t.p[at] >> 6);			/* PkgLength: its first byte says how many follow */
	if (at >= t.size || !t.p[at++])			/* elements */
		return false;
	if (!aml_integer(t, &at, &info->s5_a))
		return false;
	if (!aml_integer(t, &at, &info->s5_b))
		info->s5_b = info->s5_a;
	info->s5_a &= 7;
	info->s5_b &= 7;
	return true;
}

static void find_s5(struct acpi_info *info, struct table t)
{
	for (u32 at = HEADER + 1; !info->s5 && at + 4 <= t.size; at++) {
		if (memcmp(t.p + at, "_S5_", 4))
			continue;
		/* NameOp, perhaps a root prefix, the name: anything else is a use of the name. */
		if (t.p[at - 1] == 0x08 || (t.p[at - 1] == '\\' && t.p[at - 2] == 0x08))
			info->s5 = read_s5_package(info, t, at + 4);
	}
}

/* --- FADT (5.2.9) --- */

static void read_fadt(struct acpi_info *info, struct table t, acpi_map_fn map)
{
	u32 flags = field(t, 112, 4);
	u16 boot = field(t, 109, 2);
	u64 dsdt = field(t, 140, 8);
	struct table aml;

	info->fadt = true;
	info->smi_command = field(t, 48, 4);
	info->acpi_enable = field(t, 52, 1);
	info->century = field(t, 108, 1);
	info->pm1a_control = gas(t, 172, 64, 16);
	info->pm1b_control = gas(t, 184, 68, 16);
	info->pm_timer = gas(t, 208, 76, 32);
	info->pm_timer_32 = flags & BIT(8);
	info->hardware_reduced = flags & BIT(20);
	if (flags & BIT(10)) {
		info->reset = gas(t, 116, 0, 8);
		info->reset_value = field(t, 128, 1);
	}
	info->sleep_control = gas(t, 244, 0, 8);
	if (t.p[8] >= 2 && t.size >= 111) {		/* ACPI 1.0 has no boot architecture flags */
		info->no_8042 = t.p[8] >= 3 && !(boot & BIT(1));
		info->no_vga = boot & BIT(2);
		info->no_rtc = boot & BIT(5);
	}
	if (open_table(dsdt ? dsdt : field(t, 40, 4), map, &aml) && is(aml, "DSDT"))
		find_s5(info, aml);
}

/* HPET table (IA-PC HPET specification 1.0a, 3.2.4). */
static void read_hpet(struct acpi_info *info, struct table t)
{
	struct acpi_register r = gas(t, 40, 0, 64);

	if (r.space == ACPI_MEMORY)
		info->hpet = r.address;
}

/* --- the roots (5.2.5 to 5.2.8) --- */

/* A good RSDP at this address? Its root table and the size of that table's entries. */
static bool read_rsdp(paddr_t pa, acpi_map_fn map, paddr_t *root, u32 *entry)
{
	struct table t = { map(pa, 20), 20 };

	if (!t.p || memcmp(t.p, "RSD PTR ", 8) || !sum_is_zero(t.p, 20))
		return false;
	*root = field(t, 16, 4);
	*entry = 4;
	if (t.p[15] < 2)
		return true;
	t = (struct table){ map(pa, 36), 36 };
	if (t.p && sum_is_zero(t.p, 36) && field(t, 24, 8)) {
		*root = field(t, 24, 8);
		*entry = 8;
	}
	return true;
}

/* Where a BIOS puts it: in the first KiB of its extended data area or in its read-only memory (5.2.5.1). */
static bool search_rsdp(acpi_map_fn map, paddr_t *root, u32 *entry)
{
	const u8 *segment = map(0x40e, 2);
	paddr_t ebda = segment ? (paddr_t)(segment[0] | segment[1] << 8) << 4 : 0;

	for (paddr_t pa = ebda; ebda >= 0x400 && pa < ebda + 1024; pa += 16)
		if (read_rsdp(pa, map, root, entry))
			return true;
	for (paddr_t pa = 0xe0000; pa < 0x100000; pa += 16)
		if (read_rsdp(pa, map, root, entry))
			return true;
	return false;
}

static void read_table(struct acpi_info *info, struct table t, acpi_map_fn map)
{
	if (is(t, "APIC") && !info->madt)
		read_madt(info, t);
	else if (is(t, "FACP") && !info->fadt)
		read_fadt(info, t, map);
	else if (is(t, "HPET") && !info->hpet)
		read_hpet(info, t);
	else if (is(t, "SSDT"))
		find_s5(info, t);
}

bool acpi_read_tables(paddr_t rsdp, acpi_map_fn map, struct acpi_info *info)
{
	struct table root, t;
	paddr_t pa;
	u32 entry;

	memset(info, 0, sizeof(*info));
	for (u32 irq = 0; irq < 16; irq++)
		info->isa[irq].gsi = irq;
	if (!(rsdp && read_rsdp(rsdp, map, &pa, &entry)) && !search_rsdp(map, &pa, &entry))
		return false;
	if (!open_table(pa, map, &root) || !is(root, entry == 8 ? "XSDT" : "RSDT"))
		return false;
	for (u32 i = 0; i < ACPI_TABLES && HEADER + (i + 1) * entry <= root.size; i++)
		if (open_table(field(root, HEADER + i * entry, entry), map, &t))
			read_table(info, t, map);
	return true;
}
