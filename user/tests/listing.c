/*
 * Reading a directory in many small pieces while entries go away, also the one that was read last: whatever stays all the time is seen
 * exactly once. Two readers at different places do not disturb each other; a position that was remembered is found again.
 */
#include "t.h"

#define FILES 600

struct entry {
	unsigned long ino;
	long off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static char alive[FILES];
static int seen[FILES];

static void name_of(char *name, int i) { sprintf(name, "l/entry%04d", i); }

static void make(int i)
{
	char name[32];

	name_of(name, i);
	close(open(name, O_CREAT | O_WRONLY, 0600));
	alive[i] = 1;
}

static void drop(int i)
{
	char name[32];

	if (!alive[i])
		return;
	name_of(name, i);
	if (unlink(name))
		SAY("unlink of %d: %s\n", i, strerror(errno));
	alive[i] = 0;
}

/* One call with a small buffer: counts what it finds; the last one's number (-1: none) and position. Bytes. */
static long piece(int fd, int *last, long *off)
{
	char buf[200] __attribute__((aligned(8)));
	long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));

	*last = -1;
	for (long at = 0; at < n; ) {
		struct entry *e = (struct entry *)(buf + at);
		if (e->name[0] != '.') {
			*last = atoi(e->name + 5);
			seen[*last]++;
		}
		*off = e->off;
		at += e->len;
	}
	return n;
}

static void check(const char *what)
{
	int twice = 0, missed = 0;	/* how many live depends on the order of the entries */

	for (int i = 0; i < FILES; i++) {
		twice += seen[i] > 1;
		missed += alive[i] && !seen[i];
		seen[i] = 0;
	}
	SAY("%s: %d missed, %d seen twice\n", what, missed, twice);
}

static void read_all(int fd, void (*between)(int last))
{
	int last;
	long off, n;

	lseek(fd, 0, SEEK_SET);
	while ((n = piece(fd, &last, &off)) > 0)
		if (between)
			between(last);
	if (n < 0)
		SAY("getdents64: %s\n", strerror(errno));
}

static void drop_last(int last)
{
	if (last >= 0)
		drop(last);
}

static void drop_around(int last)
{
	for (int i = last - 3; last >= 0 && i <= last + 1; i++)
		if (i >= 0 && i < FILES && i % 5 == 0)
			drop(i);
}

static int other;
static void read_other(int last)
{
	int theirs;
	long off;

	if (!other)
		return;
	if (piece(other, &theirs, &off) <= 0) {
		close(other);
		other = 0;
	}
	drop_last(last % 7 ? -1 : last);
}

int main(void)
{
	int fd, last, again;
	long off, end;

	T(mkdir("l", 0700));
	for (int i = 0; i < FILES; i++)
		make(i);
	fd = open("l", O_RDONLY | O_DIRECTORY);
	read_all(fd, NULL);
	check("nothing happens");
	read_all(fd, drop_last);
	check("the last one goes");
	read_all(fd, drop_around);
	check("others go");
	other = open("l", O_RDONLY | O_DIRECTORY);
	read_all(fd, read_other);
	for (int i = 0; i < FILES; i++)
		seen[i] = seen[i] > 1 && seen[i] < 3;
	check("two readers");

	/* A position: the entry behind it is the same whenever it is asked for; also from another file. */
	lseek(fd, 0, SEEK_SET);
	for (int i = 0; i < 5; i++)
		piece(fd, &last, &off);
	piece(fd, &last, &end);
	lseek(fd, off, SEEK_SET);
	piece(fd, &again, &end);
	SAY("the same behind a position: %d\n", last == again);
	other = open("l", O_RDONLY | O_DIRECTORY);
	lseek(other, off, SEEK_SET);
	piece(other, &again, &end);
	SAY("also from another file: %d\n", last == again);
	close(other);
	for (int i = 0; i < FILES; i++)
		seen[i] = 0;

	/* All goes away under the reader (who may have read some of it ahead), and what is made anew is there when he begins again. */
	lseek(fd, 0, SEEK_SET);
	piece(fd, &last, &off);
	for (int i = 0; i < FILES; i++)
		drop(i);
	while (piece(fd, &last, &off) > 0)
		;
	for (int i = 0; i < 40; i++)
		make(i);
	for (int i = 0; i < FILES; i++)
		seen[i] = 0;
	read_all(fd, NULL);
	check("made anew");
	for (int i = 0; i < FILES; i++)
		drop(i);
	T(rmdir("l"));
	SAY("a removed directory: %ld\n", syscall(SYS_getdents64, fd, &off, 8L) < 0 ? (long)errno : 0L);
	close(fd);
	return 0;
}
