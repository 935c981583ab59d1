/*
 * The kernel log: COM1 and a ring that syslog(2), /proc/kmsg and /dev/kmsg read. printk may be called from any context.
 * Text may begin with a level: printk("<4>disk: ..."), 0 emergency to 7 debugging.
 */
#pragma once

#include "kernel/types.h"

#define LOG_DEFAULT_LEVEL 6
#define LOG_SIZE (64 * 1024)

void printk(const char *fmt, ...) __printf(1, 2);
void log_init(void);				/* loglevel= */
int log_console_level(void);			/* lines of a lower level go to COM1 */
void log_set_console_level(int level);

/*
 * Reading. Positions are sequence numbers of bytes; 0, or one that was overwritten, stands for the oldest whole line. Lines have
 * the form "<6>[    1.234567] text".
 */
size_t log_read(u64 *pos, char *buf, size_t size);	/* at most size bytes; advances *pos; 0: nothing new */
size_t log_read_line(u64 *pos, char *buf, size_t size);	/* one whole line (cut to size), or 0 */
u64 log_end(void);				/* where the next line will be */
u64 log_line_after(u64 pos);			/* pos, or where the next line begins */
struct wait_queue;
extern struct wait_queue log_wait;		/* woken by the tick after something was logged */
void log_tick(void);				/* the timer */

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
