/*
 * Sending to and receiving from sockets: msghdrs, addresses and control messages are taken apart and put together here; the messages themselves
 * are fs/unixmsg.c's.
 */
#include "fs/unix.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define CONTROL_MAX 4096UL

/* --- control messages: socket.h's cmsghdr --- */

struct user_msg {
	void __user *name;
	int name_len, pad;
	struct iovec __user *iov;
	size_t iov_len;
	void __user *control;
	size_t control_len;
	u32 flags, pad2;
};
struct control_head { size_t len; int level, type; };
#define CONTROL_ALIGN(n) ALIGN_UP((n), sizeof(size_t))

static int take_rights_header(struct message_out *out, const char *data, size_t n)
{
	struct rights *r;

	if (!n)
		return 0;
	r = rights_get((const int *)data, (unsigned)min(n / sizeof(int), (size_t)SCM_MAX_FD + 1));
	if (IS_ERR(r))
		return (int)PTR_ERR(r);
	if (out->rights) {			/* one set a message */
		rights_drop(r);
		return -EINVAL;
	}
	out->rights = r;
	return 0;
}

/* Whose credentials a process may show: its own; root any. */
static int take_creds_header(struct message_out *out, const char *data, size_t n)
{
	const struct process *p = current->process;
	struct credentials c;

	if (n != sizeof(c))
		return -EINVAL;
	memcpy(&c, data, sizeof(c));
	if (p->euid && (c.pid != p->pid || (c.uid != p->uid && c.uid != p->euid && c.uid != p->suid) || (c.gid != p->gid && c.gid != p->egid && c.gid != p->sgid)))
		return -EPERM;
	out->creds = c;
	return 0;
}

static int parse_control(struct message_out *out, const char *control, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct control_head)) {
		const struct control_head *h = (const struct control_head *)(control + at);
		int error = 0;

		if (h->len < sizeof(*h) || h->len > len - at)
			return -EINVAL;
		if (h->level == SOL_SOCKET && h->type == SCM_RIGHTS)
			error = take_rights_header(out, control + at + sizeof(*h), h->len - sizeof(*h));
		else if (h->level == SOL_SOCKET && h->type == SCM_CREDENTIALS)
			error = take_creds_header(out, control + at + sizeof(*h), h->len - sizeof(*h));
		else if (h->level == SOL_SOCKET)
			error = -EINVAL;
		if (error)
			return error;
		at = min(at + CONTROL_ALIGN(h->len), len);
	}
	return 0;
}

static int control_get(struct message_out *out, const struct user_msg *msg)
{
	char *control;
	int error;

	if (!msg->control_len)
		return 0;
	if (msg->control_len > CONTROL_MAX)
		return -ENOBUFS;
	control = kmalloc(msg->control_len);
	if (!control)
		return -ENOMEM;
	error = copy_from_user(control, msg->control, msg->control_len) ? -EFAULT : parse_control(out, control, msg->control_len);
	kfree(control);
	return error;
}

/* One control message at *at of the user's buffer; what does not fit is cut, and said by MSG_CTRUNC. */
static int control_put(const struct user_msg *msg, size_t *at, int type, const void *data, size_t n, u32 *flags)
{
	struct control_head h = { sizeof(h) + n, SOL_SOCKET, type };
	size_t room = msg->control_len - *at;

	if (!msg->control || room < sizeof(h)) {
		*flags |= MSG_CTRUNC;
		return 0;
	}
	if (room < h.len) {
		*flags |= MSG_CTRUNC;
		h.len = room;
	}
	if (copy_to_user((char __user *)msg->control + *at, &h, sizeof(h)) ||
	    copy_to_user((char __user *)msg->control + *at + sizeof(h), data, h.len - sizeof(h)))
		return -EFAULT;
	*at += min(CONTROL_ALIGN(h.len), room);
	return 0;
}

/* Descriptors for as many of the files as there is room for in the control buffer; the others are closed. */
static int rights_put(const struct user_msg *msg, size_t *at, struct message_in *in)
{
	struct rights *r = in->rights;
	size_t room = msg->control && msg->control_len - *at > sizeof(struct control_head) ? (msg->control_len - *at - sizeof(struct control_head)) / sizeof(int) : 0;
	int fds[SCM_MAX_FD], error = 0;
	unsigned n = 0;

	while (n < r->nr && n < room) {
		fds[n] = fd_reserve(0, in->flags & MSG_CMSG_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
	}
	if (n)
		error = control_put(msg, at, SCM_RIGHTS, fds, n * sizeof(int), &in->out_flags);
	if (n < r->nr)
		in->out_flags |= MSG_CTRUNC;
	for (unsigned i = 0; i < n; i++) {
		if (error) {
			fd_unreserve(fds[i]);
		} else {
			file_get(r->files[i]);
			fd_install(fds[i], r->files[i]);
		}
	}
	rights_drop(r);
	in->rights = NULL;
	return error;
}

/* The header that a program passed, and an iterator over its buffers, to be freed unless it is `fast`. Or an error. */
static struct iovec *header_get(struct user_msg *msg, const struct user_msg __user *umsg, struct iov_iter *it, struct iovec fast[FAST_IOV])
{
	if (copy_from_user(msg, umsg, sizeof(*msg)))
		return ERR_PTR(-EFAULT);
	if (msg->name && msg->name_len < 0)
		return ERR_PTR(-EINVAL);
	if (msg->iov_len > 1024)
		return ERR_PTR(-EMSGSIZE);
	return iter_import(it, msg->iov, msg->iov_len, fast, FAST_IOV);
}

/* --- sending --- */

static long send_one(struct file *file, const struct user_msg *msg, struct iov_iter *it, u32 flags)
{
	struct message_out out = { .flags = flags | (file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0), .creds = unix_creds() };
	char address[ADDRESS_MAX];
	long r = 0;

	if (msg->name && msg->name_len) {
		r = socket_address_get(address, msg->name, min(msg->name_len, ADDRESS_MAX));
		out.address = address;
		out.address_len = (unsigned)msg->name_len;
	}
	if (!r)
		r = control_get(&out, msg);
	if (!r)
		r = unix_send(file->private, it, &out);
	rights_drop(out.rights);
	return r;
}

long sys_sendto(int fd, const void __user *buf, size_t n, u32 flags, const void __user *address, int len)
{
	struct user_msg msg = { .name = (void __user *)address, .name_len = len };
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	struct iov_iter it;
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	if (iter_init_user_buf(&it, (void __user *)buf, min(n, MAX_RW_COUNT)))
		r = -EFAULT;
	else
		r = address && (len < 0 || len > ADDRESS_MAX) ? -EINVAL : send_one(file, &msg, &it, flags);
	file_put(file);
	return r;
}

static long send_msg(struct file *file, const struct user_msg __user *umsg, u32 flags)
{
	struct iovec fast[FAST_IOV], *iov;
	struct user_msg msg;
	struct iov_iter it;
	long r;

	iov = header_get(&msg, umsg, &it, fast);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	r = send_one(file, &msg, &it, flags);
	if (iov != fast)
		kfree(iov);
	return r;
}

long sys_sendmsg(int fd, const void __user *msg, u32 flags)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	r = send_msg(file, msg, flags);
	file_put(file);
	return r;
}

struct user_mmsg { struct user_msg msg; u32 len, pad; };

long sys_sendmmsg(int fd, void __user *umsgs, u32 nr, u32 flags)
{
	struct user_mmsg __user *msgs = umsgs;
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	long r = 0;
	u32 done = 0;

	if (IS_ERR(s))
		return PTR_ERR(s);
	for (; done < min(nr, 1024U); done++) {
		r = send_msg(file, &msgs[done].msg, flags);
		if (r >= 0)
			r = put_user((u32)r, &msgs[done].len);
		if (r < 0)
			break;
	}
	file_put(file);
	return done ? (long)done : r;
}

/* --- receiving --- */

static long receive_one(struct file *file, struct user_msg *msg, struct iov_iter *it, u32 flags, int *name_len)
{
	struct unix_sock *s = file->private;
	struct message_in in = { .flags = flags | (file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0) };
	char address[2 + UNIX_PATH_MAX + 1];
	size_t at = 0;
	int error = 0;
	long n = unix_receive(s, it, &in);

	*name_len = 0;
	if (n >= 0 && in.name) {
		int len = unix_format_name(in.name, address);
		if (msg->name && copy_to_user(msg->name, address, (size_t)min(len, msg->name_len)))
			error = -EFAULT;
		*name_len = len;
	}
	unix_name_put(in.name);
	if (n >= 0 && !error && s->pass_creds && in.has_creds)
		error = control_put(msg, &at, SCM_CREDENTIALS, &in.creds, sizeof(in.creds), &in.out_flags);
	if (n >= 0 && !error && in.rights)
		error = rights_put(msg, &at, &in);
	rights_drop(in.rights);
	msg->flags = in.out_flags | (flags & MSG_CMSG_CLOEXEC);
	msg->control_len = at;
	return error ? error : n;
}

long sys_recvfrom(int fd, void __user *buf, size_t n, u32 flags, void __user *address, int __user *len)
{
	struct user_msg msg = { .name = address };
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	struct iov_iter it;
	int name_len;
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	r = iter_init_user_buf(&it, buf, min(n, MAX_RW_COUNT));
	if (!r && address && get_user(msg.name_len, len))
		r = -EFAULT;
	else if (!r && address && msg.name_len < 0)
		r = -EINVAL;
	if (!r)
		r = receive_one(file, &msg, &it, flags, &name_len);
	if (r >= 0 && address && put_user(name_len, len))
		r = -EFAULT;
	file_put(file);
	return r;
}

static long receive_msg(struct file *file, struct user_msg __user *umsg, u32 flags)
{
	struct iovec fast[FAST_IOV], *iov;
	struct user_msg msg;
	struct iov_iter it;
	int name_len;
	long r;

	iov = header_get(&msg, umsg, &it, fast);
	if (IS_ERR(iov))
		return PTR_ERR(iov);
	r = receive_one(file, &msg, &it, flags, &name_len);
	if (iov != fast)
		kfree(iov);
	if (r >= 0 && ((msg.name && put_user(name_len, &umsg->name_len)) || put_user(msg.flags, &umsg->flags) || put_user(msg.control_len, &umsg->control_len)))
		r = -EFAULT;
	return r;
}

long sys_recvmsg(int fd, void __user *msg, u32 flags)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	long r;

	if (IS_ERR(s))
		return PTR_ERR(s);
	r = receive_msg(file, msg, flags);
	file_put(file);
	return r;
}

long sys_recvmmsg(int fd, void __user *umsgs, u32 nr, u32 flags, const struct __kernel_timespec __user *timeout)
{
	struct user_mmsg __user *msgs = umsgs;
	struct file *file;
	struct unix_sock *s;
	u64 limit = 0, start = ktime_ns();
	long r = timeout ? timespec_get(timeout, &limit) : 0;
	u32 done = 0;

	if (r)
		return r;
	s = socket_get(fd, &file);
	if (IS_ERR(s))
		return PTR_ERR(s);
	for (; done < min(nr, 1024U); done++) {
		u32 wait = flags & MSG_WAITFORONE && done ? MSG_DONTWAIT : 0;
		r = receive_msg(file, &msgs[done].msg, (flags & ~(u32)MSG_WAITFORONE) | wait);
		if (r >= 0)
			r = put_user((u32)r, &msgs[done].len);
		if (r < 0 || (timeout && ktime_ns() - start >= limit && done++ < nr))	/* looked at between messages only, as on Linux */
			break;
	}
	file_put(file);
	return done ? (long)done : r;
}
