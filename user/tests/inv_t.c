/*
 * Faults against truncate, holes and growth: the invariants INV-T of docs/mechanisms.md (source 002), and what the users of MAP_SHARED and
 * MAP_PRIVATE may rely on when a file changes its size.
 */
#include "inv.h"
#include <pthread.h>
#include <linux/falloc.h>

#define PAGES 8
#define SIZE (PAGES * PAGE)

static int punch(int fd, long start, long n) { return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, n); }

/* SIGBUS at this address, for a load and for a store. */
static void check_sigbus(unsigned char *p)
{
	for (int write = 0; write < 2; write++) {
		EQUAL(touch((volatile char *)p, write), SIGBUS);
		EQUAL(fault_code, BUS_ADRERR);
		CHECK(fault_addr == p);
	}
}

INV(INV_T1_sigbus, "past the end of the file: SIGBUS, in pages that were mapped when it was shortened, and in ones that never were")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);

	catch_faults();
	for (int i = 0; i < 6; i++)
		EQUAL(m[i * PAGE], byte_at(0, i * PAGE));
	m[5 * PAGE] = 1;
	CHECK(!ftruncate(fd, 3 * PAGE + 10));
	EQUAL(wrong_at(m, 3 * PAGE + 10, 0, 0), -1);
	EQUAL(wrong_value(m + 3 * PAGE + 10, PAGE - 10, 0), -1);
	for (int i = 4; i < PAGES; i++)
		check_sigbus(m + i * PAGE);
	CHECK(!ftruncate(fd, SIZE));
	EQUAL(wrong_value(m + 3 * PAGE + 10, SIZE - 3 * PAGE - 10, 0), -1);	/* the same mapping: the new pages, zeroes */
}

INV(INV_T1_private_copies, "private copies behind the new end are removed by truncate and kept by a hole; before the end they stay")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_PRIVATE);

	catch_faults();
	memset(m + PAGE, 'p', 100);
	memset(m + 6 * PAGE, 'p', 100);
	CHECK(!punch(fd, 0, SIZE));
	EQUAL(wrong_value(m + PAGE, 100, 'p'), -1);
	EQUAL(wrong_at(m + PAGE + 100, PAGE - 100, 0, PAGE + 100), -1);
	EQUAL(wrong_value(m + 6 * PAGE, 100, 'p'), -1);
	EQUAL(wrong_value(m + 2 * PAGE, PAGE, 0), -1);		/* this one was not copied: it shows the hole */
	CHECK(!ftruncate(fd, 4 * PAGE));
	EQUAL(wrong_value(m + PAGE, 100, 'p'), -1);
	check_sigbus(m + 6 * PAGE);
	CHECK(!ftruncate(fd, SIZE));
	EQUAL(wrong_value(m + 6 * PAGE, PAGE, 0), -1);		/* the copy is gone */
	EQUAL(wrong_value(m + PAGE, 100, 'p'), -1);
}

INV(INV_T1_buffers_stay, "what read() put into memory stays when the file is shortened, punched, overwritten or removed")
{
	for (int how = 0; how < 4; how++) {
		int fd = make_file(0, SIZE);
		unsigned char *buffer = map_anon(SIZE), *page = map_anon(SIZE);

		EQUAL(pread(fd, buffer, SIZE, 0), SIZE);
		if (how == 0)
			CHECK(!ftruncate(fd, 0));
		else if (how == 1)
			CHECK(!punch(fd, 0, SIZE));
		else if (how == 2)
			EQUAL(pwrite(fd, page, SIZE, 0), SIZE);
		close(fd);
		EQUAL(wrong_at(buffer, SIZE, 0, 0), -1);
		memset(buffer, 'b', SIZE);
		EQUAL(wrong_value(buffer, SIZE, 'b'), -1);
	}
}

INV(INV_T1_hole_shows_zeroes, "a hole shows zeroes at once in every mapping and in read(); what is stored there afterwards is in the file")
{
	int fd = make_file(0, SIZE);
	unsigned char *shared = map_file(fd, SIZE, RW, MAP_SHARED), *also = map_file(fd, SIZE, PROT_READ, MAP_PRIVATE), have[PAGE];

	EQUAL(wrong_at(shared, SIZE, 0, 0), -1);
	EQUAL(wrong_at(also, SIZE, 0, 0), -1);
	shared[3 * PAGE] = 's';
	CHECK(!punch(fd, PAGE + 100, 3 * PAGE));
	EQUAL(wrong_at(shared, PAGE + 100, 0, 0), -1);
	EQUAL(wrong_value(shared + PAGE + 100, 3 * PAGE, 0), -1);
	EQUAL(wrong_value(also + PAGE + 100, 3 * PAGE, 0), -1);
	EQUAL(wrong_at(shared + 4 * PAGE + 100, 3 * PAGE, 0, 4 * PAGE + 100), -1);
	shared[3 * PAGE + 7] = 's';
	EQUAL(also[3 * PAGE + 7], 's');
	forget(fd);
	EQUAL(pread(fd, have, PAGE, 3 * PAGE), PAGE);
	EQUAL(have[7], 's');
	EQUAL(wrong_value(have + 8, PAGE - 8, 0), -1);
}

/* --- T2: a loop of truncates beside faults --- */

static struct { int fd, stop; unsigned char *m; long faults, ends; char wrong[100]; } race;

/* Loads and stores all over the mapping: the file's bytes, zeroes, or SIGBUS. Stores go to private copies or to one byte of each page. */
static void *faulter(void *arg)
{
	long i = (long)arg;

	while (!__atomic_load_n(&race.stop, __ATOMIC_ACQUIRE)) {
		unsigned char *p = race.m + i++ % PAGES * PAGE;

		if (!sigsetjmp(fault_jump, 1)) {
			unsigned char c = *(volatile unsigned char *)p;

			if (c && c != 'o' && c != 'w')
				snprintf(race.wrong, sizeof(race.wrong), "page %ld shows %d", i % PAGES, c);
			if (i % 3 == 0)
				*(volatile unsigned char *)p = 'w';
		}
		__atomic_fetch_add(&race.faults, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

INV(INV_T2_truncate_loop, "faults beside a loop that shortens and grows the file: when truncate returns, nothing that was cut off is mapped")
{
	pthread_t threads[1];
	unsigned char *page = map_anon(SIZE);

	catch_faults();
	race.fd = make_file(0, 0);
	memset(page, 'o', SIZE);
	EQUAL(pwrite(race.fd, page, SIZE, 0), SIZE);
	race.m = map_file(race.fd, SIZE, RW, MAP_SHARED);
	CHECK(!pthread_create(&threads[0], NULL, faulter, (void *)1));
	for (int i = 0; i < 150 && !race.wrong[0]; i++) {
		unsigned char have[PAGE];

		CHECK(!ftruncate(race.fd, i % 5 * PAGE));
		CHECK(!ftruncate(race.fd, SIZE));
		/* The bytes that were cut off must be gone for everybody; of a page here: a byte that nobody stores to. */
		for (int k = i % 5; k < PAGES; k++) {
			EQUAL(((volatile unsigned char *)race.m)[k * PAGE + 1], 0);
			EQUAL(pread(race.fd, have, PAGE, k * PAGE), PAGE);
			EQUAL(wrong_value(have + 1, PAGE - 1, 0), -1);
		}
		EQUAL(pwrite(race.fd, page, SIZE, 0), SIZE);
		if (i % 8 == 0)
			forget(race.fd);
		sched_yield();
	}
	race.stop = 1;
	pthread_join(threads[0], NULL);
	CHECK(!race.wrong[0]);
}

INV(INV_T6_progress, "loads make progress beside a thread that does nothing but truncate, and beside one that only punches; and those do, too")
{
	for (int how = 0; how < 2; how++) {
		pthread_t thread;
		long rounds = 0;

		catch_faults();
		memset(&race, 0, sizeof(race));
		race.fd = make_file(0, SIZE);
		race.m = map_file(race.fd, SIZE, RW, MAP_PRIVATE);
		CHECK(!ftruncate(race.fd, 0) && !ftruncate(race.fd, SIZE));
		CHECK(!pthread_create(&thread, NULL, faulter, NULL));
		for (; rounds < 100 || __atomic_load_n(&race.faults, __ATOMIC_RELAXED) < 100; rounds++)
			CHECK(how ? !punch(race.fd, 0, SIZE) : !ftruncate(race.fd, 0) && !ftruncate(race.fd, SIZE));
		race.stop = 1;
		pthread_join(thread, NULL);
		CHECK(!race.wrong[0]);
	}
}

/* --- T3: the tail of the last page --- */

/* Bytes stored past the end through a mapping never show up when the file grows, however it grows. */
INV(INV_T3_tail, "bytes stored behind the end through a mapping are not there when the file grows: ftruncate, pwrite, fallocate; cached and from disk")
{
	for (int how = 0; how < 6; how++) {
		int fd = make_file(0, 2 * PAGE + 300);
		unsigned char *m = map_file(fd, 3 * PAGE, RW, MAP_SHARED), have[PAGE];

		memset(m + 2 * PAGE + 200, 'x', PAGE - 200);
		if (how % 2)
			CHECK(!msync(m, 3 * PAGE, MS_SYNC));
		if (how / 2 == 0)
			CHECK(!ftruncate(fd, 3 * PAGE));
		else if (how / 2 == 1)
			EQUAL(pwrite(fd, "e", 1, 3 * PAGE - 1), 1);
		else
			CHECK(!fallocate(fd, 0, 0, 3 * PAGE));
		for (int disk = 0; disk < 2; disk++) {
			EQUAL(pread(fd, have, PAGE, 2 * PAGE), PAGE);
			EQUAL(wrong_value(have + 200, 100, 'x'), -1);
			EQUAL(wrong_value(have + 300, PAGE - 301, 0), -1);
			EQUAL(wrong_value(m + 2 * PAGE + 300, PAGE - 301, 0), -1);
			forget(fd);
		}
	}
}

INV(INV_T3_749, "xfstests 749: the last page is zero behind the end, the page after it is SIGBUS, for every kind of size")
{
	static const long sizes[] = { 1, 511, 4095, 4096, 4097, 6000, 2 * PAGE - 1 };

	catch_faults();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		long size = sizes[i], pages = (size + PAGE - 1) / PAGE;
		int fd = make_file(0, size);
		unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED);

		EQUAL(wrong_at(m, size, 0, 0), -1);
		EQUAL(wrong_value(m + size, pages * PAGE - size, 0), -1);
		check_sigbus(m + pages * PAGE);
	}
}

INV(INV_T3_438, "xfstests 438: growing by stores through a mapping and truncate, in turns: neither zeroes what the other stored")
{
	int fd = make_file(0, 0);
	unsigned char *m;
	long size = 0;

	CHECK(!ftruncate(fd, 64 * PAGE) && !ftruncate(fd, 0));
	m = map_file(fd, 64 * PAGE, RW, MAP_SHARED);
	for (int i = 1; i <= 200; i++) {
		long grown = size + 1 + i * 769 % 1200;

		CHECK(!ftruncate(fd, grown));
		memset(m + size, 'g', grown - size);
		if (i % 10 == 0)
			fsync(fd);
		if (i % 23 == 0)
			forget(fd);
		size = grown;
		EQUAL(wrong_value(m, size, 'g'), -1);
	}
	forget(fd);
	EQUAL(wrong_value(m, size, 'g'), -1);
}

INV(INV_T3_030, "xfstests 030: stores through a mapping, mremap, and truncate down and up: what was cut off comes back as zeroes")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_file(fd, SIZE, RW, MAP_SHARED), have[PAGE];

	for (int i = 0; i < 20; i++) {
		long cut = 5 * PAGE + i * 211;

		memset(m, 'm', SIZE);
		CHECK(!ftruncate(fd, cut));
		m = mremap(m, SIZE, 6 * PAGE, MREMAP_MAYMOVE);
		CHECK(m != MAP_FAILED);
		if (i % 2)
			fsync(fd);
		CHECK(!ftruncate(fd, SIZE));
		m = mremap(m, 6 * PAGE, SIZE, MREMAP_MAYMOVE);
		CHECK(m != MAP_FAILED);
		EQUAL(wrong_value(m, cut, 'm'), -1);
		EQUAL(wrong_value(m + cut, SIZE - cut, 0), -1);
		if (i % 3 == 0)
			forget(fd);
		EQUAL(pread(fd, have, PAGE, 5 * PAGE), PAGE);
		EQUAL(wrong_value(have, cut < 6 * (long)PAGE ? cut - 5 * PAGE : PAGE, 'm'), -1);
	}
}

INV(INV_T3_eof_427, "xfstests 427, 450: reads that begin at, behind and just before the end give 0 or what is there")
{
	int fd = make_file(0, PAGE + 10);
	unsigned char *buffer = map_anon(SIZE);

	EQUAL(pread(fd, buffer, SIZE, PAGE + 10), 0);
	EQUAL(pread(fd, buffer, SIZE, 10 * PAGE), 0);
	EQUAL(pread(fd, buffer, SIZE, PAGE + 9), 1);
	EQUAL(pread(fd, buffer, SIZE, PAGE), 10);
	EQUAL(wrong_at(buffer, 10, 0, PAGE), -1);
	EQUAL(wrong_value(buffer + 10, SIZE - 10, 0), -1);
}

/* --- T4: blocks that were freed --- */

INV(INV_T4_freed_blocks, "what another file left on the disk never shows: in holes, in grown tails, in fresh blocks written in part")
{
	static unsigned char secret[SIZE], have[SIZE];

	memset(secret, 'S', SIZE);
	for (int i = 0; i < 8; i++) {
		int fd = make_file(1, 0), again;
		unsigned char *m;

		for (int k = 0; k < 16; k++)
			EQUAL(pwrite(fd, secret, SIZE, k * SIZE), SIZE);
		fsync(fd);
		CHECK(!ftruncate(fd, 0));
		close(fd);
		again = make_file(2, 0);
		if (i % 4 == 0)
			CHECK(!ftruncate(again, SIZE) && !fallocate(again, 0, 0, SIZE));
		else
			CHECK(!ftruncate(again, SIZE));
		if (i % 4 == 1)
			EQUAL(pwrite(again, "x", 1, 3 * PAGE + 5), 1);
		m = map_file(again, SIZE, RW, MAP_SHARED);
		if (i % 4 == 2)
			m[3 * PAGE + 5] = 'x';
		if (i % 4 == 3)
			EQUAL(pwrite(again, m + 5 * PAGE, PAGE - 1, 3 * PAGE), PAGE - 1);
		for (int disk = 0; disk < 2; disk++) {
			EQUAL(pread(again, have, SIZE, 0), SIZE);
			for (unsigned k = 0; k < SIZE; k++)
				CHECK(!have[k] || (have[k] == 'x' && k == 3 * PAGE + 5));
			forget(again);
		}
		close(again);
	}
}

INV(INV_T4_647, "xfstests 647: read() into a mapping of the same file and write() from it, over holes, in both directions")
{
	for (int how = 0; how < 4; how++) {
		int fd = make_file(0, 4 * PAGE);
		unsigned char *m, have[PAGE];

		CHECK(!ftruncate(fd, SIZE));		/* the second half is a hole */
		CHECK(!punch(fd, PAGE, PAGE));
		m = map_file(fd, SIZE, RW, how & 1 ? MAP_PRIVATE : MAP_SHARED);
		if (how & 2) {
			EQUAL(pread(fd, m + 4 * PAGE, 4 * PAGE, 0), 4 * PAGE);
			EQUAL(pread(fd, m, PAGE, 5 * PAGE), PAGE);
		} else {
			EQUAL(pwrite(fd, m, 4 * PAGE, 4 * PAGE), 4 * PAGE);
			EQUAL(pwrite(fd, m + 5 * PAGE, PAGE, 0), PAGE);
		}
		EQUAL(wrong_at(m + 4 * PAGE, PAGE, 0, 0), -1);
		EQUAL(wrong_value(m + 5 * PAGE, PAGE, 0), -1);
		EQUAL(wrong_at(m + 6 * PAGE, 2 * PAGE, 0, 2 * PAGE), -1);
		EQUAL(wrong_value(m, PAGE, 0), -1);
		EQUAL(pread(fd, have, PAGE, 6 * PAGE), PAGE);
		EQUAL(how == 3 ? wrong_value(have, PAGE, 0) : wrong_at(have, PAGE, 0, 2 * PAGE), -1);
	}
}

static struct holetest { pthread_t thread; unsigned char *m; long who; } holes[4];
static void *holetest(void *arg)
{
	struct holetest *t = arg;

	for (long page = 0; page < 16; page++)
		*(volatile long *)(t->m + page * PAGE + t->who * 64) = page * 4 + t->who + 1;
	return NULL;
}

INV(INV_T4_340, "xfstests 340: threads store to pages of holes through shared mappings, each its own word: no store is lost")
{
	int fd = make_file(0, 0);

	CHECK(!ftruncate(fd, 16 * PAGE));
	for (long i = 0; i < 4; i++) {
		holes[i] = (struct holetest){ .m = map_file(fd, 16 * PAGE, RW, MAP_SHARED), .who = i };
		CHECK(!pthread_create(&holes[i].thread, NULL, holetest, &holes[i]));
	}
	for (int i = 0; i < 4; i++)
		pthread_join(holes[i].thread, NULL);
	forget(fd);
	for (long page = 0; page < 16; page++)
		for (long i = 0; i < 4; i++)
			EQUAL(*(long *)(holes[0].m + page * PAGE + i * 64), page * 4 + i + 1);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
