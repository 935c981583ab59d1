/*
 * For programs that run something many times, each time under another schedule that the kernel chooses by a seed (kernel/explore.h). On Linux there
 * is nothing to choose: whatever happens is tried.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the present schedule, so far. */
static long explore_events(void)
{
	char text[160] = "", *at;
	int fd = open("/proc/explore", O_RDONLY);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	at = strstr(text, "events ");
	return at ? atol(at + 7) : 0;
}

/* What to write the seeds to, or -1. */
static int explore_open(void) { return open("/proc/explore", O_WRONLY); }

static void explore_words(int control, const char *words)
{
	size_t n = strlen(words);

	if (control >= 0 && write(control, words, n) != (ssize_t)n) {
		printf("FAIL /proc/explore: %s\n", strerror(errno));
		exit(1);
	}
}

/* Begin the schedule of this seed, in which the change points fall among k events (0: as before). */
static void explore_choose(int control, long k, long seed)
{
	char text[64];

	if (k)
		snprintf(text, sizeof(text), "k=%ld,d=%ld,%ld\n", k, 2 + seed % 4, seed);
	else
		snprintf(text, sizeof(text), "%ld\n", seed);
	explore_words(control, text);
}
