#include "kernel/vdso.h"

#include "kernel/clock.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/pagecache.h"
#include "vdso/data.h"

extern const char vdso_image[], vdso_image_end[];	/* build/vdso.asm */

/* A file without a name, of two pages, which are made when they are first touched (and again after reclaim). */
static struct address_space mapping;

static int read_page(struct address_space *m, u64 index, struct page *page)
{
	char *at = page_address(page);

	arch_clear_page(at);
	if (index == 0)
		clock_vdso((struct vdso_data *)at);
	else
		memcpy(at, vdso_image, vdso_image_end - vdso_image);
	pagecache_read_done(m, index, 0);
	return 0;
}

static void stays(struct address_space *m) { }
static void mapping_name(struct address_space *m, char *buf, size_t size) { str_copy(buf, "vdso", size); }
static void vma_stays(struct vma *vma) { }
static int vma_name(struct vma *vma, char *buf, size_t size) { return str_copy(buf, "[vdso]", size); }

static const struct address_space_ops aops = { .read_page = read_page, .hold = stays, .release = stays, .name = mapping_name };
static const struct vma_ops vma_ops = { .open = vma_stays, .close = vma_stays, .name = vma_name };

void vdso_init(void)
{
	ASSERT(vdso_image_end - vdso_image <= (long)PAGE_SIZE);
	mapping_init(&mapping, &aops, NULL, RANK_PAGE);
	mapping.size = 2 * PAGE_SIZE;
}

long vdso_map(struct mm *mm)
{
	long at = mm_map(mm, &(struct map_request){
		.length = 2 * PAGE_SIZE, .prot = PROT_READ | PROT_EXEC, .map_flags = MAP_PRIVATE,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC, .mapping = &mapping, .ops = &vma_ops,
	});

	return at < 0 ? at : at + (long)PAGE_SIZE;
}
