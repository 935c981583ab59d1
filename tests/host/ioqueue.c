/* Requests to a device of the hosted machine: a task completes them later and in any order; a page must not change while it is written. */
#include "host.h"

static u64 checksum(struct page *page)
{
	const u64 *p = page_address(page);
	u64 h = 0;
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		h = (h ^ p[i]) * 0x100000001b3UL;
	return h;
}
bool io_changed(const struct io *r) { return r->write && checksum(r->page) != r->checksum; }

static void device_task(void *arg)
{
	struct io_queue *q = arg;
	for (;;) {
		wait_event(&q->wait, WAIT_UNINTERRUPTIBLE, !list_empty(&q->requests));
		unsigned skip = host_random(q->queued);
		struct list_head *n = q->requests.next;
		while (skip--)
			n = n->next;
		list_del(n);
		q->queued--;
		q->complete(list_entry(n, struct io, node));
		q->pending--;
	}
}

void io_submit(struct io_queue *q, struct io *r)
{
	if (!q->started)
		host_spawn_daemon(q->name, device_task, q);
	q->started = true;
	r->checksum = r->write ? checksum(r->page) : 0;
	list_add_tail(&r->node, &q->requests);
	q->queued++;
	q->pending++;
	wake_up_all(&q->wait, 0);
}
