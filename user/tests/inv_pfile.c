/*
 * Page tables that several processes have because they read the same aligned 2 MiB of a file: the invariants INV-P of docs/mechanisms.md, as far as any Unix
 * keeps them. Each keeps what it read, whatever becomes of the file and of the others' windows (tables.h).
 */
#include "tables.h"

/* As make_file(0, n), but its bytes are computed once; written from an odd address: copied, not lent. */
static int big_file(size_t n)
{
	static unsigned char *bytes;
	int fd = make_file(0, 1);

	if (!bytes) {
		bytes = map_anon(2 * WINDOW + PAGE);
		for (size_t i = 0; i < 2 * WINDOW; i++)
			bytes[i + 1] = byte_at(0, i);
	}
	EQUAL(pwrite(fd, bytes + 1, n, 0), n);
	forget(fd);
	return fd;
}

/* As wrong_at(), of every 129th byte: there is much to look at. */
static long wrong_in(const unsigned char *p, size_t n, int file, long pos)
{
	for (size_t i = 0; i < n; i += 129)
		if (p[i] != byte_at(file, pos + i))
			return i;
	return -1;
}

/* --- P1: nobody changes what others have --- */

INV(INV_P1_readers, "four processes read the same aligned 2 MiB of a file, again and again, into windows, and store: each has what it read and what it stored, the file neither")
{
	int fd = big_file(2 * WINDOW);
	static unsigned char have[PAGE];

	for (unsigned k = 0; k < 4; k++) {
		pid_t pid = fork();

		if (pid)
			continue;
		for (unsigned round = 0; round < 4; round++) {
			make_windows();
			EQUAL(pread(fd, base, WINDOW, WINDOW * (round & 1)), WINDOW);
			EQUAL(pread(fd, base + WINDOW, WINDOW, 0), WINDOW);
			for (unsigned i = k; i < 512; i += 50)
				memset(base + i * PAGE, 'a' + k, PAGE);
			for (unsigned i = 0; i < 512; i++)
				if (i % 50 == k)
					EQUAL(wrong_value(base + i * PAGE, PAGE, 'a' + k), -1);
				else
					EQUAL(wrong_in(base + i * PAGE, PAGE, 0, WINDOW * (round & 1) + i * PAGE), -1);
			EQUAL(wrong_in(base + WINDOW, WINDOW, 0, 0), -1);
			if (round == 2)
				EQUAL(pread(fd, base, WINDOW, 0), WINDOW);	/* over what was stored to */
			drop_windows();
		}
		_exit(0);
	}
	for (int k = 0, status; k < 4; k++)
		CHECK(wait(&status) > 0 && !status);
	for (unsigned i = 0; i < 1024; i++) {
		EQUAL(pread(fd, have, PAGE, i * PAGE), PAGE);
		EQUAL(wrong_in(have, PAGE, 0, i * PAGE), -1);
	}
}

INV(INV_P1_read_and_fork, "what was read and then inherited: the reader, its child and another reader store, unmap and read again")
{
	int fd = big_file(WINDOW);

	for (int round = 0; round < 4; round++) {
		make_windows();
		EQUAL(pread(fd, base, WINDOW, 0), WINDOW);
		pid_t pid = fork();
		if (!pid) {
			EQUAL(wrong_in(base, WINDOW, 0, 0), -1);
			base[5 * PAGE] = 'c';
			EQUAL(pread(fd, base + WINDOW, WINDOW, 0), WINDOW);
			if (round & 1)
				CHECK(!munmap(base + 100 * PAGE, 100 * PAGE));
			EQUAL(wrong_in(base + WINDOW, WINDOW, 0, 0), -1);
			EQUAL(wrong_in(base + 200 * PAGE, WINDOW - 200 * PAGE, 0, 200 * PAGE), -1);
			_exit(base[5 * PAGE] != 'c');
		}
		if (round & 2)
			base[7 * PAGE] = 'p';
		EQUAL(wait_for(pid), 0);
		EQUAL(wrong_in(base, 7 * PAGE, 0, 0), -1);
		EQUAL(wrong_in(base + 8 * PAGE, WINDOW - 8 * PAGE, 0, 8 * PAGE), -1);
		EQUAL(pread(fd, base, WINDOW, 0), WINDOW);
		EQUAL(wrong_in(base, WINDOW, 0, 0), -1);
		drop_windows();
	}
}

/* --- P3: a file that is written leaves readers what they read --- */

static int change_fd;
static unsigned char *new_bytes;
static void write_one(void) { EQUAL(pwrite(change_fd, new_bytes, PAGE, 3 * PAGE), PAGE); }
static void write_bytes(void) { EQUAL(pwrite(change_fd, "xyz", 3, 3 * PAGE + 7), 3); }
static void write_all(void) { EQUAL(pwrite(change_fd, new_bytes, WINDOW, 0), WINDOW); }
static void write_across(void) { EQUAL(pwrite(change_fd, new_bytes + 5, WINDOW, PAGE / 2), WINDOW); }
static void cut(void) { EQUAL(ftruncate(change_fd, 100), 0); EQUAL(ftruncate(change_fd, 2 * WINDOW), 0); }
static void cut_middle(void) { EQUAL(ftruncate(change_fd, 200 * PAGE + 77), 0); EQUAL(ftruncate(change_fd, 2 * WINDOW), 0); }
static void punch(void) { EQUAL(fallocate(change_fd, 1 | 2, 10 * PAGE, 20 * PAGE), 0); }	/* FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE */
static void punch_all(void) { EQUAL(fallocate(change_fd, 1 | 2, 0, WINDOW), 0); }
static void store_mapped(void)
{
	unsigned char *m = map_file(change_fd, WINDOW, RW, MAP_SHARED);

	m[3 * PAGE] ^= 1, m[511 * PAGE] ^= 1;
	CHECK(!munmap(m, WINDOW));
}
static void store_synced(void) { store_mapped(); EQUAL(fsync(change_fd), 0); forget(change_fd); }
static void copy_in(void)
{
	int other_file = make_file(2, 64 * PAGE);
	off_t in = 0, out = 32 * PAGE;

	EQUAL(copy_file_range(other_file, &in, change_fd, &out, 64 * PAGE, 0), 64 * PAGE);
	close(other_file);
}
static void evict(void) { forget(change_fd); }

#define CHANGE(function) { #function, function }
static const struct { const char *name; void (*change)(void); } changes[] = {
	CHANGE(write_one), CHANGE(write_bytes), CHANGE(write_all), CHANGE(write_across), CHANGE(cut), CHANGE(cut_middle), CHANGE(punch), CHANGE(punch_all),
	CHANGE(store_mapped), CHANGE(store_synced), CHANGE(copy_in), CHANGE(evict),
};

/* One change while `readers` processes (this and children) have the first 2 MiB in windows. */
static void change_beside(unsigned which, int readers)
{
	unsigned char *plain = map_anon(WINDOW + PAGE);
	int up[2], down[2];

	CHECK(!pipe(up) && !pipe(down));
	change_fd = big_file(2 * WINDOW);
	for (int k = 1; k < readers; k++)
		if (!fork()) {
			make_windows();
			EQUAL(pread(change_fd, base, WINDOW, 0), WINDOW);
			give(up);
			take(down);
			EQUAL(wrong_in(base, WINDOW, 0, 0), -1);
			base[3 * PAGE] = 0;
			EQUAL(wrong_in(base + 4 * PAGE, WINDOW - 4 * PAGE, 0, 4 * PAGE), -1);
			_exit(0);
		}
	for (int k = 1; k < readers; k++)
		take(up);
	make_windows();
	if (readers)
		for (int window = 0; window < 3; window++)		/* a table is made for those who come again */
			EQUAL(pread(change_fd, base + window * WINDOW, WINDOW, 0), WINDOW);
	changes[which].change();
	for (int window = 0; readers && window < 3; window++)
		EQUAL(wrong_in(base + window * WINDOW, WINDOW, 0, 0), -1);
	EQUAL(pread(change_fd, plain + 1, WINDOW, 0), WINDOW);	/* copied: not aligned */
	EQUAL(pread(change_fd, base + WINDOW, WINDOW, 0), WINDOW);
	CHECK(!memcmp(base + WINDOW, plain + 1, WINDOW));
	if (changes[which].change == evict)
		EQUAL(wrong_in(plain + 1, WINDOW, 0, 0), -1);
	else
		CHECK(wrong_at(plain + 1, WINDOW, 0, 0) >= 0);
	changes[which].change();
	EQUAL(pread(change_fd, plain + 1, WINDOW, 0), WINDOW);
	drop_windows();
	for (int k = 1; k < readers; k++)
		give(down);
	for (int k = 1, status; k < readers; k++)
		CHECK(wait(&status) > 0 && !status);
	make_windows();
	EQUAL(pread(change_fd, base, WINDOW, 0), WINDOW);
	CHECK(!memcmp(base, plain + 1, WINDOW));
	drop_windows();
	munmap(plain, WINDOW + PAGE);
	for (int i = 0; i < 2; i++)
		close(up[i]), close(down[i]);
	close(change_fd);
}

INV(INV_P3_snapshots, "the file is written whole and in part, cut, punched, stored to, copied into, evicted, with no reader, one, or two: each keeps what it read, the next sees the new")
{
	new_bytes = map_anon(WINDOW + PAGE);
	for (unsigned i = 0; i < WINDOW + PAGE; i++)
		new_bytes[i] = byte_at(1, i);
	for (unsigned which = 0; which < sizeof(changes) / sizeof(*changes); which++)
		for (int readers = 0; readers < 3; readers++)
			change_beside(which, readers);
}

INV(INV_P3_write_while_reading, "a process reads 2 MiB into windows again and again while another writes the file: each page is the old or the new, and stays it")
{
	int fd = big_file(WINDOW), stop[2];
	pid_t pid;
	char c;

	CHECK(!pipe(stop));
	EQUAL(fcntl(stop[0], F_SETFL, O_NONBLOCK), 0);
	pid = fork();
	if (!pid) {
		for (unsigned n = 0; read(stop[0], &c, 1) < 1; n = (n + 7) % 512) {
			unsigned char bytes[PAGE];

			for (unsigned i = 0; i < PAGE; i++)
				bytes[i] = byte_at(n & 1, n * PAGE + i);
			EQUAL(pwrite(fd, bytes, PAGE, n * PAGE), PAGE);
		}
		_exit(0);
	}
	for (int round = 0; round < 12; round++) {
		unsigned char first[512];

		make_windows();
		EQUAL(pread(fd, base, WINDOW, 0), WINDOW);
		for (unsigned n = 0; n < 512; n++)
			first[n] = base[n * PAGE];
		sched_yield();
		for (unsigned n = 0; n < 512; n++) {
			EQUAL(base[n * PAGE], first[n]);
			EQUAL(wrong_in(base + n * PAGE, PAGE, first[n] == byte_at(1, n * PAGE), n * PAGE), -1);
		}
		drop_windows();
	}
	give(stop);
	EQUAL(wait_for(pid), 0);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
