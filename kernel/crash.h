/* `crash=KIND` on the command line: the kernel breaks itself on purpose, so that the tests can read the panic. */
#pragma once

#include "kernel/types.h"

void crash_if_asked(void);
bool crash_locks(const char *kind);	/* kernel/crashlocks.c: the kinds that misuse locks; false: no such kind. It may return, and the system goes on */
