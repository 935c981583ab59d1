/*
 * Trace points: what the kernel does, as it does it, in a ring of records for each CPU.
 *
 * A trace point is one test of one bit of trace_mask, which is 0 until somebody asks: by trace=NAMES on the command line or by
 * writing NAMES to /proc/trace. A point may be anywhere, interrupt handlers and under any lock: a record is written without a
 * lock, and read while others are written. The ring keeps the last TRACE_RECORDS of each CPU; /proc/trace shows them, and a panic
 * the last few.
 */
#pragma once

#include "kernel/atomic.h"
#include "kernel/types.h"

enum trace_event {	/* names and arguments: kernel/trace.c */
	TRACE_SYSCALL, TRACE_SYSRET,	/* 0 and 1: entry.asm */
	TRACE_FAULT, TRACE_LOCK, TRACE_WAIT, TRACE_UNLOCK, TRACE_SHORT, TRACE_FIXUP, TRACE_COW, TRACE_SHARE, TRACE_LOAN, TRACE_ATTACH, TRACE_FLUSH,
	TRACE_SWITCH, NR_TRACE,
};

extern u32 trace_mask;			/* bits of enum trace_event, and TRACE_CALLS_SLOW */
#define TRACE_CALLS_SLOW (1U << 31)	/* system calls go through syscall_slow() (entry.asm): not for a record, but for kernel/inject.c */
void trace_calls_slow(bool on);

/* Not READ_ONCE: a plain read is one TEST of memory, and that a loop may see a change late does not matter. */
static inline bool trace_on(enum trace_event event) { return __builtin_expect((trace_mask & 1U << event) != 0, 0); }
#define trace(event, a, b, c) do { if (trace_on(event)) trace_record(event, (u64)(a), (u64)(b), (u64)(c)); } while (0)
void trace_record(enum trace_event event, u64 a, u64 b, u64 c);

/*
 * "fault,lock" or "1": those events, or all, are recorded from now on; "-fault" and "0" end it; "clear" forgets the
 * records. Words are separated by commas or white space; text is changed. 0, -EINVAL (unknown word: those before it count), -ENOMEM. Sleeps.
 */
int trace_command(char *text);
void trace_init(void);			/* trace= on the command line */

/* --- reading --- */
struct trace_line {
	u64 tsc;
	u64 next[64];			/* of each CPU: the record to be looked at next; all 0: from the oldest */
	char text[200];			/* with newline */
};
/* The next record of all CPUs by time, formatted; false: there is none. Lock-free: records written meanwhile may be missed. */
bool trace_next(struct trace_line *line);
void trace_skip_to_last(struct trace_line *line, u64 nr);	/* a reader that begins with the last nr records of each CPU */
const char *trace_name(int event);	/* NULL after the last */
