/*
 * The boot information (boot/bootinfo.c) on arbitrary multiboot2 tags. Their area ends at a page that nobody may touch. Afterwards the ranges
 * are what the frame allocator expects: RAM sorted and page-aligned, at most BOOT_RANGES.
 */
void early_cpu_init(void);
#include "boot/bootinfo.c"
#include "fuzz.h"

#include <linux/mman.h>

#define AREA (64UL << 10)

void *mmap(void *addr, size_t n, int prot, int flags, int fd, long offset);
int mprotect(void *addr, size_t n, int prot);

char boot_start[1], kernel_end[1], cmdline[4096];

void early_cpu_init(void) { }
void serial_init(void) { }
void paging_init(struct boot_info *info) { }
void kmain(void) { abort(); }
void fatal(const char *fmt, ...) { abort(); }
void printk(const char *fmt, ...) { }
void page_init_begin(u64 nr_frames) { }
void page_init_end(void) { }
void page_keep_begin(void) { }
u64 page_total_count(void) { return 0; }
u64 page_free_count(void) { return 0; }
static u64 last_end;
void page_add_range(paddr_t start, paddr_t end) { FUZZ_CHECK(start <= end && start >= last_end); last_end = end; }
size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t n = 0;

	for (; src[n]; n++)
		if (n + 1 < size)
			dst[n] = src[n];
	dst[n + 1 < size ? n : size - 1] = 0;
	return n;
}

int LLVMFuzzerTestOneInput(const u8 *input, size_t length)
{
	static u8 *area;

	if (!area) {
		area = mmap(NULL, AREA + PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | 0x40 /* MAP_32BIT */, -1, 0);
		mprotect(area + AREA, PAGE_SIZE, PROT_NONE);
	}
	length = min(length & ~(size_t)7, AREA);
	if (length < 8)
		return 0;
	u8 *info = area + AREA - length;
	__builtin_memcpy(info, input, length);
	*(u32 *)info = (u32)length;
	__builtin_memset(&boot_info, 0, sizeof(boot_info));
	cmdline[0] = 0;
	last_end = 0;
	read_multiboot2((u64)info);
	FUZZ_CHECK(boot_info.nr_ram <= BOOT_RANGES && boot_info.nr_reserved <= BOOT_RANGES);
	for (unsigned i = 0; i < boot_info.nr_ram; i++) {
		FUZZ_CHECK(boot_info.ram[i].start < boot_info.ram[i].end && !((boot_info.ram[i].start | boot_info.ram[i].end) & ~PAGE_MASK));
		FUZZ_CHECK(!i || boot_info.ram[i - 1].end <= boot_info.ram[i].start);
	}
	page_init(&boot_info);
	return 0;
}
