/*
 * Two operations of the memory system at the same time, by two threads on the same file and the same memory, under many schedules (kernel/explore.h), for
 * every pair of operations. Also runs on Linux: the checks are of what Linux promises.
 *
 * usage: pairs A B COUNT SEED [DIRECTORY]     schedule i has seed SEED + i; in DIRECTORY (/tmp)
 *        pairs all COUNT SEED [DIRECTORY [PART OF]]   every pair, or each OFth of them from number PART on
 *        pairs list
 * `A B: COUNT schedules` and 0, or `FAIL A B schedule I seed S event N: what` and 1.
 *
 * There are: the file F of 16 pages, all 'o'; a shared and a private mapping of it; the file G, all 'g'; B, 4 pages of private memory, which were
 * touched or not; L, 16 pages of private memory, all 'l'. Each operation that changes F writes a letter of its own, or zeroes, to a part of it.
 * - Every word that anybody sees of F, while they run or afterwards, is the old one or one that one of the two writes there: zeroes never, but by truncate
 *   and punch. Afterwards a word that one of them writes is written; one that both write is one of the two.
 * - What was read into B is of that kind, and nobody changes it any more: neither a later write to F, nor does a store to B change F, G or L. The same
 *   with all others: where the kernel shares a page instead of copying it, nobody can tell.
 * The schedule of a seed begins and ends with the two operations: before and afterwards there is one task, and nothing to choose.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore.h"
#include "words.h"

#define PAGE 4096
#define FPAGES 16
#define BPAGES 4
#define FBYTES (FPAGES * PAGE)
#define BBYTES (BPAGES * PAGE)
#define B_AT PAGE			/* where in F the reads begin */
#define RW (PROT_READ | PROT_WRITE)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif
#define BLOCK 512			/* what is looked at at a time */

/* An operation, what it may do to F, and whether it reads F into B or takes memory away from under others. */
struct operation {
	const char *name;
	void (*run)(void);
	int letter;			/* written to F in [from, to); -1: nothing */
	int from, to;
	int reads_b, shakes_b;
};
static const struct operation *op[2];

static const char *name_of(int i) { return op[i] ? op[i]->name : "?"; }
static long schedule, seed;
static int f, direct, g;
static char *shared, *private, *b, *l;
static word b_first;			/* what B held before */
static __thread sigjmp_buf fault;

static void fail(const char *format, ...)
{
	va_list ap;
	char text[300];

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	printf("FAIL %s %s schedule %ld seed %ld event %ld: %s\n", name_of(0), name_of(1), schedule, seed, explore_events(), text);
	fflush(stdout);
	_exit(1);
}
#define MUST(condition) do { if (!(condition)) fail("line %d: %s (%s)", __LINE__, #condition, strerror(errno)); } while (0)

/* --- what may be where --- */

static int touches(int i, int at) { return op[i]->letter >= 0 && at >= op[i]->from && at < op[i]->to; }

/* May the word at `at` of F be w, for who began to look when those of `before` had ended: a bit for each of the two. */
static int possible(int at, word w, int before)
{
	int first = touches(0, at), second = touches(1, at);

	if ((first && w == WORD(op[0]->letter)) || (second && w == WORD(op[1]->letter)))
		return 1;
	return w == WORD('o') && !(before & 1 && first) && !(before & 2 && second);
}
#define BOTH 3
static int over;			/* those that have ended */
static int ended(void) { return __atomic_load_n(&over, __ATOMIC_ACQUIRE); }
static void run(int i)
{
	op[i]->run();
	__atomic_fetch_or(&over, 1 << i, __ATOMIC_RELEASE);
}

/* The first byte of the n at `data`, which are F's from `from` on, that may not be; or -1. old: what else they may hold. */
static int impossible(const char *data, int from, int n, int before, const word *old)
{
	for (int i = 0; i < n;) {
		word w = *(const word *)(data + i);
		int anywhere = old && w == *old;

		if (!anywhere && !possible(from + i, w, before))
			return i;
		/* What is written begins and ends pages apart: what may be at both ends of a block may be everywhere in it. */
		i += n - i >= BLOCK && uniform(data + i, BLOCK, w) && (anywhere || possible(from + i + BLOCK - 8, w, before)) ? BLOCK : 8;
	}
	return -1;
}

static void check_f(const char *data, int from, int n, int before, const char *where)
{
	int i = impossible(data, from, n, before, NULL);

	if (i >= 0)
		fail("%s: byte %d of the file is %02x", where, from + i, (unsigned char)data[i]);
}

/* B: what it held, or what the file may hold there. */
static void check_b(const char *data, int n, int must, int before, const char *where)
{
	int i = impossible(data, B_AT, n, before, must ? NULL : &b_first);

	if (i >= 0)
		fail("%s: byte %d of the buffer is %02x", where, i, (unsigned char)data[i]);
}

static void check_letter(const char *data, int n, char letter, const char *where)
{
	for (int i = 0; !uniform(data, n, WORD(letter)) && i < n; i += 8)
		if (*(const word *)(data + i) != WORD(letter))
			fail("%s: byte %d is %02x, not '%c'", where, i, (unsigned char)data[i], letter);
}

static void on_fault(int sig) { siglongjmp(fault, 1); }

static int truncates(void);
static int shaken(void) { return op[0]->shakes_b || op[1]->shakes_b; }

/* --- the operations --- */

static void do_write(void)
{
	static __thread char from[2 * PAGE];

	fill(from, sizeof(from), 'w');
	MUST(pwrite(f, from, sizeof(from), PAGE + 800) == sizeof(from));
}

static void do_lend(void) { MUST(pwrite(f, l, FBYTES, 0) == FBYTES); }

static void after_read(long n, int before)
{
	if (n < 0)
		MUST(errno == EFAULT && shaken());
	else if (n < BBYTES)
		MUST(truncates() || shaken());
	else if (!shaken())
		check_b(b, BBYTES, 1, before, "after it was read");
}
static void read_by(int fd)
{
	int before = ended();

	after_read(pread(fd, b, BBYTES, B_AT), before);
}
static void do_read(void) { read_by(f); }

static void do_pin(void)
{
	if (direct >= 0)
		read_by(direct);
}

static void do_dwrite(void)
{
	static __thread char from[3 * PAGE] __attribute__((aligned(PAGE)));

	fill(from, sizeof(from), 'd');
	MUST(pwrite(direct >= 0 ? direct : f, from, sizeof(from), 3 * PAGE) == sizeof(from));
}

static void do_fault(void)
{
	for (volatile int p = 0; p < FPAGES; p++) {
		int before = ended();

		if (!sigsetjmp(fault, 1)) {
			check_f(shared + p * PAGE + 512, p * PAGE + 512, 8, before, "the shared mapping");
			check_f(private + p * PAGE + 1024, p * PAGE + 1024, 8, before, "the private mapping");
		} else {
			MUST(truncates());
		}
	}
}

static void do_store(void)
{
	for (volatile int p = 2; p < 6; p++)
		if (!sigsetjmp(fault, 1))
			for (int i = 0; i < PAGE; i += 8)
				*(volatile word *)(shared + p * PAGE + i) = WORD('s');
		else
			MUST(truncates());
}

static void do_truncate(void) { MUST(ftruncate(f, 2 * PAGE + 1000) == 0 && ftruncate(f, FBYTES) == 0); }
static void do_punch(void) { MUST(fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, 3 * PAGE) == 0); }

/* The child's B is of one moment, and its own. */
static void child(void)
{
	static char copy[BBYTES];

	for (volatile int p = 0; p < BPAGES; p++) {
		char *page = b + p * PAGE;
		if (sigsetjmp(fault, 1))
			continue;
		memcpy(copy, page, PAGE);
		if (impossible(copy, B_AT + p * PAGE, PAGE, 0, &b_first) >= 0)
			_exit(2);
		if (!equal(copy, page, PAGE))
			_exit(3);
		fill(page, PAGE, 'c');
		if (!uniform(page, PAGE, WORD('c')))
			_exit(4);
	}
	_exit(0);
}

static void do_fork(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid)
		child();
	MUST(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("the child found something wrong: %x", status);
}

static void do_munmap(void) { MUST(munmap(b + 2 * PAGE, PAGE) == 0); }
static void do_mprotect(void)
{
	/* With a hole: what lies before it changes, and ENOMEM. */
	MUST(mprotect(b, BBYTES, PROT_READ) == 0 || errno == ENOMEM);
	MUST(mprotect(b, BBYTES, RW) == 0 || errno == ENOMEM);
}
static void do_fsync(void) { MUST(fsync(f) == 0); }

static void do_reclaim(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd >= 0 && write(fd, "1\n", 2) < 0)
		MUST(errno == EACCES);
	close(fd);
	posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED);
	madvise(b, BBYTES, MADV_PAGEOUT);
	madvise(l, FBYTES, MADV_PAGEOUT);
}

static void copy(int from, off_t a, int to, off_t at, long n)
{
	while (n > 0) {
		long k = copy_file_range(from, &a, to, &at, (size_t)n, 0);
		if (k == 0 && truncates())
			return;
		MUST(k > 0);
		n -= k;
	}
}
static void do_copy_to(void) { copy(g, 0, f, 4 * PAGE, 4 * PAGE); }
static void do_copy_from(void) { copy(f, 0, g, FBYTES, FBYTES); }	/* behind what G has */

static const struct operation operations[] = {
	{ "write", do_write, 'w', PAGE + 800, 3 * PAGE + 800, 0, 0 }, { "lend", do_lend, 'l', 0, FBYTES, 0, 0 }, { "read", do_read, -1, 0, 0, 1, 0 },
	{ "fault", do_fault, -1, 0, 0, 0, 0 }, { "store", do_store, 's', 2 * PAGE, 6 * PAGE, 0, 0 }, { "truncate", do_truncate, 0, 2 * PAGE + 1000, FBYTES, 0, 0 },
	{ "punch", do_punch, 0, PAGE, 4 * PAGE, 0, 0 }, { "fork", do_fork, -1, 0, 0, 0, 0 }, { "munmap", do_munmap, -1, 0, 0, 0, 1 },
	{ "mprotect", do_mprotect, -1, 0, 0, 0, 1 }, { "pin", do_pin, -1, 0, 0, 1, 0 }, { "dwrite", do_dwrite, 'd', 3 * PAGE, 6 * PAGE, 0, 0 },
	{ "fsync", do_fsync, -1, 0, 0, 0, 0 }, { "reclaim", do_reclaim, -1, 0, 0, 0, 0 }, { "copy_to", do_copy_to, 'g', 4 * PAGE, 8 * PAGE, 0, 0 },
	{ "copy_from", do_copy_from, -1, 0, 0, 0, 0 },
};
#define NR ((int)(sizeof(operations) / sizeof(*operations)))

static int is(int i, const char *name) { return !strcmp(op[i]->name, name); }
static int truncates(void) { return is(0, "truncate") || is(1, "truncate"); }

/* --- one schedule --- */

static char *memory(int pages) { return mmap(NULL, (size_t)pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

/* What files are written from and read to: whole pages, which the kernel may lend, or not. */
static char *room(int i)
{
	static char rooms[3][2 * FBYTES + PAGE] __attribute__((aligned(PAGE)));

	return rooms[i] + (seed & 8);
}

/* By the seed: F cached, dirty or absent; mapped pages present or not; B touched or not; F's pages its own or lent. */
static void prepare(void)
{
	char *block = room(0);

	b = memory(BPAGES);
	l = memory(FPAGES);
	MUST(b != MAP_FAILED && l != MAP_FAILED);
	fill(l, FBYTES, 'l');
	fill(block, FBYTES, 'g');
	MUST(ftruncate(g, 0) == 0 && pwrite(g, block, FBYTES, 0) == FBYTES);
	fill(block, FBYTES, 'o');
	MUST(ftruncate(f, 0) == 0 && pwrite(f, block, FBYTES, 0) == FBYTES);
	shared = mmap(NULL, FBYTES, RW, MAP_SHARED, f, 0);
	private = mmap(NULL, FBYTES, RW, MAP_PRIVATE, f, 0);
	MUST(shared != MAP_FAILED && private != MAP_FAILED);
	if (seed & 1) {
		fsync(f);	/* Linux: EIO after a direct write met a store through a mapping (open(2)) */
		posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED);
	}
	for (int p = 0; seed & 2 && p < FPAGES; p++)
		MUST(shared[p * PAGE] == 'o' && private[p * PAGE] == 'o');
	if (seed & 4)
		fill(b, BBYTES, 'b');
	b_first = seed & 4 ? WORD('b') : 0;
}

static int begun, done;			/* schedules: the second task waits to be told */
static void announce(int *number)
{
	__atomic_add_fetch(number, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static void await(int *number, int seen)
{
	while (__atomic_load_n(number, __ATOMIC_ACQUIRE) == seen)
		syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
static void *second(void *unused)
{
	for (int i = 0;; i++) {
		await(&begun, i);
		run(1);
		announce(&done);
	}
	return NULL;
}

static void look(int fd, char *data, int size) { MUST(pread(fd, data, (size_t)size, 0) == size); }

/* In every fourth schedule: the disk has what the cache showed. */
static void check_disk(char *again, const char *now)
{
	if (seed % 4 || direct < 0)
		return;
	MUST(fsync(f) == 0);
	again -= seed & 8;			/* memory for O_DIRECT */
	MUST(pread(direct, again, FBYTES, 0) == FBYTES && equal(again, now, FBYTES));
}

/* Afterwards: what each sees, and that nobody sees what another does from now on. */
static void check(void)
{
	char *now = room(0), *copied = room(1), *again = room(2);
	word mapped[2][FPAGES];
	int hole = is(0, "munmap") || is(1, "munmap"), size, reads = op[0]->reads_b || op[1]->reads_b;
	int used = hole ? 2 * PAGE : BBYTES;

	MUST(lseek(f, 0, SEEK_END) == FBYTES);
	for (int p = 0; p < FPAGES; p++)	/* before a read puts right what is mapped */
		mapped[0][p] = *(word *)(shared + p * PAGE + 2048), mapped[1][p] = *(word *)(private + p * PAGE + 2048);
	look(f, now, FBYTES);
	check_f(now, 0, FBYTES, BOTH, "afterwards");
	MUST(equal(shared, now, FBYTES));
	for (int p = 0; p < FPAGES; p++)
		MUST(mapped[0][p] == *(word *)(now + p * PAGE + 2048) && mapped[1][p] == mapped[0][p]);
	size = (int)lseek(g, 0, SEEK_END);
	look(g, copied, size);
	check_letter(copied, FBYTES, 'g', "G");
	check_f(copied + FBYTES, 0, size - FBYTES, 0, "the copy");
	check_b(b, used, 0, 0, "B");
	if (!reads)
		check_letter(b, used, (char)b_first, "B, which nobody read into");
	check_letter(l, FBYTES, 'l', "L");
	fill(b, used, 'x');
	for (int p = 0; p < FPAGES; p += 2)	/* a store to every other page, before a write to F */
		fill(l + p * PAGE, PAGE, 'v');
	look(f, again, FBYTES);
	MUST(equal(again, now, FBYTES));
	check_disk(again, now);
	for (int p = 1; p < FPAGES; p += 2)	/* G must not show these, nor F the private ones */
		*(word *)(shared + p * PAGE + 1024) = WORD('y'), *(word *)(private + p * PAGE + 2048) = WORD('p');
	MUST(pread(f, again, 8, PAGE + 2048) == 8 && *(word *)again == *(word *)(now + PAGE + 2048));
	fill(now, FBYTES, 'z');
	MUST(pwrite(f, now, FBYTES, 0) == FBYTES);
	check_letter(b, used, 'x', "B after a write to F");
	for (int p = 0; p < FPAGES; p++)
		check_letter(l + p * PAGE, PAGE, p % 2 ? 'l' : 'v', "L after a write to F");
	look(g, again, size);
	MUST(equal(again, copied, size));
	fill(l, FBYTES, 'v');
	check_letter(shared, FBYTES, 'z', "F after a store to L");
}

static void one(int control, long k)
{
	int before = done;

	prepare();
	over = 0;
	explore_choose(control, k, seed);
	announce(&begun);
	run(0);
	await(&done, before);
	explore_words(control, "off\n");
	check();
	munmap(shared, FBYTES);
	munmap(private, FBYTES);
	munmap(b, BBYTES);
	munmap(l, FBYTES);
}

static void explore(const struct operation *a, const struct operation *z, long count, long base)
{
	int control = explore_open();
	long k = 0, sum = 0;

	explore_words(control, "off\n");
	op[0] = a;
	op[1] = z;
	for (schedule = 0; schedule < count; schedule++) {
		seed = base + schedule;
		one(control, k);
		if (schedule % 16 == 0)
			k = control >= 0 ? explore_events() : 0;
		sum += k;
	}
	close(control);
	printf("%s %s: %ld schedules of about %ld events\n", a->name, z->name, count, count ? sum / count : 0);
}

static const struct operation *find(const char *name)
{
	for (int i = 0; i < NR; i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}

static int begin(const char *directory)
{
	struct sigaction action = { .sa_handler = on_fault };
	pthread_t thread;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (chdir(directory))
		return 0;
	f = open("pairs.f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	direct = open("pairs.f", O_RDWR | O_DIRECT);
	g = open("pairs.g", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return f >= 0 && g >= 0 && unlink("pairs.f") == 0 && unlink("pairs.g") == 0 && pthread_create(&thread, NULL, second, NULL) == 0;
}

int main(int argc, char **argv)
{
	int all = argc >= 4 && !strcmp(argv[1], "all"), number = 0, part = argc > 6 ? atoi(argv[5]) : 0, of = argc > 6 ? atoi(argv[6]) : 1;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (int i = 0; i < NR; i++)
			printf("%s\n", operations[i].name);
		return 0;
	}
	if (all && of > 0) {
		if (!begin(argc > 4 ? argv[4] : "/tmp"))
			return 2;
		for (int i = 0; i < NR; i++)
			for (int j = i; j < NR; j++)
				if (number++ % of == part % of)
					explore(&operations[i], &operations[j], atol(argv[2]), atol(argv[3]));
		return 0;
	}
	if (argc >= 5 && find(argv[1]) && find(argv[2])) {
		if (!begin(argc > 5 ? argv[5] : "/tmp"))
			return 2;
		explore(find(argv[1]), find(argv[2]), atol(argv[3]), atol(argv[4]));
		return 0;
	}
	fprintf(stderr, "usage: pairs A B COUNT SEED [DIRECTORY] | pairs all COUNT SEED [DIRECTORY [PART OF]] | pairs list\n");
	return 2;
}
