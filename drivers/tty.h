/*
 * The one terminal: line discipline (canonical and raw input, echo, signals), output processing, window size,
 * controlling session and foreground process group. /dev/console always means it, /dev/tty only for processes it controls.
 */
#pragma once

#include "kernel/types.h"

/* Register the devices. `write` puts bytes on the screen (NULL: nowhere); polled, any context that may spend the time. */
void tty_init(void (*write)(const char *s, size_t n), unsigned rows, unsigned cols);
/* Bytes typed, in order; from the receiver's thread: sleeps while a reader is behind. */
void tty_input(const char *s, size_t n);
void tty_end_of_input(void);			/* the terminal is gone: reads give 0 from now on */
void tty_resize(unsigned rows, unsigned cols);	/* SIGWINCH to the foreground group */
