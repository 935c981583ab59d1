/* /dev/ram0 mapped: the super block's magic number is in its place, and read(2) sees the same bytes. Guest only. */
#include "t.h"

int main(void)
{
	unsigned char buf[8192];
	int fd = open("/dev/ram0", O_RDONLY);
	unsigned char *p = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0), *far = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 1 << 20);

	if (p == MAP_FAILED || far == MAP_FAILED)
		return 1;
	SAY("magic %02x%02x\n", p[1024 + 57], p[1024 + 56]);
	pread(fd, buf, 8192, 0);
	SAY("same %d\n", !memcmp(buf, p, 8192));
	pread(fd, buf, 8192, 1 << 20);
	SAY("same %d\n", !memcmp(buf, far, 8192));
	return 0;
}
