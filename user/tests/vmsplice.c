/* vmsplice: a program's memory in a pipe is what it was; and a pipe's bytes in memory. sendfile's rules (LTP sendfile02 to 09, vmsplice01 to 04). */
#include "t.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

#define N 16
static char buf[200000], back[200000];

static char *pages(size_t n) { return mmap(NULL, n * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static long vm(int fd, void *base, size_t n, unsigned flags)
{
	struct iovec v = { base, n };
	return vmsplice(fd, &v, 1, flags);
}
static void close_all(void)
{
	for (int fd = 3; fd < 40; fd++)
		close(fd);
}

static void errors(void)
{
	int p[2], f = open("vm", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct iovec v = { buf, 3 };
	pipe(p);
	T(vmsplice(f, &v, 1, 0));
	T(vmsplice(f, &v, 0, 0));
	T(vmsplice(-1, &v, 1, 0));
	T(vmsplice(p[1], &v, 1, 0x100));
	T(vmsplice(p[1], &v, 1025, 0));
	T(vmsplice(p[1], &v, 0, 0));
	T(vmsplice(p[1], (void *)1, 1, 0));
	T(vm(p[1], NULL, 5, 0));
	T(vm(p[1], buf, -1, 0));
	char *edge = pages(2);
	munmap(edge + PAGE, PAGE);
	memset(edge, 'e', PAGE);
	T(vm(p[1], edge + 96, PAGE, 0));
	T(vm(p[1], edge + PAGE, PAGE, 0));
	T(read(p[0], back, 10000));
	struct iovec three[] = { { "one", 3 }, { NULL, 0 }, { "three", 5 } };
	T(vmsplice(p[1], three, 3, SPLICE_F_GIFT));
	three[0] = (struct iovec){ back, 2 };
	three[2] = (struct iovec){ back + 2, 100 };
	T(vmsplice(p[0], three, 3, 0));
	SAY("%.8s\n", back);
	T(vm(p[0], back, 10, SPLICE_F_NONBLOCK));
	char *big = pages(20);
	memset(big, 'b', 20 * PAGE);
	T(vm(p[1], big, 20 * PAGE, SPLICE_F_NONBLOCK));
	T(vm(p[1], big, 20 * PAGE, SPLICE_F_NONBLOCK));
	T(vm(p[0], edge, PAGE + 1, 0));
	T(vm(p[0], NULL, 10, 0));
	T(vm(p[0], back, sizeof(back), 0));
	close(p[0]);
	signal(SIGPIPE, SIG_IGN);
	T(vm(p[1], big, PAGE, 0));
	signal(SIGPIPE, SIG_DFL);
	close_all();
}

/* To a file through a pipe, from each kind of memory. */
static void to_file(const char *what, char *mem, size_t n)
{
	int p[2], f = open("vm", O_RDWR | O_CREAT | O_TRUNC, 0600);
	size_t done = 0;
	long k, m;
	pipe(p);
	while (done < n && (k = vm(p[1], mem + done, n - done, 0)) > 0)
		for (done += k; k > 0; k -= m)
			if ((m = splice(p[0], NULL, f, NULL, k, SPLICE_F_MOVE)) <= 0)
				k = m = 0;
	SAY("%s: %ld bytes, file %ld, %s\n", what, (long)done, (long)pread(f, back, sizeof(back), 0), memcmp(back, mem, n) ? "other bytes" : "the same");
	close_all();
}

static void kinds(void)
{
	char *m = pages(40);
	pattern(m, 40 * PAGE, 1);
	to_file("anonymous", m, 40 * PAGE);
	to_file("anonymous again", m, 40 * PAGE);
	to_file("not aligned", m + 100, 30 * PAGE);
	to_file("never touched", pages(10), 10 * PAGE);
	mprotect(m, 40 * PAGE, PROT_READ);
	to_file("read-only", m, 40 * PAGE);
	mprotect(m, 40 * PAGE, RW);
	int f = open("kinds", O_RDWR | O_CREAT | O_TRUNC, 0600);
	write(f, m, 10 * PAGE);
	char *shared = mmap(NULL, 10 * PAGE, RW, MAP_SHARED, f, 0), *private = mmap(NULL, 10 * PAGE, RW, MAP_PRIVATE, f, 0);
	to_file("a file, shared", shared, 10 * PAGE);
	shared[5 * PAGE] = 'w';
	to_file("a file, written", shared, 10 * PAGE);
	private[3 * PAGE] = 'p';
	to_file("a file, private", private, 10 * PAGE);
	char *both = mmap(NULL, 4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(both + PAGE, 's', 2 * PAGE);
	to_file("shared anonymous", both, 4 * PAGE);
	memset(m, 'm', 40 * PAGE);
	to_file("stored to since", m, 40 * PAGE);
	CHILD("in a child", to_file("inherited", m, 40 * PAGE); m[0] = 'c'; to_file("and stored to", m, PAGE));
	to_file("after the child", m, 40 * PAGE);
	munmap(m, 40 * PAGE);
}

/* Who stores after another process has spliced and unmapped never shows in the pipe (kselftest mm/cow.c, CVE-2020-29374): K3 to K6. */
static void read_pipe(const char *what, int fd)
{
	long k = read(fd, back, 2 * PAGE);
	int old = 0;
	for (long i = 0; i < k; i++)
		old += back[i] == 'o';
	SAY("%s: %ld bytes, %d of them old\n", what, k, old);
}

static void after_fork(void)
{
	int p[2], go[2], done[2];
	char c, *m;
	for (int protect = 0; protect < 2; protect++) {
		pipe(p); pipe(go); pipe(done);
		m = pages(2);
		memset(m, 'o', 2 * PAGE);
		fflush(stdout);
		if (!fork()) {			/* K3, K4: the child splices and unmaps, the parent stores */
			vm(p[1], m, 2 * PAGE, 0);
			munmap(m, 2 * PAGE);
			write(done[1], "d", 1);
			read(go[0], &c, 1);
			read_pipe(protect ? "K4" : "K3", p[0]);
			_exit(0);
		}
		read(done[0], &c, 1);
		if (protect) {
			mprotect(m, 2 * PAGE, PROT_READ);
			mprotect(m, 2 * PAGE, RW);
		}
		memset(m, 'n', 2 * PAGE);
		write(go[1], "g", 1);
		wait(NULL);
		munmap(m, 2 * PAGE);
		close_all();
	}
	for (int before = 0; before < 2; before++) {
		pipe(p); pipe(go); pipe(done);
		m = pages(2);
		memset(m, 'o', 2 * PAGE);
		if (before)
			vm(p[1], m, 2 * PAGE, 0);
		fflush(stdout);
		if (!fork()) {			/* K5, K6: the parent splices before or after fork and unmaps, the child stores */
			read(go[0], &c, 1);
			memset(m, 'n', 2 * PAGE);
			write(done[1], "d", 1);
			_exit(0);
		}
		if (!before)
			vm(p[1], m, 2 * PAGE, 0);
		munmap(m, 2 * PAGE);
		write(go[1], "g", 1);
		read(done[0], &c, 1);
		read_pipe(before ? "K5" : "K6", p[0]);
		wait(NULL);
		close_all();
	}
}

static void sends(void)
{
	int f = open("send", O_RDWR | O_CREAT | O_TRUNC, 0600), o = open("sent", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2], s[2], bad = 0;
	int readonly = open("sent", O_RDONLY), writeonly = open("send", O_WRONLY);
	off_t at = 0, negative = -1;
	pattern(buf, 70000, 5);
	write(f, buf, 70000);
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	T(sendfile(o, f, &at, 70000));
	SAY("at %ld, in %ld, out %ld\n", (long)at, (long)lseek(f, 0, SEEK_CUR), (long)lseek(o, 0, SEEK_CUR));
	pread(o, back, 70000, 0);
	SAY("%s\n", memcmp(back, buf, 70000) ? "other bytes" : "the same");
	at = 2;
	T(sendfile(o, f, &at, 10));
	at = 69999;
	T(sendfile(o, f, &at, 10));
	T(sendfile(o, f, &at, 10));
	T(sendfile(o, f, &negative, 10));
	T(sendfile(readonly, f, NULL, 10));
	T(sendfile(o, writeonly, NULL, 10));
	T(sendfile(-1, f, NULL, 10));
	T(sendfile(o, -1, NULL, 10));
	T(sendfile(o, p[0], NULL, 10));
	T(sendfile(o, s[0], NULL, 10));
	T(sendfile(o, f, (off_t *)1, 10));
	at = 4090;
	T(sendfile(p[1], f, &at, 10));
	T(read(p[0], back, 100));
	bad += memcmp(back, buf + 4090, 10) != 0;
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	at = 0;
	T(sendfile(p[1], f, &at, 70000));
	SAY("at %ld\n", (long)at);
	T(sendfile(p[1], f, &at, 70000));
	T(sendfile(p[1], f, &at, 0));
	T(read(p[0], back, 70000));
	bad += memcmp(back, buf, 65536) != 0;
	at = 5;
	T(sendfile(s[0], f, &at, 5000));
	T(read(s[1], back, 10000));
	bad += memcmp(back, buf + 5, 5000) != 0;
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	for (at = 0; sendfile(s[0], f, &at, 4096) > 0; at = 0)
		;
	T(sendfile(s[0], f, &at, 10));
	/* A long way into a file with a hole. */
	at = 3L << 30;
	T(ftruncate(f, at + 1));
	at--;
	T(sendfile(o, f, &at, 10));
	T(lseek(f, 0, SEEK_CUR));
	SAY("sends: %d wrong\n", bad);
	close_all();
}

int main(void)
{
	errors();
	kinds();
	after_fork();
	sends();
	return 0;
}
