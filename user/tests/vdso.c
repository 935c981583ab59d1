/* The time by libc (which asks the vDSO) and by the system call: one never runs behind the other; what the vDSO does not know goes to the kernel. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long ns(const struct timespec *t) { return t->tv_sec * 1000000000LL + t->tv_nsec; }

static void interleaved(const char *name, clockid_t clock)
{
	struct timespec before, between, after;
	int bad = 0;

	for (int i = 0; i < 2000; i++) {
		syscall(SYS_clock_gettime, clock, &before);
		clock_gettime(clock, &between);
		syscall(SYS_clock_gettime, clock, &after);
		bad += ns(&before) > ns(&between) || ns(&between) > ns(&after);
	}
	printf("%s: %d of 2000 out of order\n", name, bad);
}

static void others(void)
{
	struct timeval tv, raw;
	struct timespec ts;
	time_t a, b, c, d;

	syscall(SYS_gettimeofday, &raw, NULL);
	gettimeofday(&tv, NULL);
	printf("gettimeofday: %d\n", tv.tv_sec * 1000000LL + tv.tv_usec >= raw.tv_sec * 1000000LL + raw.tv_usec && tv.tv_usec < 1000000);
	a = syscall(SYS_time, NULL);
	b = time(&c);
	d = syscall(SYS_time, NULL);
	printf("time: %d %d\n", b == c, a <= b && b <= d);
	printf("a clock that is none: %d, %d\n", clock_gettime(99, &ts), errno);
	printf("a clock of the kernel's: %d\n", clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts));
}

static int in_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[500];
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found += strstr(line, "[vdso]") && strstr(line, " r-xp ");
	if (f)
		fclose(f);
	return found;
}

int main(void)
{
	const unsigned char *header = (void *)getauxval(AT_SYSINFO_EHDR);

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("a library: %d\n", header && !memcmp(header, ELFMAG, SELFMAG) && ((const Elf64_Ehdr *)header)->e_type == ET_DYN);
	printf("in maps: %d\n", in_maps());
	interleaved("CLOCK_REALTIME", CLOCK_REALTIME);
	interleaved("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
	interleaved("CLOCK_BOOTTIME", CLOCK_BOOTTIME);
	others();
	if (fork() == 0) {
		interleaved("in a child", CLOCK_MONOTONIC);
		return 0;
	}
	wait(NULL);
	return 0;
}
