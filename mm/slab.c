/*
 * Slabs: blocks of frames cut into equal objects. A cache keeps its slabs that have room on a list; full ones
 * are on none and come back when an object is freed. The first word of a free object links to the next.
 *
 * kmalloc() is a row of caches; what is larger than the largest is a block of frames of its own.
 *
 * Each CPU keeps a few free objects of each cache for itself (slab_keep_begin()); they count as used in their slabs. In and out cost
 * a few instructions and no lock; a full or empty store is brought half way under the cache's lock.
 *
 * Locks: the cache's spinlock (RANK_SLAB) protects its list and the slab fields of its pages. It is never held while
 * frames are allocated. Interrupt handlers may use the atomic form.
 */
#include "mm/slab.h"

#include "kernel/cpu.h"
#include "kernel/inject.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/page.h"

struct slab_cache {
	struct spinlock lock;
	struct list_head partial;	/* lock: slabs with at least one free object, struct page.slab_node */
	unsigned nr_empty;		/* lock: of these, slabs with no object in use (at most one is kept) */
	u32 size;			/* I: of an object, a multiple of its alignment */
	u32 per_slab;			/* I */
	u8 order;			/* I: of a slab */
	u8 id;				/* I: of its stores, keeps[][id] */
	u8 keep_max;			/* fixed at boot: objects that a CPU may keep; 0: none */
	const char *name;		/* I */
	struct slab_cache *next;	/* I: the list of made caches */
	atomic64_t nr_slabs;		/* A */
};

#define KMALLOC_CACHE(var, bytes, ord) { .lock = SPINLOCK_INIT("kmalloc-" #bytes, RANK_SLAB), .partial = LIST_INIT((var).partial), \
	.size = (bytes), .per_slab = (PAGE_SIZE << (ord)) / (bytes), .order = (ord), .name = "kmalloc-" #bytes }

static struct slab_cache kmalloc_caches[] = {
	KMALLOC_CACHE(kmalloc_caches[0], 16, 0), KMALLOC_CACHE(kmalloc_caches[1], 32, 0), KMALLOC_CACHE(kmalloc_caches[2], 64, 0),
	KMALLOC_CACHE(kmalloc_caches[3], 128, 0), KMALLOC_CACHE(kmalloc_caches[4], 192, 0), KMALLOC_CACHE(kmalloc_caches[5], 256, 0),
	KMALLOC_CACHE(kmalloc_caches[6], 512, 0), KMALLOC_CACHE(kmalloc_caches[7], 1024, 1), KMALLOC_CACHE(kmalloc_caches[8], 2048, 2),
};

/* What each CPU keeps, by cache: touched by that CPU only, with interrupts off. */
#define MAX_KEPT_CACHES 32
static struct slab_keep {
	void **head;			/* objects, linked through their first words */
	u64 nr;				/* read racily by others */
} keeps[NR_CPUS][MAX_KEPT_CACHES] __attribute__((aligned(64)));
static bool keeping;			/* set once, at boot */
static atomic_t nr_ids = ATOMIC_INIT(ARRAY_SIZE(kmalloc_caches));

static struct slab_cache *made_caches;	/* grows at its head by compare-and-swap, never shrinks */

static void may_keep(struct slab_cache *cache)
{
	cache->keep_max = keeping && cache->id < MAX_KEPT_CACHES ? min(max(8192 / cache->size, 4U), 32U) : 0;
}

struct slab_cache *slab_cache_create(const char *name, size_t size)
{
	struct slab_cache *cache = kzalloc(sizeof(*cache));

	if (!cache)
		return NULL;
	spin_init(&cache->lock, name, RANK_SLAB);
	list_init(&cache->partial);
	cache->name = name;
	cache->size = ALIGN_UP(size, size >= 64 ? 64 : 16);
	/* Large enough that at most an eighth is lost at the end. */
	while (cache->order < 3 && (PAGE_SIZE << cache->order) % cache->size > (PAGE_SIZE << cache->order) / 8)
		cache->order++;
	cache->per_slab = (PAGE_SIZE << cache->order) / cache->size;
	ASSERT(cache->per_slab);
	cache->id = min(atomic_add_return(&nr_ids, 1) - 1, MAX_KEPT_CACHES);
	may_keep(cache);
	cache->next = __atomic_load_n(&made_caches, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&made_caches, &cache->next, cache, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
	return cache;
}

void slab_keep_begin(void)
{
	keeping = true;
	for (unsigned i = 0; i < ARRAY_SIZE(kmalloc_caches); i++) {
		kmalloc_caches[i].id = i;
		may_keep(&kmalloc_caches[i]);
	}
	for (struct slab_cache *c = made_caches; c; c = c->next)
		may_keep(c);
}

/* --- slabs --- */

static struct page *object_slab(const struct slab_cache *cache, const void *object)
{
	return virt_to_page((void *)ALIGN_DOWN((vaddr_t)object, PAGE_SIZE << cache->order));
}

/* A slab of free objects, on no list yet; NULL: no memory. */
static struct page *slab_create(struct slab_cache *cache, unsigned flags)
{
	struct page *slab = page_alloc(cache->order, flags);

	if (!slab)
		return NULL;
	for (unsigned i = 0; i < BIT(cache->order); i++) {
		page_set_kind(&slab[i], PAGE_SLAB);
		slab[i].slab_cache = cache;
	}
	slab->slab_free = NULL;
	slab->slab_used = 0;
	atomic64_add_return(&cache->nr_slabs, 1);
	for (unsigned i = cache->per_slab; i-- > 0; ) {
		void **object = (void **)((char *)page_address(slab) + (size_t)i * cache->size);
		*object = slab->slab_free;
		slab->slab_free = object;
	}
	return slab;
}

static void slab_destroy(struct page *slab)
{
	atomic64_add_return(&((struct slab_cache *)slab->slab_cache)->nr_slabs, -1);
	for (unsigned i = 0, n = BIT(slab->order); i < n; i++)
		page_set_kind(&slab[i], PAGE_DATA);
	page_put(slab);
}

/* Cache lock held. An object of the first slab with room, or NULL. */
static void *take_object_locked(struct slab_cache *cache)
{
	if (list_empty(&cache->partial))
		return NULL;
	struct page *slab = list_first(&cache->partial, struct page, slab_node);
	void **object = slab->slab_free;
	slab->slab_free = *object;
	if (slab->slab_used++ == 0)
		cache->nr_empty--;
	if (!slab->slab_free)
		list_del(&slab->slab_node);
	return object;
}

/* Cache lock held. A slab that nobody uses any more, for the caller to destroy, or NULL. */
static struct page *put_object_locked(struct slab_cache *cache, void *object)
{
	struct page *slab = object_slab(cache, object);

	ASSERT(slab->slab_used > 0 && slab->slab_free != object);
	if (!slab->slab_free)
		list_add(&slab->slab_node, &cache->partial);
	*(void **)object = slab->slab_free;
	slab->slab_free = object;
	if (--slab->slab_used)
		return NULL;
	if (cache->nr_empty++ == 0)
		return NULL;
	cache->nr_empty--;
	list_del(&slab->slab_node);
	return slab;
}

/* --- what this CPU keeps; interrupts off --- */

static void keep_push(struct slab_keep *keep, void **object)
{
	*object = keep->head;
	keep->head = object;
	WRITE_ONCE(keep->nr, keep->nr + 1);
}

static void **keep_pop(struct slab_keep *keep)
{
	void **object = keep->head;

	keep->head = *object;
	WRITE_ONCE(keep->nr, keep->nr - 1);
	return object;
}

static struct slab_keep *keep_of(const struct slab_cache *cache) { return &keeps[cpu_id()][cache->id]; }

/* Give back all but `rest`. */
static void keep_give_back(struct slab_cache *cache, u64 rest)
{
	struct slab_keep *keep = keep_of(cache);

	while (keep->nr > rest) {
		u64 irq = spin_lock_irqsave(&cache->lock);
		struct page *surplus = put_object_locked(cache, keep_pop(keep));
		spin_unlock_irqrestore(&cache->lock, irq);
		if (surplus)
			slab_destroy(surplus);
	}
}

void slab_give_back(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kmalloc_caches); i++)
		if (kmalloc_caches[i].keep_max)
			keep_give_back(&kmalloc_caches[i], 0);
	for (struct slab_cache *c = __atomic_load_n(&made_caches, __ATOMIC_ACQUIRE); c; c = c->next)
		if (c->keep_max)
			keep_give_back(c, 0);
}

/* --- objects --- */

/* From the slabs; this CPU's store, which is empty, gets some too. */
static void *take_some(struct slab_cache *cache)
{
	u64 irq = spin_lock_irqsave(&cache->lock);
	void *object = take_object_locked(cache);

	if (cache->keep_max) {
		struct slab_keep *keep = keep_of(cache);
		while (keep->nr < cache->keep_max / 2 && !list_empty(&cache->partial))
			keep_push(keep, take_object_locked(cache));
	}
	spin_unlock_irqrestore(&cache->lock, irq);
	return object;
}

static __attribute__((noinline)) void *slab_alloc_slow(struct slab_cache *cache, unsigned flags)
{
	void *object;

	while (!(object = take_some(cache))) {
		struct page *slab = slab_create(cache, flags);
		if (!slab)
			return NULL;
		u64 irq = spin_lock_irqsave(&cache->lock);
		list_add(&slab->slab_node, &cache->partial);
		cache->nr_empty++;
		spin_unlock_irqrestore(&cache->lock, irq);
	}
	return object;
}

static void *slab_alloc_flags(struct slab_cache *cache, unsigned flags)
{
	if (!(flags & PA_ATOMIC))
		debug_might_sleep();
	if (inject_now(INJECT_ALLOC))
		return NULL;
	if (likely(cache->keep_max)) {
		u64 irq = irq_save();
		struct slab_keep *keep = keep_of(cache);
		void *object = likely(keep->nr) ? keep_pop(keep) : NULL;
		irq_restore(irq);
		if (likely(object))
			return object;
	}
	return slab_alloc_slow(cache, flags);
}

void *slab_alloc(struct slab_cache *cache) { return slab_alloc_flags(cache, 0); }

static void slab_free_now(struct slab_cache *cache, void *object)
{
	u64 irq = spin_lock_irqsave(&cache->lock);
	struct page *surplus = put_object_locked(cache, object);

	spin_unlock_irqrestore(&cache->lock, irq);
	if (surplus)
		slab_destroy(surplus);
}

/* This CPU's store is full, or there is none. */
static __attribute__((noinline)) void slab_free_slow(struct slab_cache *cache, void *object)
{
	if (!cache->keep_max) {
		slab_free_now(cache, object);
		return;
	}
	u64 irq = irq_save();
	if (keep_of(cache)->nr >= cache->keep_max)
		keep_give_back(cache, cache->keep_max / 2);
	keep_push(keep_of(cache), object);
	irq_restore(irq);
}

/* The usual case saves no registers, which were a third of its 65 instructions. */
void slab_free(struct slab_cache *cache, void *object)
{
	const struct page *slab = object_slab(cache, object);

	ASSERT(slab->kind == PAGE_SLAB && slab->slab_cache == cache);
	if (likely(cache->keep_max)) {
		u64 irq = irq_save();
		struct slab_keep *keep = keep_of(cache);
		if (likely(keep->nr < cache->keep_max)) {
			ASSERT(keep->head != object);
			keep_push(keep, object);
			irq_restore(irq);
			return;
		}
		irq_restore(irq);
	}
	slab_free_slow(cache, object);
}

/* --- any size --- */

static void *kmalloc_flags(size_t size, unsigned flags)
{
	/* Up to 64 the sizes are powers of two; of the rest all but one. */
	unsigned i = size <= 16 ? 0 : 60 - __builtin_clzl(size - 1);
	if (likely(size <= 2048)) {
		if (size > 128)
			i += size > 192;
		return slab_alloc_flags(&kmalloc_caches[i], flags);
	}

	unsigned order = 0;
	while (order <= 10 && PAGE_SIZE << order < size)
		order++;
	struct page *page = order <= 10 ? page_alloc(order, flags) : NULL;
	if (!page)
		return NULL;
	page_set_kind(page, PAGE_LARGE);
	return page_address(page);
}

void *kmalloc(size_t size) { return kmalloc_flags(size, 0); }
void *kmalloc_atomic(size_t size) { return kmalloc_flags(size, PA_ATOMIC); }

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(void *p)
{
	if (!p)
		return;
	struct page *page = virt_to_page(p);
	if (page->kind == PAGE_LARGE) {
		page_set_kind(page, PAGE_DATA);
		page_put(page);
		return;
	}
	ASSERT(page->kind == PAGE_SLAB);
	slab_free(page->slab_cache, p);
}

char *kstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = kmalloc(n);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

/* --- statistics --- */

/* A slab that is not on the list of those with room is full. */
static void report(struct slab_cache *c, void (*fn)(const struct slab_info *info, void *arg), void *arg)
{
	u64 free = 0, slabs, irq = spin_lock_irqsave(&c->lock);
	struct page *slab;

	for (int cpu = 0; c->keep_max && cpu < nr_cpus_online; cpu++)
		free += READ_ONCE(keeps[cpu][c->id].nr);

	list_for_each(slab, &c->partial, slab_node)
		free += c->per_slab - slab->slab_used;
	slabs = atomic64_read(&c->nr_slabs);
	spin_unlock_irqrestore(&c->lock, irq);
	fn(&(struct slab_info){ .name = c->name, .size = c->size, .per_slab = c->per_slab, .pages = BIT(c->order), .slabs = slabs,
				.used = slabs * c->per_slab - min(free, slabs * c->per_slab) }, arg);
}

void slab_statistics(void (*fn)(const struct slab_info *info, void *arg), void *arg)
{
	for (struct slab_cache *c = __atomic_load_n(&made_caches, __ATOMIC_ACQUIRE); c; c = c->next)
		report(c, fn, arg);
	for (unsigned i = 0; i < ARRAY_SIZE(kmalloc_caches); i++)
		report(&kmalloc_caches[i], fn, arg);
}
