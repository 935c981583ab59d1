/* memfd_create and what its seals forbid. */
#include "t.h"
#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 16
#endif

int main(void)
{
	char buf[10000] = "contents", link[64], target[64] = "";
	int fd = syscall(SYS_memfd_create, "name", 2), plain = syscall(SYS_memfd_create, "plain", 1), ro;
	char *p;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	readlink(link, target, sizeof(target) - 1);
	SAY("%s\n", target);
	T(fcntl(plain, F_GETFD));
	T(fcntl(plain, F_GET_SEALS));
	T(fcntl(plain, F_ADD_SEALS, 2));
	T(fcntl(fd, F_GET_SEALS));
	T(ftruncate(fd, 6000));
	T(fcntl(fd, F_ADD_SEALS, 64));
	T(fcntl(fd, F_ADD_SEALS, 4));		/* F_SEAL_GROW */
	T(ftruncate(fd, 7000));
	T(ftruncate(fd, 5000));
	T(pwrite(fd, buf, 8, 4000));
	T(pwrite(fd, buf, 8, 4998));
	T(pwrite(fd, buf, 10000, 0));
	T(pwrite(fd, buf, 1, 9000));
	T(syscall(SYS_fallocate, fd, 0, 0L, 8000L));
	T(syscall(SYS_fallocate, fd, 3, 0L, 4096L));
	T(fcntl(fd, F_ADD_SEALS, 2));		/* F_SEAL_SHRINK */
	T(ftruncate(fd, 4000));
	T(ftruncate(fd, 5000));
	p = mmap(NULL, 5000, RW, MAP_SHARED, fd, 0);
	T(fcntl(fd, F_ADD_SEALS, 8));		/* F_SEAL_WRITE: a mapping can */
	p[0] = 'x';
	munmap(p, 5000);
	ro = open(link, O_RDONLY);
	T(fcntl(ro, F_ADD_SEALS, 8));
	T(fcntl(ro, F_GET_SEALS));
	T(fcntl(fd, F_ADD_SEALS, 8));
	T(fcntl(fd, F_GET_SEALS));
	T(pwrite(fd, buf, 1, 0));
	T(pread(fd, buf, 8, 0));
	T(syscall(SYS_fallocate, fd, 3, 0L, 4096L));
	T(mmap(NULL, 5000, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	T(mmap(NULL, 5000, RW, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	p = mmap(NULL, 5000, PROT_READ, MAP_SHARED, ro, 0);
	T(p == MAP_FAILED);
	T(mprotect(p, 5000, RW));
	T(fcntl(fd, F_ADD_SEALS, 1));		/* F_SEAL_SEAL */
	T(fcntl(fd, F_ADD_SEALS, 4));
	close(fd);
	fd = syscall(SYS_memfd_create, "future", 2);
	ftruncate(fd, 4096);
	p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);
	T(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	p[0] = 'y';
	T(pwrite(fd, buf, 1, 0));
	T(pread(fd, buf, 1, 0));
	SAY("%c\n", buf[0]);
	T(mmap(NULL, 4096, RW, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	char memory[] = "/dev/shm/seals.XXXXXX";
	fd = mkstemp(memory);
	T(fcntl(fd, F_GET_SEALS));
	T(fcntl(fd, F_ADD_SEALS, 2));
	unlink(memory);
	fd = open(".", O_RDONLY);
	T(fcntl(fd, F_GET_SEALS));
	T(syscall(SYS_memfd_create, NULL, 0));
	T(syscall(SYS_memfd_create, "x", 0x80));
	memset(buf, 'n', 300);
	buf[300] = 0;
	T(syscall(SYS_memfd_create, buf, 0));
	buf[249] = 0;
	T(syscall(SYS_memfd_create, buf, 0) > 0);
	return 0;
}
