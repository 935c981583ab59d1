/* UNIX-domain sockets: kinds, names, connections, messages, descriptors and credentials in messages, options, errors, ends. */
#include "t.h"
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[300000];

static struct sockaddr_un address(const char *path, socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, path, strlen(path + 1) + 1);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (path[0] ? strlen(path) + 1 : 1 + strlen(path + 1)));
	return a;
}
static int bind_to(int s, const char *path)
{
	socklen_t len;
	struct sockaddr_un a = address(path, &len);

	return bind(s, (void *)&a, len);
}
static int connect_to(int s, const char *path)
{
	socklen_t len;
	struct sockaddr_un a = address(path, &len);

	return connect(s, (void *)&a, len);
}
static void show_name(const char *what, int r, const struct sockaddr_un *a, socklen_t len)
{
	int e = errno;

	if (r < 0)
		SAY("%s: %s\n", what, strerror(e));
	else
		SAY("%s: %u %s%s\n", what, len, len > 2 && !a->sun_path[0] ? "@" : "", len > 2 ? a->sun_path + !a->sun_path[0] : "");
}
static void names_of(const char *what, int s)
{
	struct sockaddr_un a;
	socklen_t len = sizeof(a);
	char text[100];

	memset(&a, 0, sizeof(a));
	snprintf(text, sizeof(text), "%s, own", what);
	int r = getsockname(s, (void *)&a, &len);
	show_name(text, r, &a, len);
	memset(&a, 0, sizeof(a));
	len = sizeof(a);
	snprintf(text, sizeof(text), "%s, peer", what);
	r = getpeername(s, (void *)&a, &len);
	show_name(text, r, &a, len);
}
static void show_poll(const char *what, int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

	poll(&p, 1, 0);
	SAY("%s: poll %x\n", what, p.revents);
}
static void get_text(const char *what, int s, int flags)
{
	ssize_t n = recv(s, buf, 100, flags);
	int e = errno;

	if (n < 0)
		SAY("%s: %s\n", what, strerror(e));
	else
		SAY("%s: %ld '%.*s'\n", what, (long)n, (int)(n > 100 ? 100 : n), buf);
}

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

static void named(void)
{
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), s;
	struct sockaddr_un a;
	socklen_t len;
	struct stat st;

	show_poll("unconnected", c);
	get_text("unconnected", c, MSG_DONTWAIT);
	T(send(c, "x", 1, MSG_NOSIGNAL));
	T(listen(l, 3));
	T(connect_to(c, "sock"));
	umask(027);
	T(bind_to(l, "sock"));
	umask(022);
	T(bind_to(l, "sock2"));
	T(bind_to(c, "sock"));
	stat("sock", &st);
	SAY("mode %o\n", st.st_mode);
	T(open("sock", O_RDWR));
	T(connect_to(c, "sock"));
	T(connect_to(d, "sock"));
	T(accept(l, NULL, NULL));
	T(listen(l, 1));
	show_poll("listening", l);
	T(connect_to(c, "sock"));
	T(connect_to(c, "sock"));
	show_poll("one waits", l);
	T(send(c, "early", 5, 0));
	names_of("client", c);
	len = sizeof(a);
	s = accept4(l, (void *)&a, &len, SOCK_CLOEXEC);
	show_name("accepted from", s < 0 ? -1 : 0, &a, len);
	names_of("server", s);
	get_text("early", s, 0);
	T(syscall(SYS_accept4, l, NULL, NULL, 1));
	fcntl(l, F_SETFL, O_NONBLOCK);
	T(accept(l, NULL, NULL));
	close(c);
	close(s);
	/* the backlog */
	int many[8], n = 0, e = 0;
	for (; n < 8; n++) {
		many[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect_to(many[n], "sock")) {
			e = errno;
			break;
		}
	}
	SAY("backlog: %d, then %s\n", n, strerror(e));
	close(many[n]);
	close(l);
	show_poll("listener gone", many[0]);
	get_text("listener gone", many[0], MSG_DONTWAIT);
	for (int i = 0; i < n; i++)
		close(many[i]);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	T(connect_to(c, "sock"));
	T(connect_to(c, "."));
	T(connect_to(c, "no/where"));
	unlink("sock");
	T(connect_to(c, "sock"));
	T(bind_to(c, "missing/sock"));
	T(bind(c, (void *)&a, 1));
	T(bind(c, (void *)&a, 200));
	a.sun_family = AF_INET;
	T(bind(c, (void *)&a, sizeof(a)));
	/* abstract names, and none */
	T(bind_to(c, "\0abstract of sockets.c"));
	T(bind_to(d, "\0abstract of sockets.c") < 0);
	names_of("abstract", c);
	T(listen(c, 5));
	int list = open("/proc/net/unix", O_RDONLY);
	ssize_t n_list = 0, k;
	while ((k = read(list, buf + n_list, 200000 - (size_t)n_list)) > 0)
		n_list += k;
	buf[n_list] = 0;
	close(list);
	int listed = 0;
	for (char *line = buf; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		char *end = strchr(line, '\n'), *name = strstr(line, "@abstract of sockets.c\n");
		listed += name && name < end && strstr(line, ": ") < end && !strncmp(strchr(line, ':') + 11, "00000000 00010000 0001 01", 25);
	}
	SAY("listed: %d\n", listed);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	T(connect_to(s, "\0abstract of sockets.c"));
	T(connect_to(s, "\0abstract of nobody"));
	names_of("to it", s);
	close(s);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	a.sun_family = AF_UNIX;
	T(bind(s, (void *)&a, 2));
	len = sizeof(a);
	T(getsockname(s, (void *)&a, &len));
	SAY("autobind: %u, first byte %d\n", len, a.sun_path[0]);
	len = 5;
	T(getsockname(s, (void *)&a, &len));
	SAY("cut: %u\n", len);
	len = (socklen_t)-1;
	T(getsockname(s, (void *)&a, &len));
	close(s);
	close(c);
	close(d);
}

static void datagrams(int type)
{
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0), p[2];
	struct sockaddr_un from;
	socklen_t len;
	struct sockaddr_un to = address("dgram_b", &len);

	signal(SIGPIPE, SIG_IGN);
	bind_to(a, "dgram_a");
	bind_to(b, "dgram_b");
	show_poll("datagram", a);
	T(send(a, "x", 1, 0));
	T(sendto(a, "one", 3, 0, (void *)&to, len));
	T(sendto(a, "second", 6, 0, (void *)&to, len));
	T(sendto(c, "", 0, 0, (void *)&to, len));
	T(listen(a, 1));
	T(accept(a, NULL, NULL));
	memset(&from, 0, sizeof(from));
	len = sizeof(from);
	T(recvfrom(b, buf, 2, MSG_TRUNC | MSG_PEEK, (void *)&from, &len));
	show_name("from", 0, &from, len);
	T(recv(b, buf, 2, 0));
	get_text("second", b, 0);
	len = sizeof(from);
	T(recvfrom(b, buf, 10, 0, (void *)&from, &len));
	SAY("unnamed: %u\n", len);
	get_text("none", b, MSG_DONTWAIT);
	T(connect_to(a, "dgram_b"));
	names_of("connected", a);
	T(send(a, "to the peer", 11, 0));
	get_text("from the peer", b, 0);
	T(connect_to(b, "dgram_a"));
	T(connect_to(c, "dgram_b"));
	to = address("dgram_b", &len);
	T(sendto(c, "x", 1, 0, (void *)&to, len));
	from.sun_family = AF_UNSPEC;
	T(connect(b, (void *)&from, sizeof(from)));
	T(sendto(c, "now", 3, 0, (void *)&to, len));
	get_text("now", b, 0);
	close(b);
	T(send(a, "x", 1, 0));
	T(send(a, "x", 1, 0));
	T(sendto(a, "x", 1, 0, (void *)&to, len));
	T(setsockopt(a, SOL_SOCKET, SO_SNDBUF, &(int){ 5000 }, sizeof(int)));
	to = address("dgram_a", &len);
	T(sendto(c, buf, 250000, 0, (void *)&to, len) < 0);
	T(sendto(a, buf, 20000, 0, (void *)&to, len));
	close(a);
	close(c);
	unlink("dgram_a");
	unlink("dgram_b");
	socketpair(AF_UNIX, type, 0, p);
	T(send(p[0], "ab", 2, 0));
	T(send(p[0], "", 0, 0));
	T(send(p[0], "cd", 2, MSG_EOR));
	get_text("packet", p[1], 0);
	get_text("empty packet", p[1], 0);
	struct iovec v = { buf, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	T(recvmsg(p[1], &m, 0));
	SAY("flags %x\n", m.msg_flags);
	show_poll("packets", p[0]);
	shutdown(p[0], SHUT_WR);
	T(send(p[0], "x", 1, MSG_NOSIGNAL));
	if (type == SOCK_SEQPACKET)
		get_text("after shutdown", p[1], 0);
	close(p[0]);
	T(send(p[1], "x", 1, MSG_NOSIGNAL));
	show_poll("alone", p[1]);
	close(p[1]);
	signal(SIGPIPE, SIG_DFL);
}

/* Send fds and say how many. */
static ssize_t send_fds(int s, const char *text, const int *fds, int n, int with_creds)
{
	char control[2000];
	struct iovec v = { (void *)text, strlen(text) };
	struct msghdr m;
	struct cmsghdr *c;

	memset(&m, 0, sizeof(m));
	m.msg_iov = &v;
	m.msg_iovlen = 1;
	m.msg_control = control;
	memset(control, 0, sizeof(control));
	m.msg_controllen = (n ? CMSG_SPACE((size_t)n * sizeof(int)) : 0) + (with_creds ? CMSG_SPACE(sizeof(struct ucred)) : 0);
	c = CMSG_FIRSTHDR(&m);
	if (n) {
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
		c = CMSG_NXTHDR(&m, c);
	}
	if (with_creds) {
		struct ucred u = { getpid(), getuid(), getgid() };
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_CREDENTIALS;
		c->cmsg_len = CMSG_LEN(sizeof(u));
		memcpy(CMSG_DATA(c), &u, sizeof(u));
	}
	return syscall(SYS_sendmsg, s, &m, MSG_NOSIGNAL);	/* (musl copies it and allows 1 KiB) */
}

/* Receive and tell; the descriptors into got. */
static int receive(const char *what, int s, size_t room, int flags, int *got)
{
	char control[2000], text[64];
	struct iovec v = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room };
	ssize_t n = recvmsg(s, &m, flags | MSG_DONTWAIT);
	int nr = 0;

	if (n < 0) {
		SAY("%s: %s\n", what, strerror(errno));
		return 0;
	}
	SAY("%s: %ld '%.*s' flags %x control %lu", what, (long)n, (int)n, text, m.msg_flags, (unsigned long)m.msg_controllen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == SCM_RIGHTS) {
			nr = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(got, CMSG_DATA(c), (size_t)nr * sizeof(int));
			SAY(" rights %d", nr);
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred u;
			memcpy(&u, CMSG_DATA(c), sizeof(u));
			SAY(" creds %d %d %d", u.pid == getpid(), u.uid == getuid(), u.gid == getgid());
		}
	}
	SAY("\n");
	return nr;
}

static void rights(int type)
{
	int p[2], q[2], got[300], n, many[300];

	socketpair(AF_UNIX, type, 0, p);
	pipe(q);
	T(send_fds(p[0], "pipe", q, 2, 0));
	n = receive("rights", p[1], 1000, 0, got);
	if (n == 2) {
		write(got[1], "through", 7);
		T(read(q[0], buf, 10));
		SAY("cloexec %d\n", fcntl(got[0], F_GETFD));
		close(got[0]);
		close(got[1]);
	}
	T(send_fds(p[0], "first", q, 1, 0));
	T(send(p[0], "plain", 5, 0));
	T(send_fds(p[0], "third", q, 1, 0));
	n = receive("peek", p[1], 1000, MSG_PEEK | MSG_CMSG_CLOEXEC, got);
	if (n)
		SAY("cloexec %d\n", fcntl(got[0], F_GETFD));
	for (int i = 0; i < n; i++)
		close(got[i]);
	n = receive("one", p[1], 1000, 0, got);
	while (n)
		close(got[--n]);
	n = receive("two", p[1], 1000, 0, got);
	while (n)
		close(got[--n]);
	n = receive("three", p[1], 1000, 0, got);
	while (n)
		close(got[--n]);
	send_fds(p[0], "cut", q, 2, 0);
	n = receive("room for one", p[1], CMSG_LEN(sizeof(int)), 0, got);
	while (n)
		close(got[--n]);
	send_fds(p[0], "none", q, 2, 0);
	receive("room for none", p[1], 0, 0, got);
	send_fds(p[0], "read", q, 2, 0);
	T(read(p[1], buf, 100));
	T(send_fds(p[0], "bad", (int[]){ 999 }, 1, 0));
	for (int i = 0; i < 300; i++)
		many[i] = q[0];
	T(send_fds(p[0], "many", many, 253, 0));
	n = receive("many", p[1], 2000, 0, got);
	while (n)
		close(got[--n]);
	T(send_fds(p[0], "too many", many, 254, 0));
	T(setsockopt(p[1], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)));
	T(send_fds(p[0], "creds", q, 1, 1));
	n = receive("creds", p[1], 1000, 0, got);
	while (n)
		close(got[--n]);
	T(send(p[0], "kernel's", 8, 0));
	receive("kernel's", p[1], 1000, 0, got);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
}

/* Sockets that are only in messages to themselves or to each other are given back. */
static void circles(void)
{
	int p[2], q[2], bad = 0;

	for (int i = 0; i < 400; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, p) || socketpair(AF_UNIX, SOCK_STREAM, 0, q)) {
			bad++;
			break;
		}
		bad += send_fds(p[0], "self", &p[1], 1, 0) < 0;
		bad += send_fds(p[0], "other", &q[0], 1, 0) < 0;
		bad += send_fds(q[1], "back", &p[1], 1, 0) < 0;
		close(p[0]);
		close(p[1]);
		close(q[0]);
		close(q[1]);
	}
	SAY("circles: %d failures\n", bad);
	/* a long chain of sockets in sockets, closed at its head */
	int last = -1, links = 0;
	for (int i = 0; i < 500; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p))
			break;
		if (last >= 0 && send_fds(p[0], "link", &last, 1, 0) < 0) {
			bad++;
			break;
		}
		close(p[0]);
		if (last >= 0)
			close(last);
		last = p[1];
		links++;
	}
	close(last);
	SAY("a chain of %s, %d failures\n", links > 4 ? "some" : "none", bad);
	/* a chain that can still be received is not garbage */
	socketpair(AF_UNIX, SOCK_STREAM, 0, p);
	socketpair(AF_UNIX, SOCK_STREAM, 0, q);
	send_fds(p[0], "q1", &q[1], 1, 0);
	send_fds(q[0], "q0 in q1", &q[0], 1, 0);
	close(q[0]);
	close(q[1]);
	int t[2], got[10], again[10];
	socketpair(AF_UNIX, SOCK_STREAM, 0, t);		/* its end looks for garbage */
	close(t[0]);
	close(t[1]);
	if (receive("chain", p[1], 100, 0, got) == 1 && receive("next", got[0], 100, 0, again) == 1) {
		T(write(again[0], "alive", 5));
		T(read(got[0], buf, 10));
		close(again[0]);
		close(got[0]);
	}
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

/* Servers and clients in threads: what is asked is answered. */
static int listener;
static void *serve(void *arg)
{
	for (int i = 0; i < 60; i++) {
		int s = accept(listener, NULL, NULL), n;
		char c[64];

		while ((n = (int)read(s, c, sizeof(c))) > 0)
			if (write(s, c, (size_t)n) != n)
				break;
		close(s);
	}
	return NULL;
}
static void *ask(void *arg)
{
	long good = 0;

	for (int i = 0; i < 60; i++) {
		int s = socket(AF_UNIX, SOCK_STREAM, 0);
		char out[64], in[64];
		size_t got = 0;

		snprintf(out, sizeof(out), "client %ld, question %d, and some more of it", (long)arg, i);
		if (connect_to(s, "server")) {
			close(s);
			continue;
		}
		write(s, out, sizeof(out));
		while (got < sizeof(out)) {
			ssize_t n = read(s, in + got, sizeof(in) - got);
			if (n <= 0)
				break;
			got += (size_t)n;
		}
		good += got == sizeof(out) && !memcmp(in, out, sizeof(out));
		close(s);
	}
	return (void *)good;
}
static void crowd(void)
{
	pthread_t servers[3], clients[3];
	void *good;
	long sum = 0;

	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	bind_to(listener, "server");
	listen(listener, 2);
	for (int i = 0; i < 3; i++) {
		pthread_create(&servers[i], NULL, serve, NULL);
		pthread_create(&clients[i], NULL, ask, (void *)(long)i);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(clients[i], &good);
		sum += (long)good;
		pthread_join(servers[i], NULL);
	}
	SAY("%ld answers\n", sum);
	close(listener);
	unlink("server");
}

int main(void)
{
	alone_on_this_machine();
	kinds();
	streams();
	large();
	named();
	datagrams(SOCK_DGRAM);
	datagrams(SOCK_SEQPACKET);
	rights(SOCK_STREAM);
	rights(SOCK_DGRAM);
	rights(SOCK_SEQPACKET);
	circles();
	options();
	several();
	edges();
	crowd();
	return 0;
}
