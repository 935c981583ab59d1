/*
 * Files for the hosted tests: an address_space over an array of bytes. I/O completes as ioqueue.c does:
 * later, in any order, and a page under writeback is checked not to change (stable pages). A page that is written
 * back must have been reserved (PC4), and freed blocks hold garbage that must never be seen (INV-T4). A file's blocks are also a block device, for fs/direct.c.
 */
#include "host.h"
#include "fs/direct.h"
#include "mm/reclaim.h"

#define PATTERN_FREED 0xdd

struct list_head hfiles = LIST_INIT(hfiles);

struct request {
	struct io io;
	struct hfile *file;
	u64 index;
	struct bio *bio;		/* or NULL: the page is one of the cache */
};

static struct hfile *file_of(struct address_space *m) { return container_of(m, struct hfile, inode.mapping); }

static void complete_bio(struct bio *bio)
{
	struct hfile *f = container_of(bio->dev, struct hfile, device);
	u8 *block = f->disk + bio->sector * 512, *memory = (u8 *)page_address(bio->page) + bio->offset;
	memcpy(bio->write ? block : memory, bio->write ? memory : block, bio->length);
	bio->done(bio, 0);
}
static void complete_page(struct request *r)
{
	struct hfile *f = r->file;
	u8 *block = f->disk + r->index * PAGE_SIZE, *memory = page_address(r->io.page);
	bool fail = r->io.fail;
	if (r->io.write) {
		if (io_changed(&r->io))
			host_fail("page %lu of %s changed while it was being written back", (unsigned long)r->index, f->name);
		if (!fail)
			memcpy(block, memory, PAGE_SIZE);
		pagecache_write_done(&f->inode.mapping, r->index, fail ? -EIO : 0);
	} else {
		if (!fail && f->block_state[r->index])
			memcpy(memory, block, PAGE_SIZE);
		else
			memset(memory, fail ? 0xee : 0, PAGE_SIZE);
		pagecache_read_done(&f->inode.mapping, r->index, fail ? -EIO : 0);
	}
}
static void complete(struct io *io)
{
	struct request *r = container_of(io, struct request, io);
	if (r->bio)
		complete_bio(r->bio);
	else
		complete_page(r);
	sys_free(r);
}
static struct io_queue queue = IO_QUEUE(queue, "disk", complete);
unsigned disk_pending(void) { return queue.pending; }

static void enqueue(struct request r)
{
	struct request *q = sys_calloc(sizeof(*q));
	*q = r;
	io_submit(&queue, &q->io);
}
static void submit(struct hfile *f, u64 index, struct page *page, bool write, int *fail_counter)
{
	CHECK(index < f->disk_pages);
	struct request *other;
	list_for_each(other, &queue.requests, io.node)
		if (write && other->io.write && other->file == f && other->index == index)
			host_fail("page %lu of %s is written while it still is being written: the older bytes may come last", (unsigned long)index, f->name);
	enqueue((struct request){ .file = f, .index = index,
				  .io = { .page = page, .write = write, .fail = *fail_counter > 0 && --*fail_counter == 0 } });
}
static void submit_bio(struct bio *bio) { enqueue((struct request){ .bio = bio }); }
ssize_t hfile_direct_map(struct inode *inode, loff_t pos, size_t n, struct direct_place *place)
{
	struct hfile *f = container_of(inode, struct hfile, inode);
	CHECK(pos < (loff_t)(f->disk_pages * PAGE_SIZE));
	*place = (struct direct_place){ .dev = &f->device, .sector = (u64)pos / 512, .hole = !f->block_state[pos >> PAGE_SHIFT] };
	return (ssize_t)min(n, PAGE_SIZE - (size_t)(pos & ~PAGE_MASK));
}

static int read_page(struct address_space *m, u64 index, struct page *page)
{
	struct hfile *f = file_of(m);
	f->reads++;
	if (!f->block_state[index]) {			/* a hole: complete at once, from the caller */
		memset(page_address(page), 0, PAGE_SIZE);
		pagecache_read_done(m, index, 0);
		return 0;
	}
	submit(f, index, page, false, &f->fail_read);
	return 0;
}
static int write_page(struct address_space *m, u64 index, struct page *page)
{
	struct hfile *f = file_of(m);
	f->writes++;
	if (!f->block_state[index])
		host_fail("PC4: page %lu of %s is written back without a block", (unsigned long)index, f->name);
	if (f->refuse_writes) {
		f->refuse_writes--;
		return f->refusal;
	}
	submit(f, index, page, true, &f->fail_write);
	return 0;
}
static int reserve(struct address_space *m, u64 index, unsigned from, unsigned to)
{
	struct hfile *f = file_of(m);
	(void)from, (void)to;
	might_sleep();
	f->reserves++;
	if (index >= f->disk_pages)
		return -EFBIG;
	if (!f->block_state[index]) {
		if (f->fail_reserve > 0 && --f->fail_reserve == 0)
			return -ENOSPC;
		memset(f->disk + index * PAGE_SIZE, PATTERN_FREED, PAGE_SIZE);
		f->block_state[index] = 1;
	}
	return 0;
}
/* As ext2: behind the end, and what was not written is freed again. */
static u64 room(struct address_space *m, u64 index, u64 n)
{
	struct hfile *f = file_of(m);
	u64 got = 0;
	if ((loff_t)(index * PAGE_SIZE) < m->size)
		return 0;
	while (got < n && !reserve(m, index + got, 0, PAGE_SIZE))
		got++;
	f->reserves -= got;
	return got;
}
static void settle(struct address_space *m)
{
	struct hfile *f = file_of(m);
	for (u64 i = DIV_UP((u64)m->size, PAGE_SIZE); i < f->disk_pages; i++)
		f->block_state[i] = 0;
}
static void touched(struct address_space *m) { (void)m; }
static void hold_owner(struct address_space *m) { file_of(m)->refs++; }
static void release_owner(struct address_space *m) { file_of(m)->refs--; }
static void file_name(struct address_space *m, char *buf, size_t size) { sys_snprintf(buf, size, "%s", file_of(m)->name); }

static const struct address_space_ops ops = {
	.read_page = read_page, .write_page = write_page, .reserve = reserve, .room = room, .settle = settle, .touched = touched,
	.hold = hold_owner, .release = release_owner, .name = file_name,
};

static void set_contents(struct hfile *f, const void *data, u64 size)
{
	memcpy(f->disk, data ? data : f->disk, size);
	for (u64 i = 0; i < f->disk_pages; i++)
		f->block_state[i] = i < DIV_UP(size, PAGE_SIZE);
	f->inode.mapping.size = size;
}

struct hfile *hfile_create(const char *name, u64 max_bytes, const void *data, u64 size)
{
	static struct super_block sb = { .type = "host" };
	struct hfile *f = sys_calloc(sizeof(*f));
	str_copy(f->name, name, sizeof(f->name));
	f->disk_pages = max_bytes / PAGE_SIZE;
	f->disk = sys_calloc(max_bytes);
	f->block_state = sys_calloc(f->disk_pages);
	f->device = (struct block_device){ .name = f->name, .submit = submit_bio };
	f->inode.sb = &sb;
	f->inode.mode = S_IFREG | 0600;
	mapping_init(&f->inode.mapping, &ops, f, RANK_PAGE);
	f->inode.mapping.whole_blocks = true;
	rwsem_init(&f->inode.i_rwsem, "i_rwsem", RANK_INODE);
	set_contents(f, data, size);
	list_add_tail(&f->node, &hfiles);
	return f;
}

void hfile_reset(struct hfile *f, const void *data, u64 size)
{
	CHECK_EQ(hfile_truncate(f, 0), 0);
	while (queue.pending)
		sched_yield_cpu();
	set_contents(f, data, size);
}

void hfile_destroy(struct hfile *f)
{
	if (f->refs)
		host_fail("%s still has %d references", f->name, f->refs);
	mapping_destroy(&f->inode.mapping);
	list_del(&f->node);
	sys_free(f->disk);
	sys_free(f->block_state);
	sys_free(f);
}

ssize_t hfile_writev_user(struct hfile *f, const struct iovec *iov, unsigned nr, loff_t pos)
{
	struct iov_iter it;
	iter_init_user(&it, iov, nr);
	down_write(&f->inode.i_rwsem);
	ssize_t r = pagecache_write_iter(&f->inode.mapping, &pos, &it);
	up_write(&f->inode.i_rwsem);
	return r;
}
ssize_t hfile_pwrite_user(struct hfile *f, vaddr_t va, size_t n, loff_t pos)
{
	struct iovec iov = { (void *)va, n };
	return hfile_writev_user(f, &iov, 1, pos);
}
ssize_t hfile_pread_user(struct hfile *f, vaddr_t va, size_t n, loff_t pos)
{
	struct iov_iter it;
	if (iter_init_user_buf(&it, (void __user *)va, n))
		return -EFAULT;
	return pagecache_read_iter(&f->inode.mapping, &pos, &it);
}
ssize_t hfile_pwrite(struct hfile *f, const void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;
	iter_init_kernel_buf(&it, (void *)buf, n);
	down_write(&f->inode.i_rwsem);
	ssize_t r = pagecache_write_iter(&f->inode.mapping, &pos, &it);
	up_write(&f->inode.i_rwsem);
	return r;
}
ssize_t hfile_pread(struct hfile *f, void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;
	iter_init_kernel_buf(&it, buf, n);
	return pagecache_read_iter(&f->inode.mapping, &pos, &it);
}

void hfile_free_blocks(struct hfile *f, u64 first, u64 last)
{
	for (u64 i = first; i <= last; i++) {
		if (f->block_state[i])
			memset(f->disk + i * PAGE_SIZE, PATTERN_FREED, PAGE_SIZE);
		f->block_state[i] = 0;
	}
}

int hfile_truncate(struct hfile *f, loff_t size)
{
	down_write(&f->inode.i_rwsem);
	int r = pagecache_truncate_begin(&f->inode.mapping, size);
	if (!r) {
		hfile_free_blocks(f, DIV_UP((u64)size, PAGE_SIZE), f->disk_pages - 1);
		pagecache_truncate_end(&f->inode.mapping);
	}
	up_write(&f->inode.i_rwsem);
	return r;
}

int hfile_punch(struct hfile *f, loff_t start, loff_t end)
{
	down_write(&f->inode.i_rwsem);
	end = min(end, f->inode.mapping.size);
	int r = start < end ? pagecache_zero_ends(&f->inode.mapping, start, end) : -1;
	u64 first = DIV_UP((u64)start, PAGE_SIZE), behind = end == f->inode.mapping.size ? DIV_UP((u64)end, PAGE_SIZE) : (u64)end >> 12;
	if (!r && first < behind) {
		pagecache_punch_begin(&f->inode.mapping, first, behind - 1);
		hfile_free_blocks(f, first, behind - 1);
		pagecache_punch_end(&f->inode.mapping);
	}
	up_write(&f->inode.i_rwsem);
	return r < 0 && start >= end ? 0 : r;
}

int hfile_sync(struct hfile *f) { return mapping_writeback(&f->inode.mapping, 0, ~0UL >> 12, true); }

/* --- mapping a file --- */
static void vma_open(struct vma *vma) { ((struct hfile *)vma->owner)->refs++; }
static void vma_close(struct vma *vma)
{
	struct hfile *f = vma->owner;
	if (rwsem_held(&current->mm->mmap_lock) && current->mm->mmap_lock.writer == current)
		host_fail("vma close of %s with mmap_lock held", f->name);
	f->refs--;
}
static int vma_name(struct vma *vma, char *buf, size_t size) { return sys_snprintf(buf, size, "%s", ((struct hfile *)vma->owner)->name); }
static void vma_stat(struct vma *vma, u32 *major, u32 *minor, u64 *ino) { (void)vma; *major = 1, *minor = 0, *ino = 5; }
static const struct vma_ops file_vma_ops = { .open = vma_open, .close = vma_close, .name = vma_name, .stat = vma_stat };

long hfile_mmap(struct hfile *f, vaddr_t addr, u64 len, u64 prot, u64 flags, u64 pgoff)
{
	struct map_request req = {
		.addr = addr, .length = len, .prot = prot, .map_flags = flags, .mapping = &f->inode.mapping, .pgoff = pgoff,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC, .ops = &file_vma_ops, .owner = f,
	};
	f->refs++;
	long r = mm_map(current->mm, &req);
	if (r < 0)
		f->refs--;
	return r;
}

void hfile_drop_cache(struct hfile *f)
{
	CHECK_EQ(hfile_sync(f), 0);
	u64 nothing = 0, before;
	(void)nothing;
	do {
		before = f->inode.mapping.nr_pages.v;
		if (!reclaim_pages(before))
			break;
	} while (f->inode.mapping.nr_pages.v && f->inode.mapping.nr_pages.v < before);
}
