/*
 * For pairs.c: what there is, what may be where, and the operations.
 */
#pragma once
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
#define WINDOW (512 * PAGE)
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
static char *window;			/* 2 MiB, aligned; behind them two places to move B to; all PROT_NONE but in use */
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

static int is(int i, const char *name) { return !strcmp(op[i]->name, name); }
static int either(const char *name) { return is(0, name) || is(1, name); }
static int truncates(void) { return either("truncate"); }
static int throws(void) { return either("dontneed"); }

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
static __thread int me;			/* which of the two */
static void run(int i)
{
	me = i;
	op[i]->run();
	__atomic_fetch_or(&over, 1 << i, __ATOMIC_RELEASE);
}

/* The first byte of the n at `data`, which are F's from `from` on, that may not be; or -1. of_b: it is B's, which may also hold what it held, or be thrown away. */
static int impossible(const char *data, int from, int n, int before, int of_b)
{
	for (int i = 0; i < n;) {
		word w = *(const word *)(data + i);
		int anywhere = of_b && (w == b_first || (!w && throws()));

		if (!anywhere && !possible(from + i, w, before))
			return i;
		/* What is written begins and ends pages apart: what may be at both ends of a block may be everywhere in it. */
		i += n - i >= BLOCK && uniform(data + i, BLOCK, w) && (anywhere || possible(from + i + BLOCK - 8, w, before)) ? BLOCK : 8;
	}
	return -1;
}

static void check_f(const char *data, int from, int n, int before, const char *where)
{
	int i = impossible(data, from, n, before, 0);

	if (i >= 0)
		fail("%s: byte %d of the file is %02x", where, from + i, (unsigned char)data[i]);
}

/* B: what it held, or what the file may hold there. */
static void check_b(const char *data, int n, int must, int before, const char *where)
{
	int i = impossible(data, B_AT, n, before, !must);

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
		if (impossible(copy, B_AT + p * PAGE, PAGE, 0, 1) >= 0)
			_exit(2);
		if (!equal(copy, page, PAGE))
			_exit(3);
		fill(page, PAGE, 'c');
		if (!uniform(page, PAGE, WORD('c')))
			_exit(4);
	}
	if (!uniform(l, FBYTES, WORD('l')))
		_exit(5);
	fill(l + PAGE, 2 * PAGE, 'c');
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
static void do_dontneed(void) { MUST(madvise(b, BBYTES, MADV_DONTNEED) == 0 || (errno == ENOMEM && shaken())); }

/* To a place of this one's own, and back; not if there is a hole, or somebody else has moved it. */
static void do_move(void)
{
	char *place = window + WINDOW + me * BBYTES;

	if (mremap(b, BBYTES, BBYTES, MREMAP_MAYMOVE | MREMAP_FIXED, place) == place)
		MUST(mremap(place, BBYTES, BBYTES, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b);
	else
		MUST(errno == EFAULT && shaken());
	MUST(mmap(place, BBYTES, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == place);
}

/* What is there already is stored to L. */
static void do_touch(void)
{
	for (int p = 0; p < FPAGES; p += 3)
		fill(l + p * PAGE, PAGE, 'l');
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
	{ "copy_from", do_copy_from, -1, 0, 0, 0, 0 }, { "touch", do_touch, -1, 0, 0, 0, 0 }, { "dontneed", do_dontneed, -1, 0, 0, 0, 1 },
	{ "move", do_move, -1, 0, 0, 0, 1 },
};
#define NR ((int)(sizeof(operations) / sizeof(*operations)))
