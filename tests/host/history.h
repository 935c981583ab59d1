/* Random histories against plain arrays: what the arrays say (test_history.c), and the operations (test_history_ops.c). */
#pragma once

#include "host.h"

#define LOW_PAGES 48			/* pages of address space that the histories use: so many together, */
#define WINDOWS 2			/* and the first ones of so many page tables, which fork may share if one anonymous mapping has all of them */
#define WINDOW_PAGES 8
#define VPAGES (LOW_PAGES + WINDOWS * WINDOW_PAGES)
#define FPAGES 16
#define NFILES 2
#define NPROCS 5
#define BASE 0x40000000UL
#define WINDOW(w) (BASE + ((w) + 1) * LEAF_SPAN)
#define ADDR(v) ((v) < LOW_PAGES ? BASE + (vaddr_t)(v) * PAGE_SIZE : WINDOW(((v) - LOW_PAGES) / WINDOW_PAGES) + ((v) - LOW_PAGES) % WINDOW_PAGES * PAGE_SIZE)
/* How many follow one another from v on. */
static inline unsigned together(unsigned v) { return v < LOW_PAGES ? LOW_PAGES - v : WINDOW_PAGES - (v - LOW_PAGES) % WINDOW_PAGES; }

enum kind { NONE, ANON, FILE_PRIVATE, FILE_SHARED };
struct cell {				/* what the reference knows of a page of a process */
	enum kind kind;
	u8 file, prot;
	u16 index;
	bool own;			/* private: has its own contents */
	u64 value;
};
struct proc { struct mm *mm; struct cell cell[VPAGES]; };
extern struct proc procs[NPROCS];
extern struct hfile *files[NFILES];
extern u64 fvalue[NFILES][FPAGES];	/* first word of each page */
extern u64 fsize[NFILES];		/* in pages */
extern struct pin { struct page *page; struct proc *proc; unsigned v; } pins[3];	/* exclusive ones */
extern unsigned long step, seed;
extern u64 counter;			/* the last value that was stored */

/* --- test_history.c --- */
bool pinned(const struct proc *p, unsigned v);
bool pinned_range(const struct proc *p, unsigned v, unsigned n);
int expect(const struct proc *p, unsigned v, u64 *value);	/* what a load must give: 0 and the value, or a signal */
void load_and_compare(struct proc *p, unsigned v);
void do_store(struct proc *p, unsigned v);

/* --- test_history_ops.c --- */
void one_step(void);						/* any operation by any process */
void op_unpin(unsigned i);
void forget(struct proc *p, unsigned v, unsigned n);		/* nothing is mapped there any more */
