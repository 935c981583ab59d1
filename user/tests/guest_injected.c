/*
 * Fault injection into whole programs: each program of the command line runs again and again, each time with one allocation, user access, system call
 * (SIGKILL arrives with it) or request to the disk of it, or of what it starts, failing (/proc/fail). Which: so many points of the run, and in every
 * second run further ones follow; or, instead of a number, "new": one on each path through the kernel that has not failed in an earlier run or
 * program, until there is none; or "all": the same, but in one run each path that is new fails (for programs that go on after a failure, and take long).
 * The program may do what it likes then, fail, die or wait for ever. The kernel may not: whatever is left of the program
 * can be killed, no owner is wrong (debug build), no object and no frame is lost (then the status is 1), and a file that nobody wrote has its bytes.
 *
 * usage: guest_injected alloc|access|kill|io SEED POINTS|new|all PROGRAM...      as init's own child: it kills everybody else. A PROGRAM may have arguments: 'PATH A B'
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PLACE "/root/injected"
#define WITNESS "/root/witness"
#define SIZE 65536
#define NEVER (1L << 39)
#define CACHES 64
#define SLACK 3			/* objects of a cache that may come or go for other reasons */
#define QUIET 3			/* so many runs in a row without a new path: with threads no two runs are the same */
#define NAMES 40		/* names that are kept in case somebody asks again */

static const char *program;
static long nth, every;
static bool each_new;		/* "all" */
static int failed;
static unsigned long seed;
static sigset_t nothing, everything;

#define MUST(condition) do { if (!(condition)) { \
	printf("FAIL %s %s %ld,%ld: line %d: %s (%s)\n", kind, program, nth, every, __LINE__, #condition, strerror(errno)); fflush(stdout); _exit(9); } } while (0)
#include "fail.h"

static unsigned long number(unsigned long below)
{
	seed = seed * 6364136223846793005UL + 1442695040888963407UL;
	return below ? (seed >> 20) % below : 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- one run --- */

static void start(void)
{
	char text[500], *words[20] = { NULL };
	int null = open("/dev/null", O_RDWR);

	snprintf(text, sizeof(text), "%s", program);
	words[0] = strtok(text, " ");
	for (int i = 1; i < 19 && words[i - 1]; i++)
		words[i] = strtok(NULL, " ");

	setsid();
	sigprocmask(SIG_SETMASK, &nothing, NULL);
	MUST(chdir(PLACE) == 0 && null >= 0);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	close(null);
	if (nth)
		arm(nth, every, true);
	else
		arm_new_path(each_new);
	execv(words[0], words);
	_exit(99);
}

/* All that are left but init and us die, however they wait: in a minute at the latest. */
static void kill_all(void)
{
	double end = now() + 60;

	for (;;) {
		pid_t pid;

		kill(-1, SIGKILL);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 && errno == ECHILD)
			return;
		MUST(now() < end || !"they can be killed");
		usleep(2000);
	}
}

/* Requests to the disk: what is read shall come from there again and again, what is written shall get there, and while something may still fail. */
static void keep_disk_busy(int fd, long turn)
{
	if (turn % 4 == 3)
		sync();
	if (fd >= 0)
		MUST(write(fd, "3\n", 2) == 2);
}

/* The program's status; -1: it had to be killed. */
static int run(double limit, double *took)
{
	bool io = !strcmp(kind, "io");
	int status = -1, caches = io ? open("/proc/sys/vm/drop_caches", O_WRONLY) : -1;
	double begin = now();
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid)
		start();
	for (long turn = 0; waitpid(pid, &status, WNOHANG) != pid; turn++) {
		status = -1;
		if (now() - begin > limit)
			break;
		if (io)
			keep_disk_busy(caches, turn);
		usleep(io ? 400 : 2000);
	}
	*took = now() - begin;
	if (io) {
		sync();
		close(caches);
	}
	return status;
}

/* --- what is left behind --- */

static void remove_all(const char *path, int itself)
{
	struct dirent *e;
	DIR *d;

	chmod(path, 0700);
	d = opendir(path);
	while (d && (e = readdir(d))) {
		char name[5000];
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (lstat(name, &st) == 0 && S_ISDIR(st.st_mode))
			remove_all(name, 1);
		else
			unlink(name);
	}
	if (d)
		closedir(d);
	if (itself)
		rmdir(path);
}

/* System V IPC lives without its programs. An id's place in its table is what the lists count by. */
static void remove_ipc(void)
{
	struct shm_info segments;
	struct shmid_ds shm;
	struct semid_ds sem;
	struct seminfo sets;
	int last = shmctl(0, SHM_INFO, (struct shmid_ds *)&segments);

	for (int i = 0; i <= last; i++)
		shmctl(shmctl(i, SHM_STAT, &shm), IPC_RMID, NULL);
	last = semctl(0, 0, SEM_INFO, &sets);
	for (int i = 0; i <= last; i++)
		semctl(semctl(i, 0, SEM_STAT, &sem), 0, IPC_RMID);
}

static void clean_up(void)
{
	char *mounts = contents("/proc/self/mounts"), *line;
	int again = 0;

	do {
		again = 0;
		mounts = contents("/proc/self/mounts");
		for (line = mounts ? strtok(mounts, "\n") : NULL; line; line = strtok(NULL, "\n")) {
			char where[4000];

			if (sscanf(line, "%*s %3999s", where) == 1 && !strncmp(where, PLACE "/", sizeof(PLACE)) && umount2(where, MNT_DETACH) == 0)
				again = 1;
		}
	} while (again);
	swapoff("/dev/ram1");
	remove_all(PLACE, 0);
	remove_all("/tmp", 0);
	remove_all("/dev/shm", 0);
	remove_ipc();
}

static void look_at_witness(void)
{
	static char bytes[SIZE];
	int fd = open(WITNESS, O_RDONLY);

	MUST(fd >= 0 && pread(fd, bytes, SIZE, 0) == SIZE);
	for (int i = 0; i < SIZE; i++)
		MUST(bytes[i] == (char)(i * 7 + (i >> 9)));
	close(fd);
}

/* Objects in use, of each cache; then free memory. */
struct used {
	int nr;
	struct { char name[32]; long objects; } cache[CACHES];
	long free_kb;
	char meminfo[300];		/* the other lines, in a row: where the memory is */
};

/* "Cached 12, Slab 100, ...": what /proc/meminfo says is in use. */
static void summarize(const char *text, char *out, size_t size)
{
	static const char *const names[] = { "Cached", "Dirty", "Slab", "KernelStack", "PageTables" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *at = strstr(text, names[i]);
		if (at && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s %ld", n ? ", " : "", names[i], atol(strchr(at, ':') + 1));
	}
}

static void count_used(struct used *u)
{
	char *text, *line;

	drop_caches(3);
	drop_caches(3);
	text = contents("/proc/slabinfo");
	u->nr = 0;
	MUST(text);
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (*line != '#' && u->nr < CACHES && sscanf(line, "%31s %ld", u->cache[u->nr].name, &u->cache[u->nr].objects) == 2 && strcmp(u->cache[u->nr].name, "slabinfo"))
			u->nr++;
	text = contents("/proc/meminfo");
	text = text ? strstr(text, "MemFree:") : NULL;
	MUST(text);
	u->free_kb = atol(text + 8);
	if (strstr(text, "KernelStack:"))	/* those of tasks that have ended wait for the next ones (kernel/kstack.c) */
		u->free_kb += atol(strstr(text, "KernelStack:") + 12);
	summarize(text, u->meminfo, sizeof(u->meminfo));
}

/* What `after` has more than `before`, the most of it in words; "" if nothing. */
static const char *lost(const struct used *before, const struct used *after, long slack)
{
	static char text[300];
	size_t n = 0;

	text[0] = 0;
	for (int i = 0; i < after->nr; i++)
		for (int j = 0; j < before->nr; j++)
			if (!strcmp(before->cache[j].name, after->cache[i].name) && n < 200 &&
			    after->cache[i].objects > before->cache[j].objects + slack + (strcmp(after->cache[i].name, "dentry") ? 0 : NAMES))
				n += (size_t)snprintf(text + n, sizeof(text) - n, " %s %ld -> %ld", after->cache[i].name, before->cache[j].objects, after->cache[i].objects);
	if (after->free_kb < before->free_kb - 600)
		snprintf(text + n, sizeof(text) - n, " free %ld KiB -> %ld KiB (%s)", before->free_kb, after->free_kb, after->meminfo);
	return text;
}

/*
 * A directory whose block could not be written has names in memory that are on no disk, and so in no listing, or names that cannot be removed; with
 * their inodes they stay until others come: as many as are kept (fs/dentry.c), thrice, since each gets another chance.
 */
static void push_names_out(void)
{
	char name[60];

	mkdir("/root/others", 0700);
	for (int i = 0; i < 15000; i++) {
		snprintf(name, sizeof(name), "/root/others/%d", i);
		MUST(access(name, F_OK));
	}
	rmdir("/root/others");
}

/* Frames and objects are given back a little later by some: wait for them. */
static const char *lost_at_last(const struct used *before, struct used *after, long slack)
{
	const char *what = "";

	for (int i = 0; i < 20; i++) {
		count_used(after);
		what = lost(before, after, slack);
		if (!*what)
			break;
		if (!strcmp(kind, "io") && i == 2)
			push_names_out();
		usleep(100000);
	}
	return what;
}

/* --- a program --- */

/* The i-th of n points among `count`: each, if there are no more; else small numbers more often than large ones, and some from everywhere. */
static long point(long i, long n, long count)
{
	long low = 1;

	if (count <= n)
		return i % count + 1;
	if (i % 3 == 2)
		return 1 + (long)number((unsigned long)count);
	for (long k = 0; k < i * 20 / n && low < count / 2; k++)
		low += low / 2 + 1;
	low += (long)number((unsigned long)low);
	return low < count ? low : 1 + (long)number((unsigned long)count);
}

/* What is the same in all runs of a program: how it ends and what is in use, when nothing fails. */
static struct used before;
static double untouched;
static int status;

static long run_untouched(void)
{
	long count = 0;

	nth = NEVER;
	every = 0;
	for (int i = 0; i < 2; i++) {		/* the second: what it makes once and keeps is there */
		status = run(120, &untouched);
		count = NEVER - left();
		arm(0, 0, false);
		kill_all();
		clean_up();
		count_used(&before);
	}
	return count;
}

struct tally {
	long runs, fired, seen, stuck;	/* fired: runs, or paths where each new one fails */
};

/* A run with something failing, and what it left behind. False: nothing failed. */
static bool run_failing(struct tally *n)
{
	static struct used after;
	long fired = nth ? 0 : paths();
	const char *what;
	double took;
	int got;

	got = run(untouched * 3 + 2, &took);
	fired = nth ? left() == 0 || every : paths() - fired;
	if (!nth && n->runs % (each_new ? 5 : 50) == (each_new ? 4 : 49))
		printf("%s: %ld runs, %ld failed on new paths\n", program, n->runs + 1, n->fired);
	n->fired += fired;
	n->seen += got != status;
	n->stuck += got == -1;
	arm(0, 0, false);
	kill_all();
	clean_up();
	look_at_witness();
	look_at_owners();
	what = lost_at_last(&before, &after, SLACK + n->runs++);	/* one of each for each run at most: the end is stricter */
	if (*what)
		printf("lost after %s %s %ld,%ld:%s\n", kind, program, nth, every, what);
	return fired > 0;
}

/* What paths are remembered in is there before anything is counted. By a child: who arms is the first whose allocations count. */
static void remember_paths(void)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		arm_new_path(false);
		_exit(0);
	}
	MUST(waitpid(pid, NULL, 0) == pid);
	arm(0, 0, false);
}

static void inject_into(const char *name, long points)
{
	struct tally n = { 0 };
	static struct used after;
	const char *what;
	long count;

	program = strrchr(name, '/') ? name : NULL;
	MUST(program);
	if (!points)
		remember_paths();
	count = run_untouched();
	if (!points) {
		nth = 0;
		for (int quiet = 0; quiet < QUIET && count > 0;)
			quiet = run_failing(&n) ? 0 : quiet + 1;
	}
	for (long i = 0; i < points && count > 0; i++) {
		nth = point(i, points, count);
		every = i & 1 && count > points && strcmp(kind, "io") && strcmp(kind, "kill") ? count / 20 + 1 : 0;
		run_failing(&n);
	}
	what = lost_at_last(&before, &after, SLACK);
	failed |= *what != 0;
	printf("%s: %ld of %s, %ld runs, in %ld something failed, %ld ended otherwise, %ld had to be killed (%.1f s untouched, status %x)%s%s\n", strrchr(name, '/') + 1, count, kind,
	       n.runs, n.fired, n.seen, n.stuck, untouched, (unsigned)status, *what ? "; LOST" : "", what);
}

/* Requests to the disk that fail are anybody's: init, whose pages nobody may miss, has them in memory. So have we. */
static void keep_in_memory(const char *path)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	void *p;

	MUST(fd >= 0 && fstat(fd, &st) == 0);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	MUST(p != MAP_FAILED && mlock(p, (size_t)st.st_size) == 0);
	close(fd);
}

int main(int argc, char **argv)
{
	char bytes[SIZE];
	int fd;

	if (argc < 5 || getppid() != 1)
		return 2;
	kind = argv[1];
	seed = strtoul(argv[2], NULL, 0);
	program = "start";
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	sigemptyset(&nothing);
	sigfillset(&everything);
	sigprocmask(SIG_SETMASK, &everything, NULL);	/* a program whose fork failed may kill -1 */
	setpriority(PRIO_PROCESS, 0, -5);
	for (int i = 0; i < SIZE; i++)
		bytes[i] = (char)(i * 7 + (i >> 9));
	keep_in_memory("/sbin/init");
	MUST(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	mkdir(PLACE, 0700);
	fail_open();
	fd = open(WITNESS, O_RDWR | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0 && write(fd, bytes, SIZE) == SIZE && fsync(fd) == 0);
	close(fd);
	each_new = !strcmp(argv[3], "all");
	for (int i = 4; i < argc; i++)
		inject_into(argv[i], each_new || !strcmp(argv[3], "new") ? 0 : atol(argv[3]));
	remove_all(PLACE, 1);
	unlink(WITNESS);
	sync();
	printf(failed ? "something is lost\n" : "done\n");
	return failed;
}
