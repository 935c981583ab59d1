/* mount and umount2: new file systems, bind, move, remount, lazy unmounting; what the flags forbid. Root only. */
#include "t.h"
#include <sys/mount.h>
#include <sys/statfs.h>
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif

static char text[200];

static void put(const char *name, const char *what)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd < 0)
		SAY("%s: %s\n", name, strerror(errno));
	write(fd, what, strlen(what));
	close(fd);
}
static void get(const char *name)
{
	int fd = open(name, O_RDONLY);
	if (fd < 0) {
		SAY("%s: %s\n", name, strerror(errno));
		return;
	}
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	SAY("%s: %s\n", name, text);
	close(fd);
}
/* The lines of /proc/mounts for places below here, without the source. */
static void table(const char *what)
{
	char cwd[200], line[600], place[400], type[40], options[200];
	FILE *f = fopen("/proc/mounts", "r");
	getcwd(cwd, sizeof(cwd));
	SAY("%s:", what);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %399s %39s %199s", place, type, options) == 3 && !strncmp(place, cwd, strlen(cwd)))
			SAY(" %s(%s%s)", place + strlen(cwd), type, strstr(options, "ro,") == options ? ",ro" : "");
	SAY("\n");
	fclose(f);
}

int main(void)
{
	struct stat a, b;
	int fd;

	umask(022);
	unshare(CLONE_NEWNS);		/* where there is such: nobody else's come and go beside ours */
	/* a place of our own: propagation off, and nothing of what is below belongs to the system */
	mkdir("m", 0755);
	T(mount("tmpfs", "m", "tmpfs", 0, "size=1m,mode=755"));
	T(mount(NULL, "m", NULL, MS_PRIVATE, NULL));
	chdir("m");
	mkdir("a", 0755), mkdir("b", 0755), mkdir("c", 0755), put("file", "file below"), put("f2", "f2");
	T(mount("x", "a", "tmpfs", 0, NULL));
	put("a/in", "in a");
	mkdir("a/sub", 0755);
	put("a/sub/deep", "deep");
	table("one");
	T(mount("a", "b", NULL, MS_BIND, NULL));
	get("b/in");
	put("b/both", "both");
	get("a/both");
	stat("a/in", &a), stat("b/in", &b);
	SAY("same file %d\n", a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	T(rename("a/in", "b/in2"));
	T(link("a/in", "b/in2"));
	T(mount("a/sub", "c", NULL, MS_BIND, NULL));
	get("c/deep");
	table("binds");
	T(chdir("c"));
	SAY("cwd ends as %s\n", strrchr(getcwd(text, sizeof(text)), '/'));
	T(umount("../c"));
	T(chdir(".."));
	get("file");
	T(mount("f2", "file", NULL, MS_BIND, NULL));
	get("file");
	T(unlink("file"));
	T(umount("file"));
	get("file");
	T(mount("a", "file", NULL, MS_BIND, NULL));
	T(mount("f2", "a", NULL, MS_BIND, NULL));
	T(mount("none", "c", NULL, MS_BIND, NULL));
	T(mount("", "c", NULL, MS_BIND, NULL));
	/* busy and lazy */
	fd = open("a/in", O_RDONLY);
	T(umount2("a", 0));
	T(umount2("a", MNT_DETACH));
	T(read(fd, text, 4));
	get("a/in");
	get("b/in");
	T(umount("b"));
	T(umount("c"));
	T(pread(fd, text, 4, 0));
	T(close(fd));
	table("lazy");
	T(umount("a"));
	/* recursive */
	T(mount("x", "a", "tmpfs", 0, NULL));
	mkdir("a/inner", 0755);
	T(mount("y", "a/inner", "tmpfs", 0, NULL));
	put("a/inner/f", "inner");
	T(mount("a", "b", NULL, MS_BIND, NULL));
	get("b/inner/f");
	T(umount("b"));
	T(mount("a", "b", NULL, MS_BIND | MS_REC, NULL));
	get("b/inner/f");
	table("recursive");
	T(umount("a"));
	T(umount2("a", MNT_DETACH));
	get("b/inner/f");
	table("after");
	/* move */
	T(mount("b", "c", NULL, MS_MOVE, NULL));
	get("c/inner/f");
	table("moved");
	T(mount("c", "c/inner", NULL, MS_MOVE, NULL));
	T(mount("a", "b", NULL, MS_MOVE, NULL));
	T(rmdir("c"));
	T(rename("c", "d"));
	/* stacked */
	T(mount("z", "c", "tmpfs", 0, NULL));
	put("c/top", "top");
	get("c/inner/f");
	T(umount("c"));
	get("c/inner/f");
	/* expire */
	T(umount2("c/inner", 4 | 2));
	T(umount2("c/inner", 4));
	T(umount2("c/inner", 4));
	T(umount2("c", MNT_DETACH));
	T(umount2("c", 0));
	T(umount2("c", 64));
	T(umount2("none", 0));
	/* flags */
	T(mount("x", "a", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, NULL));
	put("a/prog", "#!/bin/sh\nexit 7\n");
	CHILD("noexec", execl("a/prog", "prog", (char *)0); SAY("%s\n", strerror(errno)));
	fd = open("a/prog", O_RDONLY);
	T(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	T(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	close(fd);
	T(mknod("a/null", S_IFCHR | 0666, 0x103));
	T(open("a/null", O_RDONLY));
	T(access("a/prog", X_OK));
	munmap(p, PAGE);
	T(mount(NULL, "a", NULL, MS_REMOUNT, NULL));
	CHILD("exec", execl("a/prog", "prog", (char *)0));
	/* read-only */
	fd = open("a/prog", O_RDWR);
	T(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	close(fd);
	T(mount(NULL, "a", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	table("ro");
	T(open("a/new", O_WRONLY | O_CREAT, 0644));
	T(open("a/prog", O_WRONLY));
	T(open("a/prog", O_RDONLY) >= 0);
	T(mkdir("a/dir", 0755));
	T(unlink("a/prog"));
	T(chmod("a/prog", 0600));
	T(rename("a/prog", "a/p2"));
	T(access("a/prog", W_OK));
	T(utimensat(AT_FDCWD, "a/prog", NULL, 0));
	T(truncate("a/prog", 0));
	T(mount(NULL, "a/dir", NULL, MS_REMOUNT, NULL));
	T(mount(NULL, "b", NULL, MS_REMOUNT, NULL));
	T(umount2("a", MNT_DETACH));
	/* errors */
	T(mount("x", "a", "nothing", 0, NULL));
	T(mount("x", "none", "tmpfs", 0, NULL));
	T(mount("x", "file", "tmpfs", 0, NULL));
	T(mount("x", "a", NULL, 0, NULL));
	T(mount("x", "a", "tmpfs", 0, "nonsense=1"));
	T(mount((char *)16, "a", "tmpfs", 0, NULL));
	T(mount("x", (char *)16, "tmpfs", 0, NULL));
	T(mount("x", "a", (char *)16, 0, NULL));
	T(mount("/dev/null", "a", "ext2", 0, NULL) == -1);
	CHILD("user", setuid(1000); T(mount("x", "a", "tmpfs", 0, NULL)); T(umount("a")); T(umount2("a", 64)));
	chdir("..");
	T(umount("m"));
	T(rmdir("m"));
	return 0;
}
