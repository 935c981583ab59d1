/*
 * The virtual address space (48 bits).
 *
 *   0000000000000000 - 00007fffffffefff  user programs (USER_TOP is one page short of the canonical end: a
 *                                        SYSCALL at the very end must not return to a non-canonical address)
 *   ffff888000000000 -                   direct map of all physical memory (DIRECT_BASE), RW NX, large pages
 *   ffffc90000000000 -                   kernel stacks, a guard page below each; devices (ioremap)
 *   ffffea0000000000 -                   struct page array, one per frame
 *   ffffffff80000000 -                   kernel image, linked here, loaded at 1 MiB
 *
 * The upper half's PML4 entries exist from boot on and are the same in every address space.
 */
#pragma once

#include "kernel/types.h"

#define USER_TOP	0x00007ffffffff000UL
#define DIRECT_BASE	0xffff888000000000UL
#define KSTACK_BASE	0xffffc90000000000UL
#define IOREMAP_BASE	0xffffc98000000000UL
#define PAGES_BASE	0xffffea0000000000UL
#define KERNEL_BASE	0xffffffff80000000UL

#define MMAP_MIN_ADDR	0x10000UL	/* lowest address without MAP_FIXED privilege: as Linux's mmap_min_addr */

/* mm/arch.h: hosted tests replace it; here the direct map. */
#include "mm/arch.h"
