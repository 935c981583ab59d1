/*
 * /dev/ttyS0, the first serial line (16550 at 0x3f8, 115200 8N1): the kernel log goes there as well. Output is polled;
 * input comes by interrupt, unless the line is the runner's, which only listens.
 */
#pragma once

#include "kernel/types.h"

struct tty;
/* Find it, register it; input: receive too. NULL: there is none. */
struct tty *serialtty_init(bool input);
