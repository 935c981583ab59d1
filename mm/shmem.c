/*
 * Shared anonymous memory (MAP_SHARED | MAP_ANONYMOUS): a file without a name. Its pages live in a mapping that the
 * VMAs keep alive, appear as zeroes when they are first touched, and are never clean.
 */
#include "mm/slot.h"

#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "mm/vma.h"

struct shmem {
	atomic_t refs;			/* A: VMAs, faults that wait */
	struct address_space mapping;
};

static struct shmem *shmem_of(struct address_space *m) { return m->owner; }

struct address_space *shmem_mapping(struct shmem *s) { return &s->mapping; }

void shmem_put(struct shmem *s)
{
	if (!atomic_dec_and_test(&s->refs))
		return;
	mapping_destroy(&s->mapping);
	kfree(s);
}

static int shmem_read_page(struct address_space *m, u64 index, struct page *page)
{
	arch_clear_page(page_address(page));
	pagecache_read_done(m, index, 0);
	return 0;
}

static void shmem_hold(struct address_space *m) { atomic_inc(&shmem_of(m)->refs); }
static void shmem_release(struct address_space *m) { shmem_put(shmem_of(m)); }
static void shmem_mapping_name(struct address_space *m, char *buf, size_t size) { str_copy(buf, "shared anonymous memory", size); }

static const struct address_space_ops shmem_aops = {
	.read_page = shmem_read_page,
	.hold = shmem_hold,
	.release = shmem_release,
	.name = shmem_mapping_name,
};

static void shmem_vma_open(struct vma *vma) { atomic_inc(&((struct shmem *)vma->owner)->refs); }
static void shmem_vma_close(struct vma *vma) { shmem_put(vma->owner); }

static int shmem_vma_name(struct vma *vma, char *buf, size_t size)
{
	return str_copy(buf, "/dev/zero (deleted)", size);
}

static const struct vma_ops shmem_vma_ops = {
	.open = shmem_vma_open,
	.close = shmem_vma_close,
	.name = shmem_vma_name,
};

struct shmem *shmem_create(u64 size, bool reserve)
{
	u64 length = ALIGN_UP(size, PAGE_SIZE);
	struct shmem *s;

	if (reserve && !enough_memory(length >> PAGE_SHIFT))
		return NULL;
	s = kzalloc(sizeof(*s));
	if (!s)
		return NULL;
	atomic_set(&s->refs, 1);
	mapping_init(&s->mapping, &shmem_aops, s, RANK_PAGE);
	s->mapping.no_writeback = true;
	s->mapping.size = length;
	return s;
}

int shmem_prepare(struct map_request *req, u64 size)
{
	struct shmem *s = shmem_create(size, false);	/* the mapping is judged by map_locked() */

	if (!s)
		return -ENOMEM;
	req->mapping = &s->mapping;
	req->ops = &shmem_vma_ops;
	req->owner = s;
	req->pgoff = 0;
	return 0;
}

void shmem_abort(struct map_request *req) { shmem_put(req->owner); }
