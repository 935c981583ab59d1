/* For the tests of sockets: binding and connecting by name, and telling what a socket has, is called and is ready for. */
#pragma once
#include "t.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static char buf[300000];

static inline struct sockaddr_un address(const char *path, socklen_t *len)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, path, strlen(path + 1) + 1);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (path[0] ? strlen(path) + 1 : 1 + strlen(path + 1)));
	return a;
}
static inline int bind_to(int s, const char *path)
{
	socklen_t len;
	struct sockaddr_un a = address(path, &len);

	return bind(s, (void *)&a, len);
}
static inline int connect_to(int s, const char *path)
{
	socklen_t len;
	struct sockaddr_un a = address(path, &len);

	return connect(s, (void *)&a, len);
}
static inline void show_name(const char *what, int r, const struct sockaddr_un *a, socklen_t len)
{
	int e = errno;

	if (r < 0)
		SAY("%s: %s\n", what, strerror(e));
	else
		SAY("%s: %u %s%s\n", what, len, len > 2 && !a->sun_path[0] ? "@" : "", len > 2 ? a->sun_path + !a->sun_path[0] : "");
}
static inline void names_of(const char *what, int s)
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
static inline void show_poll(const char *what, int s)
{
	struct pollfd p = { .fd = s, .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI };

	poll(&p, 1, 0);
	SAY("%s: poll %x\n", what, p.revents);
}
static inline void get_text(const char *what, int s, int flags)
{
	ssize_t n = recv(s, buf, 100, flags);
	int e = errno;

	if (n < 0)
		SAY("%s: %s\n", what, strerror(e));
	else
		SAY("%s: %ld '%.*s'\n", what, (long)n, (int)(n > 100 ? 100 : n), buf);
}
