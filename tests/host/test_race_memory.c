/* Interleavings of faults with other faults and with what changes the address space: munmap, mprotect, fork, pins (race.h). */
#include "race.h"
#include "mm/syscalls.h"

/* --- two faults on one page, one address space --- */
static void storer_a(void *arg) { for (unsigned p = 0; p < 8; p++) CHECK_EQ(user_store(BASE + (1 << 20) + p * PAGE_SIZE, p + 1), 0); }
static void storer_b(void *arg)
{
	u64 v;
	for (unsigned p = 0; p < 8; p++) {
		CHECK_EQ(user_load(BASE + (1 << 20) + p * PAGE_SIZE, &v), 0);
		CHECK(v == 0 || v == p + 1);
		CHECK_EQ(user_store(BASE + (1 << 20) + p * PAGE_SIZE + 8, p + 100), 0);
	}
}
static void finish_two_faults(void)
{
	u64 a, b;
	for (unsigned p = 0; p < 8; p++) {
		user_load(BASE + (1 << 20) + p * PAGE_SIZE, &a);
		user_load(BASE + (1 << 20) + p * PAGE_SIZE + 8, &b);
		if (a != p + 1 || b != p + 100) {
			host_fail("page %u: %lu %lu", p, (unsigned long)a, (unsigned long)b);
		}
	}
	finish_one();
}
TEST(race_two_faults, "two tasks fault the same pages: no store is lost, no page leaks")
{
	void (*const fn[])(void *) = { storer_a, storer_b };
	explore(1200, 2, fn, setup_one, finish_two_faults);
}

/* --- address space changes against faults --- */
static void mapper(void *arg)
{
	vaddr_t at = BASE + (1 << 20);
	for (unsigned i = 0; i < 6; i++) {
		switch (host_random(4)) {
		case 0:
			CHECK_EQ(mm_unmap(mm, at, 4 * PAGE_SIZE), 0);
			tlb_check(false);
			CHECK_EQ(map_anon(at, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), at);
			break;
		case 1:
			CHECK_EQ(sys_mprotect(at + PAGE_SIZE, 2 * PAGE_SIZE, PROT_READ), 0);
			CHECK_EQ(sys_mprotect(at + PAGE_SIZE, 2 * PAGE_SIZE, RW), 0);
			break;
		case 2:
			CHECK_EQ(sys_madvise(at, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
			break;
		default:
			CHECK_EQ(mm_unmap(mm, BASE + PAGE_SIZE, PAGE_SIZE), 0);
			CHECK_EQ(hfile_mmap(f, BASE + PAGE_SIZE, PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 1), BASE + PAGE_SIZE);
		}
	}
}
static void random_access(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 15; i++) {
		vaddr_t va = (host_random(2) ? BASE : BASE + (1 << 20)) + host_random(4) * PAGE_SIZE + 512;
		int sig = host_random(2) ? user_load(va, &v) : user_store(va, va < BASE + (1 << 20) ? 0x0101010101010101UL * ((va - BASE) / PAGE_SIZE + 1) : va);
		CHECK(sig == 0 || sig == SIGSEGV);
	}
}
TEST(race_map_fault, "INV-S2: munmap, mprotect, DONTNEED and mmap against faults of other threads of the process")
{
	void (*const fn[])(void *) = { random_access, mapper, random_access };
	explore(1200, 3, fn, setup_one, finish_one);
}

#define LEAF (8UL << 20)	/* from BASE: a leaf of its own */
static void setup_leaf(void)
{
	mm = proc_create();
	map_anon(BASE + LEAF, 512 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 200; i++)	/* more than a CPU keeps when they are freed */
		CHECK_EQ(user_store(BASE + LEAF + i * PAGE_SIZE, i), 0);
}
static void finish_leaf(void)
{
	check_all();
	proc_exit(mm);
	check_all();
}
static void leaf_unmapper(void *arg)
{
	CHECK_EQ(mm_unmap(mm, BASE + LEAF, 512 * PAGE_SIZE), 0);
	tlb_check(false);
}
static void leaf_toucher(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 12; i++) {
		vaddr_t va = BASE + LEAF + host_random(200) * PAGE_SIZE + 512;
		int sig = host_random(2) ? user_load(va, &v) : user_store(va, va);
		CHECK(sig == 0 || sig == SIGSEGV);
	}
}
TEST(race_unmap_leaf, "INV-S2 S5: a leaf is taken away with all that it has against accesses of other threads")
{
	void (*const fn[])(void *) = { leaf_toucher, leaf_unmapper, leaf_toucher };
	explore(2000, 3, fn, setup_leaf, finish_leaf);
}

/* --- fork against stores and pins of another thread --- */
static struct mm *forked;
static void forker(void *arg)
{
	forked = proc_fork();
	CHECK(forked);
}
static void storing(void *arg)
{
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQ(user_store(BASE + (1 << 20) + (i & 1) * PAGE_SIZE, i + 1), 0);
}
static void pinner(void *arg)
{
	struct page *p;
	CHECK_EQ(pin_user_pages(BASE + (1 << 20), 1, PIN_WRITE, &p), 1);
	CHECK_EQ(own_holders(p->own.v), 1);
	for (unsigned i = 0; i < 8; i++) {
		sched_yield_cpu();
		if (own_holders(p->own.v) != 1 || entry_page(mm_entry(mm, BASE + (1 << 20))) != p) {
			host_fail("INV-G1: the pinned page is no longer the one mapped");
		}
	}
	*(u64 *)((u8 *)page_address(p) + 64) = 0xd3a;		/* DMA */
	u64 v;
	CHECK_EQ(user_load(BASE + (1 << 20) + 64, &v), 0);
	CHECK_EQ(v, 0xd3a);
	page_unpin_exclusive(p);
}
static void setup_fork(void)
{
	setup_one();
	CHECK_EQ(user_store(BASE + (1 << 20), 0), 0);
}
static void finish_fork(void)
{
	u64 v, w;
	check_all();
	proc_run(forked);
	CHECK_EQ(user_load(BASE + (1 << 20), &v), 0);
	CHECK(v <= 6);
	proc_run(mm);
	CHECK_EQ(user_store(BASE + (1 << 20), 0x1234), 0);
	proc_run(forked);
	CHECK_EQ(user_load(BASE + (1 << 20), &w), 0);
	if (v != w) {
		host_fail("the child saw the parent's later store");
	}
	proc_exit(forked);
	proc_run(mm);
	finish_one();
}
TEST(race_fork_pin, "INV-D1 G1: fork, stores and a write pin by three threads: pinned page stays, child sees one moment")
{
	void (*const fn[])(void *) = { forker, storing, pinner };
	explore(1600, 3, fn, setup_fork, finish_fork);
}

/* --- tables that go away --- */
static void region_user(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 200; i++)	/* more than a CPU keeps when they are freed */ {
		int sig = user_load(BASE + (4UL << 21), &v);
		CHECK(sig == 0 || sig == SIGSEGV);
		host_preempt("program");	/* between two of its instructions */
		sig = user_store(BASE + (4UL << 21), i);
		CHECK(sig == 0 || sig == SIGSEGV);
		host_preempt("program");
	}
}
static void region_mapper(void *arg)
{
	for (unsigned i = 0; i < 5; i++) {
		CHECK_EQ(map_anon(BASE + (4UL << 21), 1UL << 21, RW, MAP_PRIVATE | MAP_FIXED), BASE + (4UL << 21));
		sched_yield_cpu();
		CHECK_EQ(mm_unmap(mm, BASE + (4UL << 21), 1UL << 21), 0);
		tlb_check(false);
		struct page *p = page_alloc(0, PA_ZERO);	/* perhaps what was the table */
		memset(page_address(p), 0xff, PAGE_SIZE);
		sched_yield_cpu();
		page_put(p);
	}
}
TEST(race_unmap_tables, "INV-S5 S6: a leaf table is freed only after the paging-structure caches have forgotten it")
{
	void (*const fn[])(void *) = { region_user, region_mapper };
	explore(1000, 2, fn, setup_one, finish_one);
}
