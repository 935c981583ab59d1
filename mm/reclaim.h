/* Getting frames back from the page cache (mm/reclaim.c). */
#pragma once

#include "kernel/types.h"

/*
 * Free about nr frames: clean, unlocked, unpinned cache pages that nobody used lately. True if any was freed. Sleeps;
 * takes page locks and i_mmap locks by trylock only, so the caller may hold page locks, but no spinlock.
 */
bool reclaim_pages(unsigned nr);
