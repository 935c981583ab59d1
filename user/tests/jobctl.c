/* Stop and continue: what the parent sees, what a stopped process does not do, which signals cancel each other. */
#include "t.h"
#include <pthread.h>

#define CHECK(cond) do { if (!(cond)) { printf("%d: %s does not hold (errno %d)\n", __LINE__, #cond, errno); exit(1); } } while (0)

static void show_wait(const char *what, pid_t child, int options)
{
	int status = 0;
	pid_t pid = waitpid(child, &status, options);

	if (pid != child)
		printf("%s: %s\n", what, pid < 0 ? strerror(errno) : "nothing");
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %s\n", what, strsignal(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else if (WIFSIGNALED(status))
		printf("%s: killed by %s\n", what, strsignal(WTERMSIG(status)));
	else
		printf("%s: exit %d\n", what, WEXITSTATUS(status));
}

static pid_t spinner(void)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			;
	setpgid(pid, 0);	/* a group with a parent outside: the terminal's stop signals count (JC4) */
	return pid;
}

static void basics(void)
{
	pid_t child = spinner();

	show_wait("not stopped", child, WUNTRACED | WNOHANG);
	kill(child, SIGSTOP);
	show_wait("stop", child, WUNTRACED);
	printf("state %c\n", process_state(child));
	show_wait("again", child, WUNTRACED | WNOHANG);
	kill(child, SIGCONT);
	show_wait("cont", child, WCONTINUED);
	show_wait("again", child, WCONTINUED | WUNTRACED | WNOHANG);
	kill(child, SIGSTOP);
	show_wait("stop", child, WUNTRACED);
	kill(child, SIGTERM);
	show_wait("a signal does not wake it", child, WUNTRACED | WNOHANG);
	kill(child, SIGCONT);
	show_wait("but is there afterwards", child, 0);

	child = spinner();
	kill(child, SIGSTOP);
	show_wait("stop", child, WUNTRACED);
	kill(child, SIGKILL);
	show_wait("SIGKILL ends a stopped one", child, 0);
}

static void by_waitid(void)
{
	pid_t child = spinner();
	siginfo_t info;

	kill(child, SIGSTOP);
	memset(&info, 0, sizeof(info));
	CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT) == 0);
	printf("waitid: code %d status %d signo %d own %d\n", info.si_code, info.si_status, info.si_signo, info.si_pid == child);
	CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED) == 0);
	info.si_pid = 1;
	CHECK(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOHANG) == 0);
	printf("reported once: pid %d\n", info.si_pid);
	kill(child, SIGCONT);
	CHECK(waitid(P_PID, (id_t)child, &info, WCONTINUED | WEXITED) == 0);
	printf("waitid: code %d status %d\n", info.si_code, info.si_status);
	kill(child, SIGKILL);
	CHECK(waitid(P_PID, (id_t)child, &info, WEXITED) == 0);
	printf("waitid: code %d status %d\n", info.si_code, info.si_status);
}

static volatile sig_atomic_t chld, chld_code, chld_status;
static void on_chld(int sig, siginfo_t *info, void *context) { chld++; chld_code = info->si_code; chld_status = info->si_status; }

static void told(const char *what, int want)
{
	struct timespec t = { 0, 1000000 };

	for (int i = 0; i < 600000 && chld < want; i++)
		nanosleep(&t, NULL);
	printf("%s: SIGCHLD %d code %d status %d\n", what, (int)chld, (int)chld_code, (int)chld_status);
}

static void parent_signals(void)
{
	struct sigaction action = { .sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t child = spinner();

	sigaction(SIGCHLD, &action, NULL);
	kill(child, SIGTSTP);
	told("SIGTSTP", 1);
	kill(child, SIGCONT);
	told("SIGCONT", 2);
	action.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &action, NULL);
	kill(child, SIGSTOP);
	show_wait("SA_NOCLDSTOP", child, WUNTRACED);
	kill(child, SIGCONT);
	show_wait("SA_NOCLDSTOP", child, WCONTINUED);
	kill(child, SIGKILL);
	show_wait("killed", child, 0);
	told("in all", 3);
	signal(SIGCHLD, SIG_DFL);
}

static volatile sig_atomic_t conts;
static void on_cont(int sig) { conts++; }

/* The later of a stop signal and SIGCONT counts, blocked or not. */
static void cancelling(void)
{
	sigset_t set, pending;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCONT, on_cont);
	raise(SIGTSTP);
	sigpending(&pending);
	printf("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
	raise(SIGCONT);
	sigpending(&pending);
	printf("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
	raise(SIGTSTP);
	sigpending(&pending);
	printf("pending: TSTP %d CONT %d\n", sigismember(&pending, SIGTSTP), sigismember(&pending, SIGCONT));
	raise(SIGCONT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("not stopped, handler ran %d\n", (int)conts);
	signal(SIGCONT, SIG_DFL);
}

static void handlers_and_ignoring(void)
{
	int ready[2];
	char c;

	CHECK(pipe(ready) == 0);
	pid_t child = fork();
	if (!child) {
		conts = 0;
		signal(SIGTSTP, SIG_IGN);
		signal(SIGTTIN, on_cont);
		signal(SIGCONT, on_cont);
		CHECK(write(ready[1], "r", 1) == 1);
		while (conts < 1)
			usleep(1000);
		CHECK(write(ready[1], "h", 1) == 1);
		while (conts < 2)
			usleep(1000);
		_exit(30 + conts);
	}
	CHECK(read(ready[0], &c, 1) == 1);
	kill(child, SIGTSTP);
	kill(child, SIGTTIN);		/* has a handler: not stopped */
	CHECK(read(ready[0], &c, 1) == 1);
	show_wait("ignored and handled", child, WUNTRACED | WNOHANG);
	kill(child, SIGSTOP);
	show_wait("SIGSTOP always stops", child, WUNTRACED);
	kill(child, SIGCONT);
	show_wait("its handler runs after SIGCONT", child, 0);
	close(ready[0]);
	close(ready[1]);
}

/* An orphaned group is not stopped by the terminal's signals; one that becomes orphaned while stopped is woken. */
static void orphans(void)
{
	int channel[2];
	char c = '-';

	CHECK(pipe(channel) == 0);
	pid_t leader = fork();
	if (!leader) {
		setsid();
		pid_t middle = fork();
		if (!middle) {
			setpgid(0, 0);
			pid_t member = fork();
			if (!member) {
				signal(SIGHUP, SIG_IGN);
				setpgid(0, 0);
				CHECK(write(channel[1], "a", 1) == 1);
				raise(SIGTSTP);		/* middle is its parent in another group: it stops */
				CHECK(write(channel[1], "b", 1) == 1);
				raise(SIGTSTP);		/* orphaned now: nothing happens */
				CHECK(write(channel[1], "c", 1) == 1);
				_exit(0);
			}
			int status;
			waitpid(member, &status, WUNTRACED);
			CHECK(WIFSTOPPED(status));
			_exit(0);	/* the member's group becomes orphaned: SIGHUP and SIGCONT */
		}
		waitpid(middle, NULL, 0);
		_exit(0);
	}
	close(channel[1]);
	printf("orphans: ");
	while (read(channel[0], &c, 1) == 1)
		putchar(c);
	printf("\n");
	waitpid(leader, NULL, 0);
	close(channel[0]);
}

static void *idle_thread(void *arg)
{
	while (pause())
		;
	return NULL;
}

/* All threads of a process stop, wherever they are, and SIGCONT moves them all. */
static void threads_stop(void)
{
	static volatile unsigned long counter;
	int ready[2];
	char c;

	CHECK(pipe(ready) == 0);
	pid_t child = fork();
	if (!child) {
		pthread_t t;
		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, idle_thread, NULL);
		CHECK(write(ready[1], "r", 1) == 1);
		for (;;)
			counter++;
	}
	CHECK(read(ready[0], &c, 1) == 1);
	for (int i = 0; i < 20; i++) {
		kill(child, SIGSTOP);
		int status;
		CHECK(waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status));
		CHECK(process_state(child) == 'T');
		kill(child, SIGCONT);
		CHECK(waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status));
	}
	kill(child, SIGKILL);
	show_wait("four threads stopped 20 times", child, 0);
	close(ready[0]);
	close(ready[1]);
}

/* Sleeping calls go on after stop and continue, with what is left of their time. The child sleeps until it has been stopped 20 times, however long that takes. */
static void sleepers(void)
{
	volatile int *enough = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = fork();

	if (!child) {
		int wrong = 0, rounds = 0;

		do {
			struct timespec t = { 0, 150000000 }, from, to;
			int word = 0;
			clock_gettime(CLOCK_MONOTONIC, &from);
			wrong += nanosleep(&t, NULL) != 0;
			wrong += poll(NULL, 0, 100) != 0;
			wrong += syscall(SYS_futex, &word, 0, 0, &t, NULL, 0) != -1 || errno != ETIMEDOUT;
			clock_gettime(CLOCK_MONOTONIC, &to);
			wrong += (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000 < 400;
		} while (!*enough || !rounds++);
		printf("nanosleep, poll and futex: %d interrupted or too short\n", wrong);
		fflush(stdout);
		_exit(0);
	}
	for (int i = 0; i < 20; i++) {
		int status;
		kill(child, SIGSTOP);
		if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status))
			exit(1);
		kill(child, SIGCONT);
		waitpid(child, &status, WCONTINUED);
		usleep(20000);
	}
	*enough = 1;
	show_wait("sleeper", child, 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	basics();
	by_waitid();
	parent_signals();
	cancelling();
	handlers_and_ignoring();
	orphans();
	threads_stop();
	sleepers();
	return 0;
}
