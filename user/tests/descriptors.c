/* Every call that takes a descriptor, with every kind of descriptor. What comes back is printed. */
#include "t.h"
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>
#include <sys/xattr.h>

static char buf[4096];
static struct iovec vec = { buf, 10 };
static struct statfs sf;
static struct stat st;
static struct pollfd pfd;
static int a_file;
static int special;	/* where Linux changes from version to version: sendfile from and pwrite to what has no page cache */

#define CALLS(X) \
	X(read(fd, buf, 10)) X(write(fd, "x", 1)) X(read(fd, buf, 0)) X(write(fd, "x", 0)) X(read(fd, (char *)16, 10)) X(write(fd, (char *)16, 10)) \
	X(pread(fd, buf, 10, 0)) X(special ? 0 : pwrite(fd, "x", 1, 0)) X(pread(fd, buf, 10, -1)) X(pwrite(fd, "x", 1, -5)) X(readv(fd, &vec, 1)) X(writev(fd, &vec, 1)) X(readv(fd, &vec, 0)) X(writev(fd, &vec, 0)) \
	X(preadv(fd, &vec, 1, 0)) X(special ? 0 : pwritev(fd, &vec, 1, 0)) X(readv(fd, (void *)16, 1)) X(readv(fd, &vec, -1)) X(readv(fd, &vec, 1025)) \
	X(lseek(fd, 0, SEEK_SET)) X(lseek(fd, 0, SEEK_CUR)) X(lseek(fd, 5, SEEK_CUR)) X(lseek(fd, -1, SEEK_SET)) X(lseek(fd, 0, 9)) X(lseek(fd, 0, SEEK_SET)) \
	X(fstat(fd, &st)) X(syscall(SYS_fstat, fd, (void *)16)) X(fstatfs(fd, &sf)) X(syscall(SYS_fchmod, fd, special ? 0666 : 0644)) X(fchown(fd, 0, 0)) X(fsync(fd)) X(fdatasync(fd)) X(syncfs(fd)) X(ftruncate(fd, 100)) X(ftruncate(fd, -1)) \
	X(syscall(SYS_fallocate, fd, 0, 0L, 10L)) X(syscall(SYS_getdents64, fd, buf, 1000L) >= 0 ? 0 : -1) X(syscall(SYS_getdents64, fd, buf, 5L)) X(syscall(SYS_ioctl, fd, TCGETS, buf)) X(syscall(SYS_ioctl, fd, FIONBIO, (void *)16)) X(syscall(SYS_ioctl, fd, 0x12345678, 0)) \
	X(mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0) X(mmap(0, 4096, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0) X(mmap(0, 4096, PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0) X(mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 100) == MAP_FAILED ? -1 : 0) X(mmap(0, 0, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0) \
	X(fcntl(fd, F_GETFD)) X(fcntl(fd, F_SETFD, 1)) X(fcntl(fd, F_GETFD)) X(fcntl(fd, F_GETFL)) X(fcntl(fd, F_SETFL, O_NONBLOCK)) X(fcntl(fd, F_GETFL)) X(fcntl(fd, F_DUPFD, 50)) X(fcntl(fd, F_DUPFD, -1)) X(fcntl(fd, F_DUPFD_CLOEXEC, 60)) X(fcntl(fd, F_GETOWN)) X(fcntl(fd, 12345)) \
	X(flock(fd, LOCK_SH | LOCK_NB)) X(flock(fd, LOCK_UN)) X(flock(fd, 0)) X(dup2(fd, 70)) X(dup2(fd, fd) == fd ? 0 : -1) X(dup2(fd, -1)) X(syscall(SYS_dup3, fd, 71, O_CLOEXEC)) X(syscall(SYS_dup3, fd, fd, 0)) X(syscall(SYS_dup3, fd, 71, 1)) \
	X(fchdir(fd)) X(fchdir(a_dir)) X(futimens(fd, NULL)) X(fgetxattr(fd, "user.x", buf, 10)) X(sendfile(fd, a_file, &(off_t){ 0 }, 5)) X(special ? 0 : sendfile(a_file, fd, NULL, 5)) X(special ? 0 : sendfile(a_file, fd, &(off_t){ 0 }, 5)) X(copy_file_range(fd, &(off_t){ 0 }, a_file, NULL, 5, 0)) X(copy_file_range(a_file, &(off_t){ 0 }, fd, NULL, 5, 0)) \
	X(syscall(SYS_sync_file_range, fd, 0L, 0L, 7)) X(syscall(SYS_sync_file_range, fd, -1L, 0L, 7)) X(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED)) X(posix_fadvise(fd, 0, 0, 99)) X(syscall(SYS_readahead, fd, 0L, 100L)) \
	X((pfd = (struct pollfd){ fd, POLLIN | POLLOUT, 0 }, poll(&pfd, 1, 0))) X(pfd.revents) X(syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH)) X(syscall(SYS_readlinkat, fd, "", buf, 100L)) X(syscall(SYS_execveat, fd, "", NULL, NULL, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) ? -1 : 0) X(syscall(439, fd, "", R_OK, AT_EMPTY_PATH)) X(fchownat(fd, "", 0, 0, AT_EMPTY_PATH)) X(utimensat(fd, "", NULL, AT_EMPTY_PATH)) X(close(fd)) X(close(fd))

static int a_dir;

static void all(const char *what, int fd)
{
	SAY("--- %s\n", what);
	pwrite(a_file, "0123456789", 10, 0);
	lseek(a_file, 0, SEEK_SET);
#define X(call) show(#call, (long)(call));
	CALLS(X)
	close(50), close(60), close(70), close(71);
}

static int nonblock(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

int main(void)
{
	int p[2], q[2];
	signal(SIGPIPE, SIG_IGN);
	a_file = open("other", O_RDWR | O_CREAT, 0644);
	a_dir = open(".", O_RDONLY);
	int f = open("file", O_RDWR | O_CREAT, 0644);
	write(f, "contents of the file", 20);
	symlink("file", "link");
	mkfifo("fifo", 0600);
	all("file", open("file", O_RDWR));
	all("file read-only", open("file", O_RDONLY));
	all("file write-only", open("file", O_WRONLY));
	all("file append", open("file", O_RDWR | O_APPEND));
	all("directory", open(".", O_RDONLY));
	all("O_PATH file", open("file", O_PATH));
	all("O_PATH directory", open(".", O_PATH));
	all("O_PATH link", open("link", O_PATH | O_NOFOLLOW));
	all("O_PATH fifo", open("fifo", O_PATH));
	pipe(p), pipe(q);
	write(p[1], "some bytes in the pipe, enough for all", 38);
	all("pipe, reading end", nonblock(p[0]));
	all("pipe, writing end without reader", nonblock(p[1]));
	all("pipe, writing end", nonblock(q[1]));
	all("pipe, reading end without writer", nonblock(q[0]));
	special = 1;
	all("/dev/null", open("/dev/null", O_RDWR));
	all("/dev/zero", open("/dev/zero", O_RDWR));
	all("proc file", open("/proc/self/comm", O_RDONLY));
	special = 0;
	all("memfd", syscall(SYS_memfd_create, "m", 0));
	all("closed", 42);
	all("negative", -1);
	return 0;
}
