/*
 * The RAM disk ram0: the root image as the boot loader left it in memory, used in place.
 *
 * Requests complete asynchronously, in order, from a worker thread, as on a real disk: a page really is locked and not
 * uptodate for a while. ramdisk_latency_us=N makes every request take N microseconds more; ramdisk_fail=N makes
 * the N-th request (counted from 1) end with EIO.
 */
#include "drivers/block.h"

#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"

static struct {
	struct block_device dev;
	char *memory;			/* I: in the direct map */
	u64 latency_ns;			/* I */
	u64 fail_at;			/* I: number of the request to fail, 0: none */
	u64 count;			/* worker only: requests done */
	struct spinlock lock;		/* irqsave; protects queue */
	struct list_head queue;		/* struct bio.node */
	struct wait_queue work;
} ram = {
	.lock = SPINLOCK_INIT("ramdisk queue", RANK_IRQ),
	.queue = LIST_INIT(ram.queue),
	.work = WAIT_QUEUE_INIT(ram.work),
};

static void ramdisk_submit(struct bio *bio)
{
	u64 flags = spin_lock_irqsave(&ram.lock);

	atomic64_add_return(&ram.dev.requests[bio->write], 1);
	atomic64_add_return(&ram.dev.transferred[bio->write], bio->length / 512);
	list_add_tail(&bio->node, &ram.queue);
	spin_unlock_irqrestore(&ram.lock, flags);
	wake_up_all(&ram.work, 0);
}

static struct bio *next_bio(void)
{
	struct bio *bio = NULL;
	u64 flags = spin_lock_irqsave(&ram.lock);

	if (!list_empty(&ram.queue)) {
		bio = list_first(&ram.queue, struct bio, node);
		list_del(&bio->node);
	}
	spin_unlock_irqrestore(&ram.lock, flags);
	return bio;
}

static int transfer(const struct bio *bio)
{
	char *disk = ram.memory + bio->sector * 512, *memory = (char *)page_address(bio->page) + bio->offset;

	if (++ram.count == ram.fail_at) {
		printk("ramdisk: request %lu fails (ramdisk_fail=)\n", ram.count);
		return -EIO;
	}
	if (bio->sector > ram.dev.sectors || bio->length / 512 > ram.dev.sectors - bio->sector ||
	    bio->offset + bio->length > PAGE_SIZE) {
		printk("ramdisk: sector %lu + %u bytes is outside the device\n", bio->sector, bio->length);
		return -EIO;
	}
	if (bio->write)
		memcpy(disk, memory, bio->length);
	else
		memcpy(memory, disk, bio->length);
	return 0;
}

static void ramdisk_worker(void *arg)
{
	for (;;) {
		struct bio *bio;

		wait_event(&ram.work, WAIT_UNINTERRUPTIBLE, (bio = next_bio()) != NULL);
		if (ram.latency_ns)
			sleep_until_ns(ktime_ns() + ram.latency_ns, WAIT_UNINTERRUPTIBLE);
		bio->done(bio, transfer(bio));	/* bio may be gone now */
	}
}

void ramdisk_init(paddr_t start, u64 size)
{
	ram.memory = phys_to_virt(start);
	ram.latency_ns = cmdline_u64("ramdisk_latency_us", 0) * 1000;
	ram.fail_at = cmdline_u64("ramdisk_fail", 0);
	ram.dev.name = "ram0";
	ram.dev.sectors = size / 512;
	ram.dev.submit = ramdisk_submit;
	if (!kthread_start("ramdisk", ramdisk_worker, NULL))
		fatal("no memory for the ramdisk's worker");
	block_register(&ram.dev, 1, 0);
	printk("ramdisk: ram0, %lu KiB at %lx\n", size / 1024, start);
}
