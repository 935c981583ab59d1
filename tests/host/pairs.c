/*
 * Two operations of the memory system at the same time, by two tasks on the same file and the same memory, under many schedules, for every pair of
 * operations: user/pairs.c on the hosted machine, where a schedule takes some hundred microseconds, ASan looks on, the TLBs are as bad as they may be, and
 * the owners of all frames are recounted after each schedule. The kernel's mm/, and fs/ for read, write, O_DIRECT, copy_file_range and punch.
 *
 * `pairstest pairs_NAME [with=OTHER] [schedules=N] [from=SEED] [seed=N]`: operation NAME with each from itself on in the list, or with OTHER.
 *
 * There are: the file F of 16 pages, all 'o'; a shared and a private mapping of it; the file G, all 'g'; B, 4 pages of private memory; L, 16 pages of
 * private memory, all 'l'. Each operation that changes F writes a letter of its own, or zeroes, to a part of it. What else is so when they begin is chosen
 * by the seed: what of F is cached, dirty, being written back, mapped; whether B was touched, lent, swapped out; a child that shares everything.
 * - Every word that anybody sees of F, while they run or afterwards, is the old one or one that one of the two writes there: zeroes never, but by
 *   truncate and punch. Afterwards a word that one of them writes is written; one that both write is one of the two. So it is on the disk in the end.
 * - What was read into B is of that kind, and nobody changes it any more: neither a later write to F, nor does a store to B change F, G or L. The
 *   same with all others, and with the child: where the kernel shares a page instead of copying it, nobody can tell.
 * Of each 8 words one is compared in a schedule, another one in the next.
 */
#include "host.h"

#include "fs/direct.h"
#include "fs/internal.h"
#include "fs/syscalls.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define FPAGES 16
#define BPAGES 4
#define FBYTES (FPAGES * PAGE_SIZE)
#define BBYTES (BPAGES * PAGE_SIZE)
#define B_AT PAGE_SIZE			/* where in F the reads begin */
#define RW (PROT_READ | PROT_WRITE)
#define WORD(letter) ((u64)(letter) * 0x0101010101010101UL)
#define SHARED 0x30000000UL
#define PRIVATE 0x30100000UL
#define B 0x30200000UL
#define L 0x30300000UL
#define SOURCE 0x30400000UL		/* each task's own, to write from */
#define ARGUMENTS 0x30500000UL
#define ELSEWHERE 0x30600000UL

/* An operation, what it may do to F, and whether it reads F into B or takes memory away from under others. */
struct operation {
	const char *name;
	void (*run)(void);
	int letter;			/* written to F in [from, to); -1: nothing */
	u64 from, to;
	bool reads_b, shakes_b;
};
static const struct operation *op[2];
static struct hfile *f, *g;
static struct file file_f, file_direct, file_g;
static struct mm *mm, *child;
static u64 b_first;			/* what B held before */
static unsigned ended;			/* a bit for each of the two */
static bool cow_truncated;		/* copy-on-write had ended when truncate began */
static unsigned phase;			/* which word of 8 is looked at */

static void __printf(1, 2) fail(const char *format, ...)
{
	__builtin_va_list ap;
	char text[300];

	__builtin_va_start(ap, format);
	sys_vsnprintf(text, sizeof(text), format, ap);
	__builtin_va_end(ap);
	host_fail("pairs_%s with=%s: %s", op[0]->name, op[1]->name, text);
}

/* --- what may be where --- */

static bool is(int i, const char *name) { return !strcmp(op[i]->name, name); }
static bool either(const char *name) { return is(0, name) || is(1, name); }
static bool truncates(void) { return either("truncate"); }
static bool shaken(void) { return op[0]->shakes_b || op[1]->shakes_b; }

static bool touches(int i, u64 at) { return op[i]->letter >= 0 && at >= op[i]->from && at < op[i]->to; }

/* A copy may be half done when another one comes in between, at any byte. */
static bool consists_of(u64 w, const u64 *words, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (w == words[i])
			return true;
	for (unsigned byte = 0; byte < 64; byte += 8) {
		unsigned i = 0;
		while (i < n && (words[i] ^ w) >> byte & 255)
			i++;
		if (i == n)
			return false;
	}
	return true;
}

/* What the word at `at` of F may be, for who began to look when those of `before` had ended. */
static unsigned possible_words(u64 at, unsigned before, u64 *words)
{
	bool first = touches(0, at), second = touches(1, at);
	unsigned n = 0;

	if (first)
		words[n++] = WORD(op[0]->letter);
	if (second)
		words[n++] = WORD(op[1]->letter);
	if (!(before & 1 && first) && !(before & 2 && second))
		words[n++] = WORD('o');
	return n;
}
static bool possible(u64 at, u64 w, unsigned before)
{
	u64 words[3];

	return consists_of(w, words, possible_words(at, before, words));
}

static u64 word_at(const u8 *data, u64 at) { return *(const u64 *)(data + at); }
#define each_word(i, n) for (u64 i = phase * 8; i < (n); i += 64)

static void check_f(const u8 *data, u64 from, u64 n, unsigned before, const char *where)
{
	each_word(i, n)
		if (!possible(from + i, word_at(data, i), before))
			fail("%s: byte %lu of the file is %02x", where, (unsigned long)(from + i), data[i]);
}

/* B: what the file may hold there, or (unless it must have been read) what B held. */
static bool possible_in_b(u64 at, u64 w, bool must, unsigned before)
{
	u64 words[5];
	unsigned n = possible_words(B_AT + at, before, words);

	if (!must)
		words[n++] = b_first;
	if (either("dontneed"))
		words[n++] = 0;
	return consists_of(w, words, n);
}
static void check_b(const u8 *data, u64 n, bool must, unsigned before, const char *where)
{
	each_word(i, n)
		if (!possible_in_b(i, word_at(data, i), must, before))
			fail("%s: byte %lu of the buffer is %02x", where, (unsigned long)i, data[i]);
}

static void check_letter(const u8 *data, u64 n, u64 want, const char *where)
{
	each_word(i, n)
		if (word_at(data, i) != want)
			fail("%s: byte %lu is %02x, not %02x", where, (unsigned long)i, data[i], (unsigned)(want & 255));
}

/* --- the program's memory --- */

static int get(vaddr_t va, void *to, u64 n) { return user_access(va, to, n, false); }
static void must_get(vaddr_t va, void *to, u64 n) { CHECK_EQ(get(va, to, n), 0); }
static void fill(vaddr_t va, u64 n, char letter)
{
	u8 page[PAGE_SIZE];

	memset(page, letter, sizeof(page));
	for (u64 i = 0; i < n; i += PAGE_SIZE)
		CHECK_EQ(user_access(va + i, page, min(n - i, PAGE_SIZE), true), 0);
}
/* Who of the two runs: memory of his own. */
static vaddr_t own(vaddr_t base) { return base + (strcmp(current->name, "B") ? 0 : 8 * PAGE_SIZE); }

static ssize_t file_read(struct file *file, vaddr_t va, size_t n, loff_t pos)
{
	struct iov_iter it;

	CHECK_EQ(iter_init_user_buf(&it, (void __user *)va, n), 0);
	return file->ops->read(file, &it, &pos);
}
static ssize_t file_write(struct file *file, vaddr_t va, size_t n, loff_t pos)
{
	struct iovec iov = { (void *)va, n };
	struct iov_iter it;

	iter_init_user(&it, &iov, 1);
	return file->ops->write(file, &it, &pos);
}

/* --- the operations --- */

static void do_write(void)
{
	vaddr_t from = own(SOURCE);

	fill(from, 2 * PAGE_SIZE, 'w');
	CHECK_EQ(file_write(&file_f, from, 2 * PAGE_SIZE, PAGE_SIZE + 800), 2 * PAGE_SIZE);
}

static void do_lend(void) { CHECK_EQ(file_write(&file_f, L, FBYTES, 0), FBYTES); }

static void after_read(ssize_t n, unsigned before)
{
	u8 now[BBYTES];

	if (n < 0) {
		CHECK(n == -EFAULT && shaken());
	} else if (n < (ssize_t)BBYTES) {
		CHECK(truncates() || shaken());
	} else if (!shaken()) {
		must_get(B, now, BBYTES);
		check_b(now, BBYTES, true, before, "after it was read");
	}
}
static void read_by(struct file *file)
{
	unsigned before = ended;

	after_read(file_read(file, B, BBYTES, B_AT), before);
}
static void do_read(void) { read_by(&file_f); }
static void do_pin(void) { read_by(&file_direct); }

static void do_dwrite(void)
{
	vaddr_t from = own(SOURCE) + 2 * PAGE_SIZE;

	fill(from, 3 * PAGE_SIZE, 'd');
	CHECK_EQ(file_write(&file_direct, from, 3 * PAGE_SIZE, 3 * PAGE_SIZE), 3 * PAGE_SIZE);
}

static bool copied_private(u64 at) { return either("cow") && at >= 2 * PAGE_SIZE && at < 6 * PAGE_SIZE; }

/* Twice: a stale translation is one that was used before. */
static void look_at(bool private, u64 at)
{
	unsigned before = ended;
	u64 w;
	int sig = user_load((private ? PRIVATE : SHARED) + at, &w);

	if (sig)
		CHECK(sig == SIGBUS && truncates());
	else if (!(private && copied_private(at) && (w == WORD('p') || possible(at, w, 0))) && !possible(at, w, before))
		fail("the %s mapping: byte %lu of the file is %02x", private ? "private" : "shared", (unsigned long)at, (unsigned)(w & 255));
	else if (private && copied_private(at) && w != WORD('p') && before & 1U << is(1, "cow") && !truncates())
		fail("the private mapping: byte %lu is %02x, but was stored to", (unsigned long)at, (unsigned)(w & 255));
}
static void look_at_b(u64 at)
{
	u64 w;

	if (user_load(B + at, &w))
		CHECK(shaken());
	else if (!possible_in_b(at, w, false, 0))
		fail("B: byte %lu is %02x", (unsigned long)at, (unsigned)(w & 255));
}
static void do_fault(void)
{
	for (unsigned twice = 0; twice < 2; twice++)
		for (u64 p = 0; p < FPAGES; p++) {
			look_at(false, p * PAGE_SIZE + 512);
			look_at(true, p * PAGE_SIZE + 1024);
			if (p < BPAGES)
				look_at_b(p * PAGE_SIZE + 1536);
		}
}

/* Halves of pages 2 to 5. */
static void store_to(vaddr_t mapping, u8 letter, bool first, bool second)
{
	u8 half[PAGE_SIZE / 2];

	memset(half, letter, sizeof(half));
	for (u64 p = 2; p < 6; p++) {
		int sig = first ? user_access(mapping + p * PAGE_SIZE, half, sizeof(half), true) : 0;
		if (!sig && second)
			sig = user_access(mapping + p * PAGE_SIZE + sizeof(half), half, sizeof(half), true);
		CHECK(!sig || (sig == SIGBUS && truncates()));
	}
}
static void do_store(void) { store_to(SHARED, 's', true, true); }
static void do_cow(void)
{
	bool both = !(is(0, "cow") && is(1, "cow")), a = strcmp(current->name, "B") != 0;

	store_to(PRIVATE, 'p', both || a, both || !a);	/* each his half: none of them may be lost */
}

static void do_truncate(void)
{
	cow_truncated = ended && either("cow");
	CHECK_EQ(hfile_truncate(f, 2 * PAGE_SIZE + 1000), 0);
	CHECK_EQ(hfile_truncate(f, FBYTES), 0);
}

static void free_blocks(struct inode *inode, u64 first, u64 last) { hfile_free_blocks(container_of(inode, struct hfile, inode), first, last); }
static void do_punch(void)
{
	down_write(&f->inode.i_rwsem);
	CHECK_EQ(generic_punch(&f->inode, PAGE_SIZE, 4 * PAGE_SIZE, free_blocks), 0);
	up_write(&f->inode.i_rwsem);
}

/* A child's B is of one moment, and its own. */
static void live_as_child(void)
{
	u8 first[BBYTES], page[PAGE_SIZE];
	bool there[BPAGES];

	for (u64 p = 0; p < BPAGES; p++) {
		there[p] = !get(B + p * PAGE_SIZE, first + p * PAGE_SIZE, PAGE_SIZE);
		CHECK(there[p] || shaken());
		each_word(i, there[p] ? PAGE_SIZE : 0)
			if (!possible_in_b(p * PAGE_SIZE + i, word_at(first, p * PAGE_SIZE + i), false, 0))
				fail("the child's B: byte %lu is %02x", (unsigned long)(p * PAGE_SIZE + i), first[p * PAGE_SIZE + i]);
	}
	sched_yield_cpu();
	for (u64 p = 0; p < BPAGES; p++) {
		if (!there[p])
			continue;
		must_get(B + p * PAGE_SIZE, page, PAGE_SIZE);
		if (memcmp(first + p * PAGE_SIZE, page, PAGE_SIZE))
			fail("the child's page %lu of B changed", (unsigned long)p);
		memset(page, 'c', PAGE_SIZE);
		if (user_access(B + p * PAGE_SIZE, page, PAGE_SIZE, true)) {
			CHECK(shaken());		/* forked while it was read-only */
			continue;
		}
		must_get(B + p * PAGE_SIZE, page, PAGE_SIZE);
		check_letter(page, PAGE_SIZE, WORD('c'), "the child's B after its store");
	}
}
static void do_fork(void)
{
	struct mm *forked = proc_fork();

	CHECK(forked);
	proc_run(forked);
	live_as_child();
	proc_run(mm);
	proc_exit(forked);
}

static void do_munmap(void) { CHECK_EQ(mm_unmap(mm, B + 2 * PAGE_SIZE, PAGE_SIZE), 0); }
/* With a hole in B: what lies before it changes, and ENOMEM. */
static void changed_b(long error) { CHECK(!error || (error == -ENOMEM && (either("munmap") || either("move")))); }
static void do_mprotect(void)
{
	changed_b(sys_mprotect(B, BBYTES, PROT_READ));
	changed_b(sys_mprotect(B, BBYTES, RW));
}
/* To another place and back. */
static void do_move(void)
{
	long to = sys_mremap(B, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, own(ELSEWHERE));

	if (to == -EFAULT)
		CHECK(either("mprotect") || (is(0, "move") && is(1, "move")));		/* not one mapping just now, or the other one has it */
	else
		CHECK_EQ(to, own(ELSEWHERE));
	if (to > 0)
		CHECK_EQ(sys_mremap((vaddr_t)to, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, B), B);
}
static void do_dontneed(void) { changed_b(sys_madvise(B, BBYTES, MADV_DONTNEED)); }
static void do_fsync(void) { CHECK_EQ(generic_fsync(&file_f, false), 0); }

static void do_reclaim(void)
{
	bool files_first = host_random(2);

	for (unsigned i = 0; i < 2; i++)
		if (files_first == !i) {
			reclaim_clean();
			reclaim_pages(FPAGES);
		} else {
			sys_madvise(B, BBYTES, MADV_PAGEOUT);
			sys_madvise(L, FBYTES, MADV_PAGEOUT);
		}
}

/* fs/sendfile.c asks for its files by their numbers. */
struct file *fd_get_file(int fd)
{
	struct file *file = fd ? &file_g : &file_f;

	atomic_inc(&file->refs);
	return file;
}
static void copy(int from, loff_t a, int to, loff_t at, u64 n)
{
	vaddr_t va = own(ARGUMENTS);
	loff_t end = at + (loff_t)n, positions[2] = { a, at };

	CHECK_EQ(user_access(va, positions, sizeof(positions), true), 0);
	while (positions[1] < end) {
		long k = sys_copy_file_range(from, (loff_t __user *)va, to, (loff_t __user *)(va + 8), (u64)(end - positions[1]), 0);
		if (k == 0 && truncates())
			return;
		CHECK(k > 0);
		must_get(va, positions, sizeof(positions));
	}
}
static void do_copy_to(void) { copy(1, 0, 0, 4 * PAGE_SIZE, 4 * PAGE_SIZE); }
static void do_copy_from(void) { copy(0, 0, 1, FBYTES, FBYTES); }	/* behind what G has */

static const struct operation operations[] = {
	{ "write", do_write, 'w', PAGE_SIZE + 800, 3 * PAGE_SIZE + 800, false, false }, { "lend", do_lend, 'l', 0, FBYTES, false, false },
	{ "read", do_read, -1, 0, 0, true, false }, { "fault", do_fault, -1, 0, 0, false, false }, { "store", do_store, 's', 2 * PAGE_SIZE, 6 * PAGE_SIZE, false, false },
	{ "truncate", do_truncate, 0, 2 * PAGE_SIZE + 1000, FBYTES, false, false }, { "punch", do_punch, 0, PAGE_SIZE, 4 * PAGE_SIZE, false, false },
	{ "fork", do_fork, -1, 0, 0, false, false }, { "munmap", do_munmap, -1, 0, 0, false, true }, { "mprotect", do_mprotect, -1, 0, 0, false, true },
	{ "pin", do_pin, -1, 0, 0, true, false }, { "dwrite", do_dwrite, 'd', 3 * PAGE_SIZE, 6 * PAGE_SIZE, false, false },
	{ "fsync", do_fsync, -1, 0, 0, false, false }, { "reclaim", do_reclaim, -1, 0, 0, false, false },
	{ "copy_to", do_copy_to, 'g', 4 * PAGE_SIZE, 8 * PAGE_SIZE, false, false }, { "copy_from", do_copy_from, -1, 0, 0, false, false },
	{ "cow", do_cow, -1, 0, 0, false, false }, { "dontneed", do_dontneed, -1, 0, 0, false, true }, { "move", do_move, -1, 0, 0, false, true },
};

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
	child = host_random(4) ? NULL : proc_fork();
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
	CHECK_EQ(map_anon(B, BBYTES, RW, MAP_PRIVATE | MAP_FIXED), B);
	CHECK_EQ(map_anon(L, FBYTES, RW, MAP_PRIVATE | MAP_FIXED), L);
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
	const struct operation *a = operations, *end = operations + ARRAY_SIZE(operations);
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
