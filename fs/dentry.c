/*
 * The name cache: the tree of names in memory, positive and negative, hashed by parent and name.
 *
 * One spinlock covers tree and hash. A walk over cached names holds it and counts nothing; only where a walk must
 * sleep, and at its end, are references taken. A dentry without references stays while it is hashed; when there are
 * too many, the least recently used go (dcache_trim).
 *
 * DC1 A child holds a reference on its parent; a positive dentry holds one on its inode.
 * DC2 The count leaves zero only under dcache_lock. Whether the dentry is hashed is a bit of it (DENTRY_UNHASHED, changed under the lock), so that
 *     who drops the last reference knows without the lock what to do: a hashed dentry stays, an unhashed one is freed at once.
 * DC3 A name is inserted, made positive or removed only under its directory's i_rwsem (inserted: shared is enough).
 */
#include "fs/dcache.h"

#include "mm/page.h"
#include "mm/slab.h"

struct spinlock dcache_lock = SPINLOCK_INIT("dcache", RANK_DCACHE);
struct list_head *dentry_hash;
u32 dentry_hash_mask;
static LIST_HEAD(lru);			/* every dentry but roots, new ones first */
static unsigned nr_dentries;		/* dcache_lock, read without */
static unsigned max_dentries;		/* fixed at boot */
static struct slab_cache *dentry_cache;

void dcache_init(void)
{
	u32 size = 256;

	/* With the inodes that they keep some 3 % of memory. Two names to a bucket. */
	max_dentries = (unsigned)max(512UL, min(page_total_count() / 8, 262144UL));
	while (size < max_dentries / 2)
		size *= 2;
	dentry_hash = kmalloc(size * sizeof(*dentry_hash));
	dentry_cache = slab_cache_create("dentry", sizeof(struct dentry));
	if (!dentry_cache || !dentry_hash)
		panic("no memory for dentries");
	for (u32 i = 0; i < size; i++)
		list_init(&dentry_hash[i]);
	dentry_hash_mask = size - 1;
}

u32 name_hash(const char *text, size_t len)
{
	u64 hash = 0, word = 0;

	for (; len >= 8; len -= 8, text += 8)
		hash = hash_word(hash, word_at(text, 8));
	for (size_t i = 0; i < len; i++)
		word |= (u64)(u8)text[i] << i * 8;
	return (u32)hash_word(hash, word);
}

/* --- life --- */

static struct dentry *alloc(struct super_block *sb, struct dentry *parent, const struct name *name)
{
	struct dentry *d = slab_alloc(dentry_cache);

	if (!d)
		return NULL;
	*d = (struct dentry){ .refs = ATOMIC_INIT(1 | DENTRY_UNHASHED), .name_len = name->len, .hash = name->hash, .parent = parent, .sb = sb };
	d->name = d->short_name;
	if (name->len >= sizeof(d->short_name)) {
		d->name = kmalloc(name->len + 1);
		if (!d->name) {
			slab_free(dentry_cache, d);
			return NULL;
		}
	}
	memcpy(d->name, name->text, name->len);
	d->name[name->len] = 0;
	list_init(&d->children);
	list_init(&d->sibling);
	list_init(&d->hash_node);
	list_init(&d->lru_node);
	if (parent)
		atomic_inc(&parent->refs);
	else
		d->parent = d;
	return d;
}

static void free_memory(struct dentry *d)
{
	if (d->name != d->short_name)
		kfree(d->name);
	slab_free(dentry_cache, d);
}

struct dentry *dentry_root(struct super_block *sb, struct inode *inode)
{
	struct name name = { "/", 1, 0 };
	struct dentry *d = alloc(sb, NULL, &name);

	if (d)
		d->inode = inode;
	return d;
}

struct dentry *dentry_unplaced(struct super_block *sb, const struct name *name, struct inode *inode)
{
	struct dentry *d = alloc(sb, NULL, name);

	if (d)
		d->inode = inode;
	return d;
}

struct dentry *dentry_unnamed(struct dentry *parent, const struct name *name, struct inode *inode)
{
	struct dentry *d = alloc(parent->sb, parent, name);

	if (d)
		d->inode = inode;
	return d;
}

/* Out of the tree; its parent, whose reference is now the caller's (NULL for a root). dcache_lock held. */
static struct dentry *detach(struct dentry *d)
{
	list_del(&d->hash_node);
	list_del(&d->sibling);
	if (!list_empty(&d->lru_node)) {
		list_del(&d->lru_node);
		ADD_ONCE(nr_dentries, -1U);
	}
	return d->parent == d ? NULL : d->parent;
}

/* Ours was the last reference, and nobody can find it. */
static __attribute__((noinline)) struct dentry *free_unhashed(struct dentry *d)
{
	struct dentry *parent;

	spin_lock(&dcache_lock);
	parent = detach(d);
	spin_unlock(&dcache_lock);
	inode_put(d->inode);
	free_memory(d);
	return parent;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		int old = atomic_read(&d->refs);

		while (likely(old != (1 | DENTRY_UNHASHED)))
			if (likely(atomic_cmpxchg(&d->refs, &old, old - 1)))
				return;
		d = free_unhashed(d);
	}
}

/* --- finding --- */

static struct dentry *find_get(struct dentry *parent, const struct name *name)
{
	struct dentry *d;

	spin_lock(&dcache_lock);
	d = dentry_find_locked(parent, name);
	if (d)
		atomic_inc(&d->refs);
	spin_unlock(&dcache_lock);
	return d;
}

/* Under dcache_lock, with a reference. */
static void unhash(struct dentry *d)
{
	if (!list_empty(&d->hash_node))
		atomic_add_return(&d->refs, DENTRY_UNHASHED);
	list_del(&d->hash_node);
}

static void hash(struct dentry *d)
{
	list_add(&d->hash_node, dentry_bucket(d->parent, d->hash));
	atomic_add_return(&d->refs, -DENTRY_UNHASHED);
}

/* Into the tree; another task with the lock shared may have been faster: then that one, with a reference. */
static struct dentry *insert(struct dentry *d, const struct name *name)
{
	struct dentry *there;

	spin_lock(&dcache_lock);
	there = d->sb->uncached ? NULL : dentry_find_locked(d->parent, name);
	if (there) {
		atomic_inc(&there->refs);
	} else {
		list_add(&d->sibling, &d->parent->children);
		if (!d->sb->uncached) {
			hash(d);
			list_add(&d->lru_node, &lru);
			ADD_ONCE(nr_dentries, 1U);
		}
	}
	spin_unlock(&dcache_lock);
	if (!there)
		return d;
	dentry_put(d);
	return there;
}

int dentry_lookup_locked(struct dentry *parent, const struct name *name, struct dentry **out)
{
	struct inode *dir = parent->inode, *inode = NULL;
	struct dentry *d = find_get(parent, name);
	int error;

	if (d) {
		*out = d;
		return 0;
	}
	if (!dir->ops || !dir->ops->lookup)
		return -ENOTDIR;
	if (!dir->nlink)
		return -ENOENT;		/* removed while we waited for its lock */
	d = alloc(dir->sb, parent, name);
	if (!d)
		return -ENOMEM;
	error = dir->ops->lookup(dir, name->text, name->len, &inode);
	if (error && error != -ENOENT) {
		dentry_put(d);
		return error;
	}
	d->inode = error ? NULL : inode;
	*out = insert(d, name);
	return 0;
}

int dentry_lookup(struct dentry *parent, const struct name *name, struct dentry **out)
{
	int error;

	dcache_trim();
	down_read(&parent->inode->i_rwsem);
	error = dentry_lookup_locked(parent, name, out);
	up_read(&parent->inode->i_rwsem);
	return error;
}

/* --- changes --- */

void dentry_set_inode(struct dentry *d, struct inode *inode)
{
	spin_lock(&dcache_lock);
	d->inode = inode;
	spin_unlock(&dcache_lock);
}

void dentry_unhash(struct dentry *d)
{
	spin_lock(&dcache_lock);
	unhash(d);
	spin_unlock(&dcache_lock);
}

bool dentry_unhashed(const struct dentry *d) { return d->parent != d && list_empty(&d->hash_node) && !d->sb->uncached; }

static void swap_names(struct dentry *a, struct dentry *b)
{
	char *name_a = a->name == a->short_name ? b->short_name : a->name;
	char *name_b = b->name == b->short_name ? a->short_name : b->name;
	char text[sizeof(a->short_name)];
	u32 len = a->name_len, hash = a->hash;

	memcpy(text, a->short_name, sizeof(text));
	memcpy(a->short_name, b->short_name, sizeof(text));
	memcpy(b->short_name, text, sizeof(text));
	a->name = name_b;
	b->name = name_a;
	a->name_len = b->name_len;
	a->hash = b->hash;
	b->name_len = len;
	b->hash = hash;
}

void dentry_move(struct dentry *d, struct dentry *target, bool exchange)
{
	struct dentry *old_parent = d->parent;

	spin_lock(&dcache_lock);
	unhash(d);
	unhash(target);
	swap_names(d, target);
	/* Parents are swapped with the references on them (DC1). */
	d->parent = target->parent;
	target->parent = old_parent;
	list_del(&d->sibling);
	list_add(&d->sibling, &d->parent->children);
	list_del(&target->sibling);
	list_add(&target->sibling, &old_parent->children);
	hash(d);
	if (exchange)
		hash(target);
	spin_unlock(&dcache_lock);
}

bool dentry_is_below(struct dentry *d, const struct dentry *ancestor)
{
	bool found;

	spin_lock(&dcache_lock);
	while (d != ancestor && d->parent != d)
		d = d->parent;
	found = d == ancestor;
	spin_unlock(&dcache_lock);
	return found;
}

/* --- trimming --- */

/* Detach up to nr unused dentries, of sb only if it is not NULL, onto `dead` (by lru_node). dcache_lock held. */
static unsigned collect(struct super_block *sb, unsigned nr, struct list_head *dead)
{
	struct list_head *node = lru.prev, *prev;
	unsigned found = 0;

	for (unsigned scanned = 0; node != &lru && found < nr && (sb || scanned < 256); node = prev, scanned++) {
		struct dentry *d = list_entry(node, struct dentry, lru_node);

		prev = node->prev;
		if (sb && d->sb != sb)
			continue;
		if (atomic_read(&d->refs) || (d->used && !sb)) {
			d->used = false;
			if (!sb) {
				list_del(&d->lru_node);
				list_add(&d->lru_node, &lru);
			}
			continue;
		}
		detach(d);
		list_add(&d->lru_node, dead);
		found++;
	}
	return found;
}

static void free_all(struct list_head *dead)
{
	while (!list_empty(dead)) {
		struct dentry *d = list_first(dead, struct dentry, lru_node), *parent = d->parent;

		list_del(&d->lru_node);
		inode_put(d->inode);
		free_memory(d);
		dentry_put(parent);
	}
}

static unsigned drop_some(struct super_block *sb, unsigned nr)
{
	LIST_HEAD(dead);
	unsigned found;

	spin_lock(&dcache_lock);
	found = collect(sb, nr, &dead);
	spin_unlock(&dcache_lock);
	free_all(&dead);
	return found;
}

void dentry_drop_children(struct dentry *parent)
{
	struct dentry *d, *tmp;
	LIST_HEAD(dead);

	spin_lock(&dcache_lock);
	list_for_each_safe(d, tmp, &parent->children, sibling)
		if (!atomic_read(&d->refs)) {
			detach(d);
			list_add(&d->lru_node, &dead);
		}
	spin_unlock(&dcache_lock);
	free_all(&dead);
}

void dcache_trim(void)
{
	if (unlikely(READ_ONCE(nr_dentries) > max_dentries))
		drop_some(NULL, 64);
}

void dcache_drop_super(struct super_block *sb)
{
	while (drop_some(sb, 64))
		;
}
