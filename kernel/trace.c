/*
 * Trace points (kernel/trace.h): the rings, their readers, and what switches events on.
 *
 * A writer takes a number from its CPU's counter by one atomic addition and writes the record of that number. The record's own copy of the
 * number is 0 while it is written: a reader believes a record only if it finds the number that it looks for before and after it
 * has copied it. A writer that is interrupted, or migrates, in between only makes that one record late.
 */
#include "kernel/trace.h"

#include "kernel/cmdline.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/syscall.h"
#include "mm/page.h"

#define RING_ORDER 6
#define TRACE_RECORDS ((PAGE_SIZE << RING_ORDER) / sizeof(struct trace_entry))

struct trace_entry {
	u64 number;			/* of the record + 1; 0: being written */
	u64 tsc;
	u32 tid;
	u32 event;
	u64 args[3];
	char name[16];
};
_Static_assert(sizeof(struct trace_entry) == 64, "one cache line");

u32 trace_mask;

static struct trace_ring {
	struct trace_entry *entries;	/* set once, before the first event is switched on */
	atomic64_t next;
	u64 first;			/* records before are forgotten ("clear") */
} rings[NR_CPUS];

/* What the three arguments are: x hexadecimal, u and d decimal, f a function of the kernel, s a system call; NULL: none. */
static const struct {
	const char *name;
	const char *args[3];
} events[NR_TRACE] = {
	[TRACE_FAULT] = { "fault", { "xaddress", "xerror", "xrip" } },
	[TRACE_LOCK] = { "lock", { "xmapping", "uindex", "uwaited_ns" } },
	[TRACE_WAIT] = { "wait", { "xmapping", "uindex", "uwaited_ns" } },
	[TRACE_UNLOCK] = { "unlock", { "xmapping", "uindex", "xset" } },
	[TRACE_SHORT] = { "short", { "xuser", "umissing", "uwrite" } },
	[TRACE_FIXUP] = { "fixup", { "frip", "fto" } },
	[TRACE_COW] = { "cow", { "xaddress", "xpfn", "xcopy" } },
	[TRACE_SHARE] = { "share", { "xaddress", "xpfn", "uholders" } },
	[TRACE_LOAN] = { "loan", { "xaddress", "uindex", "upages" } },
	[TRACE_ATTACH] = { "attach", { "xaddress", "xmapping", "uindex" } },
	[TRACE_FLUSH] = { "flush", { "xstart", "xend" } },
	[TRACE_SWITCH] = { "switch", { "dto", "ustate", "upreempted" } },
	[TRACE_SYSCALL] = { "syscall", { "scall", "xfirst", "xsecond" } },
	[TRACE_SYSRET] = { "sysret", { "scall", "dresult" } },
};

void trace_calls_slow(bool on)
{
	if (on)
		__atomic_fetch_or(&trace_mask, TRACE_CALLS_SLOW, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&trace_mask, ~TRACE_CALLS_SLOW, __ATOMIC_RELAXED);
}

const char *trace_name(int event) { return event < NR_TRACE ? events[event].name : NULL; }

/* --- writing --- */

void trace_record(enum trace_event event, u64 a, u64 b, u64 c)
{
	struct trace_ring *ring = &rings[this_cpu()->id];
	struct trace_entry *e = smp_load_acquire(&ring->entries);
	const struct task *t = current;
	u64 number;

	if (!e)
		return;
	number = atomic64_add_return(&ring->next, 1);
	e += (number - 1) % TRACE_RECORDS;
	WRITE_ONCE(e->number, 0);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	e->tsc = rdtsc();
	e->tid = (u32)t->tid;
	e->event = event;
	e->args[0] = a;
	e->args[1] = b;
	e->args[2] = c;
	memcpy(e->name, t->name, sizeof(e->name));
	smp_store_release(&e->number, number);
}

/* --- switching on and off --- */

/* The rings stay: a record may be on its way into them for as long as the machine runs. */
static int make_rings(void)
{
	for (int cpu = 0; cpu < nr_cpus_online; cpu++) {
		struct trace_entry *none = NULL;
		struct page *page;

		if (READ_ONCE(rings[cpu].entries))
			continue;
		page = page_alloc(RING_ORDER, PA_ZERO);
		if (!page)
			return -ENOMEM;
		if (!__atomic_compare_exchange_n(&rings[cpu].entries, &none, (struct trace_entry *)page_address(page), false, __ATOMIC_ACQ_REL,
						 __ATOMIC_RELAXED))
			page_put(page);		/* somebody else was faster */
	}
	return 0;
}

static void clear(void)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		WRITE_ONCE(rings[cpu].first, atomic64_read(&rings[cpu].next));
}

static int word(const char *w)
{
	bool off = *w == '-';
	u32 bits = 0;
	int error = 0;

	if (!strcmp(w, "clear")) {
		clear();
		return 0;
	}
	w += off || *w == '+';
	if (!strcmp(w, "0") || !strcmp(w, "1") || !strcmp(w, "all"))
		bits = (1U << NR_TRACE) - 1;
	off |= !strcmp(w, "0");
	for (int i = 0; i < NR_TRACE; i++)
		if (!strcmp(w, events[i].name))
			bits = 1U << i;
	if (!bits)
		return -EINVAL;
	if (!off)
		error = make_rings();
	if (error)
		return error;
	if (off)
		__atomic_fetch_and(&trace_mask, ~bits, __ATOMIC_RELAXED);
	else
		__atomic_fetch_or(&trace_mask, bits, __ATOMIC_RELAXED);
	return 0;
}

int trace_command(char *text)
{
	int error = 0;

	while (*text && !error) {
		char *end = text;

		while (*end && !strchr(", \t\n", *end))
			end++;
		bool last = !*end;
		*end = 0;
		if (*text)
			error = word(text);
		text = last ? end : end + 1;
	}
	return error;
}

void trace_init(void)
{
	char words[128];

	if (cmdline_get("trace", words, sizeof(words)) && trace_command(words))
		printk("<4>trace=: an unknown event, or no memory\n");
}

/* --- reading --- */

/* Record `number` (counted from 1), if it is whole and not overwritten. */
static bool copy_entry(const struct trace_ring *ring, u64 number, struct trace_entry *out)
{
	const struct trace_entry *e = &ring->entries[(number - 1) % TRACE_RECORDS];

	if (smp_load_acquire(&e->number) != number)
		return false;
	*out = *e;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return READ_ONCE(e->number) == number;
}

/* The first whole record of the CPU that is at `*number` or later. */
static bool peek(int cpu, u64 *number, struct trace_entry *out)
{
	const struct trace_ring *ring = &rings[cpu];
	u64 end = atomic64_read(&ring->next), oldest = end > TRACE_RECORDS ? end - TRACE_RECORDS : 0;

	if (!READ_ONCE(ring->entries))
		return false;
	oldest = max(oldest, READ_ONCE(ring->first));
	*number = max(*number, oldest + 1);
	for (; *number <= end; (*number)++)
		if (copy_entry(ring, *number, out))
			return true;
	return false;
}

static int add_arg(char *to, size_t size, const char *what, u64 value)
{
	char name[80];

	switch (what[0]) {
	case 'x': return ksnprintf(to, size, " %s=%lx", what + 1, value);
	case 'd': return ksnprintf(to, size, " %s=%ld", what + 1, (s64)value);
	case 's': return ksnprintf(to, size, " %s", syscall_name(value));
	case 'f':
		symbol_name((const void *)value, name, sizeof(name));
		return ksnprintf(to, size, " %s=%s", what + 1, name);
	}
	return ksnprintf(to, size, " %s=%lu", what + 1, value);
}

static void format(const struct trace_entry *e, int cpu, char *to, size_t size)
{
	u64 ns = clock_tsc_ns(e->tsc);
	int n = ksnprintf(to, size, "[%5lu.%09lu] %d %.15s[%u] %s", ns / 1000000000, ns % 1000000000, cpu, e->name, e->tid, events[e->event].name);

	for (int i = 0; i < 3 && n < (int)size - 1 && events[e->event].args[i]; i++)
		n += add_arg(to + n, size - (size_t)n, events[e->event].args[i], e->args[i]);
	n = min(n, (int)size - 2);
	to[n] = '\n';
	to[n + 1] = 0;
}

bool trace_next(struct trace_line *line)
{
	struct trace_entry e, best = { 0 };
	int from = -1;

	_Static_assert(ARRAY_SIZE(line->next) >= NR_CPUS, "one position for each CPU");
	for (int cpu = 0; cpu < NR_CPUS; cpu++)
		if (peek(cpu, &line->next[cpu], &e) && (from < 0 || e.tsc < best.tsc)) {
			best = e;
			from = cpu;
		}
	if (from < 0)
		return false;
	line->next[from]++;
	line->tsc = best.tsc;
	format(&best, from, line->text, sizeof(line->text));
	return true;
}

void trace_skip_to_last(struct trace_line *line, u64 nr)
{
	for (int cpu = 0; cpu < NR_CPUS; cpu++) {
		u64 end = atomic64_read(&rings[cpu].next);
		line->next[cpu] = end > nr ? end - nr + 1 : 1;
	}
}
