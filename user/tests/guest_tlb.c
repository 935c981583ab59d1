/*
 * Which flushes ask other CPUs (mm/shootdown.c), by the counters of /proc/vmstat. Run with --smp 2 or more.
 *
 * With one thread none does, whatever the program calls and wherever it has run before. With a second thread that runs on another CPU each kind of
 * flush asks that one. Prints `NAME moved` for each counter that must move and did.
 */
#include "t.h"
#include <pthread.h>
#include <sched.h>

static const char *const reasons[] = { "cow", "fork", "unmap", "protect", "move", "zap", "clean", "loan" };

static long flushes_for(const char *kind, const char *reason)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s", kind, reason);
	return counter(name);
}

static long calls(void)
{
	long n = 0;

	for (unsigned i = 0; i < sizeof(reasons) / sizeof(*reasons); i++)
		n += flushes_for("tlb_call_", reasons[i]);
	return n;
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || sched_getcpu() != cpu)
		SAY("on CPU %d: cannot be\n", cpu);
}

/* --- what asks for flushes --- */

static int fd;
static char block[4096];

static char *anon(void)
{
	char *p = mmap(NULL, 8 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(p, 1, 8 * 4096);
	return p;
}

static void preads(void)
{
	for (int i = 0; i < 100; i++)
		if (pread(fd, block, sizeof(block), 0) != sizeof(block))
			SAY("pread failed\n");
}
static void first_touch(void) { munmap(anon(), 8 * 4096); }
static void unmap(void) { munmap(anon(), 4096); }
static void protect(void) { mprotect(anon(), 8 * 4096, PROT_READ); }
static void move(void) { mremap(anon(), 8 * 4096, 16 * 4096, MREMAP_MAYMOVE); }
static void forks(void)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}
static void cow(void)
{
	char *p = anon();
	int wait[2];

	if (pipe(wait))
		return;
	pid_t child = fork();
	if (!child) {			/* holds the pages until the parent has written */
		close(wait[1]);
		_exit(read(wait[0], block, 1) != 0);
	}
	memset(p, 2, 8 * 4096);
	close(wait[1]);
	close(wait[0]);
	waitpid(child, NULL, 0);
}
static void private_file(void)
{
	volatile char *p = mmap(NULL, 4096, RW, MAP_PRIVATE, fd, 0);

	block[0] = p[0];
	p[0] = 1;
}
static void clean(void)
{
	char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);

	p[0] = 1;
	msync(p, 4096, MS_SYNC);
	munmap(p, 4096);
}
static void truncates(void)
{
	volatile char *p = mmap(NULL, 4096, RW, MAP_SHARED, fd, 0);

	p[0] = 1;
	if (ftruncate(fd, 0) || ftruncate(fd, 65536))
		SAY("ftruncate failed\n");
}

/* An earlier loan is exchanged: what was mapped is replaced. */
static void loans(void)
{
	char *p = mmap(NULL, 4 * 4096, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pread(fd, p, 4 * 4096, 0) != 4 * 4096 || pread(fd, p, 4 * 4096, 4 * 4096) != 4 * 4096)
		SAY("pread failed\n");
	munmap(p, 4 * 4096);
}

static const struct {
	const char *reason;		/* whose counters move */
	void (*run)(void);
} operations[] = {
	{ NULL, preads }, { NULL, first_touch }, { "cow", private_file }, { "cow", cow }, { "fork", forks }, { "unmap", unmap }, { "protect", protect }, { "move", move },
	{ "loan", loans }, { "clean", clean }, { "zap", truncates },
};
#define NR (sizeof(operations) / sizeof(*operations))

static volatile int stop, running;
static void *spin(void *unused)
{
	stay_on(1);
	running = 1;
	while (!stop)
		;
	return NULL;
}

static void alone(unsigned i)
{
	long before = calls();

	/* From CPU to CPU: those it has left have nothing of it. */
	for (int round = 0; round < 4; round++) {
		stay_on(round & 1);
		operations[i].run();
	}
	if (calls() != before)
		SAY("operation %u alone asked %ld other CPUs\n", i, calls() - before);
}

static void with_another(unsigned i)
{
	long flushes = flushes_for("tlb_", operations[i].reason), asked = flushes_for("tlb_call_", operations[i].reason);

	operations[i].run();
	SAY("tlb_%s %s\n", operations[i].reason, flushes_for("tlb_", operations[i].reason) > flushes ? "moved" : "STANDS");
	SAY("tlb_call_%s %s\n", operations[i].reason, flushes_for("tlb_call_", operations[i].reason) > asked ? "moved" : "STANDS");
}

int main(int argc, char **argv)
{
	pthread_t other;

	if (argc < 2 || chdir(argv[1]))
		return 2;
	fd = open("tlb", O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || ftruncate(fd, 65536))
		return 2;
	memset(block, 1, sizeof(block));
	for (int i = 0; i < 16; i++)		/* pages, not holes: loans */
		if (pwrite(fd, block, 4096, i * 4096) != 4096)
			return 2;
	for (unsigned i = 0; i < NR; i++)
		alone(i);
	pthread_create(&other, NULL, spin, NULL);
	while (!running)
		sched_yield();
	stay_on(0);
	for (unsigned i = 0; i < NR; i++)
		if (operations[i].reason)
			with_another(i);
	stop = 1;
	pthread_join(other, NULL);
	unlink("tlb");
	return 0;
}
