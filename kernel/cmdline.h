/*
 * The kernel command line: words `name=value` or `name`. Unknown words are logged and ignored; a bad value
 * is logged and the default kept.
 */
#pragma once

#include "kernel/types.h"

extern char cmdline[4096];
/* The value of name (NUL-terminated copy in buf), or false. A bare word gives "". */
bool cmdline_get(const char *name, char *buf, size_t size);
/* A number, decimal or 0x; `def` if absent or bad (logged). */
u64 cmdline_u64(const char *name, u64 def);
