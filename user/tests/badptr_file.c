/*
 * Every pointer argument of the system calls of files with bad addresses: the errno must be Linux's, and so must be
 * the count where a part was done. One line per call, argument and address; each call in a child of its own, in the
 * working directory, where the files that it needs are made afresh for it.
 */
#include "badptr.h"
#include <grp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>

/*
 * Argument templates: descriptors, names, and pointers to good data. F, FD_*: descriptors opened for the call;
 * N_FILE..: names; OUT: room; others: data of a kind. Negative, so that they cannot be ordinary arguments.
 */
enum { OUT = -2000, FD_FILE, FD_WRITE, FD_READ, FD_DIR, FD_PIPE_R, FD_PIPE_W, FD_ZERO, FD_BAD, N_FILE, N_NEW, N_DIR, N_LINK, N_EMPTY, TIMES, TIMEVALS,
       IOV, POLLFD, SET, TS0, TV0, MASK, MASKARG, OFFSET, XNAME, FSTYPE, LAST };

static const struct call calls[] = {
	{ "read", SYS_read, { FD_FILE, OUT, 64 }, "2" },
	{ "read 0", SYS_read, { FD_FILE, OUT, 0 }, "2" },
	{ "read huge", SYS_read, { FD_FILE, OUT, -1 }, "2" },
	{ "read long", SYS_read, { FD_FILE, OUT, 0x7fffffffffff }, "2" },
	{ "read badfd", SYS_read, { FD_BAD, OUT, 64 }, "2" },
	{ "read wronly", SYS_read, { FD_WRITE, OUT, 64 }, "2" },
	{ "read dir", SYS_read, { FD_DIR, OUT, 64 }, "2" },
	{ "read pipe", SYS_read, { FD_PIPE_R, OUT, 64 }, "2" },
	{ "read pipe 0", SYS_read, { FD_PIPE_R, OUT, 0 }, "2" },
	{ "read zero", SYS_read, { FD_ZERO, OUT, 64 }, "2" },
	{ "write", SYS_write, { FD_FILE, OUT, 64 }, "2" },
	{ "write 0", SYS_write, { FD_FILE, OUT, 0 }, "2" },
	{ "write huge", SYS_write, { FD_FILE, OUT, -1 }, "2" },
	{ "write badfd", SYS_write, { FD_BAD, OUT, 64 }, "2" },
	{ "write rdonly", SYS_write, { FD_READ, OUT, 64 }, "2" },
	{ "write pipe", SYS_write, { FD_PIPE_W, OUT, 64 }, "2" },
	{ "write pipe 5000", SYS_write, { FD_PIPE_W, OUT, 5000 }, "2" },
	{ "write null", SYS_write, { FD_ZERO, OUT, 64 }, "2" },
	{ "pread64", SYS_pread64, { FD_FILE, OUT, 64, 0 }, "2" },
	{ "pread64 -1", SYS_pread64, { FD_FILE, OUT, 64, -1 }, "2" },
	{ "pread64 eof", SYS_pread64, { FD_FILE, OUT, 64, 100000 }, "2" },
	{ "pwrite64", SYS_pwrite64, { FD_FILE, OUT, 64, 0 }, "2" },
	{ "pwrite64 pipe", SYS_pwrite64, { FD_PIPE_W, OUT, 64, 0 }, "2" },
	{ "readv", SYS_readv, { FD_FILE, IOV, 2 }, "2" },
	{ "readv 0", SYS_readv, { FD_FILE, IOV, 0 }, "2" },
	{ "readv -1", SYS_readv, { FD_FILE, IOV, -1 }, "2" },
	{ "readv badfd", SYS_readv, { FD_BAD, IOV, 2 }, "2" },
	{ "readv wronly", SYS_readv, { FD_WRITE, IOV, 2 }, "2" },
	{ "writev", SYS_writev, { FD_FILE, IOV, 2 }, "2" },
	{ "writev rdonly", SYS_writev, { FD_READ, IOV, 2 }, "2" },
	{ "preadv", SYS_preadv, { FD_FILE, IOV, 2, 0 }, "2" },
	{ "pwritev", SYS_pwritev, { FD_FILE, IOV, 2, 0 }, "2" },
	{ "preadv2", SYS_preadv2, { FD_FILE, IOV, 2, 0, 0, 0 }, "2" },
	{ "pwritev2", SYS_pwritev2, { FD_FILE, IOV, 2, 0, 0, 0 }, "2" },
	{ "open", SYS_open, { N_FILE, O_RDONLY }, "1" },
	{ "open creat", SYS_open, { N_NEW, O_RDWR | O_CREAT, 0600 }, "1" },
	{ "open flags", SYS_open, { N_FILE, O_TMPFILE | O_RDONLY }, "1" },
	{ "openat", SYS_openat, { AT_FDCWD, N_FILE, O_RDONLY }, "2" },
	{ "openat badfd", SYS_openat, { FD_BAD, N_FILE, O_RDONLY }, "2" },
	{ "creat", SYS_creat, { N_NEW, 0600 }, "1" },
	{ "stat", SYS_stat, { N_FILE, OUT }, "12" },
	{ "lstat", SYS_lstat, { N_LINK, OUT }, "12" },
	{ "fstat", SYS_fstat, { FD_FILE, OUT }, "2" },
	{ "fstat badfd", SYS_fstat, { FD_BAD, OUT }, "2" },
	{ "newfstatat", SYS_newfstatat, { AT_FDCWD, N_FILE, OUT, 0 }, "23" },
	{ "newfstatat flags", SYS_newfstatat, { AT_FDCWD, N_FILE, OUT, 0x40000 }, "23" },
	{ "statx", SYS_statx, { AT_FDCWD, N_FILE, 0, 0xfff, OUT }, "25" },
	{ "statx mask", SYS_statx, { AT_FDCWD, N_FILE, 0, 0x80000000, OUT }, "25" },
	{ "access", SYS_access, { N_FILE, 4 }, "1" },
	{ "access mode", SYS_access, { N_FILE, 99 }, "1" },
	{ "faccessat", SYS_faccessat, { AT_FDCWD, N_FILE, 4 }, "2" },
	{ "faccessat2", SYS_faccessat2, { AT_FDCWD, N_FILE, 4, 0 }, "2" },
	{ "readlink", SYS_readlink, { N_LINK, OUT, 10 }, "12" },
	{ "readlink 0", SYS_readlink, { N_LINK, OUT, 0 }, "12" },
	{ "readlink file", SYS_readlink, { N_FILE, OUT, 10 }, "12" },
	{ "readlinkat", SYS_readlinkat, { AT_FDCWD, N_LINK, OUT, 10 }, "23" },
	{ "statfs", SYS_statfs, { N_FILE, OUT }, "12" },
	{ "fstatfs", SYS_fstatfs, { FD_FILE, OUT }, "2" },
	{ "fstatfs badfd", SYS_fstatfs, { FD_BAD, OUT }, "2" },
	{ "getdents64", SYS_getdents64, { FD_DIR, OUT, 1000 }, "2" },
	{ "getdents64 small", SYS_getdents64, { FD_DIR, OUT, 3 }, "2" },
	{ "getdents64 file", SYS_getdents64, { FD_FILE, OUT, 1000 }, "2" },
	{ "getdents64 badfd", SYS_getdents64, { FD_BAD, OUT, 1000 }, "2" },
	{ "getcwd", SYS_getcwd, { OUT, 200 }, "1" },
	{ "getcwd 1", SYS_getcwd, { OUT, 1 }, "1" },
	{ "chdir", SYS_chdir, { N_DIR }, "1" },
	{ "chroot", SYS_chroot, { N_DIR }, "1" },
	{ "mkdir", SYS_mkdir, { N_NEW, 0700 }, "1" },
	{ "mkdirat", SYS_mkdirat, { AT_FDCWD, N_NEW, 0700 }, "2" },
	{ "rmdir", SYS_rmdir, { N_DIR }, "1" },
	{ "unlink", SYS_unlink, { N_FILE }, "1" },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, N_FILE, 0 }, "2" },
	{ "unlinkat flags", SYS_unlinkat, { AT_FDCWD, N_FILE, 7 }, "2" },
	{ "link", SYS_link, { N_FILE, N_NEW }, "12" },
	{ "linkat", SYS_linkat, { AT_FDCWD, N_FILE, AT_FDCWD, N_NEW, 0 }, "24" },
	{ "linkat flags", SYS_linkat, { AT_FDCWD, N_FILE, AT_FDCWD, N_NEW, 1 }, "24" },
	{ "symlink", SYS_symlink, { N_FILE, N_NEW }, "12" },
	{ "symlinkat", SYS_symlinkat, { N_FILE, AT_FDCWD, N_NEW }, "13" },
	{ "symlinkat badfd", SYS_symlinkat, { N_FILE, FD_BAD, N_NEW }, "13" },
	{ "mknod", SYS_mknod, { N_NEW, S_IFIFO | 0600, 0 }, "1" },
	{ "mknod dir", SYS_mknod, { N_NEW, S_IFDIR | 0600, 0 }, "1" },
	{ "mknodat", SYS_mknodat, { AT_FDCWD, N_NEW, S_IFIFO | 0600, 0 }, "2" },
	{ "rename", SYS_rename, { N_FILE, N_NEW }, "12" },
	{ "renameat", SYS_renameat, { AT_FDCWD, N_FILE, AT_FDCWD, N_NEW }, "24" },
	{ "renameat2", SYS_renameat2, { AT_FDCWD, N_FILE, AT_FDCWD, N_NEW, 1 }, "24" },
	{ "renameat2 flags", SYS_renameat2, { AT_FDCWD, N_FILE, AT_FDCWD, N_NEW, 0x100 }, "24" },
	{ "chmod", SYS_chmod, { N_FILE, 0600 }, "1" },
	{ "fchmodat", SYS_fchmodat, { AT_FDCWD, N_FILE, 0600 }, "2" },
	{ "chown", SYS_chown, { N_FILE, -1, -1 }, "1" },
	{ "lchown", SYS_lchown, { N_LINK, -1, -1 }, "1" },
	{ "fchownat", SYS_fchownat, { AT_FDCWD, N_FILE, -1, -1, 0 }, "2" },
	{ "fchownat flags", SYS_fchownat, { AT_FDCWD, N_FILE, -1, -1, 1 }, "2" },
	{ "truncate", SYS_truncate, { N_FILE, 10 }, "1" },
	{ "truncate -1", SYS_truncate, { N_FILE, -1 }, "1" },
	{ "utime", SYS_utime, { N_FILE, TIMES }, "12" },
	{ "utimes", SYS_utimes, { N_FILE, TIMEVALS }, "12" },
	{ "futimesat", SYS_futimesat, { AT_FDCWD, N_FILE, TIMEVALS }, "23" },
	{ "utimensat", SYS_utimensat, { AT_FDCWD, N_FILE, TIMES, 0 }, "23" },
	{ "utimensat fd", SYS_utimensat, { FD_FILE, 0, TIMES, 0 }, "23" },
	{ "utimensat flags", SYS_utimensat, { AT_FDCWD, N_FILE, TIMES, 0x40000 }, "23" },
	{ "pipe", SYS_pipe, { OUT }, "1" },
	{ "pipe2", SYS_pipe2, { OUT, O_NONBLOCK }, "1" },
	{ "pipe2 flags", SYS_pipe2, { OUT, 1 }, "1" },
	{ "poll", SYS_poll, { POLLFD, 1, 0 }, "1" },
	{ "poll 0", SYS_poll, { POLLFD, 0, 0 }, "1" },
	{ "poll many", SYS_poll, { POLLFD, 10000000, 0 }, "1" },
	{ "ppoll", SYS_ppoll, { POLLFD, 1, TS0, MASK, 8 }, "134" },
	{ "ppoll size", SYS_ppoll, { POLLFD, 1, TS0, MASK, 7 }, "134" },
	{ "select", SYS_select, { 8, SET, SET, SET, TV0 }, "2345" },
	{ "select 0", SYS_select, { 0, SET, SET, SET, TV0 }, "2345" },
	{ "select -1", SYS_select, { -1, SET, SET, SET, TV0 }, "2345" },
	{ "pselect6", SYS_pselect6, { 8, SET, SET, SET, TS0, MASKARG }, "23456" },
	{ "ioctl FIONREAD", SYS_ioctl, { FD_PIPE_R, 0x541b, OUT }, "3" },
	{ "ioctl FIONREAD file", SYS_ioctl, { FD_FILE, 0x541b, OUT }, "3" },
	{ "ioctl FIONREAD badfd", SYS_ioctl, { FD_BAD, 0x541b, OUT }, "3" },
	{ "ioctl FIONBIO", SYS_ioctl, { FD_PIPE_R, 0x5421, OUT }, "3" },
	{ "ioctl TCGETS file", SYS_ioctl, { FD_FILE, 0x5401, OUT }, "3" },
	{ "sendfile", SYS_sendfile, { FD_WRITE, FD_READ, OFFSET, 10 }, "3" },
	{ "sendfile badfd", SYS_sendfile, { FD_BAD, FD_READ, OFFSET, 10 }, "3" },
	{ "mount", SYS_mount, { N_EMPTY, N_FILE, FSTYPE, 0, N_EMPTY }, "1235" },
	{ "umount2", SYS_umount2, { N_DIR, 0 }, "1" },
	{ "umount2 flags", SYS_umount2, { N_DIR, 0x100 }, "1" },
	{ "getxattr", SYS_getxattr, { N_FILE, XNAME, OUT, 100 }, "12" },
	{ "fgetxattr", SYS_fgetxattr, { FD_FILE, XNAME, OUT, 100 }, "2" },
	{ "removexattr", SYS_removexattr, { N_FILE, XNAME }, "12" },
	{ "memfd_create", SYS_memfd_create, { XNAME, 0 }, "1" },
	{ "memfd_create flags", SYS_memfd_create, { XNAME, 0x10000 }, "1" },
};

/* --- good data --- */

static long good_value(long kind, int slot)
{
	unsigned char *p = good_page + slot * 512;
	int fds[2];

	memset(p, 0, 512);
	switch (kind) {
	case FD_FILE: return open("file", O_RDWR);
	case FD_WRITE: return open("file2", O_WRONLY | O_CREAT, 0600);
	case FD_READ: return open("file", O_RDONLY);
	case FD_DIR: return open("dir", O_RDONLY);
	case FD_PIPE_R:
		if (pipe(fds) || write(fds[1], "0123456789", 10) != 10)
			return -1;
		return fds[0];
	case FD_PIPE_W: return pipe(fds) ? -1 : fds[1];
	case FD_ZERO: return open("/dev/zero", O_RDWR);
	case FD_BAD: return 999;
	case N_FILE: return (long)"file";
	case N_NEW: return (long)"new";
	case N_DIR: return (long)"dir";
	case N_LINK: return (long)"link";
	case N_EMPTY: return (long)"";
	case IOV:
		((struct iovec *)p)[0] = (struct iovec){ p + 256, 10 };
		((struct iovec *)p)[1] = (struct iovec){ p + 300, 10 };
		break;
	case POLLFD: p[4] = 1; break;
	case MASKARG: ((long *)p)[1] = 8; break;
	case XNAME: strcpy((char *)p, "user.x"); break;
	case FSTYPE: strcpy((char *)p, "tmpfs"); break;
	}
	return (long)p;
}

static int is_template(long v) { return v >= OUT && v < LAST; }

static void prepare(void)
{
	static const char text[] = "the contents of the file, which are longer than sixty-four bytes, so that all arrives\n";
	int fd = open("file", O_CREAT | O_TRUNC | O_RDWR, 0644);

	if (write(fd, text, sizeof(text)) < 0)
		perror("write");
	close(fd);
	mkdir("dir", 0755);
	symlink("file", "link");
	unlink("new");
	rmdir("new");
}

/* --- running --- */

static void call_once(const struct call *c, int bad, const char *kind, unsigned long address)
{
	fflush(stdout);
	prepare();
	pid_t pid = fork();
	if (pid == 0) {
		long a[6];

		/* A time that is no pointer is none: those wait for ever, until it kills them. All others end, however slow the machine is. */
		bool for_ever = strstr(c->name, "select") && bad == 4 && !strcmp(kind, "null");
		setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { for_ever ? 0 : 500, 100000 } }, NULL);
		for (int i = 0; i < 6; i++)
			a[i] = i == bad ? (long)address : is_template(c->args[i]) ? good_value(c->args[i], i) : c->args[i];
		errno = 0;
		long r = syscall(c->number, a[0], a[1], a[2], a[3], a[4], a[5]);
		if (r < 0)
			printf("%s arg%d %s -> error %d\n", c->name, bad + 1, kind, errno);
		else if (c->number == SYS_getcwd)
			printf("%s arg%d %s -> ok\n", c->name, bad + 1, kind);
		else
			printf("%s arg%d %s -> %ld\n", c->name, bad + 1, kind, r);
		fflush(stdout);
		_exit(0);
	}
	int status;
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status))
		printf("%s arg%d %s -> killed by %d\n", c->name, bad + 1, kind, WTERMSIG(status));
}

int main(void)
{
	/* Not as root, wherever this runs: some calls would then look at their arguments in another order. */
	if (geteuid() == 0 && (chmod(".", 0777) || setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		return 1;
	signal(SIGPIPE, SIG_IGN);
	CALL_ALL('x');
	return 0;
}
