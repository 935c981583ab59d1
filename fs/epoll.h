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
#pragma once

#include "fs/poll.h"

#define HASH_SIZE 64
#define PRIVATE_BITS (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct watch;

struct epoll {
	struct mutex mutex;
	struct spinlock ready_lock;	/* irqsave */
	struct list_head ready;		/* ready_lock: epitem.ready_node */
	struct list_head items[HASH_SIZE];	/* epoll_mutex */
	struct wait_queue wait;		/* epoll_wait */
	struct wait_queue poll_wait;	/* who polls or watches the epoll itself */
	struct file *file;		/* its own, not counted */
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

bool is_epoll(const struct file *f);
/* At the end of the ready list, if it is not on it. True: it was not. */
bool epoll_make_ready(struct epitem *item);
struct epitem *epoll_take_ready(struct epoll *ep);	/* the first, off the list; NULL: none */
static inline bool epoll_any_ready(const struct epoll *ep) { return READ_ONCE(ep->ready.next) != &ep->ready; }
/* The events of its file that the item asks for. ep->mutex held. */
static inline u32 epoll_ask(const struct epitem *item) { return poll_file(item->file, NULL) & (item->event.events | EPOLLERR | EPOLLHUP) & ~PRIVATE_BITS; }
