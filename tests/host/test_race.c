/*
 * Interleavings: two or three tasks, switched at random before every lock, unlock and atomic operation. Each test
 * tries many schedules (seed=N runs one; schedules=N sets how many); a failure names its seed.
 */
#include "host.h"
#include "mm/reclaim.h"
#include "mm/switches.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define BASE 0x30000000UL
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 6

static struct hfile *f, *g;
static struct mm *mm;
static unsigned fixed_rate;		/* 0: a rate that varies with the seed */
static u8 text[PAGES * PAGE_SIZE];

/* A new file of PAGES pages, byte i of page p = p + 1 everywhere; nothing cached. */
static struct hfile *marked(const char *name)
{
	for (unsigned p = 0; p < PAGES; p++)
		memset(text + p * PAGE_SIZE, p + 1, PAGE_SIZE);
	return hfile_create(name, 64 * PAGE_SIZE, text, sizeof(text));
}

/* Run fn[0..n-1] together under many random schedules; setup before and finish after each. */
static void explore(unsigned schedules, unsigned n, void (*const fn[])(void *), void (*setup)(void), void (*finish)(void))
{
	struct scenario s = { .setup = setup, .finish = finish, .mm = &mm, .rate = fixed_rate, .pct = !fixed_rate };
	memcpy(s.fn, fn, n * sizeof(fn[0]));
	explore_random(&s, schedules);
}

static void setup_one(void)
{
	mm = proc_create();
	f = marked("f");
	CHECK_EQ(hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	map_anon(BASE + (1 << 20), 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
}
static void finish_one(void)
{
	check_all();
	proc_exit(mm);
	CHECK_EQ(hfile_sync(f), 0);
	check_all();
	for (u64 i = 0; i < (u64)f->inode.mapping.size; i++) {
		u8 c;
		if (i % 512 == 0) {
			CHECK_EQ(hfile_pread(f, &c, 1, i), 1);
			if ((f->block_state[i >> 12] ? f->disk[i] : 0) != c) {
				host_fail("byte %lu: disk %02x, cache %02x", (unsigned long)i, f->disk[i], c);
			}
		}
	}
	hfile_destroy(f);
	check_all();
}

/* --- fault against truncate --- */
static void toucher(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 12; i++) {
		unsigned p = host_random(PAGES);
		int sig = host_random(2) ? user_load(BASE + p * PAGE_SIZE, &v) : (v = 0, user_store(BASE + p * PAGE_SIZE + 2048, 0x0101010101010101UL * (p + 1)));
		CHECK(sig == 0 || sig == SIGBUS);
		for (unsigned k = 0; !sig && k < 64; k += 8)	/* a truncate may cut the word */
			CHECK((v >> k & 255) == 0 || (v >> k & 255) == p + 1);
	}
}
static void truncater(void *arg)
{
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(hfile_truncate(f, host_random(PAGES * PAGE_SIZE)), 0);
		tlb_check(false);
		CHECK_EQ(hfile_truncate(f, PAGES * PAGE_SIZE), 0);
	}
}
TEST(race_fault_truncate, "INV-T1 T2 T6: faults against a truncate loop: old data, zeroes or SIGBUS; nothing stays mapped")
{
	void (*const fn[])(void *) = { toucher, truncater, toucher };
	explore(1600, 3, fn, setup_one, finish_one);
}

/* --- fault against holes --- */
static void puncher(void *arg)
{
	for (unsigned i = 0; i < 6; i++) {
		loff_t start = host_random(PAGES * PAGE_SIZE);
		CHECK_EQ(hfile_punch(f, start, start + host_random(3 * PAGE_SIZE)), 0);
		tlb_check(false);
		if (host_random(2))
			CHECK_EQ(hfile_sync(f), 0);
	}
}
TEST(race_fault_punch, "PC2 PC4: faults against holes and writeback: old data or zeroes; nothing stays mapped, nothing is written without a block")
{
	void (*const fn[])(void *) = { toucher, puncher, toucher };
	explore(1200, 3, fn, setup_one, finish_one);
}

/* --- write against writeback --- */
static void writer(void *arg)
{
	u8 buf[3000];
	for (unsigned i = 0; i < 6; i++) {
		unsigned p = host_random(PAGES);
		memset(buf, p + 1, sizeof(buf));
		CHECK_EQ(hfile_pwrite(f, buf, sizeof(buf), p * PAGE_SIZE + host_random(1000)), (ssize_t)sizeof(buf));
	}
	for (unsigned i = 0; i < 3; i++) {
		unsigned p = host_random(PAGES);
		CHECK_EQ(hfile_pwrite(f, text + p * PAGE_SIZE, PAGE_SIZE, p * PAGE_SIZE), PAGE_SIZE);
	}
}
static void syncer(void *arg)
{
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(hfile_sync(f), 0);
}
TEST(race_write_writeback, "PC4: writes and mapped stores against writeback: pages under I/O do not change, nothing is lost")
{
	void (*const fn[])(void *) = { writer, syncer, toucher };
	explore(1200, 3, fn, setup_one, finish_one);
}

static void write_and_sync(void *arg)
{
	u8 buf[200];
	for (unsigned i = 0; i < 5; i++) {
		memset(buf, 0x10 * i + current->tid, sizeof(buf));
		CHECK_EQ(hfile_pwrite(f, buf, sizeof(buf), PAGE_SIZE + 500), (ssize_t)sizeof(buf));
		CHECK_EQ(hfile_sync(f), 0);
	}
}
TEST(race_write_again, "FOREST W1: three who write a page and sync: it is not written again before its last write has ended, and the last one stays")
{
	void (*const fn[])(void *) = { write_and_sync, write_and_sync, write_and_sync };
	explore(400, 3, fn, setup_one, finish_one);
}

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

/* --- readers during writes --- */
static void reader(void *arg)
{
	static u8 buf[4][2 * PAGE_SIZE];
	u8 *b = buf[current->tid & 3];
	for (unsigned i = 0; i < 6; i++) {
		unsigned p = host_random(PAGES - 1);
		CHECK_EQ(hfile_pread(f, b, 2 * PAGE_SIZE, p * PAGE_SIZE), 2 * PAGE_SIZE);
		for (unsigned k = 0; k < 2 * PAGE_SIZE; k += 7) {
			u8 own = p + k / PAGE_SIZE + 1;
			if (b[k] != own && b[k] != own + 0x80) {
				host_fail("INV-W3: a reader saw %02x", b[k]);
			}
		}
	}
}
static void rewriter(void *arg)
{
	for (unsigned i = 0; i < 4; i++) {
		unsigned p = host_random(PAGES);
		u64 src = BASE + (1 << 20);
		u8 bytes[PAGE_SIZE];
		memset(bytes, p + 1 + 0x80, sizeof(bytes));
		CHECK_EQ(user_access(src, bytes, PAGE_SIZE, true), 0);
		u64 n = host_random(2) ? PAGE_SIZE : 1000, off = n == PAGE_SIZE ? 0 : 500;
		CHECK_EQ(hfile_pwrite_user(f, src, n, p * PAGE_SIZE + off), n);
	}
}
TEST(race_read_write, "INV-W3: a reader sees old or new bytes, never zeroes or garbage, also while pages are read, swapped and written back")
{
	void (*const fn[])(void *) = { reader, rewriter, syncer };
	explore(800, 3, fn, setup_one, finish_one);
}
static void reclaimer(void *arg)
{
	for (unsigned i = 0; i < 6; i++) {
		reclaim_pages(4);
		sched_yield_cpu();
	}
}
TEST(race_reclaim, "reclaim against readers, writers and writeback: contents survive")
{
	void (*const fn[])(void *) = { reader, rewriter, reclaimer, syncer };
	explore(800, 4, fn, setup_one, finish_one);
}
TEST(race_reclaim_mapped, "reclaim against mapped access: contents survive, no stale translation")
{
	void (*const fn[])(void *) = { toucher, reclaimer, syncer, toucher };
	explore(800, 4, fn, setup_one, finish_one);
}

/* --- the deadlock of sources 001 and 002 --- */
static void setup_self(void)
{
	mm = proc_create();
	f = marked("f");
	g = marked("g");
	hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	hfile_mmap(g, BASE + (1 << 20), PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
}
static void finish_self(void)
{
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
	hfile_destroy(g);
	check_all();
}
static const u64 froms[] = { 0, 0, 100, 4000, PAGE_SIZE - 1 }, lens[] = { PAGE_SIZE, 1000, 3000, 2 * PAGE_SIZE, 2 };
static void write_f_from_g(void *arg)
{
	unsigned k = host_random(5);
	CHECK_EQ(hfile_pwrite_user(f, BASE + (1 << 20) + froms[k], lens[k], froms[k]), lens[k]);
}
static void write_g_from_f(void *arg)
{
	unsigned k = host_random(5);
	CHECK_EQ(hfile_pwrite_user(g, BASE + froms[k], lens[k], froms[k]), lens[k]);
}
static void write_f_from_f(void *arg)
{
	unsigned k = host_random(5);
	CHECK_EQ(hfile_pwrite_user(f, BASE + froms[k], lens[k], froms[k]), lens[k]);
}
TEST(race_write_own_mapping, "INV-W1: write() from a mapping of the page written, same page and straddling, never deadlocks")
{
	void (*const fn[])(void *) = { write_f_from_f, toucher };
	explore(1200, 2, fn, setup_self, finish_self);
}
TEST(race_write_crossed, "INV-W1: A writes f from g while B writes g from f, with a truncate of neither: never deadlocks")
{
	void (*const fn[])(void *) = { write_f_from_g, write_g_from_f };
	explore(1200, 2, fn, setup_self, finish_self);
}
static void found(void)
{
	sys_printf("deadlock found with atomic_copy=0 in schedule %lu\n", host_schedules);
	sys_exit(0);
}
TEST(race_atomic_copy_matters, "the same with atomic_copy=0 (kernels before 2002) must be found to deadlock")
{
	host_on_deadlock = found;
	host_lenient_faults = true;		/* the old way sleeps in faults with the page lock held */
	switch_atomic_copy = false;
	void (*const fn[])(void *) = { write_f_from_f };
	explore(50, 1, fn, setup_self, finish_self);
	host_fail("no deadlock in 50 schedules: the test of the deadlock tests nothing");
}
TEST(race_atomic_copy_crossed, "crossed between two files with atomic_copy=0: found to deadlock as well")
{
	host_on_deadlock = found;
	host_lenient_faults = true;
	switch_atomic_copy = false;
	void (*const fn[])(void *) = { write_f_from_g, write_g_from_f };
	explore(500, 2, fn, setup_self, finish_self);
	host_fail("no deadlock in 500 schedules");
}

/* --- a source that keeps going away --- */
static bool starve_over;
static void starved_writer(void *arg)
{
	starve_over = false;
	for (unsigned i = 0; i < 3; i++) {
		unsigned p = host_random(PAGES - 1), off = host_random(3000);
		/* Parts of pages, in place, from two source pages: each has its own three attempts (INV-A6). */
		CHECK_EQ(hfile_pwrite_user(f, BASE + (1 << 20) + p * PAGE_SIZE + PAGE_SIZE - 500, 1000, p * PAGE_SIZE + off), 1000);
		u8 got[1000];
		CHECK_EQ(hfile_pread(f, got, 1000, p * PAGE_SIZE + off), 1000);
		for (unsigned k = 0; k < 1000; k++)
			CHECK_EQ(got[k], k < 500 ? p + 1 : p + 2);
	}
	starve_over = true;
}
static void zapper(void *arg)
{
	while (!starve_over) {
		CHECK_EQ(sys_madvise(BASE + (1 << 20), PAGES * PAGE_SIZE, MADV_DONTNEED), 0);
		sched_yield_cpu();
	}
}
TEST(race_starved_source, "INV-A6: a thread that zaps the source all the time cannot starve a write: the third attempt copies from a pinned page")
{
	void (*const fn[])(void *) = { starved_writer, zapper };
	u64 before = vmstat_read(VM_PINNED_COPY);
	explore(400, 2, fn, setup_self, finish_self);
	CHECK(vmstat_read(VM_PINNED_COPY) > before);
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
	for (unsigned i = 0; i < 80; i++)
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
		vaddr_t va = BASE + LEAF + host_random(80) * PAGE_SIZE + 512;
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

/* --- lockless lookups --- */
static void reader_of_0(void *arg)
{
	static u8 buf[PAGE_SIZE];
	for (unsigned i = 0; i < 40; i++) {
		CHECK_EQ(hfile_pread(f, buf, PAGE_SIZE, 0), PAGE_SIZE);
		for (unsigned k = 0; k < PAGE_SIZE; k += 512)
			if (buf[k] != 1) {
				host_fail("T2: a read of page 0 gave a byte of another page: %02x", buf[k]);
			}
	}
}
static void reuser(void *arg)
{
	u8 c;
	for (unsigned i = 0; i < 40; i++) {
		reclaim_pages(64);
		CHECK_EQ(hfile_pread(f, &c, 1, (1 + host_random(PAGES - 1)) * PAGE_SIZE), 1);
	}
}
TEST(race_lookup_reuse, "FOREST T2: a frame that is reclaimed and reused between a reader's lookup and its pin is not read")
{
	void (*const fn[])(void *) = { reader_of_0, reuser };
	fixed_rate = 250;
	explore(600, 2, fn, setup_one, finish_one);
}

/* --- tables that go away --- */
static void region_user(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 80; i++) {
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

/* --- the source is truncated away while it is written --- */
static void write_or_fault(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		unsigned k = host_random(5);
		ssize_t r = hfile_pwrite_user(g, BASE + froms[k], lens[k], froms[k]);
		CHECK(r == -EFAULT || (r > 0 && r <= (ssize_t)lens[k]));
	}
}
static void truncate_f(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(hfile_truncate(f, host_random(2) ? 0 : host_random(2 * PAGE_SIZE)), 0);
		sched_yield_cpu();
		CHECK_EQ(hfile_truncate(f, PAGES * PAGE_SIZE), 0);
	}
}
TEST(race_write_source_truncated, "INV-A6 W1: a write whose mapped source is truncated meanwhile ends: bytes so far, or EFAULT")
{
	void (*const fn[])(void *) = { write_or_fault, truncate_f, write_f_from_g };
	explore(800, 3, fn, setup_self, finish_self);
}

/* --- a fatal signal ends a wait for a page --- */
static struct task *victim;
static void killed_reader(void *arg)
{
	u8 buf[64];
	victim = current;
	for (unsigned i = 0; i < PAGES; i++) {
		ssize_t r = hfile_pread(f, buf, sizeof(buf), i * PAGE_SIZE);
		CHECK(r == sizeof(buf) || (r == -EINTR && fatal_signal_pending(current)));
		r = hfile_pwrite(f, buf, 1 + host_random(64), i * PAGE_SIZE);
		CHECK(r > 0 || (r == -EINTR && fatal_signal_pending(current)));
		user_store(BASE + i * PAGE_SIZE, 0);
	}
}
static void killer(void *arg)
{
	while (!victim)
		sched_yield_cpu();
	for (unsigned i = host_random(200); i; i--)
		host_preempt("before the kill");
	host_kill(victim);
}
static void setup_kill(void)
{
	victim = NULL;
	setup_one();
}
TEST(race_killed_waiting, "a fatal signal during read, write and a fault leaves no lock, no pin and no lost page behind")
{
	void (*const fn[])(void *) = { killed_reader, killer, rewriter };
	explore(800, 3, fn, setup_kill, finish_one);
}
