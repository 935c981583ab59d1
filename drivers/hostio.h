/*
 * The job's connections to the host's runner (docs/running.md has the protocol): /dev/hostin, /dev/hostout, /dev/hosterr for
 * streams that are no terminal (every byte as it is), /dev/job (what to run), /dev/control (messages to the runner);
 * and the bytes typed at a terminal, which go to drivers/tty.c. Without a runner the terminal is COM1.
 */
#pragma once

#include "kernel/types.h"

/* Find out who is there, register the devices, start the receiver. Once, by kmain, when devfs and kernel threads work. */
void hostio_init(void);
