/* `crash=KIND` on the command line: the kernel breaks itself on purpose, so that the tests can read the panic. */
#pragma once

void crash_if_asked(void);
