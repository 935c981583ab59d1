/*
 * Linux AIO by its system calls: what they give, directly and through the page cache, by io_getevents(), eventfd and the ring.
 */
#include "aio.h"
#include <poll.h>
#include <sys/eventfd.h>

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

int main(int argc, char **argv) { return aio_main(argc, argv); }
