/*
 * Another process's memory: process_vm_readv, process_vm_writev, /proc/PID/mem; what they give, what they may, and that a store by force
 * never reaches a file (INV-G5, the Dirty COW of LTP's dirtyc0w). In the current directory, which is on a real file system.
 */
#include "inv.h"
#include <pthread.h>

#define NAME "procvm.file"

static unsigned char *map_pages(size_t pages, int prot, int flags)
{
	unsigned char *p = mmap(NULL, pages * PAGE, prot, flags | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A child that has our memory as it is now, and stays until it is told. */
static pid_t child_with(int *tell)
{
	int fds[2];
	pid_t pid;
	char c;

	CHECK(!pipe(fds));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) < 0);
	}
	close(fds[0]);
	*tell = fds[1];
	return pid;
}

static void end(pid_t pid, int tell)
{
	close(tell);
	EQUAL(wait_for(pid), 0);
}

static ssize_t peek(pid_t pid, void *to, void *from, size_t n)
{
	struct iovec l = { to, n }, r = { from, n };

	return process_vm_readv(pid, &l, 1, &r, 1, 0);
}

static ssize_t poke(pid_t pid, void *to, void *from, size_t n)
{
	struct iovec l = { from, n }, r = { to, n };

	return process_vm_writev(pid, &l, 1, &r, 1, 0);
}

INV(INV_G_process_vm, "process_vm_readv and writev: segments, short counts, errors")
{
	unsigned char *p = map_pages(8, RW, MAP_PRIVATE), *q = map_pages(8, RW, MAP_PRIVATE);
	struct iovec local[3] = { { q, 100 }, { q + 2 * PAGE - 50, 3000 }, { q + 5 * PAGE, PAGE } };
	struct iovec remote[3] = { { p + 10, 2000 }, { p + 3 * PAGE + 7, 2 * PAGE }, { p + 6 * PAGE, 9 } };
	size_t n = 100 + 3000 + PAGE;
	int tell;
	pid_t pid;

	pattern(p, 8 * PAGE, 1);
	munmap(p + 7 * PAGE, PAGE);
	mprotect(p + 2 * PAGE, PAGE, PROT_READ);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	pid = child_with(&tell);
	memset(p + 3 * PAGE, 0, 4 * PAGE);		/* ours alone */
	EQUAL(process_vm_readv(pid, local, 3, remote, 3, 0), n);
	mprotect(p + PAGE, PAGE, PROT_READ);
	CHECK(!memcmp(q, p + 10, 100) && !memcmp(q + 2 * PAGE - 50, p + 110, 1900));
	EQUAL(peek(pid, q, p + 3 * PAGE, 4 * PAGE), 4 * PAGE);
	pattern(q + 4 * PAGE, 4 * PAGE, 77);
	EQUAL(poke(pid, p + 3 * PAGE, q + 4 * PAGE, 4 * PAGE), 4 * PAGE);
	EQUAL(peek(pid, q, p + 3 * PAGE, 4 * PAGE), 4 * PAGE);
	CHECK(!memcmp(q, q + 4 * PAGE, 4 * PAGE));
	for (unsigned i = 0; i < 4 * PAGE; i++)
		CHECK(!p[3 * PAGE + i]);
	EQUAL(poke(pid, p + 2 * PAGE, q, 10), -1);		/* not writable there */
	EQUAL(errno, EFAULT);
	EQUAL(peek(pid, q, p + PAGE, 10), -1);			/* not readable */
	EQUAL(errno, EFAULT);
	EQUAL(peek(pid, q, p + 6 * PAGE, 2 * PAGE), PAGE);	/* the second page is not there */
	EQUAL(peek(pid, q, p + 7 * PAGE, 1), -1);
	EQUAL(errno, EFAULT);
	EQUAL(peek(pid, (void *)8192, p, 1), -1);
	EQUAL(errno, EFAULT);
	EQUAL(peek(pid, q, (void *)-4096L, 1), -1);
	EQUAL(errno, EFAULT);
	EQUAL(process_vm_readv(pid, local, 3, remote, 3, 1), -1);
	EQUAL(errno, EINVAL);
	EQUAL(process_vm_readv(pid, local, 2000, remote, 3, 0), -1);
	EQUAL(errno, EINVAL);
	EQUAL(process_vm_readv(pid, local, 0, remote, 3, 0), 0);
	EQUAL(process_vm_readv(pid, local, 3, remote, 0, 0), 0);
	end(pid, tell);
	EQUAL(peek(pid, q, p, 1), -1);
	EQUAL(errno, ESRCH);
	EQUAL(peek(getpid(), q, p, 100), 100);			/* one's own */
	CHECK(!memcmp(q, p, 100));
	if (!geteuid()) {
		pid = fork();
		if (!pid) {
			CHECK(!setgid(1000) && !setuid(1000));
			EQUAL(peek(getppid(), q, p, 1), -1);
			EQUAL(errno, EPERM);
			EQUAL(open("/proc/1/mem", O_RDONLY), -1);
			EQUAL(errno, EACCES);
			_exit(0);
		}
		EQUAL(wait_for(pid), 0);
	}
}

INV(INV_G_proc_mem, "/proc/PID/mem reads and writes whatever the rights of private mappings are")
{
	unsigned char *p = map_pages(6, RW, MAP_PRIVATE), q[300], *s = map_pages(1, PROT_READ, MAP_SHARED);
	char path[40];
	int tell, fd;
	pid_t pid;

	pattern(p, 6 * PAGE, 5);
	madvise(p + 3 * PAGE, PAGE, MADV_DONTNEED);
	mprotect(p + PAGE, 3 * PAGE, PROT_NONE);
	mprotect(p + 4 * PAGE, PAGE, PROT_READ);
	pid = child_with(&tell);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	EQUAL(pread(fd, q, 300, (long)p + PAGE - 100), 300);		/* PROT_NONE, present */
	mprotect(p + PAGE, PAGE, PROT_READ);
	CHECK(!memcmp(q, p + PAGE - 100, 300));
	EQUAL(pread(fd, q, 10, (long)p + 3 * PAGE), 10);		/* PROT_NONE, never touched */
	for (int i = 0; i < 10; i++)
		CHECK(!q[i]);
	EQUAL(pwrite(fd, "by force", 8, (long)p + 2 * PAGE), 8);	/* PROT_NONE */
	EQUAL(pwrite(fd, "by force", 8, (long)p + 3 * PAGE), 8);	/* PROT_NONE, never touched */
	EQUAL(pwrite(fd, "by force", 8, (long)p + 4 * PAGE), 8);	/* read-only */
	for (int i = 2; i < 5; i++) {
		EQUAL(pread(fd, q, 8, (long)p + i * PAGE), 8);
		CHECK(!memcmp(q, "by force", 8));
	}
	CHECK(memcmp(p + 4 * PAGE, "by force", 8));			/* the child's alone */
	EQUAL(pwrite(fd, "x", 1, (long)s), -1);				/* shared, read-only: not even so */
	EQUAL(errno, EIO);
	EQUAL(lseek(fd, (long)p, SEEK_SET), (long)p);
	EQUAL(read(fd, q, 10), 10);
	CHECK(!memcmp(q, p, 10));
	EQUAL(lseek(fd, 0, SEEK_CUR), (long)p + 10);
	EQUAL(lseek(fd, 0, SEEK_END), -1);
	EQUAL(pread(fd, q, 1, 4096), -1);
	EQUAL(errno, EIO);
	EQUAL(pread(fd, (void *)4096, 1, (long)p), -1);
	EQUAL(errno, EFAULT);
	end(pid, tell);
	EQUAL(pread(fd, q, 1, (long)p), 0);				/* it is gone */
}

INV(INV_G5_text, "a breakpoint in one's own text does not reach the file")
{
	unsigned char byte, *m;
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0600), mem = open("/proc/self/mem", O_RDWR);

	CHECK(fd >= 0 && mem >= 0);
	EQUAL(write(fd, "abcdef", 6), 6);
	m = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	EQUAL(m[2], 'c');
	EQUAL(pwrite(mem, "\xcc", 1, (long)m + 2), 1);
	EQUAL(m[2], 0xcc);
	EQUAL(pread(fd, &byte, 1, 2), 1);
	EQUAL(byte, 'c');
	EQUAL(touch((char *)m, 0), 0);
	catch_faults();
	EQUAL(touch((char *)m, 1), SIGSEGV);		/* and gave us no right to write */
	m = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	EQUAL(pwrite(mem, "x", 1, (long)m), -1);
	EQUAL(errno, EIO);
	m = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE, fd, 0);
	EQUAL(pread(mem, &byte, 1, (long)m + 5), 1);
	EQUAL(byte, 'f');
	m = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE, fd, 0);
	EQUAL(pread(mem, &byte, 1, (long)m + PAGE), -1);	/* past the end of the file */
	EQUAL(errno, EIO);
}

/* --- Dirty COW --- */

static unsigned char *victim;
static volatile int over;

static void *drop_copy(void *arg)
{
	while (!over) {
		madvise(victim, PAGE, MADV_DONTNEED);
		(void)*(volatile unsigned char *)victim;	/* the file's page is there again */
	}
	return NULL;
}

INV(INV_G5_dirty_cow, "a store by force, while the copy is thrown away all the time, never reaches a file that is read-only")
{
	int fd = open(NAME, O_RDWR | O_CREAT | O_TRUNC, 0400), mem = open("/proc/self/mem", O_RDWR);
	pthread_t thread;
	char text[9] = "";

	EQUAL(write(fd, "original", 8), 8);
	fsync(fd);
	victim = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	EQUAL(pthread_create(&thread, NULL, drop_copy, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		EQUAL(pwrite(mem, "m00m00m0", 8, (long)victim), 8);
		if (i % 100 == 0)
			sched_yield();
	}
	over = 1;
	pthread_join(thread, NULL);
	EQUAL(pread(fd, text, 8, 0), 8);
	CHECK(!memcmp(text, "original", 8));
}

/* --- K1, K2 of kselftest's cow.c, and stores from outside --- */

INV(INV_G2_poke_while_forking, "stores from outside reach the process that they are for, whoever forks")
{
	unsigned char *p = map_pages(2, RW, MAP_PRIVATE), c;
	int tell, tell2;
	pid_t pid, second;

	p[0] = 'a';
	p[PAGE] = 'a';
	pid = child_with(&tell);
	c = 'b';
	EQUAL(poke(pid, p, &c, 1), 1);		/* shared with us: copied first */
	EQUAL(p[0], 'a');
	second = child_with(&tell2);
	EQUAL(peek(second, &c, p, 1), 1);
	EQUAL(c, 'a');
	p[0] = 'p';				/* K1 */
	EQUAL(peek(second, &c, p, 1), 1);
	EQUAL(c, 'a');
	mprotect(p + PAGE, PAGE, PROT_READ);	/* K2 */
	mprotect(p + PAGE, PAGE, RW);
	p[PAGE] = 'p';
	EQUAL(peek(second, &c, p + PAGE, 1), 1);
	EQUAL(c, 'a');
	EQUAL(peek(pid, &c, p, 1), 1);
	EQUAL(c, 'b');
	end(second, tell2);
	end(pid, tell);
}

int main(int argc, char **argv)
{
	int status = inv_main(argc, argv);

	unlink(NAME);
	return status;
}
