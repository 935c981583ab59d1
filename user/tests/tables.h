/*
 * For the tests of page tables that fork() lets two address spaces share (tables*.c): windows, 2 MiB of private anonymous memory that is aligned to
 * 2 MiB, so that one page table shows nothing else; and what each of their pages must hold, by this process's own account of what it has done.
 * The account is plain memory: a child inherits it by the same fork.
 */
#pragma once
#include "inv.h"

#define PER_WINDOW 512
#define WINDOW (PER_WINDOW * PAGE)
#define WINDOWS 3
#define PAGES (WINDOWS * PER_WINDOW)
#define ROOM 12			/* windows of address space, to move to */

static struct {
	unsigned char *at;	/* NULL: unmapped */
	unsigned value;		/* 0: reads as zeroes, or nothing is there yet */
	bool readonly;
} page[PAGES];
static unsigned char *base;	/* of the room; the windows are the first of it */
static unsigned tag = 1;	/* differs from process to process: what it stores */

/* Pages that are filled: 300 in a row, each 13th, four. */
static inline bool chosen(unsigned i)
{
	unsigned k = i % PER_WINDOW;

	return i < PER_WINDOW ? k < 300 : i < 2 * PER_WINDOW ? k % 13 == 0 : k < 2 || k == 255 || k == 511;
}
static inline bool any(unsigned i) { return i < PAGES; }

static inline void put(unsigned i)
{
	page[i].value = tag << 16 | (i + 1);
	((volatile uint64_t *)page[i].at)[0] = page[i].value;
	((volatile uint64_t *)page[i].at)[PAGE / 8 - 1] = ~(uint64_t)page[i].value;
}
static inline void put_each(unsigned from, unsigned to, bool (*which)(unsigned))
{
	for (unsigned i = from; i < to; i++)
		if (page[i].at && !page[i].readonly && which(i))
			put(i);
}

/* The first page that is not as accounted, and how it is; -1: all are. Pages that hold nothing are looked at if `all` (which puts something there). */
static inline int wrong_page(bool all)
{
	for (unsigned i = 0; i < PAGES; i++) {
		volatile uint64_t *p = (volatile uint64_t *)page[i].at;
		uint64_t value = page[i].value;

		if (p && (value || all) && (p[0] != value || p[PAGE / 8 - 1] != (value ? ~value : 0))) {
			SAY("page %u has %llx %llx, not %llx (tag %u)\n", i, (unsigned long long)p[0], (unsigned long long)p[PAGE / 8 - 1], (unsigned long long)value, tag);
			return (int)i;
		}
	}
	return -1;
}

/* Windows without a page in them. */
static inline void make_windows(void)
{
	unsigned char *p = mmap(NULL, (ROOM + 1) * WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	CHECK(p != MAP_FAILED);
	base = (unsigned char *)(((uintptr_t)p + WINDOW - 1) & -WINDOW);
	CHECK(mmap(base, WINDOWS * WINDOW, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == base);
	madvise(base, WINDOWS * WINDOW, MADV_NOHUGEPAGE);	/* so that RSS is what was stored to */
	for (unsigned i = 0; i < PAGES; i++) {
		page[i].at = base + i * PAGE;
		page[i].value = 0;
		page[i].readonly = false;
	}
}
static inline void drop_windows(void) { CHECK(!munmap(base, ROOM * WINDOW)); }

/* Pages [from, to) are no longer there, or moved, or empty again: only the account. */
static inline void now_gone(unsigned from, unsigned to) { for (unsigned i = from; i < to; i++) page[i].at = NULL; }
static inline void now_at(unsigned from, unsigned to, unsigned char *at) { for (unsigned i = from; i < to; i++) page[i].at = at + (i - from) * PAGE; }
static inline void now_empty(unsigned from, unsigned to) { for (unsigned i = from; i < to; i++) page[i].value = 0; }
static inline void now_readonly(unsigned from, unsigned to, bool is) { for (unsigned i = from; i < to; i++) page[i].readonly = is; }

/* One byte from one process to another, over a pipe: turns. */
static inline void give(const int *ends) { EQUAL(write(ends[1], "t", 1), 1); }
static inline void take(const int *ends)
{
	char c;

	EQUAL(read(ends[0], &c, 1), 1);
}
