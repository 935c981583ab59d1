/* epoll: items, the ready list, EPOLL_CTL_*, and the epoll as a file (fs/epoll.h). Waiting: fs/epollwait.c. */
#include "fs/epoll.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MAX_NESTS 4
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

struct watch {				/* one wait queue of a watched file */
	struct wait_entry wait;
	struct wait_queue *wq;
	struct epitem *item;
	struct watch *next;
};

struct item_table {
	struct poll_table table;
	struct epitem *item;
};

static struct mutex epoll_mutex = MUTEX_INIT(epoll_mutex, "epoll", RANK_EPOLL);
static const struct file_ops epoll_ops;

/* --- the ready list --- */

bool epoll_make_ready(struct epitem *item)
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
		epoll_make_ready(item);
		announce(item->ep);
	}
	return false;
}

struct epitem *epoll_take_ready(struct epoll *ep)
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
	else if (ready && epoll_make_ready(item))
		announce(ep);
	return error;
}

/* --- epolls that watch epolls; epoll_mutex held --- */

bool is_epoll(const struct file *f) { return f->ops == &epoll_ops; }

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
	if (epoll_ask(item) && epoll_make_ready(item))
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

/* --- the epoll as a file --- */

/* Is one of the items really ready? Those that are not leave the list. */
static u32 epoll_poll(struct file *file, struct poll_table *t)
{
	struct epoll *ep = file->private;
	struct epitem *item, *ready = NULL;

	poll_wait(t, &ep->poll_wait);
	if (!epoll_any_ready(ep))
		return 0;
	mutex_lock(&ep->mutex);
	while (!ready && (item = epoll_take_ready(ep)))
		if (epoll_ask(item))
			ready = item;
	if (ready)
		epoll_make_ready(ready);
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
