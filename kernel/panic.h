/* Stopping for good (kernel/panic.c); panic() itself is in kernel/printk.h. */
#pragma once

#include "kernel/trap.h"

__noreturn void panic_frame(const struct trapframe *frame, const char *fmt, ...) __printf(2, 3);
/* In an NMI: if a panic on another CPU has sent it, tell where this CPU is, and stop. */
void panic_if_asked(const struct trapframe *frame);
const char *trap_name(u64 vector);
