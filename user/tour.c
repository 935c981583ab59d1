/*
 * The tour: each mechanism of the kernel in turn, in a minute. For each stop: what the sources say, what happens here (the kernel's own counters
 * and trace records of what was just done), and what happens without it.
 *
 * usage: tour [STOP]      all stops, or one. Status 1 if something did not happen as it is told here: the tour is a test, too.
 * A program of Cowslip: it reads /proc/vmstat and /proc/trace. Works in /root (ext2 on the ramdisk) and /tmp (memory).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tour.h"
#include "tour_memory.h"

/* --- the stops --- */

static sigjmp_buf jump;
static volatile int caught;
static void on_fault(int sig) { caught = sig; siglongjmp(jump, 1); }
static int load_faults(const char *p)
{
	caught = 0;
	if (!sigsetjmp(jump, 1))
		(void)*(const volatile char *)p;
	return caught;
}

static void atomic_copy(void)
{
	int fd = make(MEMORY, 4);
	char *p = fresh(4);

	say("source", "Torvalds, Aug 2002: copy while the page is held; if that faults, fix up. The code should work without touching the buffer first.");
	watch("short,fixup,fault", "copy_fixup", "short_copy", "pgfault", NULL);
	expect(pread(fd, p + 1, 100, 0) == 100, "the read gives 100 bytes");
	told(4);
	expect(change[0] >= 1 && change[1] == 1 && change[2] >= 1, "one copy stopped and went to its fixup; then the page was made, and the copy tried again");
	watch("", "copy_fixup", "short_copy", "prefault", NULL);
	pread(fd, p + 1, 100, 0);
	told(0);
	expect(!change[0] && !change[1] && !change[2], "a second read only copies");
	say("so", "memory that is there costs the copy and nothing else.");
	without("prefault=1", "the buffer is touched each time, as if the fixup could not be trusted; the answers are the same.");
	watch("", "prefault", NULL);
	pread(fd, p + 1, 100, 0);
	told(0);
	turn("prefault=0");
	expect(change[0] == 1, "touched for nothing");
	without("copy_fail=11", "every first copy is cut off at a random byte, and the answers are the same.");
	watch("", "short_copy", NULL);
	memset(p, 0, 2 * PAGE);
	expect(pread(fd, p + 1, 2 * PAGE - 1, 0) == (ssize_t)(2 * PAGE - 1) && p[1] == 'a' && p[PAGE] == 'a' && p[PAGE + 1] == 'b' && p[2 * PAGE - 1] == 'b', "all bytes are right");
	told(0);
	turn("copy_fail=0");
	expect(change[0] >= 2, "copies were cut off");
	close(fd);
}

static void zero_copy_read(void)
{
	int fd = make(MEMORY, 1024);
	char *p = fresh(1024);

	say("source", "Torvalds, Aug 2002: an aligned read into memory that would fault can map the cache's pages, COW; one fault for the whole read.");
	watch("loan,short", "short_copy", "loan_read", "pgfault", "tlb_loan", NULL);
	expect(pread(fd, p, 1024 * PAGE, 0) == (ssize_t)(1024 * PAGE), "4 MiB are read");
	told(2);
	expect(change[0] == 1 && change[1] == 1024 && !change[3], "one stopped copy, 1024 pages lent, no TLB told");
	watch("", "pgfault", NULL);
	load_all(p, 1024);
	told(0);
	say("so", "all of it was there: 4 MiB were read without copying a byte, and loading them faults no more.");
	watch("cow", "cow_copy", "write_break", "write_swap", NULL);
	p[0] = 'X';
	pwrite(fd, "YYYY", 4, 5 * PAGE);
	told(1);
	expect(p[5 * PAGE] == 'f' && pread(fd, block, 1, 0) == 1 && block[0] == 'a', "neither side sees the other's change");
	say("so", "a store copied the page for the program, a write() replaced it in the cache: neither saw the other.");
	munmap(p, 1024 * PAGE);
	without("zerocopy_read=0", "the same bytes, a frame and a copy for each page, 15 times the instructions (docs/zero-copy.md, also for when it does not pay).");
	p = fresh(1024);
	watch("", "loan_read", "read_fill", "page_alloc", NULL);
	expect(pread(fd, p, 1024 * PAGE, 0) == (ssize_t)(1024 * PAGE), "4 MiB are read");
	told(0);
	turn("zerocopy_read=1");
	expect(!change[0] && change[2] >= 1024, "1024 frames");
	munmap(p, 1024 * PAGE);
	close(fd);
}

static void read_again(void)
{
	int fd = make(MEMORY, 128);
	char *p = fresh(64);

	say("source", "Torvalds, Aug 2002: it works when the buffer is read into again; the unmapped case is better, it needs no TLB invalidation.");
	pread(fd, p, 64 * PAGE, 0);
	watch("", "loan_read", "loan_replaced", "tlb_loan", NULL);
	pread(fd, p, 64 * PAGE, 64 * PAGE);
	told(0);
	expect(change[1] == 64 && change[2] >= 1, "64 pages replaced");
	watch("", "loan_read", "loan_same", "tlb_loan", NULL);
	pread(fd, p, 64 * PAGE, 64 * PAGE);
	told(0);
	expect(change[1] == 64 && !change[2], "the same pages are left alone");
	say("so", "other data: one flush for up to 64 pages. The same data again: no entry changes at all.");
	munmap(p, 64 * PAGE);
	close(fd);
}

static void zero_copy_write(void)
{
	int fd = open(MEMORY, O_RDWR | O_CREAT | O_TRUNC, 0644), other = open("/tmp/tour.copy", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *p = fresh(256);
	loff_t from = 0, to = 0;

	say("source", "Phillips, Aug 2002: there is zero-copy write as well, and there could be a file to file copy, were there an interface.");
	memset(p, 'w', 256 * PAGE);
	watch("loan", "loan_write", "write_swap", "write_inplace", "tlb_loan", NULL);
	expect(write(fd, p, 256 * PAGE) == (ssize_t)(256 * PAGE), "1 MiB is written");
	told(1);
	expect(change[0] >= 256 - 32, "the pages are lent to the file (but for less than 64 KiB at the edge of a page table)");
	watch("", "loan_copy", "page_alloc", NULL);
	expect(copy_file_range(fd, &from, other, &to, 256 * PAGE, 0) == (ssize_t)(256 * PAGE), "the file is copied");
	told(0);
	expect(change[0] == 256, "256 pages are in both files");
	memset(p, 'x', PAGE);
	pwrite(fd, "y", 1, PAGE);
	expect(pread(other, block, 2 * PAGE, 0) == (ssize_t)(2 * PAGE) && block[0] == 'w' && block[PAGE] == 'w', "the copy keeps what it got");
	say("so", "one frame was the program's and in two files; a store and a write() later each has its own.");
	without("zerocopy_write=0", "all is copied.");
	watch("", "loan_write", "write_swap", "write_inplace", NULL);
	memset(p, 'v', 256 * PAGE);
	expect(pwrite(fd, p, 256 * PAGE, 0) == (ssize_t)(256 * PAGE), "1 MiB is written");
	told(0);
	turn("zerocopy_write=1");
	expect(!change[0] && change[1] + change[2] >= 250, "the pages are copied");
	munmap(p, 256 * PAGE);
	close(fd);
	close(other);
	unlink("/tmp/tour.copy");
}

/* The kernel's log from the line on that has the text first: what the hang detector says. */
static void log_lines(const char *key)
{
	char *log = malloc(1 << 18), *line, *next;
	long n = syscall(SYS_syslog, 3, log, (1 << 18) - 1);

	log[n > 0 ? n : 0] = 0;
	for (line = log; (next = strchr(line, '\n')); line = next + 1) {
		*next = 0;
		if (strstr(line, key))
			say("kernel", "%s", strstr(line, key));
	}
	free(log);
}
static int has_maps(pid_t pid)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/maps", pid);
	return strstr(slurp(name), "tour") != NULL;
}
/* The same write, as kernels did it before 2002, by a child: it never comes back. */
static void write_own_page_historically(int fd, char *p)
{
	long hangs;
	int status;
	pid_t child;

	if (!access("/proc/check_ownership", F_OK)) {
		say("without", "this kernel, the debug build, stops where atomic_copy=0 would fault with the page locked; another one shows the deadlock.");
		return;
	}
	without("atomic_copy=0", "the copy faults with the page locked, and the fault waits for the page:");
	forget(fd);
	hangs = counter("hang");
	child = fork();
	if (!child) {
		alarm(1000);
		pwrite(fd, p + 2 * PAGE, PAGE - 10, 2 * PAGE + 5);
		_exit(0);
	}
	for (int i = 0; i < 5000 && counter("hang") == hangs; i++)
		usleep(100000);
	log_lines("hang: ");
	expect(counter("hang") > hangs && !waitpid(child, &status, WNOHANG), "it hangs, and the hang detector says so");
	expect(has_maps(child), "its mappings can be looked at: no `ps` hangs behind it");
	kill(child, SIGKILL);
	expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status), "a signal ends it");
	turn("atomic_copy=1");
	turn("zerocopy_write=1");
	say("so", "the page lock, who waits for it and who holds it: the same program twice. `ps` saw it meanwhile, and SIGKILL ended it.");
}

static void write_own_page(void)
{
	int fd = make(DISK, 8);

	say("source", "Torvalds, Aug 2002: write() of a page from a mapping of that same page, not yet there, waits for itself. The atomic copy solves it.");
	forget(fd);
	char *p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0);
	watch("short,lock,unlock", "short_copy", "write_inplace", "write_swap", "page_lock_wait", NULL);
	expect(pwrite(fd, p + 2 * PAGE, PAGE - 10, 2 * PAGE + 5) == (ssize_t)(PAGE - 10), "the write ends");
	told(5);
	expect(change[0] >= 1, "the first copy stopped instead of sleeping");
	say("so", "the copy stopped short, the page was unlocked, the source faulted in, the copy tried again: at most three times.");
	munmap(p, 8 * PAGE);
	p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0);
	write_own_page_historically(fd, p);
	munmap(p, 8 * PAGE);
	close(fd);
}

/* How many pages still showed what truncate had cut off, beside a thread that loads all the time: until one does, or so many rounds. */
static struct { int stop; char *p; } race;
static void *race_thread(void *arg)
{
	for (long i = 0; !__atomic_load_n(&race.stop, __ATOMIC_ACQUIRE); i++)
		load_faults(race.p + i % 8 * PAGE);
	return arg;
}
/* On one processor: without the lock a fault lets others run at the worst moment (mm/filemap.c). */
static int rounds_until_stale(int fd, int most)
{
	cpu_set_t one = { { 1 } }, all;
	pthread_t thread;
	int stale = 0, round = 0;

	race.stop = 0;
	race.p = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	memset(block, 'o', 8 * PAGE);
	signal(SIGBUS, on_fault);
	sched_getaffinity(0, sizeof(all), &all), sched_setaffinity(0, sizeof(one), &one);
	pthread_create(&thread, NULL, race_thread, NULL);
	for (; !stale && round < most; round++) {
		pwrite(fd, block, 8 * PAGE, 0);
		madvise(race.p, 8 * PAGE, MADV_DONTNEED);	/* so that the thread faults again */
		sched_yield();
		expect(!ftruncate(fd, 0) && !ftruncate(fd, 8 * PAGE), "the file is cut, and grows");
		for (int k = 0; k < 8; k++)
			stale += *(volatile char *)(race.p + k * PAGE) != 0;
	}
	race.stop = 1;
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(all), &all);
	signal(SIGBUS, SIG_DFL);
	munmap(race.p, 8 * PAGE);
	return stale ? round : 0;
}

static void truncate_race(void)
{
	int fd = make(DISK, 8);
	char *p = mmap(NULL, 8 * PAGE, RW, MAP_SHARED, fd, 0), *q = mmap(NULL, 8 * PAGE, RW, MAP_PRIVATE, fd, 0);

	say("source", "Piggin, Oct 2006: the fault handler locks the page and looks again, so that it maps none that truncate has taken away.");
	load_all(p, 8);
	q[0] = q[5 * PAGE] = 'q';
	watch("", "truncate_page", "rmap_zap", "tlb_zap", NULL);
	expect(!ftruncate(fd, 2 * PAGE + 10), "the file is cut");
	told(0);
	signal(SIGBUS, on_fault);
	expect(load_faults(p + 5 * PAGE) == SIGBUS && load_faults(q + 5 * PAGE) == SIGBUS, "beyond the end is SIGBUS, for the private copy, too");
	expect(!load_faults(q) && *q == 'q', "the private copy inside stays");
	ftruncate(fd, 8 * PAGE);
	expect(!p[2 * PAGE + 10] && !p[5 * PAGE], "what comes back is zeroes");
	signal(SIGBUS, SIG_DFL);
	say("so", "no entry shows a removed page, a load beyond the end is SIGBUS, and a longer file later shows zeroes, not the old bytes.");
	munmap(p, 8 * PAGE);
	munmap(q, 8 * PAGE);
	expect(!rounds_until_stale(fd, 200), "200 times cut beside a thread that loads: nothing that was cut off shows");
	without("fault_lock=0", "the fault maps what it found, as before 2006.");
	int round = rounds_until_stale(fd, 20000);
	turn("fault_lock=1");
	expect(round > 0, "a stale page is seen");
	say("so", "with the lock no stale page in 200 rounds; without it one in round %d: bytes that the file no longer has, in frames that are free.", round);
	close(fd);
}

static void stable_pages(void)
{
	int fd = make(DISK, 64);

	say("source", "MECHANISMS.md: a page that is being written to the device does not change, and yet no writer waits.");
	watch("", "writeback", "write_break", "write_swap", "page_lock_wait", NULL);
	sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	for (int i = 0; i < 64; i++)
		pwrite(fd, "new", 3, i * (off_t)PAGE);
	told(0);
	expect(change[0] >= 1, "pages are on their way to the device");
	say("so", "the device keeps the old frame; the write made a copy and went on (write_break), where the frame was still in flight:");
	say("", "with --append ramdisk_latency_us=500 that is every one of them.");
	close(fd);
}

/* While one thread's fault waits for the disk, mmap() of another goes on. */
static void *touch_thread(void *p)
{
	load_all(p, 64);
	return NULL;
}
static void nobody_stuck(void)
{
	int fd = make(DISK, 64);
	pthread_t thread;

	say("source", "Morton, Oct 2006: it deadlocks holding mmap_sem, so ps is stuck, too.");
	forget(fd);
	char *p = mmap(NULL, 64 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	watch("", "fault_retry", "pgmajfault", NULL);
	pthread_create(&thread, NULL, touch_thread, p);
	for (int i = 0; i < 50; i++)
		munmap(fresh(4), 4 * PAGE);
	pthread_join(thread, NULL);
	told(0);
	expect(change[0] >= 1, "a fault let go of mmap_lock to wait");
	say("so", "a fault that waits for the disk holds no lock of the address space: it begins again when the page is there.");
	munmap(p, 64 * PAGE);
	close(fd);
}

static const struct { const char *name, *title; void (*show)(void); } stops[] = {
	{ "copy", "The copy that may not sleep", atomic_copy },
	{ "read", "read() without copying", zero_copy_read },
	{ "again", "The same buffer again", read_again },
	{ "write", "write() and file to file without copying", zero_copy_write },
	{ "deadlock", "write() from a mapping of the page that it writes", write_own_page },
	{ "truncate", "Faults against truncate", truncate_race },
	{ "stuck", "A fault that waits stops nobody", nobody_stuck },
	{ "cow", "Copy-on-write, exactly", exact_cow },
	{ "tables", "A page table at a time", page_tables },
	{ "pins", "Pinned memory and fork()", pins_and_fork },
	{ "stable", "Stable pages, and no writer waits", stable_pages },
	{ "swap", "Memory that goes out and comes back", swapping },
};
#define NR_STOPS (sizeof(stops) / sizeof(*stops))

int main(int argc, char **argv)
{
	unsigned shown = 0;

	for (unsigned i = 0; i < NR_STOPS; i++) {
		if (argc > 1 && strcmp(argv[1], stops[i].name))
			continue;
		printf("\n%u. %s  (tour %s)\n", i + 1, stops[i].title, stops[i].name);
		stops[i].show();
		shown++;
	}
	unlink(DISK);
	unlink(MEMORY);
	if (!shown)
		fprintf(stderr, "tour: there is no stop %s\n", argv[1]);
	printf("\n%u stops, %d not as told\n", shown, failures);
	return !shown || failures;
}
