/* Descriptors and credentials in messages of UNIX-domain sockets; sockets that are only in messages, to themselves or to each other. */
#include "sockets.h"

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

int main(void)
{
	alone_on_this_machine();
	rights(SOCK_STREAM);
	rights(SOCK_DGRAM);
	rights(SOCK_SEQPACKET);
	circles();
	return 0;
}
