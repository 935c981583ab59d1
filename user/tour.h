/*
 * For the tour (user/tour.c): how it tells, what the kernel's counters and trace points say of what was just done, its switches, memory and files.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define DISK "/root/tour.data"
#define MEMORY "/tmp/tour.data"

static int failures;
static char block[64 * PAGE] __attribute__((aligned(4096)));

/* --- telling --- */

static void say(const char *label, const char *format, ...)
{
	va_list args;

	printf("   %-8s ", label);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}
static void expect(int ok, const char *what)
{
	if (ok)
		return;
	say("!!", "NOT AS TOLD: %s", what);
	failures++;
}

/* --- counters and trace --- */

static char text[1 << 20];
static const char *slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t n = 0;
	ssize_t k;

	while (fd >= 0 && n < sizeof(text) - 1 && (k = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)k;
	text[n] = 0;
	close(fd);
	return text;
}
static long counter(const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "\n%s ", name);
	const char *at = strstr(slurp("/proc/vmstat"), key);
	return at ? atol(at + strlen(key)) : 0;
}

#define MAX_WATCHED 8
static const char *watched[MAX_WATCHED + 1];
static long before[MAX_WATCHED], change[MAX_WATCHED];

static void control(const char *words)
{
	int fd = open("/proc/trace", O_WRONLY);

	if (fd < 0 || write(fd, words, strlen(words)) < 0)
		expect(0, "/proc/trace can be written");
	close(fd);
}
/* Watch these counters, a list that NULL ends, and record these events ("": none). */
static void watch(const char *events, ...)
{
	va_list args;
	int n = 0;

	va_start(args, events);
	while ((watched[n] = va_arg(args, const char *)))
		n++;
	va_end(args);
	for (int i = 0; i < n; i++)		/* twice: reading them touches memory */
		before[i] = counter(watched[i]);
	for (int i = 0; i < n; i++)
		before[i] = counter(watched[i]);
	control("clear");
	if (*events)
		control(events);
}
/* How much the counters moved, and the first `lines` records of this program. */
static void told(int lines)
{
	char line[256], *out = line, self[32];

	control("0");
	for (int i = 0; watched[i]; i++)
		change[i] = counter(watched[i]) - before[i];
	for (int i = 0; watched[i]; i++)
		out += snprintf(out, sizeof(line) - (size_t)(out - line), "%s%s +%ld", i ? "   " : "", watched[i], change[i]);
	say("counters", "%s", line);
	snprintf(self, sizeof(self), " tour[%d]", getpid());
	for (char *at = (char *)slurp("/proc/trace"), *end; lines && *at && (end = strchr(at, '\n')); at = end + 1) {
		*end = 0;
		char *record = strstr(at, self);
		if (record) {
			say("trace", "%s", strchr(record, ' ') + 1);
			lines--;
		}
	}
}

/* --- without: the kernel's switches, turned for a moment --- */

static void turn(const char *word)
{
	int fd = open("/proc/switches", O_WRONLY);

	expect(fd >= 0 && write(fd, word, strlen(word)) > 0, word);
	close(fd);
}
static void without(const char *word, const char *what)
{
	say("without", "%s: %s", word, what);
	turn(word);
}

/* --- memory and files --- */

static char *fresh(size_t pages) { return mmap(NULL, pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static int make(const char *path, size_t pages)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);

	for (size_t i = 0; i < pages; i++) {
		memset(block, 'a' + (int)(i % 26), PAGE);
		if (write(fd, block, PAGE) != (ssize_t)PAGE)
			expect(0, "a file can be written");
	}
	return fd;
}
static void forget(int fd)		/* out of the page cache */
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
static void load_all(const char *p, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		(void)*(const volatile char *)(p + i * PAGE);
}
