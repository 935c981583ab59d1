/*
 * Atomic operations, thin names over the compiler's. All read-modify-writes are sequentially
 * consistent (a locked instruction is a full barrier on x86: SDM vol. 3, 9.2.3.8). In the exploring build (make EXPLORE=1)
 * another task may run before each of them.
 */
#pragma once

#include "kernel/types.h"

#ifndef EXPLORE_BUILD
#define EXPLORE_BUILD 0
#endif
extern int explore_flag;
void explore_atomic(void);	/* kernel/explore.c */
static inline void atomic_event(void)
{
	if (EXPLORE_BUILD && unlikely(explore_flag))
		explore_atomic();
}

typedef struct { int v; } atomic_t;
typedef struct { u64 v; } atomic64_t;

#define ATOMIC_INIT(n) { (n) }

static inline int atomic_read(const atomic_t *a) { return __atomic_load_n(&a->v, __ATOMIC_RELAXED); }
static inline void atomic_set(atomic_t *a, int v) { __atomic_store_n(&a->v, v, __ATOMIC_RELAXED); }
static inline void atomic_inc(atomic_t *a) { atomic_event(); __atomic_fetch_add(&a->v, 1, __ATOMIC_SEQ_CST); }
static inline void atomic_dec(atomic_t *a) { atomic_event(); __atomic_fetch_sub(&a->v, 1, __ATOMIC_SEQ_CST); }
static inline int atomic_add_return(atomic_t *a, int n) { atomic_event(); return __atomic_add_fetch(&a->v, n, __ATOMIC_SEQ_CST); }
/* Drop one; true if the count is now zero. */
static inline bool atomic_dec_and_test(atomic_t *a) { atomic_event(); return __atomic_sub_fetch(&a->v, 1, __ATOMIC_SEQ_CST) == 0; }
static inline int atomic_xchg(atomic_t *a, int n) { atomic_event(); return __atomic_exchange_n(&a->v, n, __ATOMIC_SEQ_CST); }
static inline bool atomic_cmpxchg(atomic_t *a, int *old, int n)
{
	atomic_event();
	return __atomic_compare_exchange_n(&a->v, old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
/* Raise the count unless it is zero (the object is being freed); true if raised. */
static inline bool atomic_inc_not_zero(atomic_t *a)
{
	int old = atomic_read(a);
	while (old)
		if (atomic_cmpxchg(a, &old, old + 1))
			return true;
	return false;
}

static inline u64 atomic64_read(const atomic64_t *a) { return __atomic_load_n(&a->v, __ATOMIC_RELAXED); }
static inline void atomic64_set(atomic64_t *a, u64 v) { __atomic_store_n(&a->v, v, __ATOMIC_RELAXED); }
static inline u64 atomic64_add_return(atomic64_t *a, s64 n) { atomic_event(); return __atomic_add_fetch(&a->v, (u64)n, __ATOMIC_SEQ_CST); }
static inline u64 atomic64_xchg(atomic64_t *a, u64 n) { atomic_event(); return __atomic_exchange_n(&a->v, n, __ATOMIC_SEQ_CST); }
/* Compare and swap; on failure *old is what was found. */
static inline bool atomic64_cmpxchg(atomic64_t *a, u64 *old, u64 n)
{
	atomic_event();
	return __atomic_compare_exchange_n(&a->v, old, n, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}
static inline u64 atomic64_fetch_or(atomic64_t *a, u64 n) { atomic_event(); return __atomic_fetch_or(&a->v, n, __ATOMIC_SEQ_CST); }
static inline u64 atomic64_fetch_and(atomic64_t *a, u64 n) { atomic_event(); return __atomic_fetch_and(&a->v, n, __ATOMIC_SEQ_CST); }

#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
