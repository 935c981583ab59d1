/*
 * The machine below mm/ in the hosted tests: an arena stands for RAM, tests/host/mmu.c walks the tables
 * in software behind a TLB that forgets nothing until it is told to.
 */
#pragma once

#include "kernel/cpu.h"
#include "kernel/types.h"

extern u8 *host_ram;			/* frame 0 */
extern struct page *host_pages;

static inline void *phys_to_virt(paddr_t pa) { return host_ram + pa; }
static inline paddr_t virt_to_phys(const void *va) { return (paddr_t)((const u8 *)va - host_ram); }
struct page;
static inline struct page *page_array(void) { return host_pages; }

struct mm;
void arch_flush_page(struct mm *mm, vaddr_t va);
void arch_flush_all(struct mm *mm);
static inline void arch_init_root(u64 *root)	/* there is no kernel half */
{
	for (unsigned i = 0; i < 512; i++)
		root[i] = 0;
}
void arch_load_root(u64 cr3);
paddr_t kernel_root_phys(void);

/* A whole frame; other tasks see it half done. */
void arch_clear_page(void *page);
void arch_copy_page(void *dst, const void *src);
static inline u64 arch_nx(void) { return 1UL << 63; }
