/* A parent and a child that share a leaf: for test_tables*.c (one after the other) and test_race_tables.c (at the same time). */
#pragma once

#include "host.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define BASE 0x40000000UL		/* of a leaf: 2 MiB, all of it one anonymous mapping */
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4				/* the first of them are there: page p holds FIRST(p) */
#define AT(p) (BASE + (vaddr_t)(p) * PAGE_SIZE)
#define FIRST(p) (100UL + (p))

extern struct mm *parent, *child;

void setup_parent(void);		/* it runs */
void setup_family(void);		/* and the child has the leaf, too; the parent runs */
void finish_family(void);		/* recounts, ends both that are not NULL, recounts */

struct page *leaf_of(struct mm *mm, vaddr_t va);
static inline unsigned owners(const struct page *leaf) { return (unsigned)own_refs(leaf->own.v); }
bool writable_above(struct mm *mm, vaddr_t va);
static inline struct page *page_of(struct mm *mm, unsigned p) { return entry_page(mm_entry(mm, AT(p))); }
static inline unsigned holders_of(struct mm *mm, unsigned p) { return (unsigned)own_holders(page_of(mm, p)->own.v); }
u64 load_as(struct mm *mm, unsigned p);	/* by a program that runs from then on */
void store_as(struct mm *mm, unsigned p, u64 value);
void check_first(struct mm *mm);	/* it sees what the parent has stored first */
void leave(struct mm **mm);		/* it exits */

/* How often since the last look: leaves copied, taken over, shared; flushes; pages copied or taken over for a store. */
struct changes { u64 copies, takes, shares, flushes, cow; };
struct changes changes(void);
