/*
 * Finding a cached name. Inline, for the walk (fs/walk.c) and the cache itself (fs/dentry.c): each component of each path comes by here,
 * and a call with its saved registers cost a third of it.
 */
#pragma once

#include "fs/internal.h"
#include "kernel/string.h"

extern struct list_head *dentry_hash;	/* dcache_lock; the array is made at boot, for the memory there is */
extern u32 dentry_hash_mask;

static inline struct list_head *dentry_bucket(const struct dentry *parent, u32 hash)
{
	return &dentry_hash[(hash ^ (u32)((u64)parent >> 6)) & dentry_hash_mask];
}

/*
 * The hash of a name goes over its bytes by eights, the last of them filled up with zeroes. scan() of fs/walk.c computes the same
 * while it looks for the end.
 */
static inline u64 hash_word(u64 hash, u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15UL;
	return hash ^ hash >> 32;
}

static inline u64 word_at(const char *p, u32 bytes)
{
	u64 word = 0;

	__builtin_memcpy(&word, p, bytes);
	return word;
}

/* Names are short: words, the last of which may overlap the one before, where memcmp() would take byte after byte. */
static inline bool same_text(const char *a, const char *b, u32 len)
{
	if (likely(len - 4 <= 4))
		return !((word_at(a, 4) ^ word_at(b, 4)) | (word_at(a + len - 4, 4) ^ word_at(b + len - 4, 4)));
	if (len < 4)
		return !len || (a[0] == b[0] && a[len / 2] == b[len / 2] && a[len - 1] == b[len - 1]);
	for (u32 i = 0; i < len - 8; i += 8)
		if (word_at(a + i, 8) != word_at(b + i, 8))
			return false;
	return word_at(a + len - 8, 8) == word_at(b + len - 8, 8);
}

/* The child of that name, maybe negative, or NULL. dcache_lock held, and no reference taken. */
static inline struct dentry *dentry_find_locked(struct dentry *parent, const struct name *name)
{
	const struct list_head *bucket = dentry_bucket(parent, name->hash);

	for (struct list_head *node = bucket->next; node != bucket; node = node->next) {
		struct dentry *d = list_entry(node, struct dentry, hash_node);

		if (d->hash == name->hash && d->parent == parent && d->name_len == name->len && same_text(d->name, name->text, name->len)) {
			d->used = true;
			return d;
		}
	}
	return NULL;
}
