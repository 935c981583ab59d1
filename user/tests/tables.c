/*
 * Everything that can happen to page tables that fork() lets processes share: each operation below by a parent or its child, while the other does
 * nothing, stores, unmaps, protects..., in either order, either of them ending first; alone, or with a third process that shares it all. Every page is
 * compared with the account after each step. (tables_more.c: what needs more than two hands.)
 */
#include "tables.h"

/* --- operations: each does it, and enters it into the account --- */

static bool each(unsigned i) { return chosen(i); }
static bool one_of_each(unsigned i) { return i % PER_WINDOW == 255; }
static bool absent(unsigned i) { return i % PER_WINDOW == 400; }
static bool beside_the_middle(unsigned i) { return i % PER_WINDOW < 2 || i % PER_WINDOW == 299; }

static void nothing(void) { }
static void load(void) { CHECK(wrong_page(false) < 0); }
static void load_absent(void)
{
	for (unsigned i = 0; i < PAGES; i++)
		if (page[i].at && absent(i))
			EQUAL(*(volatile int *)page[i].at, page[i].value);
}
static void store_one(void) { put_each(0, PAGES, one_of_each); }
static void store_each(void) { put_each(0, PAGES, each); }
static void store_absent(void) { put_each(0, PAGES, absent); }

static void unmap(unsigned from, unsigned to)
{
	CHECK(!munmap(base + from * PAGE, (to - from) * PAGE));
	now_gone(from, to);
}
static void unmap_all(void) { unmap(0, PAGES); }
static void unmap_window(void) { unmap(0, PER_WINDOW); }
static void unmap_head(void) { unmap(0, 200); store_one(); }
static void unmap_tail(void) { unmap(200, PER_WINDOW); }
static void unmap_hole(void) { unmap(100, 120); }
static void unmap_across(void) { unmap(PER_WINDOW - 230, PER_WINDOW + 20); }

static void protect(unsigned from, unsigned to, int prot) { CHECK(!mprotect(base + from * PAGE, (to - from) * PAGE, prot)); }
static void protect_window(void)
{
	protect(0, PER_WINDOW, PROT_READ);
	now_readonly(0, PER_WINDOW, true);
	EQUAL(touch((volatile char *)page[5].at, 1), SIGSEGV);
	put_each(0, PAGES, beside_the_middle);
}
static void protect_part(void)
{
	protect(50, 60, PROT_READ);
	now_readonly(50, 60, true);
	EQUAL(touch((volatile char *)page[55].at, 1), SIGSEGV);
	put_each(0, 100, chosen);
}
static void protect_and_back(void)
{
	protect(0, PAGES, PROT_READ);
	EQUAL(touch((volatile char *)page[255].at, 1), SIGSEGV);
	protect(0, PAGES, RW);
	store_one();
}
static void protect_none(void)
{
	protect(0, 2 * PER_WINDOW, PROT_NONE);
	EQUAL(touch((volatile char *)page[0].at, 0), SIGSEGV);
	EQUAL(touch((volatile char *)page[PER_WINDOW].at, 1), SIGSEGV);
	protect(0, 2 * PER_WINDOW, RW);
}
static void protect_none_part(void)
{
	protect(250, 260, PROT_NONE);
	EQUAL(touch((volatile char *)page[255].at, 1), SIGSEGV);
	EQUAL(touch((volatile char *)page[255].at, 0), SIGSEGV);
	CHECK(page[249].value == *(volatile unsigned *)page[249].at);
	protect(250, 260, RW);
	store_one();
}

static void move(unsigned from, unsigned to, unsigned long where)
{
	CHECK(mremap(base + from * PAGE, (to - from) * PAGE, (to - from) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + where) == base + where);
	now_at(from, to, base + where);
}
static void move_window(void) { move(PER_WINDOW, 2 * PER_WINDOW, 5 * WINDOW); store_one(); }
static void move_all(void) { move(0, PAGES, 4 * WINDOW); }
static void move_unaligned(void) { move(0, PAGES, 4 * WINDOW + 5 * PAGE); store_one(); }
static void move_part(void) { move(100, 200, 6 * WINDOW + 300 * PAGE); }
static void move_shrink(void)
{
	CHECK(mremap(base, PAGES * PAGE, (PAGES - 700) * PAGE, 0) == base);
	now_gone(PAGES - 700, PAGES);
}
static void move_grow(void)
{
	CHECK(mremap(base, WINDOW, WINDOW + 100 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + 8 * WINDOW) == base + 8 * WINDOW);
	now_at(0, PER_WINDOW, base + 8 * WINDOW);
	EQUAL(base[9 * WINDOW + 99 * PAGE], 0);
}

static void forget_pages(unsigned from, unsigned to)
{
	CHECK(!madvise(base + from * PAGE, (to - from) * PAGE, MADV_DONTNEED));
	now_empty(from, to);
}
static void dontneed_window(void) { forget_pages(0, PER_WINDOW); CHECK(wrong_page(true) < 0); }
static void dontneed_part(void) { forget_pages(255, 299); store_one(); }
static void dontneed_across(void) { forget_pages(PER_WINDOW - 256, 2 * PER_WINDOW + 256); }
static void advise_others(void)
{
	madvise(base, PAGES * PAGE, MADV_WILLNEED);
	madvise(base, WINDOW, MADV_COLD);
	madvise(base + PAGE, WINDOW, MADV_PAGEOUT);
	madvise(base + 290 * PAGE, 20 * PAGE, 23);	/* MADV_POPULATE_WRITE */
}
static void lock(void)
{
	mlock(base + WINDOW, WINDOW);		/* may not be allowed */
	CHECK(wrong_page(false) < 0);
	munlock(base + WINDOW, WINDOW);
	store_one();
}

static void map_over(void)
{
	CHECK(mmap(base + 130 * PAGE, 200 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED);
	now_empty(130, 330);
	store_one();
}
static int file;
static void map_file_over(void)
{
	CHECK(mmap(base + 130 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) != MAP_FAILED);
	EQUAL(base[130 * PAGE + 9], byte_at(0, 9));
	now_gone(130, 132);
}

/* What a program stores and loads by system calls. */
static void read_into(void)
{
	for (unsigned i = 3; i < PAGES; i += 252) {	/* whole pages, and some that straddle two; what they get is put right after */
		EQUAL(pread(file, page[i].at, PAGE, 0), PAGE);
		EQUAL(wrong_at(page[i].at, PAGE, 0, 0), -1);
		if (i % 2)
			EQUAL(pread(file, page[i].at + PAGE - 100, 200, 50), 200);
		put(i);
		if (i % 2) {
			memset(page[i + 1].at, 0, 100);
			put(i + 1);
		}
	}
}
static void write_from(void)
{
	unsigned char *have = map_anon(WINDOW);
	int fd = make_file(1, 1);

	EQUAL(pwrite(fd, base, WINDOW, 0), WINDOW);
	store_one();
	EQUAL(pread(fd, have, WINDOW, 0), WINDOW);
	for (unsigned i = 0; i < PER_WINDOW; i++)
		EQUAL(memcmp(have + i * PAGE, page[i].at, PAGE) != 0, i == 255);
	CHECK(!munmap(have, WINDOW) && !close(fd));
}
static void pipe_through(void)
{
	unsigned char have[PAGE];
	int ends[2];

	CHECK(!pipe(ends));
	EQUAL(vmsplice(ends[1], &(struct iovec){ page[255].at, PAGE }, 1, 0), PAGE);
	unsigned was = page[255].value;
	put(254);
	EQUAL(read(ends[0], have, PAGE), PAGE);
	EQUAL(*(unsigned *)have, was);
	put(255);
	CHECK(!close(ends[0]) && !close(ends[1]));
}

static void fork_once(void (*work)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		tag += 100;
		work();
		_exit(wrong_page(false) >= 0);
	}
	EQUAL(wait_for(pid), 0);
}
static void fork_nothing(void) { fork_once(nothing); }
static void fork_stores(void) { fork_once(store_each); store_one(); }
static void check_wiped(void)
{
	now_empty(100, 612);
	for (unsigned i = 0; i < PAGES; i++)
		if (page[i].at)
			EQUAL(*(volatile unsigned *)page[i].at, page[i].value);
	store_each();
}
static void wipe_on_fork(void)
{
	CHECK(!madvise(base + 100 * PAGE, WINDOW, MADV_WIPEONFORK));
	fork_once(check_wiped);
	CHECK(!madvise(base + 100 * PAGE, WINDOW, MADV_KEEPONFORK));
}
static void check_missing(unsigned from, unsigned to)
{
	EQUAL(touch((volatile char *)page[from].at, 0), SIGSEGV);
	EQUAL(touch((volatile char *)page[to - 1].at, 1), SIGSEGV);
	now_gone(from, to);
	store_each();
}
static void part_missing(void) { check_missing(20, 120); }
static void window_missing(void) { check_missing(0, PER_WINDOW); }
static void dont_fork(void)
{
	CHECK(!madvise(base + 20 * PAGE, 100 * PAGE, MADV_DONTFORK));
	fork_once(part_missing);
	CHECK(!madvise(base + 20 * PAGE, 100 * PAGE, MADV_DOFORK));
	fork_once(store_one);
}
static void dont_fork_window(void)
{
	CHECK(!madvise(base, WINDOW, MADV_DONTFORK));
	fork_once(window_missing);
	CHECK(!madvise(base, WINDOW, MADV_DOFORK));
}

#define OP(function) { #function, function }
static const struct { const char *name; void (*run)(void); } ops[] = {
	/* these are what the other one does */
	OP(nothing), OP(store_one), OP(unmap_all), OP(protect_and_back), OP(dontneed_part), OP(fork_stores),
#define OTHERS 6
	OP(load), OP(load_absent), OP(store_each), OP(store_absent), OP(unmap_window), OP(unmap_head), OP(unmap_tail), OP(unmap_hole), OP(unmap_across),
	OP(protect_window), OP(protect_part), OP(protect_none), OP(protect_none_part), OP(move_window), OP(move_all), OP(move_unaligned), OP(move_part),
	OP(move_shrink), OP(move_grow), OP(dontneed_window), OP(dontneed_across), OP(advise_others), OP(lock), OP(map_over), OP(map_file_over),
	OP(read_into), OP(write_from), OP(pipe_through), OP(fork_nothing), OP(wipe_on_fork), OP(dont_fork), OP(dont_fork_window),
};
#define NR_OPS (sizeof(ops) / sizeof(*ops))

/* --- two processes --- */

struct plan { unsigned op[2]; unsigned first, last; bool third; };	/* of the parent and the child; who begins, who ends last; does a third share it? */
static int turns[2][2], life[2][2], told[2];

static void end_wrong(const struct plan *p, unsigned me, const char *when)
{
	SAY("WRONG: parent %s, child %s; %s first, %s last%s: the %s, %s\n", ops[p->op[0]].name, ops[p->op[1]].name, p->first ? "child" : "parent", p->last ? "child" : "parent",
	    p->third ? ", with a third" : "", me ? "child" : "parent", when);
	_exit(1);
}
static void expect_right(const struct plan *p, unsigned me, const char *when)
{
	if (wrong_page(false) >= 0)
		end_wrong(p, me, when);
}
static void one_side(const struct plan *p, unsigned me)
{
	char c;

	close(life[me][0]), close(life[!me][1]);
	close(turns[me][1]), close(turns[!me][0]);	/* so that the death of one is seen by the other */
	alarm(1000);
	tag = tag * 2 + me;
	if (me == p->first) {
		ops[p->op[me]].run();
		expect_right(p, me, "after its own");
		give(turns[!me]);
		take(turns[me]);
	} else {
		take(turns[me]);
		expect_right(p, me, "after the other's");
		ops[p->op[me]].run();
		expect_right(p, me, "after its own, second");
		give(turns[!me]);
	}
	expect_right(p, me, "after both");
	if (me == p->last) {	/* when the other is gone, all may be this one's alone */
		EQUAL(read(life[!me][0], &c, 1), 0);
		expect_right(p, me, "alone");
		put_each(0, PAGES, chosen);
		expect_right(p, me, "alone, after stores");
	}
	EQUAL(write(told[1], "r", 1), 1);
	if (me == 0 && p->last == 0)
		wait(NULL);
	_exit(0);
}

/* How many of the two said that all was right. */
static int two(const struct plan *p)
{
	char c;
	int right = 0;
	pid_t pid;

	for (int i = 0; i < 2; i++)
		CHECK(!pipe(turns[i]) && !pipe(life[i]));
	CHECK(!pipe(told));
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		tag = 2;
		if (!p->third) {
			make_windows();
			put_each(0, PAGES, chosen);
		}
		pid = fork();
		CHECK(pid >= 0);
		one_side(p, !pid);
	}
	close(told[1]);
	for (int i = 0; i < 4; i++)
		close(turns[i / 2][i % 2]), close(life[i / 2][i % 2]);
	while (read(told[0], &c, 1) == 1)
		right++;
	close(told[0]);
	waitpid(pid, NULL, 0);
	if (p->third)
		right += wrong_page(false) < 0 ? 0 : -10;
	return right;
}

int main(int argc, char **argv)
{
	unsigned number = 0;

	catch_faults();
	file = make_file(0, 2 * PAGE);
	make_windows();
	put_each(0, PAGES, chosen);
	for (unsigned a = 0; a < NR_OPS; a++) {
		unsigned right = 0, all = 0;

		if (argc > 1 && strcmp(argv[1], ops[a].name))
			continue;
		for (unsigned way = 0; way < 4 * OTHERS; way++, number++) {
			unsigned by = way & 1, coin = (number + 1) * 2654435761u >> 28;
			struct plan p = { .first = way >> 1 & 1, .last = coin & 1, .third = coin >> 1 & 1 };

			p.op[by] = a;
			p.op[!by] = way / 4;
			right += two(&p);
			all += 2;
		}
		SAY("%s: %u of %u right\n", ops[a].name, right, all);
	}
	put_each(0, PAGES, chosen);
	SAY("the third: %s\n", wrong_page(true) < 0 ? "right" : "WRONG");
	drop_windows();
	return 0;
}
