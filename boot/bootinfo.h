/*
 * What the boot loader told us, in one form for multiboot2 and PVH. Filled before paging is set up, by
 * boot/bootinfo.c; everything is copied out of the loader's memory.
 */
#pragma once

#include "kernel/list.h"
#include "kernel/types.h"

#define BOOT_RANGES 64
#define LOW_PAGES 5

struct boot_range {
	paddr_t start, end;	/* bytes, end exclusive */
};

struct boot_info {
	const char *loader;			/* "multiboot2" or "PVH" */
	unsigned nr_ram;			/* RAM that the firmware calls usable, sorted, page-aligned inwards */
	struct boot_range ram[BOOT_RANGES];
	unsigned nr_reserved;			/* in use inside it: kernel image, module, what boot/paging.c took */
	struct boot_range reserved[BOOT_RANGES];
	struct boot_range module;		/* the root file system's image; empty if there is none */
	paddr_t rsdp;				/* 0: unknown */
	struct {
		paddr_t address;
		u32 width, height, pitch, bits;	/* address 0: none. Pixels, bytes a line, 24 or 32 bits a pixel */
		u8 red, green, blue;		/* where each colour's 8 bits begin */
		bool text;			/* VGA text instead: width and height in characters */
	} framebuffer;
	paddr_t low;				/* LOW_PAGES free pages below 640 KiB, for starting the other processors; 0: none */
	paddr_t ram_end;			/* end of the highest RAM */
};
extern struct boot_info boot_info;

/* The command line went to kernel/cmdline.h's buffer. Calls paging_init() and kmain(). */
__noreturn void boot_main(u32 magic, u32 info);

/* boot/paging.c: the kernel's own page tables (mm/layout.h), W^X, from early memory which is then in `reserved`. */
void paging_init(struct boot_info *info);
/* Early memory: zeroed, page-aligned, of the RAM that nothing uses. Only until page_init(). */
void *early_alloc(struct boot_info *info, u64 bytes);
/* Map `pages` frames at a kernel address, outside the direct map (device registers, kernel stacks). 4 KiB pages, not executable. After page_init(). */
enum map_cache { MAP_CACHED, MAP_UNCACHED, MAP_COMBINING };
int kernel_map(vaddr_t va, paddr_t pa, u64 pages, enum map_cache cache);
/* The reverse for frames of struct page, which come to the list by `node`. They may be freed when all CPUs have flushed (cpu_flush_tlb()). */
void kernel_unmap(vaddr_t va, u64 pages, struct list_head *frames);
/* Tables for a processor that starts in the first of the low pages: the kernel's, and that page where it is, not writable. Below 4 GiB. */
paddr_t low_tables(paddr_t low);
/* Map device registers, uncached; NULL: no memory. */
void *ioremap(paddr_t pa, u64 size);
/* Map a framebuffer: writes are combined where the processor can (PAT), reads are slow. NULL: no memory. */
void *ioremap_wc(paddr_t pa, u64 size);

__noreturn void kmain(void);
