/*
 * Two operations of the memory system at the same time, by two threads on the same file and the same memory, under many schedules (kernel/explore.h), for
 * every pair of operations. Also runs on Linux: the checks are of what Linux promises.
 *
 * usage: pairs A B COUNT SEED [DIRECTORY]     schedule i has seed SEED + i; in DIRECTORY (/tmp)
 *        pairs all COUNT SEED [DIRECTORY [PART OF]]   every pair, or each OFth of them from number PART on
 *        pairs list
 * `A B: COUNT schedules` and 0, or `FAIL A B schedule I seed S event N: what` and 1.
 *
 * There are: the file F of 16 pages, all 'o'; a shared and a private mapping of it; the file G, all 'g'; B, 4 pages of private memory, which were
 * touched or not; L, 16 pages of private memory, all 'l'. Each operation that changes F writes a letter of its own, or zeroes, to a part of it.
 * - Every word that anybody sees of F, while they run or afterwards, is the old one or one that one of the two writes there: zeroes never, but by truncate
 *   and punch. Afterwards a word that one of them writes is written; one that both write is one of the two.
 * - What was read into B is of that kind, and nobody changes it any more: neither a later write to F, nor does a store to B change F, G or L. The same
 *   with all others: where the kernel shares a page instead of copying it, nobody can tell.
 * The schedule of a seed begins and ends with the two operations: before and afterwards there is one task, and nothing to choose.
 */
#include "pairs_ops.h"

/* --- one schedule --- */

static char *memory(int pages) { return mmap(NULL, (size_t)pages * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }

/* What files are written from and read to: whole pages, which the kernel may lend, or not. */
static char *room(int i)
{
	static char rooms[3][2 * FBYTES + PAGE] __attribute__((aligned(PAGE)));

	return rooms[i] + (seed & 8);
}

/*
 * B and L. By the seed they lie in 2 MiB of memory that a kernel may let a child have with their table, and there is such a child from the beginning: it does nothing
 * until it is told to, and then finds everything as it was.
 */
static struct { pid_t pid; int tell; } holder;
static int in_window(void) { return seed & 16; }

static void hold(void)
{
	int ends[2], ear;
	char x;

	MUST(pipe(ends) == 0);
	holder.pid = fork();
	MUST(holder.pid >= 0);
	if (!holder.pid) {
		ear = read(ends[0], &x, 1) == 1 ? 0 : 1;
		if (ear || !uniform(b, BBYTES, b_first) || !uniform(l, FBYTES, WORD('l')))
			_exit(2);
		fill(b, BBYTES, 'c');
		_exit(uniform(b, BBYTES, WORD('c')) ? 0 : 3);
	}
	holder.tell = ends[1];
	close(ends[0]);
}

static void end_holder(void)
{
	int status;

	MUST(write(holder.tell, "x", 1) == 1 && waitpid(holder.pid, &status, 0) == holder.pid);
	if (status)
		fail("the child that was there from the beginning found something wrong: %x", status);
	close(holder.tell);
}

static void prepare_memory(void)
{
	if (in_window()) {
		b = mmap(window, WINDOW, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		l = b + 8 * PAGE;
	} else {
		b = memory(BPAGES);
		l = memory(FPAGES);
	}
	MUST(b != MAP_FAILED && l != MAP_FAILED);
	fill(l, FBYTES, 'l');
	b_first = seed & 4 ? WORD('b') : 0;
	if (seed & 4)
		fill(b, BBYTES, 'b');
}

static void drop_memory(void)
{
	if (in_window()) {
		MUST(mmap(window, WINDOW, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == window);
	} else {
		munmap(b, BBYTES);
		munmap(l, FBYTES);
	}
}

/* By the seed: F cached, dirty or absent; mapped pages present or not; B touched or not; F's pages its own or lent. */
static void prepare(void)
{
	char *block = room(0);

	prepare_memory();
	fill(block, FBYTES, 'g');
	MUST(ftruncate(g, 0) == 0 && pwrite(g, block, FBYTES, 0) == FBYTES);
	fill(block, FBYTES, 'o');
	MUST(ftruncate(f, 0) == 0 && pwrite(f, block, FBYTES, 0) == FBYTES);
	shared = mmap(NULL, FBYTES, RW, MAP_SHARED, f, 0);
	private = mmap(NULL, FBYTES, RW, MAP_PRIVATE, f, 0);
	MUST(shared != MAP_FAILED && private != MAP_FAILED);
	if (seed & 1) {
		fsync(f);	/* Linux: EIO after a direct write met a store through a mapping (open(2)) */
		posix_fadvise(f, 0, 0, POSIX_FADV_DONTNEED);
	}
	for (int p = 0; seed & 2 && p < FPAGES; p++)
		MUST(shared[p * PAGE] == 'o' && private[p * PAGE] == 'o');
	if (in_window() && seed & 32)
		hold();
}

static int begun, done;			/* schedules: the second task waits to be told */
static void announce(int *number)
{
	__atomic_add_fetch(number, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, number, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
static void await(int *number, int seen)
{
	while (__atomic_load_n(number, __ATOMIC_ACQUIRE) == seen)
		syscall(SYS_futex, number, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}
static void *second(void *unused)
{
	for (int i = 0;; i++) {
		await(&begun, i);
		run(1);
		announce(&done);
	}
	return NULL;
}

static void look(int fd, char *data, int size) { MUST(pread(fd, data, (size_t)size, 0) == size); }

/* In every fourth schedule: the disk has what the cache showed. */
static void check_disk(char *again, const char *now)
{
	if (seed % 4 || direct < 0)
		return;
	MUST(fsync(f) == 0);
	again -= seed & 8;			/* memory for O_DIRECT */
	MUST(pread(direct, again, FBYTES, 0) == FBYTES && equal(again, now, FBYTES));
}

/* Afterwards: what each sees, and that nobody sees what another does from now on. */
static void check(void)
{
	char *now = room(0), *copied = room(1), *again = room(2);
	word mapped[2][FPAGES];
	int hole = either("munmap"), size, reads = op[0]->reads_b || op[1]->reads_b;
	int used = hole ? 2 * PAGE : BBYTES;

	MUST(lseek(f, 0, SEEK_END) == FBYTES);
	for (int p = 0; p < FPAGES; p++)	/* before a read puts right what is mapped */
		mapped[0][p] = *(word *)(shared + p * PAGE + 2048), mapped[1][p] = *(word *)(private + p * PAGE + 2048);
	look(f, now, FBYTES);
	check_f(now, 0, FBYTES, BOTH, "afterwards");
	MUST(equal(shared, now, FBYTES));
	for (int p = 0; p < FPAGES; p++)
		MUST(mapped[0][p] == *(word *)(now + p * PAGE + 2048) && mapped[1][p] == mapped[0][p]);
	size = (int)lseek(g, 0, SEEK_END);
	look(g, copied, size);
	check_letter(copied, FBYTES, 'g', "G");
	check_f(copied + FBYTES, 0, size - FBYTES, 0, "the copy");
	if (either("move"))
		MUST(mprotect(b, (size_t)used, RW) == 0);	/* it may not have been there when mprotect came to give it back */
	check_b(b, used, 0, 0, "B");
	if (!reads && !throws())
		check_letter(b, used, (char)b_first, "B, which nobody read into");
	check_letter(l, FBYTES, 'l', "L");
	fill(b, used, 'x');
	for (int p = 0; p < FPAGES; p += 2)	/* a store to every other page, before a write to F */
		fill(l + p * PAGE, PAGE, 'v');
	look(f, again, FBYTES);
	MUST(equal(again, now, FBYTES));
	check_disk(again, now);
	for (int p = 1; p < FPAGES; p += 2)	/* G must not show these, nor F the private ones */
		*(word *)(shared + p * PAGE + 1024) = WORD('y'), *(word *)(private + p * PAGE + 2048) = WORD('p');
	MUST(pread(f, again, 8, PAGE + 2048) == 8 && *(word *)again == *(word *)(now + PAGE + 2048));
	fill(now, FBYTES, 'z');
	MUST(pwrite(f, now, FBYTES, 0) == FBYTES);
	check_letter(b, used, 'x', "B after a write to F");
	for (int p = 0; p < FPAGES; p++)
		check_letter(l + p * PAGE, PAGE, p % 2 ? 'l' : 'v', "L after a write to F");
	look(g, again, size);
	MUST(equal(again, copied, size));
	fill(l, FBYTES, 'v');
	check_letter(shared, FBYTES, 'z', "F after a store to L");
}

static void one(int control, long k)
{
	int before = done;

	prepare();
	over = 0;
	explore_choose(control, k, seed);
	announce(&begun);
	run(0);
	await(&done, before);
	explore_words(control, "off\n");
	check();
	munmap(shared, FBYTES);
	munmap(private, FBYTES);
	if (in_window() && seed & 32)
		end_holder();
	drop_memory();
}

static void explore(const struct operation *a, const struct operation *z, long count, long base)
{
	int control = explore_open();
	long k = 0, sum = 0;

	explore_words(control, "off\n");
	op[0] = a;
	op[1] = z;
	for (schedule = 0; schedule < count; schedule++) {
		seed = base + schedule;
		one(control, k);
		if (schedule % 16 == 0)
			k = control >= 0 ? explore_events() : 0;
		sum += k;
	}
	close(control);
	printf("%s %s: %ld schedules of about %ld events\n", a->name, z->name, count, count ? sum / count : 0);
}

static const struct operation *find(const char *name)
{
	for (int i = 0; i < NR; i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}

static int begin(const char *directory)
{
	struct sigaction action = { .sa_handler = on_fault };
	pthread_t thread;

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 0);
	window = mmap(NULL, 3 * WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (window == MAP_FAILED)
		return 0;
	window = (char *)(((unsigned long)window + WINDOW - 1) & -(unsigned long)WINDOW);
	if (chdir(directory))
		return 0;
	f = open("pairs.f", O_RDWR | O_CREAT | O_TRUNC, 0600);
	direct = open("pairs.f", O_RDWR | O_DIRECT);
	g = open("pairs.g", O_RDWR | O_CREAT | O_TRUNC, 0600);
	return f >= 0 && g >= 0 && unlink("pairs.f") == 0 && unlink("pairs.g") == 0 && pthread_create(&thread, NULL, second, NULL) == 0;
}

int main(int argc, char **argv)
{
	int all = argc >= 4 && !strcmp(argv[1], "all"), number = 0, part = argc > 6 ? atoi(argv[5]) : 0, of = argc > 6 ? atoi(argv[6]) : 1;

	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (int i = 0; i < NR; i++)
			printf("%s\n", operations[i].name);
		return 0;
	}
	if (all && of > 0) {
		if (!begin(argc > 4 ? argv[4] : "/tmp"))
			return 2;
		for (int i = 0; i < NR; i++)
			for (int j = i; j < NR; j++)
				if (number++ % of == part % of)
					explore(&operations[i], &operations[j], atol(argv[2]), atol(argv[3]));
		return 0;
	}
	if (argc >= 5 && find(argv[1]) && find(argv[2])) {
		if (!begin(argc > 5 ? argv[5] : "/tmp"))
			return 2;
		explore(find(argv[1]), find(argv[2]), atol(argv[3]), atol(argv[4]));
		return 0;
	}
	fprintf(stderr, "usage: pairs A B COUNT SEED [DIRECTORY] | pairs all COUNT SEED [DIRECTORY [PART OF]] | pairs list\n");
	return 2;
}
