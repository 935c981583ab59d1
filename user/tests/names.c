/*
 * Every call that takes a name, with every kind of name: each combination is made anew in a directory of its own, and what
 * comes back is printed. Also with descriptors of every kind where a directory is wanted.
 */
#include "t.h"
#include <ftw.h>
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <utime.h>

static char longname[300], longpath[5000];
static int count;

static const char *const names[] = {
	"file", "file/", "file/.", "file/x", "dir", "dir/", "dir/.", "dir/..", "full", "full/", "none", "none/", "none/x", "link", "link/", "dirlink", "dirlink/", "dirlink/.",
	"dangling", "dangling/", "loop", "loop/x", "", ".", "..", "/", "//", "./file", "dir/../file", "fifo", "fifo/", longname, longpath, (char *)16, "full/in", "dirlink/../none",
	"noexec/in", "tolong", "self/../file",
};
#define NAMES (int)(sizeof(names) / sizeof(*names))

static void setup(const char *name)
{
	mkdir(name, 0755);
	chdir(name);
	close(open("file", O_CREAT | O_WRONLY, 0644));
	mkdir("dir", 0755), mkdir("full", 0755), mkdir("noexec", 0644);
	close(open("full/in", O_CREAT | O_WRONLY, 0644)), close(open("noexec/in", O_CREAT | O_WRONLY, 0644));
	symlink("file", "link"), symlink("dir", "dirlink"), symlink("nowhere", "dangling"), symlink("loop", "loop"), symlink(longname, "tolong"), symlink(".", "self");
	mkfifo("fifo", 0644);
}

static const char *label(const char *name)
{
	return name == longname ? "(long name)" : name == longpath ? "(long path)" : name == (char *)16 ? "(bad pointer)" : name;
}

static char text[300], *word;
static struct stat st;
static struct statfs sf;

enum { OPEN_R, OPEN_W, OPEN_RW_CREAT, OPEN_EXCL, OPEN_TRUNC, OPEN_DIR, OPEN_PATH, OPEN_NOFOLLOW, OPEN_PATH_NF, OPEN_CREAT_NF, STAT, LSTAT, ACCESS, FACCESS_NF, READLINK, MKDIR, RMDIR, UNLINK, UNLINKAT_DIR, LINK_FROM, LINK_FROM_FOLLOW,
	LINK_TO, SYMLINK, MKNOD, MKFIFO, RENAME_FROM, RENAME_TO, RENAME_DIR_TO, RENAME_NOREP, CHMOD, CHOWN, LCHOWN, TRUNCATE, UTIME, UTIME_NF, CHDIR, STATFS, GETXATTR, EXEC, STATX, CALLS };
static const char *const calls[] = { "open r", "open w", "open creat", "open excl", "open trunc", "open directory", "open path", "open nofollow", "open path nofollow", "open creat nofollow", "stat", "lstat", "access", "faccessat nofollow", "readlink",
	"mkdir", "rmdir", "unlink", "unlinkat dir", "link from", "link from follow", "link to", "symlink", "mknod", "mkfifo", "rename from", "rename to", "rename dir to", "rename noreplace", "chmod", "chown", "lchown", "truncate", "utime", "utime nofollow", "chdir", "statfs", "getxattr", "exec", "statx" };

static long call(int c, int at, const char *n)
{
	switch (c) {
	case OPEN_R: return openat(at, n, O_RDONLY | O_NONBLOCK);
	case OPEN_W: return openat(at, n, O_WRONLY | O_NONBLOCK);
	case OPEN_RW_CREAT: return openat(at, n, O_RDWR | O_CREAT | O_NONBLOCK, 0644);
	case OPEN_EXCL: return openat(at, n, O_RDWR | O_CREAT | O_EXCL, 0644);
	case OPEN_TRUNC: return openat(at, n, O_RDONLY | O_TRUNC | O_NONBLOCK);
	case OPEN_DIR: return openat(at, n, O_RDONLY | O_DIRECTORY);
	case OPEN_PATH: return openat(at, n, O_PATH);
	case OPEN_NOFOLLOW: return openat(at, n, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	case OPEN_PATH_NF: return openat(at, n, O_PATH | O_NOFOLLOW);
	case OPEN_CREAT_NF: return openat(at, n, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
	case STAT: return fstatat(at, n, &st, 0);
	case LSTAT: return fstatat(at, n, &st, AT_SYMLINK_NOFOLLOW);
	case ACCESS: return syscall(SYS_faccessat, at, n, R_OK);
	case FACCESS_NF: return syscall(439, at, n, X_OK, AT_SYMLINK_NOFOLLOW);
	case READLINK: return readlinkat(at, n, text, sizeof(text));
	case MKDIR: return mkdirat(at, n, 0755);
	case RMDIR: return at == AT_FDCWD ? rmdir(n) : unlinkat(at, n, AT_REMOVEDIR);
	case UNLINK: return unlinkat(at, n, 0);
	case UNLINKAT_DIR: return unlinkat(at, n, AT_REMOVEDIR);
	case LINK_FROM: return linkat(at, n, AT_FDCWD, "new", 0);
	case LINK_FROM_FOLLOW: return linkat(at, n, AT_FDCWD, "new", AT_SYMLINK_FOLLOW);
	case LINK_TO: return linkat(AT_FDCWD, "file", at, n, 0);
	case SYMLINK: return symlinkat("target", at, n);
	case MKNOD: return mknodat(at, n, S_IFREG | 0644, 0);
	case MKFIFO: return mknodat(at, n, S_IFIFO | 0644, 0);
	case RENAME_FROM: return renameat(at, n, AT_FDCWD, "new");
	case RENAME_TO: return renameat(AT_FDCWD, "file", at, n);
	case RENAME_DIR_TO: return renameat(AT_FDCWD, "full", at, n);
	case RENAME_NOREP: return syscall(SYS_renameat2, AT_FDCWD, "file", at, n, 1);
	case CHMOD: return syscall(SYS_fchmodat, at, n, 0755);
	case CHOWN: return fchownat(at, n, 0, 0, 0);
	case LCHOWN: return fchownat(at, n, 0, 0, AT_SYMLINK_NOFOLLOW);
	case TRUNCATE: return at == AT_FDCWD ? truncate(n, 3) : 0;
	case UTIME: return utimensat(at, n, NULL, 0);
	case UTIME_NF: return utimensat(at, n, NULL, AT_SYMLINK_NOFOLLOW);
	case CHDIR: return at == AT_FDCWD ? chdir(n) : 0;
	case STATFS: return at == AT_FDCWD ? statfs(n, &sf) : 0;
	case GETXATTR: return at == AT_FDCWD ? getxattr(n, "user.none", text, 10) : 0;
	case EXEC: return at == AT_FDCWD ? execve(n, &word, &word) : syscall(SYS_execveat, at, n, &word, &word, 0);
	case STATX: return syscall(SYS_statx, at, n, 0, 0x7ff, text);
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *w)
{
	(void)s, (void)type, (void)w;
	return remove(path);
}

/* Does it make or remove names? The others share one directory. */
static int changes(int c) { return c == OPEN_RW_CREAT || c == OPEN_EXCL || c == OPEN_CREAT_NF || (c >= MKDIR && c <= RENAME_NOREP); }

/* One call in a fresh directory, in a child: the errno, or what has become of the directory. */
static void one(int c, int at_kind, const char *n)
{
	static const char *const look[] = { "file", "dir", "full", "none", "link", "dirlink", "dangling", "nowhere", "new", "fifo", "dir/..", NULL };
	char name[20] = "shared";
	if (changes(c))
		snprintf(name, sizeof(name), "w%d", count++);
	fflush(stdout);
	pid_t p = fork();
	if (!p) {
		if (changes(c))
			setup(name);
		else
			chdir(name);
		int at = at_kind == 0 ? AT_FDCWD : at_kind == 1 ? open("dir", O_RDONLY) : at_kind == 2 ? open("file", O_RDONLY) : at_kind == 3 ? open("dir", O_PATH) : 99;
		errno = 0;
		long r = call(c, at, n);
		int e = errno;
		printf("%s %s: %s", calls[c], label(n), r < 0 ? strerror(e) : "ok");
		if (r >= 0 && c >= MKDIR && c <= RENAME_NOREP) {
			printf(" ->");
			for (int i = 0; look[i]; i++)
				if (!lstat(look[i], &st))
					printf(" %s:%o%s", look[i], st.st_mode >> 12, st.st_nlink > 1 && !S_ISDIR(st.st_mode) ? "+" : "");
		}
		printf("\n");
		fflush(stdout);
		_exit(0);
	}
	wait_for(p);
	if (changes(c))
		nftw(name, remove_one, 20, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	umask(022);
	memset(longname, 'n', 256);
	for (int i = 0; i < 4990; i++)
		longpath[i] = i % 2 ? '/' : '.';
	mkdir("n", 0755);
	chdir("n");
	setup("shared");
	chdir("..");
	for (int c = 0; c < CALLS; c++)
		for (int i = 0; i < NAMES; i++)
			if (!(c == RENAME_TO && i >= 23 && i <= 26))	/* / as a target: where the program runs differs */
				one(c, 0, names[i]);
	static const char *const at_names[] = { "x", "", "../file", "/", "." };
	for (int kind = 1; kind <= 4; kind++) {
		SAY("--- descriptor %s\n", kind == 1 ? "of a directory" : kind == 2 ? "of a file" : kind == 3 ? "O_PATH" : "none");
		for (int c = 0; c < CALLS; c++)
			for (int i = 0; i < 5; i++)
				one(c, kind, at_names[i]);
	}
	return 0;
}
