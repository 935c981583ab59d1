/*
 * A swap device of the hosted machine: it completes as ioqueue.c does, and fails on demand.
 */
#include "host.h"
#include "mm/swap.h"

#define SLOTS HOST_SWAP_SLOTS

u8 swap_disk[(SLOTS + 1) * PAGE_SIZE];
int swap_disk_fail_write, swap_disk_fail_read;

struct request {
	struct swap_request r;
	struct io io;
};

static void complete(struct io *io)
{
	struct request *q = container_of(io, struct request, io);
	u8 *slot = swap_disk + q->r.slot * PAGE_SIZE;
	if (io_changed(io))
		host_fail("slot %lu changed while it was being written", (unsigned long)q->r.slot);
	if (io->write && !io->fail)
		memcpy(slot, page_address(io->page), PAGE_SIZE);
	else if (!io->write)
		memcpy(page_address(io->page), slot, PAGE_SIZE);
	swap_request_done(&q->r, io->fail ? -EIO : 0);
}
static struct io_queue queue = IO_QUEUE(queue, "swapdisk", complete);
unsigned swap_disk_pending(void) { return queue.pending; }

static void submit(void *device, struct swap_request *r)
{
	struct request *q = container_of(r, struct request, r);
	int *fail = r->write ? &swap_disk_fail_write : &swap_disk_fail_read;
	CHECK(device == swap_disk && r->slot && r->slot <= SLOTS);
	q->io = (struct io){ .page = r->page, .write = r->write, .fail = *fail == 1 };
	if (*fail > 1 || (*fail == 1 && !r->write))
		--*fail;
	io_submit(&queue, &q->io);
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
