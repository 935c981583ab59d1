/* Real-time signals queue: order, values, the limit; standard signals do not. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RT(n) (SIGRTMIN + (n))

static char order[4000];
static size_t length;

static void note(int sig, siginfo_t *info, void *context)
{
	char name = sig >= SIGRTMIN ? 'a' + sig - SIGRTMIN : 'U';

	length += snprintf(order + length, sizeof(order) - length, " %c%d/%d", name, info->si_value.sival_int, info->si_code);
}

static void send(int sig, int value)
{
	if (sigqueue(getpid(), sig, (union sigval){ .sival_int = value }))
		printf("sigqueue: %s\n", strerror(errno));
}

static void handlers(void)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };
	sigset_t all, old, pending;

	sigfillset(&action.sa_mask);
	sigaction(RT(0), &action, NULL);
	sigaction(RT(1), &action, NULL);
	sigaction(RT(5), &action, NULL);
	sigaction(SIGUSR1, &action, NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < 5; i++) {
		send(RT(5), i);
		send(RT(1), 10 + i);
		send(SIGUSR1, 100 + i);
		send(RT(0), 20 + i);
	}
	kill(getpid(), RT(1));			/* no value, but it queues as well */
	sigpending(&pending);
	printf("pending: %d %d %d %d\n", sigismember(&pending, RT(0)), sigismember(&pending, RT(1)), sigismember(&pending, RT(2)),
	       sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* All come before sigprocmask returns; the frames are stacked, so the last made runs first: sort out by sigtimedwait below. */
	printf("handled %zu bytes of notes\n", length);
}

static void waiting(void)
{
	struct timespec none = { 0, 0 };
	siginfo_t info;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	for (int i = 0; i < 6; i++)
		sigaddset(&set, RT(i));
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 4; i++) {
		send(RT(4), i);
		send(RT(2), i);
		send(SIGUSR1, i);
	}
	/* To the thread itself: taken before those of the process. */
	siginfo_t own = { .si_code = SI_QUEUE, .si_value.sival_int = 77 };
	syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), RT(4), &own);
	while ((sig = sigtimedwait(&set, &info, &none)) > 0)
		printf("took %d: value %d code %d pid %d\n", sig - SIGRTMIN, info.si_value.sival_int, info.si_code, info.si_pid == getpid());
	printf("then %s\n", strerror(errno));
}

static void limits(void)
{
	struct timespec none = { 0, 0 };
	struct rlimit limit = { 10, 10 };
	siginfo_t info;
	sigset_t set;
	int sent = 0, taken = 0;

	pid_t child = fork();
	if (child) {
		waitpid(child, NULL, 0);
		return;
	}
	if (setuid(65534))		/* Linux counts by user: a user who has nothing else pending */
		_exit(1);
	setrlimit(RLIMIT_SIGPENDING, &limit);
	sigemptyset(&set);
	sigaddset(&set, RT(3));
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (sent < 100 && !sigqueue(getpid(), RT(3), (union sigval){ .sival_int = sent }))
		sent++;
	printf("limit: %d sent, then %s\n", sent, strerror(errno));
	printf("kill() is not refused: %d\n", kill(getpid(), RT(3)));
	while (sigtimedwait(&set, &info, &none) > 0)
		taken++;
	printf("%d taken\n", taken);
	sent = 0;
	while (sent < 100 && !sigqueue(getpid(), RT(3), (union sigval){ .sival_int = sent }))
		sent++;
	printf("and again %d\n", sent);
	fflush(stdout);
	_exit(0);
}

/* Pending signals of a child: none; after exec: kept. Ignoring drops what is queued. */
static void dropping(void)
{
	struct timespec none = { 0, 0 };
	siginfo_t info;
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, RT(3));
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++)
		send(RT(3), i);
	pid_t child = fork();
	if (!child) {
		sigpending(&pending);
		printf("child has it pending: %d\n", sigismember(&pending, RT(3)));
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
	signal(RT(3), SIG_IGN);
	signal(RT(3), SIG_DFL);
	printf("after ignoring: %d\n", sigtimedwait(&set, &info, &none));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	handlers();
	waiting();
	if (geteuid() == 0)
		limits();
	dropping();
	return 0;
}
