/*
 * Switches that turn a mechanism of read() and write() off, or make it fail, so that one can watch what it prevents (DESIGN.md 8): words of the
 * kernel's command line, and root may write NAME=VALUE to /proc/switches. Plain variables: the hosted tests set them directly. A switch
 * may change at any moment; either way is right, but for those that are unsafe.
 */
#pragma once

#include "kernel/types.h"

/* prefault=1: touch the user's buffer before the first copy, as kernels do that do not trust their fixups. Default 0. */
extern bool switch_prefault;
/* atomic_copy=0: write() copies with faults allowed while it holds the page lock, as before 2002. UNSAFE: deadlocks
 * when the source is a mapping of the page written. Default 1. */
extern bool switch_atomic_copy;
/* zerocopy_read=0: read() never maps pages of the cache, but fills frames of its own. Default 1. */
extern bool switch_zerocopy_read;
/* zerocopy_write=0: write() and copy_file_range() copy, however long they are; so does atomic_copy=0. Default 1. */
extern bool switch_zerocopy_write;
/* copy_fail=SEED: every first copy of read() and write() stops at a random byte. 0 (default): off. */
extern u64 switch_copy_fail;

/* pipe_merge=1: a write to a pipe may go behind the bytes of any page, also of a file's that splice() put there. UNSAFE: Dirty Pipe. Default 0. */
extern bool switch_pipe_merge;
/* fault_lock=0: a fault maps the page that it found without locking it and looking again, as before 2006. UNSAFE: a page that
 * truncate has removed meanwhile stays mapped. Default 1. */
extern bool switch_fault_lock;
/* cow_reuse=0: a page that became this process's alone again (its child has ended) is copied all the same. Default 1. */
extern bool switch_cow_reuse;

/* share_tables=0: fork() copies all page tables, and read() maps page by page, instead of sharing whole tables until somebody stores (mm/share.c,
 * mm/template.c). Default 1. */
extern bool switch_share_tables;
/* share_min=N: fork() shares a table with N entries or more (at most 512); fewer are copied. Default 64; tests take 1. */
extern unsigned switch_share_min;
/* swap_pinned=1: a page goes out although somebody has it pinned. UNSAFE: what a device writes into it then is lost. Default 0. */
extern bool switch_swap_pinned;

void switches_init(void);	/* from the command line; says what is unsafe */
int switches_command(const char *text);		/* "NAME=VALUE", ended by NUL or a line's end: 0, -EINVAL */
/* The i-th switch: its name and value; NULL: there is none. */
const char *switches_show(unsigned i, u64 *value);

/* How many of n bytes a first copy may copy: n, or with copy_fail any number from 0 to n. */
size_t copy_fail_random(size_t n);
static inline size_t copy_fail_limit(size_t n) { return likely(!READ_ONCE(switch_copy_fail)) ? n : copy_fail_random(n); }
