/* splice, tee and F_SETPIPE_SZ: data, offsets, errors, waiting, signals, closing ends. */
#include "t.h"
#include <sys/eventfd.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#define BIG (300000)
static char buf[BIG], back[BIG];
static volatile int signals;
static void on_signal(int sig) { signals++; }

static int file_of(const char *name, size_t n, unsigned seed)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	pattern(buf, n, seed);
	if (fd < 0 || write(fd, buf, n) != (ssize_t)n)
		SAY("cannot make %s\n", name);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Everything until the end. */
static long drain(int fd, void *to, size_t n)
{
	long done = 0, k;
	while (done < (long)n && (k = read(fd, (char *)to + done, n - done)) > 0)
		done += k;
	return done;
}

static void errors(void)
{
	int p[2], q[2], f = file_of("errors", 5000, 1), o = open("out", O_RDWR | O_CREAT | O_TRUNC, 0600), append = open("out", O_WRONLY | O_APPEND);
	int dir = open(".", O_RDONLY), event = eventfd(0, 0), null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDWR), path = open("errors", O_PATH);
	int readonly = open("errors", O_RDONLY), status = open("/proc/self/status", O_RDONLY), s[2];
	loff_t off = 0, negative = -1;
	pipe(p);
	pipe(q);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(p[1], "0123456789", 10);
	T(splice(p[0], 0, o, 0, 0, 0));
	T(splice(-1, 0, -1, 0, 0, 0x100));
	T(splice(p[0], 0, o, 0, 1, 0x100));
	T(splice(-1, 0, q[1], 0, 1, 0));
	T(splice(f, 0, -1, 0, 1, 0));
	T(splice(path, 0, q[1], 0, 1, 0));
	T(splice(f, 0, o, 0, 1, 0));
	T(splice(p[1], 0, o, 0, 1, 0));
	T(splice(f, 0, q[0], 0, 1, 0));
	T(splice(p[0], 0, readonly, 0, 1, 0));
	T(splice(p[0], 0, p[1], 0, 1, 0));
	T(splice(f, 0, q[1], &off, 1, 0));
	T(splice(p[0], &off, o, 0, 1, 0));
	T(splice(p[0], &off, q[1], 0, 1, 0));
	T(splice(p[0], 0, s[0], &off, 1, 0));
	T(splice(s[0], &off, q[1], 0, 1, 0));
	T(splice(p[0], 0, append, 0, 1, 0));
	T(splice(f, &negative, q[1], 0, 1, 0));
	T(splice(f, (loff_t *)1, q[1], 0, 1, 0));
	T(splice(f, 0, q[1], 0, -1UL, 0));
	T(splice(dir, 0, q[1], 0, 1, 0));
	T(splice(event, 0, q[1], 0, 8, 0));
	T(splice(p[0], 0, event, 0, 8, 0));
	T(splice(status, 0, q[1], 0, 8, 0));
	T(splice(zero, 0, q[1], 0, 10, 0));
	T(read(q[0], back, 100));
	T(splice(p[0], 0, null, 0, 4, 0));
	T(tee(p[0], p[1], 1, 0));
	T(tee(p[0], o, 1, 0));
	T(tee(f, q[1], 1, 0));
	T(tee(p[0], q[1], 1, 0x100));
	T(tee(-1, q[1], 0, 0));
	T(tee(-1, q[1], 1, 0));
	T(tee(p[1], q[1], 1, 0));
	T(splice(s[0], 0, q[1], 0, 10, SPLICE_F_NONBLOCK));
	T(splice(q[0], 0, o, 0, 10, SPLICE_F_NONBLOCK));
	T(splice(q[0], 0, p[1], 0, 10, SPLICE_F_NONBLOCK));
	T(tee(q[0], p[1], 10, SPLICE_F_NONBLOCK));
	T(splice(p[0], 0, q[1], 0, 10, SPLICE_F_NONBLOCK | SPLICE_F_MOVE | SPLICE_F_MORE | SPLICE_F_GIFT));
	memset(back, 0, 10);
	T(read(q[0], back, 100));
	SAY("%s\n", back);
	close(q[1]);
	T(splice(q[0], 0, o, 0, 10, 0));
	T(splice(q[0], 0, p[1], 0, 10, 0));
	T(tee(q[0], p[1], 10, 0));
	signal(SIGPIPE, on_signal);
	close(p[0]);
	T(splice(f, 0, p[1], 0, 10, 0));
	SAY("SIGPIPE %d, position %ld\n", signals, (long)lseek(f, 0, SEEK_CUR));
	signal(SIGPIPE, SIG_DFL);
	for (int fd = 3; fd < 40; fd++)
		close(fd);
}

/* A file's bytes through a pipe into another file, from each offset and in each length that could matter. */
static void files(void)
{
	static const size_t at[] = { 0, 1, 4095, 4096, 8192, 10000, 20000, 69999, 70000, 80000 }, len[] = { 1, 4096, 4097, 16384, 65536, 100000 };
	int f = file_of("source", 70000, 3), p[2], bad = 0;
	pipe(p);
	for (unsigned i = 0; i < sizeof(at) / sizeof(*at); i++)
		for (unsigned k = 0; k < sizeof(len) / sizeof(*len); k++) {
			int o = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
			size_t want = at[i] >= 70000 ? 0 : len[k] < 70000 - at[i] ? len[k] : 70000 - at[i], done = 0;
			loff_t from = at[i], to = 5;
			long n, m;
			while (done < want && (n = splice(f, &from, p[1], 0, want - done, 0)) > 0)
				for (done += n; n > 0; n -= m)
					if ((m = splice(p[0], 0, o, &to, n, SPLICE_F_MOVE)) <= 0)
						bad++, n = m = 0;
			bad += done != want || from != (loff_t)(at[i] + want) || to != (loff_t)(5 + want);
			bad += pread(o, back, BIG, 5) != (ssize_t)want || memcmp(back, buf + at[i], want);
			bad += splice(f, &from, p[1], 0, 1, 0) != (at[i] + want < 70000);
			if (at[i] + want < 70000)
				read(p[0], back, 1);
			close(o);
		}
	SAY("files: %d wrong\n", bad);
	T(lseek(f, 0, SEEK_CUR));
	T(splice(f, 0, p[1], 0, 10, 0));
	T(lseek(f, 0, SEEK_CUR));
	int o = open("copy", O_RDWR | O_TRUNC);
	T(splice(p[0], 0, o, 0, 100, 0));
	T(lseek(o, 0, SEEK_CUR));
	/* What comes after the end of the file is nobody's: 100 bytes of 4096. */
	T(ftruncate(f, 4196));
	loff_t off = 4096;
	T(splice(f, &off, p[1], 0, 4096, 0));
	T(splice(f, &off, p[1], 0, 4096, 0));
	T(read(p[0], back, 4096));
	SAY("%s\n", memcmp(back, buf + 4096, 100) ? "other bytes" : "the same");
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* A write to a pipe never goes into a page that is not the pipe's own (CVE-2022-0847). */
static void never_merged(void)
{
	int f = file_of("victim", 4096, 7), p[2], q[2];
	loff_t off = 100;
	pipe(p);
	pipe(q);
	for (int i = 0; i < 16; i++)		/* every place of the ring was once one that a write may append to */
		write(p[1], buf, 4096);
	for (int i = 0; i < 16; i++)
		read(p[0], back, 4096);
	T(splice(f, &off, p[1], 0, 1, 0));
	T(write(p[1], "overwritten", 11));
	T(tee(p[0], q[1], 100, 0));
	T(write(q[1], "in q", 4));
	T(write(p[1], "in p", 4));
	memset(back, 0, 100);
	T(read(p[0], back, 100));
	SAY("p %s %s\n", back[0] == buf[100] ? "the byte" : "another byte", back + 1);
	memset(back, 0, 100);
	T(read(q[0], back, 100));
	SAY("q %s %s\n", back[0] == buf[100] ? "the byte" : "another byte", back + 1);
	T(pread(f, back, 4096, 0));
	SAY("file %s\n", memcmp(back, buf, 4096) ? "CHANGED" : "unchanged");
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

static void tees(void)
{
	int p[3][2], f = file_of("tees", 30000, 9), bad = 0;
	for (int i = 0; i < 3; i++)
		pipe(p[i]);
	T(splice(f, 0, p[0][1], 0, 30000, 0));
	T(tee(p[0][0], p[1][1], 10000, 0));
	T(tee(p[0][0], p[2][1], 30000, 0));
	T(splice(p[0][0], 0, p[1][1], 0, 20001, 0));
	for (int i = 0; i < 3; i++)
		close(p[i][1]);
	T(drain(p[0][0], back, BIG));
	bad += memcmp(back, buf + 20001, 9999) != 0;
	T(drain(p[1][0], back, BIG));
	bad += memcmp(back, buf, 10000) || memcmp(back + 10000, buf, 20001);
	T(drain(p[2][0], back, BIG));
	bad += memcmp(back, buf, 30000) != 0;
	SAY("tees: %d wrong\n", bad);
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

static void sizes(void)
{
	int p[2], f = file_of("sizes", 200000, 11);
	pipe(p);
	T(fcntl(p[0], F_GETPIPE_SZ));
	T(fcntl(f, F_GETPIPE_SZ));
	T(fcntl(f, F_SETPIPE_SZ, 4096));
	T(fcntl(p[1], F_SETPIPE_SZ, 0));
	T(fcntl(p[1], F_SETPIPE_SZ, 4097));
	T(fcntl(p[1], F_SETPIPE_SZ, -1));
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	T(write(p[1], buf, 10000));
	T(splice(f, 0, p[1], 0, 10000, 0));
	T(fcntl(p[1], F_SETPIPE_SZ, 4096));
	T(fcntl(p[1], F_SETPIPE_SZ, 131072));
	lseek(f, 8192, SEEK_SET);
	T(splice(f, 0, p[1], 0, 200000, 0));
	T(splice(f, 0, p[1], 0, 200000, 0));
	T(fcntl(p[1], F_SETPIPE_SZ, 65536));
	T(read(p[0], back, 100000));
	SAY("%s\n", memcmp(back, buf, 100000) ? "other bytes" : "the same");
	T(fcntl(p[1], F_SETPIPE_SZ, 65536));
	T(read(p[0], back, 100000));
	SAY("%s\n", memcmp(back, buf + 100000, 39264 - 8192) ? "other bytes" : "the same");
	T(fcntl(p[1], F_SETPIPE_SZ, 1 << 20));
	long r, n = 0;
	while ((r = write(p[1], buf, 8192)) > 0)
		n += r;
	SAY("holds %ld\n", n);
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* Waits end by bytes, by room, by the other end's close, by a signal. */
static void waits(void)
{
	int p[2], q[2], f = file_of("waits", 8192, 13);
	struct sigaction sa = { .sa_handler = on_signal };
	signals = 0;
	sigaction(SIGALRM, &sa, NULL);
	pipe(p);
	pipe(q);
	alarms_on();
	T(splice(p[0], 0, q[1], 0, 1, 0));
	T(tee(p[0], q[1], 1, 0));
	T(splice(p[0], 0, f, 0, 1, 0));
	for (int i = 0; i < 16; i++)
		write(p[1], buf, 4096);
	T(splice(f, 0, p[1], 0, 1, 0));
	alarms_off();
	SAY("signals, one for each at least: %d\n", signals >= 4);
	CHILD("the writer comes", int r[2]; pipe(r); if (!fork()) { usleep(20000); write(r[1], "late", 4); _exit(0); } close(r[1]); T(splice(r[0], 0, f, 0, 100, 0));
		T(splice(r[0], 0, f, 0, 100, 0)); wait(NULL));
	CHILD("the reader makes room", lseek(f, 0, SEEK_SET); if (!fork()) { usleep(20000); for (int i = 0; i < 16; i++) read(p[0], back, 4096); _exit(0); }
		T(splice(f, 0, p[1], 0, 4096, 0)); wait(NULL));
	CHILD("no reader is left", int r[2]; pipe(r); fcntl(r[1], F_SETPIPE_SZ, 4096); write(r[1], buf, 4096); if (!fork()) { close(r[1]); usleep(20000); _exit(0); }
		close(r[0]); signal(SIGPIPE, SIG_IGN); T(splice(f, 0, r[1], 0, 100, 0)); wait(NULL));
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* file -> pipe -> socket, and another process socket -> pipe -> file. */
static void chain(void)
{
	int f = file_of("chain", BIG, 17), o = open("chained", O_RDWR | O_CREAT | O_TRUNC, 0600), p[2], s[2];
	long n, m;
	pipe(p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		pipe(p);
		close(s[0]);
		while ((n = splice(s[1], 0, p[1], 0, 50000, SPLICE_F_MORE)) > 0)
			for (; n > 0; n -= m)
				if ((m = splice(p[0], 0, o, 0, n, 0)) <= 0)
					_exit(1);
		_exit(n < 0);
	}
	close(s[1]);
	while ((n = splice(f, 0, p[1], 0, 70000, 0)) > 0)
		for (; n > 0; n -= m)
			if ((m = splice(p[0], 0, s[0], 0, n, 0)) <= 0) {
				SAY("socket: %s\n", strerror(errno));
				n = m = 0;
			}
	close(s[0]);
	close(p[0]);
	close(p[1]);
	show_status("the other end", wait_for(pid));
	T(pread(o, back, BIG, 0));
	SAY("%s\n", memcmp(back, buf, BIG) ? "other bytes" : "the same");
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* Files opened with O_DIRECT, where there are such: whole blocks go the same way. */
static void direct(void)
{
	int f = file_of("direct", 40960, 23), p[2], d = open("direct", O_RDONLY | O_DIRECT), o = open("direct2", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600);
	off_t at = 4096;
	fsync(f);
	if (d < 0)
		d = f;
	if (o < 0)
		o = open("direct2", O_RDWR | O_CREAT | O_TRUNC, 0600);
	pipe(p);
	T(splice(d, NULL, p[1], NULL, 16384, 0));
	T(splice(p[0], NULL, o, NULL, 16384, 0));
	T(sendfile(o, d, &at, 8192));
	T(sendfile(p[1], d, &at, 4096));
	T(read(p[0], back, 10000));
	SAY("%s\n", memcmp(back, buf + 12288, 4096) ? "other bytes" : "the same");
	close(o);
	o = open("direct2", O_RDONLY);
	T(read(o, back, BIG));
	SAY("%s\n", memcmp(back, buf, 16384) || memcmp(back + 16384, buf + 4096, 8192) ? "other bytes" : "the same");
	for (int fd = 3; fd < 20; fd++)
		close(fd);
}

/* Two who splice from one pipe to files, one who reads, one who writes: no byte is lost or doubled. */
static void contend(void)
{
	int p[2], sums[2];
	pipe(p);
	pipe(sums);
	fflush(stdout);
	for (int w = 0; w < 3; w++)
		if (!fork()) {
			char name[10] = { 'c', '0' + w };
			int o = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
			unsigned sum = 0;
			long n, all = 0;
			close(p[1]);
			while ((n = w ? splice(p[0], 0, o, 0, 3000 * w, 0) : read(p[0], back, 2500)) > 0) {
				for (long i = 0; !w && i < n; i++)
					sum += (unsigned char)back[i];
				all += n;
			}
			if (w)
				for (lseek(o, 0, SEEK_SET); (n = read(o, back, BIG)) > 0;)
					for (long i = 0; i < n; i++)
						sum += (unsigned char)back[i];
			long out[2] = { all, sum };
			write(sums[1], out, sizeof(out));
			_exit(n < 0);
		}
	close(p[0]);
	unsigned sum = 0;
	pattern(buf, BIG, 19);
	for (int i = 0; i < 1000000; i += 5000) {
		write(p[1], buf + i % 250000, 5000);
		for (int k = 0; k < 5000; k++)
			sum += (unsigned char)buf[i % 250000 + k];
	}
	close(p[1]);
	long all = 0, out[2];
	for (int w = 0; w < 3; w++) {
		read(sums[0], out, sizeof(out));
		all += out[0];
		sum -= out[1];
	}
	SAY("contend: %ld bytes, difference %u\n", all, sum);
	while (wait(NULL) > 0)
		;
}

int main(void)
{
	errors();
	files();
	never_merged();
	tees();
	sizes();
	waits();
	chain();
	direct();
	contend();
	return 0;
}
