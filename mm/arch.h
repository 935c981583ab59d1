/*
 * What mm/ needs of the machine, all of it: the direct map, the frame table's place, CR3 and TLB
 * instructions. The hosted tests bring another file of this name with an arena and an adversarial TLB.
 */
#pragma once

#include "kernel/cpu.h"
#include "kernel/types.h"

static inline void *phys_to_virt(paddr_t pa) { return (void *)(pa + 0xffff888000000000UL); }
static inline paddr_t virt_to_phys(const void *va) { return (paddr_t)va - 0xffff888000000000UL; }	/* of a direct-map address */

struct page;
static inline struct page *page_array(void) { return (struct page *)0xffffea0000000000UL; }

struct mm;
/* Drop this CPU's translations of mm (user half), which is loaded: one page, or everything. mm/shootdown.c decides which CPUs. */
static inline void arch_flush_page(struct mm *mm, vaddr_t va) { (void)mm; invlpg(va); }
static inline void arch_flush_all(struct mm *mm) { (void)mm; write_cr3(read_cr3()); }

/* The no-execute bit of an entry, where the processor has it. */
static inline u64 arch_nx(void) { return cpu_features.nx ? 1UL << 63 : 0; }

/* Fill a new address space's root: empty below, the kernel's entries above. */
static inline void arch_init_root(u64 *root)
{
	const u64 *current_root = phys_to_virt(read_cr3() & 0x000ffffffffff000UL);
	u64 n = 256;

	__asm__ volatile("rep stosq" : "+D"(root), "+c"(n) : "a"(0UL) : "memory");
	current_root += 256;
	n = 256;
	__asm__ volatile("rep movsq" : "+D"(root), "+S"(current_root), "+c"(n) :: "memory");
}
/* Use this root from now on. Without a PCID in its low bits, and a bit 63 that says keep, drops all translations of the user half. */
static inline void arch_load_root(paddr_t root) { write_cr3(root); }

paddr_t kernel_root_phys(void);		/* boot/paging.c: a root without a user half, for CPUs that run no program */

/* A whole frame. */
static inline void arch_clear_page(void *page)
{
	u64 n = 512;
	__asm__ volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0UL) : "memory");
}
static inline void arch_copy_page(void *dst, const void *src)
{
	u64 n = 512;
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(n) :: "memory");
}
