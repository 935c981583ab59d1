/*
 * Atomic operations for the hosted tests: those of kernel/atomic.h, each preceded by a point where the
 * scheduler of tests/host/sched.c may run another task. A relaxed read is such a point as well.
 */
#pragma once

#include "kernel/types.h"

void host_preempt(const char *where);

typedef struct { int v; } atomic_t;
typedef struct { u64 v; } atomic64_t;

#define ATOMIC_INIT(n) { (n) }

static inline int atomic_read(const atomic_t *a) { return __atomic_load_n(&a->v, __ATOMIC_RELAXED); }
static inline void atomic_set(atomic_t *a, int v) { host_preempt("atomic_set"); __atomic_store_n(&a->v, v, __ATOMIC_RELAXED); }
static inline void atomic_inc(atomic_t *a) { host_preempt("atomic_inc"); a->v++; }
static inline void atomic_dec(atomic_t *a) { host_preempt("atomic_dec"); a->v--; }
static inline int atomic_add_return(atomic_t *a, int n) { host_preempt("atomic_add"); return a->v += n; }
static inline bool atomic_dec_and_test(atomic_t *a) { host_preempt("atomic_dec"); return --a->v == 0; }
static inline int atomic_xchg(atomic_t *a, int n) { host_preempt("atomic_xchg"); int o = a->v; a->v = n; return o; }
static inline bool atomic_cmpxchg(atomic_t *a, int *old, int n)
{
	host_preempt("atomic_cmpxchg");
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

static inline u64 atomic64_read(const atomic64_t *a) { host_preempt("read"); return __atomic_load_n(&a->v, __ATOMIC_RELAXED); }
static inline void atomic64_set(atomic64_t *a, u64 v) { host_preempt("set"); __atomic_store_n(&a->v, v, __ATOMIC_RELAXED); }
static inline u64 atomic64_add_return(atomic64_t *a, s64 n) { host_preempt("add"); return a->v += (u64)n; }
static inline u64 atomic64_xchg(atomic64_t *a, u64 n) { host_preempt("xchg"); u64 o = a->v; a->v = n; return o; }
static inline bool atomic64_cmpxchg(atomic64_t *a, u64 *old, u64 n)
{
	host_preempt("cmpxchg");
	return __atomic_compare_exchange_n(&a->v, old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline u64 atomic64_fetch_or(atomic64_t *a, u64 n) { host_preempt("or"); u64 o = a->v; a->v |= n; return o; }
static inline u64 atomic64_fetch_and(atomic64_t *a, u64 n) { host_preempt("and"); u64 o = a->v; a->v &= n; return o; }

#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
