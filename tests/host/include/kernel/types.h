/*
 * kernel/types.h for the hosted tests: READ_ONCE and WRITE_ONCE know the simulated store buffers (tests/host/tso.c), and are points where
 * another task may run while all schedules are explored (host_points).
 */
#pragma once

#include "../../../../kernel/types.h"

void host_access(const char *where, const void *object, bool write);	/* tests/host/sched.c: before `object` is used; NULL: whatever it is */
extern bool host_points;
extern bool host_tso;
bool host_tso_store(void *address, u64 value, unsigned size);	/* false: do it at once */
void host_tso_load(const void *address);
void host_tso_fence(void);

#define READ_QUIET(x) (*({ if (host_tso) host_tso_load((const void *)&(x)); (const volatile __typeof__(x) *)&(x); }))
#define WRITE_QUIET(x, v) do { \
	__typeof__(x) once_ = (v); \
	if (!host_tso || !host_tso_store((void *)&(x), (u64)once_, sizeof(once_))) \
		*(volatile __typeof__(x) *)&(x) = once_; \
} while (0)
#undef READ_ONCE
#undef WRITE_ONCE
#undef ADD_ONCE
#define ADD_ONCE(x, n) WRITE_ONCE(x, (x) + (__typeof__(x))(n))
#define READ_ONCE(x) (*({ \
	if (host_points) host_access("READ_ONCE", (const void *)&(x), false); \
	if (host_tso) host_tso_load((const void *)&(x)); \
	(const volatile __typeof__(x) *)&(x); }))
#define WRITE_ONCE(x, v) do { \
	__typeof__(x) value_ = (v); \
	if (host_points) \
		host_access("WRITE_ONCE", (const void *)&(x), true); \
	WRITE_QUIET(x, value_); \
} while (0)
