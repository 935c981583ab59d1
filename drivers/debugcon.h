/*
 * QEMU's isa-debugcon ports, by which the host's runner gets the job's output and the control messages. On other
 * machines nothing is there and the calls do nothing.
 */
#pragma once

#include "kernel/types.h"

#define DEBUGCON_STDOUT 0x4e0
#define DEBUGCON_STDERR 0x4e1
#define DEBUGCON_CONTROL 0x4e2

bool debugcon_present(void);		/* is a runner there? */
void debugcon_write(u16 port, const void *data, size_t n);
void debugcon_control(const char *text, size_t n);	/* also from panic: takes no lock */
