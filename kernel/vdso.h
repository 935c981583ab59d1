/*
 * The vDSO (vdso/vdso.c) in programs' address spaces: [vdso], a page of data and a page of code, shared by all. The code is
 * linked into the kernel as a file's bytes.
 */
#pragma once

#include "kernel/types.h"

struct mm;
void vdso_init(void);		/* after clock_init() and pagecache_init() */
/* Map it; the address of its ELF header (AT_SYSINFO_EHDR), or a negative errno. Sleeps. */
long vdso_map(struct mm *mm);
