/*
 * The small protocols, each in every schedule with at most so many preemptions as the second argument says (deeper=N adds
 * N: soak does): those of MECHANISMS.md that a model had checked, here on the kernel's own code. Operations are few and what they
 * need is in memory already, so that the trees stay small. random=N runs N random schedules of the same instead.
 */
#include "host.h"
#include "mm/reclaim.h"
#include "mm/slot.h"
#include "mm/syscalls.h"

#define BASE 0x30000000UL
#define ANON (BASE + (1UL << 20))
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 2

static struct hfile *f, *g;
static struct mm *mm, *child;
static struct page *page;
static u8 text[PAGES * PAGE_SIZE];

/* A file of PAGES pages of p + 1 each, all in the cache. */
static struct hfile *cached(const char *name)
{
	u8 c;
	for (unsigned p = 0; p < PAGES; p++)
		memset(text + p * PAGE_SIZE, p + 1, PAGE_SIZE);
	struct hfile *file = hfile_create(name, 4 * PAGE_SIZE, text, sizeof(text));
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(hfile_pread(file, &c, 1, p * PAGE_SIZE), 1);
	return file;
}
static void setup_file(void)
{
	mm = proc_create();
	f = cached("f");
	CHECK_EQ(hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
}
static void finish_file(void)
{
	check_all();
	proc_exit(mm);
	CHECK_EQ(hfile_sync(f), 0);
	check_all();
	for (u64 i = 0; i < (u64)f->inode.mapping.size; i += 512) {
		u8 c;
		CHECK_EQ(hfile_pread(f, &c, 1, i), 1);
		CHECK_EQ(c, f->block_state[i >> 12] ? f->disk[i] : 0);
	}
	hfile_destroy(f);
	check_all();
}
static void setup_anon(void)
{
	mm = proc_create();
	CHECK_EQ(map_anon(ANON, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), ANON);
	CHECK_EQ(user_store(ANON, 1), 0);
}
static void finish_anon(void)
{
	check_all();
	proc_exit(mm);
	check_all();
}

/* --- the ownership word --- */
static void setup_page(void)
{
	page = page_alloc(0, 0);
	page_ref_to_holder(page);
}
static void finish_page(void)
{
	CHECK_EQ(page->own.v, OWN_HOLDER);
	page_drop_holder(page);
}
static void share_it(void *arg)
{
	if (!page_share(page))
		return;
	CHECK_EQ(own_xpins(atomic64_read(&page->own)), 0);
	page_drop_holder(page);
}
static void pin_it(void *arg)
{
	if (!page_pin_exclusive(page))
		return;
	CHECK_EQ(own_holders(atomic64_read(&page->own)), 1);
	page_unpin_exclusive(page);
}
ALL(share_pin, 2, "PG1: a sharer (fork, a snapshot) and two exclusive pins of one frame",
    setup_page, finish_page, NULL, share_it, pin_it, pin_it)

/* --- the page lock --- */
static unsigned inside, counted;
static void setup_lock(void)
{
	f = cached("f");
	inside = counted = 0;
}
static void finish_lock(void)
{
	CHECK_EQ(counted, 2);
	hfile_destroy(f);
}
static void lock_and_count(void *arg)
{
	entry_t *slot;
	CHECK_EQ(page_lock(&f->inode.mapping, 1, &slot), 0);
	CHECK_EQ(inside++, 0);
	unsigned n = counted;
	host_preempt("inside");
	counted = n + 1;
	inside--;
	page_unlock(&f->inode.mapping, 1, slot, 0, 0);
}
static void wait_for_it(void *arg) { CHECK_EQ(page_wait_unlocked(&f->inode.mapping, 1, false), 0); }
ALL(page_lock, 1, "the page lock excludes, and no wake-up is lost, between two owners and one who only waits",
    setup_lock, finish_lock, NULL, lock_and_count, lock_and_count, wait_for_it)

/* --- waiting for a condition --- */
static struct wait_queue wq;
static int condition;
static void setup_wait(void)
{
	wait_queue_init(&wq);
	condition = 0;
	host_tso = true;
}
static void finish_wait(void) { host_tso = false; }
static void waiter(void *arg) { wait_event(&wq, WAIT_UNINTERRUPTIBLE, READ_ONCE(condition)); }
static void waker(void *arg)
{
	WRITE_ONCE(condition, 1);
	wake_up_all(&wq, 0);
}
ALL(wait_wake, 1, "wait queues: the condition's store and the waiter's state in store buffers: no wake-up is lost",
    setup_wait, finish_wait, NULL, waiter, waiter, waker)

/* --- lookup, publish, drop: MECHANISMS.md, read(2) against swap and adopt --- */
static void setup_snapshot(void)
{
	setup_anon();
	f = cached("f");
	page = entry_page(pagecache_peek(&f->inode.mapping, 0));
	CHECK(page_share(page));		/* somebody else holds the page of the file: as fork, writeback or a snapshot do */
}
static void finish_snapshot(void)
{
	u8 c;
	CHECK_EQ(hfile_pread(f, &c, 1, 0), 1);
	CHECK_EQ(c, 0x81);
	page_drop_holder(page);
	CHECK_EQ(hfile_sync(f), 0);
	hfile_destroy(f);
	finish_anon();
}
static void read_0(void *arg)
{
	u8 buf[64];
	/* Through the program's memory: between the pin and the copy others run. */
	CHECK_EQ(hfile_pread_user(f, ANON, sizeof(buf), 100), (ssize_t)sizeof(buf));
	CHECK_EQ(user_access(ANON, buf, sizeof(buf), false), 0);
	for (unsigned i = 0; i < sizeof(buf); i++)
		if (buf[i] != 1 && buf[i] != 0x81)
			host_fail("read() saw %02x: the private store of another holder", buf[i]);
}
/* To kernel memory: by the lookup for all states, not by that of usual pages. */
static void read_0_inside(void *arg)
{
	u8 buf[64];
	CHECK_EQ(hfile_pread(f, buf, sizeof(buf), 100), (ssize_t)sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		if (buf[i] != 1 && buf[i] != 0x81)
			host_fail("read() saw %02x: the private store of another holder", buf[i]);
}
static void overwrite_0(void *arg)
{
	static u8 new[PAGE_SIZE];
	memset(new, 0x81, sizeof(new));
	CHECK_EQ(hfile_pwrite(f, new, sizeof(new), 0), (ssize_t)sizeof(new));
}
static void adopt(void *arg)
{
	if (page_adoptable(page))
		memset(page_address(page), 0xee, PAGE_SIZE);
}
ALL(read_swap_adopt, 1, "PC5, E1: a reader pins the old page, write() publishes a new one, the old one's last holder adopts it: the reader never sees its store",
    setup_snapshot, finish_snapshot, &mm, read_0, overwrite_0, adopt)

/* --- lookup with recheck --- */
static void setup_cached(void)
{
	setup_anon();
	page = NULL;
	f = cached("f");
}
static void finish_cached(void)
{
	if (page)
		page_put(page);
	check_all();
	hfile_destroy(f);
	finish_anon();
}
static void drop_and_reuse(void *arg)
{
	pagecache_drop(&f->inode.mapping, 0, 0);
	page = page_alloc(0, 0);		/* perhaps the same frame */
	memset(page_address(page), 0xee, PAGE_SIZE);
}
static void drop_0(void *arg) { pagecache_drop(&f->inode.mapping, 0, 0); }
ALL(lookup_drop, 1, "PG2: a frame that is freed between a reader's look at the slot and its pin is not pinned",
    setup_cached, finish_cached, &mm, read_0, drop_0)
ALL(lookup_reuse, 1, "FOREST T2: a frame that leaves the cache and is used for something else between a reader's look at the slot and its pin",
    setup_cached, finish_cached, &mm, read_0, drop_and_reuse)
ALL(lookup_reuse_inside, 1, "the same by the lookup for all states of a slot",
    setup_cached, finish_cached, &mm, read_0_inside, drop_and_reuse)

/* --- faults against truncate, reclaim, writeback --- */
static void store_1(void *arg)
{
	int sig = user_store(BASE + PAGE_SIZE + 2048, 0x0707070707070707UL);
	CHECK(sig == 0 || sig == SIGBUS);
}
static void load_1(void *arg)
{
	u64 v;
	int sig = user_load(BASE + PAGE_SIZE + 2048, &v);
	CHECK(sig == SIGBUS || (sig == 0 && (v == 0 || v == 0x0202020202020202UL)));
}
static void load_0(void *arg)
{
	u64 v;
	CHECK_EQ(user_load(BASE + 2048, &v), 0);
	CHECK_EQ(v, 0x0101010101010101UL);
}
static void truncate_1(void *arg)
{
	CHECK_EQ(hfile_truncate(f, PAGE_SIZE), 0);
	tlb_check(false);
	CHECK_EQ(mm_entry(mm, BASE + PAGE_SIZE), 0);
}
static void punch_1(void *arg)
{
	CHECK_EQ(hfile_punch(f, PAGE_SIZE, 2 * PAGE_SIZE), 0);
	tlb_check(false);
}
static void drop_1(void *arg) { pagecache_drop(&f->inode.mapping, 1, 1); }
static void sync_f(void *arg) { CHECK_EQ(hfile_sync(f), 0); }
ALL(store_truncate, 1, "T1 T2: a store through a mapping against truncate: it comes before, or is SIGBUS; nothing stays mapped",
    setup_file, finish_file, &mm, store_1, truncate_1)
ALL(load_truncate, 1, "the same with a load",
    setup_file, finish_file, &mm, load_1, truncate_1)
ALL(around_truncate, 1, "the same with a load beside it, whose fault maps its neighbours along",
    setup_file, finish_file, &mm, load_0, truncate_1)
ALL(around_punch, 1, "a load beside a hole that is punched, whose fault maps its neighbours along",
    setup_file, finish_file, &mm, load_0, punch_1)
ALL(load_punch, 1, "PC2: a load against a hole that is punched: old data or zeroes, and nothing of the old page stays mapped",
    setup_file, finish_file, &mm, load_1, punch_1)
ALL(load_reclaim, 1, "a load through a mapping against reclaim of its page",
    setup_file, finish_file, &mm, load_1, drop_1)

static void setup_dirty(void)
{
	setup_file();
	CHECK_EQ(user_store(BASE + PAGE_SIZE, 0x0202020202020202UL), 0);
}
ALL(store_writeback, 1, "PC4: a store through a mapping against writeback: it reaches the disk now or stays dirty",
    setup_dirty, finish_file, &mm, store_1, sync_f)
static void read_1(void *arg)
{
	u8 buf[64];
	ssize_t n = hfile_pread(f, buf, sizeof(buf), PAGE_SIZE - 32);
	CHECK(n == 32 || n == 64);
	for (unsigned i = 0; i < n; i++)
		CHECK(buf[i] == (i < 32 ? 1 : 2) || (i >= 32 && buf[i] == 0));
}
static void truncate_and_grow(void *arg)
{
	CHECK_EQ(hfile_truncate(f, PAGE_SIZE), 0);
	CHECK_EQ(hfile_truncate(f, 2 * PAGE_SIZE), 0);
}
ALL(read_truncate, 2, "a read against truncate and growth: old bytes, zeroes, or fewer bytes; never freed blocks",
    setup_file, finish_file, &mm, read_1, truncate_and_grow)

/* --- anonymous memory --- */
static void store_a(void *arg) { CHECK_EQ(user_store(ANON + PAGE_SIZE, 1), 0); }
static void store_b(void *arg) { CHECK_EQ(user_store(ANON + PAGE_SIZE + 8, 2), 0); }
static void finish_two_stores(void)
{
	u64 a, b;
	CHECK_EQ(user_load(ANON + PAGE_SIZE, &a), 0);
	CHECK_EQ(user_load(ANON + PAGE_SIZE + 8, &b), 0);
	CHECK_EQ(a, 1);
	CHECK_EQ(b, 2);
	finish_anon();
}
ALL(two_faults, 2, "two threads touch the same new page: no store is lost, no frame leaks",
    setup_anon, finish_two_stores, &mm, store_a, store_b)
static void setup_forked(void)
{
	setup_anon();
	CHECK_EQ(user_store(ANON + PAGE_SIZE, 0x77), 0);
	child = proc_fork();
}
static void finish_forked(void)
{
	u64 v;
	proc_run(child);
	CHECK_EQ(user_load(ANON + PAGE_SIZE, &v), 0);
	CHECK_EQ(v, 0x77);
	check_all();
	proc_exit(child);
	proc_run(mm);
	finish_two_stores();
}
ALL(cow_threads, 1, "copy-on-write by two threads at once: one copy, both stores in it, the child's page untouched",
    setup_forked, finish_forked, &mm, store_a, store_b)
static void child_exits(void *arg)
{
	proc_run(child);
	proc_exit(child);
}
static void finish_child_gone(void)
{
	u64 a;
	CHECK_EQ(user_load(ANON + PAGE_SIZE, &a), 0);
	CHECK_EQ(a, 1);
	finish_anon();
}
static void pin_for_read(void *arg)
{
	struct page *p;
	CHECK_EQ(pin_user_pages(ANON + PAGE_SIZE, 1, 0, &p), 1);
	u64 before = *(u64 *)page_address(p);
	CHECK(before == 0x77 || before == 1);
	host_preempt("pinned");
	CHECK(*(u64 *)page_address(p) == before || before == 0x77);
	page_unpin_read(p);
}
ALL(cow_exit_pin, 1, "copy-on-write against the other holder's exit and a read pin: copied or adopted, never both, nothing leaks",
    setup_forked, finish_child_gone, &mm, store_a, child_exits, pin_for_read)

/* --- fork --- */
static void forks(void *arg)
{
	child = proc_fork();
	CHECK(child);
}
static void store_0(void *arg) { CHECK_EQ(user_store(ANON, 2), 0); }
static void finish_fork(void)
{
	u64 v, w;
	check_all();
	proc_run(child);
	CHECK_EQ(user_load(ANON, &v), 0);
	CHECK(v == 1 || v == 2);
	proc_run(mm);
	CHECK_EQ(user_store(ANON, 3), 0);
	proc_run(child);
	CHECK_EQ(user_load(ANON, &w), 0);
	CHECK_EQ(v, w);
	proc_exit(child);
	proc_run(mm);
	finish_anon();
}
ALL(fork_store, 2, "E2, S2: fork against a store of another thread: the child has it or not, and no later one",
    setup_anon, finish_fork, &mm, forks, store_0)
static void pin_for_write(void *arg)
{
	struct page *p;
	CHECK_EQ(pin_user_pages(ANON, 1, PIN_WRITE, &p), 1);
	host_preempt("pinned");
	CHECK_EQ(own_holders(atomic64_read(&p->own)), 1);
	CHECK(entry_page(mm_entry(mm, ANON)) == p);
	*(u64 *)page_address(p) = 2;			/* DMA */
	page_unpin_exclusive(p);
}
ALL(fork_pin, 1, "D1, G1: fork against an exclusive pin: the pinned page stays the parent's alone",
    setup_anon, finish_fork, &mm, forks, pin_for_write)

/* --- a file's first table --- */
static void setup_page_0(void)
{
	mm = proc_create();
	memset(text, 1, PAGE_SIZE);
	f = hfile_create("f", 4 * PAGE_SIZE, text, PAGE_SIZE);	/* the page lock of its last page is not wanted for its tail */
	CHECK_EQ(hfile_mmap(f, BASE, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
}
static void store_and_sync(void *arg)
{
	CHECK_EQ(user_store(BASE + 8, 3), 0);
	CHECK_EQ(hfile_sync(f), 0);
}
static void store_page_0(void *arg) { CHECK_EQ(user_store(BASE + 8, 3), 0); }
static void write_page_1(void *arg) { CHECK_EQ(hfile_pwrite(f, text, 100, PAGE_SIZE), 100); }
static void finish_grown(void)
{
	u64 v = 0;
	CHECK_EQ(hfile_pread(f, &v, 8, 8), 8);
	CHECK_EQ(v, 3);
	finish_file();
}
ALL(grow_lock, 1, "FOREST G1: a file of one page gets its first table while that page is read and stored to",
    setup_page_0, finish_grown, &mm, store_page_0, write_page_1)

static void punch_page_0(void *arg) { CHECK_EQ(hfile_punch(f, 0, PAGE_SIZE), 0); }
ALL(punch_writeback, 1, "FOREST W2: a hole is made where a page is being written: the block is free only after that",
    setup_file, finish_file, &mm, store_and_sync, punch_page_0)

/* --- unmapping --- */
static void touch_0(void *arg)
{
	u64 v;
	int sig = 0;
	for (unsigned i = 0; i < 2; i++) {
		sig = user_load(ANON, &v);
		CHECK(sig == SIGSEGV || (sig == 0 && (v == 1 || v == 0)));
		host_preempt("program");
	}
	sig = user_store(ANON + 8, 5);
	CHECK(sig == 0 || sig == SIGSEGV);
}
static void unmap_0(void *arg)
{
	CHECK_EQ(mm_unmap(mm, ANON, 4 * PAGE_SIZE), 0);
	tlb_check(false);
	struct page *p = page_alloc(0, PA_ZERO);	/* perhaps what was the page, or its table */
	memset(page_address(p), 0xff, PAGE_SIZE);
	host_preempt("reused");
	for (unsigned i = 0; i < PAGE_SIZE / 8; i++)
		CHECK_EQ(((u64 *)page_address(p))[i], ~0UL);
	page_put(p);
}
ALL(unmap_access, 2, "S2, S5: munmap against a load and a store of another thread: frames and tables are free only when no translation leads there",
    setup_anon, finish_anon, &mm, touch_0, unmap_0)
static void protect_0(void *arg)
{
	CHECK_EQ(sys_mprotect(ANON, PAGE_SIZE, PROT_READ), 0);
	tlb_check(false);
	u64 v = 0, w;
	CHECK_EQ(user_load(ANON + 8, &v), 0);
	host_preempt("read-only");
	CHECK_EQ(user_load(ANON + 8, &w), 0);
	CHECK_EQ(v, w);				/* nobody can write it now */
}
ALL(protect_access, 2, "S2: mprotect against a store of another thread: when it returns, nobody writes any more",
    setup_anon, finish_anon, &mm, touch_0, protect_0)
static void setup_copy(void)
{
	setup_file();
	CHECK_EQ(map_anon(ANON, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), ANON);
	CHECK_EQ(user_store(ANON, 1), 0);
}
static void write_from_0(void *arg)
{
	ssize_t r = hfile_pwrite_user(f, ANON, 64, PAGE_SIZE + 512);
	CHECK(r == 64 || r == -EFAULT);
}
ALL(unmap_copy, 2, "A1, A6: munmap against a write() from the memory that goes away: all of it, or EFAULT",
    setup_copy, finish_file, &mm, write_from_0, unmap_0)

/* --- two writers crossing --- */
static void setup_crossed(void)
{
	setup_file();
	g = cached("g");
	CHECK_EQ(hfile_mmap(g, ANON, PAGES * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), ANON);
}
static void finish_crossed(void)
{
	CHECK_EQ(mm_unmap(mm, ANON, PAGES * PAGE_SIZE), 0);
	CHECK_EQ(hfile_sync(g), 0);
	hfile_destroy(g);
	finish_file();
}
static void f_from_g(void *arg) { CHECK_EQ(hfile_pwrite_user(f, ANON + 512, 100, 512), 100); }
static void g_from_f(void *arg) { CHECK_EQ(hfile_pwrite_user(g, BASE + 512, 100, 512), 100); }
ALL(write_crossed, 1, "W1: A writes f from a mapping of g while B writes g from a mapping of f",
    setup_crossed, finish_crossed, &mm, f_from_g, g_from_f)
