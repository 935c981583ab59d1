/* Options of sockets: setsockopt, getsockopt at SOL_SOCKET. */
#include "fs/unix.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/usercopy.h"

static int timeout_get(const void __user *from, int len, u64 *out)
{
	s64 v[2];

	if (len < (int)sizeof(v))
		return -EINVAL;
	if (copy_from_user(v, from, sizeof(v)))
		return -EFAULT;
	if (v[1] < 0 || v[1] >= 1000000)
		return -EDOM;
	*out = v[0] < 0 ? 0 : (u64)min(v[0], 1L << 32) * NS_PER_SEC + (u64)v[1] * 1000;
	return 0;
}

static int set_limit(unsigned *limit, int value, unsigned low)
{
	unsigned doubled = value < 0 || value > 212992 ? 2 * 212992 : 2 * (unsigned)value;

	WRITE_ONCE(*limit, max(doubled, low));
	return 0;
}

static int set_option(struct unix_sock *s, int name, int v)
{
	switch (name) {
	case SO_PASSCRED: s->pass_creds = v; return 0;
	case SO_REUSEADDR: s->reuse = v; return 0;
	case SO_KEEPALIVE: s->keep_alive = v; return 0;
	case SO_BROADCAST: s->broadcast = v; return 0;
	case SO_SNDBUF: return set_limit(&s->send_limit, v, 4608);
	case SO_RCVBUF: return set_limit(&s->receive_limit, v, 2304);
	case SO_RCVLOWAT: s->low_mark = v < 0 ? 0x7fffffff : v ? (unsigned)v : 1; return 0;
	case SO_TYPE: case SO_PROTOCOL: case SO_DOMAIN: case SO_ERROR: case SO_ACCEPTCONN: case SO_PEERCRED: return -ENOPROTOOPT;
	}
	return -ENOPROTOOPT;
}

long sys_setsockopt(int fd, int level, int name, const void __user *value, int len)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int v, pair[2], error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	if (len < 0) {
		error = -EINVAL;
	} else if (level != SOL_SOCKET) {
		error = -EOPNOTSUPP;
	} else if (name == SO_RCVTIMEO || name == SO_SNDTIMEO) {
		error = timeout_get(value, len, name == SO_RCVTIMEO ? &s->receive_timeout : &s->send_timeout);
	} else if (len < (int)sizeof(v)) {
		error = -EINVAL;
	} else if (name == SO_LINGER) {
		error = len < (int)sizeof(pair) ? -EINVAL : copy_from_user(pair, value, sizeof(pair)) ? -EFAULT : 0;
		if (!error)
			s->linger = pair[0] ? pair[1] : -1;
	} else {
		error = get_user(v, (const int __user *)value);
		if (!error)
			error = set_option(s, name, v);
	}
	file_put(file);
	return error;
}

/* Into v, at most `size` bytes: how many; -ENOPROTOOPT. */
static int get_option(struct unix_sock *s, int name, void *v)
{
	int *number = v;
	s64 *time = v;

	switch (name) {
	case SO_TYPE: *number = s->type; break;
	case SO_DOMAIN: *number = AF_UNIX; break;
	case SO_PROTOCOL: *number = 0; break;
	case SO_ACCEPTCONN: *number = READ_ONCE(s->state) == UNIX_LISTENING; break;
	case SO_PASSCRED: *number = s->pass_creds; break;
	case SO_REUSEADDR: *number = s->reuse; break;
	case SO_KEEPALIVE: *number = s->keep_alive; break;
	case SO_BROADCAST: *number = s->broadcast; break;
	case SO_SNDBUF: *number = (int)s->send_limit; break;
	case SO_RCVBUF: *number = (int)s->receive_limit; break;
	case SO_RCVLOWAT: *number = (int)s->low_mark; break;
	case SO_ERROR:
		spin_lock(&unix_lock);
		*number = s->error;
		s->error = 0;
		spin_unlock(&unix_lock);
		break;
	case SO_LINGER:
		number[0] = s->linger >= 0;
		number[1] = s->linger >= 0 ? (int)s->linger : 0;
		return 2 * sizeof(int);
	case SO_RCVTIMEO:
	case SO_SNDTIMEO:
		time[0] = (s64)((name == SO_RCVTIMEO ? s->receive_timeout : s->send_timeout) / NS_PER_SEC);
		time[1] = (s64)((name == SO_RCVTIMEO ? s->receive_timeout : s->send_timeout) % NS_PER_SEC / 1000);
		return 2 * sizeof(s64);
	case SO_PEERCRED:
		spin_lock(&unix_lock);
		memcpy(v, &s->peer_creds, sizeof(s->peer_creds));
		if (!s->peer_creds.pid)
			((struct credentials *)v)->uid = ((struct credentials *)v)->gid = ~0U;	/* nobody */
		spin_unlock(&unix_lock);
		return sizeof(s->peer_creds);
	default:
		return -ENOPROTOOPT;
	}
	return sizeof(int);
}

long sys_getsockopt(int fd, int level, int name, void __user *value, int __user *ulen)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	char v[16];
	int len, n, error = 0;

	if (IS_ERR(s))
		return PTR_ERR(s);
	if (level != SOL_SOCKET)
		error = -EOPNOTSUPP;
	else if (get_user(len, ulen))
		error = -EFAULT;
	else if (len < 0)
		error = -EINVAL;
	if (!error) {
		n = get_option(s, name, v);
		error = n < 0 ? n : copy_to_user(value, v, (size_t)min(n, len)) ? -EFAULT : put_user(min(n, len), ulen);
	}
	file_put(file);
	return error;
}
