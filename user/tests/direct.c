/*
 * O_DIRECT: what the calls give, what is read after what was written (directly, through the cache, through a mapping), at the file's end, in holes,
 * to and from mappings of the same file, and beside fork: the LTP and xfstests scenarios of MECHANISMS.md. In the current directory,
 * which is on a real file system.
 */
#include "inv.h"
#include <pthread.h>
#include <sys/uio.h>

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif
#define NAME "direct.file"
#define N 16

static unsigned char *buffer(size_t pages)
{
	unsigned char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* The file with N pages of a pattern in it, on the disk and not in the cache; opened with the flags. */
static int make(int flags)
{
	unsigned char *p = buffer(N);
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	pattern(p, N * PAGE, 7);
	EQUAL(pwrite(fd, p, N * PAGE, 0), N * PAGE);
	EQUAL(fsync(fd), 0);
	munmap(p, N * PAGE);		/* first: a page that was lent to the file is still ours */
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	fd = open(NAME, O_RDWR | flags);
	CHECK(fd >= 0);
	return fd;
}

static int same(const unsigned char *p, size_t at, size_t n)
{
	static unsigned char want[N * PAGE];

	pattern(want, N * PAGE, 7);
	return !memcmp(p, want + at, n);
}

INV(INV_D_alignment, "direct I/O is for whole sectors")
{
	int fd = make(O_DIRECT);
	unsigned char *p = buffer(4);

	EQUAL(pread(fd, p, PAGE, 0), PAGE);
	CHECK(same(p, 0, PAGE));
	EQUAL(pread(fd, p, 100, 0), -1);
	EQUAL(errno, EINVAL);
	EQUAL(pread(fd, p, PAGE, 100), -1);
	EQUAL(errno, EINVAL);
	EQUAL(pwrite(fd, p, 100, 0), -1);
	EQUAL(errno, EINVAL);
	EQUAL(pwrite(fd, p, PAGE, 1), -1);
	EQUAL(errno, EINVAL);
	EQUAL(pread(fd, p, 0, 0), 0);
	EQUAL(pread(fd, p, PAGE, N * PAGE), 0);
	EQUAL(pread(fd, (void *)8192, PAGE, 0), -1);
	EQUAL(errno, EFAULT);
	EQUAL(pwrite(fd, (void *)8192, PAGE, 0), -1);
	EQUAL(errno, EFAULT);
	EQUAL(pread(fd, p, 3 * PAGE, 14 * PAGE), 2 * PAGE);
	CHECK(same(p, 14 * PAGE, 2 * PAGE));
}

INV(INV_D_flags, "O_DIRECT is set and cleared by F_SETFL")
{
	int fd = make(0), tmp;
	unsigned char *p = buffer(2);

	EQUAL(pread(fd, p, 100, 3), 100);
	EQUAL(fcntl(fd, F_SETFL, O_DIRECT), 0);
	CHECK(fcntl(fd, F_GETFL) & O_DIRECT);
	EQUAL(pread(fd, p, 100, 3), -1);
	EQUAL(pread(fd, p, PAGE, PAGE), PAGE);
	CHECK(same(p, PAGE, PAGE));
	EQUAL(fcntl(fd, F_SETFL, 0), 0);
	CHECK(!(fcntl(fd, F_GETFL) & O_DIRECT));
	EQUAL(pread(fd, p, 100, 3), 100);
	tmp = open("/proc/self/status", O_RDONLY | O_DIRECT);
	EQUAL(tmp, -1);
	EQUAL(errno, EINVAL);
}

INV(INV_D4_direct_write_buffered_read, "what was written directly is read through the cache and through mappings")
{
	int direct = make(O_DIRECT), fd = open(NAME, O_RDWR);
	unsigned char *p = buffer(4), *q = buffer(4);
	unsigned char *shared = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0), *private = mmap(NULL, N * PAGE, RW, MAP_PRIVATE, fd, 0);

	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	private[5 * PAGE] = 'p';		/* a copy of its own: stays */
	for (int round = 0; round < 4; round++) {
		EQUAL(pread(fd, q, 4 * PAGE, 4 * PAGE), 4 * PAGE);	/* in the cache */
		for (int i = 4; i < 8; i++)
			CHECK(shared[i * PAGE + 9] == q[(i - 4) * PAGE + 9]);
		pattern(p, 4 * PAGE, 100 + round);
		EQUAL(pwrite(direct, p, 4 * PAGE, 4 * PAGE), 4 * PAGE);
		EQUAL(pread(fd, q, 4 * PAGE, 4 * PAGE), 4 * PAGE);
		CHECK(!memcmp(p, q, 4 * PAGE));
		CHECK(!memcmp(p, shared + 4 * PAGE, 4 * PAGE));
		CHECK(!memcmp(p, private + 4 * PAGE, PAGE));
		EQUAL(private[5 * PAGE], 'p');
	}
}

INV(INV_D4_buffered_write_direct_read, "what was written through the cache or a mapping is read directly")
{
	int direct = make(O_DIRECT), fd = open(NAME, O_RDWR);
	unsigned char *p = buffer(4), *q = buffer(4), *shared = mmap(NULL, N * PAGE, RW, MAP_SHARED, fd, 0);

	for (int round = 0; round < 4; round++) {
		pattern(p, 4 * PAGE, 200 + round);
		EQUAL(pwrite(fd, p, 2 * PAGE + 100, 2 * PAGE), 2 * PAGE + 100);
		memcpy(shared + 4 * PAGE + 100, p + 2 * PAGE + 100, PAGE);
		EQUAL(pread(direct, q, 3 * PAGE, 2 * PAGE), 3 * PAGE);
		CHECK(!memcmp(p, q, 3 * PAGE));
	}
}

INV(INV_D_part_of_page, "a direct write of some sectors leaves the rest of the page, also when that is dirty in the cache")
{
	int direct = make(O_DIRECT), fd = open(NAME, O_RDWR);
	unsigned char *p = buffer(1), *q = buffer(2);

	pattern(q, PAGE, 3);
	EQUAL(pwrite(fd, q, PAGE, PAGE), PAGE);
	memset(p, 'd', PAGE);
	if (pwrite(direct, p, 512, PAGE + 1024) != 512) {	/* a disk with larger sectors */
		EQUAL(errno, EINVAL);
		return;
	}
	memset(q + 1024, 'd', 512);
	EQUAL(pread(fd, q + PAGE, PAGE, PAGE), PAGE);
	CHECK(!memcmp(q, q + PAGE, PAGE));
}

INV(INV_D_append, "direct writes make a file longer, and holes have zeroes")
{
	int direct = make(O_DIRECT), fd = open(NAME, O_RDWR);
	unsigned char *p = buffer(4), *q = buffer(8);
	struct stat st;

	pattern(p, 2 * PAGE, 55);
	EQUAL(pwrite(direct, p, 2 * PAGE, (N + 4) * PAGE), 2 * PAGE);
	EQUAL(fstat(fd, &st), 0);
	EQUAL(st.st_size, (N + 6) * PAGE);
	memset(q, 'x', 8 * PAGE);
	EQUAL(pread(direct, q, 8 * PAGE, N * PAGE), 6 * PAGE);
	for (unsigned i = 0; i < 4 * PAGE; i++)
		CHECK(!q[i]);
	CHECK(!memcmp(q + 4 * PAGE, p, 2 * PAGE));
	EQUAL(pwrite(direct, p, PAGE, (N + 1) * PAGE), PAGE);	/* into the hole */
	EQUAL(pread(direct, q, 3 * PAGE, N * PAGE), 3 * PAGE);
	for (unsigned i = 0; i < PAGE; i++)
		CHECK(!q[i] && q[PAGE + i] == p[i] && !q[2 * PAGE + i]);
	EQUAL(ftruncate(fd, N * PAGE + 1000), 0);
	EQUAL(pread(direct, q, 2 * PAGE, N * PAGE), 1000);
	close(direct);
	direct = open(NAME, O_WRONLY | O_APPEND | O_DIRECT);
	EQUAL(ftruncate(fd, PAGE), 0);
	EQUAL(write(direct, p, PAGE), PAGE);
	EQUAL(fstat(fd, &st), 0);
	EQUAL(st.st_size, 2 * PAGE);
}

INV(INV_D_vectors, "readv and writev")
{
	int direct = make(O_DIRECT);
	unsigned char *p = buffer(8), *q = buffer(8);
	struct iovec iov[3] = { { p, PAGE }, { p + 3 * PAGE, 2 * PAGE }, { p + 6 * PAGE, PAGE } };

	EQUAL(preadv(direct, iov, 3, PAGE), 4 * PAGE);
	CHECK(same(p, PAGE, PAGE) && same(p + 3 * PAGE, 2 * PAGE, 2 * PAGE) && same(p + 6 * PAGE, 4 * PAGE, PAGE));
	pattern(p, 8 * PAGE, 9);
	EQUAL(pwritev(direct, iov, 3, 8 * PAGE), 4 * PAGE);
	EQUAL(pread(direct, q, 4 * PAGE, 8 * PAGE), 4 * PAGE);
	CHECK(!memcmp(q, p, PAGE) && !memcmp(q + PAGE, p + 3 * PAGE, 2 * PAGE) && !memcmp(q + 3 * PAGE, p + 6 * PAGE, PAGE));
	iov[1].iov_base = p + 100;
	EQUAL(preadv(direct, iov, 3, 0), -1);
	EQUAL(errno, EINVAL);
}

/* xfstests 647 and 729: memory that is a mapping of the file, in all combinations; it ends, and the bytes are right. */
static void own_mapping(bool write, long at, long memory_at, long n, int flags)
{
	int direct = make(O_DIRECT), fd = open(NAME, O_RDWR);
	unsigned char *m = mmap(NULL, N * PAGE, RW, flags, fd, 0), *q = buffer(N);

	if (write) {
		EQUAL(pwrite(direct, m + memory_at, n, at), n);
		EQUAL(pread(fd, q, N * PAGE, 0), N * PAGE);
		CHECK(same(q, 0, at) && same(q + at + n, at + n, N * PAGE - at - n));
		CHECK(same(q + at, memory_at, n) || (at != memory_at && labs(at - memory_at) < n));	/* overlapping: which comes first is open */
	} else {
		EQUAL(pread(direct, m + memory_at, n, at), n);
		CHECK(same(m + memory_at, at, n));
		CHECK(same(m, 0, memory_at));
		EQUAL(fsync(fd), 0);
		EQUAL(pread(fd, q, N * PAGE, 0), N * PAGE);
		CHECK(flags == MAP_PRIVATE ? same(q, 0, N * PAGE) : !memcmp(q, m, N * PAGE));
	}
	munmap(m, N * PAGE);
	close(fd);
	close(direct);
}

INV(INV_D3_own_mapping, "direct I/O to and from a mapping of the same file ends")
{
	for (int write = 0; write < 2; write++)
		for (int flags = MAP_SHARED; flags <= MAP_PRIVATE; flags++) {
			own_mapping(write, 2 * PAGE, 2 * PAGE, PAGE, flags);
			own_mapping(write, 2 * PAGE, 2 * PAGE, 4 * PAGE, flags);
			own_mapping(write, 2 * PAGE, 8 * PAGE, 4 * PAGE, flags);
			own_mapping(write, 8 * PAGE, 2 * PAGE, 4 * PAGE, flags);
		}
}

/* KOSAKI's case: threads read directly into neighbouring parts of pages while the process forks and children store (LTP dma_thread_diotest). */
#define READERS 3
static struct reader { unsigned char *to; int fd; unsigned rounds, bad; } readers[READERS];
static volatile int stop;

static void *read_thread(void *arg)
{
	struct reader *r = arg;

	while (!stop || r->rounds < 5) {
		memset(r->to, 0xee, 2 * PAGE);
		if (pread(r->fd, r->to, 2 * PAGE, PAGE) != 2 * PAGE || !same(r->to, PAGE, 2 * PAGE))
			r->bad++;
		r->rounds++;
	}
	return NULL;
}

INV(INV_D1_fork_while_reading, "what is read directly arrives in the program that reads, whoever forks meanwhile")
{
	pthread_t threads[READERS];
	int fd = make(O_DIRECT);
	unsigned char *p = buffer(2 * READERS + 1);

	for (int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .to = p + i * (2 * PAGE + 512), .fd = fd };	/* neighbours share pages */
		if (pread(fd, readers[i].to, 2 * PAGE, PAGE) != 2 * PAGE)
			readers[i].to = p + i * 2 * PAGE;	/* memory must be aligned more here */
		EQUAL(pthread_create(&threads[i], NULL, read_thread, &readers[i]), 0);
	}
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			memset(p, 'c', 2 * READERS * PAGE);
			_exit(0);
		}
		EQUAL(wait_for(pid), 0);
	}
	stop = 1;
	for (int i = 0; i < READERS; i++) {
		pthread_join(threads[i], NULL);
		EQUAL(readers[i].bad, 0);
	}
}

INV(INV_D_readers_of_appended, "who reads while others append or truncate sees written bytes or zeroes, never older ones (LTP dio_append, dio_truncate)")
{
	int direct, fd;
	unsigned char *p = buffer(4), *q = buffer(4);
	pid_t pid;
	long n;

	close(make(0));
	direct = open(NAME, O_RDWR | O_DIRECT);
	fd = open(NAME, O_RDWR);
	memset(p, 'z', 4 * PAGE);
	EQUAL(ftruncate(fd, 0), 0);
	pid = fork();
	if (!pid) {
		for (int i = 0; i < 30; i++) {
			for (int k = 0; k < 4; k++)
				CHECK(pwrite(direct, p, PAGE, (i % 3 + k) * PAGE) == (long)PAGE);
			CHECK(!ftruncate(fd, i % 2 ? 0 : PAGE + 512));
		}
		_exit(0);
	}
	for (int i = 0; i < 60; i++) {
		n = pread(i % 2 ? direct : fd, q, 4 * PAGE, 0);
		CHECK(n >= 0);
		for (long k = 0; k < n; k++)
			CHECK(q[k] == 'z' || !q[k]);
	}
	EQUAL(wait_for(pid), 0);
}

int main(int argc, char **argv)
{
	int status = inv_main(argc, argv);

	unlink(NAME);
	return status;
}
