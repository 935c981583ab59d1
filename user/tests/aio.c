/*
 * Linux AIO by its system calls: what they give, and that transfers that go on after the call end well, whoever forks, unmaps, truncates or
 * exits meanwhile (LTP's aiodio_*, INV-G1, INV-D1, INV-D2). In the current directory, which is on a real file system.
 */
#include "inv.h"
#include <linux/aio_abi.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/shm.h>

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif
#define NAME "aio.file"
#define N 32

#define io_setup(n, c) syscall(SYS_io_setup, n, c)
#define io_destroy(c) syscall(SYS_io_destroy, c)
#define io_submit(c, n, p) syscall(SYS_io_submit, c, n, p)
#define io_getevents(c, min, n, e, t) syscall(SYS_io_getevents, c, min, n, e, t)

static unsigned char *pages(size_t n)
{
	unsigned char *p = mmap(NULL, n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static int make(int flags)
{
	unsigned char *p = pages(N);
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	pattern(p, N * PAGE, 7);
	EQUAL(pwrite(fd, p, N * PAGE, 0), N * PAGE);
	EQUAL(fsync(fd), 0);
	munmap(p, N * PAGE);
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

static struct iocb request(int op, int fd, const void *p, size_t n, long at)
{
	return (struct iocb){ .aio_lio_opcode = op, .aio_fildes = fd, .aio_buf = (unsigned long)p, .aio_nbytes = n, .aio_offset = at, .aio_data = at + 1 };
}

static aio_context_t setup(unsigned n)
{
	aio_context_t c = 0;

	EQUAL(io_setup(n, &c), 0);
	CHECK(c);
	return c;
}

static long one(aio_context_t c, struct iocb *cb)
{
	struct io_event e;

	EQUAL(io_submit(c, 1, &cb), 1);
	EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
	EQUAL(e.data, cb->aio_data);
	CHECK(e.obj == (unsigned long)cb && !e.res2);
	return e.res;
}

INV(INV_G_aio_calls, "what the calls give")
{
	aio_context_t c = 1, none = 0;
	struct iocb cb, *list[3] = { &cb, &cb, &cb };
	struct io_event e[4];
	struct timespec soon = { 0, 1000000 }, zero = { 0, 0 }, bad = { 0, -1 };
	unsigned char *p = pages(4);
	struct iovec iov[2] = { { p, 100 }, { p + PAGE, 200 } };
	int fd = make(0), fds[2];

	EQUAL(io_setup(10, &c), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_setup(0, &none), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_setup(10, NULL), -1);
	EQUAL(errno, EFAULT);
	EQUAL(io_setup(1u << 30, &none), -1);
	EQUAL(errno == EINVAL || errno == EAGAIN, 1);
	c = setup(10);
	EQUAL(io_getevents(c, 0, 4, e, NULL), 0);
	EQUAL(io_getevents(c, 1, 4, e, &zero), 0);
	EQUAL(io_getevents(c, 1, 4, e, &soon), 0);
	EQUAL(io_getevents(c, 2, 1, e, &zero), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_getevents(c, 0, 1, e, &bad), 0);
	EQUAL(io_submit(c, -1, list), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_submit(c, 0, list), 0);
	EQUAL(io_submit(0, 1, list), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_submit(c, 1, NULL), -1);
	EQUAL(errno, EFAULT);
	cb = request(IOCB_CMD_PREAD, fd, p, 1000, 500);
	EQUAL(one(c, &cb), 1000);
	CHECK(same(p, 500, 1000));
	cb = request(IOCB_CMD_PREADV, fd, iov, 2, 50);
	EQUAL(one(c, &cb), 300);
	CHECK(same(p, 50, 100) && same(p + PAGE, 150, 200));
	cb = request(IOCB_CMD_PREAD, fd, (void *)8192, 1000, 500);
	EQUAL(one(c, &cb), -EFAULT);
	cb = request(IOCB_CMD_PREAD, fd, p, 1000, N * PAGE);
	EQUAL(one(c, &cb), 0);
	memcpy(p, "written!", 8);
	cb = request(IOCB_CMD_PWRITE, fd, p, 8, 3);
	EQUAL(one(c, &cb), 8);
	EQUAL(pread(fd, p + 100, 8, 3), 8);
	CHECK(!memcmp(p, p + 100, 8));
	cb = request(IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	EQUAL(one(c, &cb), 0);
	cb = request(IOCB_CMD_FDSYNC, fd, NULL, 0, 0);
	EQUAL(one(c, &cb), 0);
	cb = request(99, fd, p, 8, 3);
	EQUAL(io_submit(c, 1, list), -1);
	EQUAL(errno, EINVAL);
	cb = request(IOCB_CMD_PREAD, 999, p, 8, 3);
	EQUAL(io_submit(c, 1, list), -1);
	EQUAL(errno, EBADF);
	cb = request(IOCB_CMD_PREAD, fd, p, -1, 3);
	EQUAL(io_submit(c, 1, list), -1);
	EQUAL(errno, EINVAL);
	cb = request(IOCB_CMD_PREAD, fd, p, 8, 3);
	cb.aio_reserved2 = 1;
	EQUAL(io_submit(c, 1, list), -1);
	EQUAL(errno, EINVAL);
	CHECK(!pipe(fds));
	cb = request(IOCB_CMD_PREAD, fds[1], p, 8, 3);
	EQUAL(io_submit(c, 1, list), -1);
	EQUAL(errno, EBADF);
	cb = request(IOCB_CMD_PWRITE, fds[1], "pipe", 4, 0);
	EQUAL(one(c, &cb), 4);
	EQUAL(read(fds[0], p, 10), 4);
	EQUAL(syscall(SYS_io_cancel, c, &cb, e), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_destroy(c), 0);
	EQUAL(io_destroy(c), -1);
	EQUAL(errno, EINVAL);
	EQUAL(io_getevents(c, 0, 1, e, &zero), -1);
	EQUAL(errno, EINVAL);
}

/* Submit reads of all pages, each at its place. */
static void submit_all(aio_context_t c, int op, int fd, unsigned char *p, struct iocb *cb)
{
	for (int i = 0; i < N; i++) {
		struct iocb *list = &cb[i];

		cb[i] = request(op, fd, p + i * PAGE, PAGE, i * PAGE);
		EQUAL(io_submit(c, 1, &list), 1);
	}
}

static void collect(aio_context_t c, int n)
{
	struct io_event e[N];

	while (n) {
		long k = io_getevents(c, 1, N, e, NULL);

		CHECK(k > 0 && k <= n);
		for (long i = 0; i < k; i++)
			EQUAL(e[i].res, PAGE);
		n -= k;
	}
}

INV(INV_G_aio_direct, "many at a time, read and written directly, also a thousand pages in one; results by eventfd")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N);
	int fd = make(O_DIRECT), efd = eventfd(0, EFD_NONBLOCK);
	struct iocb big = request(IOCB_CMD_PREAD, fd, p, N * PAGE, 0), *list = &big;
	struct pollfd pfd = { .fd = efd, .events = POLLIN };
	uint64_t n;

	submit_all(c, IOCB_CMD_PREAD, fd, p, cb);
	collect(c, N);
	CHECK(same(p, 0, N * PAGE));
	pattern(p, N * PAGE, 8);
	submit_all(c, IOCB_CMD_PWRITE, fd, p, cb);
	collect(c, N);
	memset(p, 0, N * PAGE);
	big.aio_flags = IOCB_FLAG_RESFD;
	big.aio_resfd = efd;
	EQUAL(io_submit(c, 1, &list), 1);
	EQUAL(poll(&pfd, 1, 60000), 1);
	EQUAL(read(efd, &n, 8), 8);
	EQUAL(n, 1);
	struct io_event e;
	EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
	EQUAL(e.res, N * PAGE);
	unsigned char *q = pages(N);
	pattern(q, N * PAGE, 8);
	CHECK(!memcmp(p, q, N * PAGE));
	big = request(IOCB_CMD_PREAD, fd, p, 4 * PAGE, (N - 2) * PAGE);	/* to the end of the file */
	EQUAL(one(c, &big), 2 * PAGE);
	big = request(IOCB_CMD_PREAD, fd, p, 100, 0);
	EQUAL(io_submit(c, 1, &list), 1);				/* not whole sectors: an event says so */
	EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
	EQUAL(e.res, -EINVAL);
	big = request(IOCB_CMD_PWRITE, fd, q, 2 * PAGE, N * PAGE);	/* makes it longer */
	EQUAL(one(c, &big), 2 * PAGE);
	big = request(IOCB_CMD_PREAD, fd, p, 2 * PAGE, N * PAGE);
	EQUAL(one(c, &big), 2 * PAGE);
	CHECK(!memcmp(p, q, 2 * PAGE));
	EQUAL(io_destroy(c), 0);
}

/* The ring of events at the context's address: programs (QEMU) take them from there. */
struct ring {
	unsigned id, nr, head, tail, magic, compat, incompat, length;
	struct io_event events[];
};

INV(INV_G_aio_ring, "events can be taken out of the ring, which the kernel writes by pins whatever fork does")
{
	aio_context_t c = setup(3);
	volatile struct ring *ring = (volatile struct ring *)c;
	unsigned char *p = pages(1);
	int fd = make(O_DIRECT);
	struct iocb cb = request(IOCB_CMD_PREAD, fd, p, PAGE, 3 * PAGE), *list = &cb;
	struct io_event e;

	EQUAL(ring->magic, 0xa10a10a1);
	EQUAL(ring->length, sizeof(*ring));
	EQUAL(ring->incompat, 0);
	CHECK(ring->nr >= 3);
	for (unsigned i = 0; i < 2 * ring->nr + 5; i++) {
		EQUAL(io_submit(c, 1, &list), 1);
		if (i % 50 == 7) {
			pid_t pid = fork();
			if (!pid)
				_exit(0);
			EQUAL(wait_for(pid), 0);
		}
		if (i % 3 == 2) {
			EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
			EQUAL(e.res, PAGE);
			continue;
		}
		while (ring->head == ring->tail)
			sched_yield();
		EQUAL(ring->events[ring->head].data, cb.aio_data);
		EQUAL(ring->events[ring->head].res, PAGE);
		ring->head = (ring->head + 1) % ring->nr;
	}
	EQUAL(ring->head, ring->tail);
	EQUAL(io_destroy(c), 0);
}

INV(INV_D1_aio_fork, "pages that are being read to belong to who submitted, whoever forks and stores meanwhile")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N);
	int fd = make(O_DIRECT);

	for (int round = 0; round < 10; round++) {
		memset(p, 0xaa, N * PAGE);
		submit_all(c, IOCB_CMD_PREAD, fd, p, cb);
		pid_t pid = fork();
		if (!pid) {
			memset(p, 0xcc, N * PAGE);
			_exit(0);
		}
		CHECK(pid > 0);
		collect(c, N);
		CHECK(same(p, 0, N * PAGE));
		EQUAL(wait_for(pid), 0);
		CHECK(same(p, 0, N * PAGE));
	}
}

INV(INV_D1_store_beside, "a store beside what is being read to, after a fork, does not lose what arrives in the same page (KOSAKI's case)")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N);
	int fd = make(O_DIRECT), fds[2];
	struct io_event e;
	char byte;

	for (int round = 0; round < 4; round++) {
		CHECK(!pipe(fds));
		memset(p, 0xaa, N * PAGE);
		for (int i = 0; i < N; i++) {
			struct iocb *list = &cb[i];

			cb[i] = request(IOCB_CMD_PREAD, fd, p + i * PAGE, PAGE / 2, i * PAGE);
			EQUAL(io_submit(c, 1, &list), 1);
		}
		pid_t pid = fork();
		if (!pid) {
			CHECK(read(fds[0], &byte, 1) == 1);
			_exit(0);
		}
		CHECK(pid > 0);
		for (int i = 0; i < N; i++)
			p[i * PAGE + 3000] = i;
		for (int i = 0; i < N; i++) {
			EQUAL(io_getevents(c, 1, 1, &e, NULL), 1);
			EQUAL(e.res, PAGE / 2);
		}
		for (int i = 0; i < N; i++)
			CHECK(same(p + i * PAGE, i * PAGE, PAGE / 2) && p[i * PAGE + 3000] == i);
		EQUAL(write(fds[1], "", 1), 1);
		EQUAL(wait_for(pid), 0);
		close(fds[0]);
		close(fds[1]);
	}
}

INV(INV_D2_aio_write_fork, "pages that are being written are what the writer had, not what its child stores (KOSAKI's other case)")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N), *q = pages(N);
	int fd = make(O_DIRECT);

	for (int round = 0; round < 10; round++) {
		pattern(p, N * PAGE, round);
		submit_all(c, IOCB_CMD_PWRITE, fd, p, cb);
		pid_t pid = fork();
		if (!pid) {
			memset(p, 0xcc, N * PAGE);
			_exit(0);
		}
		CHECK(pid > 0);
		EQUAL(wait_for(pid), 0);
		collect(c, N);
		EQUAL(pread(fd, q, N * PAGE, 0), N * PAGE);
		CHECK(!memcmp(p, q, N * PAGE));
	}
}

INV(INV_D2_both_store, "the same when the writer stores too, and its child after it: never the child's bytes get to the disk")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N), *q = pages(N);
	int fd = make(O_DIRECT), fds[2];
	char byte = 0;

	for (int round = 0; round < 6; round++) {
		CHECK(!pipe(fds));
		memset(p, 0xaa, N * PAGE);
		submit_all(c, IOCB_CMD_PWRITE, fd, p, cb);
		pid_t pid = fork();
		if (!pid) {
			CHECK(read(fds[0], &byte, 1) == 1);
			memset(p, 0xcc, N * PAGE);
			_exit(0);
		}
		CHECK(pid > 0);
		memset(p, 0xdd, N * PAGE);	/* may get there or not: POSIX leaves that open */
		EQUAL(write(fds[1], &byte, 1), 1);
		EQUAL(wait_for(pid), 0);
		collect(c, N);
		EQUAL(pread(fd, q, N * PAGE, 0), N * PAGE);
		for (unsigned i = 0; i < N * PAGE; i++)
			CHECK(q[i] == 0xaa || q[i] == 0xdd);
		close(fds[0]);
		close(fds[1]);
	}
}

INV(INV_G1_aio_unmap, "memory may be unmapped, protected and moved, and the program may exit, while the device has it")
{
	static struct iocb cb[N];
	int fd = make(O_DIRECT);

	for (int round = 0; round < 8; round++) {
		pid_t pid = fork();

		if (!pid) {
			aio_context_t c = setup(N);
			unsigned char *p = pages(N), *q;

			submit_all(c, IOCB_CMD_PREAD, fd, p, cb);
			EQUAL(mprotect(p, N * PAGE, PROT_READ), 0);
			EQUAL(mprotect(p, N * PAGE, RW), 0);
			if (round % 4 == 0)
				_exit(0);
			if (round % 4 == 1)
				EQUAL(munmap(p, N * PAGE), 0);
			if (round % 4 == 2)
				EQUAL(madvise(p, N * PAGE, MADV_DONTNEED), 0);
			if (round % 4 == 3) {
				q = mremap(p, N * PAGE, N * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, pages(N));
				collect(c, N);
				CHECK(same(q, 0, N * PAGE));
				_exit(0);
			}
			collect(c, N);
			_exit(0);
		}
		EQUAL(wait_for(pid), 0);
	}
}

INV(INV_G1_aio_segment, "a segment of System V shared memory may be detached, removed and left while the device reads into it")
{
	static struct iocb cb[N];
	int fd = make(O_DIRECT);

	for (int round = 0; round < 4; round++) {
		int id = shmget(IPC_PRIVATE, N * PAGE, 0600);
		unsigned char *p = shmat(id, NULL, 0), *q = shmat(id, NULL, 0);
		aio_context_t c = setup(N);

		CHECK(id >= 0 && p != (void *)-1 && q != (void *)-1);
		submit_all(c, IOCB_CMD_PREAD, fd, p, cb);
		EQUAL(shmdt(p), 0);
		EQUAL(shmctl(id, IPC_RMID, NULL), 0);
		if (round & 1)
			EQUAL(shmdt(q), 0);		/* nobody has it but the device */
		collect(c, N);
		if (!(round & 1)) {
			CHECK(same(q, 0, N * PAGE));
			EQUAL(shmdt(q), 0);
		}
		syscall(SYS_io_destroy, c);
	}
}

INV(INV_D_aio_truncate, "truncate and punch wait for what is on its way (LTP aiodio_sparse, xfstests 299, 300)")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	unsigned char *p = pages(N), *q = pages(1);
	int fd = make(O_DIRECT);
	struct io_event e[N];
	struct stat st;

	for (int round = 0; round < 6; round++) {
		int n = 0;

		pattern(p, N * PAGE, round);
		EQUAL(pwrite(fd, p, N * PAGE, 0), N * PAGE);
		submit_all(c, round & 1 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE, fd, p, cb);
		if (round % 3 == 0)
			EQUAL(ftruncate(fd, 0), 0);
		else if (round % 3 == 1)
			EQUAL(ftruncate(fd, 5 * PAGE), 0);
		else
			CHECK(!fallocate(fd, 3 /* PUNCH_HOLE | KEEP_SIZE */, 0, N * PAGE) || errno == EOPNOTSUPP);
		while (n < N) {
			long k = io_getevents(c, 1, N, e, NULL);

			CHECK(k > 0);
			n += k;
		}
		EQUAL(fstat(fd, &st), 0);
		if (round % 3 < 2)
			EQUAL(st.st_size, round % 3 ? 5 * PAGE : 0);
		EQUAL(ftruncate(fd, N * PAGE), 0);
		EQUAL(pread(fd, q, PAGE, (N - 1) * PAGE), PAGE);
		for (unsigned i = 0; i < PAGE; i++)
			CHECK(!q[i] || round % 3 == 2);
	}
}

INV(INV_D5_aio_shared_mapping, "what is read into a shared mapping of a file gets to that file's disk, also when it is written back meanwhile")
{
	static struct iocb cb[N];
	aio_context_t c = setup(N);
	int fd = make(O_DIRECT), other = open("aio.other", O_RDWR | O_CREAT | O_TRUNC, 0600);
	unsigned char *m, *q = pages(N);

	EQUAL(ftruncate(other, N * PAGE), 0);
	m = mmap(NULL, N * PAGE, RW, MAP_SHARED, other, 0);
	memset(m, 1, N * PAGE);
	submit_all(c, IOCB_CMD_PREAD, fd, m, cb);
	EQUAL(fsync(other), 0);
	collect(c, N);
	CHECK(same(m, 0, N * PAGE));
	EQUAL(fsync(other), 0);
	posix_fadvise(other, 0, 0, POSIX_FADV_DONTNEED);
	close(other);
	other = open("aio.other", O_RDONLY | O_DIRECT);
	EQUAL(pread(other, q, N * PAGE, 0), N * PAGE);
	CHECK(same(q, 0, N * PAGE));
	unlink("aio.other");
}

int main(int argc, char **argv)
{
	int status = inv_main(argc, argv);

	unlink(NAME);
	return status;
}
