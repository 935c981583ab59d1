/* Job control as a person does it: busybox's shell on a pseudo-terminal, keys typed, what it answers looked for. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int terminal;
static char seen[65536];
static size_t length, looked;

static void type(const char *keys)
{
	if (write(terminal, keys, strlen(keys)) != (ssize_t)strlen(keys))
		perror("write");
}

/* Read until `text` appears after what was found last. */
static void expect(const char *what, const char *text)
{
	struct pollfd p = { .fd = terminal, .events = POLLIN };
	char *at;

	while (!(at = strstr(seen + looked, text))) {
		ssize_t n = poll(&p, 1, 600000) == 1 ? read(terminal, seen + length, sizeof(seen) - 1 - length) : 0;
		if (n <= 0) {
			printf("%s: never saw \"%s\"; saw \"%s\"\n", what, text, seen + looked);
			exit(1);
		}
		length += (size_t)n;
		seen[length] = 0;
	}
	looked = (size_t)(at - seen) + strlen(text);
	printf("%s\n", what);
}

/* Take what comes for a while. */
static void quiet(void)
{
	struct pollfd p = { .fd = terminal, .events = POLLIN };

	while (poll(&p, 1, 200) == 1) {
		ssize_t n = read(terminal, seen + length, sizeof(seen) - 1 - length);
		if (n <= 0)
			return;
		length += (size_t)n;
		seen[length] = 0;
	}
}

/* What the shell runs: says when it runs, and when it goes on. The terminal is its own then, and keys are for it. */
static void say(const char *text)
{
	if (write(1, text, strlen(text)) < 0)
		_exit(1);
}
static void on_cont(int sig) { say("again\n"); }
static void job(void)
{
	signal(SIGCONT, on_cont);
	say("here\n");
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char program[4000] = "", command[4096];
	int status;

	if (argc > 1)
		job();
	if (readlink("/proc/self/exe", program, sizeof(program) - 1) < 0)
		return 1;
	snprintf(command, sizeof(command), "%s job\n", program);

	setvbuf(stdout, NULL, _IOLBF, 0);
	pid_t shell = forkpty(&terminal, NULL, NULL, &size);
	if (shell < 0) {
		perror("forkpty");
		return 1;
	}
	if (!shell) {
		char *env[] = { "PS1=ready$ ", "PATH=/bin:/usr/bin", "TERM=dumb", "HOME=/", NULL };
		execle("/bin/busybox", "sh", "-i", NULL, env);
		_exit(127);
	}
	expect("prompt", "ready$ ");
	type("stty size; tty >/dev/null && echo a terminal\n");
	expect("window size", "24 80");
	expect("it is a terminal", "a terminal");
	expect("prompt", "ready$ ");

	type(command);
	expect("the job runs", "here\r\n");
	type("\032");
	expect("^Z stops it", "Stopped");
	expect("prompt", "ready$ ");
	type("jobs\n");
	expect("jobs shows it", "Stopped");
	type("bg\n");
	expect("bg goes on with it", "again\r\n");
	for (int i = 0; i < 1000 && !strstr(seen + looked, "Running"); i++) {	/* a loaded Linux was seen to list nothing for a moment */
		type("jobs\n");
		quiet();
	}
	expect("it runs", "Running");
	quiet();
	type("fg\n");
	expect("fg takes it back", "again\r\n");
	type("\003");
	expect("^C ends it", "ready$ ");
	type("echo status $?\n");
	expect("by SIGINT", "status 130");

	type("sh -c 'echo no''w; exec cat'\n");
	expect("cat", "now\r\n");	/* the shell has given the terminal its modes back */
	type("line one\n");
	expect("echo", "line one");
	expect("cat's copy", "line one");
	type("\004");
	expect("^D ends it", "ready$ ");
	type("(sleep 1000; echo never) &\n");
	expect("background", "ready$ ");
	type("kill %1; wait; echo killed\n");
	expect("kill %1", "killed\r\n");
	type("cat &\n");			/* reads from the background: stopped by SIGTTIN */
	expect("a reader in the background", "ready$ ");
	do {
		type("jobs\n");
		quiet();
	} while (!strstr(seen + looked, "tty input"));
	printf("is stopped\n");
	type("kill -9 $!; wait $!; echo gone\n");
	expect("SIGKILL ends it, stopped as it is", "gone\r\n");
	close(terminal);			/* hangs up: the shell ends */
	waitpid(shell, &status, 0);
	printf("the shell has ended\n");
	return 0;
}
