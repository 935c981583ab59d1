/* Circular doubly linked lists, embedded in what they link. The head is a node of its own. */
#pragma once

#include "kernel/types.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_INIT(name)

/* Some look without the lock whether a list is empty: next is stored as a whole. */
static inline void list_set_next(struct list_head *n, struct list_head *next) { __atomic_store_n(&n->next, next, __ATOMIC_RELAXED); }
static inline void list_init(struct list_head *h)
{
	h->prev = h;
	list_set_next(h, h);
}
static inline bool list_empty(const struct list_head *h) { return __atomic_load_n(&h->next, __ATOMIC_RELAXED) == h; }
static inline void list_insert(struct list_head *n, struct list_head *prev, struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	list_set_next(prev, n);
}
static inline void list_add(struct list_head *n, struct list_head *h) { list_insert(n, h, h->next); }
static inline void list_add_tail(struct list_head *n, struct list_head *h) { list_insert(n, h->prev, h); }
/* Unlink; the node is left empty, so deleting it twice is harmless. */
static inline void list_del(struct list_head *n)
{
	n->next->prev = n->prev;
	list_set_next(n->prev, n->next);
	list_init(n);
}
/* Move all of `from` to the tail of `to`; `from` is left empty. */
static inline void list_splice_tail(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	list_set_next(to->prev, from->next);
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)
#define list_last(head, type, member) list_entry((head)->prev, type, member)
#define list_for_each(pos, head, member) \
	for (pos = list_entry((head)->next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = list_entry(pos->member.next, __typeof__(*pos), member))
/* The same, when the body may unlink pos. */
#define list_for_each_safe(pos, tmp, head, member) \
	for (pos = list_entry((head)->next, __typeof__(*pos), member), \
	     tmp = list_entry(pos->member.next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = tmp, tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))
