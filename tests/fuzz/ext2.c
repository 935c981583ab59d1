/*
 * ext2 (fs/ext2 over the real page cache) on images that libFuzzer damages. An input is a list of changes to the image in $EXT2_IMAGE,
 * eight bytes each: a position and a value. libFuzzer's loop is the body of a hosted test, because the kernel's code runs as a task.
 */
#include "tests/host/ext2_host.h"

#include "mm/reclaim.h"

int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*one)(const u8 *, size_t));
char *getenv(const char *name);

static u8 *good, *bad;
static size_t image_size;

static int one(const u8 *input, size_t length)
{
	static unsigned runs;

	memcpy(bad, good, image_size);
	for (; length >= 8; input += 8, length -= 8) {
		u32 place, value;

		memcpy(&place, input, 4);
		memcpy(&value, input + 4, 4);
		u32 bytes = 1U << (place >> 30);	/* 1, 2, 4; 8 is 4 too */
		size_t at = (place & 0x3fffffff) % (image_size - 4);
		memcpy(bad + at, &value, min(bytes, 4U));
	}
	host_seed(1);
	host_log_clear();
	fuzz_use_image(0);
	reclaim_pages(~0U);
	if (++runs == 8)
		check_leaks_begin();
	if (runs % 64 == 0)
		check_leaks_end();
	return 0;
}

/* The words of libFuzzer's command line are in $FUZZ_ARGS, separated by spaces. */
TEST(libfuzzer, "libFuzzer's loop over fs/ext2")
{
	static char words[1000], *argv[32] = { "ext2" };
	int argc = 1;
	char **v = argv, *p = words;

	str_copy(words, getenv("FUZZ_ARGS") ?: "", sizeof(words));
	while (argc < 31 && *p) {
		argv[argc++] = p;
		p = strchr(p, ' ') ?: p + strlen(p);
		if (*p)
			*p++ = 0;
	}
	good = file_load("EXT2_IMAGE", &image_size);
	bad = sys_calloc(image_size);
	pagecache_init();
	disk_lenient = true;
	disk_open(bad, image_size);
	LLVMFuzzerRunDriver(&argc, &v, one);
}
