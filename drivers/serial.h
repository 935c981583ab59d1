/* COM1, the kernel log's way out: 115200 8N1, polled output. Works from the first line of C on. */
#pragma once

#include "kernel/types.h"

void serial_init(void);
void serial_write(const char *s, size_t n);	/* a newline becomes CR LF only on a real terminal: here it stays as it is */
