/*
 * What lending pages costs and spares (mm/loan.h), by the counters of /proc/vmstat: each line is the change of one counter, and must be
 * what the invariant of that name says. Run with one thread; tests/suite_guest.py has the expected lines.
 */
#include "t.h"

#define N 256UL

static long counter(const char *name)
{
	static char text[16384];
	char key[64], *at;
	int fd = open("/proc/vmstat", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	text[n > 0 ? n : 0] = 0;
	snprintf(key, sizeof(key), "\n%s ", name);
	at = strstr(text, key);
	return at ? atol(at + strlen(key)) : -1;
}

static const char *const watched[] = { "pgfault", "short_copy", "loan_read", "loan_write", "loan_copy", "loan_same", "loan_replaced", "loan_protect", "cow_copy", "cow_reuse", "read_fill" };
#define WATCHED (sizeof(watched) / sizeof(*watched))
static long before[WATCHED], own[WATCHED], flushes;

static long tlb(void) { return counter("tlb_loan") + counter("tlb_cow") + counter("tlb_unmap") + counter("tlb_clean"); }
static void start(void)
{
	for (unsigned i = 0; i < WATCHED; i++)
		before[i] = counter(watched[i]);
	flushes = tlb();
}
/* What moved, without what looking moves. */
static void end(const char *what)
{
	long f = tlb() - flushes;

	printf("%s:", what);
	for (unsigned i = 0; i < WATCHED; i++) {
		long n = counter(watched[i]) - before[i] - own[i];
		if (n)
			printf(" %s %ld", watched[i], n);
	}
	printf(" flushes %ld\n", f);
	fflush(stdout);
}
#define COUNT(what, ...) do { start(); __VA_ARGS__; end(what); } while (0)

/* At the start of a 2 MiB table, so that the runs are the same wherever mmap() puts it. */
static char *fresh(void)
{
	uintptr_t p = (uintptr_t)mmap(NULL, N * PAGE + (2UL << 20), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return (char *)((p + (2UL << 20) - 1) & -(2UL << 20));
}
static void touch_all(char *p, int write)
{
	for (unsigned i = 0; i < N; i++)
		write ? (void)(*(volatile char *)(p + i * PAGE) = 1) : (void)*(volatile char *)(p + i * PAGE);
}

int main(void)
{
	static char block[N * PAGE] __attribute__((aligned(4096)));
	char *p, *q;
	int a = open("/tmp/a", O_RDWR | O_CREAT | O_TRUNC, 0644), b = open("/tmp/b", O_RDWR | O_CREAT | O_TRUNC, 0644), c = open("/tmp/c", O_RDWR | O_CREAT | O_TRUNC, 0644);

	memset(block, 1, sizeof(block));
	for (unsigned i = 0; i < N; i++) {
		pwrite(a, block, PAGE, i * PAGE);		/* one page each: copied */
		pwrite(b, block + 1, PAGE, i * PAGE);
	}
	start();
	start();
	for (unsigned i = 0; i < WATCHED; i++)
		own[i] = counter(watched[i]) - before[i];
	p = fresh();
	COUNT("(warming up, not compared)", pread(a, p, N * PAGE, 0));
	p = fresh();
	COUNT("INV-R3 R5 absent pages", pread(a, p, N * PAGE, 0));
	COUNT("INV-R3 loads", touch_all(p, 0));
	COUNT("INV-R6 the same again", pread(a, p, N * PAGE, 0));
	COUNT("INV-R7 other data", pread(b, p, N * PAGE, 0));
	COUNT("INV-R4 10 stores", for (int i = 0; i < 10; i++) p[i * PAGE] = 2);
	COUNT("INV-R2 the program's own pages", pread(a, p, 10 * PAGE, 0));
	q = fresh();
	touch_all(q, 1);
	COUNT("INV-R2 all its own", pread(a, q, N * PAGE, 0));
	munmap(q, N * PAGE);
	q = fresh();
	pread(b, q, N * PAGE, 0);
	munmap(p, N * PAGE);
	ftruncate(b, 0);
	COUNT("INV-R11 20 stores when nobody else has the pages", for (int i = 0; i < 20; i++) q[i * PAGE] = 3);
	munmap(q, N * PAGE);

	p = mmap(NULL, N * PAGE, RW, MAP_SHARED, a, 0);
	for (int i = 0; i < 4; i++)
		p[i * PAGE] = 4;
	q = fresh();
	COUNT("INV-R10 4 pages that a mapping stores to", pread(a, q, N * PAGE, 0));
	munmap(p, N * PAGE);
	munmap(q, N * PAGE);

	p = fresh();
	touch_all(p, 1);
	COUNT("INV-Z1 write of private pages", pwrite(c, p, N * PAGE, 0));
	COUNT("INV-Z1 the same again", pwrite(c, p, N * PAGE, 0));
	COUNT("INV-Z1 5 stores to the source", for (int i = 0; i < 5; i++) p[i * PAGE] = 5);
	COUNT("INV-Z2 15 pages are copied", pwrite(c, p, 15 * PAGE, 0));
	COUNT("INV-C1 file to file", loff_t x = 0; loff_t y = 0; copy_file_range(c, &x, a, &y, N * PAGE, 0));
	COUNT("INV-C1 the same again", loff_t x = 0; loff_t y = 0; copy_file_range(c, &x, a, &y, N * PAGE, 0));

	for (int i = 0; i < 8; i++) {		/* INV-Z4: who stores to what it lent every time is believed */
		touch_all(p, 1);
		start();
		pwrite(c, p, N * PAGE, 0);
		for (unsigned j = 0; j < WATCHED; j++)
			if (!strcmp(watched[j], "loan_write"))
				SAY("INV-Z4 round %d: %s\n", i, counter("loan_write") > before[j] ? "lent" : "copied");
	}
	return 0;
}
