/* POSIX timers and interval timers: what they answer, which signals come, how overruns count. Nothing here measures time: it only waits. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *error_name(int r) { return r == 0 ? "ok" : strerror(errno); }
#define T(call) printf("%s: %s\n", #call, error_name(call))
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id __sev_fields.sigev_notify_thread_id
#endif

static struct itimerspec after(long ms, long interval_ms)
{
	return (struct itimerspec){ .it_value = { ms / 1000, ms % 1000 * 1000000 }, .it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 } };
}

static void answers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec v = after(100000000, 7000), old;
	timer_t a, b;

	T(timer_create(99, &event, &a));
	T(timer_create(-1, &event, &a));
	event.sigev_notify = 77;
	T(timer_create(CLOCK_MONOTONIC, &event, &a));
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 65;
	T(timer_create(CLOCK_MONOTONIC, &event, &a));
	event.sigev_signo = 0;
	T(timer_create(CLOCK_MONOTONIC, &event, &a));
	event.sigev_notify = SIGEV_NONE;
	T(timer_create(CLOCK_MONOTONIC, &event, &a));
	T(timer_create(CLOCK_REALTIME, NULL, &b));
	T(timer_gettime(a, &old));
	printf("off: %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_interval.tv_sec);
	T(timer_settime(a, 0, &v, NULL));
	T(timer_settime(a, 0, &v, &old));
	printf("left: %d, interval %ld\n", old.it_value.tv_sec > 90000 && old.it_value.tv_sec <= 100000, (long)old.it_interval.tv_sec);
	v.it_value.tv_nsec = 1000000000;
	T(timer_settime(a, 0, &v, NULL));
	v = after(100000, 0);
	T(timer_settime(b, 0, &v, NULL));
	v = after(0, 0);
	T(timer_settime(b, 0, &v, &old));
	T(timer_gettime(b, &old));
	printf("off again: %ld %ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_nsec);
	T(timer_getoverrun(a));
	T(timer_delete(a));
	T(timer_delete(a));
	T(timer_gettime(a, &old));
	T(timer_getoverrun(a));
	T(timer_delete(b));
}

static sigset_t block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return set;
}

static void signals(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2, .sigev_value.sival_int = 4711 };
	struct itimerspec v = after(20, 0);
	sigset_t set = block(SIGRTMIN + 2);
	siginfo_t info;
	timer_t t;

	T(timer_create(CLOCK_MONOTONIC, &event, &t));
	T(timer_settime(t, 0, &v, NULL));
	printf("took the signal: %d\n", sigwaitinfo(&set, &info) == SIGRTMIN + 2);
	printf("code %d value %d overrun %d\n", info.si_code, info.si_value.sival_int, info.si_overrun);

	/* Many expiries while one signal is pending: one signal, the rest are overruns. */
	v = after(1, 1);
	timer_settime(t, 0, &v, NULL);
	usleep(60000);
	sigwaitinfo(&set, &info);
	printf("overruns: %d, the call agrees: %d\n", info.si_overrun > 5, timer_getoverrun(t) == info.si_overrun);
	v = after(0, 0);
	timer_settime(t, 0, &v, NULL);

	/* Absolute, and already over. */
	clock_gettime(CLOCK_MONOTONIC, &v.it_value);
	while (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) > 0)
		;
	T(timer_settime(t, TIMER_ABSTIME, &v, NULL));
	printf("absolute: %d\n", sigwaitinfo(&set, &info) == SIGRTMIN + 2);
	timer_delete(t);

	/* To one thread. */
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_notify_thread_id = (int)syscall(SYS_gettid);
	v = after(10, 0);
	T(timer_create(CLOCK_MONOTONIC, &event, &t));
	timer_settime(t, 0, &v, NULL);
	printf("to the thread: %d\n", sigwaitinfo(&set, &info) == SIGRTMIN + 2);
	event.sigev_notify_thread_id = 1 << 22;
	timer_delete(t);
	T(timer_create(CLOCK_MONOTONIC, &event, &t));
}

static volatile sig_atomic_t caught[65];
static void handler(int sig) { caught[sig]++; }

static void interval_timers(void)
{
	static const int which[] = { ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF }, sig[] = { SIGALRM, SIGVTALRM, SIGPROF };
	struct itimerval v, old;

	T(setitimer(3, &v, NULL));
	T(getitimer(3, &v));
	for (int i = 0; i < 3; i++) {
		signal(sig[i], handler);
		v = (struct itimerval){ .it_value = { 0, 10000 }, .it_interval = { 0, 10000 } };
		T(setitimer(which[i], &v, NULL));
		while (caught[sig[i]] < 3)
			getppid();
		v = (struct itimerval){ 0 };
		T(setitimer(which[i], &v, &old));
		printf("%s came three times, interval %ld\n", strsignal(sig[i]), (long)old.it_interval.tv_usec);
		getitimer(which[i], &old);
		printf("off: %ld\n", (long)(old.it_value.tv_sec + old.it_value.tv_usec));
	}
}

/* Timers end with exec and are not inherited. */
static void inheritance(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	struct itimerspec now;
	timer_t t;

	T(timer_create(CLOCK_MONOTONIC, &event, &t));
	pid_t child = fork();
	if (!child) {
		T(timer_gettime(t, &now));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	T(timer_gettime(t, &now));
}

static void cpu_limit(void)
{
	int status;
	pid_t child = fork();

	if (!child) {
		struct rlimit limit = { 1, 2 };
		setrlimit(RLIMIT_CPU, &limit);
		signal(SIGXCPU, handler);
		while (!caught[SIGXCPU])
			;
		printf("SIGXCPU\n");
		fflush(stdout);
		for (;;)
			;
	}
	waitpid(child, &status, 0);
	printf("then killed by %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : -1);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	answers();
	signals();
	interval_timers();
	inheritance();
	cpu_limit();
	return 0;
}
