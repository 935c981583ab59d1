/*
 * The system-call table (kernel/syscalls.c). Each call takes exactly Linux's arguments and returns
 * its value or a negative errno. entry.asm calls them from the table, with interrupts on; what is not as usual goes by the two functions below.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/trap.h"

extern void *const syscall_table[];	/* by number; NULL: none */
extern const u64 syscall_count;
long syscall_slow(const struct trapframe *frame);	/* an unknown number, or calls are traced: what it returns */
void syscall_interrupted(void);		/* the call returned -ERESTART* */
const char *syscall_name(u64 nr);	/* "?" if there is none */
