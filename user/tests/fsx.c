/*
 * Files under random operations: four processes, each with a file of its own that is written, read, mapped, cut, extended, synced
 * and dropped from the cache in random order, and compared with an array all the time. In the manner of the well-known fsx.
 * Arguments: number of operations (1200), first seed (1). Prints one line per process.
 */
#include "t.h"

#define MAX 300000

static unsigned char model[MAX + PAGE], buf[MAX + PAGE];
static long size;
static int fd;
static unsigned long rng;
static char name[32];

static unsigned rnd(unsigned below)
{
	rng = rng * 6364136223846793005UL + 1442695040888963407UL;
	return (rng >> 33) % below;
}

static void fail(int op, const char *what, long pos)
{
	SAY("%s: operation %d: %s at %ld (size %ld): %s\n", name, op, what, pos, size, strerror(errno));
	exit(1);
}

static void compare(int op, const char *what, const unsigned char *got, long pos, long n)
{
	for (long i = 0; i < n; i++)
		if (got[i] != model[pos + i]) {
			SAY("%s: operation %d: %s: byte %ld is %02x, want %02x (size %ld)\n", name, op, what, pos + i, got[i], model[pos + i], size);
			exit(1);
		}
}

static void fill(unsigned char *p, long n, int op)
{
	for (long i = 0; i < n; i++)
		p[i] = op * 7 + i * 13 + (i >> 8) + 1;
}

static void do_write(int op)
{
	long pos = rnd(4) ? rnd(size + 5000) : rnd(MAX), n = rnd(3) ? 1 + rnd(6000) : 1 + rnd(60000);

	if (pos + n > MAX)
		n = MAX - pos;
	if (n <= 0)
		return;
	fill(model + pos, n, op);
	if (pwrite(fd, model + pos, n, pos) != n)
		fail(op, "write", pos);
	if (pos + n > size)
		size = pos + n;
}

static void do_writev(int op)
{
	struct iovec iov[5];
	long pos = rnd(size + 100), total = 0;

	if (pos + 5 * 3000 > MAX)
		return;
	for (int i = 0; i < 5; i++) {
		long n = rnd(3000);
		fill(model + pos + total, n, op + i);
		iov[i] = (struct iovec){ model + pos + total, n };
		total += n;
	}
	if (pwritev(fd, iov, 5, pos) != total)
		fail(op, "writev", pos);
	if (total && pos + total > size)
		size = pos + total;
}

static void do_read(int op)
{
	long pos = rnd(size + 100), n = 1 + rnd(50000), want = pos >= size ? 0 : pos + n > size ? size - pos : n;

	if (pread(fd, buf, n, pos) != want)
		fail(op, "read", pos);
	compare(op, "read", buf, pos, want);
}

static void do_truncate(int op)
{
	long to = rnd(3) ? rnd(size + 1) : rnd(MAX);

	if (ftruncate(fd, to))
		fail(op, "truncate", to);
	if (to < size)
		memset(model + to, 0, size - to);
	size = to;
}

static void do_map(int op, int write)
{
	long pos = rnd(size + 1) & ~(PAGE - 1), n = 1 + rnd(40000);
	unsigned char *p;

	if (pos + n > size)
		n = size - pos;
	if (n <= 0)
		return;
	p = mmap(NULL, n, write ? RW : PROT_READ, write || rnd(2) ? MAP_SHARED : MAP_PRIVATE, fd, pos);
	if (p == MAP_FAILED)
		fail(op, "mmap", pos);
	if (write) {
		long from = rnd(n), k = 1 + rnd(n - from);
		fill(model + pos + from, k, op);
		memcpy(p + from, model + pos + from, k);
		if (pos + n == size && (n & (PAGE - 1)) && rnd(2))
			p[n] = 'x';		/* behind the end of the file: never seen */
	}
	compare(op, "mapping", p, pos, n);
	munmap(p, n);
}

static void do_space(int op)
{
	long pos = rnd(MAX - 1), n = 1 + rnd(30000);
	int punch = rnd(3) == 0, keep = punch || rnd(2);

	if (pos + n > MAX)
		n = MAX - pos;
	if (fallocate(fd, (punch ? 2 : 0) | keep, pos, n))	/* FALLOC_FL_PUNCH_HOLE, FALLOC_FL_KEEP_SIZE */
		fail(op, punch ? "punch" : "allocate", pos);
	if (punch && pos < size)
		memset(model + pos, 0, (pos + n > size ? size : pos + n) - pos);
	if (!keep && pos + n > size)
		size = pos + n;
}

static void do_copy(int op)
{
	long from = rnd(size + 1), n = 1 + rnd(20000), to = rnd(MAX), done;

	if (from + n > size)
		n = size - from;
	if (to + n > MAX)
		n = MAX - to;
	if (n <= 0 || (from < to + n && to < from + n))
		return;
	for (done = 0; done < n; ) {
		off_t in = from + done, out = to + done;
		ssize_t k = copy_file_range(fd, &in, fd, &out, n - done, 0);
		if (k <= 0)
			fail(op, "copy", from);
		done += k;
	}
	memmove(model + to, model + from, n);
	if (to + n > size)
		size = to + n;
}

static void check_all(int op)
{
	struct stat st;

	if (fstat(fd, &st) || st.st_size != size)
		fail(op, "stat", st.st_size);
	if (pread(fd, buf, MAX, 0) != size)
		fail(op, "read all", 0);
	compare(op, "all", buf, 0, size);
}

static void run(int seed, int ops)
{
	rng = seed;
	sprintf(name, "fsx-%d", seed);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		fail(0, "open", 0);
	for (int op = 1; op <= ops; op++) {
		switch (rnd(19)) {
		case 0: case 1: case 2: case 3: do_write(op); break;
		case 4: do_writev(op); break;
		case 5: case 6: case 7: do_read(op); break;
		case 8: case 9: do_truncate(op); break;
		case 10: case 11: do_map(op, 1); break;
		case 12: do_map(op, 0); break;
		case 13: if (rnd(4) == 0 && fsync(fd)) fail(op, "fsync", 0); break;
		case 14: if (rnd(4) == 0) { fdatasync(fd); posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); } break;
		case 15: case 16: do_space(op); break;
		case 17: do_copy(op); break;
		default:	/* close, and look again under another name */
			close(fd);
			if (rnd(3) == 0) {
				char other[40];
				sprintf(other, "%s-moved", name);
				if (rename(name, other) || rename(other, name))
					fail(op, "rename", 0);
			}
			fd = open(name, O_RDWR);
			if (fd < 0)
				fail(op, "open", 0);
		}
		if (op % 100 == 0)
			check_all(op);
	}
	check_all(ops);
	unlink(name);
	check_all(ops);		/* it lives as long as it is open */
}

int main(int argc, char **argv)
{
	int ops = argc > 1 ? atoi(argv[1]) : 1200, first = argc > 2 ? atoi(argv[2]) : 1, bad = 0;
	pid_t pids[4];

	for (int i = 0; i < 4; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			run(first + i, ops);
			exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status = wait_for(pids[i]);
		char text[32];
		sprintf(text, "process %d", i);
		show_status(text, status);
		bad |= status != 0;
	}
	return bad;
}
