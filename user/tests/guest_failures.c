/*
 * Fault injection: for each operation of a list the first, the second, the third... allocation, user access, or request to the disk fails (/proc/fail),
 * until the operation goes through without one that could. Each time: it says so by an error or a short count, or succeeds all the same; the bytes of
 * the files are old or new ones, new ones if it succeeded; in the end nothing is lost, and no lock is left (the next turn would wait for it).
 *
 * usage: guest_failures alloc|access|io [NAME]     in a directory of an ext2; a line for each operation. exec, which has hundreds, only if named
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define SIZE (16 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define MOST 3000

static const char *what = "start";
static long nth;
static int f, g, direct;
static char *lent, *shared;		/* private memory, all 'l'; f, mapped */
static char old[SIZE], now[SIZE];

#define MUST(condition) do { if (!(condition)) { \
	printf("FAIL %s %s %ld: line %d: %s (%s)\n", kind, what, nth, __LINE__, #condition, strerror(errno)); fflush(stdout); _exit(9); } } while (0)
#include "fail.h"

/* --- the operations, each in a process of its own: 0, or 1 if it failed or did a part --- */

static char *fresh(long size) { return mmap(NULL, (size_t)size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static int whole(long got, long want) { return got != want; }

static int do_write(void)
{
	static char from[3 * PAGE];

	memset(from, 'w', sizeof(from));
	return whole(pwrite(f, from, sizeof(from), PAGE + 300), sizeof(from));
}
static int do_lend(void) { return whole(pwrite(f, lent, SIZE, 0), SIZE); }

static int do_writev(void)
{
	struct iovec iov[3] = { { lent + 100, 5000 }, { lent + 9000, 3000 }, { lent + 20000, 4288 } };

	return whole(pwritev(f, iov, 3, 2 * PAGE), 12288);
}

static int read_into(int fd, char *to, long n, long at)
{
	long got = to == MAP_FAILED ? -1 : pread(fd, to, (size_t)n, at);

	for (long i = 0; i < got; i++)
		MUST(to[i] == 'o');
	return whole(got, n);
}
static int do_read_fresh(void) { return read_into(f, fresh(SIZE), SIZE, 0); }
static int do_read(void)
{
	static char to[3 * PAGE];

	return read_into(f, to, sizeof(to), 777);
}
static int do_direct_read(void) { return read_into(direct, fresh(SIZE), SIZE, 0); }

static int do_direct_write(void)
{
	char *from = fresh(4 * PAGE);

	if (from == MAP_FAILED)
		return 1;
	memset(from, 'd', 4 * PAGE);
	return whole(pwrite(direct, from, 4 * PAGE, 4 * PAGE), 4 * PAGE);
}

static int do_store(void)
{
	for (int i = 0; i < SIZE; i += PAGE / 2)
		*(volatile char *)(shared + i) = 's';
	return 0;
}

static int do_load(void)
{
	char *map = mmap(NULL, SIZE, RW, MAP_PRIVATE, f, 0);

	if (map == MAP_FAILED)
		return 1;
	for (int i = 0; i < SIZE; i += PAGE) {
		MUST(((volatile char *)map)[i] == 'o');
		((volatile char *)map)[i] = 'p';
	}
	return 0;
}

static int do_truncate(void) { return ftruncate(f, 5000) || ftruncate(f, SIZE); }
static int do_punch(void) { return fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 3 * PAGE) != 0; }

static int do_copy(void)
{
	off_t from = 0, to = 2 * PAGE;

	return whole(copy_file_range(g, &from, f, &to, 4 * PAGE, 0), 4 * PAGE);
}

static int do_sendfile(void)
{
	off_t from = 100;

	return lseek(f, 3000, SEEK_SET) != 3000 || whole(sendfile(f, g, &from, 3 * PAGE), 3 * PAGE);
}

static int do_splice(void)
{
	off_t from = 0, to = PAGE;
	int ends[2];

	return pipe(ends) || whole(splice(g, &from, ends[1], NULL, 4 * PAGE, 0), 4 * PAGE) || whole(splice(ends[0], NULL, f, &to, 4 * PAGE, 0), 4 * PAGE);
}

static int do_vmsplice(void)
{
	struct iovec iov = { lent, 4 * PAGE };
	static char to[4 * PAGE];
	int ends[2];

	if (pipe(ends) || whole(vmsplice(ends[1], &iov, 1, 0), sizeof(to)) || whole(read(ends[0], to, sizeof(to)), sizeof(to)))
		return 1;
	MUST(!memcmp(to, lent, sizeof(to)));
	return 0;
}

static int do_remote(void)
{
	char *to = fresh(2 * PAGE);
	struct iovec a = { lent + 50, 5000 }, b = { to + 7, 5000 };

	return to == MAP_FAILED || whole(process_vm_writev(getpid(), &a, 1, &b, 1, 0), 5000) || whole(process_vm_readv(getpid(), &a, 1, &b, 1, 0), 5000);
}

static int do_fork(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		lent[0] = 'c';
		_exit(0);
	}
	return pid < 0 || waitpid(pid, &status, 0) != pid || status;
}

static int do_memory(void)
{
	char *at = fresh(8 * PAGE), *to;

	if (at == MAP_FAILED)
		return 1;
	memset(at, 1, 8 * PAGE);
	if (mprotect(at + PAGE, PAGE, PROT_READ) || munmap(at + 3 * PAGE, PAGE))
		return 1;
	to = mremap(at + 4 * PAGE, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	if (to == MAP_FAILED)
		return 1;
	for (int i = 0; i < 4 * PAGE; i++)
		MUST(to[i] == 1);
	return madvise(to, 4 * PAGE, MADV_PAGEOUT) || to[0] != 1;
}

static int remove_names(void)
{
	int error = unlink("d/b") | unlink("d/c") | unlink("e");

	unlink("d/a");
	return error | rmdir("d");
}

static int do_names(void)
{
	struct stat st;

	return mkdir("d", 0700) || mknod("d/a", S_IFREG | 0600, 0) || link("d/a", "d/b") || symlink("b", "d/c") || stat("d/c", &st) || rename("d/a", "e") || remove_names();
}

static int do_sync(void)
{
	return whole(pwrite(f, lent, 2 * PAGE, 0), 2 * PAGE) || fsync(f);
}

static int do_message(void)
{
	static char to[3000];
	int pair[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || whole(write(pair[0], lent, sizeof(to)), sizeof(to)) || whole(read(pair[1], to, sizeof(to)), sizeof(to));
}

static int do_segment(void)
{
	int id = shmget(IPC_PRIVATE, 3 * PAGE, 0600), failed;
	char *p = id < 0 ? (void *)-1 : shmat(id, NULL, 0), *q = id < 0 ? (void *)-1 : shmat(id, NULL, SHM_RDONLY);

	failed = id < 0 || p == (void *)-1 || q == (void *)-1;
	if (!failed) {
		p[0] = p[PAGE] = 's';
		failed = mprotect(p + PAGE, PAGE, PROT_READ) || q[PAGE] != 's' || whole(pwrite(f, p, 1, 0), 1);
	}
	return shmctl(id, IPC_RMID, NULL) || failed;
}

#include "failures_tables.h"

static int do_exec(void)
{
	execl("/bin/true", "true", NULL);
	return 1;
}

static const struct operation {
	const char *name;
	int (*run)(void);
	char letter;			/* what it writes to f, in [from, to); `some`: not everywhere there */
	int from, to, some;
} operations[] = {
	{ "write", do_write, 'w', PAGE + 300, 4 * PAGE + 300, 0 }, { "lend", do_lend, 'l', 0, SIZE, 0 }, { "writev", do_writev, 'l', 2 * PAGE, 2 * PAGE + 12288, 0 },
	{ "read_fresh", do_read_fresh, 0, 0, 0, 0 }, { "read", do_read, 0, 0, 0, 0 }, { "direct_read", do_direct_read, 0, 0, 0, 0 },
	{ "direct_write", do_direct_write, 'd', 4 * PAGE, 8 * PAGE, 0 }, { "store", do_store, 's', 0, SIZE, 1 }, { "load", do_load, 0, 0, 0, 0 },
	{ "truncate", do_truncate, 0, 5000, SIZE, 0 }, { "punch", do_punch, 0, 1000, 1000 + 3 * PAGE, 0 }, { "copy", do_copy, 'g', 2 * PAGE, 6 * PAGE, 0 },
	{ "sendfile", do_sendfile, 'g', 3000, 3000 + 3 * PAGE, 0 }, { "splice", do_splice, 'g', PAGE, 5 * PAGE, 0 }, { "vmsplice", do_vmsplice, 0, 0, 0, 0 },
	{ "remote", do_remote, 0, 0, 0, 0 }, { "fork", do_fork, 0, 0, 0, 0 }, { "memory", do_memory, 0, 0, 0, 0 }, { "names", do_names, 0, 0, 0, 0 },
	{ "sync", do_sync, 'l', 0, 2 * PAGE, 0 }, { "message", do_message, 0, 0, 0, 0 },
	{ "segment", do_segment, 's', 0, 1, 0 }, { "table_store", do_table_store, 0, 0, 0, 0 }, { "table_unmap", do_table_unmap, 0, 0, 0, 0 },
	{ "table_protect", do_table_protect, 0, 0, 0, 0 }, { "table_move", do_table_move, 0, 0, 0, 0 }, { "table_forget", do_table_forget, 0, 0, 0, 0 },
	{ "table_fork", do_table_fork, 0, 0, 0, 0 }, { "table_read", do_table_read, 0, 0, 0, 0 }, { "table_given", do_table_given, 0, 0, 0, 0 },
	{ "exec", do_exec, 0, 0, 0, 0 },
};

/* --- one failure --- */

static void prepare(const struct operation *o)
{
	MUST(pwrite(f, old, SIZE, 0) == SIZE && ftruncate(f, SIZE) == 0);
	if (!strcmp(kind, "io") || nth & 1)	/* every other time the pages are not there */
		drop_caches(1);
	if (o->run == do_table_given)
		read_two(1);
}

static void check(const struct operation *o, int ok)
{
	remove_names();
	MUST(access("d", F_OK) && access("e", F_OK));
	MUST(lseek(f, 0, SEEK_END) == SIZE || (!ok && o->run == do_truncate && ftruncate(f, SIZE) == 0));
	MUST(pread(f, now, SIZE, 0) == SIZE);
	for (int i = 0; i < SIZE; i++) {
		int mine = i >= o->from && i < o->to;
		if (!(now[i] == 'o' && !(mine && ok && !o->some)) && !(mine && now[i] == o->letter)) {
			printf("byte %d of f is %02x, the operation %s\n", i, (unsigned char)now[i], ok ? "succeeded" : "failed");
			MUST(!"what f holds");
		}
	}
	for (int i = 0; i < SIZE; i++)
		MUST(lent[i] == 'l');
	MUST(pread(g, now, SIZE, 0) == SIZE);
	for (int i = 0; i < SIZE; i++)
		MUST(now[i] == 'g');
	if (!strncmp(o->name, "table", 5))
		look_at_wide(0, 0);
}

/* The operation with its nth one failing. False: it had not so many. */
static int once(const struct operation *o, long *failed)
{
	int status, fired;
	pid_t pid;

	prepare(o);
	pid = fork();
	MUST(pid >= 0);
	if (!pid) {
		arm(nth, 0, false);
		_exit(o->run());
	}
	MUST(waitpid(pid, &status, 0) == pid);
	fired = !left();
	arm(0, 0, false);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 9)
		_exit(9);
	/* Who touches memory that is not there, or cannot be read, dies. */
	MUST(!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGBUS || (WTERMSIG(status) == SIGSEGV && o->run == do_exec));
	MUST(fired || status == 0);
	*failed += status != 0;
	check(o, status == 0);
	return fired;
}

static long free_kb(void)
{
	char *text;

	drop_caches(1);
	drop_caches(1);
	text = contents("/proc/meminfo");
	MUST(text && (text = strstr(text, "MemFree:")));
	return atol(text + 8);
}

static void all_failures(const struct operation *o)
{
	long failed = 0, fired = 0, last = 0;

	what = o->name;
	for (nth = 1; nth < MOST && nth - last <= 2; nth++)	/* once with the pages cached, once without */
		if (once(o, &failed)) {
			last = nth;
			fired++;
		}
	MUST(nth < MOST);
	look_at_owners();
	printf("%s: %ld failures of %s, %ld seen by the program\n", o->name, fired, kind, failed);
}

int main(int argc, char **argv)
{
	long before, lost;

	if (argc < 2)
		return 2;
	kind = argv[1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	fail_open();
	f = open("failures.f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	g = open("failures.g", O_RDWR | O_CREAT | O_TRUNC, 0600);
	direct = open("failures.f", O_RDWR | O_DIRECT);
	if (direct < 0)
		direct = f;
	lent = fresh(SIZE);
	memset(lent, 'l', SIZE);
	memset(old, 'o', SIZE);
	memset(now, 'g', SIZE);
	MUST(f >= 0 && pwrite(g, now, SIZE, 0) == SIZE && pwrite(f, old, SIZE, 0) == SIZE);
	shared = mmap(NULL, SIZE, RW, MAP_SHARED, f, 0);
	MUST(shared != MAP_FAILED);
	prepare_tables();
	before = free_kb();
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++)
		if (argc < 3 ? operations[i].run != do_exec : !strcmp(argv[2], operations[i].name))
			all_failures(&operations[i]);
	what = "end";
	lost = before - free_kb();
	if (lost > 600)
		printf("%ld KiB are gone\n", lost);
	MUST(lost <= 600);
	return 0;
}
