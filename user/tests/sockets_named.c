/* UNIX-domain sockets with names: binding, connecting, listening, accepting, abstract names; datagrams and packets; many clients. */
#include "sockets.h"
#include <pthread.h>

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
	T(bind_to(c, "\0abstract of sockets_named.c"));
	T(bind_to(d, "\0abstract of sockets_named.c") < 0);
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
		char *end = strchr(line, '\n'), *name = strstr(line, "@abstract of sockets_named.c\n");
		listed += name && name < end && strstr(line, ": ") < end && !strncmp(strchr(line, ':') + 11, "00000000 00010000 0001 01", 25);
	}
	SAY("listed: %d\n", listed);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	T(connect_to(s, "\0abstract of sockets_named.c"));
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
	named();
	datagrams(SOCK_DGRAM);
	datagrams(SOCK_SEQPACKET);
	crowd();
	return 0;
}
