/* The kernel log: COM1 and a ring that /dev/kmsg reads. printk may be called from any context. */
#pragma once

#include "kernel/types.h"

void printk(const char *fmt, ...) __printf(1, 2);
/* Read the ring from sequence byte *pos on (0: oldest kept): copies at most size bytes to a kernel
 * buffer, advances *pos, returns the count (0: nothing new). */
size_t log_read(u64 *pos, char *buf, size_t size);

void log_panic_mode(void);	/* panic: no lock from now on */
/* Stop the machine: registers, backtrace, current task, held locks. */
__noreturn void panic(const char *fmt, ...) __printf(1, 2);
/* The system cannot start or go on because of something that is not the kernel's mistake (no root
 * file system, no init): tell the user and the runner, stop. */
__noreturn void fatal(const char *fmt, ...) __printf(1, 2);

/* The kernel's own mistakes. `cond` is the invariant that should hold. */
#define ASSERT(cond) do { if (unlikely(!(cond))) panic("%s:%d: %s does not hold: %s", __FILE__, __LINE__, __func__, #cond); } while (0)

/* Print `name+0xoff` of a kernel address into buf ("?" if unknown). */
void symbol_name(const void *address, char *buf, size_t size);
