/* For tests of two or three tasks on files and one address space (test_race.c, test_race_source.c, test_race_memory.c). */
#pragma once

#include "host.h"

#define BASE 0x30000000UL
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 6

extern struct hfile *f, *g;
extern struct mm *mm;
extern unsigned fixed_rate;		/* 0: a rate that varies with the seed */
extern u8 text[PAGES * PAGE_SIZE];	/* of a marked file */

/* Run fn[0..n-1] together under many random schedules; setup before and finish after each. */
void explore(unsigned schedules, unsigned n, void (*const fn[])(void *), void (*setup)(void), void (*finish)(void));
/* A new file of PAGES pages, every byte of page p is p + 1; nothing cached. */
struct hfile *marked(const char *name);
/* f, marked, mapped shared at BASE; eight pages of private memory 1 MiB behind; afterwards what is on the disk is what is cached. */
void setup_one(void);
void finish_one(void);
/* A task: loads and stores of what is there already, in f's mapping; SIGBUS is fine. */
void toucher(void *arg);
