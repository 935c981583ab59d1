/*
 * Corners of processes that no other test program comes to (./cowslip coverage tells): signals that SIGCONT takes back, a timer's among them; semaphores of
 * several sets undone at once; more IPC objects than a table has places at first; nice values of a group, lists of robust locks of others; clone3() with
 * arguments of the future.
 */
#include "t.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>

static void pending(const char *what)
{
	sigset_t set;

	sigpending(&set);
	SAY("%s: TSTP %d, USR1 %d, RTMIN %d\n", what, sigismember(&set, SIGTSTP), sigismember(&set, SIGUSR1), sigismember(&set, SIGRTMIN));
}

static void wait_pending(int sig)
{
	sigset_t set;

	do {
		usleep(1000);
		sigpending(&set);
	} while (!sigismember(&set, sig));
}

static void taken_back(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGTSTP };
	struct itimerspec once = { .it_value = { 0, 1000000 } };
	sigset_t set;
	timer_t timer;

	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++) {
		sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = i });
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i });
		sigqueue(getpid(), SIGTSTP, (union sigval){ .sival_int = i });
	}
	pending("queued");
	kill(getpid(), SIGCONT);
	pending("continued");
	for (int i = 0; i < 3; i++) {
		siginfo_t info;
		struct timespec none = { 0, 0 };
		sigset_t one;
		sigemptyset(&one);
		sigaddset(&one, SIGRTMIN);
		int sig = sigtimedwait(&one, &info, &none);
		SAY("one of three: %d %d\n", sig == SIGRTMIN, info.si_value.sival_int);
	}
	T(timer_create(CLOCK_MONOTONIC, &event, &timer));
	for (int i = 0; i < 3; i++) {		/* each time it comes again */
		T(timer_settime(timer, 0, &once, NULL));
		wait_pending(SIGTSTP);
		pending("fired");
		kill(getpid(), SIGCONT);
		pending("continued");
	}
	T(timer_settime(timer, 0, &once, NULL));
	wait_pending(SIGTSTP);
	T(timer_delete(timer));			/* while its signal waits */
	kill(getpid(), SIGCONT);
	pending("deleted and continued");
}

static int value(int id, int n) { return semctl(id, n, GETVAL); }

/* Adjustments of three sets; one set goes before its process. */
static void undone(void)
{
	int id[3], status;
	pid_t pid;

	for (int i = 0; i < 3; i++) {
		id[i] = semget(IPC_PRIVATE, 2, 0600);
		semctl(id[i], 0, SETVAL, 5);
		semctl(id[i], 1, SETVAL, 5);
	}
	pid = fork();
	if (!pid) {
		struct sembuf op[2] = { { 0, -2, SEM_UNDO }, { 1, 1, SEM_UNDO } };
		for (int i = 0; i < 3; i++)
			syscall(SYS_semtimedop, id[i], op, 2UL, NULL);
		for (int i = 0; i < 3; i++)
			SAY("child: %d %d\n", value(id[i], 0), value(id[i], 1));
		T(semctl(id[0], 0, IPC_RMID));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	show_status("child", status);
	for (int i = 0; i < 3; i++)
		SAY("undone: %d %d\n", value(id[i], 0), value(id[i], 1));
	T(semctl(id[1], 0, IPC_RMID));
	T(semctl(id[2], 0, IPC_RMID));
}

#define MANY 300

static void many_objects(void)
{
	static int id[MANY];
	int wrong = 0, same = 0;

	for (int i = 0; i < MANY; i++) {
		char *p;
		id[i] = shmget(IPC_PRIVATE, PAGE, 0600);
		p = shmat(id[i], NULL, 0);
		*(int *)p = i;
		shmdt(p);
	}
	for (int i = 0; i < MANY; i++) {
		int *p = shmat(id[i], NULL, SHM_RDONLY);
		wrong += p == (void *)-1 || *p != i;
		shmdt(p);
		for (int j = 0; j < i; j++)
			same += id[i] == id[j];
	}
	SAY("segments wrong: %d, with one id: %d\n", wrong, same);
	for (int i = 0; i < MANY; i++)
		wrong += shmctl(id[i], IPC_RMID, NULL) != 0;
	SAY("not removed: %d\n", wrong);
	T(shmctl(id[7], IPC_RMID, NULL));
	for (int round = 0, old; round < 3; round++) {		/* its place is taken again, its id is not */
		old = id[0];
		for (int i = 0; i < MANY; i++) {
			id[i] = shmget(IPC_PRIVATE, PAGE, 0600);
			same += id[i] == old;
			shmctl(id[i], IPC_RMID, NULL);
		}
	}
	SAY("used again: %d\n", same);
}

static void others(void)
{
	struct robust_list_head *head, mine;
	size_t length = 0;
	int status, fd[2];
	char c;
	pid_t pid;

	pipe(fd);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		syscall(SYS_set_robust_list, &mine, sizeof(mine));
		write(fd[1], "r", 1);
		pause();
	}
	read(fd[0], &c, 1);
	T(syscall(SYS_get_robust_list, pid, &head, &length));
	SAY("the child's list: %d, %d bytes\n", head == &mine, (int)length);
	T(syscall(SYS_get_robust_list, pid, (void *)8, &length));
	T(syscall(SYS_get_robust_list, 99999999, &head, &length));
	T(setpriority(PRIO_PGRP, (id_t)pid, 7));
	T(getpriority(PRIO_PGRP, (id_t)pid));
	T(getpriority(PRIO_PROCESS, (id_t)pid));
	T(getpriority(PRIO_PGRP, 99999999));
	T(getpriority(7, 0));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	show_status("child", status);
}

static void future_arguments(void)
{
	static union {
		struct clone_args args;
		char bytes[PAGE + 8];
	} u = { .args = { .exit_signal = SIGCHLD } };
	int status;
	pid_t pid;

	for (size_t size = 64; size <= 4096; size *= 4) {
		pid = (pid_t)syscall(SYS_clone3, &u, size);
		if (!pid)
			_exit((int)(size / 64));
		waitpid(pid, &status, 0);
		show_status("child", status);
	}
	T(syscall(SYS_clone3, &u, 63UL));
	T(syscall(SYS_clone3, &u, PAGE + 8));
	u.bytes[200] = 1;
	T(syscall(SYS_clone3, &u, 256UL));
	u.bytes[200] = 0;
	T(syscall(SYS_clone3, (void *)8, 256UL));
	u.args.flags = CLONE_SETTLS;
	u.args.tls = 1UL << 63;
	T(syscall(SYS_clone3, &u, sizeof(u.args)));
	u.args.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM;
	T(syscall(SYS_clone3, &u, sizeof(u.args)));
}

int main(void)
{
	taken_back();
	undone();
	many_objects();
	others();
	future_arguments();
	return 0;
}
