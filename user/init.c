/*
 * PID 1. Runs the job that the host's runner asked for (/dev/job), or an interactive shell, or a short demonstration;
 * reaps what it inherits; and when the job ends kills the rest, syncs, tells the runner the status and powers off.
 * Without a runner, and in a window, there is a shell on each virtual console (and the serial line), until somebody
 * says poweroff, halt, reboot or Ctrl-Alt-Del.
 *
 * Statuses are the shell's: the exit code, 128 + signal, 127 not found, 126 found but not executable.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STATUS_NOT_FOUND 127
#define STATUS_NOT_EXECUTABLE 126

enum { TTY_IN = 1, TTY_OUT = 2, TTY_ERR = 4, SAME_FILE = 8, WINDOW = 16 };	/* the job's stream mask; a window with a keyboard */

static char *environment[] = {
	"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux", NULL,
};

static const char demonstration[] =
	"echo 'Cowslip: no program given and no terminal, so here is a short demonstration.'\n"
	"uname -a\n"
	"cat /proc/version 2>/dev/null\n"
	"mount\n"
	"ls /\n"
	"grep -E 'MemTotal|MemFree' /proc/meminfo\n"
	"echo 'a file written and read back' >/tmp/demo && cat /tmp/demo\n";

/* Text for the host: what went wrong with starting (the runner then gives 125). */
static void tell_control(const char *text)
{
	bool told = false;

	/* Memory may be short for a moment, and without this the host would never know the status. */
	for (int tries = 0; !told && tries < 200; tries++) {
		int fd = open("/dev/control", O_WRONLY | O_CLOEXEC);
		if (fd >= 0) {
			told = write(fd, text, strlen(text)) > 0;
			close(fd);
		} else if (errno == ENOENT) {
			return;		/* no runner */
		}
		if (!told)
			usleep(10000);
	}
}

/* --- the job --- */

static char *read_job(size_t *size)
{
	int fd = open("/dev/job", O_RDONLY | O_CLOEXEC);
	size_t room = 1 << 16, n = 0;
	char *job = malloc(room);

	while (fd >= 0 && job) {
		ssize_t got = read(fd, job + n, room - n);
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n == room)
			job = realloc(job, room *= 2);
	}
	if (fd >= 0)
		close(fd);
	*size = n;
	return job;
}

/* The strings after the first two become an argument vector; NULL: no program. */
static char **job_arguments(char *job, size_t size)
{
	char *end = job + size, *p = job;
	size_t n = 0;

	for (char *q = job; q < end; q += strlen(q) + 1)
		n++;
	if (n < 3)
		return NULL;
	char **argv = calloc(n - 1, sizeof(*argv));
	if (!argv)
		return NULL;
	p += strlen(p) + 1;
	p += strlen(p) + 1;
	for (size_t i = 0; i < n - 2; i++, p += strlen(p) + 1)
		argv[i] = p;
	return argv;
}

/* --- the job's process --- */

static void open_stream(int fd, const char *device, int flags)
{
	int opened = open(device, flags);

	if (opened < 0)
		opened = open("/dev/null", flags);
	if (opened >= 0 && opened != fd) {
		dup2(opened, fd);
		close(opened);
	}
}

/* Descriptors 0 to 2: the runner's terminal where the host's stream is one, else the host's stream itself. */
static void open_streams(int mask)
{
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	const char *terminal = access("/dev/hvc0", F_OK) == 0 ? "/dev/hvc0" : "/dev/console";
	open_stream(0, mask & TTY_IN ? terminal : "/dev/hostin", mask & TTY_IN ? O_RDWR | O_NOCTTY : O_RDONLY);
	open_stream(1, mask & TTY_OUT ? terminal : "/dev/hostout", mask & TTY_OUT ? O_RDWR | O_NOCTTY : O_WRONLY);
	if (mask & SAME_FILE)
		dup2(1, 2);
	else
		open_stream(2, mask & TTY_ERR ? terminal : "/dev/hosterr", mask & TTY_ERR ? O_RDWR | O_NOCTTY : O_WRONLY);
}

static void take_terminal(int mask)
{
	int fd = mask & TTY_IN ? 0 : mask & TTY_OUT ? 1 : mask & TTY_ERR ? 2 : -1;

	setsid();
	if (fd >= 0 && ioctl(fd, TIOCSCTTY, 0) == 0) {
		pid_t group = getpid();
		ioctl(fd, TIOCSPGRP, &group);
	}
}

static void start_failed(const char *program)
{
	int error = errno, status = error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;

	if (error == ENOENT || error == ENOTDIR)
		dprintf(2, "cowslip: %s: not found\n", program);
	else
		dprintf(2, "cowslip: %s: cannot be executed: %s\n", program, strerror(error));
	_exit(status);
}

static void run(const char *program, char **argv)
{
	environ = environment;
	execvp(program, argv);
	start_failed(program);
}

static void child(int mask, char **argv)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	open_streams(mask);
	take_terminal(mask);
	umask(022);
	if (chdir("/") != 0)
		perror("cowslip: /");
	if (argv)
		run(argv[0], argv);
	if (access("/bin/sh", X_OK) != 0) {
		dprintf(2, "cowslip: /bin/sh: %s: this root file system has no shell\n", strerror(errno));
		_exit(STATUS_NOT_FOUND);
	}
	if (mask & TTY_IN) {
		if (chdir("/root") != 0 && chdir("/") != 0)
			perror("cowslip: /root");
		run("/bin/sh", (char *[]){ "-sh", NULL });
	}
	run("/bin/sh", (char *[]){ "sh", "-c", (char *)demonstration, NULL });
}

/* --- the end --- */

/* Wait for the job; everybody else who ends meanwhile is reaped too. */
static int wait_for(pid_t job)
{
	int status;

	for (;;) {
		pid_t pid = wait(&status);
		if (pid == job)
			break;
		if (pid < 0 && errno != EINTR)
			return 125;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Kill what is left and reap it; what does not die within a while (an unkillable sleep) is left alone. */
static void kill_everybody(void)
{
	kill(-1, SIGKILL);
	for (int i = 0; i < 300; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return;
		if (pid == 0)
			usleep(10000);
	}
}

static void finish(int status)
{
	char line[32];

	kill_everybody();
	sync();
	snprintf(line, sizeof(line), "S %d\n", status);
	tell_control(line);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* What fork() failing, or a missing /dev, means: nothing can be run. */
static void cannot_start(const char *what)
{
	char line[256];

	snprintf(line, sizeof(line), "E init: %s: %s\n", what, strerror(errno));
	tell_control(line);
	finish(125);
}

/* --- a machine with people in front of it: a shell on every terminal, again when it ends --- */

static struct console {
	const char *device, *term;
	pid_t pid;
	time_t started;
} consoles[] = {
	{ "/dev/tty1", "TERM=linux", 0, 0 }, { "/dev/tty2", "TERM=linux", 0, 0 }, { "/dev/tty3", "TERM=linux", 0, 0 }, { "/dev/ttyS0", "TERM=vt102", 0, 0 },
};
#define NR_CONSOLES (sizeof(consoles) / sizeof(consoles[0]))

/* Its own session, which the terminal opened first controls. */
static void console_shell(const struct console *c)
{
	static char *arguments[] = { "-sh", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	for (int fd = 0; fd < 3; fd++)
		close(fd);
	if (open(c->device, O_RDWR) != 0 || dup(0) < 0 || dup(0) < 0)
		_exit(STATUS_NOT_FOUND);
	umask(022);
	environment[2] = (char *)c->term;
	if (chdir("/root") != 0 && chdir("/") != 0)
		perror("cowslip: /root");
	run("/bin/sh", arguments);
}

static void start_console(struct console *c)
{
	if (access(c->device, R_OK | W_OK) != 0)
		return;
	if (c->started && time(NULL) - c->started < 2)
		sleep(2);		/* one that ends at once must not keep the machine busy */
	c->started = time(NULL);
	c->pid = fork();
	if (c->pid == 0)
		console_shell(c);
}

static void nothing(int sig) { (void)sig; }

/* As busybox's poweroff, halt and reboot ask for it, and Ctrl-Alt-Del (SIGINT). */
static void end_of_system(int sig)
{
	kill(-1, SIGTERM);
	usleep(200000);
	kill_everybody();
	sync();
	if (sig == SIGUSR1 || sig == SIGUSR2)
		finish(0);
	tell_control("S 0\n");
	reboot(RB_AUTOBOOT);
}

/* Never returns. job: a process whose end is the end of the system; 0: none. */
static void serve_consoles(bool serial, pid_t job)
{
	static const int wanted[] = { SIGCHLD, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };
	size_t count = serial ? NR_CONSOLES : NR_CONSOLES - 1;
	sigset_t set;
	int sig, status;
	pid_t pid;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		sigaddset(&set, wanted[i]);
		signal(wanted[i], nothing);	/* init is spared what it has no handler for */
	}
	for (size_t i = 0; i < count; i++)
		start_console(&consoles[i]);
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		if (sig != SIGCHLD)
			end_of_system(sig);
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			if (pid == job)
				finish(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
			for (size_t i = 0; i < count; i++)
				if (consoles[i].pid == pid)
					start_console(&consoles[i]);
		}
	}
}

int main(void)
{
	size_t size;
	sigset_t all;

	/* Signals are for the job. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	open_streams(0);
	char *job = read_job(&size);
	if (!job)
		cannot_start("memory");
	if (!size)			/* a machine without a runner */
		serve_consoles(true, 0);
	int mask = atoi(job);
	char **argv = job_arguments(job, size);
	if (mask & WINDOW && !argv)
		serve_consoles(false, 0);
	pid_t pid = fork();
	if (pid < 0)
		cannot_start("fork");
	if (pid == 0)
		child(mask, argv);
	if (mask & WINDOW)
		serve_consoles(false, pid);
	finish(wait_for(pid));
}
