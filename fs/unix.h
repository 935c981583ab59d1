/*
 * UNIX-domain sockets. The system calls are in socket.c, sockmsg.c (sending and receiving) and sockopt.c; the rest in unix.c (connections, the end),
 * unixname.c (names), unixmsg.c (messages), unixrights.c (descriptors on their way, and the collector of those that nobody can receive any more).
 *
 * A socket is a struct unix_sock: named by a file system's inode, by an abstract name, or not at all. Two sockets that are
 * connected are each other's peer. A message lies on its receiver's queue and is charged to its sender until it is read: that is
 * what makes a sender wait.
 *
 * unix_lock (spin, global): who is whose peer, names, states, shutdown, errors, queues. Never held over user memory, memory
 * allocation or a file_put. read_lock (mutex, one for each socket): one reader at a time; so a reader may touch user memory while
 * it looks at the first message, which nobody else takes away. Counts (refs): the open file, the peer, messages, calls in progress.
 */
#pragma once

#include "fs/internal.h"
#include "fs/poll.h"

/* socket(2), send(2), unix(7): numbers that no UAPI header of the kernel has */
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5 };
#define SOCK_TYPE_MASK 0xf
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_MAX 46
#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_CTRUNC 8
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_WAITFORONE 0x10000
#define MSG_CMSG_CLOEXEC 0x40000000
#define SHUT_RECEIVE 1			/* bits: shutdown(2)'s SHUT_RD + 1, SHUT_WR + 1 */
#define SHUT_SEND 2
#define SCM_MAX_FD 253
#define UNIX_PATH_MAX 108

struct credentials { int pid; u32 uid, gid; };

struct unix_name {
	atomic_t refs;
	u32 len;			/* of path: with its NUL if it names a file; 0: only bound by family */
	char path[UNIX_PATH_MAX + 1];	/* path[0] == 0: abstract */
};

enum unix_state { UNIX_FREE, UNIX_LISTENING, UNIX_CONNECTED, UNIX_CLOSED };

struct unix_sock {
	atomic_t refs;
	int type;			/* I: SOCK_* */
	struct file *file;		/* L: its open file, not counted; NULL: waits to be accepted, or closed */
	struct mutex read_lock;
	/* L: unix_lock; read racily by who waits and polls */
	enum unix_state state;
	struct unix_sock *peer;		/* L: counted */
	struct unix_name *name;		/* L: counted */
	struct path place;		/* L: of a bound file; references */
	struct list_head bound_node;	/* L: sockets that have a name */
	struct list_head all_node;	/* L */
	struct list_head queue;		/* L: struct unix_message */
	u64 nr_queued, queued_bytes;	/* L */
	struct list_head waiting;	/* L: a listener's connections, by waiting_node */
	struct list_head waiting_node;
	unsigned nr_waiting, backlog;	/* L */
	u8 shutdown;			/* L: SHUT_* bits */
	int error;			/* L: told once, positive */
	struct credentials peer_creds;	/* L */
	/* Options: written by setsockopt, read anywhere */
	unsigned send_limit, receive_limit, low_mark;
	u64 send_timeout, receive_timeout;	/* ns; 0: none */
	bool pass_creds, reuse, keep_alive, broadcast;
	s64 linger;
	atomic64_t charged;		/* A: bytes of messages that we sent and nobody has read */
	struct wait_queue read_wait, write_wait;	/* something to read or accept; room to send, or to connect */
	/* The collector's (unixrights.c): rights_mutex */
	unsigned in_flight;		/* how many references on `file` are in messages */
	unsigned inside;
	struct list_head flight_node;	/* in_flight > 0 */
	struct list_head kept_node;
	bool candidate;
};

/* Open files on their way. */
struct rights {
	unsigned nr;
	struct file *files[];		/* references */
};

struct unix_message {
	struct list_head node;
	struct unix_sock *from;		/* counted; charged */
	struct unix_name *from_name;	/* counted, or NULL: of datagrams */
	struct credentials creds;
	struct rights *rights;		/* or NULL */
	size_t len, offset;		/* offset: a stream's bytes that were read */
	size_t charge;
	char data[];
};

extern struct spinlock unix_lock;
extern struct list_head unix_sockets;	/* unix_lock: all of them, by all_node */

/* --- unix.c --- */
struct unix_sock *unix_alloc(int type);			/* NULL: no memory */
void unix_put(struct unix_sock *s);			/* NULL is allowed; sleeps */
static inline void unix_get(struct unix_sock *s) { atomic_inc(&s->refs); }
struct credentials unix_creds(void);			/* the caller's */
static inline bool unix_is_stream(const struct unix_sock *s) { return s->type != SOCK_DGRAM; }	/* has connections */
int unix_connect(struct unix_sock *s, const char *address, unsigned len, bool nonblock);
int unix_listen(struct unix_sock *s, int backlog);
struct unix_sock *unix_accept(struct unix_sock *s, bool nonblock);	/* counted; ERR_PTR */
void unix_pair(struct unix_sock *a, struct unix_sock *b);
int unix_shutdown(struct unix_sock *s, u8 how);
void unix_close(struct unix_sock *s);			/* its file ends */
u32 unix_poll(struct unix_sock *s, struct poll_table *t);
/* Sleep on wq until `ready(s)`, at most `timeout` ns (0: no limit): 0, -EAGAIN, -ERESTARTSYS, -EINTR. */
int unix_wait(struct unix_sock *s, struct wait_queue *wq, bool (*ready)(struct unix_sock *s), u64 timeout);

/* --- unixname.c --- */
/* A sockaddr_un of `len` bytes in kernel memory; unix_connect() as well. */
int unix_bind(struct unix_sock *s, const char *address, unsigned len);
/* The socket of an address that is bound, counted; ERR_PTR. */
struct unix_sock *unix_find(const char *address, unsigned len, int type);
int unix_address(struct unix_sock *s, bool peer, char *address);	/* length; ENOTCONN. address: of sockaddr_un's size + 1 */
int unix_format_name(const struct unix_name *n, char *address);
struct unix_name *unix_name_get(struct unix_name *n);	/* NULL is allowed, here and there */
void unix_name_put(struct unix_name *n);

/* --- unixmsg.c --- */
struct message_out {			/* what is sent besides the bytes */
	const char *address;		/* kernel memory, or NULL */
	unsigned address_len;
	struct rights *rights;		/* taken over by success */
	struct credentials creds;
	u32 flags;			/* MSG_* */
};
struct message_in {
	u32 flags;			/* MSG_* */
	u32 out_flags;			/* MSG_TRUNC, MSG_CTRUNC */
	struct unix_name *name;		/* counted, or NULL */
	struct rights *rights;		/* the caller's, or NULL */
	struct credentials creds;
	bool has_creds;
};
ssize_t unix_send(struct unix_sock *s, struct iov_iter *from, struct message_out *m);
ssize_t unix_receive(struct unix_sock *s, struct iov_iter *to, struct message_in *m);
void unix_message_free(struct unix_message *m);		/* of no queue; sleeps */

/* --- unixrights.c --- */
struct rights *rights_get(const int *fds, unsigned nr);	/* of the caller's descriptors; ERR_PTR: EBADF, EINVAL, ENOMEM */
struct rights *rights_copy(const struct rights *r);	/* NULL: no memory */
void rights_drop(struct rights *r);			/* NULL is allowed; sleeps */
int rights_launch(struct rights *r);			/* they are in a message from now on: 0 or -ETOOMANYREFS */
void rights_land(struct rights *r);			/* and no more */
/*
 * Messages that nobody will read are first put aside, then freed by rights_drain(), which also collects what nobody can receive any more.
 * Freeing one may end a socket, which puts its messages aside in turn: so a long chain of sockets in sockets is no deep recursion.
 */
void rights_doom(struct list_head *messages);
void rights_drain(void);				/* sleeps */

/* --- socket.c --- */
#define ADDRESS_MAX 128			/* of a sockaddr that is accepted at all */
struct unix_sock *unix_of(const struct file *file);	/* NULL: another kind of file */
struct unix_sock *socket_get(int fd, struct file **file);	/* the descriptor's; *file is a reference. ERR_PTR(EBADF, ENOTSOCK) */
int socket_address_get(char *to, const void __user *from, int len);	/* EINVAL, EFAULT */
/* As much as *ulen says there is room for; *ulen becomes the whole length. */
int socket_address_put(const char *from, int len, void __user *to, int __user *ulen);
