/*
 * write() of a page from a mapping of that same page, which is neither uptodate nor mapped yet: the deadlock of 2002
 * and 2006 (DESIGN.md 5). A kernel that copies from user memory with the page locked hangs here; this program must end, and
 * the files must have the right contents. Each file is dropped from the page cache first (fsync, POSIX_FADV_DONTNEED).
 *
 * Cases: the same page, whole and in part; a source that straddles two pages, one of them the target; many segments
 * of the target page in one writev; two processes that write two files, each from a mapping of the other's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 8
#define SIZE (PAGES * PAGE)

static const char *dir;	/* on a real file system: tmpfs pages are always uptodate */

static unsigned char byte_at(int file, long pos)
{
	return (unsigned char)(pos * 7 + pos / PAGE * 13 + file * 101 + 1);
}

static void fill(int fd, int file)
{
	static unsigned char page[PAGE];

	for (long pos = 0; pos < SIZE; pos += PAGE) {
		for (int i = 0; i < PAGE; i++)
			page[i] = byte_at(file, pos + i);
		if (pwrite(fd, page, PAGE, pos) != PAGE) {
			perror("fill");
			exit(2);
		}
	}
}

static void drop(int fd)
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int make(const char *name, int file)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/own_mmap.%d.%s", dir, (int)getpid(), name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	unlink(path);
	fill(fd, file);
	drop(fd);
	return fd;
}

static unsigned char *map(int fd, int flags)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return p;
}

/* After copying n bytes from `src` to `dst` (positions in file 0), the file must be exactly that. */
static void check(const char *what, int fd, long dst, long src, long n, long got)
{
	static unsigned char have[SIZE];
	long bad = -1;

	if (pread(fd, have, SIZE, 0) != SIZE)
		bad = -2;
	for (long i = 0; i < SIZE && bad == -1; i++) {
		unsigned char want = i >= dst && i < dst + n ? byte_at(0, i - dst + src) : byte_at(0, i);
		if (have[i] != want)
			bad = i;
	}
	if (got == n && bad == -1)
		printf("ok %s\n", what);
	else
		printf("FAILED %s: write gave %ld (errno %d), first wrong byte %ld\n", what, got, got < 0 ? errno : 0, bad);
	fflush(stdout);
}

static void one(const char *what, int flags, long dst, long src, long n)
{
	int fd = make("a", 0);
	unsigned char *m = map(fd, flags);
	long got = pwrite(fd, m + src, n, dst);

	check(what, fd, dst, src, n, got);
	munmap(m, SIZE);
	close(fd);
}

/* Source and target are the same bytes of the same page, as 64 segments. */
static void segments(void)
{
	struct iovec iov[64];
	int fd = make("v", 0);
	unsigned char *m = map(fd, MAP_SHARED);

	for (int i = 0; i < 64; i++)
		iov[i] = (struct iovec){ m + PAGE + i * 64, 64 };
	check("writev of 64 segments of the page itself", fd, PAGE, PAGE, PAGE, pwritev(fd, iov, 64, PAGE));
	munmap(m, SIZE);
	close(fd);
}

/* A writes page i of f from page i of g's mapping, while B does the reverse. Whatever the order, every page ends as either's contents. */
static void crossed(void)
{
	int f = make("f", 0), g = make("g", 0), bad = 0;
	static unsigned char have[SIZE];

	for (int round = 0; round < 5 && !bad; round++) {
		pid_t children[2];
		drop(f);
		drop(g);
		for (int who = 0; who < 2; who++) {
			children[who] = fork();
			if (children[who] == 0) {
				unsigned char *from = map(who ? f : g, MAP_SHARED);
				for (int i = 0; i < PAGES; i++)
					if (pwrite(who ? g : f, from + i * PAGE, PAGE, i * PAGE) != PAGE)
						_exit(1);
				_exit(0);
			}
		}
		for (int who = 0; who < 2; who++) {
			int status;
			if (waitpid(children[who], &status, 0) < 0 || status)
				bad = 1;
		}
	}
	for (int who = 0; who < 2; who++) {
		if (pread(who ? g : f, have, SIZE, 0) != SIZE)
			bad = 1;
		for (long i = 0; i < SIZE; i++)
			if (have[i] != byte_at(0, i))
				bad = 1;
	}
	printf("%s crossed between two files\n", bad ? "FAILED" : "ok");
	close(f);
	close(g);
}

int main(int argc, char **argv)
{
	dir = argc > 1 ? argv[1] : access("/root", W_OK) ? "." : "/root";
	alarm(600);		/* a deadlock: die by SIGALRM */
	one("whole page from itself, shared mapping", MAP_SHARED, PAGE, PAGE, PAGE);
	one("whole page from itself, private mapping", MAP_PRIVATE, PAGE, PAGE, PAGE);
	one("part of a page from another part of it", MAP_SHARED, 2 * PAGE + 2000, 2 * PAGE + 10, 500);
	one("whole page, source straddles it and the next", MAP_SHARED, PAGE, PAGE + 100, PAGE);
	one("part, source straddles the page before and it", MAP_SHARED, 2 * PAGE + 2000, 2 * PAGE - 64, 128);
	one("three pages from themselves", MAP_SHARED, PAGE, PAGE, 3 * PAGE);
	one("unaligned, over two pages, from the two after", MAP_SHARED, PAGE - 300, 3 * PAGE - 150, 4000);
	segments();
	crossed();
	return 0;
}
