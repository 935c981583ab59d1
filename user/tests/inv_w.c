/*
 * write() and writev(): the invariants INV-W of docs/mechanisms.md, above all INV-W1: a write from a mapping of the page that is written ends,
 * in every shape that sources 001 and 002 and later bug reports know. Shapes with one process: user/tests/write_own_mmap.c has more.
 */
#include "inv.h"
#include <pthread.h>

#define PAGES 8
#define SIZE (PAGES * PAGE)

/* The file is byte_at(0) but for the n bytes at dst, which are those that were at src (where the copy did not overwrite its own source: then any). */
static void check_copied(int fd, long dst, long src, long n)
{
	static unsigned char have[SIZE];

	EQUAL(pread(fd, have, SIZE, 0), SIZE);
	for (long i = 0; i < (long)SIZE; i++)
		if (!(src < dst && dst < src + n && i >= dst && i < dst + n))
			EQUAL(have[i], byte_at(0, i >= dst && i < dst + n ? i - dst + src : i));
}

/* Write n bytes at dst from a mapping's src, the file neither mapped nor in the cache. */
static void from_itself(int flags, long dst, long src, long n)
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, flags);

	EQUAL(pwrite(fd, m + src, n, dst), n);
	check_copied(fd, dst, src, n);
	forget(fd);
	check_copied(fd, dst, src, n);
}

INV(INV_W1_same_page, "a page from a mapping of that same page, not uptodate; shared and private mapping, whole and in part")
{
	for (int i = 0; i < 2; i++) {
		int flags = i ? MAP_PRIVATE : MAP_SHARED;

		from_itself(flags, PAGE, PAGE, PAGE);
		from_itself(flags, PAGE + 1000, PAGE + 10, 500);
		from_itself(flags, 0, 0, SIZE);
	}
}

INV(INV_W1_straddle, "a source that straddles two pages, one of them the target, at every kind of place")
{
	static const long at[][3] = {	/* dst, src, n */
		{ PAGE, PAGE + 1, PAGE }, { PAGE, PAGE - 1, PAGE }, { PAGE, 2 * PAGE - 1, PAGE }, { PAGE + 7, 2 * PAGE - 9, 18 },
		{ PAGE + 4095, PAGE + 4000, 1 }, { PAGE - 300, 3 * PAGE - 150, 4000 }, { 2 * PAGE, PAGE - 5, 4090 },
	};

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		from_itself(i % 2 ? MAP_PRIVATE : MAP_SHARED, at[i][0], at[i][1], at[i][2]);
}

INV(INV_W1_mapped_and_cached, "the same when the page is in the cache, mapped read-only, mapped writable, or copied already")
{
	for (int state = 0; state < 4; state++) {
		int fd = make_file(0, SIZE);
		unsigned char *m = map_file(fd, SIZE, RW, state == 3 ? MAP_PRIVATE : MAP_SHARED), byte = m[PAGE];

		if (state == 1)
			CHECK(!mprotect(m, SIZE, PROT_READ));
		if (state >= 2)
			*(volatile unsigned char *)&m[PAGE] = byte;
		EQUAL(pwrite(fd, m + PAGE + 96, PAGE, PAGE), PAGE);
		check_copied(fd, PAGE, PAGE + 96, PAGE);
	}
}

INV(INV_W1_lent, "the target's page was read into aligned fresh memory (lent, where the kernel lends); the source is that memory, then a mapping")
{
	int fd = make_file(0, SIZE);
	unsigned char *buffer = map_anon(SIZE), *m = map_file(fd, SIZE, RW, MAP_SHARED);

	EQUAL(pread(fd, buffer, SIZE, 0), SIZE);
	EQUAL(pwrite(fd, buffer + PAGE, PAGE, PAGE), PAGE);		/* onto itself */
	EQUAL(pwrite(fd, buffer + 3 * PAGE + 5, 100, PAGE), 100);
	check_copied(fd, PAGE, 3 * PAGE + 5, 100);
	EQUAL(wrong_at(buffer, SIZE, 0, 0), -1);			/* the write did not reach what was read before */
	EQUAL(pwrite(fd, m + 2 * PAGE + 1, PAGE, 2 * PAGE), PAGE);
	EQUAL(wrong_at(buffer, SIZE, 0, 0), -1);
}

/* A writes page i of one file from a mapping of the other, while B does the reverse. */
struct crossed { int to; unsigned char *from; };
static void *crossed_writer(void *arg)
{
	struct crossed *c = arg;

	for (int i = 0; i < PAGES; i++)
		EQUAL(pwrite(c->to, c->from + i * PAGE, PAGE, i * PAGE), PAGE);
	return NULL;
}

INV(INV_W1_crossed, "A writes f from a mapping of g while B writes g from a mapping of f: two threads, two processes")
{
	static unsigned char have[SIZE];

	for (int round = 0; round < 6; round++) {
		int f = make_file(0, SIZE), g = make_file(0, SIZE);
		struct crossed a = { f, map_file(g, SIZE, RW, MAP_SHARED) }, b = { g, map_file(f, SIZE, RW, MAP_SHARED) };

		if (round % 2) {
			pthread_t thread;

			CHECK(!pthread_create(&thread, NULL, crossed_writer, &b));
			crossed_writer(&a);
			pthread_join(thread, NULL);
		} else {
			pid_t pid = fork();

			if (!pid) {
				crossed_writer(&b);
				_exit(0);
			}
			crossed_writer(&a);
			EQUAL(wait_for(pid), 0);
		}
		for (int i = 0; i < 2; i++) {
			EQUAL(pread(i ? f : g, have, SIZE, 0), SIZE);
			EQUAL(wrong_at(have, SIZE, 0, 0), -1);
		}
		close(f);
		close(g);
	}
}

INV(INV_W1_ring, "three files in a ring: f from g, g from h, h from f")
{
	int fd[3];
	pthread_t threads[3];
	struct crossed work[3];
	static unsigned char have[SIZE];

	for (int i = 0; i < 3; i++)
		fd[i] = make_file(0, SIZE);
	for (int i = 0; i < 3; i++) {
		work[i] = (struct crossed){ fd[i], map_file(fd[(i + 1) % 3], SIZE, RW, i == 1 ? MAP_PRIVATE : MAP_SHARED) };
		CHECK(!pthread_create(&threads[i], NULL, crossed_writer, &work[i]));
	}
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < 3; i++) {
		EQUAL(pread(fd[i], have, SIZE, 0), SIZE);
		EQUAL(wrong_at(have, SIZE, 0, 0), -1);
	}
}

INV(INV_W1_iovecs_in_the_file, "writev() whose array of iovecs lies in the mapped file that it writes, over the pages of the array itself")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);
	struct iovec *iov = (struct iovec *)(m + 4 * PAGE);
	static unsigned char have[SIZE];
	long n = 0;

	for (int i = 0; i < 390; i++)		/* the array covers a page and a half; the segments come from everywhere */
		iov[i] = (struct iovec){ m + i * 7, 41 };
	CHECK(!msync(m, SIZE, MS_SYNC));
	munmap(m, SIZE);
	forget(fd);
	EQUAL((unsigned char *)mmap(m, SIZE, RW, MAP_SHARED | MAP_FIXED, fd, 0) - m, 0);
	EQUAL(pwritev(fd, iov, 390, 4 * PAGE), 390 * 41);
	EQUAL(pread(fd, have, SIZE, 0), SIZE);
	EQUAL(wrong_at(have, 4 * PAGE, 0, 0), -1);
	for (int i = 0; i < 390; i++, n += 41)
		EQUAL(wrong_at(have + 4 * PAGE + n, 41, 0, i * 7), -1);
}

/* OpenBSD's test-deadlock: one thread shrinks and grows the file while another writes with an iovec array that lies in its mapping. */
static void *shrink_and_grow(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 60; i++)
		if (ftruncate(fd, 0) || ftruncate(fd, SIZE))
			return "truncate";
	return NULL;
}

INV(INV_W1_iovecs_truncated, "the same while another thread truncates and grows the file: each write ends, with EFAULT, EINVAL or what it wrote")
{
	int fd = make_file(0, SIZE), other = make_file(1, SIZE), ended = 0;
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);
	pthread_t thread;
	void *error;

	catch_faults();
	CHECK(!pthread_create(&thread, NULL, shrink_and_grow, &fd));
	for (int i = 0; i < 60; i++) {
		struct iovec *iov = (struct iovec *)(m + PAGE);
		ssize_t n;

		if (!sigsetjmp(fault_jump, 1))	/* the file may end before it just now: SIGBUS */
			iov[0] = (struct iovec){ m + 2 * PAGE, 300 };
		n = pwritev(i % 2 ? fd : other, iov, 1, PAGE - 100);
		CHECK(n >= 0 || errno == EFAULT || errno == EINVAL);
		ended++;
	}
	pthread_join(thread, &error);
	CHECK(!error);
	EQUAL(ended, 60);
}

INV(INV_W1_snake, "32 MiB and a byte, from a mapping of the file that grows by it, one byte off its pages")
{
	const size_t n = (32 << 20) + 1;
	int fd = make_file(0, 64 * PAGE);
	unsigned char *m, *have = malloc(1 << 16);

	for (size_t size = 64 * PAGE; size < n; ) {	/* the file fills itself: each part is a copy of all before */
		size_t k = size < n - size ? size : n - size;

		m = map_file(fd, size, PROT_READ, MAP_SHARED);
		EQUAL(pwrite(fd, m, k, size), k);
		munmap(m, size);
		size += k;
	}
	m = map_file(fd, n, PROT_READ, MAP_SHARED);
	EQUAL(pwrite(fd, m, n, 1 << 16), n);	/* from its own beginning, while it overwrites it: it has to end */
	EQUAL(lseek(fd, 0, SEEK_END), n + (1 << 16));
	EQUAL(pread(fd, have, 1 << 16, 1 << 16), 1 << 16);
	EQUAL(wrong_at(have, 1 << 16, 0, 0), -1);
}

INV(INV_W1_many_iovecs, "1024 segments, each in another page of the mapping, over those pages")
{
	const int n = 1024;
	int fd = make_file(0, 64 * PAGE);
	unsigned char *m = map_file(fd, 64 * PAGE, RW, MAP_SHARED), *have = malloc(64 * PAGE);
	struct iovec iov[1024];

	for (int i = 0; i < n; i++)
		iov[i] = (struct iovec){ m + 63 * PAGE - i % 64 * PAGE + i, 5 };
	EQUAL(pwritev(fd, iov, n, 10), n * 5);
	EQUAL(pread(fd, have, 64 * PAGE, 0), 64 * PAGE);
	for (int i = 400; i < n; i++)	/* whose source was not overwritten before its turn */
		if (i % 64 < 60)
			EQUAL(wrong_at(have + 10 + i * 5, 5, 0, 63 * PAGE - i % 64 * PAGE + i), -1);
}

INV(INV_W1_overlap_638, "xfstests 638: writev whose segments and target overlap in one mapped file, again and again")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);

	for (int round = 0; round < 20; round++) {
		struct iovec iov[2] = { { m, PAGE + 1 }, { m + PAGE + 1, 2 * PAGE } };

		forget(fd);
		EQUAL(pwritev(fd, iov, 2, round % 2 ? PAGE : 0), 3 * PAGE + 1);
	}
	EQUAL(m[0], byte_at(0, 0));
}

/* --- W2: what the count says --- */

INV(INV_W2_exact, "a return of n means: exactly these n bytes changed, whatever the source's end and alignment")
{
	unsigned char *source = map_anon(3 * PAGE);
	static unsigned char have[SIZE];

	memset(source, 0, 2 * PAGE);
	CHECK(!mprotect(source + 2 * PAGE, PAGE, PROT_NONE));
	for (int i = 0; i < 40; i++) {
		int fd = make_file(0, SIZE);
		long readable = 1 + i * 523 % (2 * PAGE), pos = i * 1021 % (3 * PAGE), n;

		n = pwrite(fd, source + 2 * PAGE - readable, readable + 100, pos);
		CHECK(n >= 0 ? n <= readable : errno == EFAULT);
		if (n < 0)
			n = 0;
		EQUAL(pread(fd, have, SIZE, 0), SIZE);
		EQUAL(wrong_at(have, pos, 0, 0), -1);
		EQUAL(wrong_value(have + pos, n, 0), -1);
		EQUAL(wrong_at(have + pos + n, SIZE - pos - n, 0, pos + n), -1);
		close(fd);
	}
}

/* --- W3: no fleeting zeroes --- */

static struct { int fd, stop, bad; unsigned char *m; } look;
static void *looker(void *arg)
{
	static __thread unsigned char have[2 * PAGE];

	while (!__atomic_load_n(&look.stop, __ATOMIC_ACQUIRE)) {
		const unsigned char *p = have;

		if (arg)
			p = look.m;
		else if (pread(look.fd, have, 2 * PAGE, 0) != 2 * (long)PAGE)
			look.bad = 1;
		for (unsigned i = 0; i < 2 * PAGE; i += 3) {
			unsigned char c = ((volatile const unsigned char *)p)[i];

			if (c != 'a' && c != 'b')
				look.bad = 1 + i;
		}
	}
	return NULL;
}

/* Readers of both kinds beside writes of a's and b's from memory that has to be faulted in each time: every first copy is short. */
static void beside_readers(size_t offset, size_t n)
{
	unsigned char *source = map_anon(3 * PAGE);
	pthread_t readers[2];

	look.fd = make_file(0, 2 * PAGE);
	look.m = map_file(look.fd, 2 * PAGE, PROT_READ, MAP_SHARED);
	memset(source, 'a', 3 * PAGE);
	EQUAL(pwrite(look.fd, source, 2 * PAGE, 0), 2 * PAGE);
	for (long i = 0; i < 2; i++)
		CHECK(!pthread_create(&readers[i], NULL, looker, (void *)i));
	for (int i = 0; i < 40 && !look.bad; i++) {
		char *file_source;
		int from = make_file(7, 0);

		memset(source, i % 2 ? 'a' : 'b', 3 * PAGE);
		EQUAL(write(from, source, 3 * PAGE), 3 * PAGE);
		if (i % 4 == 0)
			forget(look.fd);
		forget(from);
		file_source = (char *)map_file(from, 3 * PAGE, PROT_READ, MAP_SHARED);	/* each of its pages faults */
		EQUAL(pwrite(look.fd, file_source + 5, n, offset), n);
		munmap(file_source, 3 * PAGE);
		close(from);
		sched_yield();
	}
	__atomic_store_n(&look.stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
	EQUAL(look.bad, 0);
	look.stop = 0;
}

INV(INV_W3_old_or_new, "readers and mappings beside writes whose source faults see each byte old or new, never a zero; whole pages and parts")
{
	beside_readers(0, 2 * PAGE);
	beside_readers(100, 6000);
}

/* --- W6: a bad segment in the middle --- */

INV(INV_W6_bad_middle, "LTP writev07: a bad segment in the middle: count, offset and contents agree")
{
	for (int i = 0; i < 6; i++) {
		int fd = make_file(0, SIZE);
		unsigned char *good = map_anon(3 * PAGE), *bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		static const size_t before[] = { 10, PAGE, PAGE - 1, PAGE + 1, 3000, 0 };
		struct iovec iov[3] = { { good, before[i] }, { bad, 64 }, { good, 64 } };
		long pos = i % 2 ? 1000 : 0, n;
		static unsigned char have[SIZE];

		memset(good, 0, 3 * PAGE);
		EQUAL(lseek(fd, pos, SEEK_SET), pos);
		n = writev(fd, iov, 3);
		CHECK(n < 0 ? errno == EFAULT : n <= (long)before[i]);
		if (n < 0)
			n = 0;
		EQUAL(lseek(fd, 0, SEEK_CUR), pos + n);
		EQUAL(pread(fd, have, SIZE, 0), SIZE);
		EQUAL(wrong_at(have, pos, 0, 0), -1);
		EQUAL(wrong_value(have + pos, n, 0), -1);
		EQUAL(wrong_at(have + pos + n, SIZE - pos - n, 0, pos + n), -1);
		close(fd);
	}
}

INV(INV_W6_null_first, "LTP writev03: a NULL first segment and an absent second one: no byte that nobody wrote gets into the file")
{
	int fd = make_file(0, SIZE);
	unsigned char *absent = map_anon(PAGE);
	struct iovec iov[3] = { { NULL, 0 }, { absent, 100 }, { NULL, 0 } }, null_long[2] = { { NULL, 50 }, { absent, 50 } };
	static unsigned char have[SIZE];

	EQUAL(pwritev(fd, iov, 3, PAGE), 100);
	EQUAL(pread(fd, have, SIZE, 0), SIZE);
	EQUAL(wrong_value(have + PAGE, 100, 0), -1);
	EQUAL(wrong_at(have + PAGE + 100, SIZE - PAGE - 100, 0, PAGE + 100), -1);
	EQUAL(pwritev(fd, null_long, 2, 3 * PAGE), -1);
	EQUAL(errno, EFAULT);
	EQUAL(pread(fd, have, PAGE, 3 * PAGE), PAGE);
	EQUAL(wrong_at(have, PAGE, 0, 3 * PAGE), -1);
}

INV(INV_W6_fault_443, "xfstests 443: the segments' pages fault while writev walks them, each segment in a mapping of its own")
{
	int fd = make_file(0, SIZE), source = make_file(1, 16 * PAGE);
	struct iovec iov[16];
	static unsigned char have[SIZE];

	for (int i = 0; i < 16; i++)
		iov[i] = (struct iovec){ map_file(source, 16 * PAGE, PROT_READ, MAP_PRIVATE) + i * PAGE, 301 };
	EQUAL(pwritev(fd, iov, 16, 17), 16 * 301);
	EQUAL(pread(fd, have, SIZE, 0), SIZE);
	for (int i = 0; i < 16; i++)
		EQUAL(wrong_at(have + 17 + i * 301, 301, 1, i * PAGE), -1);
}

INV(INV_W8_246, "xfstests 246: a write that fails half-way neither zeroes nor cuts what follows it in its page")
{
	int fd = make_file(0, PAGE + 500);
	unsigned char *page = map_anon(2 * PAGE);
	static unsigned char have[2 * PAGE];
	long n;

	memset(page, 'n', PAGE);
	munmap(page + PAGE, PAGE);
	n = pwrite(fd, page + PAGE - 50, 200, PAGE + 100);	/* 50 bytes, then nothing is mapped */
	CHECK(n == 50 || (n == -1 && errno == EFAULT));
	n = n < 0 ? 0 : n;
	EQUAL(lseek(fd, 0, SEEK_END), PAGE + 500);
	EQUAL(pread(fd, have, 2 * PAGE, 0), PAGE + 500);
	EQUAL(wrong_at(have, PAGE + 100, 0, 0), -1);
	EQUAL(wrong_value(have + PAGE + 100, n, 'n'), -1);
	EQUAL(wrong_at(have + PAGE + 100 + n, 400 - n, 0, PAGE + 100 + n), -1);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
