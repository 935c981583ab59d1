/*
 * What Cowslip promises of pipes beyond Linux: they keep what was put there as it was, whatever becomes of the file or memory, and whole pages get there
 * without being copied. With the argument "merge", under the switch pipe_merge=1: what Dirty Pipe does to a file that may only be read.
 */
#include "t.h"

static char buf[20 * PAGE], back[20 * PAGE];

static int file_of(const char *name, size_t n)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	pattern(buf, n, 1);
	write(fd, buf, n);
	return fd;
}

static long share, copy, give;
static void count(void)
{
	share = counter("splice_share");
	copy = counter("splice_copy");
	give = counter("splice_give");
}
static void counted(const char *what)
{
	long s = share, c = copy, g = give;
	count();
	SAY("%s: %ld shared, %ld copied, %ld given\n", what, share - s, copy - c, give - g);
}
static void same(const char *what, int fd, size_t n)
{
	long k = read(fd, back, n);
	SAY("%s: %ld bytes, %s\n", what, k, memcmp(back, buf, n) ? "OTHER BYTES" : "as they were");
}

static void put(int f, int pipe, loff_t at, size_t n)
{
	if (splice(f, &at, pipe, NULL, n, 0) != (long)n)
		SAY("splice: %s\n", strerror(errno));
}

static void keeps(void)
{
	int f = file_of("keeps", 4 * PAGE), p[2];
	pipe(p);
	count();
	put(f, p[1], 0, 4 * PAGE);
	counted("cached pages");
	memset(back, 'x', sizeof(back));
	pwrite(f, back, 4 * PAGE, 0);
	same("the file is written", p[0], 4 * PAGE);
	f = file_of("keeps", 4 * PAGE);
	put(f, p[1], 0, 4 * PAGE);
	pwrite(f, back, 10, 100);
	same("a part of it", p[0], 4 * PAGE);
	f = file_of("keeps", 4 * PAGE);
	char *m = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, f, 0);
	m[5] = buf[5];				/* a writable entry now */
	put(f, p[1], 0, 4 * PAGE);
	memset(m, 'm', 4 * PAGE);
	same("stored to by a mapping", p[0], 4 * PAGE);
	SAY("and the file has it: %d\n", pread(f, back, 1, PAGE) == 1 && back[0] == 'm');
	f = file_of("keeps", 4 * PAGE);
	put(f, p[1], 0, 4 * PAGE);
	ftruncate(f, 100);
	ftruncate(f, 4 * PAGE);
	same("truncated", p[0], 4 * PAGE);
	f = file_of("keeps", 4 * PAGE);
	put(f, p[1], 0, 4 * PAGE);
	fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4 * PAGE);
	unlink("keeps");
	close(f);
	same("punched and removed", p[0], 4 * PAGE);
	f = file_of("keeps", 4 * PAGE);
	count();
	put(f, p[1], 100, 3 * PAGE);
	counted("not aligned");
	read(p[0], back, 3 * PAGE);
	put(f, p[1], 100, 300);
	counted("a few bytes");
	read(p[0], back, 300);
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

static void memory(void)
{
	int p[2], f = open("memory", O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *m = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec v = { m, 8 * PAGE };
	pattern(buf, 8 * PAGE, 1);
	memcpy(m, buf, 8 * PAGE);
	pipe(p);
	count();
	vmsplice(p[1], &v, 1, SPLICE_F_GIFT);
	counted("private memory");
	long cow = counter("cow_copy");
	memset(m, 'n', 8 * PAGE);
	SAY("copies for the stores: %ld\n", counter("cow_copy") - cow);
	loff_t at = 0;
	count();
	splice(p[0], NULL, f, &at, 8 * PAGE, SPLICE_F_MOVE);
	counted("to a file");
	pread(f, back, 8 * PAGE, 0);
	SAY("the file has %s\n", memcmp(back, buf, 8 * PAGE) ? "OTHER BYTES" : "what was there at vmsplice()");
	vmsplice(p[1], &v, 1, 0);
	read(p[0], back, 8 * PAGE);
	cow = counter("cow_copy");
	memset(m, 'o', 8 * PAGE);
	SAY("copies when the pipe is empty again: %ld\n", counter("cow_copy") - cow);
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* The attack of 2022: a pipe whose places were all filled and emptied by writes, a byte of the file behind which we write. */
static void merge(void)
{
	int f, p[2];
	close(file_of("/tmp/readonly", PAGE));
	f = open("/tmp/readonly", O_RDONLY);
	pipe(p);
	loff_t at = 0;
	splice(f, &at, p[1], NULL, 1000, 0);
	write(p[1], "written through a pipe", 22);
	pread(f, back, PAGE, 0);
	SAY("%s\n", memcmp(back, buf, PAGE) ? "the file has CHANGED" : "the file is as it was");
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		merge();
		return 0;
	}
	keeps();
	memory();
	return 0;
}
