/* Regular files: open flags, offsets, append, holes, truncate, rename, unlink, links, times. */
#include "t.h"

static char buf[300000], got[300000];

static void modes(void)
{
	int fd;
	T(open("none", O_RDONLY));
	T(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0);
	T(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600));
	fd = open("new", O_RDONLY);
	T(write(fd, "x", 1));
	T(ftruncate(fd, 5));
	close(fd);
	fd = open("new", O_WRONLY);
	T(read(fd, buf, 1));
	T(write(fd, "0123456789", 10));
	T(lseek(fd, -3, SEEK_END));
	T(lseek(fd, -30, SEEK_CUR));
	T(lseek(fd, 0, 77));
	T(write(fd, "abc", 3));
	T(lseek(fd, 100, SEEK_SET));
	T(write(fd, "far", 3));
	T(lseek(fd, 0, SEEK_CUR));
	close(fd);
	fd = open("new", O_RDWR | O_APPEND);
	T(lseek(fd, 0, SEEK_SET));
	T(write(fd, "end", 3));
	T(lseek(fd, 0, SEEK_CUR));
	T(pread(fd, buf, 10, 98));
	SAY("%.8s|\n", buf + 2);
	T(pread(fd, buf, 10, -1));
	T(pwrite(fd, buf, 10, -1));
	T(read(fd, buf, 100));
	close(fd);
	T(read(fd, buf, 1));
	T(close(fd));
	T(open(".", O_RDWR));
	T(open("new/x", O_RDONLY));
	T(open("new", O_RDONLY | O_DIRECTORY));
	fd = open("new", O_RDWR | O_TRUNC);
	T(lseek(fd, 0, SEEK_END));
	T(close(fd));
	fd = open(".", O_RDONLY);
	T(read(fd, buf, 10));
	close(fd);
	T(open("", O_RDONLY));
}

static void contents(void)
{
	int fd = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct stat st;
	pattern(buf, sizeof(buf), 3);
	T(write(fd, buf, sizeof(buf)));
	T(pread(fd, got, sizeof(got), 0));
	SAY("same: %d\n", memcmp(buf, got, sizeof(buf)));
	for (int i = 0; i < 200; i++) {
		long pos = (i * 7919L) % 290000, n = 1 + (i * 104729L) % 9000;
		pattern(got, n, i);
		if (pwrite(fd, got, n, pos) != n)
			SAY("short write\n");
		if (pos + n <= (long)sizeof(buf))
			memcpy(buf + pos, got, n);
		else
			memcpy(buf + pos, got, sizeof(buf) - pos);
	}
	pread(fd, got, sizeof(got), 0);
	SAY("after 200 writes: %d %08x\n", memcmp(buf, got, sizeof(buf)), checksum(got, sizeof(got)));
	T(ftruncate(fd, 12345));
	fstat(fd, &st);
	SAY("size %ld\n", (long)st.st_size);
	T(ftruncate(fd, 20000));
	T(pread(fd, got, 30000, 0));
	SAY("cut and grown: %d %d\n", memcmp(buf, got, 12345), got[12345] | got[15000] | got[19999]);
	T(ftruncate(fd, -1));
	T(truncate("data", 100));
	T(truncate("nowhere", 100));
	T(lseek(fd, 0, SEEK_END));
	/* a sparse file */
	T(pwrite(fd, "x", 1, 50000000));
	fstat(fd, &st);
	SAY("sparse: size %ld, blocks few: %d\n", (long)st.st_size, st.st_blocks < 1000);
	T(pread(fd, got, 10, 25000000));
	SAY("hole %d\n", got[0] | got[9]);
	T(pread(fd, got, 10, 50000000));
	T(ftruncate(fd, 0));
	fstat(fd, &st);
	SAY("empty: %ld %ld\n", (long)st.st_size, (long)st.st_blocks);
	T(fsync(fd));
	close(fd);
}

static void names(void)
{
	struct stat a, b;
	char text[100];
	int fd = open("one", O_RDWR | O_CREAT, 0644);
	write(fd, "one", 3);
	T(link("one", "two"));
	T(link("one", "two"));
	T(link("missing", "x"));
	stat("one", &a);
	stat("two", &b);
	SAY("same inode %d, links %d\n", a.st_ino == b.st_ino, (int)a.st_nlink);
	T(unlink("one"));
	T(unlink("one"));
	stat("two", &a);
	SAY("links %d\n", (int)a.st_nlink);
	T(rename("two", "three"));
	T(rename("two", "four"));
	close(open("four", O_CREAT | O_WRONLY, 0644));
	T(rename("three", "four"));
	stat("four", &a);
	SAY("replaced: size %ld\n", (long)a.st_size);
	T(unlink("four"));
	T(pread(fd, text, 10, 0));		/* deleted but open */
	fstat(fd, &a);
	SAY("links %d\n", (int)a.st_nlink);
	T(write(fd, "more", 4));
	close(fd);

	T(symlink("target", "sym"));
	T(symlink("target", "sym"));
	memset(text, 0, sizeof(text));
	T(readlink("sym", text, sizeof(text)));
	SAY("%s\n", text);
	T(readlink("sym", text, 3));
	T(readlink("new", text, 3));
	T(open("sym", O_RDONLY));
	T(lstat("sym", &a));
	SAY("mode %o size %ld\n", a.st_mode & S_IFMT, (long)a.st_size);
	fd = open("sym", O_CREAT | O_WRONLY, 0644);	/* makes the target */
	SAY("through a dangling link: %d\n", fd >= 0 && !stat("target", &a));
	T(open("sym", O_CREAT | O_EXCL | O_WRONLY, 0644));
	T(open("sym", O_RDONLY | O_NOFOLLOW));
	close(fd);
	T(symlink("loop2", "loop1"));
	T(symlink("loop1", "loop2"));
	T(open("loop1", O_RDONLY));
	char longname[300];
	memset(longname, 'n', 299);
	longname[299] = 0;
	T(open(longname, O_RDONLY));
	longname[255] = 0;
	T(open(longname, O_RDONLY | O_CREAT, 0644) >= 0);
	T(unlink(longname));
	T(unlink("sym"));
	T(unlink("target"));
	T(unlink("loop1"));
	T(unlink("loop2"));
	T(unlink("."));
	T(renameat2(AT_FDCWD, "new", AT_FDCWD, "data", RENAME_NOREPLACE));
	T(renameat2(AT_FDCWD, "new", AT_FDCWD, "neu", RENAME_NOREPLACE));
	T(unlink("neu"));
}

static void times(void)
{
	struct stat a, b;
	int fd = open("data", O_RDWR);
	struct timespec ts[2] = { { 1000000000, 5 }, { 1100000000, 7 } };
	T(futimens(fd, ts));
	fstat(fd, &a);
	SAY("atime %ld mtime %ld\n", (long)a.st_atime, (long)a.st_mtime);
	fstat(fd, &a);
	usleep(20000);
	write(fd, "x", 1);
	fstat(fd, &b);
	SAY("write moves mtime %d ctime %d atime %d\n", b.st_mtime > a.st_mtime, b.st_ctim.tv_sec > a.st_ctim.tv_sec || b.st_ctim.tv_nsec != a.st_ctim.tv_nsec, b.st_atime != a.st_atime);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1].tv_nsec = UTIME_NOW;
	T(utimensat(AT_FDCWD, "data", ts, 0));
	stat("data", &b);
	SAY("omit %ld, now %d\n", (long)b.st_atime, b.st_mtime >= a.st_ctime - 1);
	ts[0].tv_nsec = 2000000000;
	T(utimensat(AT_FDCWD, "data", ts, 0));
	T(utimensat(AT_FDCWD, "missing", NULL, 0));
	T(chmod("data", 0751));
	stat("data", &a);
	SAY("mode %o\n", a.st_mode);
	umask(027);
	close(open("masked", O_CREAT | O_WRONLY, 0666));
	stat("masked", &a);
	SAY("mode %o\n", a.st_mode);
	T(unlink("masked"));
	T(access("data", R_OK | W_OK | X_OK));
	T(access("missing", F_OK));
	T(access("data", 99));
	T(unlink("data"));
}

int main(void)
{
	umask(022);
	modes();
	contents();
	names();
	times();
	return 0;
}
