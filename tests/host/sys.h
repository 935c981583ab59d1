/*
 * What the hosted tests need of the host, in plain C types: the only interface between files that include
 * the kernel's headers and tests/host/sys.c, which includes libc's (the two sets do not mix).
 */
#pragma once

#include <stddef.h>

void sys_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int sys_snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int sys_vsnprintf(char *buf, size_t n, const char *fmt, __builtin_va_list ap);
_Noreturn void sys_exit(int status);
void sys_flush(void);
void sys_on_death(void (*fn)(void));		/* called when a sanitizer ends the program */
void *sys_map(size_t bytes);			/* zeroed pages, aligned to 2 MiB */
void *sys_calloc(size_t bytes);
void sys_free(void *p);
unsigned long sys_option(const char *name, unsigned long def);	/* name=value on the command line */
const char *sys_option_text(const char *name);	/* NULL: not given */
double sys_seconds(void);
void *sys_shared(size_t bytes);			/* zeroed, and still the same memory in processes forked off */
int sys_fork(void);				/* 0 in the child */
int sys_wait(void);				/* until the child has ended: 0, or it failed */

/* Fibers: stacks to switch between (ucontext), known to ASan. */
struct fiber;
struct fiber *fiber_create(void (*fn)(void *), void *arg);	/* fn must not return: fiber_switch away for ever */
struct fiber *fiber_main(void);
void fiber_switch(struct fiber *from, struct fiber *to);
void fiber_free(struct fiber *f);				/* not the running one */
void sys_poison(const void *p, size_t n, int on);		/* ASan: nobody may touch it */
