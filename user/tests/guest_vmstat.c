/*
 * Every counter of /proc/vmstat that a program can move: does what moves it, and prints `NAME moved` (or how much it should
 * have moved). argv[1] is a directory on a slow disk (ramdisk_latency_us=). tests/suite_observe.py knows which lines to expect.
 */
#include "t.h"
#include <pthread.h>

static char text[PAGE];

static long before;
static void start(const char *name) { before = counter(name); }
static void end(const char *name)
{
	long now = counter(name);

	if (now > before)
		SAY("%s moved\n", name);
	else
		SAY("%s STANDS at %ld\n", name, now);
}
/* Run the statement between two looks at the counter. */
#define MOVES(name, ...) do { start(name); __VA_ARGS__; end(name); } while (0)

static char *anon(size_t n) { return mmap(NULL, n, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

static int file(const char *name, size_t n)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char page[4096];

	memset(page, 'f', sizeof(page));
	for (size_t i = 0; i < n / sizeof(page); i++)
		if (write(fd, page, sizeof(page)) != sizeof(page))
			perror("write");
	fsync(fd);
	return fd;
}
static void forget(int fd)
{
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void deep(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	if (n)
		deep(n - 1);
	frame[1] = frame[0];
}

static void faults(void)
{
	volatile char *p;

	MOVES("fault_zero", p = anon(PAGE); (void)p[0]);
	MOVES("fault_anon", p = anon(PAGE); p[0] = 1);
	MOVES("pgfault", p = anon(PAGE); p[0] = 1);
	MOVES("page_alloc", p = anon(PAGE); p[0] = 1);
	MOVES("page_free", p = anon(PAGE); p[0] = 1; munmap((void *)p, PAGE));
	MOVES("table_alloc", p = anon(1 << 22); p[0] = p[1 << 21] = 1);
	MOVES("table_free", munmap((void *)p, 1 << 22));
	MOVES("fault_stack", deep(100));
	catch_faults();
	MOVES("fault_bad", touch((volatile char *)at(16), 0));
}

static void copy_on_write(void)
{
	volatile char *p = anon(PAGE);

	p[0] = 1;
	MOVES("fork_share", if (!fork()) _exit(0); wait(NULL));
	MOVES("cow_copy", if (!fork()) { p[0] = 2; _exit(0); } wait(NULL));
	MOVES("cow_reuse", if (!fork()) _exit(0); wait(NULL); p[0] = 3);
	MOVES("tlb_flush_all", if (!fork()) _exit(0); wait(NULL));
	p = anon(PAGE);
	p[0] = 1;
	MOVES("tlb_flush_page", mprotect((void *)p, PAGE, PROT_READ));
}

static void reads(int fd)
{
	char *p;

	forget(fd);
	MOVES("cache_read", pread(fd, text, 1, 0));
	forget(fd);
	MOVES("cache_readahead", pread(fd, text, 1, 0); pread(fd, text, 1, PAGE));
	MOVES("copy_fixup", p = anon(PAGE); pread(fd, p, PAGE, 0));
	MOVES("short_copy", p = anon(PAGE); pread(fd, p, PAGE, 0));
	MOVES("prefault", p = anon(PAGE); pread(fd, p + 1, PAGE - 1, 0));
	/* Who stores to all that he was lent is lent nothing any more. */
	MOVES("read_fill", p = anon(PAGE); for (int i = 0; i < 200; i++) { pread(fd, p, PAGE, 0); p[0] = 1; madvise(p, PAGE, MADV_DONTNEED); });
	p = anon(2 * PAGE);
	munmap(p + PAGE, PAGE);
	MOVES("read_faulting", pread(fd, p + PAGE - 100, 200, 0));
}

static void writes(int fd, const char *directory)
{
	char *p = anon(PAGE), name[300];

	snprintf(name, sizeof(name), "%s/new", directory);
	int fresh = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	MOVES("write_swap", memset(p, 1, PAGE); pwrite(fresh, p, PAGE, 0));
	MOVES("write_inplace", pwrite(fd, p, 10, 0));
	MOVES("cache_dirty", fsync(fd); pwrite(fd, p, 10, 0));
	MOVES("writeback", pwrite(fd, p, 10, 0); fsync(fd));
	MOVES("truncate_page", ftruncate(fresh, 0));
	close(fresh);
	unlink(name);
}

static void *sync_it(void *fd) { fsync((int)(long)fd); return NULL; }
static void *read_it(void *fd) { char c; pread((int)(long)fd, &c, 1, 0); return NULL; }

static char *volatile source;
static void *take_away(void *unused)
{
	while (source)
		madvise(source, PAGE, MADV_DONTNEED);
	return NULL;
}

/* The source of a write is taken away between fault-in and copy, until it happens at the right moment. */
static void pinned(int fd)
{
	char *p = source = anon(PAGE);
	pthread_t thread;
	time_t deadline = time(NULL) + 30;

	start("pinned_copy");
	pthread_create(&thread, NULL, take_away, NULL);
	do
		for (int i = 0; i < 1000; i++) {
			madvise(p, PAGE, MADV_DONTNEED);
			pwrite(fd, p, 1, 0);
		}
	while (counter("pinned_copy") == before && time(NULL) < deadline);
	source = NULL;
	pthread_join(thread, NULL);
	end("pinned_copy");
}

/* With a slow disk: somebody comes while a page is read or written. */
static void together(int fd)
{
	pthread_t thread;

	start("write_break");
	for (int i = 0; i < 50 && counter("write_break") == before; i++) {
		pwrite(fd, "x", 1, 0);
		pthread_create(&thread, NULL, sync_it, (void *)(long)fd);
		for (int k = 0; k < 20; k++) {
			usleep(500);
			pwrite(fd, "y", 1, 1);
		}
		pthread_join(thread, NULL);
	}
	end("write_break");
	start("page_lock_wait");
	for (int i = 0; i < 50 && counter("page_lock_wait") == before; i++) {
		forget(fd);
		pthread_create(&thread, NULL, read_it, (void *)(long)fd);
		read_it((void *)(long)fd);
		pthread_join(thread, NULL);
	}
	end("page_lock_wait");
}

static void pipes(int fd, const char *directory)
{
	char name[300];
	int p[2], to;
	loff_t at = 0;

	snprintf(name, sizeof(name), "%s/new", directory);
	to = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	pipe(p);
	pread(fd, text, PAGE, 0);
	MOVES("splice_share", splice(fd, &at, p[1], NULL, PAGE, 0));
	MOVES("splice_give", splice(p[0], NULL, to, NULL, PAGE, 0));
	MOVES("splice_copy", splice(fd, &at, p[1], NULL, 10, 0));
	close(p[0]);
	close(p[1]);
	close(to);
	unlink(name);
}

static void mapped(int fd)
{
	volatile char *p;

	forget(fd);
	p = mmap(NULL, 32 * PAGE, RW, MAP_SHARED, fd, 0);
	MOVES("pgmajfault", (void)p[0]);
	munmap((void *)p, 32 * PAGE);
	forget(fd);
	p = mmap(NULL, 32 * PAGE, RW, MAP_SHARED, fd, 0);
	MOVES("fault_retry", (void)p[0]);
	MOVES("fault_file", (void)p[20 * PAGE]);
	munmap((void *)p, 32 * PAGE);
	p = mmap(NULL, 32 * PAGE, RW, MAP_SHARED, fd, 0);
	for (int i = 0; i < 16; i++)		/* the read-ahead may be under way still */
		pread(fd, text, 1, i * PAGE);
	MOVES("fault_around", (void)p[0]);
	p[0] = 1;
	MOVES("rmap_protect", msync((void *)p, PAGE, MS_SYNC));
	MOVES("rmap_zap", ftruncate(fd, 16 * PAGE));
	munmap((void *)p, 32 * PAGE);
}

static void in_a_row(void)
{
	volatile char *p = mmap(NULL, 1024 * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MOVES("fault_ahead", for (int i = 0; i < 64; i++) p[i * PAGE] = 1);
	munmap((void *)p, 1024 * PAGE);
}

static void drop_caches(int fd)
{
	int ctl = open("/proc/sys/vm/drop_caches", O_WRONLY);

	fsync(fd);
	MOVES("reclaim_scan", read_it((void *)(long)fd); if (write(ctl, "1", 1) != 1) perror("drop_caches"));
	MOVES("reclaim_freed", read_it((void *)(long)fd); if (write(ctl, "1", 1) != 1) perror("drop_caches"));
}

int main(int argc, char **argv)
{
	char name[300];
	int fd;

	snprintf(name, sizeof(name), "%s/vmstat", argc > 1 ? argv[1] : ".");
	fd = file(name, 64 * PAGE);
	faults();
	in_a_row();
	copy_on_write();
	reads(fd);
	writes(fd, argc > 1 ? argv[1] : ".");
	pipes(fd, argc > 1 ? argv[1] : ".");
	together(fd);
	pinned(fd);
	mapped(fd);
	drop_caches(fd);
	return 0;
}
