/*
 * The instructions that touch user memory: mm/usercopy.asm. Only mm/usercopy.c calls them (and kernel/fpu.c the last two); the
 * hosted tests bring functions of the same names over a software MMU.
 *
 * A fault in one of them goes to page_fault(). With current->pagefault_disabled != 0, or if the fault cannot be
 * resolved, it continues at the fixup and the function returns early, having copied exactly the bytes before the fault. The
 * hosted versions do the same: on a missing translation call mm_fault() unless disabled, and try again or stop.
 */
#pragma once

#include "kernel/types.h"

/* Copy n bytes upwards; return how many bytes, at the end, were not copied. Addresses are in the user half (checked). */
size_t raw_copy_to_user(void __user *dst, const void *src, size_t n);
size_t raw_copy_page_to_user(void __user *dst, const void *src);	/* PAGE_SIZE bytes */
size_t raw_copy_from_user(void *dst, const void __user *src, size_t n);
/*
 * A string by whole quadwords, n bytes (a multiple of 8, at least one) at most: where its NUL is, n if it is not among them, or -EFAULT. The n
 * bytes lie in one page, so that no fault comes but the string's own; what follows the NUL in its quadword is copied too.
 */
ssize_t raw_string_from_user(char *dst, const char __user *src, size_t n);
/* Locked compare-and-exchange; always a write access, also on a mismatch. 0 with *found, or -EFAULT. p is 4-byte aligned. */
int raw_cmpxchg32_user(u32 __user *p, u32 expected, u32 desired, u32 *found);
/*
 * XSAVE to the user's memory, and XRSTOR from there: 0 or -EFAULT, also if XRSTOR refuses what it finds. A fault that is resolved begins the
 * instruction anew; after -EFAULT some of the registers may have been loaded. Not in the hosted tests.
 */
int raw_xsave_user(void __user *area, u32 components);
int raw_xrstor_user(const void __user *area, u32 components);

/* Exception table: where an instruction of usercopy.asm may fault, and where to go then. Offsets from the entry itself, sorted by address. */
struct extable_entry {
	s32 fault, fixup;
};
extern const struct extable_entry extable_start[], extable_end[];

/* The places of STAC and CLAC: 3-byte nops until smap_patch() writes `insn`, on processors that have them. */
struct smap_site {
	s32 site;	/* offset from this field */
	u32 insn;	/* the three bytes, little-endian */
};
extern const struct smap_site smap_sites_start[], smap_sites_end[];
