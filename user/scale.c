/*
 * How work by several processes at a time scales with processors: ./cowslip scaling (tools/scaling.py) runs it on one and on two.
 *
 * usage: scale ROW PROCESSES OPERATIONS [DIRECTORY]    prints the nanoseconds that all of it took; each process does so many operations
 * Rows: pread_different pread_same fault fork
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE (64 * 4096)
#define CHUNK 256		/* pages mapped at a time */

static char block[FILE_SIZE];
static const char *directory = "/tmp";

static void die(const char *what)
{
	perror(what);
	_exit(1);
}

static int open_file(int number)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/scale.%d", directory, number);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || pwrite(fd, block, FILE_SIZE, 0) != FILE_SIZE)
		die(path);
	return fd;
}

static void preads(int fd, long operations)
{
	for (long i = 0; i < operations; i++)
		if (pread(fd, block, 4096, i % 64 * 4096) != 4096)
			die("pread");
}
static void pread_different(int number, long operations) { preads(open_file(number), operations); }
static void pread_same(int number, long operations) { preads(open_file(0), operations); }

static void fault(int number, long operations)
{
	for (long done = 0; done < operations; done += CHUNK) {
		char *p = mmap(NULL, CHUNK * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		for (long i = 0; i < CHUNK; i++)
			p[i * 4096] = 1;
		munmap(p, CHUNK * 4096);
	}
}

static void fork_exit(int number, long operations)
{
	for (long i = 0; i < operations; i++) {
		pid_t child = fork();
		if (child < 0)
			die("fork");
		if (!child)
			_exit(0);
		waitpid(child, NULL, 0);
	}
}

static const struct {
	const char *name;
	void (*run)(int number, long operations);
} rows[] = { { "pread_different", pread_different }, { "pread_same", pread_same }, { "fault", fault }, { "fork", fork_exit } };

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long measure(unsigned row, int processes, long operations)
{
	long long start;
	int go[2], status, failed = 0;
	char c;

	if (pipe(go))
		die("pipe");
	for (int i = 0; i < processes; i++)
		if (fork() == 0) {
			close(go[1]);
			rows[row].run(i, operations / 20);		/* warm */
			if (read(go[0], &c, 1) != 0)			/* until the parent lets all go */
				die("start");
			rows[row].run(i, operations);
			_exit(0);
		}
	usleep(300000);
	start = now();
	close(go[0]);
	close(go[1]);
	for (int i = 0; i < processes; i++) {
		wait(&status);
		failed |= status;
	}
	if (failed)
		die("a process");
	return now() - start;
}

int main(int argc, char **argv)
{
	if (argc > 4)
		directory = argv[4];
	for (unsigned i = 0; argc >= 4 && i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcmp(rows[i].name, argv[1])) {
			printf("%lld\n", measure(i, atoi(argv[2]), atol(argv[3])));
			return 0;
		}
	fprintf(stderr, "usage: scale ROW PROCESSES OPERATIONS [DIRECTORY]\n");
	return 2;
}
