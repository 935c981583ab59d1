#include "drivers/fwcfg.h"

#include "kernel/abi.h"
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "mm/slab.h"

#define SELECTOR 0x510
#define DATA 0x511
#define KEY_SIGNATURE 0
#define KEY_DIRECTORY 0x19
#define MAX_FILES 256

struct fwcfg_file {
	u32 size;		/* big-endian */
	u16 select, reserved;	/* big-endian */
	char name[56];
};

int fwcfg_read_file(const char *name, void **data, size_t *size)
{
	char signature[4];
	u32 count;

	outw(SELECTOR, KEY_SIGNATURE);
	insb(DATA, signature, 4);
	if (memcmp(signature, "QEMU", 4))
		return -ENOENT;
	outw(SELECTOR, KEY_DIRECTORY);
	insb(DATA, &count, 4);
	count = min(__builtin_bswap32(count), (u32)MAX_FILES);
	while (count--) {
		struct fwcfg_file file;
		char *buf;

		insb(DATA, &file, sizeof(file));
		if (strncmp(file.name, name, sizeof(file.name)))
			continue;
		*size = __builtin_bswap32(file.size);
		buf = kmalloc(*size + 1);
		if (!buf)
			return -ENOMEM;
		outw(SELECTOR, __builtin_bswap16(file.select));
		insb(DATA, buf, *size);
		buf[*size] = 0;
		*data = buf;
		return 0;
	}
	return -ENOENT;
}
