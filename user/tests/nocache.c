/*
 * Files without a page cache - pipes, devices, what /proc makes - given to the calls that work on one; and names
 * under /proc/self/fd that lie in no mount.
 */
#include "t.h"

#include <sys/mount.h>
#include <sys/sendfile.h>

static void all_calls(const char *name, int fd)
{
	struct stat s;
	char c;

	SAY("--- %s\n", name);
	T(syscall(SYS_sync_file_range, fd, 0L, 0L, 7));
	T(syscall(SYS_readahead, fd, 0L, 4096L));
	T(syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_WILLNEED));
	T(syscall(SYS_fadvise64, fd, 0L, 0L, POSIX_FADV_DONTNEED));
	T(syscall(SYS_fadvise64, fd, 0L, 0L, 77));
	T(ftruncate(fd, 0));
	T(syscall(SYS_fallocate, fd, 0, 0L, 10L));
	T(fdatasync(fd));
	T(lseek(fd, 0, SEEK_END) >= 0);
	T(pread(fd, &c, 0, 0));
	T(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	T(fstat(fd, &s));
	SAY("type %o size %ld\n", s.st_mode & S_IFMT, (long)s.st_size);
}

static void no_place(int fd)
{
	char name[40], target[100];
	struct stat s;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(name, target, sizeof(target));
	SAY("%.5s\n", n > 5 ? target : "-----");
	T(stat(name, &s));
	T(umount2(name, 0) ? -1 : 0);
	T(mount("x", name, "tmpfs", 0, NULL));
	T(chdir(name));
	T(link(name, "linked"));
	T(linkat(AT_FDCWD, name, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
	T(truncate(name, 0));
	strcat(name, "/x");
	T(stat(name, &s));
	T(open(name, O_CREAT | O_RDWR, 0600));
}

int main(void)
{
	int p[2];

	if (geteuid() == 0 && setuid(65534))	/* so that mount is refused everywhere */
		return 1;
	T(pipe(p));
	all_calls("read end of a pipe", p[0]);
	all_calls("write end of a pipe", p[1]);
	all_calls("/dev/null", open("/dev/null", O_RDWR));
	all_calls("/proc/self/stat", open("/proc/self/stat", O_RDONLY));
	all_calls("/proc/self", open("/proc/self", O_RDONLY));
	no_place(p[0]);
	T(sendfile(p[1], p[0], NULL, 10));
	return 0;
}
