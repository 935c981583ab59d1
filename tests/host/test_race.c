/*
 * Interleavings: two or three tasks, switched at random before every lock, unlock and atomic operation. Each test
 * tries many schedules (seed=N runs one; schedules=N sets how many); a failure names its seed.
 */
#include "race.h"
#include "mm/reclaim.h"

struct hfile *f, *g;
struct mm *mm;
unsigned fixed_rate;
u8 text[PAGES * PAGE_SIZE];

struct hfile *marked(const char *name)
{
	for (unsigned p = 0; p < PAGES; p++)
		memset(text + p * PAGE_SIZE, p + 1, PAGE_SIZE);
	return hfile_create(name, 64 * PAGE_SIZE, text, sizeof(text));
}

void explore(unsigned schedules, unsigned n, void (*const fn[])(void *), void (*setup)(void), void (*finish)(void))
{
	struct scenario s = { .setup = setup, .finish = finish, .mm = &mm, .rate = fixed_rate, .pct = !fixed_rate };
	memcpy(s.fn, fn, n * sizeof(fn[0]));
	explore_random(&s, schedules);
}

void setup_one(void)
{
	mm = proc_create();
	f = marked("f");
	CHECK_EQ(hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	map_anon(BASE + (1 << 20), 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
}
void finish_one(void)
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
void toucher(void *arg)
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

/* --- pages lent to the end of a file --- */
static void setup_append(void)
{
	static u8 buf[PAGES * PAGE_SIZE];
	mm = proc_create();
	g = marked("g");
	f = hfile_create("f", 64 * PAGE_SIZE, text, PAGE_SIZE);
	CHECK_EQ(hfile_pread(g, buf, sizeof(buf), 0), sizeof(buf));
	CHECK_EQ(hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
}
static void finish_append(void)
{
	hfile_destroy(g);
	finish_one();
}
static void appender(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		loff_t from = PAGE_SIZE, to = PAGE_SIZE;
		size_t n = (PAGES - 1) * PAGE_SIZE;
		down_write(&f->inode.i_rwsem);
		CHECK_EQ(pagecache_share(&g->inode.mapping, &from, &f->inode.mapping, &to, n), n);
		up_write(&f->inode.i_rwsem);
		CHECK_EQ(f->inode.mapping.size, PAGES * PAGE_SIZE);
		if (i < 2)
			CHECK_EQ(hfile_truncate(f, PAGE_SIZE), 0);
	}
}
static void end_reader(void *arg)
{
	static u8 buf[4][PAGE_SIZE];
	u8 *b = buf[current->tid & 3];
	for (unsigned i = 0; i < 12; i++) {
		unsigned p = host_random(PAGES);
		ssize_t n = hfile_pread(f, b, PAGE_SIZE, p * PAGE_SIZE);
		CHECK(n == 0 || n == PAGE_SIZE);
		for (unsigned k = 0; k < n; k += 7)
			if (b[k] != p + 1)
				host_fail("page %u, just lent to the file, reads as %02x", p, b[k]);
	}
}
static void end_toucher(void *arg)
{
	u64 v;
	for (unsigned i = 0; i < 8; i++) {
		unsigned p = host_random(PAGES);
		u64 word = 0x0101010101010101UL * (p + 1);
		int sig = host_random(2) ? user_load(BASE + p * PAGE_SIZE, &v) : (v = word, user_store(BASE + p * PAGE_SIZE + 2048, word));
		CHECK(sig == SIGBUS || (sig == 0 && v == word));
	}
}
TEST(race_append, "INV-W3 PC1: pages lent to the end of a file, which is read, mapped, written back, truncated: nobody sees them empty, or older bytes of their blocks")
{
	void (*const fn[])(void *) = { appender, end_reader, end_toucher, syncer };
	explore(800, 4, fn, setup_append, finish_append);
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
