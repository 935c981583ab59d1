/*
 * Address spaces on several CPUs: mm/shootdown.c in every schedule with a bounded number of preemptions, with a TLB for each CPU
 * and stores that stay in store buffers (MECHANISMS.md, INV-S2 to S5).
 */
#include "host.h"
#include "mm/syscalls.h"

#define ANON 0x30100000UL
#define RW (PROT_READ | PROT_WRITE)
#define ELSEWHERE 30		/* a CPU that nobody uses */

static struct mm *mm;
static bool unmapped;

static void setup_cpus(void)
{
	mm = proc_create();
	CHECK_EQ(map_anon(ANON, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), ANON);
	CHECK_EQ(user_store(ANON, 1), 0);
	proc_run(NULL);			/* the test's CPU has no part in it */
	host_tso = host_speculates = true;
	unmapped = false;
}
static void setup_pcids(void)
{
	cpu_features.pcid = true;
	setup_cpus();
}
static void finish_cpus(void)
{
	host_tso = false;
	proc_run(mm);
	check_all();
	CHECK_EQ(atomic64_read(&mm->cpus), BIT(cpu_id()));
	proc_exit(mm);
	check_all();
}

static void load(void)
{
	u64 v;
	int sig = user_load(ANON, &v);
	if (!(sig == SIGSEGV || (sig == 0 && (v == 1 || v == 0))))
		host_fail("a load gave %lx, signal %d", (unsigned long)v, sig);
}
static void unmap_and_reuse(void *arg)
{
	proc_run(mm);
	CHECK_EQ(mm_unmap(mm, ANON, 4 * PAGE_SIZE), 0);
	unmapped = true;
	tlb_check(false);
	struct page *p = page_alloc(0, 0);		/* perhaps the same frame */
	memset(page_address(p), 0xff, PAGE_SIZE);
	host_preempt("reused");
	page_put(p);
}
/* No table goes, so that no lock is taken between the entries and the flush. */
static void forget_and_reuse(void *arg)
{
	proc_run(mm);
	CHECK_EQ(sys_madvise(ANON, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
	tlb_check(false);
}
static void come_and_load(void *arg)
{
	proc_run(mm);
	load();
}
static void load_and_come_back(void *arg)
{
	proc_run(mm);
	load();
	proc_run(NULL);
	proc_run(mm);
	load();
	while (!unmapped)		/* keep what we have until then */
		sched_yield_cpu();
	load();
}
static void load_and_move(void *arg)
{
	proc_run(mm);
	load();
	host_run_on(ELSEWHERE);
	load();
}
/* A whole leaf table goes: what the paging-structure caches have of it must be gone before it is used for something else (INV-S5). */
#define REGION 0x40000000UL
static void setup_region(void)
{
	setup_cpus();
	proc_run(mm);
	CHECK_EQ(map_anon(REGION, 1UL << 21, RW, MAP_PRIVATE | MAP_FIXED), REGION);
	CHECK_EQ(user_store(REGION, 1), 0);
	proc_run(NULL);
}
static void load_region(void *arg)
{
	u64 v;
	proc_run(mm);
	for (unsigned i = 0; i < 3; i++) {
		int sig = user_load(REGION + i * PAGE_SIZE, &v);
		CHECK(sig == SIGSEGV || (sig == 0 && v <= 1));
		host_preempt("program");
	}
}
static void unmap_region(void *arg)
{
	proc_run(mm);
	CHECK_EQ(mm_unmap(mm, REGION, 1UL << 21), 0);
	tlb_check(false);
}

/* Copy-on-write on one CPU, loads on another: both must see one page. */
static struct mm *child;
static bool stored;
static void setup_shared(void)
{
	stored = false;
	setup_cpus();
	proc_run(mm);
	child = proc_fork();
	proc_run(NULL);
}
static void finish_shared(void)
{
	u64 v;
	host_tso = false;
	proc_run(child);
	CHECK_EQ(user_load(ANON, &v), 0);
	CHECK_EQ(v, 1);
	proc_exit(child);
	finish_cpus();
}
static void store_cow(void *arg)
{
	proc_run(mm);
	CHECK_EQ(user_store(ANON, 2), 0);
	stored = true;
}
static void load_cow(void *arg)
{
	u64 v;
	proc_run(mm);
	for (unsigned i = 0; i < 2; i++) {
		bool after = stored;
		CHECK_EQ(user_load(ANON, &v), 0);
		CHECK(v == 2 || (!after && v == 1));
		host_preempt("again");
	}
}

ALL(mask_load, 2, "INV-S3: a CPU takes an address space on while another unmaps: the flush asks it, or it finds nothing",
    setup_cpus, finish_cpus, NULL, unmap_and_reuse, come_and_load)
ALL(mask_forget, 2, "the same with MADV_DONTNEED",
    setup_cpus, finish_cpus, NULL, forget_and_reuse, come_and_load)
ALL(mask_pcid, 2, "the same with PCIDs: what a CPU kept while it ran something else is good only if nothing was flushed meanwhile",
    setup_pcids, finish_cpus, NULL, unmap_and_reuse, load_and_come_back)
ALL(mask_move, 1, "a thread moves to another CPU while one unmaps",
    setup_cpus, finish_cpus, NULL, unmap_and_reuse, load_and_move)
ALL(mask_move_pcid, 1, "the same with PCIDs",
    setup_pcids, finish_cpus, NULL, unmap_and_reuse, load_and_move)
ALL(mask_table, 1, "INV-S5: a leaf table is freed only after every CPU's paging-structure caches have forgotten it",
    setup_region, finish_cpus, NULL, unmap_region, load_region)
ALL(mask_cow, 2, "INV-S2: copy-on-write on one CPU: none reads the old page after a store to the new one",
    setup_shared, finish_shared, NULL, store_cow, load_cow)
ALL(mask_cow_two, 1, "the same with two CPUs that store",
    setup_shared, finish_shared, NULL, store_cow, store_cow, load_cow)
