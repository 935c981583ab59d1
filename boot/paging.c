/*
 * The kernel's own page tables, as mm/layout.h draws them. Built once, on the loader's identity map, with
 * early memory; afterwards nothing of the start-up tables is used.
 *
 * W^X: text is read-only, read-only data cannot be executed, everything else neither; the direct map
 * is never executable. Every PML4 entry of the upper half that will ever be used is made here, so that
 * all address spaces share them from their first day.
 */
#include "boot/bootinfo.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/table.h"
#include "mm/usercopy.h"

extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], data_end[];

#define TABLE_FLAGS (ENTRY_P | ENTRY_RW)

static paddr_t early_next, early_end;
static u64 *kernel_root;	/* physical, then direct-map address */

/* --- early memory --- */

/* The largest part of [start, end) that no reserved range touches. */
static struct boot_range largest_hole(const struct boot_info *info, u64 start, u64 end)
{
	struct boot_range best = { 0, 0 };

	while (start < end) {
		u64 stop = end, next = end;

		for (unsigned i = 0; i < info->nr_reserved; i++) {
			const struct boot_range *r = &info->reserved[i];
			if (r->end <= start || r->start >= stop)
				continue;
			stop = max(r->start, start);
			next = r->end;
		}
		if (stop > start && stop - start > best.end - best.start)
			best = (struct boot_range){ start, stop };
		start = max(next, start + PAGE_SIZE);
	}
	return best;
}

static void reserve(struct boot_info *info, paddr_t start, paddr_t end)
{
	if (info->nr_reserved == BOOT_RANGES)
		fatal("the boot loader's memory map has too many pieces");
	info->reserved[info->nr_reserved++] = (struct boot_range){ start, end };
}

/* Not the first 64 KiB, which some firmware goes on using. */
static void reserve_low(struct boot_info *info)
{
	for (unsigned i = 0; i < info->nr_ram && !info->low; i++) {
		struct boot_range hole = largest_hole(info, max(info->ram[i].start, 0x10000UL), min(info->ram[i].end, 0x9f000UL));
		hole.start = ALIGN_UP(hole.start, PAGE_SIZE);
		if (hole.start < hole.end && hole.end - hole.start >= LOW_PAGES * PAGE_SIZE)
			info->low = hole.start;
	}
	if (info->low)
		reserve(info, info->low, info->low + LOW_PAGES * PAGE_SIZE);
}

static void early_init(const struct boot_info *info)
{
	struct boot_range best = { 0, 0 };

	for (unsigned i = 0; i < info->nr_ram; i++) {
		u64 end = min(info->ram[i].end, 1UL << 32);	/* what the start-up tables map */
		struct boot_range hole = largest_hole(info, max(info->ram[i].start, 0x100000UL), end);
		if (hole.end - hole.start > best.end - best.start)
			best = hole;
	}
	early_next = best.start;
	early_end = best.end;
}

void *early_alloc(struct boot_info *info, u64 bytes)
{
	paddr_t at = early_next;

	(void)info;
	bytes = ALIGN_UP(bytes, PAGE_SIZE);
	if (bytes > early_end - early_next)
		fatal("not enough memory to start: %lu KiB more are needed for the frame table", bytes >> 10);
	early_next += bytes;
	memset((void *)at, 0, bytes);	/* identity map */
	return (void *)at;
}

/* --- building --- */

static u64 *next_table(struct boot_info *info, u64 *entry)
{
	if (!(*entry & ENTRY_P))
		*entry = (u64)early_alloc(info, PAGE_SIZE) | TABLE_FLAGS;
	return (u64 *)(*entry & ENTRY_FRAME);
}

/* Map [va, va + bytes) to pa with pages of 2^(12 + 9 * level) bytes. */
static void map_range(struct boot_info *info, vaddr_t va, paddr_t pa, u64 bytes, unsigned level, u64 flags)
{
	u64 step = PAGE_SIZE << 9 * level;

	for (u64 done = 0; done < bytes; done += step) {
		u64 *table = kernel_root;
		for (unsigned l = 3; l > level; l--)
			table = next_table(info, &table[table_index(va + done, l)]);
		table[table_index(va + done, level)] = (pa + done) | flags | (level ? ENTRY_PS : 0);
	}
}

static void map_direct(struct boot_info *info, u64 nx, u64 global)
{
	unsigned level = cpu_features.pages_1g ? 2 : 1;
	u64 bytes = ALIGN_UP(max(info->ram_end, 1UL << 32), PAGE_SIZE << 9 * level);

	map_range(info, DIRECT_BASE, 0, bytes, level, ENTRY_P | ENTRY_RW | ENTRY_A | ENTRY_D | global | nx);
}

/* struct page for every frame below the end of RAM. */
static void map_page_array(struct boot_info *info, u64 nx, u64 global)
{
	u64 bytes = ALIGN_UP((info->ram_end >> PAGE_SHIFT) * sizeof(struct page), PAGE_SIZE);

	map_range(info, PAGES_BASE, (paddr_t)early_alloc(info, bytes), bytes, 0, ENTRY_P | ENTRY_RW | ENTRY_A | ENTRY_D | global | nx);
}

static void map_image(struct boot_info *info, const char *start, const char *end, u64 flags)
{
	map_range(info, (vaddr_t)start, (u64)start - KERNEL_BASE, (u64)(end - start), 0, ENTRY_P | ENTRY_A | flags);
}

void paging_init(struct boot_info *info)
{
	u64 nx = cpu_features.nx ? ENTRY_NX : 0, global = cpu_features.pge ? ENTRY_G : 0, *dummy;
	paddr_t first;

	if (cpu_features.smap)
		smap_patch();		/* the text is still writable */
	early_init(info);
	first = early_next;
	reserve_low(info);
	kernel_root = early_alloc(info, PAGE_SIZE);
	map_direct(info, nx, global);
	map_page_array(info, nx, global);
	map_image(info, text_start, text_end, global);
	map_image(info, rodata_start, rodata_end, nx | global);
	map_image(info, data_start, data_end, nx | global | ENTRY_RW | ENTRY_D);
	dummy = next_table(info, &kernel_root[table_index(KSTACK_BASE, 3)]);
	dummy = next_table(info, &kernel_root[table_index(IOREMAP_BASE, 3)]);
	(void)dummy;
	reserve(info, first, early_next);
	write_cr3((u64)kernel_root);
	kernel_root = phys_to_virt((paddr_t)kernel_root);
	cpu_protect();
}

/* --- later: other processors, kernel stacks and devices --- */

paddr_t kernel_root_phys(void) { return virt_to_phys(kernel_root); }

paddr_t low_tables(paddr_t low)
{
	paddr_t at = low + PAGE_SIZE, root = at;
	u64 *table = phys_to_virt(root);

	memcpy(table, kernel_root, PAGE_SIZE);
	for (unsigned level = 3; level > 0; level--) {
		at += PAGE_SIZE;
		table[table_index(low, level)] = at | TABLE_FLAGS;
		table = phys_to_virt(at);
		memset(table, 0, PAGE_SIZE);
	}
	table[table_index(low, 0)] = low | ENTRY_P;
	return root;
}

static struct spinlock kernel_map_lock = SPINLOCK_INIT("kernel map", RANK_LAST_SPIN);

/* The slot of va's PTE, its tables made on the way. Tables of the kernel's half are never freed. */
static u64 *kernel_pte(vaddr_t va, bool make)
{
	u64 *table = kernel_root;

	for (unsigned level = 3; level > 0; level--) {
		u64 *e = &table[table_index(va, level)];
		if (!(*e & ENTRY_P)) {
			struct page *page = make ? page_alloc(0, PA_ZERO | PA_ATOMIC) : NULL;
			if (!page)
				return NULL;
			*e = page_to_phys(page) | TABLE_FLAGS;
		}
		table = phys_to_virt(*e & ENTRY_FRAME);
	}
	return &table[table_index(va, 0)];
}

int kernel_map(vaddr_t va, paddr_t pa, u64 pages, enum map_cache cache)
{
	/* kernel/cpu.c sets the PAT: PWT alone is write-combining. Without PAT it is write-through, which device memory forbids. */
	u64 mode = cache == MAP_CACHED ? 0 : cache == MAP_COMBINING && cpu_features.pat ? ENTRY_PWT : ENTRY_PCD | ENTRY_PWT;
	u64 flags = ENTRY_P | ENTRY_RW | ENTRY_A | ENTRY_D | (cpu_features.nx ? ENTRY_NX : 0) | mode;
	int error = 0;

	spin_lock(&kernel_map_lock);
	for (u64 i = 0; i < pages && !error; i++) {
		u64 *pte = kernel_pte(va + i * PAGE_SIZE, true);
		if (pte)
			*pte = (pa + i * PAGE_SIZE) | flags;
		else
			error = -12;	/* ENOMEM */
	}
	spin_unlock(&kernel_map_lock);
	return error;
}

void kernel_unmap(vaddr_t va, u64 pages, struct list_head *frames)
{
	spin_lock(&kernel_map_lock);
	for (u64 i = 0; i < pages; i++) {
		u64 *pte = kernel_pte(va + i * PAGE_SIZE, false);
		list_add_tail(&phys_to_page(*pte & ENTRY_FRAME)->node, frames);
		*pte = 0;
	}
	spin_unlock(&kernel_map_lock);
}

static void *map_device(paddr_t pa, u64 size, enum map_cache cache)
{
	static vaddr_t next = IOREMAP_BASE;
	u64 offset = pa & ~PAGE_MASK, pages = DIV_UP(offset + size, PAGE_SIZE);
	vaddr_t va;

	spin_lock(&kernel_map_lock);
	va = next;
	next += (pages + 1) * PAGE_SIZE;
	spin_unlock(&kernel_map_lock);
	return kernel_map(va, pa & PAGE_MASK, pages, cache) ? NULL : (void *)(va + offset);
}

void *ioremap(paddr_t pa, u64 size) { return map_device(pa, size, MAP_UNCACHED); }
void *ioremap_wc(paddr_t pa, u64 size) { return map_device(pa, size, MAP_COMBINING); }
