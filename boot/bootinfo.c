/*
 * Reading what the loader left: multiboot2 tags or PVH's hvm_start_info, both by their identity-mapped
 * addresses (below 4 GiB). Lengths are checked: a loader's mistake must not become a silent hang.
 */
#include "boot/bootinfo.h"

#include "drivers/serial.h"
#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/page.h"

#define MULTIBOOT2_LOADER 0x36d76289
#define PVH_LOADER 0x336ec578
#define MAX_PHYSICAL (1UL << 46)	/* what the direct map has room for */

struct boot_info boot_info;
extern char boot_start[], kernel_end[];

/* Sorted by address. What touches its neighbour joins it: UEFI's maps have many pieces. Firmware may list a byte twice; RAM counts once. */
static void add_ram(u64 start, u64 end)
{
	struct boot_range *ram = boot_info.ram;
	unsigned i = 0, j;

	start = ALIGN_UP(max(start, 0x1000UL), PAGE_SIZE);	/* frame 0 stays unused: a physical NULL */
	end = ALIGN_DOWN(end, PAGE_SIZE);
	if (start >= end)
		return;
	while (i < boot_info.nr_ram && ram[i].end < start)
		i++;
	for (j = i; j < boot_info.nr_ram && ram[j].start <= end; j++) {
		start = min(start, ram[j].start);
		end = max(end, ram[j].end);
	}
	/* [start, end) takes the place of i to j-1. */
	if (i == j && boot_info.nr_ram == BOOT_RANGES)
		return;			/* memory that is not used; nothing else is lost */
	memmove(&ram[i + 1], &ram[j], (boot_info.nr_ram - j) * sizeof(*ram));
	boot_info.nr_ram += 1 - (j - i);
	ram[i] = (struct boot_range){ start, end };
	boot_info.ram_end = max(boot_info.ram_end, end);
}

static void reserve(u64 start, u64 end)
{
	if (start < end && boot_info.nr_reserved < BOOT_RANGES)
		boot_info.reserved[boot_info.nr_reserved++] =
			(struct boot_range){ ALIGN_DOWN(start, PAGE_SIZE), ALIGN_UP(end, PAGE_SIZE) };
}

static void set_module(u64 start, u64 end)
{
	if (boot_info.module.end || start >= end)
		return;			/* the first one is the root file system */
	boot_info.module = (struct boot_range){ start, end };
	reserve(start, end);
}

static const char *early_pointer(u64 physical)
{
	return (const char *)physical;
}

/* --- multiboot2 (specification 2.0, 3.6) --- */

struct mb2_tag { u32 type, size; };
struct mb2_module { struct mb2_tag tag; u32 start, end; };
struct mb2_mmap { struct mb2_tag tag; u32 entry_size, version; };
struct mb2_mmap_entry { u64 base, length; u32 type, zero; };
struct mb2_framebuffer { struct mb2_tag tag; u64 address; u32 pitch, width, height; u8 bpp, type; u16 reserved; u8 red, red_bits, green, green_bits, blue, blue_bits; };

static void read_mb2_memory(const struct mb2_tag *tag)
{
	u32 step = ((const struct mb2_mmap *)tag)->entry_size;

	for (u32 at = sizeof(struct mb2_mmap); step >= sizeof(struct mb2_mmap_entry) && step % 8 == 0 && at <= tag->size && step <= tag->size - at; at += step) {
		const struct mb2_mmap_entry *e = (const void *)((const char *)tag + at);
		if (e->type == 1 && e->base < MAX_PHYSICAL)
			add_ram(e->base, e->base + min(e->length, MAX_PHYSICAL - e->base));
	}
}

/* The colours' places are beyond what every framebuffer tag has: looked at only if the tag is long enough. */
static void read_mb2_framebuffer(const struct mb2_framebuffer *f)
{
	bool text = f->type == 2, colours = f->tag.size >= offsetof(struct mb2_framebuffer, blue_bits) + 1;

	if (!text && (f->type != 1 || (f->bpp != 24 && f->bpp != 32)))
		return;			/* with a palette, or 16 bits: GRUB was asked for more */
	boot_info.framebuffer.address = f->address;
	boot_info.framebuffer.width = f->width;
	boot_info.framebuffer.height = f->height;
	boot_info.framebuffer.pitch = f->pitch;
	boot_info.framebuffer.bits = f->bpp;
	boot_info.framebuffer.red = colours ? f->red : 16;
	boot_info.framebuffer.green = colours ? f->green : 8;
	boot_info.framebuffer.blue = colours ? f->blue : 0;
	boot_info.framebuffer.text = text;
}

/* What a tag must have at least, by its type; 0: of no interest. The string of a command line may be empty but for its NUL. */
static u32 mb2_tag_size(u32 type)
{
	switch (type) {
	case 1:	return sizeof(struct mb2_tag) + 1;
	case 3:	return sizeof(struct mb2_module);
	case 6:	return sizeof(struct mb2_mmap);
	case 8:	return offsetof(struct mb2_framebuffer, type) + 1;
	case 14: return sizeof(struct mb2_tag) + 20;
	case 15: return sizeof(struct mb2_tag) + 36;
	}
	return 0;
}

static void read_mb2_tag(const struct mb2_tag *tag)
{
	const char *p = (const char *)tag;

	if (!mb2_tag_size(tag->type) || tag->size < mb2_tag_size(tag->type))
		return;
	switch (tag->type) {
	case 1:
		memcpy(cmdline, p + 8, strnlen(p + 8, min((size_t)tag->size - 8, sizeof(cmdline) - 1)));
		break;
	case 3:
		set_module(((const struct mb2_module *)tag)->start, ((const struct mb2_module *)tag)->end);
		break;
	case 6:
		read_mb2_memory(tag);
		break;
	case 8:
		read_mb2_framebuffer((const struct mb2_framebuffer *)tag);
		break;
	case 14:
		if (boot_info.rsdp)
			break;		/* the newer one was there */
		/* fallthrough */
	case 15:
		/* A copy of the RSDP lies in the tag itself; the tag's place is reserved with the rest. */
		boot_info.rsdp = (u64)(p + 8);
		break;
	}
}

static void read_multiboot2(u64 info)
{
	u32 total = *(const u32 *)early_pointer(info);

	boot_info.loader = "multiboot2";
	reserve(info, info + total);
	for (u32 at = 8; at < total && total - at >= sizeof(struct mb2_tag);) {
		const struct mb2_tag *tag = (const void *)early_pointer(info + at);
		if (tag->type == 0 || tag->size < sizeof(*tag) || tag->size > total - at)
			break;
		read_mb2_tag(tag);
		at += min(ALIGN_UP(tag->size, 8U), total - at);
	}
}

/* --- PVH (Xen's arch-x86/hvm/start_info.h, version 1) --- */

struct pvh_info { u32 magic, version, flags, nr_modules; u64 modules, cmdline, rsdp, memmap; u32 memmap_entries, reserved; };
struct pvh_module { u64 paddr, size, cmdline, reserved; };
struct pvh_memory { u64 addr, size; u32 type, reserved; };

static void read_pvh(u64 info)
{
	const struct pvh_info *p = (const void *)early_pointer(info);
	const struct pvh_module *modules = (const void *)early_pointer(p->modules);
	const struct pvh_memory *map = (const void *)early_pointer(p->memmap);

	boot_info.loader = "PVH";
	if (p->cmdline)
		str_copy(cmdline, early_pointer(p->cmdline), sizeof(cmdline));
	for (u32 i = 0; i < p->nr_modules; i++)
		set_module(modules[i].paddr, modules[i].paddr + modules[i].size);
	for (u32 i = 0; i < p->memmap_entries; i++)
		if (map[i].type == 1 && map[i].addr < MAX_PHYSICAL)
			add_ram(map[i].addr, map[i].addr + min(map[i].size, MAX_PHYSICAL - map[i].addr));
	boot_info.rsdp = p->rsdp;
}

/* The frames that nobody uses go to the allocator (mm/page.h). */
void page_init(const struct boot_info *info)
{
	page_init_begin(info->ram_end >> PAGE_SHIFT);
	for (unsigned i = 0; i < info->nr_ram; i++) {
		u64 start = info->ram[i].start, end = info->ram[i].end;

		while (start < end) {
			u64 stop = end, next = end;	/* the first reserved range from start on ends this piece */
			for (unsigned r = 0; r < info->nr_reserved; r++)
				if (info->reserved[r].end > start && info->reserved[r].start < stop) {
					stop = max(info->reserved[r].start, start);
					next = info->reserved[r].end;
				}
			page_add_range(start, stop);
			start = next;
		}
	}
	page_init_end();
	page_keep_begin();
	printk("memory: %lu MiB, %lu MiB free\n", page_total_count() >> 8, page_free_count() >> 8);
}

void boot_main(u32 magic, u32 info)
{
	early_cpu_init();
	serial_init();
	if (magic == MULTIBOOT2_LOADER)
		read_multiboot2(info);
	else if (magic == PVH_LOADER)
		read_pvh(info);
	else
		fatal("started by an unknown loader (magic %x): needs multiboot2 or PVH", magic);
	if (!boot_info.nr_ram)
		fatal("the boot loader gave no memory map");
	reserve((u64)boot_start, (u64)kernel_end);
	paging_init(&boot_info);
	kmain();
}
