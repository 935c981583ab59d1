/*
 * Getting frames back, from the page cache and by swapping, when the allocator runs short. The callers are the allocators of
 * mm/page.c, on behalf of anybody who may sleep, whatever sleeping locks he holds: reclaim only tries locks, and
 * waits for nothing that a lock holder could be waiting for.
 */
#pragma once

#include "kernel/types.h"

/*
 * Free about nr frames: clean, unlocked, unpinned cache pages that nobody referenced lately, then private pages that go to a swap area. True if
 * at least one was freed, or is about to be (try the allocation again). May sleep: a second at most for writeback to make pages clean,
 * and for writes of swapped out pages, which need nobody's lock and no memory.
 */
bool reclaim_pages(unsigned nr);

/*
 * The same for a program's own memory (PA_PROGRAM), with a floor: the last cached pages are left alone; then only swapping helps. They are the texts of
 * the programs that run, and what it takes to read them; without them a program that has filled memory would
 * read its own text again at every page it touches, for minutes, before the last frame is gone and it is killed.
 */
bool reclaim_for_program(unsigned nr);

void reclaim_start(void);	/* start the thread */
void reclaim_kick(void);	/* somebody ran short: the thread makes some more room. Any context */

/* /proc/sys/vm/drop_caches: every clean page that nobody uses just now. May sleep. */
void reclaim_clean(void);
