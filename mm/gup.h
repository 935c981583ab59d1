/*
 * Pins: pages of an address space for who reads or writes them by their frames: devices, other processes, pipes (MECHANISMS.md G).
 *
 * One meaning for all four calls. A pin is
 *   exclusive   (PIN_WRITE, PIN_LONG) the page belongs to this entry, or this slot of a file, alone and will not be shared while the pin lasts:
 *               sharing is broken first (a private page is copied, a slot gets a frame of its own), fork() copies for the child, write()
 *               goes in place, writeback through a copy, reclaim and swap pass by;
 *   a read pin  (neither) the page may be shared and is not changed by anybody who shares it: for a copy or a write to a device that is soon done.
 * Both follow the page, not the address: munmap, mremap, mprotect and truncate neither wait for a pin nor fail because of it.
 *
 * A page of a file that is pinned for writing is dirty already (its slot has D, and keeps it: who writes it back meanwhile writes a copy), so
 * that unpinning has nothing to report.
 */
#pragma once

#include "mm/iov_iter.h"
#include "mm/mm.h"
#include "mm/page.h"

#define PIN_WRITE BIT(0)	/* the pages will be stored to */
#define PIN_LONG BIT(1)		/* the pin outlives the call. With PIN_WRITE not of a disk's file in a shared mapping: EFAULT */
#define PIN_FORCE BIT(2)	/* a debugger's access: what mprotect() could allow is allowed; a store goes to a private copy, never to a file */

/*
 * Each pins the pages from `va` (of which the offset is ignored) on: nr of them, or as many as it can. The number, or if that is none: -EFAULT
 * (not mapped, not allowed, past the end of the file), -ENOMEM, -EINTR (fatal signal). unpin_user_pages() takes back what the number says.
 *
 * get_user_pages_fast: of the current program, no lock, no fault, any context with interrupts on: 0 if the first is not simply there.
 * get_user_pages: the caller holds mm->mmap_lock for reading. *locked becomes false if it had to be dropped: then the number may be
 *   anything from 0 on without an error, and the caller begins again. Sleeps.
 * get_user_pages_unlocked: takes mmap_lock itself. Sleeps. mm may be another program's, which the caller keeps alive.
 * pin_user_pages: of the current program: fast as far as that goes, then unlocked. Sleeps. What callers outside mm/ use.
 */
unsigned get_user_pages_fast(vaddr_t va, unsigned nr, unsigned flags, struct page **pages);
long get_user_pages(struct mm *mm, vaddr_t va, unsigned nr, unsigned flags, struct page **pages, bool *locked);
long get_user_pages_unlocked(struct mm *mm, vaddr_t va, unsigned nr, unsigned flags, struct page **pages);
long pin_user_pages(vaddr_t va, unsigned nr, unsigned flags, struct page **pages);

/* Any context. The same flags. */
void unpin_user_pages(struct page **pages, unsigned nr, unsigned flags);

/*
 * n bytes at va of another address space (kept alive by the caller) to what `it` names, or with PIN_WRITE from there. Bytes, short at the first
 * that cannot be had; none: -EIO if that is because of that memory, -EFAULT because of ours, -ENOMEM, -EINTR. Sleeps.
 */
ssize_t mm_copy(struct mm *mm, vaddr_t va, struct iov_iter *it, size_t n, unsigned flags);

/* --- for mm/fault.c and mm/cow.c --- */

/* A pin that a fault takes for who caused it. */
struct pin_request {
	unsigned flags;		/* PIN_* */
	struct page *page;	/* NULL until it is pinned */
};
void fault_pin(struct fault *f, entry_t *e);		/* f->pin is not NULL */
/* Leaf locked: the entry was just made, or made to allow more: pin it for f->pin before anybody can take it away again. */
static inline void fault_pin_installed(struct fault *f, entry_t *e)
{
	if (unlikely(f->pin))
		fault_pin(f, e);
}
