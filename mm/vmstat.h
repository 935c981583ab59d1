/*
 * Event counters of the memory system, for /proc/vmstat and the tests. Anybody may count; nothing reads
 * them to decide. Each CPU has its own, so that counting costs one instruction and no cache line moves; any context.
 */
#pragma once

#include "kernel/cpu.h"
#include "mm/tlb.h"

enum vmstat_item {
	VM_PAGE_ALLOC, VM_PAGE_FREE, VM_ALLOC_FAIL, VM_KEPT_DRAIN,
	VM_FAULT, VM_FAULT_MAJOR,		/* resolved; of these, waited for I/O */
	VM_FAULT_ANON, VM_FAULT_ZERO, VM_FAULT_FILE, VM_FAULT_AROUND, VM_FAULT_AHEAD, VM_FAULT_RETRY, VM_FAULT_STACK,
	VM_FAULT_BAD,				/* ended in SIGSEGV, SIGBUS or without memory */
	VM_FIXUP,				/* user copies that stopped at an exception-table fixup */
	VM_COW_COPY, VM_COW_REUSE, VM_FORK_SHARE, VM_FORK_COPY,
	VM_PIN, VM_PIN_FAST, VM_PIN_BREAK,	/* pages pinned; of these, without a lock; copied first, because they were shared */
	VM_AIO,				/* requests */
	VM_DIRECT_READ, VM_DIRECT_WRITE, VM_DIRECT_BUFFERED, VM_DIRECT_DETACH,	/* bytes; bytes through the cache after all; pages taken out of it */
	VM_SHORT_COPY, VM_PREFAULT, VM_PINNED_COPY, VM_READ_FAULTING, VM_READ_FILL,	/* read/write: first copy short; faulted in; third attempts */
	VM_LOAN_READ, VM_LOAN_WRITE, VM_LOAN_COPY,	/* pages lent by read(), write(), from file to file */
	VM_LOAN_AHEAD,			/* copied or taken over before they were stored to, because those before were */
	VM_LOAN_SAME, VM_LOAN_REPLACED, VM_LOAN_PROTECT,	/* the same page was there; an earlier loan was; stores had to be stopped first */
	VM_WRITE_INPLACE, VM_WRITE_SWAP, VM_WRITE_BREAK,
	VM_CACHE_READ, VM_CACHE_READAHEAD, VM_CACHE_DIRTY, VM_PAGE_LOCK_WAIT,
	VM_TRUNCATE_PAGE, VM_RMAP_ZAP, VM_RMAP_PROTECT,	/* pages removed; VMAs cleared or write-protected for it, reclaim, writeback */
	VM_WRITEBACK, VM_RECLAIM_SCAN, VM_RECLAIM_ACTIVE, VM_RECLAIM_FREED, VM_OOM_KILL,
	VM_SWAP_SCAN, VM_SWAP_ACTIVE, VM_SWAP_PINNED, VM_SWAP_OUT, VM_SWAP_IN, VM_SWAP_FAULT, VM_SWAP_ERROR,	/* entries looked at; used since; not taken for a pin; pages */
	VM_TLB_FLUSH_PAGE, VM_TLB_FLUSH_ALL,
	VM_TLB, VM_TLB_CALL = VM_TLB + NR_TLB_REASONS, VM_TLB_LAST = VM_TLB_CALL + NR_TLB_REASONS - 1,	/* by reason: flushes; other CPUs asked */
	VM_SPLICE_SHARE, VM_SPLICE_COPY, VM_SPLICE_GIVE,	/* buffers that a pipe got by reference; by copying; that a file took by reference */
	VM_SHM_ATTACH, VM_SHM_DETACH,	/* System V shared memory: by shmat(); VMAs that ended, by whatever */
	VM_TABLE_ALLOC, VM_TABLE_FREE,
	VM_TABLE_SHARE, VM_TABLE_TAKE, VM_TABLE_COPY,	/* leaves: shared by fork; taken over by the last owner; copied by one of several */
	VM_TABLE_TEMPLATE, VM_TABLE_ATTACH,	/* made for the readers of a file; given to one */
	VM_KSTACK_UNMAP,		/* kernel stacks given back: more waited for the next tasks than are kept */
	VM_HANG,
	NR_VMSTAT,
};

extern const char *const vmstat_names[NR_VMSTAT];	/* as /proc/vmstat shows them */

_Static_assert(NR_VMSTAT <= CPU_COUNTERS, "struct cpu has room for them");
static inline void vmstat_add(enum vmstat_item item, s64 n) { cpu_count(item, (u64)n); }
static inline void vmstat_inc(enum vmstat_item item) { vmstat_add(item, 1); }
u64 vmstat_read(enum vmstat_item item);			/* the sum over all CPUs */
