/*
 * Swap, from the inside: what goes out, what stays, and what the system tells of it. Argument: a block device for it. Every line is a fact
 * that must hold ("ok"), or says how it does not.
 */
#include "t.h"
#include <sys/sysinfo.h>

#ifndef MADV_PAGEOUT
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#define N 32
#define MUST(what, cond) SAY("%s: %s\n", what, (cond) ? "ok" : "NOT SO")

static long swapped(void) { return proc_number("/proc/self/status", "VmSwap:") / 4; }

static uint64_t pagemap(const void *p)
{
	uint64_t v = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	pread(fd, &v, 8, (uintptr_t)p / PAGE * 8);
	close(fd);
	return v;
}
#define PRESENT (1UL << 63)
#define SWAPPED (1UL << 62)

static int resident(char *p, int pages)
{
	unsigned char vec[N];
	int n = 0;

	mincore(p, pages * PAGE, vec);
	for (int i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

static char *filled(int pages)
{
	char *p = mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < pages; i++)
		memset(p + i * PAGE, 'a' + i % 26, PAGE);
	return p;
}

static void turning_on(const char *device)
{
	struct sysinfo info;
	int fd = open(device, O_RDWR);
	char page[4096] = { 0 };
	uint32_t *version = (void *)(page + 1024);

	T(pwrite(fd, page, 4096, 0));
	T(syscall(SYS_swapon, device, 0));			/* no header */
	memcpy(page + 4086, "SWAPSPACE2", 10);
	version[0] = 1;
	version[1] = 0x7fffffff;
	pwrite(fd, page, 4096, 0);
	T(syscall(SYS_swapon, device, 0));			/* larger than the device */
	version[1] = 1023;
	version[2] = 2;						/* two bad ones */
	*(uint32_t *)(page + 1536) = 5;
	*(uint32_t *)(page + 1540) = 7;
	pwrite(fd, page, 4096, 0);
	close(fd);
	T(syscall(SYS_swapoff, device));
	T(syscall(SYS_swapon, "/dev/null", 0));
	T(syscall(SYS_swapon, "/nothing", 0));
	T(syscall(SYS_swapon, "/etc/passwd", 0));
	T(syscall(SYS_swapon, device, 0x12340000));
	T(syscall(SYS_swapon, device, 0x8000 | 5));
	T(syscall(SYS_swapon, device, 0));			/* twice */
	sysinfo(&info);
	MUST("1021 pages in sysinfo", info.totalswap == 1021 * PAGE && info.freeswap == 1021 * PAGE);
	MUST("in meminfo", proc_number("/proc/meminfo", "SwapTotal:") == 1021 * 4);
	if (!fork()) {
		setuid(1000);
		T(syscall(SYS_swapon, device, 0));
		T(syscall(SYS_swapoff, device));
		_exit(0);
	}
	wait(NULL);
}

static void going_out(void)
{
	char *p = filled(N);
	long out = counter("pswpout"), in = counter("pswpin"), major = counter("pgmajfault"), faults = counter("swap_fault");

	T(madvise(p, N * PAGE, MADV_PAGEOUT));
	MUST("all are out", resident(p, N) == 0 && swapped() == N);
	MUST("as pagemap says", (pagemap(p) & (PRESENT | SWAPPED)) == SWAPPED);
	MUST("as meminfo says", proc_number("/proc/meminfo", "SwapTotal:") - proc_number("/proc/meminfo", "SwapFree:") == N * 4);
	MUST("written", counter("pswpout") - out == N);
	MUST("the right byte", p[3 * PAGE + 5] == 'd');
	MUST("one came back", resident(p, N) == 1 && swapped() == N - 1);
	MUST("by one read", counter("pswpin") - in == 1 && counter("pgmajfault") - major >= 1 && counter("swap_fault") - faults == 1);
	p[4 * PAGE] = 'X';
	MUST("a store", p[4 * PAGE] == 'X' && p[4 * PAGE + 1] == 'e' && swapped() == N - 2);
	long copies = counter("cow_copy"), reuse = counter("cow_reuse");
	p[4 * PAGE + 1] = 'Y';
	p[3 * PAGE + 1] = 'Y';
	MUST("alone again: stores do not copy", counter("cow_copy") == copies && counter("cow_reuse") == reuse);
	T(munmap(p, N * PAGE));
	MUST("unmapped: slots are free", proc_number("/proc/meminfo", "SwapTotal:") == proc_number("/proc/meminfo", "SwapFree:"));
}

static void fork_shares_slots(void)
{
	char *p = filled(N);
	int go[2], status;

	pipe(go);
	madvise(p, N * PAGE, MADV_PAGEOUT);
	pid_t pid = fork();
	if (!pid) {
		char c;
		read(go[0], &c, 1);
		_exit(p[N / 2 * PAGE] == 'a' + N / 2 && swapped() == N - 1 ? 0 : 1);
	}
	MUST("fork: no slot more", proc_number("/proc/meminfo", "SwapTotal:") - proc_number("/proc/meminfo", "SwapFree:") == N * 4);
	for (int i = 0; i < N; i++)
		p[i * PAGE] = 'P';
	MUST("the parent's are in, the slots kept", resident(p, N) == N && proc_number("/proc/meminfo", "SwapTotal:") - proc_number("/proc/meminfo", "SwapFree:") >= N * 4);
	write(go[1], "x", 1);
	wait(&status);
	MUST("the child saw its own", status == 0);
	MUST("slots are free", proc_number("/proc/meminfo", "SwapTotal:") == proc_number("/proc/meminfo", "SwapFree:"));
	munmap(p, N * PAGE);
	close(go[0]);
	close(go[1]);
}

/* Pages that a fork shares go out once, however many show them. */
static void shared_pages_go_once(void)
{
	char *p = filled(N);
	int go[2], done[2], status;
	char c;

	pipe(go);
	pipe(done);
	if (!fork()) {
		read(go[0], &c, 1);
		madvise(p, N * PAGE, MADV_PAGEOUT);
		write(done[1], "x", 1);
		read(go[0], &c, 1);
		_exit(p[PAGE] == 'b' && p[(N - 1) * PAGE] == 'a' + (N - 1) % 26 ? 0 : 1);
	}
	long out = counter("pswpout");
	madvise(p, N * PAGE, MADV_PAGEOUT);
	write(go[1], "x", 1);
	read(done[0], &c, 1);
	MUST("both are out, written once", resident(p, N) == 0 && counter("pswpout") - out == N);
	MUST("in one slot each", proc_number("/proc/meminfo", "SwapTotal:") - proc_number("/proc/meminfo", "SwapFree:") == N * 4);
	p[PAGE] = 'Q';
	write(go[1], "x", 1);
	wait(&status);
	MUST("the child's are as they were", status == 0 && p[PAGE] == 'Q' && p[PAGE + 1] == 'b');
	munmap(p, N * PAGE);
	close(go[0]); close(go[1]); close(done[0]); close(done[1]);
}

static void what_stays(void)
{
	char *p = filled(4);
	long was = swapped();

	T(mlock(p, 4 * PAGE));
	T(madvise(p, 4 * PAGE, MADV_PAGEOUT));
	T(mprotect(p, 4 * PAGE, PROT_READ));
	MUST("locked memory stays", resident(p, 4) == 4 && swapped() == was);
	T(munlock(p, 4 * PAGE));
	T(madvise(p, 4 * PAGE, MADV_PAGEOUT));
	MUST("unlocked it goes", resident(p, 4) == 0 && swapped() == was + 4);
	munmap(p, 4 * PAGE);
}

static void turning_off(const char *device)
{
	char *p = filled(N);

	madvise(p, N * PAGE, MADV_PAGEOUT);
	T(mprotect(p, PAGE, PROT_NONE));
	T(syscall(SYS_swapoff, device));
	MUST("all is in again", swapped() == 0 && resident(p + PAGE, N - 1) == N - 1);
	T(mprotect(p, PAGE, RW));
	for (int i = 0; i < N; i++)
		if (p[i * PAGE + 77] != 'a' + i % 26)
			SAY("page %d has changed\n", i);
	MUST("nothing left", proc_number("/proc/meminfo", "SwapTotal:") == 0);
	T(madvise(p, N * PAGE, MADV_PAGEOUT));
	MUST("nowhere to go", resident(p, N) == N);
	munmap(p, N * PAGE);
	T(syscall(SYS_swapoff, device));
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "/dev/ram1";

	turning_on(device);
	going_out();
	fork_shares_slots();
	shared_pages_go_once();
	what_stays();
	turning_off(device);
	return 0;
}
