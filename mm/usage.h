/*
 * How much memory an address space uses, for /proc: by walking its entries, so that it costs nothing while nobody asks.
 * All counts are pages.
 */
#pragma once

#include "mm/mm.h"

struct vma_usage {
	u64 rss;				/* present (pages kept under PROT_NONE too; the frame of zeroes not) */
	u64 anonymous;				/* of them, private to the program: no cache page */
	u64 shared_clean, shared_dirty;		/* more than one user */
	u64 private_clean, private_dirty;
	u64 referenced;
	u64 pss_bytes;				/* each page's share: 4096 / users */
	u64 swap, swap_pss_bytes;		/* swapped out; the share of it */
};

struct mm_usage {
	u64 anonymous, file, shmem;		/* present pages; shmem: shared anonymous memory and tmpfs */
	u64 data, stack, exec;			/* sizes: private writable but for the stack, the stack, executable */
	u64 tables;				/* frames of page tables */
	u64 swap;				/* pages swapped out */
};

/* mmap_lock held for reading. Takes i_mmap_lock. Sleeps. */
void vma_usage(struct vma *vma, struct vma_usage *out);
/* Takes mmap_lock for reading. */
void mm_usage(struct mm *mm, struct mm_usage *out);

/* What /proc/PID/pagemap tells of the page at va. Under no lock: a snapshot. */
struct page_usage {
	bool present, file, exclusive, swapped;
	u32 swap_id;		/* if swapped: area and slot */
	pfn_t pfn;
};
void page_usage(struct mm *mm, vaddr_t va, struct page_usage *out);
