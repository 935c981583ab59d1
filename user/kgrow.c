/*
 * How cost and memory grow: ./cowslip bench --grow and --memory (tools/benchgrow.py) run it on Cowslip and on Linux.
 *
 * usage: kgrow ROW SIZE...    prints `ROW SIZE COST` for each; the cost is in ticks of rdtsc, the least of some rounds
 *        kgrow memory         prints `WHAT BYTES`: what one more file, process, mapping takes of MemFree, and how much was free at first
 * Sizes: MiB for read, mmap, fork and fork_thp; how many there are for the others.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define MIB (1UL << 20)
#define FOLDER "/tmp/kgrow"

typedef unsigned long long u64;

static inline u64 ticks(void)
{
	unsigned low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (u64)high << 32 | low;
}

static void die(const char *what)
{
	printf("failed: %s: %s\n", what, strerror(errno));
	exit(1);
}

static char *map(size_t size, int flags)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void touch(char *p, size_t size)
{
	for (size_t i = 0; i < size; i += PAGE)
		*(volatile char *)(p + i) = 1;
}

/* --- files: reading all of it by pieces of 1 MiB, and mapping it and looking at each page --- */

static u64 read_or_map(long mib, int mapped)
{
	static char piece[MIB];
	size_t size = (size_t)mib * MIB;
	int fd = open(FOLDER ".file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	u64 best = ULLONG_MAX, sum = 0;

	memset(piece, 1, sizeof(piece));
	for (size_t done = 0; done < size; done += MIB)
		if (pwrite(fd, piece, MIB, (off_t)done) != (ssize_t)MIB)
			die("write");
	for (int round = 0; round < 3; round++) {
		u64 start = ticks();
		if (mapped) {
			char *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
			if (p == MAP_FAILED)
				die("mmap");
			for (size_t i = 0; i < size; i += PAGE)
				sum += *(volatile char *)(p + i);
			munmap(p, size);
		} else {
			for (size_t done = 0; done < size; done += MIB)
				if (pread(fd, piece, MIB, (off_t)done) != (ssize_t)MIB)
					die("read");
		}
		u64 cost = ticks() - start;
		if (cost < best)
			best = cost;
	}
	if (mapped && sum != 3 * size / PAGE)
		die("data");
	close(fd);
	unlink(FOLDER ".file");
	return best;
}

static u64 row_read(long mib) { return read_or_map(mib, 0); }
static u64 row_mmap(long mib) { return read_or_map(mib, 1); }

/* One read() of 16 MiB to memory that was not touched, then a store to so many of its pages, out of order. */
static u64 row_stored(long stores)
{
	enum { PAGES = 4096 };
	static char page[PAGE];
	int fd = open(FOLDER ".file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	u64 best = ULLONG_MAX;

	for (int i = 0; i < PAGES; i++)
		if (write(fd, page, PAGE) != PAGE)
			die("write");
	for (int round = 0; round < 6; round++) {
		char *p = map(PAGES * PAGE, 0);
		u64 start = ticks();
		if (pread(fd, p, PAGES * PAGE, 0) != PAGES * PAGE)
			die("read");
		for (long i = 0; i < stores; i++)
			p[(unsigned long)i * 2731 % PAGES * PAGE] = 1;
		u64 cost = ticks() - start;
		if (cost < best)
			best = cost;
		munmap(p, PAGES * PAGE);
	}
	close(fd);
	unlink(FOLDER ".file");
	return best;
}

/* --- processes --- */

static u64 fork_exit_wait(void)
{
	u64 best = ULLONG_MAX;

	for (int round = 0; round < 4; round++) {
		u64 start = ticks();
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
		u64 cost = ticks() - start;
		if (cost < best)
			best = cost;
	}
	return best;
}

static u64 fork_with(long mib, int huge)
{
	size_t size = (size_t)mib * MIB;
	char *p = map(size, 0);
	u64 cost;

	if (!huge)
		madvise(p, size, MADV_NOHUGEPAGE);
	touch(p, size);
	cost = fork_exit_wait();
	munmap(p, size);
	return cost;
}

static u64 row_fork(long mib) { return fork_with(mib, 0); }
static u64 row_fork_thp(long mib) { return fork_with(mib, 1); }

static pid_t *sleepers(long count)
{
	pid_t *children = calloc((size_t)count, sizeof(*children));

	for (long i = 0; i < count; i++) {
		children[i] = fork();
		if (children[i] < 0)
			die("fork");
		if (!children[i])
			for (;;)
				pause();
	}
	for (int i = 0; i < 3; i++)
		usleep(20000);			/* all of them sleep */
	return children;
}

static void end(pid_t *children, long count)
{
	for (long i = 0; i < count; i++)
		kill(children[i], SIGKILL);
	for (long i = 0; i < count; i++)
		waitpid(children[i], NULL, 0);
	free(children);
}

/* A process is made and ends while so many others sleep. */
static u64 row_processes(long count)
{
	pid_t *children = sleepers(count);
	u64 cost = fork_exit_wait();

	end(children, count);
	return cost;
}

/* --- a directory with so many entries: each is looked up, by name, once (per entry); all are listed (per entry) --- */

static void name_of(char *path, long i) { sprintf(path, FOLDER "/entry-%06ld", i); }

static void make_entries(long count)
{
	char path[64];

	mkdir(FOLDER, 0700);
	for (long i = 0; i < count; i++) {
		name_of(path, i);
		int fd = open(path, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			die(path);
		close(fd);
	}
}

static void remove_entries(long count)
{
	char path[64];

	for (long i = 0; i < count; i++) {
		name_of(path, i);
		unlink(path);
	}
	rmdir(FOLDER);
}

static u64 row_lookup(long count)
{
	char path[64];
	struct stat st;
	u64 cost = 0;

	make_entries(count);
	for (long i = 0, n = 0; i < 1000; i++, n = (n + 7919) % count) {
		name_of(path, n);
		u64 start = ticks();
		if (stat(path, &st))
			die(path);
		cost += ticks() - start;
	}
	remove_entries(count);
	return cost / 1000;
}

static u64 row_list(long count)
{
	long seen = 0;
	u64 start, cost;

	make_entries(count);
	start = ticks();
	DIR *d = opendir(FOLDER);
	while (d && readdir(d))
		seen++;
	closedir(d);
	cost = ticks() - start;
	if (seen != count + 2)
		die("readdir");
	remove_entries(count);
	return cost / (u64)count;
}

/* --- so many mappings that cannot merge: the cost of a fault in the middle of them, and of one more, made and removed --- */

static u64 with_mappings(long count, int fault)
{
	size_t size = 2 * (size_t)count * PAGE;
	char *p = map(size, MAP_NORESERVE);
	u64 best = ULLONG_MAX;

	for (long i = 0; i < count; i++)
		if (mprotect(p + 2 * (size_t)i * PAGE, PAGE, PROT_READ))
			die("mprotect");
	for (int round = 0; round < 8; round++) {
		char *at = p + (2 * ((size_t)count * (size_t)(round + 1) / 10) + 1) * PAGE;
		if (fault)
			madvise(at, PAGE, MADV_DONTNEED);
		u64 start = ticks();
		if (fault)
			*(volatile char *)at = 1;
		else
			munmap(map(PAGE, 0), PAGE);
		u64 cost = ticks() - start;
		if (cost < best)
			best = cost;
	}
	munmap(p, size);
	return best;
}

static u64 row_mappings_fault(long count) { return with_mappings(count, 1); }
static u64 row_mappings_mmap(long count) { return with_mappings(count, 0); }

/* --- so many threads wait on one futex: all are woken, run, and wait again (per thread) --- */

static _Atomic int generation, waiting, stop;

static void *waiter(void *unused)
{
	while (!stop) {
		int now = generation;
		waiting++;
		while (generation == now)
			syscall(SYS_futex, &generation, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
	}
	return unused;
}

static u64 row_futex(long count)
{
	pthread_t threads[64];
	u64 best = ULLONG_MAX;

	if (count > 64)
		die("at most 64 threads");
	stop = waiting = 0;
	for (long i = 0; i < count; i++)
		if (pthread_create(&threads[i], NULL, waiter, NULL))
			die("pthread_create");
	for (int round = 0; round < 8; round++) {
		while (waiting < count)
			sched_yield();
		usleep(2000);			/* all of them are in the kernel */
		u64 start = ticks();
		waiting = 0;
		stop = round == 7;
		generation++;
		syscall(SYS_futex, &generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
		while (!stop && waiting < count)
			sched_yield();
		u64 cost = ticks() - start;
		if (!stop && cost < best)
			best = cost;
	}
	for (long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	return best / (u64)count;
}

/* --- memory --- */

static long long free_bytes(void)
{
	char text[4096], *at;
	int fd = open("/proc/meminfo", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "MemFree:");
	return at ? atoll(at + 8) * 1024 : -1;
}

static void write_files(long first, long end)
{
	static char kib[1024];
	char path[64];

	for (long i = first; i < end; i++) {
		name_of(path, i);
		int fd = open(path, O_CREAT | O_WRONLY, 0600);
		if (fd < 0 || write(fd, kib, sizeof(kib)) != sizeof(kib))
			die(path);
		close(fd);
	}
}

static void split(char *p, long first, long end)
{
	for (long i = first; i < end; i++)
		if (mprotect(p + 2 * (size_t)i * PAGE, PAGE, PROT_READ))
			die("mprotect");
}

/* A part is made first: what a kernel keeps free for a processor, outside MemFree, is used up by then. */
static void memory(void)
{
	enum { FILES = 30000, PROCESSES = 400, MAPPINGS = 30000, PART = 3 };
	long long before = free_bytes();
	pid_t *part, *rest;
	char *p;

	printf("free %lld\n", before);
	p = map(2 * MAPPINGS * PAGE, MAP_NORESERVE);
	split(p, 0, MAPPINGS / PART);
	before = free_bytes();
	split(p, MAPPINGS / PART, MAPPINGS);
	printf("mapping %lld\n", (before - free_bytes()) / (2 * (MAPPINGS - MAPPINGS / PART)));
	munmap(p, 2 * MAPPINGS * PAGE);

	part = sleepers(PROCESSES / PART);
	before = free_bytes();
	rest = sleepers(PROCESSES - PROCESSES / PART);
	printf("process %lld\n", (before - free_bytes()) / (PROCESSES - PROCESSES / PART));
	end(rest, PROCESSES - PROCESSES / PART);
	end(part, PROCESSES / PART);

	mkdir(FOLDER, 0700);
	write_files(0, FILES / PART);
	before = free_bytes();
	write_files(FILES / PART, FILES);
	printf("file_1k %lld\n", (before - free_bytes()) / (FILES - FILES / PART));
	remove_entries(FILES);
}

static const struct {
	const char *name;
	u64 (*run)(long size);
} rows[] = {
	{ "read", row_read }, { "mmap", row_mmap }, { "stored", row_stored }, { "fork", row_fork }, { "fork_thp", row_fork_thp }, { "processes", row_processes },
	{ "lookup", row_lookup }, { "list", row_list }, { "mappings_fault", row_mappings_fault }, { "mappings_mmap", row_mappings_mmap }, { "futex", row_futex },
};

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "memory")) {
		memory();
		return 0;
	}
	for (size_t i = 0; argc > 2 && i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(rows[i].name, argv[1])) {
			for (int k = 2; k < argc; k++)
				printf("%s %s %llu\n", argv[1], argv[k], rows[i].run(atol(argv[k])));
			return 0;
		}
	fprintf(stderr, "usage: kgrow ROW SIZE...|memory\n");
	return 2;
}
