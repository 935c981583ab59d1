/*
 * Data races, found in the manner of Linux's KCSAN: in a build with the compiler's thread sanitizer (make KCSAN=1, ./cowslip run --kcsan).
 *
 * The compiler calls us before every access to memory that others could see. Now and then one of them becomes a watchpoint: its task waits a
 * little right before its access, and whoever else touches the same bytes meanwhile has raced with it. That is reported if at least one of the
 * two writes and at least one is a plain access. Marked ones (READ_ONCE, WRITE_ONCE, atomic_*, smp_load_acquire, ...) say that the race is meant,
 * so two marked ones are no report; a plain access against a marked one is, whichever of the two writes. Locks need not be known: who
 * excludes the other does not come.
 *
 * A report goes to the log, each pair of places once: both accesses with task, CPU, callers and locks held, and how the value changed.
 * Not seen: assembly and string instructions (memcpy, user copies), the files that the Makefile leaves out (KCSAN_OFF), what happens before kcsan_start().
 */
#pragma once

void kcsan_start(void);
void kcsan_flush(void);		/* write what was found to the log: before the machine stops */
