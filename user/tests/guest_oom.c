/*
 * Who dies when memory is short (mm/oom.h): processes that take parts of all memory, and who of them is left. usage: guest_oom [CASE]
 */
#include "inv.h"
#include <pthread.h>

#define MOST 8

static long available;			/* KiB */
static struct child { pid_t pid; int go; } children[MOST];
static int nr;

static long memory(const char *name)
{
	static char text[4096];
	int fd = open("/proc/meminfo", O_RDONLY);
	char *at;

	text[read(fd, text, sizeof(text) - 1)] = 0;
	close(fd);
	at = strstr(text, name);
	return at ? atol(at + strlen(name) + 1) : 0;
}

static void adjust(const char *value)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	CHECK(write(fd, value, strlen(value)) == (ssize_t)strlen(value));
	close(fd);
}

static int score(pid_t pid)
{
	char name[64], text[32] = "";
	int fd;

	snprintf(name, sizeof(name), "/proc/%d/oom_score", pid);
	fd = open(name, O_RDONLY);
	CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	return atoi(text);
}

static void touch_all(char *p, size_t n)
{
	for (size_t i = 0; i < n; i += PAGE)
		p[i] = (char)(i >> 12) | 1;
}

static void *sleeper(void *fd)
{
	char c;

	for (;;)
		(void)!read(*(int *)fd, &c, 0), pause();
	return NULL;
}

/* The ends that tell the others to go: theirs is the only other one. */
static void close_all(void)
{
	for (int i = 0; i < nr; i++)
		close(children[i].go);
}

/* A child that has so many percent of what was available, and then waits; `how`: t with threads, r by read(); w: it writes to a file meanwhile. */
static int start(int percent, const char *adj, char how)
{
	size_t n = (size_t)available * 1024 / 100 * percent & ~(PAGE - 1);
	int ready[2], go[2];
	char c;

	CHECK(!pipe(ready) && !pipe(go));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		pthread_t t;
		char *p = mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		close_all();
		close(go[1]);
		close(ready[0]);
		adjust(adj);
		for (int i = 0; how == 't' && i < 3; i++)
			CHECK(!pthread_create(&t, NULL, sleeper, &go[0]));
		if (how == 'r') {
			int zero = open("/dev/zero", O_RDONLY);
			for (size_t i = 0, k; i < n; i += k)
				CHECK((long)(k = read(zero, p + i, n - i)) > 0);
		} else {
			touch_all(p, n);
		}
		CHECK(write(ready[1], "r", 1) == 1);
		for (int fd = how == 'w' ? open("guest_oom.file", O_RDWR) : -1; fd >= 0 && !poll(&(struct pollfd){ go[0], POLLIN, 0 }, 1, 0);)
			CHECK(pwrite(fd, "x", 1, 0) == 1);
		(void)!read(go[0], &c, 1);
		_exit(0);
	}
	close(ready[1]);
	close(go[0]);
	children[nr] = (struct child){ pid, go[1] };
	(void)!read(ready[0], &c, 1);		/* ready, or dead */
	close(ready[0]);
	return nr++;
}

/* "big killed, small fine": all are told to end. */
static void end(const char *what, const char *const names[])
{
	SAY("%s:", what);
	for (int i = 0; i < nr; i++) {
		close(children[i].go);
		int status = wait_for(children[i].pid);
		SAY(" %s %s", names[i], WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL ? "killed" : "BY ANOTHER SIGNAL" : status ? "FAILED" : "fine");
	}
	SAY("\n");
	nr = 0;
}

static void largest(void)
{
	long kills = counter("oom_kill"), waits = counter("oom_wait");

	start(60, "0", 0);
	start(10, "0", 0);
	start(50, "0", 0);
	end("the largest", (const char *const[]){ "large", "small", "who asks" });
	SAY("killed %ld, waited %d\n", counter("oom_kill") - kills, counter("oom_wait") > waits);
}

static void in_a_call(void)
{
	start(60, "0", 0);
	start(50, "0", 'r');
	end("asked for by read()", (const char *const[]){ "large", "who asks" });
}

static void asker(void)
{
	start(20, "0", 0);
	start(30, "0", 0);
	start(70, "0", 0);
	end("who asks is the largest", (const char *const[]){ "one", "another", "who asks" });
}

static void spared(void)
{
	start(60, "-1000", 0);
	start(10, "0", 0);
	start(50, "0", 0);
	end("spared", (const char *const[]){ "spared", "small", "who asks" });
}

static void nobody(void)
{
	start(60, "-1000", 0);
	start(50, "-1000", 0);
	end("nobody may be killed", (const char *const[]){ "spared", "who asks" });
}

static void first(void)
{
	start(50, "0", 0);
	start(25, "1000", 0);
	start(40, "0", 0);
	end("who is to die first", (const char *const[]){ "large", "first", "who asks" });
}

static void threads(void)
{
	start(60, "0", 't');
	start(50, "0", 't');
	end("with threads", (const char *const[]){ "large", "who asks" });
}

/* A second process in the same address space goes with it. */
static void sharing(void)
{
	start(10, "0", 0);
	int ready[2];
	char c;
	CHECK(!pipe(ready));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		size_t n = (size_t)available * 1024 / 100 * 60;

		close_all();
		adjust("0");
		touch_all(mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), n);
		if (!vfork()) {
			(void)!write(ready[1], "r", 1);
			pause();
			_exit(0);
		}
		_exit(0);
	}
	children[nr++] = (struct child){ pid, ready[1] };
	(void)!read(ready[0], &c, 1);
	start(50, "0", 0);
	end("shared", (const char *const[]){ "small", "parent of vfork", "who asks" });
}

/*
 * Who asks holds the lock of a file that the victim waits for, most of the time: write() of bytes that lie so far apart that each needs a page table of
 * its own. Both may have to die, but neither waits for the other for ever.
 */
static void locked(void)
{
	int fd = open("guest_oom.file", O_RDWR | O_CREAT | O_TRUNC, 0600), status;
	static struct iovec iov[IOV_MAX];
	const size_t span = 512 * PAGE;
	pid_t asker;

	start(60, "0", 'w');
	fflush(stdout);
	if (!(asker = fork())) {
		size_t tables = (size_t)available / 4 * 50 / 100;
		char *p = mmap(NULL, (tables + 2 * IOV_MAX) * span, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		adjust("0");
		CHECK(p != MAP_FAILED);
		for (size_t done = 0; done < tables; done += IOV_MAX) {
			for (size_t i = 0; i < IOV_MAX; i++)
				iov[i] = (struct iovec){ p + (done + i) * span, 1 };
			CHECK(pwritev(fd, iov, IOV_MAX, 0) == IOV_MAX);
		}
		_exit(0);
	}
	status = wait_for(asker);
	SAY("with a lock: %s\n", !status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) ? "ended" : "FAILED");
	end("and who may have waited for it", (const char *const[]){ "large" });
	close(fd);
	unlink("guest_oom.file");
}

static void many(void)
{
	int status, fine = 0;
	pid_t pids[6];

	start(30, "0", 0);
	fflush(stdout);
	for (int i = 0; i < 6; i++)
		if (!(pids[i] = fork())) {
			size_t n = (size_t)available * 1024 / 100 * 40;

			close_all();
			adjust("0");
			touch_all(mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), n);
			_exit(0);
		}
	for (int i = 0; i < 6; i++) {
		status = wait_for(pids[i]);
		fine += !status;
		CHECK(!status || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	}
	SAY("all at once: %s\n", fine ? "some are fine" : "NOBODY IS LEFT");
	close(children[0].go);
	wait_for(children[0].pid);
	nr = 0;
}

static void scores(void)
{
	int big = start(30, "0", 0), small = start(1, "0", 0), more = start(1, "500", 0), never = start(20, "-1000", 0), less = start(1, "-999", 0);

	SAY("scores: more with more %d, with oom_score_adj %d, %d, never %d, init %d, a small one about 667: %d\n",
	    score(children[big].pid) > score(children[small].pid) + 50, score(children[more].pid) > score(children[big].pid), score(children[less].pid) < 100,
	    score(children[never].pid), score(1), score(children[small].pid) >= 667 && score(children[small].pid) < 700);
	end("nobody", (const char *const[]){ "big", "small", "more", "never", "less" });
}

static const struct { const char *name; void (*run)(void); } cases[] = {
	{ "largest", largest }, { "in_a_call", in_a_call }, { "asker", asker }, { "spared", spared }, { "nobody", nobody }, { "first", first },
	{ "threads", threads }, { "sharing", sharing }, { "locked", locked }, { "many", many }, { "scores", scores },
};

int main(int argc, char **argv)
{
	adjust("-1000");		/* and those that it starts say what they want */
	available = memory("MemAvailable");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (argc < 2 || !strcmp(argv[1], cases[i].name))
			cases[i].run();
	return 0;
}
