/* Pipes and FIFOs: order, limits, ends, signals, polling. */
#include "t.h"

static volatile int got_sigpipe;
static void on_pipe(int sig) { got_sigpipe++; }

int main(void)
{
	int p[2], n;
	char buf[70000], text[100];
	struct pollfd pf;
	T(pipe(p));
	T(write(p[1], "hello", 5));
	T(ioctl(p[0], FIONREAD, &n));
	SAY("%d bytes\n", n);
	T(read(p[0], text, 2));
	T(read(p[0], text, 100));
	T(write(p[0], "x", 1));
	T(read(p[1], text, 1));
	T(lseek(p[0], 0, SEEK_SET));
	T(pread(p[0], text, 1, 0));
	pf = (struct pollfd){ p[0], POLLIN, 0 };
	T(poll(&pf, 1, 0));
	T(write(p[1], "y", 1));
	T(poll(&pf, 1, 1000));
	SAY("revents %x\n", pf.revents);
	read(p[0], text, 1);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	T(read(p[0], text, 1));
	memset(buf, 'z', sizeof(buf));
	T(write(p[1], buf, sizeof(buf)));
	T(write(p[1], buf, 1));
	T(write(p[1], buf, 4096));
	T(read(p[0], buf, 4095));
	T(write(p[1], buf, 4096));		/* atomic: all or nothing */
	T(read(p[0], buf, 1));
	T(write(p[1], buf, 4096));
	pf = (struct pollfd){ p[1], POLLOUT, 0 };
	T(poll(&pf, 1, 0));
	close(p[1]);
	long total = 0, r;
	while ((r = read(p[0], buf, sizeof(buf))) > 0)
		total += r;
	SAY("drained %ld, end %ld\n", total, r);
	pf = (struct pollfd){ p[0], POLLIN, 0 };
	T(poll(&pf, 1, 0));
	SAY("revents %x\n", pf.revents);
	close(p[0]);

	signal(SIGPIPE, on_pipe);
	T(pipe(p));
	close(p[0]);
	T(write(p[1], "x", 1));
	SAY("SIGPIPE %d\n", got_sigpipe);
	pf = (struct pollfd){ p[1], POLLOUT, 0 };
	T(poll(&pf, 1, 0));
	SAY("revents %x\n", pf.revents);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
	CHILD("killed by SIGPIPE", pipe(p); close(p[0]); write(p[1], "x", 1));
	signal(SIGPIPE, SIG_IGN);
	CHILD("SIGPIPE ignored", pipe(p); close(p[0]); T(write(p[1], "x", 1)));
	signal(SIGPIPE, SIG_DFL);

	/* A megabyte through a pipe, odd sizes on both sides. */
	T(pipe(p));
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		close(p[0]);
		for (int i = 0, left = 1 << 20; left > 0; i++) {
			int k = 1 + i * 977 % 9000;
			k = k > left ? left : k;
			pattern(buf, k, (1 << 20) - left);
			for (int done = 0; done < k;)
				done += write(p[1], buf + done, k - done);
			left -= k;
		}
		_exit(0);
	}
	close(p[1]);
	unsigned h = 2166136261u;
	for (total = 0; (r = read(p[0], buf, 1 + total % 12345)) > 0; total += r)
		for (int i = 0; i < r; i++)
			h = (h ^ (unsigned char)buf[i]) * 16777619u;
	SAY("%ld bytes, checksum %08x\n", total, h);
	show_status("writer", wait_for(pid));

	/* Several writers of at most PIPE_BUF never mix. */
	T(pipe(p));
	for (int w = 0; w < 4; w++)
		if (!fork()) {
			memset(buf, 'a' + w, 1000);
			for (int i = 0; i < 100; i++)
				write(p[1], buf, 1000);
			_exit(0);
		}
	close(p[1]);
	int mixed = 0;
	for (total = 0; total < 400000; total += 1000) {
		for (int done = 0; done < 1000; done += r)
			if ((r = read(p[0], buf + done, 1000 - done)) <= 0)
				break;
		for (int i = 1; i < 1000; i++)
			mixed += buf[i] != buf[0];
	}
	SAY("mixed: %d, end %d\n", mixed, (int)read(p[0], buf, 1));
	while (wait(NULL) > 0)
		;
	T(mkfifo("fifo", 0644));
	T(mkfifo("fifo", 0644));
	T(open("fifo", O_WRONLY | O_NONBLOCK));
	CHILD("fifo", if (!fork()) { int fd = open("fifo", O_WRONLY); write(fd, "through a fifo", 14); _exit(0); }
		int fd = open("fifo", O_RDONLY); memset(text, 0, 100); T(read(fd, text, 100)); SAY("%s\n", text); T(read(fd, text, 100)); wait(NULL));
	T(unlink("fifo"));
	T(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	SAY("%d %d\n", fcntl(p[0], F_GETFD), fcntl(p[0], F_GETFL) & O_NONBLOCK);
	T(pipe2(p, 0x1));
	return 0;
}
