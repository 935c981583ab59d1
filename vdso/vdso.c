/*
 * The vDSO: a small shared library that the kernel maps into every program (AT_SYSINFO_EHDR), so that the time costs no system
 * call. musl and glibc find its functions by name (vdso(7)). It runs in user mode; the same arithmetic as kernel/clock.c.
 */
#include <asm/unistd.h>
#include <linux/time.h>

#include "vdso/data.h"

extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));	/* the page before: vdso.lds */

#define SECOND 1000000000UL

static long syscall2(long number, long a, const void *b)
{
	long result;

	__asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
	return result;
}

/* Since boot. The fence keeps the reading from being done before what comes before it in the program. */
static u64 monotonic_ns(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) :: "memory");
	return (unsigned __int128)(((u64)hi << 32 | lo) - vdso_data.tsc_boot) * vdso_data.tsc_to_ns >> 32;
}

int __vdso_clock_gettime(int clock, struct __kernel_timespec *ts);
int __vdso_clock_gettime(int clock, struct __kernel_timespec *ts)
{
	u64 ns;

	if (!vdso_data.tsc)
		return syscall2(__NR_clock_gettime, clock, ts);
	switch (clock) {
	case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: case CLOCK_TAI:
		ns = vdso_data.realtime_ns + monotonic_ns();
		break;
	case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_RAW: case CLOCK_MONOTONIC_COARSE: case CLOCK_BOOTTIME:
		ns = monotonic_ns();
		break;
	default:
		return syscall2(__NR_clock_gettime, clock, ts);
	}
	ts->tv_sec = ns / SECOND;
	ts->tv_nsec = ns % SECOND;
	return 0;
}

int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz);
int __vdso_gettimeofday(struct __kernel_old_timeval *tv, struct timezone *tz)
{
	u64 ns;

	if (!vdso_data.tsc)
		return syscall2(__NR_gettimeofday, (long)tv, tz);
	ns = vdso_data.realtime_ns + monotonic_ns();
	if (tv) {
		tv->tv_sec = ns / SECOND;
		tv->tv_usec = ns % SECOND / 1000;
	}
	if (tz)
		*tz = (struct timezone){ 0, 0 };
	return 0;
}

long __vdso_time(long *seconds);
long __vdso_time(long *seconds)
{
	long now;

	if (!vdso_data.tsc)
		return syscall2(__NR_time, (long)seconds, NULL);
	now = (vdso_data.realtime_ns + monotonic_ns()) / SECOND;
	if (seconds)
		*seconds = now;
	return now;
}
