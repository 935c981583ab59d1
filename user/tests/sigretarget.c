/* A signal to a process waits for one thread; that blocks it, or ends, before it has taken it: another thread does. */
#include "t.h"
#include <pthread.h>
#include <stdatomic.h>

static atomic_int first, second, ready, failures;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* SIGUSR1 is taken first, and blocks SIGUSR2: if that was waiting for this thread, too, it has to go to the other one now. */
static void on_first(int sig)
{
	double until = now() + 20;
	sigset_t set;

	for (int i = 0; i < 2000 || now() < until; i++) {
		sigpending(&set);
		if (i >= 2000 && !sigismember(&set, SIGUSR2))
			break;
	}
	failures += sigismember(&set, SIGUSR2);
	first++;
}

static void on_second(int sig) { second++; }

static void *sleeper(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	sigaddset(&set, SIGUSR2);
	ready = 1;
	for (;;)
		pause();
	return NULL;
}

int main(void)
{
	struct sigaction a = { .sa_handler = on_first }, b = { .sa_handler = on_second };
	pthread_t thread;
	int rounds = 20;

	sigaddset(&a.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &a, NULL);
	sigaction(SIGUSR2, &b, NULL);
	pthread_create(&thread, NULL, sleeper, NULL);
	while (!ready)
		sched_yield();
	fflush(stdout);
	pid_t self = getpid(), pid = fork();
	if (!pid) {		/* both while the first thread is busy: it is the one that they wait for */
		for (int i = 0; i < rounds; i++) {
			kill(self, SIGUSR1);
			kill(self, SIGUSR2);
			usleep(20000);
		}
		_exit(0);
	}
	double until = now() + 500;
	while ((atomic_load(&second) < 1 || !atomic_load(&first) || waitpid(pid, NULL, WNOHANG) == 0) && now() < until && !failures)
		;
	SAY("all taken %d, failures %d\n", atomic_load(&second) >= 1 && atomic_load(&first) >= 1, atomic_load(&failures));
	return 0;
}
