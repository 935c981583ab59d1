/*
 * For badptr_file.c and badptr_proc.c: each pointer argument of a list of system calls in its turn is a bad address of each kind. Who includes this has the list and
 * call_once(), which makes one call in a child of its own and prints what it gave.
 */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL

static unsigned char *good_page;	/* room for what the other arguments point to, 512 bytes each */

struct call {
	const char *name;
	long number;
	long args[6];			/* values, or templates that call_once() knows */
	const char *pointers;		/* which arguments are pointers: "12" = the first two */
};

/* Argument number `bad`, from 0 on, is this address. */
static void call_once(const struct call *c, int bad, const char *kind, unsigned long address);

/* The four good bytes before the edge of what is mapped are `filler`. */
static inline void call_all(const struct call *calls, size_t nr, int filler)
{
	static const char *const kinds[] = { "null", "low", "kernel", "noncanonical", "top", "unmapped", "none", "readonly", "straddling" };
	unsigned char *area, *edge, *unmapped, *readonly, *none;

	good_page = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	edge = area + PAGE - 4;
	memset(edge, filler, 4);
	unmapped = area + PAGE;
	munmap(unmapped, PAGE);
	readonly = area + 2 * PAGE;
	mprotect(readonly, PAGE, PROT_READ);
	none = area + 3 * PAGE;
	mprotect(none, PAGE, PROT_NONE);
	const unsigned long addresses[] = { 0, 8, 0xffff888000000000, 0x8000000000000000, 0x7ffffffff800, (unsigned long)unmapped,
					    (unsigned long)none, (unsigned long)readonly, (unsigned long)edge };

	for (size_t i = 0; i < nr; i++)
		for (const char *p = calls[i].pointers; *p; p++)
			for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
				call_once(&calls[i], *p - '1', kinds[k], addresses[k]);
}
#define CALL_ALL(filler) call_all(calls, sizeof(calls) / sizeof(calls[0]), filler)
