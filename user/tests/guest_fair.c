/*
 * Fair scheduling, for an --icount run: three equal processes and one of nice 10 compete for 3 s of the CPU. Prints how
 * much each has done, in percent of the first: the equals near 100, the nice one near a tenth (each level is a factor of 1.25).
 */
#include "t.h"

int main(void)
{
	volatile long *done = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < 4; i++) {
		if (fork())
			continue;
		if (i == 3)
			setpriority(PRIO_PROCESS, 0, 10);
		do {
			for (int k = 0; k < 100000; k++)
				done[i]++;
			clock_gettime(CLOCK_MONOTONIC, &now);
		} while (now.tv_sec - start.tv_sec < 3);
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < 4; i++)
		SAY("%ld%c", done[i] * 100 / done[0], i < 3 ? ' ' : '\n');
	return 0;
}
