/*
 * Small concurrent scenarios, each run many times under schedules that the kernel chooses by a seed (kernel/explore.h), with a check of the outcome
 * after each. Also runs on Linux, under its own schedules: the checks are of what Linux promises.
 *
 * usage: scenario NAME COUNT SEED [DIRECTORY]    schedule i has seed SEED + i; in DIRECTORY (/tmp)
 *        scenario list
 * `NAME: COUNT schedules` and 0, or `FAIL NAME schedule I seed S event N: what` and 1. To see a failure again run it with COUNT = I + 1: all that
 * came before in the machine's life belongs to it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore.h"

#define PAGE 4096
#define RW (PROT_READ | PROT_WRITE)

static const char *name;
static long schedule, seed;

static void fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	printf("FAIL %s schedule %ld seed %ld event %ld: ", name, schedule, seed, explore_events());
	vprintf(format, ap);
	printf("\n");
	exit(1);
}
#define CHECK(condition, ...) do { if (!(condition)) fail(__VA_ARGS__); } while (0)

/* --- tools --- */

/* What children tell: written by one each. */
static struct told {
	long result[4];
	int records[2];
} *told;

static pid_t start(void (*part)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		part();
		_exit(0);
	}
	return pid;
}

static int end(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
	return status;
}

/* Both at the same time, each in a process. */
static void together(void (*a)(void), void (*b)(void))
{
	pid_t first = start(a), second = start(b);

	CHECK(end(first) == 0 && end(second) == 0, "a part died");
}

static int file(const char *path, size_t size, char c)
{
	static char block[4 * PAGE];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	memset(block, c, sizeof(block));
	CHECK(fd >= 0 && pwrite(fd, block, size, 0) == (ssize_t)size, "%s: %s", path, strerror(errno));
	return fd;
}

static char content[4 * PAGE + 1];
static size_t load(int fd)
{
	ssize_t n = pread(fd, content, sizeof(content), 0);

	CHECK(n >= 0, "read: %s", strerror(errno));
	return (size_t)n;
}

static int all(size_t from, size_t to, char c)
{
	while (from < to && content[from] == c)
		from++;
	return from == to;
}

static int fd1, fd2;
static char buffer[4 * PAGE];

#include "scenario_memory.h"		/* fork_fault, swap_fork, munmap_copy */

/* --- write against truncate: one after the other, in either order --- */

static void wt_write(void) { memset(buffer, 'A', sizeof(buffer)); told->result[0] = pwrite(fd1, buffer, 2 * PAGE, 2048); }
static void wt_truncate(void) { told->result[1] = ftruncate(fd1, 1000) | ftruncate(fd1, 3 * PAGE); }

static void write_truncate(void)
{
	fd1 = file("wt", 3 * PAGE, 'o');
	together(wt_write, wt_truncate);
	CHECK(told->result[0] == 2 * PAGE && told->result[1] == 0, "results %ld %ld", told->result[0], told->result[1]);
	CHECK(load(fd1) == 3 * PAGE, "size");
	CHECK(all(0, 1000, 'o') && all(1000, 2048, 0) && all(2048 + 2 * PAGE, 3 * PAGE, 0), "outside");
	CHECK(all(2048, 2048 + 2 * PAGE, 'A') || all(2048, 2048 + 2 * PAGE, 0), "half of a write survived the truncate");
	close(fd1);
}

/* --- fault against truncate: what was cut off never comes back, and a mapping shows what read() shows --- */

static sigjmp_buf out;
static void bus(int sig) { siglongjmp(out, 1); }

static void ft_fault(void)
{
	char *map = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd1, 0);

	signal(SIGBUS, bus);
	for (volatile int i = 0; i < 8; i++)
		if (!sigsetjmp(out, 1))
			map[i % 4 * PAGE + 100] = 'A';
}
static void ft_truncate(void) { told->result[1] = ftruncate(fd1, PAGE) | ftruncate(fd1, 4 * PAGE); }

static void fault_truncate(void)
{
	char *map;

	fd1 = file("ft", 4 * PAGE, 'o');
	map = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd1, 0);
	CHECK(map[3 * PAGE] == 'o', "first look");
	together(ft_fault, ft_truncate);
	CHECK(told->result[1] == 0 && load(fd1) == 4 * PAGE, "truncate");
	CHECK(content[100] == 'A' && all(0, 100, 'o') && all(101, PAGE, 'o'), "first page");
	for (int p = 1; p < 4; p++) {
		char c = content[p * PAGE + 100];
		CHECK((c == 0 || c == 'A') && all(p * PAGE, p * PAGE + 100, 0) && all(p * PAGE + 101, (p + 1) * PAGE, 0), "page %d has what was cut off", p);
	}
	CHECK(!memcmp(map, content, 4 * PAGE), "a mapping differs from the file");
	munmap(map, 4 * PAGE);
	close(fd1);
}

/* --- two writers, each from a mapping of the other's file: no deadlock, nothing made up --- */

static void cross(int to, int from, long *result)
{
	char *map = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, from, 0);

	*result = pwrite(to, map + 100, 6000, 50);
}
static void cross_ab(void) { cross(fd1, fd2, &told->result[0]); }
static void cross_ba(void) { cross(fd2, fd1, &told->result[1]); }

static void check_crossed(int fd, char mine)
{
	CHECK(load(fd) == 2 * PAGE && all(0, 50, mine) && all(6050, 2 * PAGE, mine), "outside of what was written");
	for (int i = 50; i < 6050; i++)
		CHECK(content[i] == 'a' || content[i] == 'b', "byte %d is %02x", i, (unsigned char)content[i]);
}

static void crossed_writers(void)
{
	fd1 = file("ca", 2 * PAGE, 'a');
	fd2 = file("cb", 2 * PAGE, 'b');
	together(cross_ab, cross_ba);
	CHECK(told->result[0] == 6000 && told->result[1] == 6000, "results %ld %ld", told->result[0], told->result[1]);
	check_crossed(fd1, 'a');
	check_crossed(fd2, 'b');
	close(fd1);
	close(fd2);
}

/* --- exec and exit of threads against signals: one of them decides, and the parent hears of just that --- */

static void *exec_self(void *unused)
{
	execl("/proc/self/exe", "scenario", "exit7", NULL);
	return NULL;
}
static void *leave(void *unused) { _exit(9); }

static void two_threads(void)
{
	pthread_t a, b;

	pthread_create(&a, NULL, exec_self, NULL);
	if (seed & 1)
		pthread_create(&b, NULL, leave, NULL);
	pthread_join(a, NULL);
	_exit(5);		/* only if exec failed */
}

static void exec_signals(void)
{
	int sig = seed & 2 ? SIGKILL : SIGTERM;
	pid_t child = start(two_threads);
	int status;

	kill(child, sig);
	status = end(child);
	CHECK((WIFEXITED(status) && (WEXITSTATUS(status) == 7 || (seed & 1 && WEXITSTATUS(status) == 9))) || (WIFSIGNALED(status) && WTERMSIG(status) == sig),
	      "status %x", status);
	CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "another child");
}

/* --- pipes: records stay whole, none is lost, the end comes --- */

#define RECORD 700
#define RECORDS 5
static int ends[2];

static void write_records(char c)
{
	close(ends[0]);
	memset(buffer, c, RECORD);
	for (int i = 0; i < RECORDS; i++)
		if (write(ends[1], buffer, RECORD) != RECORD)
			_exit(1);
}
static void writer_a(void) { write_records('a'); }
static void writer_b(void) { write_records('b'); }

static void reader(void)
{
	ssize_t n;

	close(ends[1]);
	while ((n = read(ends[0], content, RECORD)) > 0) {
		if (n != RECORD || !all(0, RECORD, content[0]) || (content[0] != 'a' && content[0] != 'b'))
			_exit(1);
		__atomic_fetch_add(&told->records[content[0] - 'a'], 1, __ATOMIC_SEQ_CST);
	}
	if (n)
		_exit(2);
}

static void pipes(void)
{
	pid_t part[4];

	CHECK(pipe(ends) == 0, "pipe");
	part[0] = start(writer_a);
	part[1] = start(reader);
	part[2] = start(writer_b);
	part[3] = start(reader);
	close(ends[0]);
	close(ends[1]);
	for (int i = 0; i < 4; i++)
		CHECK(end(part[i]) == 0, "a record was torn");
	CHECK(told->records[0] == RECORDS && told->records[1] == RECORDS, "%d and %d records", told->records[0], told->records[1]);
}

/* --- rename against lookup: a name that is replaced is always there; directories cannot be moved into each other --- */

static void replace(void)
{
	for (int i = 0; i < 3; i++) {
		close(file("rl.new", 100, (char)('1' + i)));
		if (rename("rl.new", "rl"))
			_exit(1);
	}
	told->result[0] = rename("rl.a", "rl.b/a") ? errno : 0;
}

static void look_up(void)
{
	struct stat st;

	for (int i = 0; i < 6; i++) {
		int fd = open("rl", O_RDONLY);
		if (fd < 0 || read(fd, content, 200) != 100 || !all(0, 100, content[0]) || fstat(fd, &st) || st.st_size != 100)
			_exit(1);
		close(fd);
	}
	told->result[1] = rename("rl.b", "rl.a/b") ? errno : 0;
}

static void rename_lookup(void)
{
	long a, b;

	close(file("rl", 100, '0'));
	mkdir("rl.a", 0700);
	mkdir("rl.b", 0700);
	together(replace, look_up);
	a = told->result[0];
	b = told->result[1];
	/* EINVAL: the other one was found before it moved. */
	CHECK(!a != !b && ((a | b) == ENOENT || (a | b) == EINVAL), "two renames of directories into each other: %ld %ld", a, b);
	CHECK(a ? !rmdir("rl.a/b") && !rmdir("rl.a") : !rmdir("rl.b/a") && !rmdir("rl.b"), "the directories: %s", strerror(errno));
	CHECK(unlink("rl") == 0, "the file");
}

/* --- running --- */

static const struct scenario {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "write_truncate", write_truncate }, { "fault_truncate", fault_truncate }, { "crossed_writers", crossed_writers }, { "fork_fault", fork_fault }, { "swap_fork", swap_fork },
	{ "munmap_copy", munmap_copy }, { "exec_signals", exec_signals }, { "pipes", pipes }, { "rename_lookup", rename_lookup },
};

static int explore(const struct scenario *s, long count, long base)
{
	int control = explore_open();
	long k = 0, sum = 0;

	name = s->name;
	for (schedule = 0; schedule < count; schedule++) {
		seed = base + schedule;
		memset(told, 0, sizeof(*told));
		explore_choose(control, k, seed);
		s->run();
		if (schedule % 16 == 0)
			k = control >= 0 ? explore_events() : 0;	/* the change points fall among as many events as there are */
		sum += k;
	}
	explore_words(control, "off\n");
	printf("%s: %ld schedules of about %ld events\n", name, count, count ? sum / count : 0);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "exit7"))
		return 7;
	setvbuf(stdout, NULL, _IOLBF, 0);
	told = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (argc == 2 && !strcmp(argv[1], "list"))
			printf("%s\n", scenarios[i].name);
		else if (argc >= 4 && !strcmp(argv[1], scenarios[i].name))
			return chdir(argc > 4 ? argv[4] : "/tmp") ? 2 : explore(&scenarios[i], atol(argv[2]), atol(argv[3]));
	}
	if (argc == 2 && !strcmp(argv[1], "list"))
		return 0;
	fprintf(stderr, "usage: scenario NAME COUNT SEED [DIRECTORY] | scenario list\n");
	return 2;
}
