/*
 * Atomic operations for the hosted tests: those of kernel/atomic.h, each preceded by a point where the
 * scheduler of tests/host/sched.c may run another task. Read-modify-writes are full barriers, plain stores may stay in the store
 * buffer (tests/host/tso.c).
 */
#pragma once

#include "kernel/types.h"

typedef struct { int v; } atomic_t;
typedef struct { u64 v; } atomic64_t;

#define ATOMIC_INIT(n) { (n) }

static inline void host_locked(const char *what, const void *object)
{
	host_access(what, object, true);
	if (host_tso)
		host_tso_fence();
}

static inline int atomic_read(const atomic_t *a) { return READ_ONCE(a->v); }
static inline void atomic_set(atomic_t *a, int v) { host_access("atomic_set", a, true); WRITE_QUIET(a->v, v); }
static inline void atomic_inc(atomic_t *a) { host_locked("atomic_inc", a); a->v++; }
static inline void atomic_dec(atomic_t *a) { host_locked("atomic_dec", a); a->v--; }
static inline int atomic_add_return(atomic_t *a, int n) { host_locked("atomic_add", a); return a->v += n; }
static inline bool atomic_dec_and_test(atomic_t *a) { host_locked("atomic_dec", a); return --a->v == 0; }
static inline int atomic_xchg(atomic_t *a, int n) { host_locked("atomic_xchg", a); int o = a->v; a->v = n; return o; }
static inline bool atomic_cmpxchg(atomic_t *a, int *old, int n)
{
	host_locked("atomic_cmpxchg", a);
	return __atomic_compare_exchange_n(&a->v, old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline bool atomic_inc_not_zero(atomic_t *a)
{
	int old = atomic_read(a);
	while (old)
		if (atomic_cmpxchg(a, &old, old + 1))
			return true;
	return false;
}

static inline u64 atomic64_read(const atomic64_t *a) { host_access("read", a, false); return READ_QUIET(a->v); }
static inline void atomic64_set(atomic64_t *a, u64 v) { host_access("set", a, true); WRITE_QUIET(a->v, v); }
static inline u64 atomic64_add_return(atomic64_t *a, s64 n) { host_locked("add", a); return a->v += (u64)n; }
static inline u64 atomic64_xchg(atomic64_t *a, u64 n) { host_locked("xchg", a); u64 o = a->v; a->v = n; return o; }
static inline bool atomic64_cmpxchg(atomic64_t *a, u64 *old, u64 n)
{
	host_locked("cmpxchg", a);
	return __atomic_compare_exchange_n(&a->v, old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline u64 atomic64_fetch_or(atomic64_t *a, u64 n) { host_locked("or", a); u64 o = a->v; a->v |= n; return o; }
static inline u64 atomic64_fetch_and(atomic64_t *a, u64 n) { host_locked("and", a); u64 o = a->v; a->v &= n; return o; }

#define smp_mb() host_locked("smp_mb", NULL)
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, v) WRITE_ONCE(*(p), (v))
