/* Processes: fork, vfork, exec, scripts, exit statuses, wait, groups and sessions, limits, names. */
#include "t.h"
#include <sys/prctl.h>

#define DIR_NAME "/tmp/process-test"

static void make_file(const char *name, const char *text, int mode)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	if (write(fd, text, strlen(text)) < 0)
		perror(name);
	fchmod(fd, mode);
	close(fd);
}

/* What an executed copy of this program tells. */
static int executed(int argc, char **argv)
{
	SAY("argc %d", argc);
	for (int i = 1; i < argc; i++)
		SAY(" [%s]", argv[i]);
	SAY(" A=%s fd9 %s\n", getenv("A") ? getenv("A") : "-", fcntl(9, F_GETFD) < 0 ? "closed" : "open");
	return 21;
}

static void statuses(void)
{
	int status;
	pid_t pid;
	siginfo_t info = { 0 };

	CHILD("exit 5", _exit(5));
	CHILD("exit 256 + 7", _exit(256 + 7));
	CHILD("SIGTERM", raise(SIGTERM));
	CHILD("abort", abort());
	CHILD("SIGKILL", kill(getpid(), SIGKILL); pause());
	CHILD("null pointer", *at(8) = 1);
	CHILD("real-time signal", raise(40));
	CHILD("SIGCHLD is ignored", raise(SIGCHLD); _exit(1));
	T(wait(&status));
	if ((pid = fork()) == 0)
		for (;;)
			pause();
	T(waitpid(pid, &status, WNOHANG));
	T(waitpid(pid, &status, 0x40000000 | 0x1000));
	T(waitpid(999999, &status, 0));
	kill(pid, SIGKILL);
	T(waitpid(pid, &status, 0) == pid);
	if ((pid = fork()) == 0)
		_exit(17);
	T(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	SAY("waitid: signo %d code %d status %d pid %d\n", info.si_signo, info.si_code, info.si_status, info.si_pid == pid);
	T(waitpid(pid, &status, 0) == pid);
	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0)
		_exit(1);
	T(wait(&status));
	signal(SIGCHLD, SIG_DFL);
	if ((pid = vfork()) == 0)
		_exit(9);
	show_status("vfork", wait_for(pid));
}

static void exec_errors(const char *self)
{
	char *big = malloc(300000);

	memset(big, 'x', 299999);
	big[299999] = 0;
	make_file("garbage", "\177ELF garbage", 0755);
	make_file("empty", "", 0755);
	make_file("text", "no program\n", 0755);
	make_file("not-executable", "#!/bin/sh\n", 0644);
	make_file("loop", "#!" DIR_NAME "/loop\n", 0755);
	make_file("no-interp", "#!/nonexistent\n", 0755);
	make_file("blank", "#!  \n", 0755);
	T(execl("/nonexistent", "x", NULL));
	T(execl("", "x", NULL));
	T(execl("/", "x", NULL));
	T(execl("/bin/busybox/x", "x", NULL));
	T(execl("garbage", "x", NULL));
	T(execl("empty", "x", NULL));
	T(execl("text", "x", NULL));
	T(execl("not-executable", "x", NULL));
	T(execl("loop", "x", NULL));
	T(execl("no-interp", "x", NULL));
	T(execl("blank", "x", NULL));
	T(execl(self, "x", big, NULL));
	big[131072] = 0;
	T(execl(self, "x", big, NULL));
	free(big);
}

static void execs(const char *self)
{
	char script[4200];
	char *env[] = { "A=value", NULL };

	CHILD("exec", execle(self, "x", "executed", "a b", "", "c", NULL, env));
	snprintf(script, sizeof(script), "#! %s  executed one arg  \nrest", self);
	make_file("script", script, 0755);
	CHILD("script", execl("script", "name", "s1", "s2", NULL));
	make_file("script2", "#!" DIR_NAME "/script\targ2\n", 0755);
	CHILD("script of a script", execl(DIR_NAME "/script2", "name", "s1", NULL));
	CHILD("close on exec", dup2(1, 9); fcntl(9, F_SETFD, FD_CLOEXEC); execl(self, "x", "executed", NULL));
	CHILD("kept descriptor", dup2(1, 9); execl(self, "x", "executed", NULL));
	CHILD("no argv", syscall(SYS_execve, self, NULL, NULL));
	CHILD("execveat", int fd = open(self, O_RDONLY); char *argv[] = { "x", "executed", NULL };
	      syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH));
}

static void groups(void)
{
	pid_t pid;

	CHILD("groups",
	      T(setpgid(0, 0)); T(getpgrp() == getpid()); T(setsid());
	      if (!fork()) { T(setsid() == getpid()); T(getsid(0) == getpid()); T(setpgid(0, 0)); _exit(0); }
	      wait(NULL));
	T(setpgid(-1, 0));
	T(setpgid(0, -1));
	T(getpgid(999999));
	T(getsid(-5));
	T(kill(999999, 0));
	T(kill(getpid(), 65));
	T(kill(getpid(), 0));
	T(kill(-999999, 0));
	/* A group gets a signal; the sender is not in it. */
	int ready[2];
	char byte;
	if (pipe(ready))
		exit(1);
	if ((pid = fork()) == 0) {
		setpgid(0, 0);
		if (fork() == 0) {
			if (write(ready[1], "r", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	if (read(ready[0], &byte, 1) != 1)	/* both are there: under load no time is long enough */
		exit(1);
	close(ready[0]);
	close(ready[1]);
	T(kill(-pid, SIGINT));
	show_status("leader", wait_for(pid));
	/* An orphan gets a new parent. */
	CHILD("orphan", pid_t me = getpid(); if (!fork()) { while (getppid() == me) usleep(1000); _exit(0); });
}

static void limits_and_names(void)
{
	struct rlimit limit = { 5, 3 };
	char name[17] = { 0 };

	T(setrlimit(RLIMIT_CORE, &limit));
	T(getrlimit(99, &limit));
	CHILD("limit of files", limit = (struct rlimit){ 5, 5 }; setrlimit(RLIMIT_NOFILE, &limit); close(3); close(4);
	      T(dup2(0, 5)); T(dup(0) >= 0); T(dup(0) >= 0); T(dup(0)));
	T(prctl(PR_SET_NAME, "a name longer than fifteen"));
	T(prctl(PR_GET_NAME, name));
	SAY("name: %s\n", name);
	T(prctl(99));
	T(nice(0) == getpriority(PRIO_PROCESS, 0));	/* whoever runs the tests may be nice */
	T(sched_yield());
	T(getpriority(PRIO_PROCESS, 999999));
	T(umask(027));
	T(umask(022));
}

int main(int argc, char **argv)
{
	char self[4096];

	/* As the script of a script gives them, "executed" comes late. */
	for (int i = 1; i < argc; i++)
		if (!strncmp(argv[i], "executed", 8))
			return executed(argc, argv);
	if (argc <= 1 && (!argv[0] || !*argv[0]))
		return 22;
	if (!realpath(argv[0], self))
		return 1;
	alone_on_this_machine();
	mkdir(DIR_NAME, 0755);
	if (chdir(DIR_NAME))
		return 1;
	statuses();
	exec_errors(self);
	execs(self);
	groups();
	limits_and_names();
	const char *files[] = { "garbage", "empty", "text", "not-executable", "loop", "no-interp", "blank", "script", "script2" };
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	chdir("/");
	T(rmdir(DIR_NAME));
	return 0;
}
