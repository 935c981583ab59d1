/* Page tables that a file keeps for its readers (mm/template.c), made, given and dropped at once, under random schedules. Every schedule with few
 * preemptions: test_all_templates.c; one after the other: test_templates.c. */
#include "tables.h"

#include "mm/reclaim.h"
#include "mm/slot.h"
#include "mm/syscalls.h"

#define FILE_PAGES 512UL
#define WINDOW(i) (BASE + (i) * LEAF_SPAN)
#define OLD(p) (5000UL + (p))
#define NEW(p) (9000UL + (p))
#define CHANGED 4			/* the first pages are written, the others stay */

static struct hfile *f;
static struct mm *mm;
static u64 text[FILE_PAGES * 512];
static bool truncates;

/* So many have read 2 MiB before: nobody, then a template is wanted, made, given. */
static void setup_after(unsigned reads)
{
	switch_share_min = 2;
	truncates = false;
	for (unsigned p = 0; p < FILE_PAGES; p++)
		text[p * 512] = OLD(p);
	f = hfile_create("f", (FILE_PAGES + 16) * PAGE_SIZE, text, sizeof(text));
	mm = proc_create();
	CHECK_EQ(map_anon(BASE, 4 * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(hfile_pread(f, text, sizeof(text), 0), sizeof(text));
	for (unsigned i = 0; i < reads; i++)
		CHECK_EQ(hfile_pread_user(f, WINDOW(3 - i % 2), LEAF_SPAN, 0), LEAF_SPAN);
}
static void setup(void) { setup_after(host_random(4)); }
static void setup_truncate(void)
{
	setup();
	truncates = true;
}
static void finish(void)
{
	check_all();
	proc_run(mm);
	proc_exit(mm);
	check_all();
	hfile_destroy(f);
	check_all();
}

static bool possible(unsigned p, u64 word) { return word == OLD(p) || (p < CHANGED && word == NEW(p)) || (truncates && word == 0); }

/* What was read stays; each word is the old or the new one. */
static void read_window(unsigned i)
{
	u64 seen[CHANGED + 1];
	ssize_t n = hfile_pread_user(f, WINDOW(i), LEAF_SPAN, 0);
	CHECK(n == LEAF_SPAN || (truncates && n >= 0));
	for (unsigned p = 0; p < n / PAGE_SIZE; p += p < CHANGED ? 1 : 127) {
		u64 word = must_load(WINDOW(i) + p * PAGE_SIZE);
		if (!possible(p, word))
			host_fail("page %u reads as %lu", p, (unsigned long)word);
		seen[min(p, CHANGED)] = word;
	}
	host_preempt("program");
	for (unsigned p = 0; p < CHANGED && p < n / PAGE_SIZE; p++)
		CHECK_EQ(must_load(WINDOW(i) + p * PAGE_SIZE), seen[p]);
	if (n && host_random(2)) {
		must_store(WINDOW(i), 1);
		CHECK(hfile_pread(f, seen, 8, 0) < 8 || possible(0, seen[0]));
	}
}
static void reader_0(void *arg) { read_window(0); }
static void reader_1(void *arg) { read_window(1); }
static void writer(void *arg)
{
	static u64 page[512];
	for (unsigned p = 0; p < CHANGED; p++) {
		page[0] = NEW(p);
		CHECK_EQ(hfile_pwrite(f, page, host_random(2) ? 8 : PAGE_SIZE, p * PAGE_SIZE) > 0, true);
	}
}
static void truncater(void *arg)
{
	CHECK_EQ(hfile_truncate(f, host_random(FILE_PAGES * PAGE_SIZE)), 0);
	tlb_check(false);
	CHECK_EQ(hfile_truncate(f, FILE_PAGES * PAGE_SIZE), 0);
}
static void puncher(void *arg) { CHECK_EQ(hfile_punch(f, 2 * PAGE_SIZE, 100 * PAGE_SIZE), 0); }
static void reclaimer(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		reclaim_pages(64);
		sched_yield_cpu();
	}
}
static void mapper(void *arg)
{
	vaddr_t at = WINDOW(8);
	CHECK_EQ(hfile_mmap(f, at, CHANGED * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), at);
	for (unsigned p = 0; p < CHANGED; p++)
		must_store(at + p * PAGE_SIZE, NEW(p));
	CHECK_EQ(hfile_sync(f), 0);
}

static void race(void (*before)(void), void (*a)(void *), void (*b)(void *), void (*c)(void *))
{
	struct scenario s = { .setup = before, .finish = finish, .mm = &mm, .fn = { a, b, c }, .pct = true };
	explore_random(&s, 150);
}
TEST(race_template_write, "INV-P3: two who read 2 MiB and one who writes to the file: what was read is old or new and stays")
{
	race(setup, reader_0, reader_1, writer);
}
TEST(race_template_truncate, "INV-P3: the same with one who truncates")
{
	race(setup_truncate, reader_0, reader_1, truncater);
}
TEST(race_template_punch, "INV-P3: the same with a hole, and reclaim")
{
	race(setup_truncate, reader_0, puncher, reclaimer);
}
TEST(race_template_mapped, "INV-P3: the same with stores through a shared mapping, and writeback")
{
	race(setup, reader_0, reader_1, mapper);
}
