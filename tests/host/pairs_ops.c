/* Two operations at the same time (pairs.c): the operations. */
#include "pairs.h"

/* --- the program's memory --- */

static int get(vaddr_t va, void *to, u64 n) { return user_access(va, to, n, false); }
void must_get(vaddr_t va, void *to, u64 n) { CHECK_EQ(get(va, to, n), 0); }
void fill(vaddr_t va, u64 n, char letter)
{
	u8 page[PAGE_SIZE];

	memset(page, letter, sizeof(page));
	for (u64 i = 0; i < n; i += PAGE_SIZE)
		CHECK_EQ(user_access(va + i, page, min(n - i, PAGE_SIZE), true), 0);
}
/* Who of the two runs: memory of his own. */
static vaddr_t own(vaddr_t base) { return base + (strcmp(current->name, "B") ? 0 : 8 * PAGE_SIZE); }

ssize_t file_read(struct file *file, vaddr_t va, size_t n, loff_t pos)
{
	struct iov_iter it;

	CHECK_EQ(iter_init_user_buf(&it, (void __user *)va, n), 0);
	return file->ops->read(file, &it, &pos);
}
ssize_t file_write(struct file *file, vaddr_t va, size_t n, loff_t pos)
{
	struct iovec iov = { (void *)va, n };
	struct iov_iter it;

	iter_init_user(&it, &iov, 1);
	return file->ops->write(file, &it, &pos);
}

/* --- the operations --- */

static void do_write(void)
{
	vaddr_t from = own(SOURCE);

	fill(from, 2 * PAGE_SIZE, 'w');
	CHECK_EQ(file_write(&file_f, from, 2 * PAGE_SIZE, PAGE_SIZE + 800), 2 * PAGE_SIZE);
}

static void do_lend(void) { CHECK_EQ(file_write(&file_f, L, FBYTES, 0), FBYTES); }

static void after_read(ssize_t n, unsigned before)
{
	u8 now[BBYTES];

	if (n < 0) {
		CHECK(n == -EFAULT && shaken());
	} else if (n < (ssize_t)BBYTES) {
		CHECK(truncates() || shaken());
	} else if (!shaken()) {
		must_get(B, now, BBYTES);
		check_b(now, BBYTES, true, before, "after it was read");
	}
}
static void read_by(struct file *file)
{
	unsigned before = ended;

	after_read(file_read(file, B, BBYTES, B_AT), before);
}
static void do_read(void) { read_by(&file_f); }
static void do_pin(void) { read_by(&file_direct); }

static void do_dwrite(void)
{
	vaddr_t from = own(SOURCE) + 2 * PAGE_SIZE;

	fill(from, 3 * PAGE_SIZE, 'd');
	CHECK_EQ(file_write(&file_direct, from, 3 * PAGE_SIZE, 3 * PAGE_SIZE), 3 * PAGE_SIZE);
}

static bool copied_private(u64 at) { return either("cow") && at >= 2 * PAGE_SIZE && at < 6 * PAGE_SIZE; }

/* Twice: a stale translation is one that was used before. */
static void look_at(bool private, u64 at)
{
	unsigned before = ended;
	u64 w;
	int sig = user_load((private ? PRIVATE : SHARED) + at, &w);

	if (sig)
		CHECK(sig == SIGBUS && truncates());
	else if (!(private && copied_private(at) && (w == WORD('p') || possible(at, w, 0))) && !possible(at, w, before))
		fail("the %s mapping: byte %lu of the file is %02x", private ? "private" : "shared", (unsigned long)at, (unsigned)(w & 255));
	else if (private && copied_private(at) && w != WORD('p') && before & 1U << is(1, "cow") && !truncates())
		fail("the private mapping: byte %lu is %02x, but was stored to", (unsigned long)at, (unsigned)(w & 255));
}
static void look_at_b(u64 at)
{
	u64 w;

	if (user_load(B + at, &w))
		CHECK(shaken());
	else if (!possible_in_b(at, w, false, 0))
		fail("B: byte %lu is %02x", (unsigned long)at, (unsigned)(w & 255));
}
static void do_fault(void)
{
	for (unsigned twice = 0; twice < 2; twice++)
		for (u64 p = 0; p < FPAGES; p++) {
			look_at(false, p * PAGE_SIZE + 512);
			look_at(true, p * PAGE_SIZE + 1024);
			if (p < BPAGES)
				look_at_b(p * PAGE_SIZE + 1536);
		}
}

/* Halves of pages 2 to 5. */
static void store_to(vaddr_t mapping, u8 letter, bool first, bool second)
{
	u8 half[PAGE_SIZE / 2];

	memset(half, letter, sizeof(half));
	for (u64 p = 2; p < 6; p++) {
		int sig = first ? user_access(mapping + p * PAGE_SIZE, half, sizeof(half), true) : 0;
		if (!sig && second)
			sig = user_access(mapping + p * PAGE_SIZE + sizeof(half), half, sizeof(half), true);
		CHECK(!sig || (sig == SIGBUS && truncates()));
	}
}
static void do_store(void) { store_to(SHARED, 's', true, true); }
static void do_cow(void)
{
	bool both = !(is(0, "cow") && is(1, "cow")), a = strcmp(current->name, "B") != 0;

	store_to(PRIVATE, 'p', both || a, both || !a);	/* each his half: none of them may be lost */
}

static void do_truncate(void)
{
	cow_truncated = ended && either("cow");
	CHECK_EQ(hfile_truncate(f, 2 * PAGE_SIZE + 1000), 0);
	CHECK_EQ(hfile_truncate(f, FBYTES), 0);
}

static void free_blocks(struct inode *inode, u64 first, u64 last) { hfile_free_blocks(container_of(inode, struct hfile, inode), first, last); }
static void do_punch(void)
{
	down_write(&f->inode.i_rwsem);
	CHECK_EQ(generic_punch(&f->inode, PAGE_SIZE, 4 * PAGE_SIZE, free_blocks), 0);
	up_write(&f->inode.i_rwsem);
}

/* A child's B is of one moment, and its own. */
static void live_as_child(void)
{
	u8 first[BBYTES], page[PAGE_SIZE];
	bool there[BPAGES];

	for (u64 p = 0; p < BPAGES; p++) {
		there[p] = !get(B + p * PAGE_SIZE, first + p * PAGE_SIZE, PAGE_SIZE);
		CHECK(there[p] || shaken());
		each_word(i, there[p] ? PAGE_SIZE : 0)
			if (!possible_in_b(p * PAGE_SIZE + i, word_at(first, p * PAGE_SIZE + i), false, 0))
				fail("the child's B: byte %lu is %02x", (unsigned long)(p * PAGE_SIZE + i), first[p * PAGE_SIZE + i]);
	}
	sched_yield_cpu();
	for (u64 p = 0; p < BPAGES; p++) {
		if (!there[p])
			continue;
		must_get(B + p * PAGE_SIZE, page, PAGE_SIZE);
		if (memcmp(first + p * PAGE_SIZE, page, PAGE_SIZE))
			fail("the child's page %lu of B changed", (unsigned long)p);
		memset(page, 'c', PAGE_SIZE);
		if (user_access(B + p * PAGE_SIZE, page, PAGE_SIZE, true)) {
			CHECK(shaken());		/* forked while it was read-only */
			continue;
		}
		must_get(B + p * PAGE_SIZE, page, PAGE_SIZE);
		check_letter(page, PAGE_SIZE, WORD('c'), "the child's B after its store");
	}
}
static void do_fork(void)
{
	struct mm *forked = proc_fork();

	CHECK(forked);
	proc_run(forked);
	live_as_child();
	proc_run(mm);
	proc_exit(forked);
}

static void do_munmap(void) { CHECK_EQ(mm_unmap(mm, B + 2 * PAGE_SIZE, PAGE_SIZE), 0); }
/* With a hole in B: what lies before it changes, and ENOMEM. */
static void changed_b(long error) { CHECK(!error || (error == -ENOMEM && (either("munmap") || either("move")))); }
static void do_mprotect(void)
{
	changed_b(sys_mprotect(B, BBYTES, PROT_READ));
	changed_b(sys_mprotect(B, BBYTES, RW));
}
/* To another place and back. */
static void do_move(void)
{
	long to = sys_mremap(B, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, own(ELSEWHERE));

	if (to == -EFAULT)
		CHECK(either("mprotect") || (is(0, "move") && is(1, "move")));		/* not one mapping just now, or the other one has it */
	else
		CHECK_EQ(to, own(ELSEWHERE));
	if (to > 0)
		CHECK_EQ(sys_mremap((vaddr_t)to, 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, B), B);
}
static void do_dontneed(void) { changed_b(sys_madvise(B, BBYTES, MADV_DONTNEED)); }
static void do_fsync(void) { CHECK_EQ(generic_fsync(&file_f, false), 0); }

static void do_reclaim(void)
{
	bool files_first = host_random(2);

	for (unsigned i = 0; i < 2; i++)
		if (files_first == !i) {
			reclaim_clean();
			reclaim_pages(FPAGES);
		} else {
			sys_madvise(B, BBYTES, MADV_PAGEOUT);
			sys_madvise(L, FBYTES, MADV_PAGEOUT);
		}
}

/* fs/sendfile.c asks for its files by their numbers. */
struct file *fd_get_file(int fd)
{
	struct file *file = fd ? &file_g : &file_f;

	atomic_inc(&file->refs);
	return file;
}
static void copy(int from, loff_t a, int to, loff_t at, u64 n)
{
	vaddr_t va = own(ARGUMENTS);
	loff_t end = at + (loff_t)n, positions[2] = { a, at };

	CHECK_EQ(user_access(va, positions, sizeof(positions), true), 0);
	while (positions[1] < end) {
		long k = sys_copy_file_range(from, (loff_t __user *)va, to, (loff_t __user *)(va + 8), (u64)(end - positions[1]), 0);
		if (k == 0 && truncates())
			return;
		CHECK(k > 0);
		must_get(va, positions, sizeof(positions));
	}
}
static void do_copy_to(void) { copy(1, 0, 0, 4 * PAGE_SIZE, 4 * PAGE_SIZE); }
static void do_copy_from(void) { copy(0, 0, 1, FBYTES, FBYTES); }	/* behind what G has */

const struct operation operations[] = {
	{ "write", do_write, 'w', PAGE_SIZE + 800, 3 * PAGE_SIZE + 800, false, false }, { "lend", do_lend, 'l', 0, FBYTES, false, false },
	{ "read", do_read, -1, 0, 0, true, false }, { "fault", do_fault, -1, 0, 0, false, false }, { "store", do_store, 's', 2 * PAGE_SIZE, 6 * PAGE_SIZE, false, false },
	{ "truncate", do_truncate, 0, 2 * PAGE_SIZE + 1000, FBYTES, false, false }, { "punch", do_punch, 0, PAGE_SIZE, 4 * PAGE_SIZE, false, false },
	{ "fork", do_fork, -1, 0, 0, false, false }, { "munmap", do_munmap, -1, 0, 0, false, true }, { "mprotect", do_mprotect, -1, 0, 0, false, true },
	{ "pin", do_pin, -1, 0, 0, true, false }, { "dwrite", do_dwrite, 'd', 3 * PAGE_SIZE, 6 * PAGE_SIZE, false, false },
	{ "fsync", do_fsync, -1, 0, 0, false, false }, { "reclaim", do_reclaim, -1, 0, 0, false, false },
	{ "copy_to", do_copy_to, 'g', 4 * PAGE_SIZE, 8 * PAGE_SIZE, false, false }, { "copy_from", do_copy_from, -1, 0, 0, false, false },
	{ "cow", do_cow, -1, 0, 0, false, false }, { "dontneed", do_dontneed, -1, 0, 0, false, true }, { "move", do_move, -1, 0, 0, false, true },
};
const unsigned nr_operations = ARRAY_SIZE(operations);
