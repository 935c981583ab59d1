/*
 * While a page is being read from a slow disk: INV-T5 and INV-W7. Source 002: the deadlock "conveniently" held mmap_sem, so `ps` got stuck, too. Run with
 * ramdisk_latency_us=, large enough that everything here is done before one page has come (guest time: with --icount the host's load does not matter).
 */
#include "inv.h"
#include <pthread.h>

#define PAGES 8
#define SIZE (PAGES * PAGE)

static struct { int fd, target; unsigned char *m; int began, done; } slow;

static void *wait_in_a_fault(void *arg)
{
	__atomic_store_n(&slow.began, 1, __ATOMIC_RELEASE);
	(void)*(volatile unsigned char *)slow.m;
	__atomic_store_n(&slow.done, 1, __ATOMIC_RELEASE);
	return arg;
}
static void *wait_in_a_write(void *arg)
{
	__atomic_store_n(&slow.began, 1, __ATOMIC_RELEASE);
	EQUAL(pwrite(slow.target, slow.m, 100, 10), 100);	/* in place: the copy stops, its source has to be read */
	__atomic_store_n(&slow.done, 1, __ATOMIC_RELEASE);
	return arg;
}

/* All of one file of /proc; it has to come, and say something. */
static void look_at(const char *format, int pid)
{
	static char text[65536];
	char name[64];
	ssize_t n, sum = 0;
	int fd;

	snprintf(name, sizeof(name), format, pid);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0);
	while ((n = read(fd, text, sizeof(text))) > 0)
		sum += n;
	CHECK(n == 0 && sum > 0);
	close(fd);
}

/* What takes mmap_lock, for reading and for writing, in this process and from another one. */
static void use_the_address_space(void)
{
	unsigned char *m = map_anon(4 * PAGE);
	int pid = getpid();
	pid_t child;

	m[0] = m[PAGE] = 1;
	CHECK(!mprotect(m, PAGE, PROT_READ));
	CHECK(mremap(m + PAGE, 3 * PAGE, 8 * PAGE, MREMAP_MAYMOVE) != MAP_FAILED);
	CHECK(syscall(SYS_brk, syscall(SYS_brk, 0) + 4096) > 0);
	child = fork();
	if (!child) {
		look_at("/proc/%d/maps", pid);
		look_at("/proc/%d/smaps", pid);
		look_at("/proc/%d/stat", pid);
		look_at("/proc/%d/statm", pid);
		look_at("/proc/%d/cmdline", pid);
		_exit(0);
	}
	EQUAL(wait_for(child), 0);
	munmap(map_anon(PAGE), PAGE);
}

static void beside(void *(*waiter)(void *))
{
	static unsigned char page[PAGE];
	pthread_t thread;
	long locked;

	slow.fd = make_file(0, SIZE);
	slow.target = make_file(1, SIZE);
	CHECK(pread(slow.target, page, PAGE, 0) == (long)PAGE);
	slow.m = map_file(slow.fd, SIZE, PROT_READ, MAP_SHARED);
	locked = counter("page_lock_wait") + counter("pgmajfault") + counter("cache_read");
	CHECK(!pthread_create(&thread, NULL, waiter, NULL));
	while (counter("page_lock_wait") + counter("pgmajfault") + counter("cache_read") == locked)	/* until it waits */
		sched_yield();
	sched_yield();
	use_the_address_space();
	EQUAL(__atomic_load_n(&slow.done, __ATOMIC_ACQUIRE), 0);	/* or nothing was shown */
	pthread_join(thread, NULL);
	use_the_address_space();
}

INV(INV_T5_fault, "while a fault waits for the disk: mmap, munmap, mprotect, mremap, brk, fork, and `ps` from another process go on")
{
	beside(wait_in_a_fault);
}

INV(INV_W7_write, "while a write() waits for its source: the same")
{
	beside(wait_in_a_write);
}

int main(int argc, char **argv) { return inv_main(argc, argv); }
