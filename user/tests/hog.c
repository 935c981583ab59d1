/* Takes and touches as many MiB as it is told, anonymous or (second argument) of a shared file; for tests/suite_stress.py. */
#include "t.h"

int main(int argc, char **argv)
{
	size_t n = (argc > 1 ? strtoul(argv[1], NULL, 0) : 1) << 20;
	int fd = argc > 2 ? open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
	if (argc > 2 && ftruncate(fd, n))
		SAY("ftruncate: %s\n", strerror(errno));
	char *p = mmap(NULL, n, RW, argc > 2 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED) {
		SAY("mmap: %s\n", strerror(errno));
		return 1;
	}
	for (size_t i = 0; i < n; i += PAGE)
		p[i] = i >> 12;
	for (size_t i = 0; i < n; i += PAGE)
		if (p[i] != (char)(i >> 12)) {
			SAY("page %zu has changed\n", i >> 12);
			return 2;
		}
	SAY("touched\n");
	return 0;
}
