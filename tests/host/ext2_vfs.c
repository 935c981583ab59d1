/*
 * What ext2 needs around it, small: inodes by number with references (evicted at the last one), generic file
 * operations on the real page cache, and a disk in memory. Checks what the kernel's counterparts rely on: no request outside
 * the device, none that overlaps a write in flight, no page that changes while it is written.
 */
#include "ext2_host.h"

#include "mm/reclaim.h"

#include <stdarg.h>

/* --- the disk --- */

struct block_device disk;
u8 *disk_data;
int disk_fail_read, disk_fail_write;
bool disk_lenient;
unsigned disk_slow;
static struct list_head queue = LIST_INIT(queue);
static struct wait_queue queue_wait = WAIT_QUEUE_INIT(queue_wait), idle_wait = WAIT_QUEUE_INIT(idle_wait);
static unsigned nr_queued;

static bool counted_failure(int *counter)
{
	if (*counter < 0)
		return host_random((u32)-*counter) == 0;
	return *counter > 0 && --*counter == 0;
}

static void complete(struct bio *bio, unsigned crc)
{
	u8 *place = disk_data + bio->sector * 512, *memory = (u8 *)page_address(bio->page) + bio->offset;
	bool fails = counted_failure(bio->write ? &disk_fail_write : &disk_fail_read);

	if (bio->write && !disk_lenient && data_crc(0, memory, bio->length) != crc)
		host_fail("sector %lu changed while it was being written", (unsigned long)bio->sector);
	if (!fails && bio->write)
		memcpy(place, memory, bio->length);
	else if (!bio->write && !fails)
		memcpy(memory, place, bio->length);
	bio->done(bio, fails ? -EIO : 0);
}

struct queued {
	struct list_head node;
	struct bio *bio;
	unsigned crc;
};

static void disk_task(void *arg)
{
	(void)arg;
	for (;;) {
		wait_event(&queue_wait, WAIT_UNINTERRUPTIBLE, !list_empty(&queue));
		for (unsigned i = disk_slow ? host_random(disk_slow) : 0; i; i--)
			cpu_relax();
		unsigned skip = host_random(nr_queued);
		struct list_head *n = queue.next;
		while (skip--)
			n = n->next;
		struct queued *q = list_entry(n, struct queued, node);

		list_del(n);
		complete(q->bio, q->crc);
		sys_free(q);
		if (!--nr_queued)
			wake_up_all(&idle_wait, 0);
	}
}

static void disk_submit(struct bio *bio)
{
	struct queued *q, *new = sys_calloc(sizeof(*new));

	if (bio->sector + bio->length / 512 > disk.sectors || bio->offset + bio->length > PAGE_SIZE || !bio->length)
		host_fail("request for sector %lu + %u bytes is outside the device or the page", (unsigned long)bio->sector, bio->length);
	list_for_each(q, &queue, node)
		if (!disk_lenient && (q->bio->write || bio->write) && bio->sector < q->bio->sector + q->bio->length / 512 &&
		    q->bio->sector < bio->sector + bio->length / 512)
			host_fail("sector %lu: a request overlaps one in flight", (unsigned long)bio->sector);
	new->bio = bio;
	new->crc = data_crc(0, (u8 *)page_address(bio->page) + bio->offset, bio->length);
	list_add_tail(&new->node, &queue);
	nr_queued++;
	wake_up_all(&queue_wait, 0);
}

void disk_open(void *data, size_t size)
{
	static bool started;

	disk_data = data;
	disk.name = "disk";
	disk.sectors = size / 512;
	disk.submit = disk_submit;
	if (!started)
		host_spawn_daemon("disk", disk_task, NULL);
	started = true;
}

void disk_wait_idle(void) { wait_event(&idle_wait, WAIT_UNINTERRUPTIBLE, !nr_queued); }

static struct wait_queue rw_wait = WAIT_QUEUE_INIT(rw_wait);
static void rw_done(struct bio *bio, int error)
{
	bio->private2 = error ? 2 : 1;
	wake_up_all(&rw_wait, 0);
}

int block_rw_wait(struct block_device *dev, bool write, u64 sector, struct page *page, unsigned offset, unsigned length)
{
	struct bio bio = { .dev = dev, .write = write, .sector = sector, .page = page, .offset = offset, .length = length, .done = rw_done };

	dev->submit(&bio);
	wait_event(&rw_wait, WAIT_UNINTERRUPTIBLE, bio.private2);
	return bio.private2 == 2 ? -EIO : 0;
}

/* --- memory that fails --- */

unsigned memory_fail_rate;

static bool memory_fails(void) { return memory_fail_rate && !host_random(memory_fail_rate); }
struct page *__real_page_alloc(unsigned order, unsigned flags);
struct page *__wrap_page_alloc(unsigned order, unsigned flags);
struct page *__wrap_page_alloc(unsigned order, unsigned flags) { return memory_fails() ? NULL : __real_page_alloc(order, flags); }
void *__real_kmalloc(size_t size);
void *__wrap_kmalloc(size_t size);
void *__wrap_kmalloc(size_t size) { return memory_fails() ? NULL : __real_kmalloc(size); }
void *__real_kzalloc(size_t size);
void *__wrap_kzalloc(size_t size);
void *__wrap_kzalloc(size_t size) { return memory_fails() ? NULL : __real_kzalloc(size); }
void *__real_slab_alloc(struct slab_cache *cache);
void *__wrap_slab_alloc(struct slab_cache *cache);
void *__wrap_slab_alloc(struct slab_cache *cache) { return memory_fails() ? NULL : __real_slab_alloc(cache); }

/* --- inodes --- */

static struct fs_type *ext2_type;
static struct wait_queue inode_wait = WAIT_QUEUE_INIT(inode_wait);	/* an inode became ready, or is gone */

void fs_register(struct fs_type *type) { ext2_type = type; }
void mount_complain(const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	sys_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printk("%s\n", text);
}
struct super_block *super_alloc(const char *type)
{
	struct super_block *sb = sys_calloc(sizeof(*sb));

	sb->type = type;
	list_init(&sb->inodes);
	return sb;
}
void super_free(struct super_block *sb)
{
	CHECK(list_empty(&sb->inodes));
	sys_free(sb);
}

static struct inode *find(struct super_block *sb, u64 ino)
{
	struct inode *i;

	list_for_each(i, &sb->inodes, sb_node)
		if (i->ino == ino)
			return i;
	return NULL;
}

struct inode *inode_get_locked(struct super_block *sb, u64 ino)
{
	for (;;) {
		struct inode *i = find(sb, ino);

		if (!i) {
			i = sb->ops->alloc_inode(sb);
			if (!i)
				return NULL;
			if (find(sb, ino)) {	/* somebody was faster while the allocation let others run */
				sb->ops->free_inode(i);
				continue;
			}
			i->sb = sb;
			i->ino = ino;
			i->refs.v = 1;
			i->state = I_NEW;
			rwsem_init(&i->i_rwsem, "i_rwsem", RANK_INODE);
			list_init(&i->dirty_node);
			list_add_tail(&i->sb_node, &sb->inodes);
			return i;
		}
		if (!(i->state & (I_NEW | I_FREEING))) {
			i->refs.v++;
			return i;
		}
		wait_event(&inode_wait, WAIT_UNINTERRUPTIBLE, !(i = find(sb, ino)) || !(i->state & (I_NEW | I_FREEING)));
	}
}

void inode_ready(struct inode *i)
{
	i->state &= ~I_NEW;
	wake_up_all(&inode_wait, 0);
}

static void destroy(struct inode *i)
{
	struct super_block *sb = i->sb;

	if (i->mapping.ops)
		mapping_destroy(&i->mapping);
	list_del(&i->sb_node);
	wake_up_all(&inode_wait, 0);
	sb->ops->free_inode(i);
}

void inode_fail(struct inode *i) { destroy(i); }
void inode_get(struct inode *i) { CHECK(i->refs.v > 0); i->refs.v++; }
void inode_put(struct inode *i)
{
	CHECK(i->refs.v > 0);
	if (--i->refs.v)
		return;
	i->state |= I_FREEING;
	i->sb->ops->evict(i);
	CHECK_EQ(i->refs.v, 0);
	destroy(i);
}
void inode_mark_dirty(struct inode *i) { i->state |= I_DIRTY; }
static struct timespec64 time_now(void)
{
	return (struct timespec64){ .tv_sec = 1700000000 + (s64)(ktime_ns() / 1000000), .tv_nsec = (s64)(ktime_ns() % 1000000) };
}
void inode_touch_ctime(struct inode *i)
{
	i->ctime = time_now();
	inode_mark_dirty(i);
}
void inode_touch(struct inode *i, u32 which)
{
	struct timespec64 now = time_now();

	if (which & ATTR_ATIME)
		i->atime = now;
	if (which & ATTR_MTIME)
		i->mtime = i->ctime = now;
	inode_mark_dirty(i);
}

/* --- files --- */

loff_t generic_llseek(struct file *file, loff_t offset, int whence) { return -EINVAL; }
int generic_mmap(struct file *file, struct map_request *req) { return -ENODEV; }
ssize_t generic_file_read(struct file *file, struct iov_iter *to, loff_t *pos) { return pagecache_read_iter(&file->inode->mapping, pos, to); }
int generic_fsync(struct file *file, bool data_only) { return mapping_writeback(&file->inode->mapping, 0, ~0UL >> PAGE_SHIFT, true); }
ssize_t generic_file_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	down_write(&file->inode->i_rwsem);
	ssize_t n = pagecache_write_iter(&file->inode->mapping, pos, from);
	if (n > 0)
		inode_touch(file->inode, ATTR_MTIME);
	up_write(&file->inode->i_rwsem);
	return n;
}

/* Direct I/O is tested in QEMU (user/tests/direct.c). */
ssize_t direct_read(struct file *file, struct iov_iter *to, loff_t *pos) { return generic_file_read(file, to, pos); }
ssize_t generic_direct_write(struct file *file, struct iov_iter *from, loff_t *pos) { return generic_file_write(file, from, pos); }

struct dentry *dentry_root(struct super_block *sb, struct inode *inode)
{
	struct dentry *d = sys_calloc(sizeof(*d));

	d->inode = inode;
	return d;
}

int kvsnprintf(char *buf, size_t size, const char *fmt, __builtin_va_list ap) { return sys_vsnprintf(buf, size, fmt, ap); }

/* --- mounting --- */

int fs_mount(u32 flags, struct super_block **sb)
{
	if (!ext2_type)
		ext2_init();
	return ext2_type->mount(&disk, flags, "", sb);
}

/* The next inode of the list that is not on its way in or out, with a reference; `after` may be NULL and is put. */
static struct inode *next_inode(struct super_block *sb, struct inode *after)
{
	struct list_head *n = after ? after->sb_node.next : sb->inodes.next;

	for (; n != &sb->inodes; n = n->next) {
		struct inode *i = list_entry(n, struct inode, sb_node);
		if (i->state & (I_NEW | I_FREEING))
			continue;
		inode_get(i);
		if (after)
			inode_put(after);
		return i;
	}
	if (after)
		inode_put(after);
	return NULL;
}

int sync_inodes(struct super_block *sb)
{
	int error = 0, e;

	for (struct inode *i = next_inode(sb, NULL); i; i = next_inode(sb, i)) {
		e = mapping_writeback(&i->mapping, 0, ~0UL >> PAGE_SHIFT, true);
		error = error ? error : e;
		if (i->state & I_DIRTY) {
			i->state &= ~I_DIRTY;
			e = sb->ops->write_inode(i);
			error = error ? error : e;
		}
	}
	return error;
}

int fs_sync(struct super_block *sb) { return sb->ops->sync(sb); }

unsigned fs_inodes(struct super_block *sb)
{
	struct inode *i;
	unsigned n = 0;

	list_for_each(i, &sb->inodes, sb_node)
		n++;
	return n;
}

void fs_drop_caches(struct super_block *sb)
{
	fs_sync(sb);
	reclaim_pages(~0U);
}

void fs_umount(struct super_block *sb)
{
	struct inode *root = sb->root->inode;

	CHECK_EQ(root->refs.v, 1);
	inode_put(root);
	if (!list_empty(&sb->inodes))
		host_fail("inode %lu still has %d references at unmount", list_first(&sb->inodes, struct inode, sb_node)->ino,
			  list_first(&sb->inodes, struct inode, sb_node)->refs.v);
	sb->ops->put_super(sb);
	sys_free(sb->root);
	sys_free(sb);
	disk_wait_idle();
}
