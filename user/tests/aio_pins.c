/*
 * Transfers that go on after the call (by Linux AIO) end well, whoever forks, stores, unmaps, truncates or exits meanwhile (LTP's aiodio_*, INV-G1,
 * INV-D1, INV-D2, INV-D5): their pages are pinned.
 */
#include "aio.h"
#include <sys/shm.h>

/* A child that stores to all of its N pages at p, and ends. */
static pid_t scribbler(unsigned char *p)
{
	pid_t pid = fork();

	if (!pid) {
		memset(p, 0xcc, N * PAGE);
		_exit(0);
	}
	CHECK(pid > 0);
	return pid;
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
		pid_t pid = scribbler(p);
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
		pid_t pid = scribbler(p);
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

int main(int argc, char **argv) { return aio_main(argc, argv); }
