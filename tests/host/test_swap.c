/*
 * Swap (mm/swap*.c): what goes out to the device (swapdisk.c) and comes back; pins; forks; many schedules of all that at once.
 */
#include "host.h"
#include "kernel/inject.h"
#include "mm/gup.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define BASE 0x40000000UL
#define RW (PROT_READ | PROT_WRITE)
#define PAGES 6
#define SLOTS HOST_SWAP_SLOTS

static u64 entry(unsigned p) { return mm_entry(current->mm, BASE + p * PAGE_SIZE); }
static unsigned out(unsigned first, unsigned n)
{
	struct mm *m = current->mm;
	down_read(&m->mmap_lock);
	struct vma *vma = vma_lookup(m, BASE + first * PAGE_SIZE);
	unsigned done = vma ? swap_out_range(m, vma, BASE + first * PAGE_SIZE, BASE + (first + n) * PAGE_SIZE) : 0;
	up_read(&m->mmap_lock);
	return done;
}
static void store(unsigned p, u64 v) { CHECK_EQ(user_store(BASE + p * PAGE_SIZE + 64, v), 0); }
static u64 load(unsigned p)
{
	u64 v;
	CHECK_EQ(user_load(BASE + p * PAGE_SIZE + 64, &v), 0);
	return v;
}

static struct mm *mm, *child;
static void setup(void)
{
	swap_disk_on(SLOTS);
	mm = proc_create();
	map_anon(BASE, PAGES * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned p = 0; p < PAGES; p++)
		store(p, 100 + p);
}
static void finish(void)
{
	check_all();
	proc_run(mm);
	proc_exit(mm);
	check_all();
	struct swap_info info;
	CHECK(!swap_nth(0, &info) || !info.used);
	swap_disk_off();
	check_all();
}

/* --- one after the other --- */

TEST(swap_out_and_in, "private pages go out and come back exclusive; slots are given back; a store under way copies")
{
	check_leaks_begin();
	setup();
	CHECK_EQ(out(0, PAGES), PAGES);
	CHECK(entry_is_swap(entry(0)));
	check_all();				/* waits for the disk: all are written */
	CHECK_EQ(swap_cached(), 0);
	CHECK_EQ(swap_total() - swap_free(), PAGES);
	CHECK_EQ(load(2), 102);
	CHECK((entry(2) & (ENTRY_PRIV | ENTRY_EXCL | ENTRY_RW)) == (ENTRY_PRIV | ENTRY_EXCL | ENTRY_RW));
	store(3, 7);
	CHECK_EQ(load(3), 7);
	check_all();
	CHECK_EQ(swap_total() - swap_free(), PAGES - 2);
	CHECK_EQ(out(2, 2), 2);			/* now before it is written */
	u64 copies = vmstat_read(VM_COW_COPY);
	store(2, 8);				/* a writer does not wait for writeback */
	CHECK_EQ(vmstat_read(VM_COW_COPY), copies + (swap_disk_pending() != 0));
	CHECK_EQ(load(3), 7);
	check_all();
	CHECK_EQ(load(2), 8);
	finish();
	check_leaks_end();
}

TEST(swap_pinned, "INV-E8: a page with a pin of either kind does not go out; nor does its content change places")
{
	struct page *page[2];
	setup();
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &page[0]), 1);
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, 0, &page[1]), 1);
	pin_note(page[0], 1, 0);
	pin_note(page[1], 0, 1);
	CHECK_EQ(out(0, PAGES), PAGES - 2);
	CHECK(entry_page(entry(0)) == page[0] && entry_page(entry(1)) == page[1]);
	check_all();
	pin_note(page[0], -1, 0);
	pin_note(page[1], 0, -1);
	unpin_user_pages(&page[0], 1, PIN_WRITE);
	unpin_user_pages(&page[1], 1, 0);
	CHECK_EQ(out(0, PAGES), 2);
	CHECK_EQ(load(0), 100);
	finish();
}

TEST(swap_fork, "swap entries are copied with their counts; shared pages go out once; each process keeps its own")
{
	setup();
	CHECK_EQ(out(0, 3), 3);
	child = proc_fork();
	CHECK_EQ(swap_total() - swap_free(), 3);
	store(0, 1);
	store(4, 2);				/* was shared in memory */
	CHECK_EQ(out(0, PAGES), 4);		/* 0 and 4, alone; 3 and 5, shared */
	check_all();
	proc_run(child);
	CHECK_EQ(load(0), 100);
	CHECK_EQ(load(4), 104);
	u64 used = swap_total() - swap_free();
	CHECK_EQ(out(3, 1) + out(5, 1), 2);	/* the same slots: their caches have the page, as long as we did */
	CHECK_EQ(swap_total() - swap_free(), used);
	CHECK_EQ(load(5), 105);
	store(5, 9);
	check_all();
	proc_exit(child);
	proc_run(mm);
	CHECK_EQ(load(5), 105);
	CHECK_EQ(load(0), 1);
	finish();
}

TEST(swap_full, "a full area: what does not fit stays; freed slots are used again; bad ones never")
{
	setup();
	map_anon(BASE + (1 << 20), (SLOTS + 8) * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned p = 0; p < SLOTS + 8; p++)
			store(256 + p, round * 1000 + p);
		out(256, SLOTS + 8);
		check_all();
		CHECK_EQ(swap_free(), 0);
		CHECK_EQ(swap_total(), SLOTS - 1);
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			CHECK_EQ(swap_disk[3 * PAGE_SIZE + i], 0xdd);
		for (unsigned p = 0; p < SLOTS + 8; p++)
			CHECK_EQ(load(256 + p), round * 1000 + p);
		check_all();
	}
	finish();
}

TEST(swap_failing, "writes that fail lose nothing and are the last ones; a read that fails is SIGBUS, and the next one may succeed")
{
	u64 v;
	setup();
	swap_disk_fail_write = 3;
	out(0, PAGES);
	check_all();
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(load(p), 100 + p);
	CHECK_EQ(swap_free(), 0);
	CHECK_EQ(out(0, PAGES), 0);
	finish();
	setup();
	CHECK_EQ(out(0, PAGES), PAGES);
	check_all();
	swap_disk_fail_read = 1;
	CHECK_EQ(user_load(BASE + 64, &v), SIGBUS);
	CHECK_EQ(load(0), 100);
	check_all();
	swap_disk_fail_read = 2;
	CHECK_EQ(swap_off(swap_disk), -EIO);		/* in use as before */
	CHECK_EQ(load(1), 101);
	CHECK_EQ(out(0, PAGES) != 0, true);
	finish();
}

TEST(swap_reclaim, "an allocator that runs short swaps out what nobody used, and everything is there afterwards")
{
	setup();
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(load(p), 100 + p);
	CHECK(reclaim_pages(2));		/* the first round takes A away, the second pages */
	CHECK(vmstat_read(VM_SWAP_OUT) >= 2 && vmstat_read(VM_SWAP_ACTIVE) >= PAGES);
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(load(p), 100 + p);
	finish();
}

TEST(swap_lent, "pages that read() lent go out and come back as they were read, whatever happens to the file")
{
	static u8 text[4 * PAGE_SIZE];
	setup();
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (u8)(i / PAGE_SIZE + 1);
	struct hfile *f = hfile_create("f", sizeof(text), text, sizeof(text));
	u8 c;
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(hfile_pread(f, &c, 1, i * PAGE_SIZE), 1);
	map_anon(BASE + (1 << 20), 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(hfile_pread_user(f, BASE + (1 << 20), sizeof(text), 0), (ssize_t)sizeof(text));
	unsigned n = out(256, 4);
	CHECK_EQ(n, 4);
	check_all();
	memset(text, 0x55, sizeof(text));
	CHECK_EQ(hfile_pwrite(f, text, 2 * PAGE_SIZE, 0), 2 * (ssize_t)PAGE_SIZE);
	check_all();
	for (unsigned p = 0; p < 4; p++)
		CHECK_EQ(load(256 + p), 0x0101010101010101UL * (p + 1));
	store(258, 7);
	CHECK_EQ(hfile_pread(f, &c, 1, 2 * PAGE_SIZE + 64), 1);
	CHECK_EQ(c, 3);
	check_all();
	hfile_destroy(f);
	finish();
}

TEST(reclaim_second_chance, "F: A in a slot, and A in an entry that maps the page, each give it another round; then the unused go first")
{
	static u8 text[4 * PAGE_SIZE];
	u8 c;
	mm = proc_create();
	struct hfile *f = hfile_create("f", sizeof(text), text, sizeof(text));
	CHECK_EQ(hfile_mmap(f, BASE, sizeof(text), PROT_READ, MAP_SHARED | MAP_FIXED, 0), BASE);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(hfile_pread(f, &c, 1, i * PAGE_SIZE), 1);
	down_read(&mm->mmap_lock);		/* two entries, used; fault-around would make four */
	struct page *leaf = leaf_own(mm, BASE);
	for (unsigned p = 0; p < 2; p++) {
		spin_lock(&leaf->lock);
		entry_exchange_locked(leaf, leaf_entry(leaf, BASE + p * PAGE_SIZE), (pagecache_peek(&f->inode.mapping, p) & ENTRY_FRAME) | vma_entry_bits(vma_lookup(mm, BASE)));
		spin_unlock(&leaf->lock);
	}
	up_read(&mm->mmap_lock);
	u64 active = vmstat_read(VM_RECLAIM_ACTIVE);
	CHECK(reclaim_pages(1));		/* once around for the slots' A, then the first that nobody maps */
	CHECK_EQ(vmstat_read(VM_RECLAIM_ACTIVE) - active, 4 + 2);
	CHECK(pagecache_peek(&f->inode.mapping, 0) & ENTRY_P && pagecache_peek(&f->inode.mapping, 1) & ENTRY_P);
	CHECK_EQ(f->inode.mapping.nr_pages.v, 3);
	CHECK(reclaim_pages(3));
	CHECK_EQ(f->inode.mapping.nr_pages.v, 0);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(reclaim_locked, "pages of a file stay where mlock() keeps what maps them, and go when nobody does any more")
{
	static u8 text[4 * PAGE_SIZE];
	mm = proc_create();
	struct hfile *f = hfile_create("f", sizeof(text), text, sizeof(text));
	CHECK_EQ(hfile_mmap(f, BASE, sizeof(text), PROT_READ, MAP_SHARED | MAP_FIXED, 0), BASE);
	for (unsigned p = 0; p < 4; p++)
		CHECK_EQ(load(p), 0);
	down_write(&mm->mmap_lock);
	vma_lookup(mm, BASE)->flags |= VM_LOCKED;
	mm->locked_pages += 4;
	up_write(&mm->mmap_lock);
	CHECK_EQ(pagecache_drop(&f->inode.mapping, 0, 3), 0);
	CHECK_EQ(f->inode.mapping.nr_pages.v, 4);
	check_all();
	down_write(&mm->mmap_lock);
	vma_lookup(mm, BASE)->flags &= ~VM_LOCKED;
	mm->locked_pages -= 4;
	up_write(&mm->mmap_lock);
	CHECK_EQ(pagecache_drop(&f->inode.mapping, 0, 3), 4);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

/* --- at once --- */

static void run(const struct scenario *s, unsigned schedules) { explore_random(s, schedules); }

static void swapper(void *arg)
{
	for (unsigned i = 0; i < 5; i++) {
		if (host_random(3))
			out(host_random(PAGES), 1);
		else
			reclaim_pages(1 + host_random(4));
	}
}
/* Page p holds 100 + p, or a multiple of 1000 beside that, which only its own writer adds. */
static void checker(void *arg)
{
	for (unsigned i = 0; i < 12; i++) {
		unsigned p = host_random(PAGES);
		u64 v = load(p);
		CHECK_EQ(v % 1000, 100 + p);
		if (p < 3)
			store(p, v + 1000);
		CHECK(p >= 3 || load(p) == v + 1000);
	}
}
static void reader(void *arg)
{
	for (unsigned i = 0; i < 12; i++) {
		unsigned p = host_random(PAGES);
		CHECK_EQ(load(p) % 1000, 100 + p);
	}
}
TEST(race_swap_fault, "faults, stores and reclaim of the same pages by three threads")
{
	run(&(struct scenario){ .setup = setup, .finish = finish, .mm = &mm, .pct = true, .fn = { checker, swapper, reader } }, 700);
}

/* A pinned page stays where it is: its entry may be away for the moment in which swap-out looks for pins, and comes back. */
static void stays(unsigned p, struct page *page)
{
	for (unsigned i = 0; i < 200; i++) {
		u64 e = entry(p);
		if (e & ENTRY_P && entry_page(e) == page)
			return;
		sched_yield_cpu();
	}
	host_fail("INV-E8: the entry of pinned page %u is %lx", p, (unsigned long)entry(p));
}
static void pinner(void *arg)
{
	for (unsigned i = 0; i < 6; i++) {
		unsigned p = host_random(PAGES), flags = host_random(2) ? PIN_WRITE : 0;
		struct page *page;
		if (pin_user_pages(BASE + p * PAGE_SIZE, 1, flags, &page) != 1)
			continue;
		host_preempt("pinned");
		u64 *word = (u64 *)((char *)page_address(page) + 64);
		CHECK_EQ(*word % 1000, 100 + p);
		if (flags) {			/* a device writes: the program sees it, whatever was swapped meanwhile */
			u64 v = *word + 1000;
			*word = v;
			host_preempt("written");
			stays(p, page);
			CHECK_EQ(load(p), v);
		}
		host_preempt("done");
		unpin_user_pages(&page, 1, flags);
	}
}
TEST(race_swap_pin, "INV-E8: pins against swap-out: what is written through a pin is what the program sees")
{
	run(&(struct scenario){ .setup = setup, .finish = finish, .mm = &mm, .pct = true, .fn = { pinner, swapper, reader } }, 700);
}

static void forker(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		struct mm *copy = proc_fork();
		CHECK(copy);
		proc_run(copy);
		u64 v = load(0);
		out(0, PAGES);
		store(1, 5);
		CHECK_EQ(load(0), v);
		CHECK_EQ(load(1), 5);
		for (unsigned p = 2; p < PAGES; p++)
			CHECK_EQ(load(p) % 1000, 100 + p);
		proc_run(mm);
		proc_exit(copy);
	}
}
TEST(race_swap_fork, "fork, exit, swap-out in parent and child, faults")
{
	run(&(struct scenario){ .setup = setup, .finish = finish, .mm = &mm, .pct = true, .fn = { forker, swapper, checker } }, 500);
}

static void mapper(void *arg)
{
	for (unsigned i = 0; i < 6; i++) {
		mm_unmap(mm, BASE + (1 << 20), PAGES * PAGE_SIZE);
		map_anon(BASE + (1 << 20), PAGES * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
		store(256 + host_random(PAGES), i + 1);
		out(256, PAGES);
	}
}
static void switcher(void *arg)
{
	for (unsigned i = 0; i < 2; i++) {
		int error = swap_off(swap_disk);
		CHECK(!error || error == -ENOMEM);
		if (!error)
			swap_disk_on(SLOTS);
	}
}
TEST(race_swap_off, "swapoff against faults, swap-out, munmap: all comes back, and nobody looks at an area that is gone")
{
	run(&(struct scenario){ .setup = setup, .finish = finish, .mm = &mm, .pct = true, .fn = { mapper, switcher, reader, swapper } }, 400);
}

/* --- every schedule with few preemptions --- */

static void setup_one(void)
{
	setup();
	mm_unmap(mm, BASE + PAGE_SIZE, (PAGES - 1) * PAGE_SIZE);
}
static void out_0(void *arg) { out(0, 1); }
static void store_0(void *arg)
{
	store(0, 55);
	CHECK_EQ(load(0), 55);
}
static void pin_0(void *arg)
{
	struct page *page;
	if (pin_user_pages(BASE, 1, PIN_WRITE, &page) != 1)
		return;
	*(u64 *)((char *)page_address(page) + 64) = 66;
	host_preempt("written");
	stays(0, page);
	CHECK_EQ(load(0), 66);
	unpin_user_pages(&page, 1, PIN_WRITE);
}
ALL(swap_store, 1, "a store against the swap-out of its page", setup_one, finish, &mm, out_0, store_0)
ALL(swap_pin, 1, "INV-E8: an exclusive pin against the swap-out of its page", setup_one, finish, &mm, out_0, pin_0)

/* --- failures --- */

TEST(swap_inject, "the n-th allocation fails, for every n until none does, over swapon, out, fork, in, swapoff: no leak, nothing lost")
{
	for (unsigned n = 1;; n++) {
		struct swap_setup s = { .name = "disk", .device = swap_disk, .ops = &swap_disk_ops, .last = SLOTS, .priority = 5 };
		u64 fails = vmstat_read(VM_ALLOC_FAIL), v;
		mm = proc_create();
		map_anon(BASE, PAGES * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
		for (unsigned p = 0; p < PAGES; p++)
			store(p, 100 + p);
		check_leaks_begin();
		inject_arm(INJECT_ALLOC, n, 0, INJECT_ALL);
		int error = swap_on(&s);
		CHECK(!error || error == -ENOMEM);
		if (!error)
			CHECK_EQ(out(0, PAGES), PAGES);		/* needs no memory */
		child = proc_fork();
		for (unsigned p = 0; p < 3; p++)
			CHECK(user_load(BASE + p * PAGE_SIZE + 64, &v) || v == 100 + p);
		int off = swap_off(swap_disk);
		CHECK(off == (error ? -EINVAL : 0) || off == -ENOMEM || (off == -EINTR && fatal_signal_pending(current)));
		inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
		bool failed = vmstat_read(VM_ALLOC_FAIL) != fails;
		check_all();
		if (child)
			proc_exit(child);
		host_revive();
		if (off == -ENOMEM || off == -EINTR)
			CHECK_EQ(swap_off(swap_disk), 0);
		for (unsigned p = 0; p < PAGES; p++)
			CHECK_EQ(load(p), 100 + p);
		check_all();
		proc_run(mm);
		proc_exit(mm);
		check_all();
		if (!failed)
			break;
		CHECK(n < 200);
	}
}
