/*
 * The ownership oracle, in the debug build (make DEBUG=1, ./cowslip run --debug): who holds which frame is counted anew from every slot, every
 * entry and every table that there is, and compared with what the frames' own words say (mm/page.h). /proc/check_ownership asks for it.
 *
 * Holders that no entry shows are said by who has them: page_held_elsewhere() below.
 */
#pragma once

#include "mm/page.h"

/*
 * n holders more (or less) of this frame are somewhere else than in a table's entry: writeback, a pipe's buffer. Called right after the holder was
 * taken, right before it is dropped. Any context; nothing but in the debug build.
 */
static inline void page_held_elsewhere(struct page *page, int n)
{
	if (DEBUG_BUILD)
		__atomic_fetch_add(&page->elsewhere, (u32)n, __ATOMIC_RELAXED);
}

/*
 * Stop the other CPUs, count, compare. One line that begins with "ok" and says what there is, or "WRONG" and a line for each frame (the first few);
 * buf holds at least 2 KiB. Others may be in the middle of something, so what disagrees is looked at again until it agrees, for a second or more.
 * The length, or -ENOMEM, or -EINTR (a fatal signal). Sleeps; the caller holds nothing. Debug build only.
 */
int ownership_check(char *buf, size_t size);
/*
 * Make the caller's memory disagree, to see that it is noticed: "holder" (of a page), "table" (its owners), "writable" (entry that is not EXCL), "shared"
 * (a holder of a page that can be written), "lost" (a frame). -EINVAL: another word; -ENOMEM. The machine is of no use afterwards. Debug build only.
 */
int ownership_spoil(const char *what);
