/* fallocate, copy_file_range and sendfile: on the disk's file system and in memory. */
#include "t.h"
#include <linux/falloc.h>
#include <sys/sendfile.h>

static char buf[100000], got[100000];
#define FA(fd, mode, off, len) T(syscall(SYS_fallocate, fd, mode, (long)(off), (long)(len)))
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

static void size_of(int fd)
{
	struct stat st;
	fstat(fd, &st);
	SAY("size %ld\n", (long)st.st_size);
}
static long blocks(int fd)
{
	struct stat st;
	fsync(fd);
	fstat(fd, &st);
	return st.st_blocks;
}
static void contents(int fd)
{
	long n = pread(fd, got, sizeof(got), 0);
	SAY("%ld bytes, %08x\n", n, checksum(got, n > 0 ? n : 0));
}

static void allocate(int zero_range)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644), ro;
	long before;
	FA(fd, 0, 0, 10000);
	size_of(fd);
	SAY("has blocks: %d\n", blocks(fd) >= 16);
	contents(fd);
	write(fd, "hello", 5);
	FA(fd, 0, 0, 5000);
	size_of(fd);
	contents(fd);
	FA(fd, FALLOC_FL_KEEP_SIZE, 4096, 4096);
	FA(fd, FALLOC_FL_KEEP_SIZE, 4096, 40960);
	size_of(fd);
	FA(fd, 0, 30000, 5000);
	size_of(fd);
	contents(fd);
	pattern(buf, sizeof(buf), 1);
	pwrite(fd, buf, 60000, 0);
	before = blocks(fd);
	FA(fd, PUNCH, 5000, 20000);
	size_of(fd);
	contents(fd);
	SAY("fewer blocks: %d\n", blocks(fd) < before);
	FA(fd, PUNCH, 100, 50);
	FA(fd, PUNCH, 4000, 200);
	FA(fd, PUNCH, 59000, 100000);
	FA(fd, PUNCH, 90000, 1000);
	size_of(fd);
	contents(fd);
	pwrite(fd, "in the hole", 11, 12000);
	contents(fd);
	before = blocks(fd);
	FA(fd, 0, 0, 60000);
	SAY("more blocks: %d\n", blocks(fd) > before);
	contents(fd);
	if (zero_range) {
		FA(fd, FALLOC_FL_ZERO_RANGE, 50000, 20000);
		size_of(fd);
		FA(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 100, 9000);
		contents(fd);
	} else {
		FA(fd, FALLOC_FL_ZERO_RANGE, 0, 100);
	}
	FA(fd, FALLOC_FL_PUNCH_HOLE, 0, 100);
	FA(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE, 0, 100);
	FA(fd, 0x1000, 0, 100);
	FA(fd, 0, -1, 100);
	FA(fd, 0, 0, 0);
	FA(fd, 0, 0, -5);
	FA(fd, 0, LONG_MAX, 10);
	FA(-1, 0, 0, 10);
	ro = open("f", O_RDONLY);
	FA(ro, 0, 0, 10);
	close(ro);
	ro = open(".", O_RDONLY);
	FA(ro, 0, 0, 10);
	close(ro);
	ro = open("/dev/null", O_RDWR);
	FA(ro, 0, 0, 10);
	close(ro);
	/* mapped pages that are punched show zeroes; private copies stay */
	ftruncate(fd, 0);
	pwrite(fd, buf, 3 * PAGE, 0);
	char *shared = mmap(NULL, 3 * PAGE, RW, MAP_SHARED, fd, 0), *private = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
	shared[PAGE] = 'a', private[PAGE + 1] = 'b', private[5] = 'c';
	SAY("%d %d\n", private[PAGE + 2] == buf[PAGE + 2], shared[2 * PAGE] == buf[2 * PAGE]);
	FA(fd, PUNCH, 0, 2 * PAGE);
	SAY("shared %d %d, private %c %c %d, next %d\n", shared[0], shared[PAGE], private[PAGE + 1], private[5], private[PAGE + 3] == buf[PAGE + 3], shared[2 * PAGE] == buf[2 * PAGE]);
	shared[7] = 'x';
	pread(fd, got, 10, 0);
	SAY("%d %c\n", got[0], got[7]);
	munmap(shared, 3 * PAGE), munmap(private, 3 * PAGE);
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit old, lim = { 20000, RLIM_INFINITY };
	getrlimit(RLIMIT_FSIZE, &old);
	lim.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &lim);
	FA(fd, 0, 0, 20001);
	FA(fd, 0, 0, 20000);
	FA(fd, FALLOC_FL_KEEP_SIZE, 0, 16000);
	setrlimit(RLIMIT_FSIZE, &old);
	close(fd);
	unlink("f");
}

static void copying(void)
{
	int a = open("a", O_RDWR | O_CREAT | O_TRUNC, 0644), b = open("b", O_RDWR | O_CREAT | O_TRUNC, 0644), x;
	off_t in = 100, out = 5000, bad = -1;
	pattern(buf, sizeof(buf), 2);
	write(a, buf, 50000);
	lseek(a, 0, SEEK_SET);
	T(copy_file_range(a, NULL, b, NULL, 20000, 0));
	SAY("positions %ld %ld\n", (long)lseek(a, 0, SEEK_CUR), (long)lseek(b, 0, SEEK_CUR));
	T(copy_file_range(a, &in, b, &out, 1000, 0));
	SAY("offsets %ld %ld\n", (long)in, (long)out);
	contents(b);
	T(copy_file_range(a, NULL, b, NULL, 1 << 30, 0));
	T(copy_file_range(a, NULL, b, NULL, 100, 0));
	contents(b);
	T(copy_file_range(a, NULL, b, NULL, 100, 1));
	T(copy_file_range(a, &bad, b, NULL, 100, 0));
	T(copy_file_range(-1, NULL, b, NULL, 100, 0));
	T(copy_file_range(a, NULL, 99, NULL, 100, 0));
	in = 0, out = 100;
	T(copy_file_range(a, &in, a, &out, 200, 0));
	in = 0, out = 60000;
	T(copy_file_range(a, &in, a, &out, 5000, 0));
	contents(a);
	in = 0;
	T(copy_file_range(a, &in, b, &out, 0, 0));
	T(copy_file_range(a, (off_t *)16, b, NULL, 10, 0));
	x = open("b", O_WRONLY | O_APPEND);
	T(copy_file_range(a, &in, x, NULL, 10, 0));
	close(x);
	x = open("b", O_RDONLY);
	T(copy_file_range(a, &in, x, NULL, 10, 0));
	T(copy_file_range(x, NULL, a, NULL, 10, 0));
	close(x);
	x = open(".", O_RDONLY);
	T(copy_file_range(x, NULL, a, NULL, 10, 0));
	close(x);
	int p[2];
	pipe(p);
	T(copy_file_range(p[0], NULL, a, NULL, 10, 0));
	T(copy_file_range(a, &in, p[1], NULL, 10, 0));
	/* sendfile: to a file, to a pipe, at an offset, past the end */
	ftruncate(b, 0);
	lseek(a, 0, SEEK_SET), lseek(b, 0, SEEK_SET);
	T(sendfile(b, a, NULL, 30000));
	in = 29000;
	T(sendfile(b, a, &in, 3000));
	SAY("offset %ld, positions %ld %ld\n", (long)in, (long)lseek(a, 0, SEEK_CUR), (long)lseek(b, 0, SEEK_CUR));
	contents(b);
	in = 10;
	T(sendfile(p[1], a, &in, 20));
	T(read(p[0], got, 100));
	SAY("%08x\n", checksum(got, 20));
	in = 1000000;
	T(sendfile(b, a, &in, 10));
	T(sendfile(b, p[0], NULL, 10));
	T(sendfile(99, a, NULL, 10));
	T(sendfile(b, 99, NULL, 10));
	close(a), close(b), close(p[0]), close(p[1]);
	unlink("a"), unlink("b");
}

int main(void)
{
	allocate(1);
	copying();
	SAY("--- in memory\n");
	char memory[] = "/dev/shm/space.XXXXXX";
	if (!mkdtemp(memory) || chdir(memory))
		return 1;
	allocate(0);
	copying();
	chdir("/");
	rmdir(memory);
	return 0;
}
