/* Small kernel objects: caches of one size, and kmalloc over a row of them. Pages come from mm/page. */
#pragma once

#include "kernel/types.h"

struct slab_cache;

/* Objects of `size` bytes, aligned to 16 (or to 64 from 64 bytes on). name is kept. NULL: no memory. */
struct slab_cache *slab_cache_create(const char *name, size_t size);
void *slab_alloc(struct slab_cache *cache);		/* contents undefined; NULL: no memory; may sleep to reclaim */
void slab_free(struct slab_cache *cache, void *object);

/* Any size up to 4 MiB, physically contiguous; NULL: no memory. May sleep (reclaim); kmalloc_atomic never does. */
void *kmalloc(size_t size);
void *kzalloc(size_t size);
void *kmalloc_atomic(size_t size);
void kfree(void *p);					/* NULL is allowed */
char *kstrdup(const char *s);

void slab_keep_begin(void);	/* at boot, one CPU: from now on CPUs keep free objects */
void slab_give_back(void);	/* what this CPU keeps; interrupts off */

/* What /proc/slabinfo tells of a cache: objects of `size` bytes, `per_slab` in a slab of `pages` frames. A snapshot. */
struct slab_info {
	const char *name;
	u32 size, per_slab, pages;
	u64 slabs, used;
};
/* fn for every cache. */
void slab_statistics(void (*fn)(const struct slab_info *info, void *arg), void *arg);
