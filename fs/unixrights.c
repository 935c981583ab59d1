/*
 * Open files in messages (SCM_RIGHTS), and the collector of circles.
 *
 * A socket that was sent over itself, or two over each other, and then closed everywhere, would keep itself alive for ever. A socket
 * whose file has no other references than those in messages may be such garbage. The collector takes all of these as candidates,
 * and finds which of them somebody can still receive: those that are in a message to a socket that is no candidate, and what lies on
 * their own queues, and so on. What is left is unreachable: its messages are taken away, which closes it.
 *
 * rights_mutex is held wherever a reference goes into a message or comes out of one, so no reference of a candidate moves while the
 * collector looks: who could take one would have to receive it first.
 */
#include "fs/unix.h"

#include "kernel/signal.h"
#include "kernel/string.h"
#include "mm/slab.h"

static struct mutex rights_mutex = MUTEX_INIT(rights_mutex, "socket rights", RANK_LAST_SLEEPING);
static LIST_HEAD(in_flight);		/* rights_mutex: sockets with in_flight > 0 */
static u64 total;			/* rights_mutex: open files in messages */

/* --- sets of files --- */

struct rights *rights_get(const int *fds, unsigned nr)
{
	struct rights *r;

	if (nr > SCM_MAX_FD)
		return ERR_PTR(-EINVAL);
	r = kzalloc(sizeof(*r) + nr * sizeof(r->files[0]));
	if (!r)
		return ERR_PTR(-ENOMEM);
	for (; r->nr < nr; r->nr++) {
		r->files[r->nr] = fd_get(fds[r->nr]);
		if (!r->files[r->nr]) {
			rights_drop(r);
			return ERR_PTR(-EBADF);
		}
	}
	return r;
}

struct rights *rights_copy(const struct rights *r)
{
	size_t size = sizeof(*r) + r->nr * sizeof(r->files[0]);
	struct rights *copy = kmalloc(size);

	if (!copy)
		return NULL;
	mutex_lock(&rights_mutex);	/* not while the collector counts */
	memcpy(copy, r, size);
	for (unsigned i = 0; i < copy->nr; i++)
		file_get(copy->files[i]);
	mutex_unlock(&rights_mutex);
	return copy;
}

void rights_drop(struct rights *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < r->nr; i++)
		file_put(r->files[i]);
	kfree(r);
}

/* --- on their way --- */

int rights_launch(struct rights *r)
{
	u64 limit = READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur);

	mutex_lock(&rights_mutex);
	if (total > limit && fsuid()) {
		mutex_unlock(&rights_mutex);
		return -ETOOMANYREFS;
	}
	total += r->nr;
	for (unsigned i = 0; i < r->nr; i++) {
		struct unix_sock *s = unix_of(r->files[i]);
		if (s && s->in_flight++ == 0)
			list_add_tail(&s->flight_node, &in_flight);
	}
	mutex_unlock(&rights_mutex);
	return 0;
}

static void land_locked(struct rights *r)
{
	total -= r->nr;
	for (unsigned i = 0; i < r->nr; i++) {
		struct unix_sock *s = unix_of(r->files[i]);
		if (s && --s->in_flight == 0)
			list_del(&s->flight_node);
	}
}

void rights_land(struct rights *r)
{
	mutex_lock(&rights_mutex);
	land_locked(r);
	mutex_unlock(&rights_mutex);
}

/* --- the collector; rights_mutex held, and unix_lock where queues are looked at --- */

/* fn for every candidate that lies in a message on s's queue, or on those of connections that s has not accepted. */
static void each_queued(struct unix_sock *s, void (*fn)(struct unix_sock *child))
{
	struct unix_message *m;
	struct unix_sock *c;

	list_for_each(m, &s->queue, node)
		for (unsigned i = 0; m->rights && i < m->rights->nr; i++) {
			struct unix_sock *child = unix_of(m->rights->files[i]);
			if (child && child->candidate)
				fn(child);
		}
	list_for_each(c, &s->waiting, waiting_node)
		each_queued(c, fn);
}

static void count_inside(struct unix_sock *s) { s->inside++; }

static LIST_HEAD(kept);			/* by kept_node: no garbage, and their queues are still to be looked at */
static void keep(struct unix_sock *s)
{
	s->candidate = false;
	list_add_tail(&s->kept_node, &kept);
}

/* Mark what is garbage (candidate stays true); false: nothing is. */
static bool mark(void)
{
	struct unix_sock *s;
	bool garbage = false;

	list_for_each(s, &in_flight, flight_node) {
		s->candidate = s->file && (unsigned)atomic_read(&s->file->refs) == s->in_flight;
		s->inside = 0;
	}
	list_for_each(s, &in_flight, flight_node)
		if (s->candidate)
			each_queued(s, count_inside);
	/* Open somewhere, or somebody outside the candidates has a message with it; and what these can hand out, and so on. */
	list_for_each(s, &in_flight, flight_node)
		if (!s->candidate || s->inside < s->in_flight)
			keep(s);
	while (!list_empty(&kept)) {
		s = list_first(&kept, struct unix_sock, kept_node);
		list_del(&s->kept_node);
		each_queued(s, keep);
	}
	list_for_each(s, &in_flight, flight_node)
		garbage |= s->candidate;
	return garbage;
}

static void take_messages(struct unix_sock *s, struct list_head *out)
{
	struct unix_message *m, *next;
	struct unix_sock *c;

	list_for_each_safe(m, next, &s->queue, node)
		if (m->rights) {
			list_del(&m->node);
			list_add_tail(&m->node, out);
		}
	list_for_each(c, &s->waiting, waiting_node)
		take_messages(c, out);
}

/* Garbage to the doomed messages; false: there was none. */
static bool collect(void)
{
	struct list_head messages = LIST_INIT(messages);
	struct unix_sock *s;
	bool found;

	if (READ_ONCE(in_flight.next) == &in_flight || !mutex_trylock(&rights_mutex))
		return false;		/* somebody sends, receives or collects: the next end of a socket looks again */
	spin_lock(&unix_lock);
	if (mark())
		list_for_each(s, &in_flight, flight_node)
			if (s->candidate)
				take_messages(s, &messages);
	spin_unlock(&unix_lock);
	mutex_unlock(&rights_mutex);
	found = !list_empty(&messages);
	rights_doom(&messages);
	return found;
}

/* --- what nobody will read --- */

static LIST_HEAD(doomed);		/* unix_lock */

void rights_doom(struct list_head *messages)
{
	spin_lock(&unix_lock);
	list_splice_tail(messages, &doomed);
	spin_unlock(&unix_lock);
}

static struct unix_message *next_doomed(void)
{
	struct unix_message *m = NULL;

	spin_lock(&unix_lock);
	if (!list_empty(&doomed)) {
		m = list_first(&doomed, struct unix_message, node);
		list_del(&m->node);
	}
	spin_unlock(&unix_lock);
	return m;
}

void rights_drain(void)
{
	struct unix_message *m;

	if (READ_ONCE(current->flags) & TF_DRAINING)
		return;			/* we are below it: it goes on with what we put aside */
	task_set_flag(current, TF_DRAINING);
	do {
		while ((m = next_doomed()))
			unix_message_free(m);
	} while (collect());
	task_clear_flag(current, TF_DRAINING);
}
