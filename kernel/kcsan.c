/*
 * Watchpoints on memory accesses (kernel/kcsan.h). Not instrumented itself; it may be called anywhere, also under the log's lock or in an
 * interrupt, so it takes no lock and prints nothing: reports wait in a ring for a thread of their own.
 */
#include "kernel/kcsan.h"

#include "kernel/backtrace.h"
#include "kernel/cpu.h"
#include "kernel/held.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/layout.h"

#define NR_WATCHES 64
#define SAMPLE 1000		/* accesses of a CPU between two watchpoints, about */
#define DELAY_TURNS 4000	/* how long a watchpoint stands */
#define NR_CALLERS 6
#define NR_HELD 4

#define WRITE BIT(0)
#define MARKED BIT(1)

/* One of the two accesses of a race. */
struct access {
	u64 address;
	u32 size, flags;
	const struct task *task;
	int tid, cpu, irq_depth, nr_callers, nr_held;
	char name[16];
	u64 callers[NR_CALLERS];
	struct { const char *name; void *taken_at; } held[NR_HELD];
};

static struct watch {
	atomic64_t state;	/* sequence number * 4 | WATCHING | HIT */
	struct access mine;	/* written before state; mine.callers only for a report */
	struct access other;	/* by who sets HIT, before told */
	int told;
} watches[NR_WATCHES];
#define WATCHING 1UL
#define HIT 2UL
static atomic64_t used, active;		/* bits of watches: taken; complete */

static bool on;
static int left[NR_CPUS];		/* accesses until the next watchpoint: racy between interrupt and task, which does no harm */
static u32 random_state = 1;

static struct report {
	struct access a, b;
	u64 before, after;
	int ready;
} reports[16];
static atomic_t nr_reports;
static u64 seen[256];			/* hashes of pairs of places */
static atomic_t nr_seen;

static u32 next_random(void)
{
	u32 x = random_state;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	random_state = x;
	return x;
}

static void fill_access(struct access *a, u64 address, u32 size, u32 flags)
{
	const struct task *t = current;

	a->address = address;
	a->size = size;
	a->flags = flags;
	a->task = t;
	a->cpu = cpu_id();
	a->irq_depth = this_cpu()->irq_depth;
}

/* What only a report needs. */
static void fill_details(struct access *a, u64 rip, u64 rbp)
{
	const struct task *t = current;

	a->tid = t->tid;
	memcpy(a->name, t->name, sizeof(a->name));
	a->nr_callers = backtrace_frames(rip, rbp, a->callers, NR_CALLERS);
	a->nr_held = 0;
	for (int i = min(t->held_count, HELD_MAX) - 1; i >= 0 && a->nr_held < NR_HELD; i--) {
		if (!t->held[i].object)
			continue;
		a->held[a->nr_held].name = held_name(&t->held[i]);
		a->held[a->nr_held++].taken_at = t->held[i].caller;
	}
}

static bool conflict(const struct access *w, u64 address, u32 size, u32 flags)
{
	return address < w->address + w->size && w->address < address + size && (flags | w->flags) & WRITE && !(flags & w->flags & MARKED) &&
	       (w->task != current || w->irq_depth != this_cpu()->irq_depth);
}

/* Some watchpoints stand: does this access hit one? */
static __attribute__((noinline)) void meet(u64 mask, u64 address, u32 size, u32 flags, u64 rip, u64 rbp)
{
	for (; mask; mask &= mask - 1) {
		struct watch *w = &watches[__builtin_ctzl(mask)];
		u64 state = atomic64_read(&w->state);

		if ((state & (WATCHING | HIT)) != WATCHING || !conflict(&w->mine, address, size, flags))
			continue;
		if (!atomic64_cmpxchg(&w->state, &state, state | HIT))
			continue;
		fill_access(&w->other, address, size, flags);
		fill_details(&w->other, rip, rbp);
		smp_store_release(&w->told, 1);
	}
}

static u64 value_at(u64 address, u32 size)
{
	switch (size) {
	case 1: return *(volatile u8 *)address;
	case 2: return *(volatile u16 *)address;
	case 4: return *(volatile u32 *)address;
	case 8:
	case 16: return *(volatile u64 *)address;
	default: return *(volatile u8 *)address;
	}
}

static bool is_new(const struct access *a, const struct access *b)
{
	u64 key = (a->callers[0] ^ b->callers[0]) * 0x9e3779b97f4a7c15UL + a->callers[0] + b->callers[0];
	int n = min(atomic_read(&nr_seen), (int)ARRAY_SIZE(seen));

	for (int i = 0; i < n; i++)
		if (seen[i] == key)
			return false;
	n = atomic_add_return(&nr_seen, 1) - 1;
	if (n < (int)ARRAY_SIZE(seen))
		seen[n] = key;
	return n < (int)ARRAY_SIZE(seen);
}

static void report(const struct watch *w, u64 before, u64 after)
{
	struct report *r;
	int n;

	if (!is_new(&w->mine, &w->other))
		return;
	n = atomic_add_return(&nr_reports, 1) - 1;
	r = &reports[n % (int)ARRAY_SIZE(reports)];
	if (r->ready)
		return;			/* too many at a time */
	r->a = w->mine;
	r->b = w->other;
	r->before = before;
	r->after = after;
	smp_store_release(&r->ready, 1);
}

/* Not a program's, and not a device's registers, where reading twice may change something (mm/layout.h). */
static bool is_memory(u64 address)
{
	return address >= DIRECT_BASE && (address < IOREMAP_BASE || address >= PAGES_BASE);
}

/* Let the others run into it: on other CPUs, interrupts, and if this CPU may be given up, sometimes other tasks. */
static void delay(void)
{
	u32 turns = DELAY_TURNS / 2 + next_random() % DELAY_TURNS;

	for (u32 i = 0; i < turns; i++)
		barrier();
	cpu_relax();		/* where one thread of the host is all CPUs in turn (--icount), the next one's turn */
	if (!preempt_count() && !irqs_off() && next_random() % 4 == 0) {
		preempt_disable();
		this_cpu()->need_resched = 1;
		preempt_enable();
	}
}

static __attribute__((noinline)) void watch(u64 address, u32 size, u32 flags, u64 rip, u64 rbp)
{
	struct task *t = current;
	u64 bit, state, before, free = ~atomic64_read(&used);
	struct watch *w;

	left[cpu_id()] = SAMPLE / 2 + (int)(next_random() % SAMPLE);
	if (t->kcsan_busy || !free || !is_memory(address))
		return;
	bit = free & -free;
	if (atomic64_fetch_or(&used, bit) & bit)
		return;
	t->kcsan_busy = true;
	w = &watches[__builtin_ctzl(bit)];
	fill_access(&w->mine, address, size, flags);
	w->told = 0;
	state = ((atomic64_read(&w->state) >> 2) + 1) << 2 | WATCHING;
	before = value_at(address, size);
	atomic64_xchg(&w->state, state);
	atomic64_fetch_or(&active, bit);
	delay();
	atomic64_fetch_and(&active, ~bit);
	if (!atomic64_cmpxchg(&w->state, &state, state & ~WATCHING)) {
		while (!smp_load_acquire(&w->told))
			barrier();
		fill_details(&w->mine, rip, rbp);
		report(w, before, value_at(address, size));
		atomic64_set(&w->state, state & ~(WATCHING | HIT));
	}
	t->kcsan_busy = false;
	atomic64_fetch_and(&used, ~bit);
}

/* --- the log --- */

static void print_access(const struct access *a)
{
	char name[80];

	printk("kcsan:   %s%s of %u bytes by %s(%d) on CPU %d%s\n", a->flags & MARKED ? "marked " : "", a->flags & WRITE ? "write" : "read", a->size, a->name, a->tid,
	       a->cpu, a->irq_depth ? " in an interrupt" : "");
	for (int i = 0; i < a->nr_callers; i++) {
		symbol_name((void *)a->callers[i], name, sizeof(name));
		printk("kcsan:     %s\n", name);
	}
	for (int i = 0; i < a->nr_held; i++) {
		symbol_name(a->held[i].taken_at, name, sizeof(name));
		printk("kcsan:     holds %s, taken at %s\n", a->held[i].name, name);
	}
}

void kcsan_flush(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(reports); i++) {
		struct report *r = &reports[i];
		char a[80], b[80];

		if (!smp_load_acquire(&r->ready))
			continue;
		symbol_name((void *)r->a.callers[0], a, sizeof(a));
		symbol_name((void *)r->b.callers[0], b, sizeof(b));
		printk("kcsan: data race between %s and %s at %lx, value %lx to %lx\n", a, b, r->a.address, r->before, r->after);
		print_access(&r->a);
		print_access(&r->b);
		smp_store_release(&r->ready, 0);
	}
}

static void kcsan_thread(void *arg)
{
	for (;;) {
		sleep_until_ns(ktime_ns() + 100000000, WAIT_UNINTERRUPTIBLE);
		kcsan_flush();
	}
}

void kcsan_start(void)
{
	if (!kthread_start("kcsan", kcsan_thread, NULL))
		printk("kcsan: no memory to start it\n");
	WRITE_ONCE(on, true);
}

/* --- what the compiler calls --- */

static inline __attribute__((always_inline)) void check(const volatile void *p, u32 size, u32 flags, u64 rip, u64 rbp)
{
	u64 mask;

	if (unlikely(!on))
		return;
	mask = atomic64_read(&active);
	if (unlikely(mask))
		meet(mask, (u64)p, size, flags, rip, rbp);
	if (unlikely(--left[cpu_id()] <= 0))
		watch((u64)p, size, flags, rip, rbp);
}

#define CHECK(p, size, flags) check((p), (size), (flags), (u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0))

#define HOOK(name, size, flags) \
	void __tsan_##name(void *p); \
	void __tsan_##name(void *p) { CHECK(p, size, flags); }
#define HOOKS(size) \
	HOOK(read##size, size, 0) HOOK(write##size, size, WRITE) HOOK(unaligned_read##size, size, 0) HOOK(unaligned_write##size, size, WRITE) \
	HOOK(volatile_read##size, size, MARKED) HOOK(volatile_write##size, size, MARKED | WRITE) \
	HOOK(unaligned_volatile_read##size, size, MARKED) HOOK(unaligned_volatile_write##size, size, MARKED | WRITE)
HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

void __tsan_read_range(void *p, u64 size);
void __tsan_write_range(void *p, u64 size);
void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_read_range(void *p, u64 size) { CHECK(p, (u32)size, 0); }
void __tsan_write_range(void *p, u64 size) { CHECK(p, (u32)size, WRITE); }
void __tsan_init(void) { }
void __tsan_func_entry(void *caller) { }
void __tsan_func_exit(void) { }

/* Atomic operations arrive here as calls as a whole. */
#define ATOMIC_OP(bits, name) \
	u##bits __tsan_atomic##bits##_##name(volatile u##bits *p, u##bits v, int order); \
	u##bits __tsan_atomic##bits##_##name(volatile u##bits *p, u##bits v, int order) \
	{ \
		CHECK(p, bits / 8, MARKED | WRITE); \
		return __atomic_##name(p, v, __ATOMIC_SEQ_CST); \
	}
#define ATOMIC_CAS(bits, name) \
	int __tsan_atomic##bits##_compare_exchange_##name(volatile u##bits *p, u##bits *old, u##bits v, int order, int failed); \
	int __tsan_atomic##bits##_compare_exchange_##name(volatile u##bits *p, u##bits *old, u##bits v, int order, int failed) \
	{ \
		CHECK(p, bits / 8, MARKED | WRITE); \
		return __atomic_compare_exchange_n(p, old, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
	}
#define ATOMICS(bits) \
	u##bits __tsan_atomic##bits##_load(const volatile u##bits *p, int order); \
	u##bits __tsan_atomic##bits##_load(const volatile u##bits *p, int order) { CHECK(p, bits / 8, MARKED); return __atomic_load_n(p, __ATOMIC_ACQUIRE); } \
	void __tsan_atomic##bits##_store(volatile u##bits *p, u##bits v, int order); \
	void __tsan_atomic##bits##_store(volatile u##bits *p, u##bits v, int order) \
	{ \
		CHECK(p, bits / 8, MARKED | WRITE); \
		if (order == __ATOMIC_SEQ_CST) \
			__atomic_store_n(p, v, __ATOMIC_SEQ_CST); \
		else \
			__atomic_store_n(p, v, __ATOMIC_RELEASE); \
	} \
	u##bits __tsan_atomic##bits##_exchange(volatile u##bits *p, u##bits v, int order); \
	u##bits __tsan_atomic##bits##_exchange(volatile u##bits *p, u##bits v, int order) \
	{ \
		CHECK(p, bits / 8, MARKED | WRITE); \
		return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); \
	} \
	ATOMIC_OP(bits, fetch_add) ATOMIC_OP(bits, fetch_sub) ATOMIC_OP(bits, fetch_and) ATOMIC_OP(bits, fetch_or) ATOMIC_OP(bits, fetch_xor) \
	ATOMIC_CAS(bits, strong) ATOMIC_CAS(bits, weak)
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_thread_fence(int order) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int order) { barrier(); }
