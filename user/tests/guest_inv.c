/*
 * Invariants that are about what the kernel does not do (copy, read, flush, fault): counted in Cowslip's /proc/vmstat, so for the guest only. The
 * table is docs/mechanisms.md.
 */
#include "inv.h"
#include <pthread.h>

#define PAGES 64
#define SIZE (PAGES * PAGE)

/* How far a counter went while the statement ran. */
#define COUNTED(name, ...) ({ long before_ = counter(name); __VA_ARGS__; counter(name) - before_; })

static long flushes(void) { return counter("tlb_flush_page") + counter("tlb_flush_all"); }

static int to_child[2];
/* A child that shares this process's memory until it is told to end. */
static pid_t sharing_child(void)
{
	pid_t pid;

	CHECK(!pipe(to_child));
	pid = fork();
	if (!pid) {
		char c;

		_exit(read(to_child[0], &c, 1) != 1);
	}
	return pid;
}
static void end_child(pid_t pid)
{
	EQUAL(write(to_child[1], "x", 1), 1);
	EQUAL(wait_for(pid), 0);
}

static unsigned char *filled(void)
{
	unsigned char *m = map_anon(SIZE);

	memset(m, 'o', SIZE);
	return m;
}
static void store_to_each(unsigned char *m)
{
	for (int i = 0; i < PAGES; i++)
		((volatile unsigned char *)m)[i * PAGE] = 's';
}

INV(INV_E1_counted, "a store to a page that a child shares copies it, once")
{
	unsigned char *m = filled();
	pid_t pid = sharing_child();
	long copies = COUNTED("cow_copy", store_to_each(m));

	CHECK(copies >= PAGES && copies < PAGES + 8);
	CHECK(COUNTED("cow_copy", store_to_each(m)) < 8);	/* of others, on other processors */
	end_child(pid);
}

INV(INV_E4_reuse, "after the child has ended, a store copies nothing: the page is this process's alone again")
{
	unsigned char *m = filled();
	pid_t pid = sharing_child();

	end_child(pid);
	long reused = counter("cow_reuse"), copied = COUNTED("cow_copy", store_to_each(m));

	CHECK(counter("cow_reuse") - reused >= PAGES);
	CHECK(copied < 8);
}

INV(INV_E3_mprotect, "mprotect to read-only and back: a store keeps the page, and copies nothing")
{
	unsigned char *m = filled();

	CHECK(!mprotect(m, SIZE, PROT_READ) && !mprotect(m, SIZE, RW));
	CHECK(COUNTED("cow_copy", store_to_each(m)) < 8);
	CHECK(!mprotect(m, SIZE, PROT_NONE) && !mprotect(m, SIZE, RW));
	CHECK(COUNTED("cow_copy", store_to_each(m)) < 8);
	EQUAL(m[1], 'o');
}

INV(INV_S1_no_flush, "a page that was absent, and a right that is added to the same page, need no TLB flush")
{
	unsigned char *m = map_anon(SIZE), sum = 0;
	int fd = make_file(0, SIZE);
	unsigned char *file = map_file(fd, SIZE, RW, MAP_SHARED);
	long before = flushes();

	store_to_each(m);
	for (int i = 0; i < PAGES; i++)
		sum += ((volatile unsigned char *)file)[i * PAGE];
	store_to_each(file);		/* RO -> RW of the same frame */
	EQUAL(flushes() - before, 0);
	EQUAL(pread(fd, m, SIZE, 0), SIZE);
	EQUAL(flushes() - before, 0);
	EQUAL(m[0], 's');
}

INV(INV_S2_flush, "a right that is taken away is flushed before the call returns: mprotect, munmap, fork")
{
	unsigned char *m = filled();
	long before = flushes();
	pid_t pid;

	CHECK(!mprotect(m, PAGE, PROT_READ));
	CHECK(flushes() > before);
	catch_faults();
	EQUAL(touch((volatile char *)m, 1), SIGSEGV);
	before = flushes();
	pid = sharing_child();
	CHECK(flushes() > before);
	end_child(pid);
	before = flushes();
	munmap(m, SIZE);
	CHECK(flushes() > before);
	EQUAL(touch((volatile char *)m + PAGE, 0), SIGSEGV);
}

INV(INV_W4_no_read, "a whole page that is overwritten is not read from the disk first; one that is written in part is read once")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = filled();

	EQUAL(COUNTED("cache_read", EQUAL(pwrite(fd, m, SIZE, 0), SIZE)), 0);
	munmap(m, SIZE);		/* which the pages may have been lent from */
	forget(fd);
	CHECK(COUNTED("cache_read", EQUAL(pwrite(fd, "0123456789", 10, 5 * PAGE + 10), 10)) >= 1);
	EQUAL(COUNTED("cache_read", EQUAL(pwrite(fd, "0123456789", 10, 5 * PAGE + 20), 10)), 0);
}

INV(INV_W5_one_change, "writev of 64 segments that fall in one page changes that page once; in two pages, twice")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = filled();
	struct iovec iov[64];

	for (int i = 0; i < 64; i++)
		iov[i] = (struct iovec){ m + i * PAGE, 32 };
	EQUAL(pwrite(fd, m, 2 * PAGE, 0), 2 * PAGE);
	EQUAL(COUNTED("write_inplace", EQUAL(pwritev(fd, iov, 64, 100), 64 * 32)), 1);
	EQUAL(COUNTED("write_inplace", EQUAL(pwritev(fd, iov, 64, PAGE - 1000), 64 * 32)), 2);
}

INV(INV_A5_no_prefault, "by default nothing is touched in advance: reads and writes of present memory take no fault, no short copy, no prefault")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = filled();
	long prefaults = counter("prefault"), shorts = counter("short_copy"), fixups = counter("copy_fixup");

	EQUAL(pread(fd, m, SIZE, 0), SIZE);
	EQUAL(pwrite(fd, m, SIZE, 0), SIZE);
	EQUAL(pwrite(fd, m + 1, SIZE - 1, 0), SIZE - 1);
	EQUAL(counter("short_copy") - shorts, 0);
	EQUAL(counter("prefault") - prefaults, 0);
	EQUAL(counter("copy_fixup") - fixups, 0);
}

INV(INV_A6_attempts, "a write whose source is absent stops once for each of its pages and never more than three times; a bad one gives up after that")
{
	int fd = make_file(0, SIZE), source = make_file(1, SIZE);
	unsigned char *m = map_file(source, SIZE, PROT_READ, MAP_PRIVATE), *bad = map_file(-1, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS);
	long n;

	EQUAL(pwrite(fd, filled(), SIZE, 0), SIZE);
	/* In place, from the tail of one page and the head of the next: at most a stop for each. (Faults map neighbours along: fewer.) */
	n = COUNTED("short_copy", EQUAL(pwrite(fd, m + PAGE - 100, 200, 10), 200));
	CHECK(n >= 1 && n <= 2);
	n = COUNTED("short_copy", EQUAL(pwrite(fd, bad, 200, 10), -1));
	CHECK(n >= 1 && n <= 3);
	CHECK(COUNTED("pinned_copy", pwrite(fd, m + 30 * PAGE, 200, 10)) <= 1);
}

INV(INV_R2_present, "read into memory that is writable already: no entry changed, no flush, no fault")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = filled();
	long before, faults;

	EQUAL(pread(fd, m, SIZE, 0), SIZE);
	before = flushes(), faults = counter("pgfault");
	for (int i = 0; i < 10; i++)
		EQUAL(pread(fd, m, SIZE, 0), SIZE);
	EQUAL(flushes() - before, 0);
	CHECK(counter("pgfault") - faults < 8);		/* of others */
}

INV(INV_R3_one_fault, "read of 64 pages into fresh memory: one copy stops, the pages are there afterwards without a fault each")
{
	int fd = make_file(0, SIZE);
	unsigned char *warm = filled(), *m = map_anon(SIZE);
	long faults, sum = 0;

	EQUAL(pread(fd, warm, SIZE, 0), SIZE);
	CHECK(COUNTED("short_copy", EQUAL(pread(fd, m, SIZE, 0), SIZE)) <= 2);	/* one for each page table that the buffer needs */
	faults = counter("pgfault");
	for (int i = 0; i < PAGES; i++)
		sum += ((volatile unsigned char *)m)[i * PAGE];
	CHECK(counter("pgfault") - faults < 8);
	EQUAL(wrong_at(m, SIZE, 0, 0), -1);
}

INV(INV_R5_no_flush, "read into memory that was absent: no TLB flush on any processor")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_anon(SIZE);
	long before;

	EQUAL(pread(fd, filled(), SIZE, 0), SIZE);
	before = flushes();
	EQUAL(pread(fd, m, SIZE, 0), SIZE);
	EQUAL(flushes() - before, 0);
}

INV(INV_T1_counted, "truncate removes each page once, and flushes each mapping for all of them, not for each")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);
	long before;

	store_to_each(m);
	before = flushes();
	EQUAL(COUNTED("truncate_page", CHECK(!ftruncate(fd, 0))), PAGES);
	CHECK(flushes() - before >= 1 && flushes() - before < 6);
}

static volatile int spin_over;
static void *spin(void *arg)
{
	while (!spin_over)
		;
	return arg;
}

INV(INV_S4_asked, "other processors of the address space are asked, with interrupts on, and answer: mprotect beside a thread that runs")
{
	unsigned char *m = filled();
	pthread_t thread;
	long asked;

	CHECK(!pthread_create(&thread, NULL, spin, NULL));
	usleep(20000);
	asked = counter("tlb_call_protect");
	for (int i = 0; i < 50; i++)
		CHECK(!mprotect(m, SIZE, PROT_READ) && !mprotect(m, SIZE, RW));
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) < 2 || counter("tlb_call_protect") > asked);
	spin_over = 1;
	pthread_join(thread, NULL);
}

INV(INV_G9_goes_on, "pinning goes on in the slow way at the first page that is missing: no page is pinned, and none looked up, twice")
{
	unsigned char *m = map_anon(16 * PAGE);
	int fd = make_file(0, 16 * PAGE), direct;
	char name[64];
	long pins, fast;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	direct = open(name, O_RDONLY | O_DIRECT);
	CHECK(direct >= 0);
	memset(m, 'x', 6 * PAGE);
	fast = counter("pin_fast"), pins = counter("pin");
	EQUAL(pread(direct, m, 16 * PAGE, 0), 16 * PAGE);
	EQUAL(counter("pin") - pins, 16);
	EQUAL(counter("pin_fast") - fast, 6);
	EQUAL(wrong_at(m, 16 * PAGE, 0, 0), -1);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
