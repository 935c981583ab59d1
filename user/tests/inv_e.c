/*
 * Copy-on-write of private memory: the invariants INV-E of docs/mechanisms.md and the cases of Linux's selftest mm/cow.c that need no other
 * feature (K1, K2, K19). Which stores copy and which do not is counted in guest_inv.c.
 */
#include "inv.h"
#include <pthread.h>

#define PAGES 4
#define SIZE (PAGES * PAGE)

/* Two processes take turns through a pipe pair. */
static int to_child[2], to_parent[2];
static void turns(void) { CHECK(!pipe(to_child) && !pipe(to_parent)); }
static void give(int fd) { EQUAL(write(fd, "x", 1), 1); }
static void await(int fd) { char c; EQUAL(read(fd, &c, 1), 1); }

INV(INV_E1_fork, "K1: after fork neither process sees the other's stores, whoever stores first, each page its own way")
{
	unsigned char *m = map_anon(SIZE);
	pid_t pid;

	turns();
	memset(m, 'o', 3 * PAGE);	/* the last page has never been touched */
	pid = fork();
	if (!pid) {
		m[PAGE] = m[3 * PAGE] = 'c';
		give(to_parent[1]);
		await(to_child[0]);
		EQUAL(m[0], 'o');
		EQUAL(m[PAGE], 'c');
		EQUAL(m[2 * PAGE], 'o');
		EQUAL(m[3 * PAGE], 'c');
		m[2 * PAGE] = 'c';
		_exit(0);
	}
	m[0] = 'p';
	await(to_parent[0]);
	EQUAL(m[PAGE], 'o');
	EQUAL(m[3 * PAGE], 0);
	m[PAGE] = 'p';
	give(to_child[1]);
	EQUAL(wait_for(pid), 0);
	EQUAL(m[2 * PAGE], 'o');
	EQUAL(m[PAGE], 'p');
	EQUAL(m[PAGE + 1], 'o');
}

INV(INV_E6_mprotect, "K2: mprotect to read-only and back, remap and madvise never make a shared page writable: the other process keeps its bytes")
{
	for (int who = 0; who < 2; who++) {
		unsigned char *m = map_anon(SIZE);
		pid_t pid;

		turns();
		memset(m, 'o', SIZE);
		pid = fork();
		if ((pid == 0) == who) {	/* this side changes its protections and stores */
			unsigned char *moved;

			CHECK(!mprotect(m, SIZE, PROT_READ) && !mprotect(m, SIZE, RW));
			m[0] = 's';
			moved = mremap(m, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, map_anon(SIZE));
			CHECK(moved != MAP_FAILED);
			moved[PAGE] = 's';
			CHECK(!mprotect(moved + 2 * PAGE, PAGE, PROT_NONE) && !mprotect(moved + 2 * PAGE, PAGE, RW));
			moved[2 * PAGE] = 's';
			give(who ? to_parent[1] : to_child[1]);
		} else {
			await(who ? to_parent[0] : to_child[0]);
			EQUAL(wrong_value(m, SIZE, 'o'), -1);
		}
		if (!pid)
			_exit(0);
		EQUAL(wait_for(pid), 0);
	}
}

INV(INV_E4_generations, "children of children, each storing and leaving: every process has its own bytes, also when it is the last with the page")
{
	unsigned char *m = map_anon(SIZE);

	memset(m, 'o', SIZE);
	for (int i = 0; i < 6; i++) {
		pid_t pid = fork();

		if (!pid) {
			pid_t grandchild = fork();

			if (!grandchild) {
				memset(m, 'g', SIZE);
				_exit(0);
			}
			EQUAL(m[PAGE], i ? 'p' : 'o');
			m[PAGE] = 'c';
			EQUAL(wait_for(grandchild), 0);
			EQUAL(m[PAGE], 'c');
			EQUAL(m[2 * PAGE], 'o');
			_exit(0);
		}
		EQUAL(wait_for(pid), 0);
		m[PAGE] = 'p';
		EQUAL(m[0], 'o');
		EQUAL(m[3 * PAGE], 'o');
	}
}

INV(INV_E7_zero_page, "K19: memory that was only read, then stored to: other memory that was only read stays zeroes, here and in a child")
{
	unsigned char *a = map_anon(SIZE), *b = map_anon(SIZE);
	pid_t pid;

	EQUAL(wrong_value(a, SIZE, 0), -1);
	EQUAL(wrong_value(b, SIZE, 0), -1);
	memset(a, 'a', SIZE);
	EQUAL(wrong_value(b, SIZE, 0), -1);
	pid = fork();
	if (!pid) {
		memset(b, 'c', SIZE);
		_exit(0);
	}
	EQUAL(wait_for(pid), 0);
	EQUAL(wrong_value(b, SIZE, 0), -1);
}

INV(INV_E7_file_page, "K19: stores to a private mapping never reach the file or another mapping, whatever was mapped before and however it was protected")
{
	int fd = make_file(0, SIZE);
	unsigned char *private = map_file(fd, SIZE, RW, MAP_PRIVATE), *other = map_file(fd, SIZE, PROT_READ, MAP_PRIVATE);
	unsigned char *shared = map_file(fd, SIZE, RW, MAP_SHARED);

	EQUAL(private[0] + other[0] + shared[PAGE], 2 * byte_at(0, 0) + byte_at(0, PAGE));
	*(volatile unsigned char *)&shared[2 * PAGE] = byte_at(0, 2 * PAGE);	/* writable in the cache */
	CHECK(!mprotect(private, SIZE, PROT_READ) && !mprotect(private, SIZE, RW));
	memset(private, 'p', SIZE);
	EQUAL(wrong_at(other, SIZE, 0, 0), -1);
	EQUAL(wrong_at(shared, SIZE, 0, 0), -1);
	shared[PAGE] = 's';
	EQUAL(wrong_value(private, SIZE, 'p'), -1);
	EQUAL(other[PAGE], 's');
	forget(fd);
	EQUAL(wrong_at(shared, PAGE, 0, 0), -1);
	EQUAL(wrong_value(private, SIZE, 'p'), -1);
}

/* Two threads store to different bytes of pages that a child shares: both stores count, and one copy is made. */
static unsigned char *stored;
static void *storer(void *arg)
{
	for (unsigned i = 0; i < SIZE; i += 64)
		stored[i + (long)arg] = 't';
	return NULL;
}

INV(INV_E1_threads, "threads that break the same shared pages at once lose no store, and the child's pages stay as they were")
{
	for (int round = 0; round < 20; round++) {
		pthread_t thread;
		pid_t pid;

		stored = map_anon(SIZE);
		turns();
		memset(stored, 'o', SIZE);
		pid = fork();
		if (!pid) {
			await(to_child[0]);
			EQUAL(wrong_value(stored, SIZE, 'o'), -1);
			_exit(0);
		}
		CHECK(!pthread_create(&thread, NULL, storer, (void *)1));
		storer((void *)2);
		pthread_join(thread, NULL);
		for (unsigned i = 0; i < SIZE; i += 64)
			CHECK(stored[i] == 'o' && stored[i + 1] == 't' && stored[i + 2] == 't' && stored[i + 3] == 'o');
		give(to_child[1]);
		EQUAL(wait_for(pid), 0);
		munmap(stored, SIZE);
		close(to_child[0]), close(to_child[1]), close(to_parent[0]), close(to_parent[1]);
	}
}

INV(INV_E2_fork_while_storing, "a thread that stores all the time while another forks: each child sees one moment of a page, and none of the later stores")
{
	for (int round = 0; round < 15; round++) {
		pthread_t thread;
		pid_t pid;

		stored = map_anon(SIZE);
		CHECK(!pthread_create(&thread, NULL, storer, NULL));
		pid = fork();
		if (!pid) {
			static unsigned char first[SIZE];

			memcpy(first, stored, SIZE);
			for (int i = 0; i < 20; i++)
				sched_yield();
			EQUAL(memcmp(first, stored, SIZE), 0);
			_exit(0);
		}
		storer((void *)1);
		pthread_join(thread, NULL);
		EQUAL(wait_for(pid), 0);
		munmap(stored, SIZE);
	}
}

INV(INV_G1_read_into_shared, "read(), and a system call's result, into memory that a child shares: the child keeps its bytes, the parent gets the new ones")
{
	int fd = make_file(0, SIZE);
	unsigned char *m = map_anon(SIZE);
	pid_t pid;

	turns();
	memset(m, 'o', SIZE);
	pid = fork();
	if (!pid) {
		await(to_child[0]);
		EQUAL(wrong_value(m, SIZE, 'o'), -1);
		_exit(0);
	}
	EQUAL(pread(fd, m, SIZE - 100, 0), SIZE - 100);
	CHECK(getcwd((char *)m + SIZE - 100, 100));
	EQUAL(wrong_at(m, SIZE - 100, 0, 0), -1);
	CHECK(m[SIZE - 100] == '/');
	give(to_child[1]);
	EQUAL(wait_for(pid), 0);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
