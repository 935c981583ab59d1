/*
 * The system-call table (kernel/syscalls.c). Each call takes exactly Linux's arguments and returns
 * its value or a negative errno. entry.asm calls syscall_dispatch() with interrupts on.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/trap.h"

void syscall_dispatch(struct trapframe *frame);
const char *syscall_name(u64 nr);	/* "?" if there is none */
