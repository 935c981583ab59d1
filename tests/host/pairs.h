/* Two operations at the same time (pairs.c): what they work on, what they are (pairs_ops.c), and what may be seen of them (pairs_words.c). */
#pragma once

#include "host.h"

#include "fs/direct.h"
#include "fs/internal.h"
#include "fs/syscalls.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/switches.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define FPAGES 16
#define BPAGES 4
#define FBYTES (FPAGES * PAGE_SIZE)
#define BBYTES (BPAGES * PAGE_SIZE)
#define B_AT PAGE_SIZE			/* where in F the reads begin */
#define RW (PROT_READ | PROT_WRITE)
#define WORD(letter) ((u64)(letter) * 0x0101010101010101UL)
#define SHARED 0x30000000UL
#define PRIVATE 0x30100000UL
#define B 0x30200000UL
#define L 0x30400000UL			/* B and L: leaves of their own, which a fork may share */
#define SOURCE 0x30600000UL		/* each task's own, to write from */
#define ARGUMENTS 0x30700000UL
#define ELSEWHERE 0x30800000UL

/* An operation, what it may do to F, and whether it reads F into B or takes memory away from under others. */
struct operation {
	const char *name;
	void (*run)(void);
	int letter;			/* written to F in [from, to); -1: nothing */
	u64 from, to;
	bool reads_b, shakes_b;
};
extern const struct operation operations[];	/* pairs_ops.c */
extern const unsigned nr_operations;

/* --- pairs.c: the two that run, and what they run on --- */
extern const struct operation *op[2];
extern struct hfile *f, *g;
extern struct file file_f, file_direct, file_g;
extern struct mm *mm;
extern u64 b_first;			/* what B held before */
extern unsigned ended;			/* a bit for each of the two */
extern bool cow_truncated;		/* copy-on-write had ended when truncate began */
extern unsigned phase;			/* which word of 8 is looked at */
void fail(const char *format, ...) __printf(1, 2);

/* --- pairs_words.c: what may be where --- */
bool is(int i, const char *name);	/* is operation i of the two this one */
bool either(const char *name);
bool truncates(void);
bool shaken(void);			/* memory may be taken away */
/* May the word at `at` of F, or of B, be w, for who began to look when those of `before` had ended. */
bool possible(u64 at, u64 w, unsigned before);
bool possible_in_b(u64 at, u64 w, bool must, unsigned before);	/* must: it must have been read */
static inline u64 word_at(const u8 *data, u64 at) { return *(const u64 *)(data + at); }
#define each_word(i, n) for (u64 i = phase * 8; i < (n); i += 64)
void check_f(const u8 *data, u64 from, u64 n, unsigned before, const char *where);
void check_b(const u8 *data, u64 n, bool must, unsigned before, const char *where);
void check_letter(const u8 *data, u64 n, u64 want, const char *where);

/* --- pairs_ops.c: the program's memory and files --- */
void must_get(vaddr_t va, void *to, u64 n);
void fill(vaddr_t va, u64 n, char letter);
ssize_t file_read(struct file *file, vaddr_t va, size_t n, loff_t pos);
ssize_t file_write(struct file *file, vaddr_t va, size_t n, loff_t pos);
