/*
 * Messages of UNIX-domain sockets (fs/unix.h). A message is filled from the user before anything is locked, and a reader copies out
 * of the first one under its read_lock alone; so user memory is never touched under unix_lock.
 */
#include "fs/unix.h"

#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

#define CHUNK_MAX 32768UL		/* of a stream's write */
#define OVERHEAD 256			/* what a message is charged besides its bytes */

static void charge(struct unix_sock *s, s64 n) { atomic64_add_return(&s->charged, n); }

void unix_message_free(struct unix_message *m)
{
	if (m->rights) {
		rights_land(m->rights);
		rights_drop(m->rights);
	}
	charge(m->from, -(s64)m->charge);
	wake_up_all(&m->from->write_wait, 0);
	unix_put(m->from);
	unix_name_put(m->from_name);
	kfree(m);
}

/* --- sending --- */

static bool may_send(struct unix_sock *s)
{
	return atomic64_read(&s->charged) < READ_ONCE(s->send_limit) || READ_ONCE(s->shutdown) & SHUT_SEND || READ_ONCE(s->error);
}

/* n bytes of the user's in a message, charged; ERR_PTR(ENOMEM, EFAULT). */
static struct unix_message *fill(struct unix_sock *s, struct iov_iter *from, size_t n, const struct message_out *out)
{
	struct unix_message *m = kmalloc(sizeof(*m) + n);

	if (!m)
		return ERR_PTR(-ENOMEM);
	*m = (struct unix_message){ .from = s, .creds = out->creds, .len = n, .charge = n + OVERHEAD };
	list_init(&m->node);
	if (copy_from_iter(m->data, n, from) < n) {
		kfree(m);
		return ERR_PTR(-EFAULT);
	}
	unix_get(s);
	charge(s, (s64)m->charge);
	return m;
}

/* Put it on the queue of s's peer. 0; else the message is still the caller's. */
static int post_to_peer(struct unix_sock *s, struct unix_message *m)
{
	struct unix_sock *peer;
	int error = 0;

	spin_lock(&unix_lock);
	peer = s->peer;
	if (s->shutdown & SHUT_SEND)
		error = -EPIPE;
	else if (s->state != UNIX_CONNECTED || !peer)
		error = -ENOTCONN;
	else if (peer->state == UNIX_CLOSED || peer->shutdown & SHUT_RECEIVE)
		error = -EPIPE;
	if (!error) {
		unix_get(peer);
		list_add_tail(&m->node, &peer->queue);
		peer->nr_queued++;
		peer->queued_bytes += m->len;
	}
	spin_unlock(&unix_lock);
	if (error)
		return error;
	wake_up_all(&peer->read_wait, 0);
	unix_put(peer);
	return 0;
}

/* 0 when the socket may send; waits for that. */
static int wait_to_send(struct unix_sock *s, bool nonblock)
{
	int error = 0;

	if (!may_send(s))
		error = nonblock ? -EAGAIN : unix_wait(s, &s->write_wait, may_send, s->send_timeout);
	return error;
}

static int take_error(struct unix_sock *s)
{
	int error;

	spin_lock(&unix_lock);
	error = s->error;
	s->error = 0;
	spin_unlock(&unix_lock);
	return -error;
}

/* One message of n bytes with what `out` carries, to the peer. */
static int send_piece(struct unix_sock *s, struct iov_iter *from, size_t n, struct message_out *out)
{
	struct unix_message *m = fill(s, from, n, out);
	int error;

	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	m->rights = out->rights;
	error = m->rights ? rights_launch(m->rights) : 0;
	if (error)
		m->rights = NULL;
	else
		error = post_to_peer(s, m);
	if (!error) {
		out->rights = NULL;
		return 0;
	}
	if (m->rights)
		rights_land(m->rights);
	m->rights = NULL;			/* still the caller's */
	unix_message_free(m);
	return error;
}

/* Small enough that two fit. */
static size_t chunk_of(const struct unix_sock *s)
{
	size_t half = READ_ONCE(s->send_limit) / 2;

	return min(max(half, 1024UL), CHUNK_MAX);
}

static ssize_t send_stream(struct unix_sock *s, struct iov_iter *from, struct message_out *out)
{
	bool nonblock = out->flags & MSG_DONTWAIT;
	ssize_t done = 0;
	int error = 0;

	if (out->address_len)
		return READ_ONCE(s->state) == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	if (READ_ONCE(s->shutdown) & SHUT_SEND)
		error = -EPIPE;
	else if (READ_ONCE(s->state) != UNIX_CONNECTED)
		return -ENOTCONN;
	while (from->count && !error) {
		size_t n = min(from->count, chunk_of(s));

		error = wait_to_send(s, nonblock);
		if (!error)
			error = send_piece(s, from, n, out);
		if (!error)
			done += (ssize_t)n;
	}
	if (error == -EPIPE && !done && !(out->flags & MSG_NOSIGNAL))
		signal_send_task(current, SIGPIPE, NULL);
	return done ? done : error;
}

/* --- datagrams and packets --- */

/* To whom: the address's socket, or the peer; counted. ERR_PTR. */
static struct unix_sock *receiver(struct unix_sock *s, const struct message_out *out)
{
	struct unix_sock *to;

	if (out->address_len)
		return unix_find(out->address, out->address_len, s->type);
	spin_lock(&unix_lock);
	to = s->peer;
	if (to)
		unix_get(to);
	spin_unlock(&unix_lock);
	return to ? to : ERR_PTR(-ENOTCONN);
}

/* Put m on the receiver's queue. A receiver that has closed is no peer any more. */
static int post_to(struct unix_sock *s, struct unix_sock *to, struct unix_message *m)
{
	struct unix_sock *lost = NULL;
	int error = 0;

	spin_lock(&unix_lock);
	if (to->state == UNIX_CLOSED) {
		error = -ECONNREFUSED;
		if (s->peer == to) {
			lost = to;
			s->peer = NULL;
			s->state = UNIX_FREE;
		}
	} else if (to->peer && to->peer != s) {
		error = -EPERM;
	} else if (to->shutdown & SHUT_RECEIVE || s->shutdown & SHUT_SEND) {
		error = -EPIPE;
	}
	if (!error) {
		m->from_name = s->name;
		if (m->from_name)
			atomic_inc(&m->from_name->refs);
		list_add_tail(&m->node, &to->queue);
		to->nr_queued++;
		to->queued_bytes += m->len;
	}
	spin_unlock(&unix_lock);
	unix_put(lost);
	if (!error)
		wake_up_all(&to->read_wait, 0);
	return error;
}

static ssize_t send_datagram(struct unix_sock *s, struct iov_iter *from, struct message_out *out)
{
	size_t n = from->count;
	struct unix_sock *to = receiver(s, out);
	struct unix_message *m;
	int error;

	if (IS_ERR(to))
		return PTR_ERR(to);
	error = n + 32 > s->send_limit ? -EMSGSIZE : READ_ONCE(s->shutdown) & SHUT_SEND ? -EPIPE : wait_to_send(s, out->flags & MSG_DONTWAIT);
	m = error ? ERR_PTR(error) : fill(s, from, n, out);
	if (IS_ERR(m)) {
		unix_put(to);
		return PTR_ERR(m);
	}
	m->rights = out->rights;
	error = m->rights ? rights_launch(m->rights) : 0;
	if (!error) {
		error = post_to(s, to, m);
		if (error && m->rights)
			rights_land(m->rights);
	}
	if (!error) {
		out->rights = NULL;
	} else {
		m->rights = NULL;
		unix_message_free(m);
	}
	unix_put(to);
	return error ? error : (ssize_t)n;
}

ssize_t unix_send(struct unix_sock *s, struct iov_iter *from, struct message_out *out)
{
	int error;

	if (out->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (s->type == SOCK_STREAM)
		return send_stream(s, from, out);
	error = s->type == SOCK_SEQPACKET ? take_error(s) : 0;
	if (error)
		return error;
	if (s->type == SOCK_SEQPACKET) {
		if (READ_ONCE(s->state) != UNIX_CONNECTED)
			return -ENOTCONN;
		out->address_len = 0;		/* ignored, as on Linux */
	}
	return send_datagram(s, from, out);
}

/* --- receiving --- */

static bool may_receive(struct unix_sock *s)
{
	return READ_ONCE(s->queue.next) != &s->queue || READ_ONCE(s->shutdown) & SHUT_RECEIVE || READ_ONCE(s->error);
}

/* read_lock held: so it stays the first. */
static struct unix_message *first(struct unix_sock *s)
{
	struct unix_message *m = NULL;

	spin_lock(&unix_lock);
	if (!list_empty(&s->queue))
		m = list_first(&s->queue, struct unix_message, node);
	spin_unlock(&unix_lock);
	return m;
}

static void unqueue(struct unix_sock *s, struct unix_message *m)
{
	spin_lock(&unix_lock);
	list_del(&m->node);
	s->nr_queued--;
	spin_unlock(&unix_lock);
	unix_message_free(m);
}

/* A message is read (n bytes of it from now on); peeked at, it stays as it is. read_lock held. */
static void consume(struct unix_sock *s, struct unix_message *m, size_t n, const struct message_in *in)
{
	if (in->flags & MSG_PEEK)
		return;
	spin_lock(&unix_lock);
	m->offset += n;
	s->queued_bytes -= n;
	spin_unlock(&unix_lock);
}

/* The descriptors of m become the reader's; a peeker gets copies. */
static void take_rights(struct unix_message *m, struct message_in *in)
{
	if (!m->rights)
		return;
	if (in->flags & MSG_PEEK) {
		in->rights = rights_copy(m->rights);
	} else {
		rights_land(m->rights);
		in->rights = m->rights;
		m->rights = NULL;
	}
}

/* The first message, read_lock held; waits. NULL: the end. ERR_PTR: an error, and the lock is not held. */
static struct unix_message *wait_first(struct unix_sock *s, bool nonblock, bool packets)
{
	for (;;) {
		struct unix_message *m;
		int error;

		mutex_lock(&s->read_lock);
		m = first(s);
		if (m)
			return m;
		error = take_error(s);
		if (!error && READ_ONCE(s->shutdown) & SHUT_RECEIVE && !(nonblock && packets && s->type == SOCK_DGRAM))
			return NULL;
		mutex_unlock(&s->read_lock);
		if (!error)
			error = nonblock ? -EAGAIN : unix_wait(s, &s->read_wait, may_receive, s->receive_timeout);
		if (error)
			return ERR_PTR(error);
	}
}

static ssize_t receive_packet(struct unix_sock *s, struct iov_iter *to, struct message_in *in)
{
	struct unix_message *m = wait_first(s, in->flags & MSG_DONTWAIT, true);
	size_t want = to->count, n, len;

	if (IS_ERR(m))
		return PTR_ERR(m);
	if (!m) {
		mutex_unlock(&s->read_lock);
		return 0;
	}
	len = m->len;
	n = copy_to_iter(m->data, min(len, want), to);
	if (n == min(len, want)) {
		in->creds = m->creds;
		in->has_creds = true;
		in->name = m->from_name;
		if (in->name)
			atomic_inc(&in->name->refs);
		take_rights(m, in);
	}
	in->out_flags |= len > want ? MSG_TRUNC : 0;
	if (!(in->flags & MSG_PEEK)) {
		spin_lock(&unix_lock);
		s->queued_bytes -= len;
		spin_unlock(&unix_lock);
		unqueue(s, m);
	}
	mutex_unlock(&s->read_lock);
	if (n < min(len, want))
		return -EFAULT;
	return (ssize_t)(in->flags & MSG_TRUNC ? len : n);
}

/* What a stream's reader gets of one message. Bytes; *stop: no further. */
static size_t read_message(struct unix_sock *s, struct unix_message *m, struct iov_iter *to, struct message_in *in, bool *stop)
{
	size_t n = min(m->len - m->offset, to->count), k;

	if (s->pass_creds) {		/* bytes of two writers are not mixed */
		if (in->has_creds && memcmp(&in->creds, &m->creds, sizeof(m->creds))) {
			*stop = true;
			return 0;
		}
		in->creds = m->creds;
		in->has_creds = true;
	}
	k = copy_to_iter(m->data + m->offset, n, to);
	if (k < n)
		*stop = true;
	if (k && m->rights) {
		take_rights(m, in);
		*stop = true;
	}
	consume(s, m, k, in);
	return k;
}

/* As much as there is, up to `to`; read_lock held. */
static size_t read_available(struct unix_sock *s, struct unix_message *m, struct iov_iter *to, struct message_in *in, bool *stop)
{
	size_t done = 0;

	while (m && to->count && !*stop) {
		struct unix_message *next = NULL;
		size_t n = read_message(s, m, to, in, stop);

		done += n;
		spin_lock(&unix_lock);
		if (m->node.next != &s->queue)
			next = list_entry(m->node.next, struct unix_message, node);
		spin_unlock(&unix_lock);
		if (!(in->flags & MSG_PEEK) && m->offset == m->len)
			unqueue(s, m);
		else if (m->offset < m->len && !(in->flags & MSG_PEEK))
			break;
		m = next;
	}
	return done;
}

static ssize_t receive_stream(struct unix_sock *s, struct iov_iter *to, struct message_in *in)
{
	bool nonblock = in->flags & MSG_DONTWAIT, stop = false;
	size_t target = in->flags & MSG_WAITALL ? to->count : min((size_t)s->low_mark, to->count), want = to->count, done = 0;

	if (READ_ONCE(s->state) != UNIX_CONNECTED)
		return -EINVAL;
	do {				/* also for no bytes: then it waits all the same, as on Linux */
		struct unix_message *m = wait_first(s, nonblock || (done && done >= target), false);

		if (IS_ERR(m))
			return done ? (ssize_t)done : PTR_ERR(m);
		if (m)
			done += read_available(s, m, to, in, &stop);
		mutex_unlock(&s->read_lock);
		if (!m || in->flags & MSG_PEEK || done >= target)
			break;
	} while (to->count && !stop);
	return done || !stop || !want ? (ssize_t)done : -EFAULT;
}

ssize_t unix_receive(struct unix_sock *s, struct iov_iter *to, struct message_in *in)
{
	if (in->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (s->type == SOCK_STREAM)
		return receive_stream(s, to, in);
	if (s->type == SOCK_SEQPACKET && READ_ONCE(s->state) != UNIX_CONNECTED)
		return -ENOTCONN;
	return receive_packet(s, to, in);
}
