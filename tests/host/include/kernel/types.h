/* kernel/types.h for the hosted tests: READ_ONCE and WRITE_ONCE know the simulated store buffers (tests/host/tso.c). */
#pragma once

#include "../../../../kernel/types.h"

extern bool host_tso;
bool host_tso_store(void *address, u64 value, unsigned size);	/* false: do it at once */
void host_tso_load(const void *address);
void host_tso_fence(void);

#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x) (*({ if (host_tso) host_tso_load((const void *)&(x)); (const volatile __typeof__(x) *)&(x); }))
#define WRITE_ONCE(x, v) host_write_once((x), (v))
#define host_write_once(x, v) do { \
	__typeof__(x) once_ = (v); \
	if (!host_tso || !host_tso_store((void *)&(x), (u64)once_, sizeof(once_))) \
		*(volatile __typeof__(x) *)&(x) = once_; \
} while (0)
