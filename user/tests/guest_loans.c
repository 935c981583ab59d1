/*
 * INV-R, INV-Z, INV-C by the counters of /proc/vmstat: what lending pages (mm/loan.h) does, page by page and flush by flush. With one processor and
 * nothing else running: the counters are the machine's.
 */
#include "inv.h"
#include <linux/fs.h>

#define N 256UL

/* How far a counter went while the statement ran, without what looking costs: the first of two looks touches new memory. */
#define COUNTED(name, ...) ({ counter(name); long before_ = counter(name); __VA_ARGS__; counter(name) - before_; })
static long flushes(void) { return counter("tlb_loan") + counter("tlb_cow") + counter("tlb_unmap") + counter("tlb_clean"); }
#define FLUSHES(...) ({ flushes(); long flushes_ = flushes(); __VA_ARGS__; flushes() - flushes_; })

/* Untouched memory at the start of a 2 MiB table, so that the runs are the same wherever mmap() puts it. */
static char *fresh(void)
{
	uintptr_t p = (uintptr_t)map_anon(N * PAGE + (2UL << 20));

	return (char *)((p + (2UL << 20) - 1) & -(2UL << 20));
}
static void store_to_each(char *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		*(volatile char *)(p + i * PAGE) = 1;
}
static void load_each(const char *p)
{
	for (unsigned i = 0; i < N; i++)
		(void)*(const volatile char *)(p + i * PAGE);
}
/* A file of N pages in memory, made page by page: these are copied. */
static int file(const char *name)
{
	static char page[PAGE] = "contents";
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	for (unsigned i = 0; i < N; i++)
		EQUAL(pwrite(fd, page, PAGE, (off_t)(i * PAGE)), PAGE);
	unlink(name);
	return fd;
}
static long copy(int from, int to) { return copy_file_range(from, &(loff_t){ 0 }, to, &(loff_t){ 0 }, N * PAGE, 0); }

INV(INV_R3_populates, "one copy stops, all pages are there, and loading them faults no more")
{
	int a = file("/tmp/a");
	char *p = fresh();

	EQUAL(COUNTED("short_copy", pread(a, p, N * PAGE, 0)), 1);
	p = fresh();
	EQUAL(COUNTED("loan_read", pread(a, p, N * PAGE, 0)), N);
	CHECK(COUNTED("pgfault", load_each(p)) < 4);
}

INV(INV_R5_no_flush, "absent pages: no TLB is told anything")
{
	int a = file("/tmp/a");
	char *p = fresh();

	EQUAL(FLUSHES(pread(a, p, N * PAGE, 0)), 0);
}

INV(INV_R6_same, "the same pages again: nothing changes")
{
	int a = file("/tmp/a");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	EQUAL(COUNTED("loan_same", pread(a, p, N * PAGE, 0)), N);
	EQUAL(COUNTED("loan_replaced", pread(a, p, N * PAGE, 0)), 0);
	EQUAL(FLUSHES(pread(a, p, N * PAGE, 0)), 0);
}

INV(INV_R7_replaced, "other data: every page is exchanged, with one flush for 64")
{
	int a = file("/tmp/a"), b = file("/tmp/b");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	EQUAL(COUNTED("loan_replaced", pread(b, p, N * PAGE, 0)), N);
	EQUAL(FLUSHES(pread(a, p, N * PAGE, 0)), N / 64);
}

INV(INV_R8_end, "the page that holds the end is copied, and nothing behind the end is given")
{
	int a = file("/tmp/a");
	char *p = fresh();

	EQUAL(ftruncate(a, 10 * PAGE + 1), 0);
	EQUAL(COUNTED("loan_read", EQUAL(pread(a, p, 16 * PAGE, 0), 10 * PAGE + 1)), 10);
}

INV(INV_R2_own, "pages that the program may write: nothing is lent and nobody told")
{
	int a = file("/tmp/a");
	char *p = fresh();

	store_to_each(p, N);
	EQUAL(COUNTED("loan_read", pread(a, p, N * PAGE, 0)), 0);
	EQUAL(FLUSHES(pread(a, p, N * PAGE, 0)), 0);
	EQUAL(COUNTED("short_copy", pread(a, p, N * PAGE, 0)), 0);
}

INV(INV_R4_one_copy, "a store to a lent page copies that one")
{
	int a = file("/tmp/a");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	EQUAL(COUNTED("cow_copy", for (unsigned i = 0; i < 10; i++) store_to_each(p + 3 * i * PAGE, 1)), 10);
}

INV(INV_R4_in_order, "stores in order copy some pages ahead: fewer faults, none for nothing but those behind the last; loads see what was read")
{
	int a = file("/tmp/a");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	CHECK(COUNTED("pgfault", store_to_each(p, 64)) < 12);
	EQUAL(COUNTED("pgfault", store_to_each(p, 64)), 0);
	for (unsigned i = 0; i < N; i++) {
		EQUAL(p[i * PAGE], i < 64 ? 1 : 'c');
		EQUAL(p[i * PAGE + 1], 'o');
	}
	p = fresh();
	pread(a, p, N * PAGE, 0);
	CHECK(COUNTED("cow_copy", store_to_each(p, 64)) < 64 + 16);
	CHECK(COUNTED("loan_ahead", store_to_each(p + 64 * PAGE, 64)) > 40);
}

INV(INV_R11_orphans, "when the file has given the pages up, a store reuses them")
{
	int a = file("/tmp/a");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	ftruncate(a, 0);
	EQUAL(COUNTED("cow_copy", store_to_each(p, 10)), 0);
	CHECK(COUNTED("cow_reuse", store_to_each(p + 20 * PAGE, 10)) >= 10);
}

INV(INV_R10_protects, "a page that a mapping stores to is write-protected before it is lent")
{
	int a = file("/tmp/a");
	char *m = (char *)map_file(a, N * PAGE, RW, MAP_SHARED), *p = fresh();

	store_to_each(m, 4);
	EQUAL(COUNTED("loan_protect", pread(a, p, N * PAGE, 0)), 4);
	m[0] = 'm';
	EQUAL(p[0], 1);
}

INV(INV_R9_locked, "locked memory gets frames of its own")
{
	int a = file("/tmp/a");
	char *p = fresh();

	EQUAL(mlock2(p, 16 * PAGE, MLOCK_ONFAULT), 0);
	EQUAL(COUNTED("loan_read", pread(a, p, 16 * PAGE, 0)), 0);
}

/* Pages of this process that are not a file's. */
static long own_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long resident = 0, shared = 0;

	CHECK(f && fscanf(f, "%*d %ld %ld", &resident, &shared) == 2);
	fclose(f);
	return resident - shared;
}

INV(INV_R13_rss, "lent pages count as the reader's memory")
{
	int a = file("/tmp/a");
	char *p = fresh();
	long before = own_pages();

	pread(a, p, N * PAGE, 0);
	CHECK(own_pages() - before >= (long)N);
}

/* How often this process has given the processor up. */
static long sleeps(void)
{
	long n = proc_number("/proc/self/status", "voluntary_ctxt_switches:");

	CHECK(n >= 0);
	return n;
}

INV(INV_R12_no_wait, "who writes to lent pages waits for nobody")
{
	int a = file("/tmp/a");
	char *p = fresh();

	pread(a, p, N * PAGE, 0);
	EQUAL(COUNTED("page_lock_wait", long slept = sleeps(); for (unsigned i = 0; i < N; i++) pwrite(a, "new", 3, (off_t)(i * PAGE)); EQUAL(sleeps() - slept, 0)), 0);
	EQUAL(COUNTED("write_break", pread(a, fresh(), N * PAGE, 0); for (unsigned i = 0; i < N; i++) pwrite(a, "new", 3, (off_t)(i * PAGE))), N);
}

INV(INV_Z1_lends, "write() of private pages lends all of them, with one flush for 64; the same again changes nothing; a store copies one")
{
	int c = file("/tmp/c");
	char *p = fresh();

	store_to_each(p, N);
	long lent = counter("loan_write");
	EQUAL(FLUSHES(pwrite(c, p, N * PAGE, 0)), N / 64);
	EQUAL(counter("loan_write") - lent, N);
	EQUAL(COUNTED("loan_same", pwrite(c, p, N * PAGE, 0)), N);
	EQUAL(COUNTED("cow_copy", for (unsigned i = 0; i < 5; i++) store_to_each(p + 2 * i * PAGE, 1)), 5);
}

INV(INV_Z2_pinned, "a page that is not this process's alone, or pinned, is not taken from it: shared memory is copied")
{
	int c = file("/tmp/c");
	char *p = mmap(NULL, N * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	store_to_each(p, N);
	EQUAL(COUNTED("loan_write", pwrite(c, p, N * PAGE, 0)), 0);
	p = fresh();
	store_to_each(p, N);
	EQUAL(COUNTED("loan_write", pwrite(c, p + 1, (N - 1) * PAGE, 0)), 0);
}

INV(INV_Z3_short, "less than 16 pages are copied")
{
	int c = file("/tmp/c");
	char *p = fresh();

	store_to_each(p, N);
	EQUAL(COUNTED("loan_write", pwrite(c, p, 15 * PAGE, 0)), 0);
	EQUAL(COUNTED("loan_write", pwrite(c, p, 16 * PAGE, 0)), 16);
}

INV(INV_Z4_believed, "who stores to what he lent, again and again, is believed: it is copied")
{
	int c = file("/tmp/c");
	char *p = fresh();
	long lent = 0;

	for (int i = 0; i < 10; i++) {
		store_to_each(p, N);
		lent = COUNTED("loan_write", pwrite(c, p, N * PAGE, 0));
	}
	EQUAL(lent, 0);
}

INV(INV_C1_shares, "a copy from file to file takes no frames; the same again changes nothing")
{
	int a = file("/tmp/a"), b = file("/tmp/b");

	EQUAL(COUNTED("loan_copy", copy(a, b)), N);
	EQUAL(COUNTED("loan_same", copy(a, b)), N);
	CHECK(COUNTED("page_alloc", copy(b, a)) < 8);
}

INV(INV_C1_mapped, "over a file that is mapped: the mapping shows the new pages")
{
	int a = file("/tmp/a"), b = file("/tmp/b");
	char *m = (char *)map_file(b, N * PAGE, PROT_READ, MAP_SHARED);

	EQUAL(pwrite(a, "C", 1, 5 * PAGE), 1);
	load_each(m);
	EQUAL(copy(a, b), N * PAGE);
	EQUAL(m[5 * PAGE], 'C');
}

INV(INV_C1_clone, "FICLONERANGE shares, takes the tail along, and refuses what is not whole pages; Linux's tmpfs and ext2 do not know it")
{
	int a = file("/tmp/a"), b = file("/tmp/b");
	struct file_clone_range r = { .src_fd = a, .src_offset = PAGE, .src_length = 4 * PAGE, .dest_offset = 300 * PAGE };
	struct stat st;
	char c = 0;

	EQUAL(COUNTED("loan_copy", EQUAL(ioctl(b, FICLONERANGE, &r), 0)), 4);
	EQUAL(fstat(b, &st), 0);
	EQUAL(st.st_size, 304 * PAGE);
	EQUAL(ftruncate(b, 0), 0);
	EQUAL(ftruncate(a, 3 * PAGE + 5), 0);
	EQUAL(pwrite(a, "tail", 4, 3 * PAGE), 4);
	EQUAL(ioctl(b, FICLONE, a), 0);
	EQUAL(fstat(b, &st), 0);
	EQUAL(st.st_size, 3 * PAGE + 5);
	EQUAL(pread(b, &c, 1, 3 * PAGE + 1), 1);
	EQUAL(c, 'a');
	r.dest_offset = 1;
	CHECK(ioctl(b, FICLONERANGE, &r) == -1 && errno == EINVAL);
	r = (struct file_clone_range){ .src_fd = a, .src_length = 100 };
	CHECK(ioctl(b, FICLONERANGE, &r) == -1 && errno == EINVAL);
	CHECK(ioctl(b, FICLONE, -1) == -1 && errno == EBADF);
	CHECK(ioctl(open("/root", O_RDONLY), FICLONE, a) == -1 && errno == EISDIR);
}

INV(INV_C2_end, "the page that holds the end is copied")
{
	int a = file("/tmp/a"), b = file("/tmp/b");

	ftruncate(a, 10 * PAGE + 1);
	EQUAL(COUNTED("loan_copy", copy(a, b)), 10);
}

INV(INV_R15_holes, "read() of a hole maps the frame of zeroes, and takes no memory; what is stored to it is the reader's alone")
{
	int fd = open("/tmp/holes", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *p = fresh(), c = 1;

	unlink("/tmp/holes");
	EQUAL(ftruncate(fd, N * PAGE), 0);
	EQUAL(pwrite(fd, "data", 4, 100 * PAGE), 4);
	*(volatile char *)p = 1;			/* one page that is copied to */
	EQUAL(COUNTED("fault_zero", EQUAL(pread(fd, p, N * PAGE, 0), N * PAGE)), N - 2);
	EQUAL(COUNTED("loan_read", pread(fd, fresh(), N * PAGE, 0)), 1);
	CHECK(COUNTED("page_alloc", pread(fd, fresh(), N * PAGE, 0)) < 8);
	for (unsigned i = 0; i < N; i++)
		EQUAL(p[i * PAGE], i == 100 ? 'd' : 0);
	store_to_each(p, N);
	EQUAL(pread(fd, &c, 1, 5 * PAGE), 1);
	EQUAL(c, 0);
	char *again = fresh();
	EQUAL(pread(fd, again, N * PAGE, 0), N * PAGE);
	for (unsigned i = 0; i < N; i++)
		EQUAL(again[i * PAGE], i == 100 ? 'd' : 0);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
