/*
 * The job's connections to the host's runner (docs/running.md has the protocol): /dev/hostin, /dev/hostout, /dev/hosterr for
 * streams that are no terminal (every byte as it is), /dev/job (what to run), /dev/control (messages to the runner), and
 * /dev/hvc0, the runner's terminal. None of them is there without a runner.
 */
#pragma once

#include "kernel/types.h"

struct tty;
/* Find out whether a runner is there, register the devices, start the receiver. Once, when devfs and kernel threads work.
 * The runner's terminal, or NULL: no runner. */
struct tty *hostio_init(void);
