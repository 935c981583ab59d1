/*
 * epoll: a set of watched files, and the list of those that may be ready.
 *
 * An item (struct epitem) watches one open file under one descriptor number. When it is added its wait entries join the file's wait
 * queues and stay there; a wake-up puts the item on its epoll's ready list. Only items of that list are asked when somebody waits, so
 * the cost does not grow with the number of files that are quiet. A wake-up is a hint: the file's ->poll decides.
 *
 * Level: an item that was ready goes back to the end of the ready list, and is asked again the next time. Edge (EPOLLET): it
 * does not, only a wake-up brings it back. EPOLLONESHOT: it is silent until EPOLL_CTL_MOD. An item ends with the watched file's last
 * reference, which it does not hold.
 *
 * Locks: epoll_mutex: which items there are, of all epolls (EPOLL_CTL_*, ends of files). ep->mutex, taken under it: delivery, and that
 * an item does not go away meanwhile. ready_lock (spin, from wake-ups, so under a wait queue's lock): the ready list.
 * An epoll may watch an epoll: at most MAX_NESTS deep, in no circle; their mutexes nest from the outside in.
 */
#include "fs/poll.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "kernel/times.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define HASH_SIZE 64
#define MAX_NESTS 4
#define BATCH 32			/* events delivered under one hold of the mutex */
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)
#define NO_DEADLINE (~0UL)

struct epoll {
	struct mutex mutex;
	struct spinlock ready_lock;	/* irqsave */
	struct list_head ready;		/* ready_lock: epitem.ready_node */
	struct list_head items[HASH_SIZE];	/* epoll_mutex */
	struct wait_queue wait;		/* epoll_wait */
	struct wait_queue poll_wait;	/* who polls or watches the epoll itself */
	struct file *file;		/* its own, not counted */
};

struct watch {				/* one wait queue of a watched file */
	struct wait_entry wait;
	struct wait_queue *wq;
	struct epitem *item;
	struct watch *next;
};

struct epitem {
	struct epoll *ep;		/* I */
	struct file *file;		/* I: not counted */
	int fd;				/* I */
	struct epoll_event event;	/* ep->mutex; events also read racily by wake-ups */
	struct list_head ready_node;	/* ready_lock; empty: not on the list */
	struct list_head hash_node;	/* epoll_mutex */
	struct epitem *next_watcher;	/* epoll_mutex: of the same file */
	struct watch *watches;		/* epoll_mutex */
	int error;			/* while it is made: a watch could not be */
};

struct item_table {
	struct poll_table table;
	struct epitem *item;
};

static struct mutex epoll_mutex = MUTEX_INIT(epoll_mutex, "epoll", RANK_EPOLL);
static const struct file_ops epoll_ops;

/* --- the ready list --- */

/* At the end of the list, if it is not on it. True: it was not. */
static bool make_ready(struct epitem *item)
{
	struct epoll *ep = item->ep;
	u64 flags = spin_lock_irqsave(&ep->ready_lock);
	bool fresh = list_empty(&item->ready_node);

	if (fresh)
		list_add_tail(&item->ready_node, &ep->ready);
	spin_unlock_irqrestore(&ep->ready_lock, flags);
	return fresh;
}

static void announce(struct epoll *ep)
{
	wake_up_nr(&ep->wait, 0, 1);
	wake_up_all(&ep->poll_wait, 0);
}

/* Under the lock of the file's queue. */
static bool item_wake(struct wait_entry *wait, u64 key)
{
	struct epitem *item = container_of(wait, struct watch, wait)->item;

	if (READ_ONCE(item->event.events) & ~PRIVATE_BITS) {
		make_ready(item);
		announce(item->ep);
	}
	return false;
}

static bool any_ready(const struct epoll *ep) { return READ_ONCE(ep->ready.next) != &ep->ready; }

static struct epitem *take_ready(struct epoll *ep)
{
	struct epitem *item = NULL;
	u64 flags = spin_lock_irqsave(&ep->ready_lock);

	if (!list_empty(&ep->ready)) {
		item = list_first(&ep->ready, struct epitem, ready_node);
		list_del(&item->ready_node);
	}
	spin_unlock_irqrestore(&ep->ready_lock, flags);
	return item;
}

static u32 ask(const struct epitem *item) { return poll_file(item->file, NULL) & (item->event.events | EPOLLERR | EPOLLHUP) & ~PRIVATE_BITS; }

/* --- items --- */

static void item_join(struct poll_table *t, struct wait_queue *wq)
{
	struct epitem *item = container_of(t, struct item_table, table)->item;
	struct watch *w = kmalloc(sizeof(*w));
	u64 flags;

	if (!w) {
		item->error = -ENOMEM;
		return;
	}
	*w = (struct watch){ .wait = { .task = NULL, .wake = item_wake }, .wq = wq, .item = item, .next = item->watches };
	item->watches = w;
	flags = spin_lock_irqsave(&wq->lock);
	list_add_tail(&w->wait.node, &wq->waiters);
	spin_unlock_irqrestore(&wq->lock, flags);
}

static struct list_head *bucket(struct epoll *ep, int fd) { return &ep->items[(unsigned)fd % HASH_SIZE]; }

static struct epitem *find_item(struct epoll *ep, const struct file *file, int fd)
{
	struct epitem *item;

	list_for_each(item, bucket(ep, fd), hash_node)
		if (item->fd == fd && item->file == file)
			return item;
	return NULL;
}

static void drop_watches(struct epitem *item)
{
	struct watch *w, *next;

	for (w = item->watches; w; w = next) {
		u64 flags = spin_lock_irqsave(&w->wq->lock);
		list_del(&w->wait.node);
		spin_unlock_irqrestore(&w->wq->lock, flags);
		next = w->next;
		kfree(w);
	}
	item->watches = NULL;
}

/* epoll_mutex and ep->mutex held. */
static void remove_item(struct epitem *item)
{
	struct epitem **at = &item->file->watchers;
	u64 flags;

	drop_watches(item);		/* no wake-up from here on */
	flags = spin_lock_irqsave(&item->ep->ready_lock);
	list_del(&item->ready_node);
	spin_unlock_irqrestore(&item->ep->ready_lock, flags);
	while (*at != item)
		at = &(*at)->next_watcher;
	*at = item->next_watcher;
	list_del(&item->hash_node);
	kfree(item);
}

void epoll_forget(struct file *file)
{
	mutex_lock(&epoll_mutex);
	while (file->watchers) {
		struct epoll *ep = file->watchers->ep;
		mutex_lock(&ep->mutex);
		remove_item(file->watchers);
		mutex_unlock(&ep->mutex);
	}
	mutex_unlock(&epoll_mutex);
}

static int add_item(struct epoll *ep, struct file *file, int fd, const struct epoll_event *event)
{
	struct epitem *item = kzalloc(sizeof(*item));
	struct item_table t = { .table = { .queue = item_join, .want = event->events | EPOLLERR | EPOLLHUP }, .item = item };
	bool ready;
	int error;

	if (!item)
		return -ENOMEM;
	item->ep = ep;
	item->file = file;
	item->fd = fd;
	item->event = *event;
	list_init(&item->ready_node);
	item->next_watcher = file->watchers;
	file->watchers = item;
	list_add(&item->hash_node, bucket(ep, fd));
	ready = poll_file(file, &t.table) & (event->events | EPOLLERR | EPOLLHUP) & ~PRIVATE_BITS;
	error = item->error;
	if (error)
		remove_item(item);
	else if (ready && make_ready(item))
		announce(ep);
	return error;
}

/* --- epolls that watch epolls; epoll_mutex held --- */

static bool is_epoll(const struct file *file) { return file->ops == &epoll_ops; }

/* How deep the epolls nest that this one watches, itself counted; more than MAX_NESTS + 1, or `target` among them: -ELOOP. */
static int depth_below(const struct epoll *ep, const struct epoll *target, int level)
{
	int deepest = 1;
	struct epitem *item;

	if (ep == target || level > MAX_NESTS)
		return -ELOOP;
	for (int i = 0; i < HASH_SIZE; i++)
		list_for_each(item, &ep->items[i], hash_node) {
			int d = is_epoll(item->file) ? depth_below(item->file->private, target, level + 1) : 0;
			if (d < 0)
				return d;
			deepest = max(deepest, d + 1);
		}
	return deepest;
}

static int depth_above(const struct epoll *ep, int level)
{
	int highest = 1;

	if (level > MAX_NESTS)
		return -ELOOP;
	for (const struct epitem *item = ep->file->watchers; item; item = item->next_watcher) {
		int d = depth_above(item->ep, level + 1);
		if (d < 0)
			return d;
		highest = max(highest, d + 1);
	}
	return highest;
}

static int may_watch(struct epoll *ep, const struct file *file)
{
	int below, above;

	if (!is_epoll(file))
		return 0;
	below = depth_below(file->private, ep, 0);
	above = depth_above(ep, 0);
	return below < 0 ? below : above < 0 ? above : below + above > MAX_NESTS + 1 ? -ELOOP : 0;
}

/* --- epoll_ctl --- */

static int check_exclusive(int op, const struct file *file, const struct epoll_event *event)
{
	if (!(event->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD || is_epoll(file) || event->events & ~EXCLUSIVE_OK)
		return -EINVAL;
	return 0;
}

/* Other events of an item: it may be ready for them now. Both mutexes held. */
static int modify_item(struct epitem *item, const struct epoll_event *event)
{
	if (item->event.events & EPOLLEXCLUSIVE)
		return -EINVAL;
	item->event = *event;
	smp_mb();			/* the events before the file's state: a wake-up sees the new events, or we its cause */
	if (ask(item) && make_ready(item))
		announce(item->ep);
	return 0;
}

static int control(struct epoll *ep, int op, struct file *file, int fd, const struct epoll_event *event)
{
	struct epitem *item;
	int error = 0;

	mutex_lock(&epoll_mutex);
	if (op == EPOLL_CTL_ADD)
		error = may_watch(ep, file);
	mutex_lock(&ep->mutex);
	item = find_item(ep, file, fd);
	if (op == EPOLL_CTL_ADD)
		error = item ? -EEXIST : error ? error : add_item(ep, file, fd, event);
	else if (!item)
		error = -ENOENT;
	else if (op == EPOLL_CTL_DEL)
		remove_item(item);
	else
		error = modify_item(item, event);
	mutex_unlock(&ep->mutex);
	mutex_unlock(&epoll_mutex);
	return error;
}

long sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event __user *uevent)
{
	struct epoll_event event = { 0 };
	struct file *ep, *file;
	long error = -EBADF;

	if (op != EPOLL_CTL_DEL && copy_from_user(&event, uevent, sizeof(event)))
		return -EFAULT;
	ep = fd_get_file(epfd);
	if (!ep)
		return -EBADF;
	file = fd_get_file(fd);
	if (!file)
		goto out_put;
	error = !file->ops->poll ? -EPERM : file == ep || !is_epoll(ep) ? -EINVAL : 0;
	if (!error && op != EPOLL_CTL_ADD && op != EPOLL_CTL_MOD && op != EPOLL_CTL_DEL)
		error = -EINVAL;
	if (!error && op != EPOLL_CTL_DEL)
		error = check_exclusive(op, file, &event);
	if (!error)
		error = control(ep->private, op, file, fd, &event);
	file_put(file);
out_put:
	file_put(ep);
	return error;
}

/* --- waiting --- */

/* Up to BATCH events of those on the ready list now; level-triggered items go back to its end. */
static int collect(struct epoll *ep, struct epoll_event *out, int max_events)
{
	struct epitem *again[BATCH], *item;
	int nr = 0, nr_again = 0;

	mutex_lock(&ep->mutex);
	while (nr < min(max_events, BATCH) && (item = take_ready(ep))) {
		u32 events = ask(item);
		if (!events)
			continue;
		out[nr++] = (struct epoll_event){ .events = events, .data = item->event.data };
		if (item->event.events & EPOLLONESHOT)
			item->event.events &= PRIVATE_BITS;
		else if (!(item->event.events & EPOLLET))
			again[nr_again++] = item;
	}
	for (int i = 0; i < nr_again; i++)
		make_ready(again[i]);
	mutex_unlock(&ep->mutex);
	return nr;
}

/* Events to the user, more than one batch if that many are ready at once. Bytes that cannot be written: EFAULT if none were. */
static long deliver(struct epoll *ep, struct epoll_event __user *to, int max_events)
{
	struct epoll_event events[BATCH];
	long done = 0;
	int n;

	do {
		n = collect(ep, events, max_events - (int)done);
		if (n && copy_to_user(to + done, events, (size_t)n * sizeof(*events)))
			return done ? done : -EFAULT;
		done += n;
	} while (n == BATCH && done < max_events && done < 4 * BATCH);
	return done;
}

static int sleep_for_events(struct epoll *ep, u64 deadline)
{
	struct wait_entry entry = { 0 };
	int error = 0;

	wait_prepare(&ep->wait, &entry, WAIT_INTERRUPTIBLE, 0);
	if (!any_ready(ep))
		error = deadline == NO_DEADLINE ? wait_sleep(WAIT_INTERRUPTIBLE) : wait_sleep_until(WAIT_INTERRUPTIBLE, deadline);
	wait_finish(&ep->wait, &entry);
	return error;
}

/* deadline 0: only look. */
static long wait_events(struct epoll *ep, struct epoll_event __user *to, int max_events, u64 deadline)
{
	long done;
	int error = 0;

	for (;;) {
		done = any_ready(ep) ? deliver(ep, to, max_events) : 0;
		if (done || error || !deadline)
			break;
		error = sleep_for_events(ep, deadline);
	}
	if (any_ready(ep))
		wake_up_nr(&ep->wait, 0, 1);	/* we were the one that was woken: what is left is for another */
	if (done || !error || error == -ETIMEDOUT)
		return done;
	return -EINTR;
}

static long do_wait(int epfd, struct epoll_event __user *to, int max_events, u64 deadline)
{
	struct file *file;
	long result;

	if (max_events <= 0 || max_events > 0x7fffffff / (int)sizeof(*to))
		return -EINVAL;
	if ((vaddr_t)to > USER_TOP - (u64)max_events * sizeof(*to))
		return -EFAULT;
	file = fd_get_file(epfd);
	if (!file)
		return -EBADF;
	result = is_epoll(file) ? wait_events(file->private, to, max_events, deadline) : -EINVAL;
	file_put(file);
	return result;
}

static u64 deadline_of(int timeout_ms) { return timeout_ms < 0 ? NO_DEADLINE : timeout_ms ? deadline_after((u64)timeout_ms * 1000000) : 0; }

long sys_epoll_wait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms)
{
	return do_wait(epfd, to, max_events, deadline_of(timeout_ms));
}

static long wait_masked(int epfd, struct epoll_event __user *to, int max_events, u64 deadline, const u64 __user *mask, size_t size)
{
	u64 saved = 0;
	bool changed;
	long result = sigmask_begin(mask, size, &saved, &changed);

	if (result)
		return result;
	result = do_wait(epfd, to, max_events, deadline);
	sigmask_end(changed, saved, result == -EINTR);
	return result;
}

long sys_epoll_pwait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms, const u64 __user *mask, size_t size)
{
	return wait_masked(epfd, to, max_events, deadline_of(timeout_ms), mask, size);
}

long sys_epoll_pwait2(int epfd, struct epoll_event __user *to, int max_events, const void __user *timeout, const u64 __user *mask, size_t size)
{
	u64 deadline;
	long error = deadline_get(timeout, false, &deadline);

	return error ? error : wait_masked(epfd, to, max_events, deadline, mask, size);
}

/* --- the epoll as a file --- */

/* Is one of the items really ready? Those that are not leave the list. */
static u32 epoll_poll(struct file *file, struct poll_table *t)
{
	struct epoll *ep = file->private;
	struct epitem *item, *ready = NULL;

	poll_wait(t, &ep->poll_wait);
	if (!any_ready(ep))
		return 0;
	mutex_lock(&ep->mutex);
	while (!ready && (item = take_ready(ep)))
		if (ask(item))
			ready = item;
	if (ready)
		make_ready(ready);
	mutex_unlock(&ep->mutex);
	return ready ? POLLIN | POLLRDNORM : 0;
}

static void epoll_release(struct file *file)
{
	struct epoll *ep = file->private;

	mutex_lock(&epoll_mutex);
	mutex_lock(&ep->mutex);
	for (int i = 0; i < HASH_SIZE; i++)
		while (!list_empty(&ep->items[i]))
			remove_item(list_first(&ep->items[i], struct epitem, hash_node));
	mutex_unlock(&ep->mutex);
	mutex_unlock(&epoll_mutex);
	kfree(ep);
}

static const struct file_ops epoll_ops = { .release = epoll_release, .llseek = anon_llseek, .poll = epoll_poll };

long sys_epoll_create1(int flags)
{
	struct epoll *ep;
	struct file *file;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->mutex, "epoll items", RANK_EPOLL_ITEMS);
	spin_init(&ep->ready_lock, "epoll ready", RANK_EPOLL_READY);
	list_init(&ep->ready);
	for (int i = 0; i < HASH_SIZE; i++)
		list_init(&ep->items[i]);
	wait_queue_init(&ep->wait);
	spin_init(&ep->wait.lock, "epoll wait", RANK_LAST_WAITQUEUE);
	wait_queue_init(&ep->poll_wait);
	spin_init(&ep->poll_wait.lock, "epoll watched", RANK_EPOLL_WATCHED);
	file = anon_file("[eventpoll]", &epoll_ops, ep, 0);
	if (IS_ERR(file)) {
		kfree(ep);
		return PTR_ERR(file);
	}
	ep->file = file;
	return fd_give(file, flags & EPOLL_CLOEXEC);
}

long sys_epoll_create(int size) { return size <= 0 ? -EINVAL : sys_epoll_create1(0); }
