/*
 * The user copies: the invariants INV-A of docs/mechanisms.md, as far as a program sees them. (Their insides: tests/host/asm_usercopy.c runs the
 * instructions themselves, guest_inv.c counts the attempts.)
 */
#include "inv.h"
#include <pthread.h>

#define PAGES 4
#define SIZE (PAGES * PAGE)

INV(INV_A1_residue_in, "a buffer that ends early, at many offsets: read() gives what fitted, and the bytes behind were not touched")
{
	int fd = make_file(0, SIZE);
	unsigned char *buffer = map_anon(3 * PAGE);

	CHECK(!mprotect(buffer + 2 * PAGE, PAGE, PROT_READ));
	for (int i = 0; i < 60; i++) {
		long room = 1 + i * 137 % (2 * PAGE), n;

		memset(buffer, 0, 2 * PAGE);
		n = pread(fd, buffer + 2 * PAGE - room, room + 500, i);
		CHECK(n > 0 ? n <= room : n == -1 && errno == EFAULT);
		EQUAL(wrong_value(buffer, 2 * PAGE - room, 0), -1);
		if (n > 0)
			EQUAL(wrong_at(buffer + 2 * PAGE - room, n, 0, i), -1);
		EQUAL(wrong_value(buffer + 2 * PAGE, PAGE, 0), -1);
	}
}

INV(INV_A1_whole_room, "a copy that stops at a page boundary stops exactly there: the count is all that fitted")
{
	int fd = make_file(0, SIZE);
	unsigned char *buffer = map_anon(3 * PAGE);

	munmap(buffer + 2 * PAGE, PAGE);
	EQUAL(pread(fd, buffer + PAGE, 2 * PAGE, 0), PAGE);
	EQUAL(wrong_at(buffer + PAGE, PAGE, 0, 0), -1);
	EQUAL(pread(fd, buffer + 2 * PAGE, PAGE, 0), -1);
	EQUAL(errno, EFAULT);
}

static struct toucher { pthread_t thread; int fd, bad; } touchers[3];
static void *fresh_memory(void *arg)
{
	struct toucher *t = arg;

	for (int i = 0; i < 40 && !t->bad; i++) {
		unsigned char *buffer = mmap(NULL, SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (pread(t->fd, buffer + 1, SIZE - 1, 0) != (long)SIZE - 1 || buffer[0] != 0)
			t->bad = 1;
		if (pwrite(t->fd, buffer + 1, SIZE - 1, 0) != (long)SIZE - 1)
			t->bad = 2;
		munmap(buffer, SIZE);
	}
	return NULL;
}

INV(INV_A2_threads, "a copy of one thread that may not fault does not stop faults of another: three threads copy and touch fresh memory")
{
	for (int i = 0; i < 3; i++) {
		touchers[i].fd = make_file(i, SIZE);
		CHECK(!pthread_create(&touchers[i].thread, NULL, fresh_memory, &touchers[i]));
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(touchers[i].thread, NULL);
		EQUAL(touchers[i].bad, 0);
	}
}

INV(INV_A3_cow_destination, "read() into memory that fork shares breaks the sharing first: the other process keeps its bytes; so does a file's private mapping")
{
	int fd = make_file(0, SIZE), other = make_file(1, SIZE);
	unsigned char *buffer = map_anon(SIZE), *private = map_file(other, SIZE, RW, MAP_PRIVATE);
	pid_t pid;

	memset(buffer, 'p', SIZE);
	CHECK(private[0] == byte_at(1, 0));
	pid = fork();
	if (!pid) {
		EQUAL(pread(fd, buffer, SIZE - 5, 0), SIZE - 5);
		EQUAL(pread(fd, private, SIZE - 5, 0), SIZE - 5);
		EQUAL(wrong_at(buffer, SIZE - 5, 0, 0), -1);
		EQUAL(wrong_at(private, SIZE - 5, 0, 0), -1);
		_exit(0);
	}
	EQUAL(wait_for(pid), 0);
	EQUAL(wrong_value(buffer, SIZE, 'p'), -1);
	EQUAL(wrong_at(private, SIZE, 1, 0), -1);
	forget(other);
	EQUAL(pread(other, buffer, SIZE, 0), SIZE);
	EQUAL(wrong_at(buffer, SIZE, 1, 0), -1);
}

INV(INV_A3_read_only, "no copy writes memory that the program may not write: read-only, the program's own text, no mapping, kernel and non-canonical addresses")
{
	int fd = make_file(0, SIZE);
	unsigned char *ro = map_file(-1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
	static const unsigned long bad[] = { 8, 0x7ffffffff000, 0x800000000000, 0x8000000000000000, 0xffff800000000000, 0xffffffff80000000, -4096UL, -1UL };

	EQUAL(pread(fd, ro, 100, 0), -1);
	EQUAL(errno, EFAULT);
	EQUAL(ro[0], 0);
	EQUAL(pread(fd, (void *)INV_A1_residue_in, 1, 0), -1);
	EQUAL(errno, EFAULT);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		EQUAL(pread(fd, (void *)bad[i], 64, 0), -1);
		EQUAL(errno, EFAULT);
		EQUAL(pwrite(fd, (void *)bad[i], 64, 0), -1);
		EQUAL(errno, EFAULT);
	}
}

INV(INV_A6_progress, "buffers whose every page has to be faulted in from another file: all bytes, in one call, in both directions")
{
	int fd = make_file(0, SIZE), source = make_file(1, 64 * PAGE);
	unsigned char *m = map_file(source, 64 * PAGE, RW, MAP_PRIVATE), *have = malloc(64 * PAGE);

	EQUAL(pwrite(fd, m + 3, 63 * PAGE, 1), 63 * PAGE);
	EQUAL(pread(fd, have, 63 * PAGE, 1), 63 * PAGE);
	EQUAL(wrong_at(have, 63 * PAGE, 1, 3), -1);
	m = map_file(source, 64 * PAGE, RW, MAP_PRIVATE);
	EQUAL(pread(fd, m + 7, 63 * PAGE, 1), 63 * PAGE);
	EQUAL(wrong_at(m + 7, 63 * PAGE, 1, 3), -1);
}

/* A thread that takes the source's pages away all the time. */
static struct { unsigned char *m; int stop; } thief;
static void *steal(void *arg)
{
	while (!__atomic_load_n(&thief.stop, __ATOMIC_ACQUIRE))
		madvise(thief.m, 4 * PAGE, MADV_DONTNEED);
	return arg;
}

INV(INV_A6_starved, "a write() whose source another thread throws away all the time ends, with all bytes")
{
	int fd = make_file(0, SIZE), source = make_file(1, 4 * PAGE);
	unsigned char have[PAGE];
	pthread_t thread;

	thief.m = map_file(source, 4 * PAGE, RW, MAP_PRIVATE);
	CHECK(!pthread_create(&thread, NULL, steal, NULL));
	for (int i = 0; i < 50; i++) {
		EQUAL(pwrite(fd, thief.m + PAGE - 50, 3000, 10), 3000);
		EQUAL(pread(fd, have, 3000, 10), 3000);
		EQUAL(wrong_at(have, 3000, 1, PAGE - 50), -1);
	}
	thief.stop = 1;
	pthread_join(thread, NULL);
}

INV(INV_A6_bad_ends, "a source that is bad from its first byte gives EFAULT at once, and nothing of the file has changed")
{
	int fd = make_file(0, SIZE);
	unsigned char *bad = map_file(-1, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS), have[SIZE];

	for (int i = 0; i < 20; i++) {
		EQUAL(pwrite(fd, bad + i, 1 + i * 100, i * 700), -1);
		EQUAL(errno, EFAULT);
	}
	EQUAL(pread(fd, have, SIZE, 0), SIZE);
	EQUAL(wrong_at(have, SIZE, 0, 0), -1);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
