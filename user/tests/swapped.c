/*
 * Memory that is sent out (MADV_PAGEOUT) is the same when it comes back, whatever happened to it meanwhile: fork, mprotect, mremap, system
 * calls on it, files cut off below private copies, threads that store into it. Without a swap area nothing goes out, and the output is the same:
 * tests/suite_swap.py runs it with one, and with a device that is slow or full.
 */
#include "t.h"
#include <pthread.h>
#include <signal.h>

#ifndef MADV_PAGEOUT
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#define N 48		/* pages */

static char *anon(size_t pages) { return mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static uint64_t word(size_t page, unsigned seed) { return (page + 1) * 0x9e3779b97f4a7c15UL + seed; }

static __attribute__((noinline)) void fill(char *p, size_t pages, unsigned seed)
{
	for (size_t i = 0; i < pages; i++)
		for (size_t k = 0; k < PAGE; k += 1024)
			*(uint64_t *)(p + i * PAGE + k) = word(i, seed) + k;
}

static __attribute__((noinline)) const char *check(const char *p, size_t pages, unsigned seed)
{
	for (size_t i = 0; i < pages; i++)
		for (size_t k = 0; k < PAGE; k += 1024)
			if (*(const uint64_t *)(p + i * PAGE + k) != word(i, seed) + k)
				return "CHANGED";
	return "same";
}

static int out(char *p, size_t pages) { return madvise(p, pages * PAGE, MADV_PAGEOUT); }

static void forks(void)
{
	char *p = anon(N);
	int status;

	for (int round = 0; round < 3; round++) {	/* out before the fork; after it; both */
		fill(p, N, round);
		if (round != 1)
			out(p, N);
		pid_t pid = fork();
		if (!pid) {
			if (round)
				out(p, N);
			if (strcmp(check(p, N, round), "same"))
				_exit(1);
			fill(p, N / 2, 100);
			out(p, N);
			_exit(strcmp(check(p, N / 2, 100), "same") ? 2 : *(uint64_t *)(p + (N - 1) * PAGE) != word(N - 1, round) ? 3 : 0);
		}
		if (round)
			out(p, N);
		*(uint64_t *)p = 7;
		waitpid(pid, &status, 0);
		show_status("child", status);
		SAY("parent, round %d: %s, its own store %s\n", round, check(p + PAGE, 0, 0), *(uint64_t *)p == 7 ? "there" : "LOST");
		*(uint64_t *)p = word(0, round);
		SAY("the rest: %s\n", check(p, N, round));
	}
	munmap(p, N * PAGE);
}

static void protections(void)
{
	char *p = anon(N), *q;
	int fd[2];

	fill(p, N, 1);
	T(out(p, N));
	T(mprotect(p, N * PAGE, PROT_READ));
	SAY("read-only: %s\n", check(p, N, 1));
	T(pipe(fd));
	T(write(fd[1], "x", 1));
	T(read(fd[0], p, 1));
	T(mprotect(p, N * PAGE, RW));
	T(out(p, N));
	T(mprotect(p, N * PAGE, PROT_NONE));
	T(out(p, N));
	T(mprotect(p, N * PAGE, RW));
	SAY("after PROT_NONE: %s\n", check(p, N, 1));
	T(out(p, N));
	q = mremap(p, N * PAGE, 2 * N * PAGE, MREMAP_MAYMOVE);
	SAY("moved: %s\n", check(q, N, 1));
	T(out(q, N));
	T(munmap(q, N / 2 * PAGE));
	p = q + N / 2 * PAGE;
	SAY("the second half: %s\n", *(uint64_t *)p == word(N / 2, 1) ? "same" : "CHANGED");
	T(out(p, N / 2));
	T(madvise(p, PAGE, MADV_DONTNEED));
	SAY("given up: %lu\n", *(uint64_t *)p);
	T(mlock(p, 4 * PAGE));
	T(out(p, 1));
	T(munlock(p, 4 * PAGE));
	T(out(p, 1));
	T(madvise(p, 4 * PAGE, MADV_COLD));
	T(madvise(p, PAGE, MADV_PAGEOUT));
	T(munmap(p, (N + N / 2) * PAGE));
	close(fd[0]);
	close(fd[1]);
}

static void system_calls(void)
{
	char *p = anon(N), *q = anon(N);
	int fd = open("swapped.file", O_RDWR | O_CREAT | O_TRUNC, 0600);

	fill(p, N, 5);
	out(p, N);
	T(write(fd, p, N * PAGE));
	fill(q, N, 6);
	out(q, N);
	T(pread(fd, q, N * PAGE, 0));
	SAY("read: %s, written: %s\n", check(q, N, 5), check(p, N, 5));
	out(q, N);
	T(pread(fd, q + 100, 2 * PAGE, 100));
	out(q, 3);
	SAY("in the middle: %s\n", check(q, N, 5));
	close(fd);
	munmap(p, N * PAGE);
	munmap(q, N * PAGE);
}

static sigjmp_buf back;
static void bus(int sig) { siglongjmp(back, sig); }

/* Private copies of a file's pages: out, and in again; gone with the file's end, kept over a hole. */
static void private_copies(void)
{
	int fd = open("swapped.file", O_RDWR);
	char *p = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);

	signal(SIGBUS, bus);
	fill(p, 8, 9);
	T(out(p, 8));
	SAY("copies: %s, the file: %s\n", check(p, 8, 9), ({ uint64_t v; pread(fd, &v, 8, 0); v == word(0, 5) ? "same" : "CHANGED"; }));
	T(out(p, 8));
	T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2 * PAGE));
	SAY("over a hole: %s\n", check(p, 8, 9));
	T(out(p, 8));
	T(ftruncate(fd, 4 * PAGE));
	int sig = sigsetjmp(back, 1);
	if (!sig)
		SAY("past the end: %lx\n", *(volatile uint64_t *)(p + 5 * PAGE));
	else
		SAY("past the end: signal %d\n", sig);
	SAY("before the end: %s\n", check(p, 4, 9));
	signal(SIGBUS, SIG_DFL);
	munmap(p, 8 * PAGE);
	close(fd);
	unlink("swapped.file");
}

static void what_fork_leaves_out(void)
{
	char *p = anon(4), *q = anon(4), *s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	fill(p, 4, 2);
	fill(q, 4, 2);
	fill(s, 4, 2);
	T(madvise(p, 4 * PAGE, MADV_WIPEONFORK));
	T(madvise(q, 4 * PAGE, MADV_DONTFORK));
	out(p, 4);
	out(q, 4);
	out(s, 4);
	if (!fork())
		_exit(*(uint64_t *)p != 0 || strcmp(check(s, 4, 2), "same"));
	wait(&status);
	show_status("wiped, shared", status);
	SAY("%s %s %s\n", check(p, 4, 2), check(q, 4, 2), check(s, 4, 2));
}

/* --- threads --- */

#define ROUNDS 300
static uint64_t *shared;
static int stop;

static void *adder(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		for (size_t n = 0; n < N; n++)
			__atomic_fetch_add(&shared[n * 512 + (size_t)arg], 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *sender(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		out((char *)shared, N);
	return NULL;
}

static void *forker(void *arg)
{
	(void)arg;
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();
		if (!pid) {
			uint64_t old[N];
			for (size_t n = 0; n < N; n++)
				old[n] = shared[n * 512];
			out((char *)shared, N);
			for (size_t n = 0; n < N; n++)
				if (shared[n * 512] != old[n])
					_exit(1);
			_exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		if (status)
			show_status("a child saw its parent's stores", status);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[4];
	int bad = 0;

	shared = (uint64_t *)anon(N);
	pthread_create(&t[0], NULL, adder, (void *)0);
	pthread_create(&t[1], NULL, adder, (void *)1);
	pthread_create(&t[2], NULL, sender, NULL);
	pthread_create(&t[3], NULL, forker, NULL);
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		pthread_join(t[i], NULL);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(t[2], NULL);
	for (size_t n = 0; n < N; n++)
		bad += shared[n * 512] != ROUNDS || shared[n * 512 + 1] != ROUNDS;
	SAY("pages whose counts are wrong: %d\n", bad);
}

int main(void)
{
	char *p = anon(N);

	fill(p, N, 3);
	T(out(p, N));
	SAY("out and in: %s\n", check(p, N, 3));
	fill(p, N, 4);
	T(out(p, N));
	T(out(p, N));
	SAY("again: %s\n", check(p, N, 4));
	forks();
	protections();
	system_calls();
	private_copies();
	what_fork_leaves_out();
	threads();
	return 0;
}
