/* SEEK_DATA and SEEK_HOLE: on the disk's file system and in memory. */
#include "t.h"

static int fd;
static void map(const char *what)
{
	off_t size = lseek(fd, 0, SEEK_END), pos = 0;
	SAY("%s:", what);
	while (pos < size) {
		off_t data = lseek(fd, pos, SEEK_DATA), hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		if (data < 0) {
			SAY(" %s", strerror(errno));
			break;
		}
		SAY(" %ld-%ld", (long)data, (long)hole);
		pos = hole;
	}
	SAY(" of %ld\n", (long)size);
}

static void run(void)
{
	char buf[20000];
	memset(buf, 'x', sizeof(buf));
	fd = open("holes", O_RDWR | O_CREAT | O_TRUNC, 0600);
	map("empty");
	pwrite(fd, buf, 4096, 0);
	map("a page");
	pwrite(fd, buf, 10, 40960);
	map("far");
	pwrite(fd, buf, 20000, 81920);
	map("three");
	ftruncate(fd, 200000);
	map("grown");
	pwrite(fd, buf, 4096, 5000000);
	map("indirect");
	pwrite(fd, buf, 4096, 50003968);
	map("double");
	fsync(fd);
	map("synced");
	T(lseek(fd, 2000, SEEK_DATA));
	T(lseek(fd, 2000, SEEK_HOLE));
	T(lseek(fd, 5000, SEEK_DATA));
	T(lseek(fd, 5000, SEEK_HOLE));
	T(lseek(fd, 0, SEEK_CUR));
	T(lseek(fd, -1, SEEK_DATA));
	T(lseek(fd, 60000000, SEEK_DATA));
	T(lseek(fd, 60000000, SEEK_HOLE));
	T(lseek(fd, 50008064, SEEK_HOLE));
	T(lseek(fd, 50008063, SEEK_HOLE));
	T(syscall(SYS_fallocate, fd, 3, 81920L, 8192L));
	map("punched");
	close(fd);
	unlink("holes");
}

int main(void)
{
	run();
	char memory[] = "/dev/shm/holes.XXXXXX";
	SAY("--- in memory\n");
	if (mkdtemp(memory) && !chdir(memory))
		run();
	chdir("/");
	return rmdir(memory);
}
