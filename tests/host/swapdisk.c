/*
 * A swap device of the hosted machine: it completes later and in any order, checks that a page does not change while it is written, and fails on demand.
 */
#include "host.h"
#include "mm/swap.h"

#define SLOTS HOST_SWAP_SLOTS

u8 swap_disk[(SLOTS + 1) * PAGE_SIZE];
static struct list_head queue = LIST_INIT(queue);
static struct wait_queue queue_wait = WAIT_QUEUE_INIT(queue_wait);
static unsigned queued;
unsigned swap_disk_pending;
int swap_disk_fail_write, swap_disk_fail_read;
static bool started;

struct request {
	struct swap_request r;
	struct list_head node;
	u64 checksum;
	bool fail;
};

static u64 checksum(struct page *page)
{
	const u64 *p = page_address(page);
	u64 h = 0;
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		h = (h ^ p[i]) * 0x100000001b3UL;
	return h;
}
static void complete(struct request *q)
{
	u8 *slot = swap_disk + q->r.slot * PAGE_SIZE;
	if (q->r.write && checksum(q->r.page) != q->checksum)
		host_fail("slot %lu changed while it was being written", (unsigned long)q->r.slot);
	if (q->r.write && !q->fail)
		memcpy(slot, page_address(q->r.page), PAGE_SIZE);
	else if (!q->r.write)
		memcpy(page_address(q->r.page), slot, PAGE_SIZE);
	swap_request_done(&q->r, q->fail ? -EIO : 0);
}
static void disk_task(void *arg)
{
	for (;;) {
		wait_event(&queue_wait, WAIT_UNINTERRUPTIBLE, !list_empty(&queue));
		unsigned skip = host_random(queued);
		struct list_head *n = queue.next;
		while (skip--)
			n = n->next;
		list_del(n);
		queued--;
		complete(list_entry(n, struct request, node));
		swap_disk_pending--;
	}
}
static void submit(void *device, struct swap_request *r)
{
	struct request *q = container_of(r, struct request, r);
	int *fail = r->write ? &swap_disk_fail_write : &swap_disk_fail_read;
	CHECK(device == swap_disk && r->slot && r->slot <= SLOTS);
	if (!started)
		host_spawn_daemon("swapdisk", disk_task, NULL);
	started = true;
	q->fail = *fail == 1;
	if (*fail > 1 || (*fail == 1 && !r->write))
		--*fail;
	q->checksum = r->write ? checksum(r->page) : 0;
	list_add_tail(&q->node, &queue);
	queued++;
	swap_disk_pending++;
	wake_up_all(&queue_wait, 0);
}
const struct swap_device_ops swap_disk_ops = { .request_size = sizeof(struct request), .submit = submit };

void swap_disk_on(u64 last)
{
	static const u32 bad[] = { 3 };
	struct swap_setup s = { .name = "disk", .device = swap_disk, .ops = &swap_disk_ops, .last = last, .priority = -1, .bad = bad, .nr_bad = 1 };
	swap_disk_fail_write = swap_disk_fail_read = 0;
	memset(swap_disk, 0xdd, sizeof(swap_disk));
	CHECK_EQ(swap_on(&s), 0);
	CHECK_EQ(swap_on(&s), -EBUSY);
}
void swap_disk_off(void)
{
	CHECK_EQ(swap_off(swap_disk), 0);
	CHECK_EQ(swap_off(swap_disk), -EINVAL);
	CHECK_EQ(swap_total(), 0);
}
