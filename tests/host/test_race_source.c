/* Interleavings of writes whose source is a mapping: of the file that is written, of one that is written from it, of one that goes away (race.h). */
#include "race.h"
#include "mm/switches.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

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

/* --- direct I/O that goes on after the call (AIO), and who frees its blocks --- */

static void setup_direct(void)
{
	mm = NULL;
	f = marked("f");
	CHECK_EQ(hfile_pread(f, text, sizeof(text), 0), sizeof(text));
}
static void direct_write(void *arg)
{
	struct address_space *m = &f->inode.mapping;
	down_write(&f->inode.i_rwsem);
	bool there = m->size > 2 * PAGE_SIZE && f->block_state[1];
	if (there) {
		CHECK_EQ(pagecache_detach_begin(m, 1, 2), 0);
		pagecache_direct_begin(m);
		pagecache_detach_end(m);
	}
	up_write(&f->inode.i_rwsem);
	for (unsigned p = 1; there && p < 3; p++) {
		host_preempt("device");
		if (!f->block_state[p])
			host_fail("the device writes to block %u, which was freed", p);
		f->disk[p * PAGE_SIZE] = 0x77;
	}
	if (there) {
		pagecache_forget(m, 1, 2);
		pagecache_direct_end(m);
	}
}
static void truncate_shorter(void *arg)
{
	CHECK_EQ(hfile_truncate(f, PAGE_SIZE), 0);
	CHECK_EQ(hfile_truncate(f, PAGES * PAGE_SIZE), 0);
}
static void punch_two(void *arg) { CHECK_EQ(hfile_punch(f, PAGE_SIZE, 3 * PAGE_SIZE), 0); }
/* Written, then freed; or freed, and then there was nothing to be written. */
static void finish_freed(void)
{
	u8 bytes[2] = { 1, 1 };
	check_all();
	CHECK_EQ(hfile_pread(f, bytes, 1, PAGE_SIZE), 1);
	CHECK_EQ(hfile_pread(f, bytes + 1, 1, 2 * PAGE_SIZE), 1);
	CHECK(!bytes[0] && !bytes[1]);
	hfile_destroy(f);
	check_all();
}
ALL(direct_truncate, 2, "a truncate waits for direct I/O in flight before it frees its blocks", setup_direct, finish_freed, NULL, direct_write, truncate_shorter)
ALL(direct_punch, 2, "so does a hole", setup_direct, finish_freed, NULL, direct_write, punch_two)
