/*
 * The ELF loader (kernel/elf.c) on arbitrary files. The address space below it is a list of rules: every mapping is page-aligned
 * and below USER_TOP or is refused, as mm_map() does; a mapping at a fixed address lies inside the span that was reserved
 * for the image; and what is zeroed afterwards lies inside a mapping of the file.
 */
#include "fuzz.h"
#include "kernel/exec.h"
#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

static const u8 *data;		/* the file, and its interpreter too */
static size_t size;
static struct { u64 start, end; } reserved[2], mapped[64];	/* an image's span; pieces of the file */
static unsigned nr_reserved, nr_mapped;

ssize_t file_read_kernel(struct file *file, void *buf, size_t n, loff_t pos)
{
	FUZZ_CHECK(pos >= 0);
	if ((u64)pos >= size)
		return 0;
	n = min(n, size - (size_t)pos);
	memcpy(buf, data + pos, n);
	return (ssize_t)n;
}

static long map(const struct map_request *req)
{
	u64 length = ALIGN_UP(req->length, PAGE_SIZE);

	if (!req->length || length < req->length || length > USER_TOP)
		return -ENOMEM;
	if (!(req->map_flags & MAP_FIXED)) {
		u64 start = req->addr && req->addr < USER_TOP - length ? req->addr & PAGE_MASK : ALIGN_DOWN(USER_TOP - length, PAGE_SIZE);
		FUZZ_CHECK(nr_reserved < ARRAY_SIZE(reserved));
		reserved[nr_reserved].start = start;
		reserved[nr_reserved++].end = start + length;
		return (long)start;
	}
	if (req->addr & ~PAGE_MASK)
		return -EINVAL;
	if (req->addr > USER_TOP - length)
		return -ENOMEM;
	if (nr_reserved) {	/* position-independent: what was reserved last */
		FUZZ_CHECK(req->addr >= reserved[nr_reserved - 1].start && req->addr + length <= reserved[nr_reserved - 1].end);
	}
	return (long)req->addr;
}

long mm_map(struct mm *mm, const struct map_request *req) { return map(req); }

long file_map(struct file *file, struct mm *mm, struct map_request *req)
{
	long r = map(req);

	FUZZ_CHECK(req->pgoff < (u64)1 << 51);
	if (r >= 0 && nr_mapped < ARRAY_SIZE(mapped)) {
		mapped[nr_mapped].start = (u64)r;
		mapped[nr_mapped++].end = (u64)r + ALIGN_UP(req->length, PAGE_SIZE);
	}
	return r;
}

size_t clear_user(void __user *p, size_t n)
{
	u64 at = (u64)p;
	bool inside = n == 0;

	for (unsigned i = 0; i < nr_mapped; i++)
		inside |= at >= mapped[i].start && at + n <= mapped[i].end;
	FUZZ_CHECK(inside || nr_mapped == ARRAY_SIZE(mapped));
	return 0;
}

struct file *exec_open(const char *path)
{
	FUZZ_CHECK(strlen(path) < PATH_MAX);
	return (struct file *)&data;
}

void file_put(struct file *file) { }
void *kmalloc(size_t n) { return malloc(n); }
void kfree(void *p) { free(p); }

int LLVMFuzzerTestOneInput(const u8 *input, size_t length)
{
	static struct mm mm;
	static struct exec e;

	data = input;
	size = length;
	nr_reserved = nr_mapped = 0;
	memset(&e, 0, sizeof(e));
	e.mm = &mm;
	e.file = (struct file *)&data;
	if (elf_load(&e) == 0) {
		elf_zero_tails(&e);
		FUZZ_CHECK(mm.brk <= USER_TOP && mm.brk_start == mm.brk);
	}
	kfree(e.image.segments);
	kfree(e.interp.segments);
	return 0;
}
