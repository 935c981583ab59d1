/*
 * Inodes in memory: found by (super block, number), counted, evicted when the last reference goes.
 *
 * A disk's inode is read by one task while it is I_NEW; others that find it wait. While it is evicted it is I_FREEING and
 * stays in the hash: who asks for the number waits until it is gone, so that two copies of one inode never exist.
 */
#include "fs/internal.h"

#include "kernel/string.h"
#include "mm/slab.h"

#define HASH_SIZE 1024

static struct spinlock inode_lock = SPINLOCK_INIT("inodes", RANK_INODES);	/* hash, sb lists, dirty list, state */
static struct list_head inode_hash[HASH_SIZE];
static LIST_HEAD(dirty_inodes);
static struct wait_queue inode_wait = WAIT_QUEUE_INIT(inode_wait);	/* I_NEW cleared, or an inode has gone */
static int nr_evicting;							/* inode_lock */
static struct slab_cache *plain_inodes;

void inode_cache_init(void)
{
	for (int i = 0; i < HASH_SIZE; i++)
		list_init(&inode_hash[i]);
	plain_inodes = slab_cache_create("inode", sizeof(struct inode));
	if (!plain_inodes)
		panic("no memory for inodes");
}

/* --- making --- */

static struct list_head *hash_bucket(const struct super_block *sb, u64 ino)
{
	return &inode_hash[((u64)sb / 64 * 31 + ino * 0x9e3779b97f4a7c15UL / HASH_SIZE) % HASH_SIZE];
}

static struct inode *alloc(struct super_block *sb, u64 ino)
{
	struct inode *inode;

	if (sb->ops && sb->ops->alloc_inode) {
		inode = sb->ops->alloc_inode(sb);
	} else {
		inode = slab_alloc(plain_inodes);
		if (inode)
			memset(inode, 0, sizeof(*inode));
	}
	if (!inode)
		return NULL;
	inode->sb = sb;
	inode->ino = ino;
	inode->nlink = 1;
	atomic_set(&inode->refs, 1);
	rwsem_init(&inode->i_rwsem, "i_rwsem", RANK_INODE);
	list_init(&inode->hash_node);
	list_init(&inode->sb_node);
	list_init(&inode->dirty_node);
	list_init(&inode->locks);
	return inode;
}

static void free_memory(struct inode *inode)
{
	if (inode->sb->ops && inode->sb->ops->free_inode)
		inode->sb->ops->free_inode(inode);
	else
		slab_free(plain_inodes, inode);
}

struct inode *inode_new(struct super_block *sb, u64 ino)
{
	struct inode *inode = alloc(sb, ino);

	if (!inode)
		return NULL;
	spin_lock(&inode_lock);
	list_add_tail(&inode->sb_node, &sb->inodes);
	if (ino)
		list_add(&inode->hash_node, hash_bucket(sb, ino));
	spin_unlock(&inode_lock);
	return inode;
}

static struct inode *find_locked(struct super_block *sb, u64 ino)
{
	struct inode *inode;

	list_for_each(inode, hash_bucket(sb, ino), hash_node)
		if (inode->ino == ino && inode->sb == sb)
			return inode;
	return NULL;
}

static bool is_gone(struct super_block *sb, u64 ino)
{
	struct inode *inode;

	spin_lock(&inode_lock);
	inode = find_locked(sb, ino);
	bool gone = !inode || !(inode->state & I_FREEING);
	spin_unlock(&inode_lock);
	return gone;
}

/* A reference to what the hash has, once it is readable; NULL: nothing there, and `fresh` was put in its place. */
static struct inode *find_or_insert(struct super_block *sb, u64 ino, struct inode *fresh)
{
	struct inode *inode;

again:
	spin_lock(&inode_lock);
	inode = find_locked(sb, ino);
	if (!inode) {
		if (fresh) {
			fresh->state = I_NEW;
			list_add(&fresh->hash_node, hash_bucket(sb, ino));
			list_add_tail(&fresh->sb_node, &sb->inodes);
		}
		spin_unlock(&inode_lock);
		return NULL;
	}
	if (inode->state & I_FREEING) {
		spin_unlock(&inode_lock);
		wait_event(&inode_wait, WAIT_UNINTERRUPTIBLE, is_gone(sb, ino));
		goto again;
	}
	atomic_inc(&inode->refs);
	spin_unlock(&inode_lock);
	if (READ_ONCE(inode->state) & I_NEW)
		wait_event(&inode_wait, WAIT_UNINTERRUPTIBLE, !(READ_ONCE(inode->state) & I_NEW));
	if (READ_ONCE(inode->state) & I_BAD) {
		inode_put(inode);
		goto again;
	}
	return inode;
}

struct inode *inode_get_locked(struct super_block *sb, u64 ino)
{
	struct inode *inode = find_or_insert(sb, ino, NULL), *fresh;

	if (inode)
		return inode;
	fresh = alloc(sb, ino);
	if (!fresh)
		return NULL;
	inode = find_or_insert(sb, ino, fresh);
	if (!inode)
		return fresh;
	free_memory(fresh);	/* somebody was faster */
	return inode;
}

void inode_ready(struct inode *inode)
{
	spin_lock(&inode_lock);
	WRITE_ONCE(inode->state, inode->state & ~I_NEW);
	spin_unlock(&inode_lock);
	wake_up_all(&inode_wait, 0);
}

void inode_fail(struct inode *inode)
{
	spin_lock(&inode_lock);
	WRITE_ONCE(inode->state, (inode->state & ~I_NEW) | I_BAD);
	list_del(&inode->hash_node);
	spin_unlock(&inode_lock);
	wake_up_all(&inode_wait, 0);
	inode_put(inode);
}

/* --- references --- */

void inode_get(struct inode *inode) { atomic_inc(&inode->refs); }

/* Drop one; true if it was the last, and then I_FREEING is set. Only under the lock may the count become zero. */
static bool put_last(struct inode *inode)
{
	int old = atomic_read(&inode->refs);
	bool last;

	while (old > 1)
		if (atomic_cmpxchg(&inode->refs, &old, old - 1))
			return false;
	spin_lock(&inode_lock);
	last = atomic_dec_and_test(&inode->refs);
	if (last) {
		WRITE_ONCE(inode->state, inode->state | I_FREEING);
		nr_evicting++;
	}
	spin_unlock(&inode_lock);
	return last;
}

void inode_put(struct inode *inode)
{
	if (!inode || !put_last(inode))
		return;
	might_sleep();
	if (inode->sb->ops && inode->sb->ops->evict)
		inode->sb->ops->evict(inode);
	if (S_ISFIFO(inode->mode))
		pipe_inode_free(inode);
	if (inode->mapping.ops)
		mapping_destroy(&inode->mapping);
	spin_lock(&inode_lock);
	list_del(&inode->hash_node);
	list_del(&inode->sb_node);
	list_del(&inode->dirty_node);
	nr_evicting--;
	spin_unlock(&inode_lock);
	wake_up_all(&inode_wait, 0);
	free_memory(inode);
}

/* --- attributes --- */

void inode_mark_dirty(struct inode *inode)
{
	if (READ_ONCE(inode->state) & I_DIRTY || !inode->sb->ops || !inode->sb->ops->write_inode)
		return;
	spin_lock(&inode_lock);
	WRITE_ONCE(inode->state, inode->state | I_DIRTY);
	if (!(inode->state & I_FREEING) && list_empty(&inode->dirty_node))
		list_add_tail(&inode->dirty_node, &dirty_inodes);
	spin_unlock(&inode_lock);
}

void inode_set_linkable(struct inode *inode, bool on)
{
	spin_lock(&inode_lock);
	WRITE_ONCE(inode->state, on ? inode->state | I_LINKABLE : inode->state & ~I_LINKABLE);
	spin_unlock(&inode_lock);
}

struct timespec64 now_timespec(void)
{
	u64 now = realtime_recent_ns();

	return (struct timespec64){ .tv_sec = (s64)(now / 1000000000), .tv_nsec = (s64)(now % 1000000000) };
}

void inode_touch(struct inode *inode, u32 which)
{
	struct timespec64 now = now_timespec();

	if (inode_read_only(inode))
		return;
	if (which & ATTR_ATIME)
		time_store(&inode->atime, now);
	if (which & ATTR_MTIME) {
		WRITE_ONCE(inode->read_ns, 0);
		time_store(&inode->mtime, now);
		time_store(&inode->ctime, now);
	}
	inode_mark_dirty(inode);
}

void inode_touch_written(struct inode *inode)
{
	u64 now = realtime_recent_ns();		/* the tick may come before inode_touch() looks: then the next write touches again */

	inode_touch(inode, ATTR_MTIME);
	if (!inode_read_only(inode))
		WRITE_ONCE(inode->written_ns, now);
}

void inode_touch_ctime(struct inode *inode)
{
	WRITE_ONCE(inode->read_ns, 0);
	time_store(&inode->ctime, now_timespec());
	inode_mark_dirty(inode);
}

/* relatime, unless mounted otherwise: only if it was not read since the last change, or for a day. */
void inode_update_atime(struct inode *inode)
{
	u32 flags = inode->sb->flags;

	if (inode_read_only(inode) || flags & MS_NOATIME || (flags & MS_NODIRATIME && S_ISDIR(inode->mode)))
		return;
	if (flags & MS_STRICTATIME || !atime_will_do(inode))
		inode_touch(inode, ATTR_ATIME);
}

void generic_fill_stat(struct inode *inode, struct kstat *st)
{
	*st = (struct kstat){
		.dev = inode->sb->dev, .ino = inode->ino, .size = (u64)READ_ONCE(inode->mapping.size), .blocks = inode->blocks,
		.mode = inode->mode, .nlink = inode->nlink, .uid = inode->uid, .gid = inode->gid,
		.blksize = inode->sb->block_size ? inode->sb->block_size : PAGE_SIZE, .rdev = inode->rdev,
		.atime = time_load(&inode->atime), .mtime = time_load(&inode->mtime), .ctime = time_load(&inode->ctime),
	};
	if (inode->ops && inode->ops->getattr)
		inode->ops->getattr(inode, st);
}

/* --- writing back --- */

int inode_write_back(struct inode *inode)
{
	spin_lock(&inode_lock);
	bool dirty = inode->state & I_DIRTY;
	WRITE_ONCE(inode->state, inode->state & ~I_DIRTY);
	list_del(&inode->dirty_node);
	spin_unlock(&inode_lock);
	return dirty ? inode->sb->ops->write_inode(inode) : 0;
}

void inodes_write_dirty(void)
{
	for (;;) {
		struct inode *inode = NULL;

		spin_lock(&inode_lock);
		while (!list_empty(&dirty_inodes)) {
			inode = list_first(&dirty_inodes, struct inode, dirty_node);
			if (atomic_inc_not_zero(&inode->refs))
				break;
			list_del(&inode->dirty_node);	/* being evicted, which writes it */
			inode = NULL;
		}
		spin_unlock(&inode_lock);
		if (!inode)
			return;
		inode_write_back(inode);
		inode_put(inode);
	}
}

struct inode *inode_next(struct super_block *sb, struct inode *prev)
{
	struct list_head *node;
	struct inode *found = NULL;

	spin_lock(&inode_lock);
	for (node = prev ? prev->sb_node.next : sb->inodes.next; node != &sb->inodes; node = node->next) {
		struct inode *inode = list_entry(node, struct inode, sb_node);
		if (!(inode->state & (I_NEW | I_BAD)) && atomic_inc_not_zero(&inode->refs)) {
			found = inode;
			break;
		}
	}
	spin_unlock(&inode_lock);
	inode_put(prev);
	return found;
}

bool super_has_writers(struct super_block *sb)
{
	struct inode *inode;
	bool found = false;

	spin_lock(&inode_lock);
	list_for_each(inode, &sb->inodes, sb_node)
		if (atomic_read(&inode->writers) > 0 || (!inode->nlink && !(inode->state & I_FREEING)))
			found = true;
	spin_unlock(&inode_lock);
	return found;
}

int sync_inodes(struct super_block *sb)
{
	struct inode *inode;
	int error = 0, e;

	/* Start everything, then wait for everything. Writing data may reserve blocks: inodes after data. */
	for (inode = inode_next(sb, NULL); inode; inode = inode_next(sb, inode))
		if (inode->mapping.ops && !inode->mapping.no_writeback && atomic64_read(&inode->mapping.nr_pages))
			mapping_writeback(&inode->mapping, 0, ~0UL >> PAGE_SHIFT, false);
	for (inode = inode_next(sb, NULL); inode; inode = inode_next(sb, inode)) {
		if (inode->mapping.ops && !inode->mapping.no_writeback && atomic64_read(&inode->mapping.nr_pages)) {
			e = mapping_writeback(&inode->mapping, 0, ~0UL >> PAGE_SHIFT, true);
			error = error ? error : e;
		}
		e = inode_write_back(inode);
		error = error ? error : e;
	}
	wait_event(&inode_wait, WAIT_UNINTERRUPTIBLE, READ_ONCE(nr_evicting) == 0);
	return error;
}
