/* What the fuzz targets share: they include the kernel's headers, so that libc's functions are declared here. */
#pragma once

#include "kernel/types.h"

void *malloc(size_t n);
void free(void *p);
_Noreturn void abort(void);
int printf(const char *fmt, ...) __printf(1, 2);

/* What must hold whatever the input is. */
#define FUZZ_CHECK(cond) do { if (!(cond)) { printf("%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const u8 *input, size_t length);
