/*
 * /proc/fail, for the programs that let things fail (guest_failures.c, guest_injected.c): which of the caller's allocations, user accesses, system
 * calls or requests to the disk fails next (fs/procfail.c), and a look at what is left behind. `kind` is the kind that the program was started for; fail_control is opened by it.
 * Who includes this has defined MUST() and what that prints.
 */
#pragma once
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *kind;
static int fail_control;

static inline void fail_open(void)
{
	fail_control = open("/proc/fail", O_RDWR);
	MUST(fail_control >= 0);
}

/* The nth from now on fails, and each `again`th after it (0: none); with `tree` those of what the caller starts count too. n = 0: nothing fails. */
static inline void arm(long n, long again, bool tree)
{
	char text[80];
	int len = snprintf(text, sizeof(text), "%s=%ld,%ld%s\n", kind, n, again, tree ? " tree" : "");

	MUST(write(fail_control, text, (size_t)len) == len);
}

/* The first of what the caller starts that comes on a path through the kernel on which none has failed yet, or the first on each such path. */
static inline void arm_new_path(bool each)
{
	char text[40];
	int len = snprintf(text, sizeof(text), "%s=new,%d tree\n", kind, each);

	MUST(write(fail_control, text, (size_t)len) == len);
}

/* The n-th number of the line of our kind. */
static inline long fail_number(int n)
{
	char text[200] = "", *at;

	MUST(pread(fail_control, text, sizeof(text) - 1, 0) > 0);
	at = strstr(text, kind);
	MUST(at);
	at += strlen(kind);
	while (n--)
		strtol(at, &at, 10);
	return atol(at);
}

/* How many are still to come, 0 after it has failed. */
static inline long left(void) { return fail_number(0); }

/* On how many paths one has failed. */
static inline long paths(void) { return fail_number(1); }

/* A file of /proc, as text, until the next call; NULL: there is none. */
static inline char *contents(const char *path)
{
	static char text[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t n, got = 0;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, text + got, sizeof(text) - 1 - (size_t)got)) > 0)
		got += n;
	close(fd);
	text[got] = 0;
	return text;
}

/* What is clean in the page cache (1), or that and the names and objects that nobody uses (3). */
static inline void drop_caches(int what)
{
	char text[4];
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY), len = snprintf(text, sizeof(text), "%d\n", what);

	sync();
	MUST(fd >= 0 && write(fd, text, (size_t)len) == len);
	close(fd);
}

/* Every frame's owners are counted anew, in the debug build. */
static inline void look_at_owners(void)
{
	char *text = contents("/proc/check_ownership");

	if (text && strncmp(text, "ok ", 3)) {
		printf("%s", text);
		MUST(!"owners");
	}
}
