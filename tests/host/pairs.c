/*
 * Two operations of the memory system at the same time, by two tasks on the same file and the same memory, under many schedules, for every pair of
 * operations: user/pairs.c on the hosted machine, where a schedule takes some hundred microseconds, ASan looks on, the TLBs are as bad as they may be, and
 * the owners of all frames are recounted after each schedule. The kernel's mm/, and fs/ for read, write, O_DIRECT, copy_file_range and punch.
 *
 * `pairstest pairs_NAME [with=OTHER] [schedules=N] [from=SEED] [seed=N]`: operation NAME with each from itself on in the list, or with OTHER.
 *
 * There are: the file F of 16 pages, all 'o'; a shared and a private mapping of it; the file G, all 'g'; B, 4 pages of private memory; L, 16 pages of
 * private memory, all 'l'. Each operation that changes F writes a letter of its own, or zeroes, to a part of it. What else is so when they begin is chosen
 * by the seed: what of F is cached, dirty, being written back, mapped; whether B was touched, lent, swapped out; a child that shares everything, page tables too.
 * - Every word that anybody sees of F, while they run or afterwards, is the old one or one that one of the two writes there: zeroes never, but by
 *   truncate and punch. Afterwards a word that one of them writes is written; one that both write is one of the two. So it is on the disk in the end.
 * - What was read into B is of that kind, and nobody changes it any more: neither a later write to F, nor does a store to B change F, G or L. The
 *   same with all others, and with the child: where the kernel shares a page instead of copying it, nobody can tell.
 * Of each 8 words one is compared in a schedule, another one in the next.
 */
#include "pairs.h"

const struct operation *op[2];
struct hfile *f, *g;
struct file file_f, file_direct, file_g;
struct mm *mm;
static struct mm *child;
u64 b_first;
unsigned ended;
bool cow_truncated;
unsigned phase;

void fail(const char *format, ...)
{
	__builtin_va_list ap;
	char text[300];

	__builtin_va_start(ap, format);
	sys_vsnprintf(text, sizeof(text), format, ap);
	__builtin_va_end(ap);
	host_fail("pairs_%s with=%s: %s", op[0]->name, op[1]->name, text);
}

/* --- one schedule --- */

static u8 olds[FBYTES], gees[FBYTES];

static void open_file(struct file *file, struct hfile *h, bool direct)
{
	static const struct file_ops direct_ops = { .read = direct_read, .write = generic_direct_write, .share = generic_file_share, .fsync = generic_fsync,
						    .direct_map = hfile_direct_map };
	static const struct file_ops ops = { .read = generic_file_read, .write = generic_file_write, .share = generic_file_share, .fsync = generic_fsync,
					     .direct = &direct_ops, .direct_map = hfile_direct_map };

	h->inode.fops = &ops;
	*file = (struct file){ .refs = ATOMIC_INIT(1), .inode = &h->inode, .ops = direct ? &direct_ops : &ops, .mode = FMODE_READ | FMODE_WRITE,
			       .flags = O_RDWR | O_NOATIME | (direct ? O_DIRECT : 0) };
	mutex_init(&file->pos_lock, "file position", RANK_FILE_POS);
}

static void boot(void)
{
	if (f)
		return;
	switch_share_min = 2;
	memset(olds, 'o', sizeof(olds));
	memset(gees, 'g', sizeof(gees));
	f = hfile_create("F", 2 * FBYTES, NULL, 0);
	g = hfile_create("G", 2 * FBYTES, NULL, 0);
	open_file(&file_f, f, false);
	open_file(&file_direct, f, true);
	open_file(&file_g, g, false);
}

/* What of F is in the cache: nothing, all, all of it dirty, or each page as it comes; perhaps on its way to the disk. */
static void prepare_cache(void)
{
	unsigned how = host_random(4);
	u64 w = WORD('o');

	for (u64 p = 0; p < FPAGES; p++) {
		unsigned page = how < 3 ? how : host_random(3);
		if (page == 1)
			CHECK_EQ(hfile_pread(f, &w, 8, (loff_t)(p * PAGE_SIZE)), 8);
		else if (page == 2)
			CHECK_EQ(hfile_pwrite(f, &w, 8, (loff_t)(p * PAGE_SIZE)), 8);
	}
	for (u64 p = 0, kind = host_random(4); p < FPAGES && kind < 2; p++)
		CHECK_EQ(kind ? user_load(SHARED + p * PAGE_SIZE, &w) : user_store(SHARED + p * PAGE_SIZE, w), 0);
	for (u64 p = 0, kind = host_random(4); p < FPAGES && kind < 2; p++)
		CHECK_EQ(user_load(PRIVATE + p * PAGE_SIZE, &w), 0);
	if (host_random(4) == 0)
		CHECK_EQ(mapping_writeback(&f->inode.mapping, 0, FPAGES, false), 0);
}

/* B: untouched, 'b', or lent by the file that it was read from. L: lent to a file already, or not. */
static void prepare_memory(void)
{
	unsigned how = host_random(4);

	b_first = how == 0 ? 0 : how == 1 ? WORD('o') : WORD('b');
	if (how == 1)
		CHECK_EQ(file_read(&file_f, B, BBYTES, B_AT), BBYTES);
	else if (how > 1)
		fill(B, BBYTES, 'b');
	fill(L, FBYTES, 'l');
	if (host_random(4) == 0) {
		CHECK_EQ(file_write(&file_g, L, FBYTES, 0), FBYTES);
		hfile_reset(g, gees, FBYTES);
	}
	child = host_random(3) ? NULL : proc_fork();
	if (host_random(6) == 0) {
		sys_madvise(B, BBYTES, MADV_PAGEOUT);
		sys_madvise(L, FBYTES, MADV_PAGEOUT);
	}
}

/* A third CPU, on which the program ran before, keeps translations of all that there is. */
static void look_around(void)
{
	u64 w;

	if (host_random(2))
		return;
	for (u64 p = 0; p < BPAGES; p++)
		CHECK_EQ(user_load(B + p * PAGE_SIZE, &w), 0);
	for (u64 p = 0; p < FPAGES; p++)
		CHECK_EQ(user_load(L + p * PAGE_SIZE, &w), 0);
}

static void prepare(void)
{
	boot();
	phase = host_random(8);
	ended = 0;
	cow_truncated = false;
	swap_disk_on(HOST_SWAP_SLOTS);
	hfile_reset(f, olds, FBYTES);
	hfile_reset(g, gees, FBYTES);
	mm = proc_create();
	CHECK_EQ(hfile_mmap(f, SHARED, FBYTES, RW, MAP_SHARED | MAP_FIXED, 0), SHARED);
	CHECK_EQ(hfile_mmap(f, PRIVATE, FBYTES, RW, MAP_PRIVATE | MAP_FIXED, 0), PRIVATE);
	bool leaves = host_random(2);		/* in mappings of 2 MiB: then fork() shares their page tables (mm/share.c) */
	CHECK_EQ(map_anon(B, leaves ? LEAF_SPAN : BBYTES, RW, MAP_PRIVATE | MAP_FIXED), B);
	CHECK_EQ(map_anon(L, leaves ? LEAF_SPAN : FBYTES, RW, MAP_PRIVATE | MAP_FIXED), L);
	CHECK_EQ(map_anon(SOURCE, FBYTES, RW, MAP_PRIVATE | MAP_FIXED), SOURCE);
	CHECK_EQ(map_anon(ARGUMENTS, FBYTES, RW, MAP_PRIVATE | MAP_FIXED), ARGUMENTS);
	prepare_memory();
	prepare_cache();
	look_around();
}

static u64 used_of_b(void) { return either("munmap") ? 2 * PAGE_SIZE : BBYTES; }

static u8 now[FBYTES], copied[2 * FBYTES], again[2 * FBYTES];

static void same(struct hfile *h, const u8 *want, u64 n, const char *what)
{
	CHECK_EQ(hfile_pread(h, again, n, 0), n);
	if (memcmp(again, want, n))
		fail("%s", what);
}

/* What each sees. */
static u64 check_contents(void)
{
	u64 size = (u64)g->inode.mapping.size;

	CHECK_EQ(f->inode.mapping.size, FBYTES);
	CHECK_EQ(hfile_pread(f, now, FBYTES, 0), FBYTES);
	check_f(now, 0, FBYTES, 3, "afterwards");
	must_get(SHARED, again, FBYTES);
	if (memcmp(again, now, FBYTES))
		fail("the shared mapping is not the file");
	CHECK_EQ(hfile_pread(g, copied, size, 0), size);
	check_letter(copied, FBYTES, WORD('g'), "G");
	check_f(copied + FBYTES, 0, size - FBYTES, 0, "the copy");
	must_get(B, again, used_of_b());
	if (op[0]->reads_b || op[1]->reads_b || either("dontneed"))
		check_b(again, used_of_b(), false, 0, "B");
	else
		check_letter(again, used_of_b(), b_first, "B, which nobody read into");
	must_get(L, again, FBYTES);
	check_letter(again, FBYTES, WORD('l'), "L");
	must_get(PRIVATE + 2 * PAGE_SIZE, again, 4 * PAGE_SIZE);
	if (either("cow") && !truncates())
		check_letter(again, 4 * PAGE_SIZE, WORD('p'), "the private mapping");
	if (cow_truncated)
		check_letter(again + PAGE_SIZE, 3 * PAGE_SIZE, 0, "private copies behind the end");
	return size;
}

/* Nobody sees what another does from now on. */
static void check_apart(u64 g_size)
{
	static u8 zs[FBYTES];

	if (either("mprotect") && either("move"))	/* it could not be made writable again while it was elsewhere */
		CHECK_EQ(sys_mprotect(B, BBYTES, RW), 0);
	fill(B, used_of_b(), 'x');
	for (u64 p = 0; p < FPAGES; p += 2)	/* a store to every other page, before a write to F */
		fill(L + p * PAGE_SIZE, PAGE_SIZE, 'v');
	same(f, now, FBYTES, "F changed by a store to B or L");
	memset(zs, 'z', sizeof(zs));
	CHECK_EQ(hfile_pwrite(f, zs, FBYTES, 0), FBYTES);
	must_get(B, again, used_of_b());
	check_letter(again, used_of_b(), WORD('x'), "B after a write to F");
	must_get(L, again, FBYTES);
	for (u64 p = 0; p < FPAGES; p++)
		check_letter(again + p * PAGE_SIZE, PAGE_SIZE, WORD(p % 2 ? 'l' : 'v'), "L after a write to F");
	same(g, copied, g_size, "G changed by a write to F");
	fill(L, FBYTES, 'v');
	same(f, zs, FBYTES, "F changed by a store to L");
	must_get(SHARED, again, FBYTES);
	if (memcmp(again, zs, FBYTES))
		fail("the shared mapping does not show a write");
}

static void check_child(void)
{
	proc_run(child);
	must_get(B, again, BBYTES);
	check_letter(again, BBYTES, b_first, "the child's B");
	must_get(L, again, FBYTES);
	check_letter(again, FBYTES, WORD('l'), "the child's L");
	proc_run(mm);
}

static void check_disk(struct hfile *h, const u8 *want, u64 n)
{
	CHECK_EQ(hfile_sync(h), 0);
	for (u64 p = 0; p < n / PAGE_SIZE; p++)
		if (h->block_state[p] ? memcmp(h->disk + p * PAGE_SIZE, want + p * PAGE_SIZE, PAGE_SIZE) != 0 : word_at(want, p * PAGE_SIZE) != 0)
			fail("page %lu of %s on the disk", (unsigned long)p, h->name);
}

static void finish(void)
{
	proc_run(mm);
	check_all();
	u64 g_size = check_contents();
	check_disk(f, now, FBYTES);
	check_disk(g, copied, g_size);
	check_apart(g_size);
	if (child)
		check_child();
	check_all();
	if (child)
		proc_exit(child);
	proc_exit(mm);
	swap_disk_off();
	check_all();
}

static void run_0(void *arg)
{
	op[0]->run();
	ended |= 1;
}
static void run_1(void *arg)
{
	op[1]->run();
	ended |= 2;
}

static void pair(const struct operation *a, const struct operation *b)
{
	static const struct scenario s = { .setup = prepare, .finish = finish, .mm = &mm, .fn = { run_0, run_1 }, .pct = true };
	unsigned schedules = (unsigned)sys_option("schedules", 24);
	unsigned long points = host_preemptions;
	double start = sys_seconds();

	op[0] = a;
	op[1] = b;
	host_schedules = 0;
	explore_random(&s, schedules);
	sys_printf("%s %s: %lu schedules, %lu points each, %.1f s\n", a->name, b->name, host_schedules, (host_preemptions - points) / host_schedules, sys_seconds() - start);
}

static void pairs(const char *name)
{
	const struct operation *a = operations, *end = operations + nr_operations;
	const char *with = sys_option_text("with");
	bool found = false;

	while (strcmp(a->name, name))
		a++;
	for (const struct operation *b = with ? operations : a; b < end; b++)
		if (!with || !strcmp(b->name, with)) {
			found = true;
			pair(a, b);
		}
	if (!found)
		host_fail("no operation %s", with);
}

#define PAIRS(name) TEST(pairs_##name, #name " at the same time as each of the others") { pairs(#name); }
PAIRS(write) PAIRS(lend) PAIRS(read) PAIRS(fault) PAIRS(store) PAIRS(truncate) PAIRS(punch) PAIRS(fork)
PAIRS(munmap) PAIRS(mprotect) PAIRS(pin) PAIRS(dwrite) PAIRS(fsync) PAIRS(reclaim) PAIRS(copy_to) PAIRS(copy_from)
PAIRS(cow) PAIRS(dontneed) PAIRS(move)
