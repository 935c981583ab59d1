/*
 * Permissions: what a user who is not root may do with files that are his, and with those of others. Root becomes
 * nobody first, so that the same happens wherever the test runs.
 */
#include "t.h"

#include <grp.h>
#include <sys/mount.h>
#include <utime.h>

static struct stat s;

/* Opened and closed: 0 or -1. */
static int try_open(const char *name, int flags)
{
	int fd = open(name, flags, 0600);

	return fd < 0 ? -1 : close(fd);
}

static void modes(void)
{
	T(try_open("f", O_CREAT | O_RDWR));
	T(chmod("f", 0));
	T(try_open("f", O_RDONLY));
	T(access("f", R_OK));
	T(chmod("f", 0044));			/* the owner's bits decide, not the others' */
	T(try_open("f", O_RDONLY));
	T(chmod("f", 0400));
	T(try_open("f", O_RDONLY));
	T(try_open("f", O_RDWR));
	T(try_open("f", O_RDONLY | O_TRUNC));
	T(truncate("f", 0));
	T(execl("f", "f", NULL));
	T(chmod("f", 0600));
	int fd = open("born", O_CREAT | O_RDWR, 0);	/* a mode is for later opens */
	T(write(fd, "x", 1));
	T(close(fd));
	T(try_open("born", O_RDONLY));
}

static void set_ids(void)
{
	T(chmod("f", 06755));
	T(stat("f", &s));
	SAY("mode %o\n", s.st_mode);
	int fd = open("f", O_WRONLY);
	T(write(fd, "x", 1));
	T(fstat(fd, &s));
	SAY("mode after a write %o\n", s.st_mode);
	T(close(fd));
	T(chmod("f", 04755));
	T(chown("f", -1, getgid()));
	T(stat("f", &s));
	SAY("mode after chown %o\n", s.st_mode);
	T(chmod("f", 04755));
	T(truncate("f", 0));
	T(stat("f", &s));
	SAY("mode after truncate %o\n", s.st_mode);
	T(chown("f", 0, -1));
	T(chown("f", -1, 0));
}

static void directories(void)
{
	T(mkdir("d", 0755));
	T(try_open("d/f", O_CREAT | O_RDWR));
	T(chmod("d", 0600));			/* no search */
	T(stat("d/f", &s));
	T(stat("d/none", &s));
	T(stat("d/../f", &s));
	T(chdir("d"));
	T(try_open("d", O_RDONLY));
	T(chmod("d", 0100));			/* search, no reading */
	T(stat("d/f", &s));
	T(try_open("d", O_RDONLY));
	T(chmod("d", 0500));			/* no changes */
	T(try_open("d/new", O_CREAT | O_RDWR));
	T(mkdir("d/new", 0700));
	T(symlink("x", "d/new"));
	T(link("f", "d/new"));
	T(mkfifo("d/new", 0600));
	T(unlink("d/f"));
	T(rename("d/f", "moved"));
	T(rename("f", "d/moved"));
	T(chmod("d", 0700));
	T(mkdir("e", 0));
	T(rename("e", "d/e"));			/* its ".." would change */
	T(rename("e", "e2"));
	T(rmdir("e2"));
	T(unlink("d/f"));
	T(rmdir("d"));
}

static void others(void)
{
	T(chmod("/dev/null", 0600));
	T(chown("/dev/null", getuid(), getgid()));
	T(utime("/", NULL));
	T(utime("/", &(struct utimbuf){ 1, 2 }));
	T(mkdir("/perms_new", 0755));
	T(unlink("/dev/null"));
	T(try_open("/etc/passwd", O_WRONLY));
	T(mknod("node", S_IFCHR | 0666, 0x103));
	T(chroot("."));
	T(mount("x", ".", "tmpfs", 0, NULL));
	T(umount(".."));
	T(utime("f", NULL));
	T(utime("f", &(struct utimbuf){ 1, 2 }));
	T(setuid(0));
}

int main(void)
{
	umask(022);
	T(mkdir("mine", 0777));
	T(chmod("mine", 0777));
	T(chdir("mine"));
	if (geteuid() == 0 && (setgroups(0, NULL) || chown(".", 65534, 65534) || setgid(65534) || setuid(65534)))
		return 1;
	modes();
	set_ids();
	directories();
	others();
	return 0;
}
