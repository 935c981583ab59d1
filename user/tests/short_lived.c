/* A thousand short-lived processes, each with a status of its own; then as many again by vfork() and exec. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define N 1000
#define AT_ONCE 40

static long reap(int n)
{
	long sum = 0;
	int status;

	while (n--) {
		if (wait(&status) < 0) {
			perror("wait");
			exit(1);
		}
		sum += WIFEXITED(status) ? WEXITSTATUS(status) : 1000000;
	}
	return sum;
}

int main(int argc, char **argv)
{
	long sum = 0, want = 0;

	if (argc > 1)
		return atoi(argv[1]);
	for (int i = 0; i < N; i++) {
		pid_t child = fork();
		if (child < 0) {
			perror("fork");
			return 1;
		}
		if (!child)
			_exit(i % 200);
		want += i % 200;
		if (i % AT_ONCE == AT_ONCE - 1)
			sum += reap(AT_ONCE);
	}
	printf("forked: %d\n", sum == want);
	sum = want = 0;
	for (int i = 0; i < N / 4; i++) {
		char number[8], *args[] = { argv[0], number, NULL };
		snprintf(number, sizeof(number), "%d", i % 200);
		pid_t child = vfork();
		if (!child) {
			execv("/proc/self/exe", args);
			_exit(255);
		}
		want += i % 200;
		sum += reap(1);
	}
	printf("executed: %d\n", sum == want);
	printf("nobody left: %d\n", wait(NULL) < 0);
	return 0;
}
