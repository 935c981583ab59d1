/* UNIX-domain sockets: kinds, streams, options, several messages at once, edges, errors, ends. (Names: sockets_named.c; descriptors in messages: sockets_rights.c.) */
#include "sockets.h"
#include <pthread.h>
#include <sys/epoll.h>

static void kinds(void)
{
	int p[2];

	T(socket(AF_INET6 + 100, SOCK_STREAM, 0));
	T(socket(AF_UNIX, 77, 0));
	T(socket(AF_UNIX, SOCK_STREAM, 77));
	T(socket(AF_UNIX, SOCK_RDM, 0));
	T(socketpair(AF_UNIX, SOCK_STREAM | 0x100000, 0, p));
	T(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8));
	T(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) < 0);
	T(fcntl(p[0], F_GETFD));
	T(fcntl(p[0], F_GETFL) == (O_RDWR | O_NONBLOCK));
	T(lseek(p[0], 0, SEEK_SET));
	T(ftruncate(p[0], 0));
	T(recv(0x7fff, buf, 1, 0));
	int f = open("plain", O_RDWR | O_CREAT, 0600);
	T(recv(f, buf, 1, 0));
	T(listen(f, 1));
	close(f);
	unlink("plain");
	struct stat st;
	char link[100], path[40];
	fstat(p[0], &st);
	SAY("mode %o\n", st.st_mode & S_IFMT);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	link[readlink(path, link, 99)] = 0;
	SAY("link %.8s\n", link);
	SAY("opened by it: %d\n", open(path, O_RDWR) >= 0);
	close(p[0]);
	close(p[1]);
}

static void streams(void)
{
	int p[2];

	signal(SIGPIPE, SIG_IGN);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	names_of("pair", p[0]);
	show_poll("fresh", p[0]);
	T(write(p[0], "hello ", 6));
	T(send(p[0], "world", 5, 0));
	show_poll("with data", p[1]);
	int n;
	T(ioctl(p[1], FIONREAD, &n));
	SAY("%d bytes\n", n);
	get_text("peek", p[1], MSG_PEEK);
	get_text("all", p[1], 0);
	get_text("none", p[1], MSG_DONTWAIT);
	send(p[0], "abc", 3, 0);
	T(recv(p[1], buf, 2, 0));
	get_text("rest", p[1], 0);
	T(send(p[0], "", 0, 0));
	get_text("nothing was sent", p[1], MSG_DONTWAIT);
	T(recv(p[1], buf, 0, MSG_DONTWAIT));
	send(p[0], "12345", 5, 0);
	T(recv(p[1], (void *)8, 5, 0));
	get_text("still there", p[1], 0);
	T(send(p[0], (void *)8, 5, 0));
	T(recv(p[1], buf, 10, MSG_OOB | MSG_DONTWAIT) < 0);
	socklen_t len;
	struct sockaddr_un a = address("x", &len);
	T(sendto(p[0], "x", 1, 0, (void *)&a, len));
	T(connect_to(p[0], "nowhere"));
	T(bind_to(p[0], "") < 0 ? -1 : 0);
	T(listen(p[0], 1));
	T(accept(p[0], NULL, NULL));
	T(shutdown(p[0], SHUT_WR));
	T(shutdown(p[0], 7));
	get_text("end", p[1], 0);
	show_poll("half", p[1]);
	show_poll("half, other", p[0]);
	T(send(p[0], "x", 1, MSG_NOSIGNAL));
	T(send(p[1], "back", 4, 0));
	get_text("back", p[0], 0);
	T(shutdown(p[1], SHUT_RD));
	T(shutdown(p[1], SHUT_WR));
	show_poll("both", p[1]);
	get_text("end", p[0], 0);
	close(p[0]);
	close(p[1]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	send(p[0], "left", 4, 0);
	send(p[1], "unread", 6, 0);
	close(p[0]);
	show_poll("closed with unread data", p[1]);
	get_text("first the data", p[1], 0);
	get_text("then the reset", p[1], 0);
	get_text("then the end", p[1], 0);
	T(send(p[1], "x", 1, 0));
	names_of("closed peer", p[1]);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	close(p[0]);
	CHILD("write to nobody", write(p[1], "x", 1));
	CHILD("send to nobody", send(p[1], "x", 1, 0));
	CHILD("without the signal", T(send(p[1], "x", 1, MSG_NOSIGNAL)));
	close(p[1]);
}

static void *reader(void *arg)
{
	long total = 0;
	unsigned sum = 0;
	ssize_t n;

	while ((n = read((int)(long)arg, buf + 100000, 7777)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)buf[100000 + i];
		total += n;
	}
	SAY("read %ld bytes, sum %x\n", total, sum);
	return NULL;
}

static void large(void)
{
	int p[2];
	pthread_t t;
	ssize_t n, total = 0;
	struct iovec v[3] = { { buf, 10 }, { buf + 10, 0 }, { buf + 10, 20 } };

	pattern(buf, 90000, 3);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	pthread_create(&t, NULL, reader, (void *)(long)p[1]);
	for (int i = 0; i < 10; i++)
		total += write(p[0], buf, 90000);
	SAY("wrote %ld\n", (long)total);
	T(writev(p[0], v, 3));
	shutdown(p[0], SHUT_WR);
	pthread_join(t, NULL);
	close(p[0]);
	close(p[1]);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p);
	while ((n = write(p[0], buf, 1000)) > 0)
		;
	show("full", n);
	show_poll("full", p[0]);
	while ((n = read(p[1], buf, sizeof(buf))) > 0)
		;
	show("empty", n);
	show_poll("empty", p[0]);
	fcntl(p[1], F_SETFL, 0);
	send(p[0], "abc", 3, 0);
	struct timeval tv = { 0, 20000 };
	setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	T(recv(p[1], buf, 10, MSG_WAITALL));
	T(recv(p[1], buf, 10, MSG_WAITALL));
	close(p[0]);
	close(p[1]);
}

static void options(void)
{
	int s = socket(AF_UNIX, SOCK_STREAM, 0), p[2], v = 0;
	static const struct { int name; const char *text; } names[] = { { SO_TYPE, "TYPE" }, { SO_DOMAIN, "DOMAIN" }, { SO_PROTOCOL, "PROTOCOL" }, { SO_ERROR, "ERROR" },
		{ SO_ACCEPTCONN, "ACCEPTCONN" }, { SO_PASSCRED, "PASSCRED" }, { SO_REUSEADDR, "REUSEADDR" }, { SO_KEEPALIVE, "KEEPALIVE" },
		{ SO_BROADCAST, "BROADCAST" }, { SO_RCVLOWAT, "RCVLOWAT" }, { SO_SNDBUF, "SNDBUF" }, { SO_RCVBUF, "RCVBUF" }, { 999, "999" } };
	socklen_t len;
	struct timeval tv = { 3, 500000 };
	struct ucred u;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		len = sizeof(v);
		v = -1;
		show(names[i].text, getsockopt(s, SOL_SOCKET, names[i].name, &v, &len));
		SAY("%d %u\n", v, len);
	}
	T(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &(int){ 10000 }, 4));
	len = 4;
	getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len);
	SAY("%d\n", v);
	T(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, 4));
	getsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, &len);
	SAY("%d\n", v);
	T(setsockopt(s, SOL_SOCKET, SO_TYPE, &v, 4));
	T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 3));
	T(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4));
	T(setsockopt(s, 999, SO_REUSEADDR, &v, 4));
	T(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	memset(&tv, 0, sizeof(tv));
	len = sizeof(tv);
	T(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	SAY("%ld.%06ld %u\n", (long)tv.tv_sec, (long)tv.tv_usec, len);
	tv.tv_usec = 1000000;
	T(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	len = sizeof(u);
	T(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &len));
	SAY("%d %d %d\n", u.pid, (int)u.uid, (int)u.gid);
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	T(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
	SAY("%d %d %d\n", u.pid == getpid(), u.uid == geteuid(), u.gid == getegid());
	len = 2;
	T(getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, &len));
	T(getsockopt(p[0], SOL_SOCKET, SO_TYPE, &v, NULL));
	close(p[0]);
	close(p[1]);
	close(s);
}

static void several(void)
{
	int p[2];
	struct mmsghdr m[4];
	struct iovec v[4];
	char in[4][8];

	socketpair(AF_UNIX, SOCK_DGRAM, 0, p);
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 3; i++) {
		v[i] = (struct iovec){ (char *)"abcdef", (size_t)i + 1 };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	T(sendmmsg(p[0], m, 3, 0));
	SAY("%u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){ in[i], 8 };
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	T(recvmmsg(p[1], m, 4, MSG_DONTWAIT, NULL));
	SAY("%u %u %u\n", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	T(recvmmsg(p[1], m, 4, MSG_DONTWAIT, NULL));
	send(p[0], "x", 1, 0);
	T(recvmmsg(p[1], m, 4, MSG_WAITFORONE, NULL));
	close(p[0]);
	close(p[1]);
}

/* Edge-triggered: only a change of its own side is reported. */
static void edges(void)
{
	int p[2], ep = epoll_create1(0), n;
	struct epoll_event e = { .events = EPOLLIN | EPOLLET | EPOLLRDHUP };

	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e);
	T(epoll_wait(ep, &e, 1, 0));
	send(p[0], "ab", 2, 0);
	T(epoll_wait(ep, &e, 1, 0));
	T(epoll_wait(ep, &e, 1, 0));
	recv(p[1], buf, 1, 0);
	T(epoll_wait(ep, &e, 1, 0));
	send(p[0], "c", 1, 0);
	T(epoll_wait(ep, &e, 1, 0));
	send(p[1], "other way", 9, 0);
	recv(p[0], buf, 9, 0);
	n = epoll_wait(ep, &e, 1, 0);
	SAY("the other way: %d\n", n);
	close(p[0]);
	T(epoll_wait(ep, &e, 1, 0));
	SAY("%x\n", e.events);
	close(p[1]);
	close(ep);
}

int main(void)
{
	kinds();
	streams();
	large();
	options();
	several();
	edges();
	return 0;
}
