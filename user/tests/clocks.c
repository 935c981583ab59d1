/* Clocks and timers: they go forward, sleeps last as long as asked, alarms come once or again. */
#include "t.h"

static volatile int alarms;
static void on_alarm(int sig) { alarms++; }
static long ms(clockid_t c)
{
	struct timespec ts;
	clock_gettime(c, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int main(void)
{
	struct timespec ts, last = { 0 };
	struct timeval tv;
	int back = 0;
	for (int i = 0; i < 100000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		back += ts.tv_sec < last.tv_sec || (ts.tv_sec == last.tv_sec && ts.tv_nsec < last.tv_nsec);
		last = ts;
	}
	SAY("steps back: %d\n", back);
	/* Between two readings of another one: however long it takes. (The seconds of time() may be a tick older.) */
	long first = ms(CLOCK_REALTIME);
	gettimeofday(&tv, NULL);
	long between = tv.tv_sec * 1000 + tv.tv_usec / 1000, second = time(NULL), last_ms = ms(CLOCK_REALTIME);
	SAY("after 2024: %d, realtime agrees: %d\n", tv.tv_sec > 1704067200, first <= between && between <= last_ms);
	SAY("time agrees: %d\n", second >= tv.tv_sec - 1 && second <= last_ms / 1000);
	T(clock_gettime(77, &ts));
	T(clock_getres(CLOCK_MONOTONIC, &ts));
	SAY("resolution %d\n", ts.tv_sec == 0 && ts.tv_nsec > 0);
	long t = ms(CLOCK_MONOTONIC);
	ts = (struct timespec){ 0, 50000000 };
	T(nanosleep(&ts, NULL));
	t = ms(CLOCK_MONOTONIC) - t;
	SAY("slept at least 50 ms: %d, not for ever: %d\n", t >= 50, t < 3000000);
	ts = (struct timespec){ 0, -1 };
	T(nanosleep(&ts, NULL));
	ts = (struct timespec){ 0, 1000000000 };
	T(nanosleep(&ts, NULL));
	ts = (struct timespec){ -1, 0 };
	T(nanosleep(&ts, NULL));
	clock_gettime(CLOCK_MONOTONIC, &ts);
	T(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL));
	T(clock_nanosleep(77, 0, &ts, NULL));
	T(syscall(SYS_clock_nanosleep, CLOCK_THREAD_CPUTIME_ID, 0, &ts, NULL));

	signal(SIGALRM, on_alarm);
	T(alarm(100000));
	SAY("left over: %d\n", (int)alarm(0) > 90000);
	T(alarm(0));
	struct itimerval it = { { 0, 10000 }, { 0, 10000 } }, old;
	T(setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 5)
		pause();
	T(getitimer(ITIMER_REAL, &old));
	SAY("interval %ld\n", (long)old.it_interval.tv_usec);
	it = (struct itimerval){ { 0, 0 }, { 0, 0 } };
	T(setitimer(ITIMER_REAL, &it, &old));
	SAY("alarms came: %d, interval %ld\n", alarms >= 5, (long)old.it_interval.tv_usec);
	it.it_value.tv_usec = 1000000;
	T(setitimer(ITIMER_REAL, &it, NULL));
	T(setitimer(9, &it, NULL));

	/* CPU time goes to the one who uses it */
	struct rusage ru;
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		while (ms(CLOCK_PROCESS_CPUTIME_ID) < 100)
			;
		_exit(0);
	}
	wait_for(pid);
	getrusage(RUSAGE_CHILDREN, &ru);
	SAY("children used CPU: %d\n", ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec > 20000);
	SAY("process clock: %d\n", ms(CLOCK_PROCESS_CPUTIME_ID) < 3000000);
	T(getrusage(5, &ru));
	return 0;
}
