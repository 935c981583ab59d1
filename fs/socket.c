/*
 * The system calls of sockets. One family is known, AF_UNIX (fs/unix.h); others are EAFNOSUPPORT. Addresses, options and control
 * messages are taken apart and put together here.
 */
#include "fs/unix.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define ADDRESS_MAX 128			/* of a sockaddr that is accepted at all */
#define CONTROL_MAX 4096UL
#define SOCKFS_MAGIC 0x534F434B

static struct super_block *socket_sb;
static const struct file_ops socket_ops;

/* --- sockets as files --- */

struct unix_sock *unix_of(const struct file *file) { return file->ops == &socket_ops ? file->private : NULL; }

/* The descriptor's socket; *file is a reference. ERR_PTR(EBADF, ENOTSOCK). */
static struct unix_sock *socket_get(int fd, struct file **file)
{
	*file = fd_get_file(fd);
	if (!*file)
		return ERR_PTR(-EBADF);
	if (unix_of(*file))
		return unix_of(*file);
	file_put(*file);
	return ERR_PTR(-ENOTSOCK);
}

/* An open file for s, whose reference it takes over; ERR_PTR: s is closed. flags: SOCK_NONBLOCK. */
static struct file *socket_file(struct unix_sock *s, u32 flags)
{
	static atomic64_t next_ino;
	struct inode *inode = inode_new(socket_sb, 0);
	struct path path = { NULL, NULL };
	struct file *file = ERR_PTR(-ENOMEM);
	struct name name;
	char text[32];

	if (inode) {
		inode->ino = atomic64_add_return(&next_ino, 1);
		inode->mode = S_IFSOCK | 0777;
		inode->uid = fsuid();
		inode->gid = current->process->fsgid;
		inode->atime = inode->mtime = inode->ctime = now_timespec();
		name = (struct name){ text, (u32)ksnprintf(text, sizeof(text), "socket:[%lu]", inode->ino), 0 };
		path.dentry = dentry_unplaced(socket_sb, &name, inode);
		if (!path.dentry)
			inode_put(inode);
	}
	if (path.dentry) {
		file = file_alloc(&path, O_RDWR | (flags & O_NONBLOCK));
		path_put(&path);
	}
	if (IS_ERR(file)) {
		unix_close(s);
		return file;
	}
	file->ops = &socket_ops;
	file->private = s;
	file->mode |= FMODE_STREAM;
	spin_lock(&unix_lock);
	s->file = file;
	spin_unlock(&unix_lock);
	return file;
}

static void socket_release(struct file *file) { unix_close(file->private); }

static ssize_t socket_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct message_in in = { .flags = file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0 };
	ssize_t n = unix_receive(file->private, to, &in);

	unix_name_put(in.name);
	rights_drop(in.rights);		/* nobody to give them to */
	return n;
}

static ssize_t socket_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	struct message_out out = { .flags = file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0, .creds = unix_creds() };

	return unix_send(file->private, from, &out);
}

static u32 socket_poll(struct file *file, struct poll_table *t) { return unix_poll(file->private, t); }

static long socket_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	struct unix_sock *s = file->private;
	u64 n = 0;

	switch (cmd) {
	case FIONREAD:
		if (READ_ONCE(s->state) == UNIX_LISTENING)
			return -EINVAL;
		spin_lock(&unix_lock);
		n = s->queued_bytes;
		if (unix_is_stream(s) == false && !list_empty(&s->queue))
			n = list_first(&s->queue, struct unix_message, node)->len;
		spin_unlock(&unix_lock);
		return put_user((int)n, (int __user *)arg);
	case TIOCOUTQ:
		return put_user((int)atomic64_read(&s->charged), (int __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_ops socket_ops = { .release = socket_release, .read = socket_read, .write = socket_write, .poll = socket_poll, .ioctl = socket_ioctl };

void socket_init(void)
{
	socket_sb = super_alloc("sockfs");
	if (!socket_sb)
		panic("no memory for sockets");
	socket_sb->magic = SOCKFS_MAGIC;
	socket_sb->block_size = PAGE_SIZE;
}

/* --- making --- */

static int check_kind(int family, int type, int protocol)
{
	if (type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (family < 0 || family >= AF_MAX)
		return -EAFNOSUPPORT;
	if ((type & SOCK_TYPE_MASK) > 10)
		return -EINVAL;
	if (family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	switch (type & SOCK_TYPE_MASK) {
	case SOCK_STREAM:
	case SOCK_DGRAM:
	case SOCK_RAW:
	case SOCK_SEQPACKET:
		return 0;
	}
	return -ESOCKTNOSUPPORT;
}

static struct file *socket_make(int type)
{
	int kind = type & SOCK_TYPE_MASK;
	struct unix_sock *s = unix_alloc(kind == SOCK_RAW ? SOCK_DGRAM : kind);

	return s ? socket_file(s, (u32)type) : ERR_PTR(-ENOMEM);
}

long sys_socket(int family, int type, int protocol)
{
	int error = check_kind(family, type, protocol);
	struct file *file = error ? ERR_PTR(error) : socket_make(type);

	return IS_ERR(file) ? PTR_ERR(file) : fd_give(file, type & SOCK_CLOEXEC);
}

long sys_socketpair(int family, int type, int protocol, int __user *fds)
{
	struct file *files[2];
	int nr[2], error = check_kind(family, type, protocol);

	if (error)
		return error;
	error = nr[0] = fd_reserve(0, type & SOCK_CLOEXEC);
	if (error < 0)
		return error;
	error = nr[1] = fd_reserve(0, type & SOCK_CLOEXEC);
	if (error < 0)
		goto out_first;
	error = -EFAULT;
	if (copy_to_user(fds, nr, sizeof(nr)))
		goto out_second;
	files[0] = socket_make(type);
	error = IS_ERR(files[0]) ? (int)PTR_ERR(files[0]) : 0;
	if (error)
		goto out_second;
	files[1] = socket_make(type);
	error = IS_ERR(files[1]) ? (int)PTR_ERR(files[1]) : 0;
	if (error) {
		file_put(files[0]);
		goto out_second;
	}
	unix_pair(files[0]->private, files[1]->private);
	fd_install(nr[0], files[0]);
	fd_install(nr[1], files[1]);
	return 0;
out_second:
	fd_unreserve(nr[1]);
out_first:
	fd_unreserve(nr[0]);
	return error;
}

/* --- addresses --- */

static int address_get(char *to, const void __user *from, int len)
{
	if (len < 0 || len > ADDRESS_MAX)
		return -EINVAL;
	return copy_from_user(to, from, (size_t)len) ? -EFAULT : 0;
}

/* As much as *ulen says there is room for; *ulen becomes the whole length. */
static int address_put(const char *from, int len, void __user *to, int __user *ulen)
{
	int room;

	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(to, from, (size_t)min(room, len)))
		return -EFAULT;
	return put_user(len, ulen);
}

long sys_bind(int fd, const void __user *uaddress, int len)
{
	char address[ADDRESS_MAX];
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	error = address_get(address, uaddress, len);
	if (!error)
		error = unix_bind(s, address, (unsigned)len);
	file_put(file);
	return error;
}

long sys_connect(int fd, const void __user *uaddress, int len)
{
	char address[ADDRESS_MAX];
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	error = address_get(address, uaddress, len);
	if (!error)
		error = unix_connect(s, address, (unsigned)len, file->flags & O_NONBLOCK);
	file_put(file);
	return error;
}

long sys_listen(int fd, int backlog)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	error = unix_listen(s, backlog);
	file_put(file);
	return error;
}

static int name_to_user(struct unix_sock *s, bool peer, void __user *to, int __user *ulen)
{
	char address[2 + UNIX_PATH_MAX + 1];
	int len = unix_address(s, peer, address);

	return len < 0 ? len : address_put(address, len, to, ulen);
}

long sys_accept4(int fd, void __user *address, int __user *len, int flags)
{
	struct file *file, *made;
	struct unix_sock *s, *c;
	int nr, error;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	s = socket_get(fd, &file);
	if (IS_ERR(s))
		return PTR_ERR(s);
	error = nr = fd_reserve(0, flags & SOCK_CLOEXEC);
	if (error < 0)
		goto out_put;
	c = unix_accept(s, file->flags & O_NONBLOCK);
	made = IS_ERR(c) ? (struct file *)c : socket_file(c, (u32)flags);
	error = IS_ERR(made) ? (int)PTR_ERR(made) : 0;
	if (!error && address) {
		error = name_to_user(c, true, address, len);
		if (error)
			file_put(made);
	}
	if (error) {
		fd_unreserve(nr);
	} else {
		fd_install(nr, made);
		error = nr;
	}
out_put:
	file_put(file);
	return error;
}

long sys_accept(int fd, void __user *address, int __user *len) { return sys_accept4(fd, address, len, 0); }

static long get_name(int fd, bool peer, void __user *address, int __user *len)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	error = name_to_user(s, peer, address, len);
	file_put(file);
	return error;
}

long sys_getsockname(int fd, void __user *address, int __user *len) { return get_name(fd, false, address, len); }
long sys_getpeername(int fd, void __user *address, int __user *len) { return get_name(fd, true, address, len); }

long sys_shutdown(int fd, int how)
{
	struct file *file;
	struct unix_sock *s = socket_get(fd, &file);
	int error;

	if (IS_ERR(s))
		return PTR_ERR(s);
	error = how < 0 || how > 2 ? -EINVAL : unix_shutdown(s, (u8)(how + 1));
	file_put(file);
	return error;
}

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

/* --- sending --- */

static long send_one(struct file *file, const struct user_msg *msg, struct iov_iter *it, u32 flags)
{
	struct message_out out = { .flags = flags | (file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0), .creds = unix_creds() };
	char address[ADDRESS_MAX];
	long r = 0;

	if (msg->name && msg->name_len) {
		r = address_get(address, msg->name, min(msg->name_len, ADDRESS_MAX));
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
	struct iovec fast[8], *iov;
	struct user_msg msg;
	struct iov_iter it;
	long r;

	if (copy_from_user(&msg, umsg, sizeof(msg)))
		return -EFAULT;
	if (msg.name && msg.name_len < 0)
		return -EINVAL;
	if (msg.iov_len > 1024)
		return -EMSGSIZE;
	iov = iter_import(&it, msg.iov, msg.iov_len, fast, ARRAY_SIZE(fast));
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
	struct iovec fast[8], *iov;
	struct user_msg msg;
	struct iov_iter it;
	int name_len;
	long r;

	if (copy_from_user(&msg, umsg, sizeof(msg)))
		return -EFAULT;
	if (msg.name && msg.name_len < 0)
		return -EINVAL;
	if (msg.iov_len > 1024)
		return -EMSGSIZE;
	iov = iter_import(&it, msg.iov, msg.iov_len, fast, ARRAY_SIZE(fast));
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

/* --- options --- */

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
