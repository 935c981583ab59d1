/*
 * Page tables that several processes have, and threads: while one forks, others store, drop, protect, move, and have devices write to the same memory. The
 * invariants INV-P of docs/mechanisms.md, as far as any Unix keeps them.
 */
#include "tables.h"
#include <pthread.h>

#ifndef O_DIRECT
#define O_DIRECT 040000
#endif

/*
 * Threads store, by instructions and by direct reads, into their pages while another forks: a child's memory stands still, the parent's never goes back.
 */
static volatile bool stop_storing;
static int direct_fd;
#define THREADS 3
static volatile uint64_t *word_of(unsigned thread, unsigned k) { return (volatile uint64_t *)(page[thread + 8 * k].at + 64); }

static void *store_up(void *arg)
{
	unsigned me = (uintptr_t)arg;
	unsigned char *target = page[PER_WINDOW + 4 * me].at;

	for (uint64_t n = 0; !stop_storing; n++) {
		for (unsigned k = 0; k < 20; k++) {
			EQUAL(*word_of(me, k), n);
			*word_of(me, k) = n + 1;
		}
		if (direct_fd < 0)
			continue;
		memset(target, n, 2 * PAGE);
		EQUAL(pread(direct_fd, target, 2 * PAGE, 0), 2 * PAGE);
		EQUAL(wrong_at(target, 2 * PAGE, 0, 0), -1);
	}
	return NULL;
}

static void stands_still(void)
{
	uint64_t seen[THREADS][20];

	for (int round = 0; round < 3; round++) {
		for (unsigned t = 0; t < THREADS; t++)
			for (unsigned k = 0; k < 20; k++) {
				if (!round)
					seen[t][k] = *word_of(t, k);
				EQUAL(*word_of(t, k), seen[t][k]);
				CHECK(seen[t][k] <= seen[t][0] && seen[t][k] + 1 >= seen[t][0]);	/* a snapshot: in the order of the stores */
			}
		put(PER_WINDOW + 200 + round), put(7);
		sched_yield();
	}
	EQUAL(wrong_page(false), -1);
}

INV(INV_P4_fork_while_storing, "threads store and read directly into shared windows while another forks: children see one moment, which stays; no store is lost")
{
	pthread_t threads[THREADS];
	char name[64];
	int fd = make_file(0, 2 * PAGE);

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	direct_fd = open(name, O_RDWR | O_DIRECT);	/* not on every file system */
	make_windows();
	for (unsigned i = 0; i < 300; i++)
		if (i % 8 >= THREADS)
			put(i);
	put_each(PER_WINDOW + 100, PAGES, any);
	for (unsigned t = 0; t < THREADS; t++)
		CHECK(!pthread_create(&threads[t], NULL, store_up, (void *)(uintptr_t)t));
	for (int round = 0; round < 25; round++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			tag = 2;
			stands_still();
			_exit(0);
		}
		if (round & 1)
			put(PER_WINDOW + 300 + round);
		EQUAL(wait_for(pid), 0);
		sched_yield();
	}
	stop_storing = true;
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
	EQUAL(wrong_page(false), -1);
}

/*
 * Each of three threads stores to, drops, protects and moves a window of its own while another forks: tables are shared, split off and taken over at once.
 */
static unsigned kept[WINDOWS][PER_WINDOW];	/* what each page of a window holds: its thread's own */
static unsigned draw(unsigned *seed) { return (*seed = *seed * 1664525 + 1013904223) >> 8; }

static void store_some(unsigned char *at, unsigned *kept_here, unsigned from, unsigned n, unsigned value)
{
	for (unsigned i = from; i < from + n; i++) {
		*(volatile unsigned *)(at + i * PAGE) = value + i;
		kept_here[i] = value + i;
	}
}

static void *change_all(void *arg)
{
	unsigned me = (uintptr_t)arg, seed = me + 1;
	unsigned char *at = base + me * WINDOW, *other = base + (5 + me) * WINDOW;

	for (unsigned round = 0; !stop_storing; round++) {
		unsigned from = draw(&seed) % 400, n = 1 + draw(&seed) % 100;

		switch (draw(&seed) % 8) {
		case 0:
			CHECK(!madvise(at + from * PAGE, n * PAGE, MADV_DONTNEED));
			memset(kept[me] + from, 0, n * sizeof(unsigned));
			break;
		case 1:
			CHECK(!mprotect(at + from * PAGE, n * PAGE, PROT_READ) && !mprotect(at + from * PAGE, n * PAGE, RW));
			break;
		case 2:
			if (me < 2)	/* the children look at these, where they are */
				break;
			CHECK(mremap(at, WINDOW, WINDOW, MREMAP_MAYMOVE | MREMAP_FIXED, other) == other);
			unsigned char *was = at;
			at = other, other = was;
			break;
		case 3:
			CHECK(!madvise(at, WINDOW, MADV_DONTNEED));
			memset(kept[me], 0, sizeof(kept[me]));
			store_some(at, kept[me], 0, PER_WINDOW, round << 12);
			break;
		default:
			store_some(at, kept[me], from, draw(&seed) % 3 ? 1 : n, round << 12);
		}
		for (unsigned i = round % 16; i < PER_WINDOW; i += 16)
			EQUAL(*(volatile unsigned *)(at + i * PAGE), kept[me][i]);
	}
	for (unsigned i = 0; i < PER_WINDOW; i++)
		EQUAL(*(volatile unsigned *)(at + i * PAGE), kept[me][i]);
	return NULL;
}

static void looks_twice(unsigned round)
{
	static unsigned seen[2 * PER_WINDOW];

	CHECK(!mprotect(base, 2 * WINDOW, RW));		/* a thread may just have taken that away */
	for (int pass = 0; pass < 3; pass++) {
		for (unsigned i = 0; i < 2 * PER_WINDOW; i++) {
			volatile unsigned *p = (volatile unsigned *)(base + i * PAGE);

			if (!pass)
				seen[i] = *p;
			EQUAL(*p, seen[i]);
			if (pass && i % 40 == round)
				seen[i] = *p = 7;
		}
		sched_yield();
	}
}

INV(INV_P2_threads, "threads store to, drop, protect and move windows while another forks: each finds what it left, and the children what was there")
{
	pthread_t threads[WINDOWS];

	make_windows();
	for (unsigned t = 0; t < WINDOWS; t++) {
		store_some(base + t * WINDOW, kept[t], 0, PER_WINDOW, 1);
		CHECK(!pthread_create(&threads[t], NULL, change_all, (void *)(uintptr_t)t));
	}
	for (int round = 0; round < 30; round++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			looks_twice(round);
			_exit(0);
		}
		if (round % 3)
			EQUAL(wait_for(pid), 0);	/* else it goes on beside the next */
		sched_yield();
	}
	stop_storing = true;
	for (unsigned t = 0; t < WINDOWS; t++)
		pthread_join(threads[t], NULL);
	for (int status; wait(&status) > 0; )
		EQUAL(status, 0);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
