/* openat2 and its RESOLVE_ rules, O_TMPFILE and its naming, RENAME_EXCHANGE, the flags of preadv2 and pwritev2. */
#include "t.h"
#include <linux/openat2.h>

#ifndef RWF_HIPRI
enum { RWF_HIPRI = 1, RWF_DSYNC = 2, RWF_SYNC = 4, RWF_NOWAIT = 8, RWF_APPEND = 16 };
static ssize_t preadv2(int fd, const struct iovec *v, int n, off_t pos, int flags) { return syscall(SYS_preadv2, fd, v, n, pos, 0, flags); }
static ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t pos, int flags) { return syscall(SYS_pwritev2, fd, v, n, pos, 0, flags); }
#endif

static long o2(int dir, const char *name, unsigned long flags, unsigned long mode, unsigned long resolve)
{
	struct open_how how = { flags, mode, resolve };
	long fd = syscall(SYS_openat2, dir, name, &how, sizeof(how));
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return -1;
}

static void resolve(void)
{
	mkdir("d", 0755), mkdir("d/sub", 0755);
	close(open("d/file", O_CREAT | O_WRONLY, 0644)), close(open("outside", O_CREAT | O_WRONLY, 0644));
	symlink("file", "d/rel"), symlink("/etc/passwd", "d/abs"), symlink("../outside", "d/up"), symlink("sub/../file", "d/round"), symlink("/file", "d/absfile");
	symlink("/proc/self/cwd", "d/magic");
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	T(o2(dir, "file", O_RDONLY, 0, 0));
	T(o2(dir, "file", O_RDONLY, 0644, 0));
	T(o2(dir, "new", O_RDWR | O_CREAT, 0644, 0));
	T(o2(dir, "new", O_RDWR | O_CREAT, 0100644, 0));
	T(o2(dir, "file", 1UL << 40, 0, 0));
	T(o2(dir, "file", O_RDONLY, 0, 1 << 20));
	T(o2(dir, "file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT));
	T(o2(dir, "file", O_PATH | O_RDWR, 0, 0));
	T(o2(dir, "file", O_PATH | O_NOFOLLOW, 0, 0));
	struct { struct open_how how; unsigned long more; } big = { .how = { .flags = O_RDONLY } };
	T(syscall(SYS_openat2, dir, "file", &big, 16UL));
	T(syscall(SYS_openat2, dir, "file", &big, sizeof(big)) >= 0);
	big.more = 1;
	T(syscall(SYS_openat2, dir, "file", &big, sizeof(big)));
	T(syscall(SYS_openat2, dir, "file", &big, 100000UL));
	T(syscall(SYS_openat2, dir, "file", NULL, sizeof(struct open_how)));
	static const char *const names[] = { "file", "rel", "abs", "up", "round", "absfile", "magic", "../outside", "sub/../file", "sub/../../outside", "/file", "/../file", "..", ".", "sub/../..", "/", "none", "rel/x" };
	static const struct { const char *name; int flag; } rules[] = { { "BENEATH", RESOLVE_BENEATH }, { "IN_ROOT", RESOLVE_IN_ROOT }, { "NO_SYMLINKS", RESOLVE_NO_SYMLINKS }, { "NO_MAGICLINKS", RESOLVE_NO_MAGICLINKS } };
	for (unsigned r = 0; r < 4; r++)
		for (unsigned n = 0; n < sizeof(names) / sizeof(*names); n++) {
			if (names[n][0] == '/' && r >= 2)
				continue;
			SAY("%s ", rules[r].name);
			show(names[n], o2(dir, names[n], O_RDONLY, 0, rules[r].flag));
		}
	T(o2(dir, "rel", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS));
	T(o2(dir, "made", O_CREAT | O_RDWR, 0600, RESOLVE_BENEATH));
	T(o2(dir, "/made2", O_CREAT | O_RDWR, 0600, RESOLVE_IN_ROOT));
	T(access("d/made2", F_OK));
	T(o2(AT_FDCWD, "/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV));
	T(o2(AT_FDCWD, "/etc/passwd", O_RDONLY, 0, RESOLVE_NO_XDEV));
	T(o2(AT_FDCWD, "d/magic", O_RDONLY, 0, RESOLVE_NO_XDEV));
	close(dir);
}

static void unnamed(const char *where)
{
	struct stat st;
	char path[64], text[20] = "";
	int fd = open(where, O_TMPFILE | O_RDWR, 0640), fd2;
	SAY("opened: %d\n", fd >= 0);
	T(write(fd, "unnamed", 7));
	fstat(fd, &st);
	SAY("links %d mode %o size %ld\n", (int)st.st_nlink, st.st_mode, (long)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	T(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	fstat(fd, &st);
	SAY("links %d\n", (int)st.st_nlink);
	fd2 = open("named", O_RDONLY);
	T(read(fd2, text, 20));
	SAY("%s\n", text);
	close(fd2);
	T(unlink("named"));
	T(linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
	close(fd);
	fd = open(where, O_TMPFILE | O_RDWR, 0600);
	T(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	close(fd);
	T(unlink("named"));
	fd = open(where, O_TMPFILE | O_WRONLY | O_EXCL, 0600);
	T(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
	close(fd);
	T(open(where, O_TMPFILE | O_RDONLY, 0600));
	T(open(where, O_TMPFILE | O_RDWR | O_CREAT, 0600));
	T(open("outside", O_TMPFILE | O_RDWR, 0600));
	T(open("none", O_TMPFILE | O_RDWR, 0600));
	T(open("/proc", O_TMPFILE | O_RDWR, 0600));
	mkdir("ro", 0555);
}

static void ls(const char *what)
{
	static const char *const names[] = { "x/a", "x/b", "y/a", "y/b", "x/a/in", "y/b/in" };
	SAY("%s:", what);
	for (unsigned i = 0; i < 6; i++) {
		struct stat st;
		if (!lstat(names[i], &st))
			SAY(" %s=%c", names[i], S_ISDIR(st.st_mode) ? 'd' : S_ISLNK(st.st_mode) ? 'l' : '0' + (int)st.st_size);
	}
	struct stat x, y;
	stat("x", &x), stat("y", &y);
	SAY(" links %d %d\n", (int)x.st_nlink, (int)y.st_nlink);
}
#define EX(a, b) T(syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2))

static void exchange(void)
{
	struct stat a, b;
	mkdir("x", 0755), mkdir("y", 0755), mkdir("x/a", 0755);
	close(open("x/a/in", O_CREAT | O_WRONLY, 0644));
	int fd = open("y/b", O_CREAT | O_WRONLY, 0644);
	write(fd, "12345", 5);
	close(fd);
	ls("before");
	EX("x/a", "y/b");
	ls("exchanged");
	EX("x/a", "y/b");
	ls("back");
	symlink("t", "x/b");
	EX("x/b", "x/a");
	ls("link and directory");
	EX("x/b", "x/a");
	mkdir("y/a", 0755);
	EX("x/a", "y/a");
	ls("directories");
	chdir("y/a");
	stat("..", &a), stat("../../y", &b);
	SAY("parent right: %d\n", a.st_ino == b.st_ino);
	chdir("../..");
	EX("x/a", "none");
	EX("none", "x/a");
	EX("x", "x/a");
	EX("x/a", "x");
	EX("x/a", "x/a");
	T(syscall(SYS_renameat2, AT_FDCWD, "x/a", AT_FDCWD, "y/a", 3));
	T(syscall(SYS_renameat2, AT_FDCWD, "x/a", AT_FDCWD, "y/a", 16));
	T(syscall(SYS_renameat2, AT_FDCWD, "x/b", AT_FDCWD, "y/b", 1));
	EX("x/b/", "y/b");
	EX("x/b", "y/b/");
	EX("x/a/", "y/b");
	EX("y/b", "x/a");
	T(syscall(SYS_renameat2, AT_FDCWD, "x/a", AT_FDCWD, "/dev/shm/x", 2));
	T(rmdir("x/a"));
	ls("end");
}

static void rwf(void)
{
	char text[64] = "";
	struct iovec v = { "abc", 3 }, r = { text, 10 };
	int fd = open("rwf", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2];
	T(pwritev2(fd, &v, 1, 0, 0));
	T(pwritev2(fd, &v, 1, 0, RWF_APPEND));
	T(pwritev2(fd, &v, 1, -1, RWF_APPEND));
	T(lseek(fd, 0, SEEK_CUR));
	T(pwritev2(fd, &v, 1, 1, RWF_DSYNC));
	T(pwritev2(fd, &v, 1, 20, RWF_SYNC | RWF_HIPRI));
	T(preadv2(fd, &r, 1, 0, RWF_NOWAIT));
	SAY("%.10s\n", text);
	T(preadv2(fd, &r, 1, -1, RWF_HIPRI));
	T(preadv2(fd, &r, 1, 1000, RWF_NOWAIT));
	T(preadv2(fd, &r, 1, -2, 0));
	T(preadv2(fd, &r, 1, 0, 1 << 20));
	T(preadv2(fd, &r, 0, 0, 1 << 20));
	T(preadv2(99, &r, 1, 0, 1 << 20));
	T(preadv2(fd, &r, 2000, 0, 0));
	T(pwritev2(fd, (void *)16, 1, 0, 0));
	pipe(p);
	T(preadv2(p[0], &r, 1, 0, 0));
	T(pwritev2(p[1], &v, 1, -1, 0));
	T(preadv2(p[0], &r, 1, -1, 0));
	close(fd);
}

int main(void)
{
	umask(022);
	resolve();
	unnamed(".");
	exchange();
	rwf();
	SAY("--- in memory\n");
	char memory[] = "/dev/shm/open2.XXXXXX", command[64];
	if (!mkdtemp(memory) || chdir(memory))
		return 1;
	close(open("outside", O_CREAT | O_WRONLY, 0644));
	unnamed("/dev/shm");
	exchange();
	rwf();
	chdir("/");
	snprintf(command, sizeof(command), "rm -r %s", memory);
	return system(command);
}
