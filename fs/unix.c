/* UNIX-domain sockets: life, connections, readiness (fs/unix.h). Their names: fs/unixname.c. */
#include "fs/unix.h"

#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/slab.h"

#define DEFAULT_LIMIT 212992

struct spinlock unix_lock = SPINLOCK_INIT("unix sockets", RANK_UNIX);
LIST_HEAD(unix_sockets);

/* --- life --- */

struct unix_sock *unix_alloc(int type)
{
	struct unix_sock *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	atomic_set(&s->refs, 1);
	s->type = type;
	mutex_init(&s->read_lock, "socket reader", RANK_SOCKET_READER);
	list_init(&s->bound_node);
	list_init(&s->queue);
	list_init(&s->waiting);
	list_init(&s->waiting_node);
	list_init(&s->flight_node);
	list_init(&s->kept_node);
	wait_queue_init(&s->read_wait);
	wait_queue_init(&s->write_wait);
	s->send_limit = s->receive_limit = DEFAULT_LIMIT;
	s->low_mark = 1;
	s->linger = -1;
	spin_lock(&unix_lock);
	list_add_tail(&s->all_node, &unix_sockets);
	spin_unlock(&unix_lock);
	return s;
}

void unix_put(struct unix_sock *s)
{
	if (!s || !atomic_dec_and_test(&s->refs))
		return;
	spin_lock(&unix_lock);
	list_del(&s->all_node);
	spin_unlock(&unix_lock);
	unix_name_put(s->name);
	if (s->place.dentry)
		path_put(&s->place);
	kfree(s);
}

struct credentials unix_creds(void)
{
	const struct process *p = current->process;

	return (struct credentials){ p->pid, p->euid, p->egid };
}

static void wake_all(struct unix_sock *s)
{
	wake_up_all(&s->read_wait, 0);
	wake_up_all(&s->write_wait, 0);
}

int unix_wait(struct unix_sock *s, struct wait_queue *wq, bool (*ready)(struct unix_sock *s), u64 timeout)
{
	u64 deadline = timeout ? deadline_after(timeout) : 0;
	struct wait_entry entry = { 0 };
	int error = 0;

	for (;;) {
		wait_prepare(wq, &entry, WAIT_INTERRUPTIBLE, 0);
		if (ready(s))
			break;
		error = timeout ? wait_sleep_until(WAIT_INTERRUPTIBLE, deadline) : wait_sleep(WAIT_INTERRUPTIBLE);
		if (error)
			break;
	}
	wait_finish(wq, &entry);
	return error == -ETIMEDOUT ? -EAGAIN : error == -ERESTARTSYS && timeout ? -EINTR : error;
}

/* The file is gone: nobody sends here any more, the peer sees the end. Messages and connections that wait go with it. */
void unix_close(struct unix_sock *s)
{
	struct list_head messages = LIST_INIT(messages), pending = LIST_INIT(pending);
	struct unix_sock *peer, *c, *tmp;
	bool unread;

	spin_lock(&unix_lock);
	s->state = UNIX_CLOSED;
	s->file = NULL;
	s->shutdown = SHUT_RECEIVE | SHUT_SEND;
	list_del(&s->bound_node);
	peer = s->peer;
	s->peer = NULL;
	unread = !list_empty(&s->queue);
	list_splice_tail(&s->queue, &messages);
	list_splice_tail(&s->waiting, &pending);
	if (peer && unix_is_stream(s)) {
		peer->shutdown = SHUT_RECEIVE | SHUT_SEND;
		if (unread)
			peer->error = ECONNRESET;
	}
	spin_unlock(&unix_lock);
	wake_all(s);
	if (peer)
		wake_all(peer);
	list_for_each_safe(c, tmp, &pending, waiting_node) {
		list_del(&c->waiting_node);
		spin_lock(&unix_lock);
		if (c->peer)
			c->peer->error = ECONNRESET;	/* it was never accepted */
		spin_unlock(&unix_lock);
		unix_close(c);
	}
	unix_put(peer);
	unix_put(s);
	rights_doom(&messages);
	rights_drain();
}

/* --- connections --- */

void unix_pair(struct unix_sock *a, struct unix_sock *b)
{
	unix_get(a);
	unix_get(b);
	a->peer = b;
	b->peer = a;
	a->peer_creds = b->peer_creds = unix_creds();
	if (unix_is_stream(a))
		a->state = b->state = UNIX_CONNECTED;
}

int unix_listen(struct unix_sock *s, int backlog)
{
	int error = 0;

	if (!unix_is_stream(s))
		return -EOPNOTSUPP;
	spin_lock(&unix_lock);
	if (!s->name || s->state == UNIX_CONNECTED) {
		error = -EINVAL;
	} else {
		s->state = UNIX_LISTENING;
		s->backlog = (unsigned)backlog > 4096 ? 4096 : (unsigned)backlog;
		s->peer_creds = unix_creds();
	}
	spin_unlock(&unix_lock);
	if (!error)
		wake_up_all(&s->write_wait, 0);
	return error;
}

/* s connects to listener l; `c`, fresh, is the other end that accept() will find. -EAGAIN: the backlog is full. */
static int join(struct unix_sock *s, struct unix_sock *l, struct unix_sock *c)
{
	int error = 0;

	spin_lock(&unix_lock);
	if (s->state == UNIX_CONNECTED)
		error = -EISCONN;
	else if (s->state != UNIX_FREE)
		error = -EINVAL;
	else if (l->state != UNIX_LISTENING)
		error = -ECONNREFUSED;
	else if (l->shutdown & SHUT_RECEIVE)
		error = -ECONNREFUSED;
	else if (l->nr_waiting > l->backlog)
		error = -EAGAIN;
	if (!error) {
		unix_get(s);
		unix_get(c);
		c->peer = s;
		s->peer = c;
		c->state = s->state = UNIX_CONNECTED;
		c->peer_creds = unix_creds();
		s->peer_creds = l->peer_creds;
		c->name = unix_name_get(l->name);
		c->pass_creds = l->pass_creds;
		list_add_tail(&c->waiting_node, &l->waiting);
		l->nr_waiting++;
	}
	spin_unlock(&unix_lock);
	if (!error)
		wake_up_all(&l->read_wait, 0);
	return error;
}

static bool may_queue(struct unix_sock *l)
{
	return READ_ONCE(l->state) != UNIX_LISTENING || READ_ONCE(l->nr_waiting) <= READ_ONCE(l->backlog);
}

static int connect_stream(struct unix_sock *s, const char *address, unsigned len, bool nonblock)
{
	struct unix_sock *c = unix_alloc(s->type), *l;
	int error;

	if (!c)
		return -ENOMEM;
	for (;;) {
		l = unix_find(address, len, s->type);
		if (IS_ERR(l)) {
			unix_put(c);
			return (int)PTR_ERR(l);
		}
		error = join(s, l, c);
		if (error == -EAGAIN && !nonblock)
			error = unix_wait(l, &l->write_wait, may_queue, s->send_timeout) ?: 1;
		unix_put(l);
		if (error != 1)
			break;
	}
	if (error)
		unix_put(c);
	return error;
}

/* A datagram socket has a default receiver, from whom alone it receives. address NULL: none any more. */
static int connect_datagram(struct unix_sock *s, const char *address, unsigned len)
{
	struct unix_sock *to = NULL, *old;
	int error = 0;

	if (address) {
		to = unix_find(address, len, s->type);
		if (IS_ERR(to))
			return (int)PTR_ERR(to);
	}
	spin_lock(&unix_lock);
	if (to && to->peer && to->peer != s)
		error = -EPERM;
	old = error ? to : s->peer;
	if (!error) {
		s->peer = to;
		s->state = to ? UNIX_CONNECTED : UNIX_FREE;
		if (to)
			s->peer_creds = to->peer_creds;
	}
	spin_unlock(&unix_lock);
	unix_put(old);
	return error;
}

int unix_connect(struct unix_sock *s, const char *address, unsigned len, bool nonblock)
{
	u16 family = AF_UNSPEC;

	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, address, sizeof(family));
	if (s->type != SOCK_DGRAM)
		return connect_stream(s, address, len, nonblock);
	return connect_datagram(s, family == AF_UNSPEC ? NULL : address, len);
}

static bool may_accept(struct unix_sock *s)
{
	return READ_ONCE(s->waiting.next) != &s->waiting || READ_ONCE(s->state) != UNIX_LISTENING || READ_ONCE(s->shutdown) & SHUT_RECEIVE;
}

struct unix_sock *unix_accept(struct unix_sock *s, bool nonblock)
{
	struct unix_sock *c = NULL;
	int error = 0;

	if (!unix_is_stream(s))
		return ERR_PTR(-EOPNOTSUPP);
	while (!error) {
		spin_lock(&unix_lock);
		if (s->state != UNIX_LISTENING) {
			error = -EINVAL;
		} else if (!list_empty(&s->waiting)) {
			c = list_first(&s->waiting, struct unix_sock, waiting_node);
			list_del(&c->waiting_node);
			s->nr_waiting--;
		} else if (s->shutdown & SHUT_RECEIVE) {
			error = -EINVAL;
		}
		spin_unlock(&unix_lock);
		if (c || error)
			break;
		error = nonblock ? -EAGAIN : unix_wait(s, &s->read_wait, may_accept, s->receive_timeout);
	}
	if (error)
		return ERR_PTR(error);
	wake_up_all(&s->write_wait, 0);
	return c;
}

int unix_shutdown(struct unix_sock *s, u8 how)
{
	struct unix_sock *peer;

	spin_lock(&unix_lock);
	s->shutdown |= how;
	peer = s->peer;
	if (peer && unix_is_stream(s)) {
		unix_get(peer);
		peer->shutdown |= (how & SHUT_RECEIVE ? SHUT_SEND : 0) | (how & SHUT_SEND ? SHUT_RECEIVE : 0);
	} else {
		peer = NULL;
	}
	spin_unlock(&unix_lock);
	wake_all(s);
	if (peer)
		wake_all(peer);
	unix_put(peer);
	return 0;
}

/* --- readiness --- */

u32 unix_poll(struct unix_sock *s, struct poll_table *t)
{
	u32 mask = 0, in = POLLIN | POLLRDNORM, out = POLLOUT | POLLWRNORM | POLLWRBAND;

	if (!t || t->want & (in | POLLRDHUP | POLLHUP | POLLERR))
		poll_wait(t, &s->read_wait);
	if (!t || t->want & out)
		poll_wait(t, &s->write_wait);
	spin_lock(&unix_lock);
	if (s->error)
		mask |= POLLERR;
	if (s->shutdown == (SHUT_RECEIVE | SHUT_SEND))
		mask |= POLLHUP;
	if (s->shutdown & SHUT_RECEIVE)
		mask |= POLLRDHUP | in;
	if (!list_empty(&s->queue) || !list_empty(&s->waiting))
		mask |= in;
	if (unix_is_stream(s) && s->state == UNIX_FREE)
		mask |= POLLHUP;
	if (s->state != UNIX_LISTENING && atomic64_read(&s->charged) * 4 <= s->send_limit)
		mask |= out;
	spin_unlock(&unix_lock);
	return mask;
}
