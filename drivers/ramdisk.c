/*
 * RAM disks: ram0, the root image as the boot loader left it in memory, used in place; and with swap_mb=N ram1, N MiB taken from the
 * allocator at boot and not counted as memory from then on: a machine with so much less, and a disk to swap to.
 *
 * Requests complete asynchronously, in order, from a worker thread for each disk, as on a real one: a page really is locked and not
 * uptodate for a while. ramdisk_latency_us=N makes every request take N microseconds more; ramdisk_fail=N makes the N-th request of
 * ram0 (counted from 1) end with EIO, swap_fail=N that of ram1 and all writes after it; /proc/fail chooses later ones, of either.
 */
#include "drivers/block.h"

#include "kernel/cmdline.h"
#include "kernel/inject.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/slab.h"

#define CHUNK_ORDER 10		/* ram1 is made of blocks of 4 MiB */
#define CHUNK (PAGE_SIZE << CHUNK_ORDER)

struct ramdisk {
	struct block_device dev;
	char **chunks;			/* I: where each CHUNK of it is, in the direct map */
	u64 latency_ns;			/* I */
	u64 fail_at;			/* I: number of the request to fail, 0: none */
	bool keeps_failing;		/* I: writes from then on, too */
	u64 count;			/* written by the worker: requests done */
	struct spinlock lock;		/* irqsave; protects queue */
	struct list_head queue;		/* struct bio.node */
	struct wait_queue work;
};

static void ramdisk_submit(struct bio *bio)
{
	struct ramdisk *ram = container_of(bio->dev, struct ramdisk, dev);
	u64 flags;

	bio->fail = inject_now_of(INJECT_IO, bio->write);	/* here: the path is the one of who asked */
	flags = spin_lock_irqsave(&ram->lock);
	atomic64_add_return(&ram->dev.requests[bio->write], 1);
	atomic64_add_return(&ram->dev.transferred[bio->write], bio->length / 512);
	list_add_tail(&bio->node, &ram->queue);
	spin_unlock_irqrestore(&ram->lock, flags);
	wake_up_all(&ram->work, 0);
}

static struct bio *next_bio(struct ramdisk *ram)
{
	struct bio *bio = NULL;
	u64 flags = spin_lock_irqsave(&ram->lock);

	if (!list_empty(&ram->queue)) {
		bio = list_first(&ram->queue, struct bio, node);
		list_del(&bio->node);
	}
	spin_unlock_irqrestore(&ram->lock, flags);
	return bio;
}

static bool fails(struct ramdisk *ram, const struct bio *bio)
{
	u64 fail_at = ram->fail_at;

	WRITE_ONCE(ram->count, ram->count + 1);
	if (!bio->fail && (!fail_at || ram->count < fail_at || (ram->count > fail_at && !(ram->keeps_failing && bio->write))))
		return false;
	printk("ramdisk: request %lu of %s fails, as was asked\n", ram->count, ram->dev.name);
	return true;
}

static int transfer(struct ramdisk *ram, const struct bio *bio)
{
	char *memory = (char *)page_address(bio->page) + bio->offset;

	if (fails(ram, bio))
		return -EIO;
	if (bio->sector > ram->dev.sectors || bio->length / 512 > ram->dev.sectors - bio->sector ||
	    bio->offset + bio->length > PAGE_SIZE) {
		printk("ramdisk: sector %lu + %u bytes is outside the device\n", bio->sector, bio->length);
		return -EIO;
	}
	for (u64 at = bio->sector * 512, left = bio->length, n; left; left -= n, at += n, memory += n) {
		char *disk = ram->chunks[at / CHUNK] + at % CHUNK;
		n = min(left, CHUNK - at % CHUNK);
		if (bio->write)
			memcpy(disk, memory, n);
		else
			memcpy(memory, disk, n);
	}
	return 0;
}

static void ramdisk_worker(void *arg)
{
	struct ramdisk *ram = arg;

	for (;;) {
		struct bio *bio;

		wait_event(&ram->work, WAIT_UNINTERRUPTIBLE, (bio = next_bio(ram)) != NULL);
		if (ram->latency_ns)
			sleep_until_ns(ktime_ns() + ram->latency_ns, WAIT_UNINTERRUPTIBLE);
		bio->done(bio, transfer(ram, bio));	/* bio may be gone now */
	}
}

/* The disk `name` of `size` bytes, its chunks to be filled in. */
static struct ramdisk *ramdisk_alloc(const char *name, u64 size)
{
	struct ramdisk *ram = kzalloc(sizeof(*ram));

	if (!ram || !(ram->chunks = kzalloc(DIV_UP(size, CHUNK) * sizeof(*ram->chunks))))
		fatal("no memory for %s", name);
	spin_init(&ram->lock, "ramdisk queue", RANK_IRQ);
	list_init(&ram->queue);
	wait_queue_init(&ram->work);
	ram->latency_ns = cmdline_u64("ramdisk_latency_us", 0) * 1000;
	ram->dev.name = name;
	ram->dev.sectors = size / 512;
	ram->dev.submit = ramdisk_submit;
	return ram;
}

static void ramdisk_start(struct ramdisk *ram, unsigned minor)
{
	if (!kthread_start(minor ? "ramdisk1" : "ramdisk", ramdisk_worker, ram))
		fatal("no memory for the ramdisk's worker");
	block_register(&ram->dev, 1, minor);
}

void ramdisk_init(paddr_t start, u64 size)
{
	struct ramdisk *ram = ramdisk_alloc("ram0", size);

	for (u64 i = 0; i * CHUNK < size; i++)
		ram->chunks[i] = (char *)phys_to_virt(start) + i * CHUNK;
	ram->fail_at = cmdline_u64("ramdisk_fail", 0);
	ramdisk_start(ram, 0);
	printk("ramdisk: ram0, %lu KiB at %lx\n", size / 1024, start);
}

void ramdisk_init_swap(void)
{
	u64 size = min(cmdline_u64("swap_mb", 0), page_total_count() >> 8) << 20, got = 0;
	struct ramdisk *ram;

	if (!size)
		return;
	ram = ramdisk_alloc("ram1", size);
	for (; got < size; got += CHUNK) {
		struct page *block = page_alloc(CHUNK_ORDER, PA_ZERO);
		if (!block)
			break;
		ram->chunks[got / CHUNK] = page_address(block);
	}
	page_total_reduce(got >> PAGE_SHIFT);
	ram->dev.sectors = min(size, got) / 512;
	ram->fail_at = cmdline_u64("swap_fail", 0);
	ram->keeps_failing = true;
	if (!got)
		return;
	ramdisk_start(ram, 1);
	printk("ramdisk: ram1, %lu KiB%s, of memory that is not used otherwise\n", ram->dev.sectors / 2, got < size ? " (swap_mb= asks for more than there is)" : "");
}
