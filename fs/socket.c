/*
 * The system calls that make, name, connect and end sockets; sockets as files. One family is known, AF_UNIX (fs/unix.h); others are
 * EAFNOSUPPORT. Sending and receiving: fs/sockmsg.c; options: fs/sockopt.c.
 */
#include "fs/unix.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

#define SOCKFS_MAGIC 0x534F434B

static struct super_block *socket_sb;
static const struct file_ops socket_ops;

/* --- sockets as files --- */

struct unix_sock *unix_of(const struct file *file) { return file->ops == &socket_ops ? file->private : NULL; }

struct unix_sock *socket_get(int fd, struct file **file)
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
		if (IS_ERR(file))
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

int socket_address_get(char *to, const void __user *from, int len)
{
	if (len < 0 || len > ADDRESS_MAX)
		return -EINVAL;
	return copy_from_user(to, from, (size_t)len) ? -EFAULT : 0;
}

int socket_address_put(const char *from, int len, void __user *to, int __user *ulen)
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
	error = socket_address_get(address, uaddress, len);
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
	error = socket_address_get(address, uaddress, len);
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

	return len < 0 ? len : socket_address_put(address, len, to, ulen);
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
