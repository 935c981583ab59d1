/*
 * Leaves that several address spaces have (mm/share.c): who may see what, who copies, who need not. One after the other; at the same time:
 * test_race_tables.c. Named after the invariants INV-P1, P2, P4 and S6 of MECHANISMS.md.
 */
#include "tables.h"

#include "kernel/inject.h"
#include "mm/loan.h"
#include "mm/reclaim.h"
#include "mm/swap.h"
#include "mm/switches.h"
#include "mm/syscalls.h"
#include "mm/usage.h"

struct mm *parent, *child;

struct page *leaf_of(struct mm *mm, vaddr_t va)
{
	vaddr_t next;
	return leaf_find(mm, va, &next);
}
bool writable_above(struct mm *mm, vaddr_t va) { return entry_read(leaf_slot(mm, va)) & ENTRY_RW; }
u64 load_as(struct mm *mm, unsigned p)
{
	proc_run(mm);
	return must_load(AT(p));
}
void store_as(struct mm *mm, unsigned p, u64 value)
{
	proc_run(mm);
	must_store(AT(p), value);
}

void setup_parent(void)
{
	switch_share_min = 2;
	child = NULL;
	parent = proc_create();
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	for (unsigned p = 0; p < PAGES; p++)
		must_store(AT(p), FIRST(p));
}
void setup_family(void)
{
	setup_parent();
	child = proc_fork();
	CHECK(child && leaf_of(child, BASE) == leaf_of(parent, BASE));
}
static void leave(struct mm **mm)
{
	proc_run(*mm);
	proc_exit(*mm);
	*mm = NULL;
}
void finish_family(void)
{
	check_all();
	if (child)
		leave(&child);
	check_all();
	if (parent)
		leave(&parent);
	check_all();
}

/* What is counted: since the last look, of copies, takeovers, flushes. */
struct changes { u64 copies, takes, shares, flushes, cow; };
static struct changes changes(void)
{
	static struct changes before;
	struct changes now = { vmstat_read(VM_TABLE_COPY), vmstat_read(VM_TABLE_TAKE), vmstat_read(VM_TABLE_SHARE), host_tlb_flushes,
			       vmstat_read(VM_COW_COPY) + vmstat_read(VM_COW_REUSE) };
	struct changes since = { now.copies - before.copies, now.takes - before.takes, now.shares - before.shares, now.flushes - before.flushes, now.cow - before.cow };
	before = now;
	return since;
}
static void check_first(struct mm *mm)
{
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(load_as(mm, p), FIRST(p));
}

/* --- fork --- */

TEST(tables_INV_P4_fork, "INV-P4: fork gives the child the leaf itself: one owner more, no holder of a page more; a child's child, too; neither sees the other's stores")
{
	check_leaks_begin();
	setup_family();
	struct page *leaf = leaf_of(parent, BASE);
	CHECK_EQ(owners(leaf), 2);
	CHECK(!writable_above(parent, BASE) && !writable_above(child, BASE));
	for (unsigned p = 0; p < PAGES; p++)
		CHECK_EQ(holders_of(parent, p), 1);
	CHECK(!(mm_entry(parent, BASE) & (ENTRY_RW | ENTRY_EXCL)) && leaf->live == PAGES);
	check_all();
	check_first(child);
	struct mm *grandchild = proc_fork();
	CHECK(leaf_of(grandchild, BASE) == leaf && owners(leaf) == 3);
	check_all();
	store_as(grandchild, 0, 1);		/* copies */
	CHECK(leaf_of(grandchild, BASE) != leaf && owners(leaf) == 2 && holders_of(child, 1) == 2);
	check_all();
	check_first(child);
	check_first(parent);
	store_as(parent, 1, 2);
	CHECK(owners(leaf) == 1 && leaf_of(child, BASE) == leaf && !writable_above(child, BASE));
	check_all();
	store_as(child, 2, 3);			/* the last one: takes it over */
	CHECK(leaf_of(child, BASE) == leaf && writable_above(child, BASE));
	check_all();
	for (unsigned p = 0; p < PAGES; p++) {
		CHECK_EQ(load_as(grandchild, p), p == 0 ? 1 : FIRST(p));
		CHECK_EQ(load_as(parent, p), p == 1 ? 2 : FIRST(p));
		CHECK_EQ(load_as(child, p), p == 2 ? 3 : FIRST(p));
	}
	leave(&grandchild);
	finish_family();
	check_leaks_end();
}

TEST(tables_who, "what is shared: leaves with enough entries, all of one private anonymous mapping that is inherited, unless share_tables=0")
{
	static const struct { u64 map, advice; bool shared; } kinds[] = {
		{ MAP_PRIVATE, 0, true }, { MAP_SHARED, 0, false }, { MAP_PRIVATE, MADV_DONTFORK, false }, { MAP_PRIVATE, MADV_WIPEONFORK, false },
	};
	switch_share_min = PAGES;
	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++)
		for (unsigned few = 0; few < 2; few++)
			for (unsigned on = 0; on < 2; on++) {
				parent = proc_create();
				switch_share_tables = on;
				CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, kinds[k].map | MAP_FIXED), BASE);
				CHECK_EQ(map_anon(BASE + LEAF_SPAN, LEAF_SPAN - PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), BASE + LEAF_SPAN);
				for (unsigned p = 0; p < PAGES - few; p++) {
					must_store(AT(p), FIRST(p));
					must_store(AT(512 + p), FIRST(p));
				}
				if (kinds[k].advice)
					CHECK_EQ(sys_madvise(BASE, LEAF_SPAN, kinds[k].advice), 0);
				changes();
				child = proc_fork();
				CHECK_EQ(changes().shares, kinds[k].shared && !few && on);
				CHECK(leaf_of(child, BASE + LEAF_SPAN) != leaf_of(parent, BASE + LEAF_SPAN));	/* a page is missing there */
				if (kinds[k].map == MAP_PRIVATE)
					finish_family();
				else
					leave(&child), leave(&parent);
			}
	switch_share_tables = true;
}

/* --- while it is shared --- */

/* A write so long that the program's pages would be lent: they are copied. */
static void write_out(void)
{
	struct hfile *f = hfile_create("f", PAGES * PAGE_SIZE, NULL, 0);
	u64 v;
	CHECK_EQ(hfile_pwrite_user(f, BASE, PAGES * PAGE_SIZE, 0), PAGES * PAGE_SIZE);
	CHECK_EQ(hfile_pread(f, &v, 8, PAGE_SIZE), 8);
	CHECK_EQ(v, FIRST(1));
	hfile_destroy(f);
}
TEST(tables_INV_P1, "INV-P1: what looks at a shared leaf, or might change it for its own ends, does not: loads, read pins, counting, write(), MADV_COLD and _PAGEOUT, fork")
{
	swap_disk_on(HOST_SWAP_SLOTS);
	setup_family();
	struct page *leaf = leaf_of(parent, BASE), *pins[PAGES];
	struct mm *grandchild;
	static u64 before[512];
	for (unsigned i = 0; i < 512; i++)
		before[i] = table_entries(leaf)[i].v | ENTRY_A;
	proc_run(child);
	changes();
	CHECK_EQ(pin_user_pages(BASE, PAGES, 0, pins), PAGES);
	CHECK(pins[1] == page_of(parent, 1));
	unpin_user_pages(pins, PAGES, 0);
	CHECK_EQ(mm_rss_pages(child), PAGES);
	struct vma_usage usage;
	vma_usage(vma_lookup(child, BASE), &usage);
	CHECK_EQ(usage.shared_dirty, PAGES);
	CHECK_EQ(usage.pss_bytes, PAGES * PAGE_SIZE / 2);
	CHECK_EQ(sys_madvise(BASE, LEAF_SPAN, MADV_COLD), 0);
	sys_madvise(BASE, LEAF_SPAN, MADV_PAGEOUT);
	write_out();
	grandchild = proc_fork();
	check_first(child);
	check_first(grandchild);
	check_first(parent);
	CHECK_EQ(owners(leaf), 3);
	for (unsigned i = 0; i < 512; i++)
		CHECK_EQ(table_entries(leaf)[i].v | ENTRY_A, before[i]);
	struct changes c = changes();
	CHECK(c.copies == 0 && c.takes == 0 && c.cow == 0);
	leave(&grandchild);
	finish_family();
	swap_disk_off();
}

/* --- who changes it --- */

static void change_store(void) { must_store(AT(1), 1); }
static void change_fill(void) { must_store(AT(100), 1); }
static void change_read_fault(void) { CHECK_EQ(must_load(AT(100)), 0); }
static void change_unmap(void) { CHECK_EQ(sys_munmap(AT(1), PAGE_SIZE), 0); }
static void change_unmap_end(void) { CHECK_EQ(sys_munmap(AT(3), LEAF_SPAN), 0); }
static void change_protect(void) { CHECK_EQ(sys_mprotect(AT(1), PAGE_SIZE, PROT_READ), 0); }
static void change_protect_all(void)
{
	u64 v = 1;
	CHECK_EQ(sys_mprotect(BASE, LEAF_SPAN, PROT_READ), 0);
	CHECK_EQ(user_store(AT(1), v), SIGSEGV);
}
static void change_none(void)
{
	u64 v;
	CHECK_EQ(sys_mprotect(BASE, LEAF_SPAN, PROT_NONE), 0);
	CHECK_EQ(user_load(AT(1), &v), SIGSEGV);
}
static void change_move(void) { CHECK_EQ(sys_mremap(AT(1), 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(2048)), AT(2048)); }
static void change_move_all(void)
{
	CHECK_EQ(sys_mremap(BASE, LEAF_SPAN, LEAF_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, AT(2048)), AT(2048));
	CHECK_EQ(must_load(AT(2049)), FIRST(1));
}
static void change_shrink(void) { CHECK_EQ(sys_mremap(BASE, LEAF_SPAN, 4 * PAGE_SIZE, 0, 0), BASE); }
static void change_forget(void) { CHECK_EQ(sys_madvise(AT(1), 2 * PAGE_SIZE, MADV_DONTNEED), 0); }
static void change_over(void) { CHECK_EQ(map_anon(AT(1), PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), AT(1)); }
static void pin_and_write(unsigned flags, bool write)
{
	struct page *pin;
	CHECK_EQ(get_user_pages_fast(AT(1), 1, flags, &pin), 0);	/* INV-P4 */
	CHECK_EQ(pin_user_pages(AT(1), 1, flags, &pin), 1);
	CHECK(own_holders(pin->own.v) == 1 && own_xpins(pin->own.v) == 1);
	if (write)
		*(u64 *)page_address(pin) = 7;
	unpin_user_pages(&pin, 1, flags);
	CHECK_EQ(must_load(AT(1)), write ? 7 : FIRST(1));
}
static void change_pin(void) { pin_and_write(PIN_WRITE, true); }
static void change_long_pin(void) { pin_and_write(PIN_LONG, false); }
static void change_debugger(void)
{
	struct page *pin;
	CHECK_EQ(get_user_pages_unlocked(current->mm, AT(1), 1, PIN_WRITE | PIN_FORCE, &pin), 1);
	*(u64 *)page_address(pin) = 7;
	unpin_user_pages(&pin, 1, PIN_WRITE);
}
static void change_read(void)
{
	static u64 data[PAGES * 512];
	struct hfile *f = hfile_create("f", PAGES * PAGE_SIZE, data, sizeof(data));
	CHECK_EQ(hfile_pread_user(f, BASE, PAGES * PAGE_SIZE, 0), PAGES * PAGE_SIZE);
	CHECK_EQ(must_load(AT(1)), 0);
	hfile_destroy(f);
}
static void change_advice(void) { CHECK_EQ(sys_madvise(BASE, 4 * PAGE_SIZE, MADV_DONTFORK), 0); }
static void whole_unmap(void) { CHECK_EQ(sys_munmap(BASE, LEAF_SPAN), 0); }
static void whole_forget(void)
{
	CHECK_EQ(sys_madvise(BASE, LEAF_SPAN, MADV_DONTNEED), 0);
	CHECK_EQ(must_load(AT(1)), 0);
	must_store(AT(2), 5);
}
static void whole_over(void) { CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE); }

static const struct { const char *name; void (*run)(void); unsigned copies; } ways[] = {
	{ "store", change_store, 1 }, { "store to a page that is not there", change_fill, 1 }, { "load of such a page", change_read_fault, 1 },
	{ "munmap", change_unmap, 1 }, { "munmap of the end", change_unmap_end, 1 }, { "mprotect", change_protect, 1 }, { "mprotect of all", change_protect_all, 1 },
	{ "PROT_NONE", change_none, 1 }, { "mremap", change_move, 1 }, { "mremap of all", change_move_all, 1 }, { "mremap to less", change_shrink, 1 },
	{ "MADV_DONTNEED", change_forget, 1 }, { "mmap over it", change_over, 1 }, { "pin for writing", change_pin, 1 }, { "long pin", change_long_pin, 1 },
	{ "forced pin", change_debugger, 1 }, { "read()", change_read, 1 }, { "MADV_DONTFORK of a part", change_advice, 1 },
	{ "munmap of all", whole_unmap, 0 }, { "MADV_DONTNEED of all", whole_forget, 0 }, { "mmap over all", whole_over, 0 },
};

/* One of two owners does it; then what the other has is as it was, and is his alone, with all that he may write, for one fault. */
static void change_as(struct mm *who, struct mm *other, unsigned w)
{
	struct page *leaf = leaf_of(parent, BASE);
	proc_run(who);
	changes();
	if (sys_option("trace", 0))
		sys_printf("%s\n", ways[w].name);
	ways[w].run();
	u64 copies = changes().copies;
	if (copies != ways[w].copies || owners(leaf) != 1 || leaf_of(other, BASE) != leaf)
		host_fail("%s: %lu copies, %u owners", ways[w].name, (unsigned long)copies, owners(leaf));
	check_all();
	check_first(other);
	if (copies)
		CHECK(leaf_of(who, BASE) != leaf);
	changes();
	store_as(other, PAGES - 1, 9);
	struct changes c = changes();
	if (c.copies || c.takes != 1 || leaf_of(other, BASE) != leaf || !writable_above(other, BASE))
		host_fail("%s: the last owner does not take the leaf over", ways[w].name);
	if (!ways[w].copies && (c.cow || c.flushes))
		host_fail("%s: who takes over what was never copied still copies or flushes", ways[w].name);
	check_all();
}

TEST(tables_INV_P2, "INV-P2: each way to change a part of a shared leaf copies it first, for all of it nobody does; the last owner takes it over as it is, without a flush")
{
	for (unsigned w = 0; w < ARRAY_SIZE(ways); w++)
		for (unsigned by_child = 0; by_child < 2; by_child++) {
			setup_family();
			if (by_child)
				change_as(child, parent, w);
			else
				change_as(parent, child, w);
			finish_family();
		}
}

TEST(tables_INV_P2_last, "INV-P2: who is left alone with a leaf (the other one has gone) writes to all his pages after one fault: no copy, no flush")
{
	for (unsigned by_child = 0; by_child < 2; by_child++) {
		setup_family();
		struct mm **gone = by_child ? &parent : &child, *left = by_child ? child : parent;
		struct page *leaf = leaf_of(left, BASE), *page = page_of(left, 3);
		leave(gone);
		CHECK(owners(leaf) == 1 && !writable_above(left, BASE));
		proc_run(left);
		CHECK_EQ(get_user_pages_fast(AT(3), 1, PIN_WRITE, &page), 0);	/* not before */
		page = page_of(left, 3);
		check_all();
		changes();
		for (unsigned p = 0; p < PAGES; p++)
			must_store(AT(p), p);
		struct changes c = changes();
		CHECK(c.takes == 1 && !c.copies && !c.flushes && !c.cow);
		CHECK(leaf_of(left, BASE) == leaf && page_of(left, 3) == page);
		finish_family();
	}
}

/* --- INV-S6: another CPU of the same program --- */

static unsigned turn;
static void other_thread(void *arg)
{
	check_first(parent);		/* has the upper entry now, and all translations but those of what is not there */
	turn = 1;
	while (turn != 2)
		sched_yield_cpu();
	CHECK_EQ(must_load(AT(1)), 1);
	CHECK_EQ(must_load(AT(2)), FIRST(2));	/* of the copy, not what the child has stored in the old leaf meanwhile */
	CHECK_EQ(must_load(AT(200)), 0);
	must_store(AT(3), 30);
}
TEST(tables_INV_S6, "INV-S6: one page flushed on each CPU is enough when a copy takes the place of a shared leaf")
{
	setup_family();
	turn = 0;
	struct task *t = host_spawn("other", parent, other_thread, NULL);
	while (turn != 1)
		sched_yield_cpu();
	proc_run(parent);
	u64 pages = vmstat_read(VM_TLB_FLUSH_PAGE), all = vmstat_read(VM_TLB_FLUSH_ALL);
	must_store(AT(300), 5);			/* copies; nothing is there, so that is all that it flushes */
	CHECK_EQ(vmstat_read(VM_TLB_FLUSH_PAGE), pages + 1);
	CHECK_EQ(vmstat_read(VM_TLB_FLUSH_ALL), all);
	tlb_check(true);
	must_store(AT(1), 1);
	store_as(child, 2, 20);			/* takes the old one over */
	store_as(child, 200, 20);
	proc_run(parent);
	turn = 2;
	host_join(t);
	CHECK_EQ(load_as(child, 3), FIRST(3));
	finish_family();
}

/* --- pins before the fork --- */

TEST(tables_INV_P4_pinned, "INV-P4 G3: a leaf with a page that is pinned exclusively is not shared, the child gets a copy of that page; with the pin goes the mark")
{
	static const unsigned kinds[] = { PIN_WRITE, PIN_LONG };
	for (unsigned k = 0; k < 2; k++)
		for (unsigned slow = 0; slow < 2; slow++) {
			struct page *pin;
			setup_parent();
			if (slow)
				CHECK_EQ(get_user_pages_unlocked(parent, AT(2), 1, kinds[k], &pin), 1);
			else
				CHECK_EQ(get_user_pages_fast(AT(2), 1, kinds[k], &pin), 1);
			pin_note(pin, 1, 0);
			u64 copied = vmstat_read(VM_FORK_COPY);
			changes();
			child = proc_fork();
			CHECK(changes().shares == 0 && vmstat_read(VM_FORK_COPY) == copied + 1 && leaf_of(child, BASE) != leaf_of(parent, BASE));
			check_all();
			*(u64 *)page_address(pin) = 7;		/* a device */
			check_first(child);
			CHECK_EQ(load_as(parent, 2), 7);
			store_as(parent, 2, 8);
			CHECK_EQ(*(u64 *)page_address(pin), 8);
			leave(&child);
			pin_note(pin, -1, 0);
			unpin_user_pages(&pin, 1, kinds[k]);
			proc_run(parent);
			child = proc_fork();
			CHECK_EQ(changes().shares, 1);
			CHECK(!leaf_of(parent, BASE)->pinned);
			finish_family();
		}
}

TEST(tables_INV_P4_moved, "INV-P4: a pinned page takes its leaf's mark along when it is moved")
{
	struct page *pin;
	setup_parent();
	CHECK_EQ(get_user_pages_fast(AT(2), 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	CHECK_EQ(sys_mremap(BASE, LEAF_SPAN, LEAF_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, AT(2048)), AT(2048));
	changes();
	child = proc_fork();
	CHECK_EQ(changes().shares, 0);
	check_all();
	*(u64 *)page_address(pin) = 7;
	CHECK_EQ(load_as(child, 2050), FIRST(2));
	CHECK_EQ(load_as(parent, 2050), 7);
	pin_note(pin, -1, 0);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	finish_family();
}

/* --- swap entries, limits, no memory --- */

TEST(tables_swap, "SW1: swap entries in a shared leaf count once, in its copy again; each owner gets his page back")
{
	swap_disk_on(HOST_SWAP_SLOTS);
	setup_parent();
	CHECK_EQ(sys_madvise(BASE, 3 * PAGE_SIZE, MADV_PAGEOUT), 0);
	CHECK(entry_is_swap(mm_entry(parent, AT(1))));
	check_all();
	child = proc_fork();
	CHECK(leaf_of(child, BASE) == leaf_of(parent, BASE));
	check_all();
	CHECK_EQ(load_as(child, 1), FIRST(1));		/* a copy, and the page comes in there alone */
	CHECK(entry_is_swap(mm_entry(parent, AT(1))) && leaf_of(child, BASE) != leaf_of(parent, BASE));
	check_all();
	store_as(child, 1, 5);
	store_as(parent, 0, 6);
	check_all();
	CHECK_EQ(load_as(child, 0), FIRST(0));
	CHECK_EQ(load_as(parent, 1), FIRST(1));
	CHECK_EQ(load_as(parent, 2), FIRST(2));
	check_all();
	leave(&parent);
	CHECK_EQ(load_as(child, 2), FIRST(2));
	finish_family();
	swap_disk_off();
}

TEST(tables_swapoff, "swapoff brings the pages of shared leaves back for all who have them")
{
	swap_disk_on(HOST_SWAP_SLOTS);
	setup_parent();
	CHECK_EQ(sys_madvise(BASE, 3 * PAGE_SIZE, MADV_PAGEOUT), 0);
	child = proc_fork();
	check_all();
	swap_disk_off();
	check_all();
	check_first(child);
	check_first(parent);
	finish_family();
}

TEST(tables_swap_shared, "who needs memory has pages of shared leaves swapped out, too; all get theirs back")
{
	swap_disk_on(HOST_SWAP_SLOTS);
	setup_family();
	for (unsigned i = 0; i < 8; i++) {
		swap_out(PAGES);
		check_all();
	}
	CHECK(swap_total() - swap_free() >= PAGES);
	check_first(child);
	check_all();
	check_first(parent);
	finish_family();
	swap_disk_off();
}

/* So many frames are free, and no more. */
static struct page *taken;
static void take_memory(u64 left)
{
	struct page *page;
	while (page_free_count() > left && (page = page_alloc(0, PA_ATOMIC | PA_RESERVE))) {
		*(struct page **)page_address(page) = taken;
		taken = page;
	}
}
static void give_memory(void)
{
	for (struct page *page; (page = taken);) {
		taken = *(struct page **)page_address(page);
		page_put(page);
	}
}
TEST(tables_fork_short, "a fork that is short of memory swaps out the parent's own pages, from leaves that it is about to share or has just shared")
{
	for (unsigned left = 0; left < 60; left++)
		for (unsigned shared = 0; shared < 2; shared++) {
			struct mm *second;
			swap_disk_on(HOST_SWAP_SLOTS);
			setup_parent();
			CHECK_EQ(map_anon(BASE + (1UL << 39), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE + (1UL << 39));	/* takes tables of all levels */
			for (unsigned p = 0; p < PAGES; p++)
				must_store(AT(p) + (1UL << 39), p);
			child = shared ? proc_fork() : NULL;
			check_all();
			take_memory(page_reserve() + left);
			second = proc_fork();
			give_memory();
			if (second) {
				for (unsigned p = 0; p < PAGES; p++)
					store_as(parent, p, p);
				check_all();
				check_first(second);
				leave(&second);
			} else {
				check_first(parent);
			}
			finish_family();
			swap_disk_off();
		}
}

/* Each way with the n-th allocation failing, for each n. */
static void with_failing(unsigned w, unsigned n)
{
	setup_family();
	proc_run(child);
	struct page *leaf = leaf_of(child, BASE);
	u64 v;
	if (sys_option("trace", 0))
		sys_printf("%s %u\n", ways[w].name, n);
	inject_arm(INJECT_ALLOC, n, 0, INJECT_ALL);
	if (ways[w].run == change_store) {
		int sig = user_store(AT(1), 1);
		CHECK(sig == 0 || sig == SIGKILL);
	} else if (ways[w].run == change_pin) {
		struct page *pin;
		long r = pin_user_pages(AT(1), 1, PIN_WRITE, &pin);
		CHECK(r == 1 || r == -ENOMEM);
		if (r == 1)
			unpin_user_pages(&pin, 1, PIN_WRITE);
	} else {
		long r = ways[w].run == change_unmap ? sys_munmap(AT(1), PAGE_SIZE) : ways[w].run == change_protect ? sys_mprotect(AT(1), PAGE_SIZE, PROT_READ) :
			ways[w].run == change_protect_all ? sys_mprotect(BASE, LEAF_SPAN, PROT_READ) : ways[w].run == change_forget ? sys_madvise(AT(1), 2 * PAGE_SIZE, MADV_DONTNEED) :
			sys_mremap(AT(1), 2 * PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, AT(2048));
		CHECK(r == 0 || r == -ENOMEM || r == (long)AT(2048));
		if (r == -ENOMEM) {
			inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
			for (unsigned p = 0; p < PAGES; p++)
				CHECK_EQ(must_load(AT(p)), FIRST(p));
			if (leaf_of(child, BASE) == leaf)
				CHECK_EQ(owners(leaf), 2);
		}
	}
	inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
	host_revive();
	check_all();
	CHECK(user_load(AT(0), &v) || v == FIRST(0));
	check_first(parent);
	finish_family();
}
TEST(tables_no_memory, "no memory for the copy: an errno, or the death of who stored; nothing has changed")
{
	void (*const which[])(void) = { change_store, change_pin, change_unmap, change_protect, change_protect_all, change_forget, change_move };
	check_leaks_begin();
	for (unsigned i = 0; i < ARRAY_SIZE(which); i++)
		for (unsigned w = 0; w < ARRAY_SIZE(ways); w++)
			for (unsigned n = 1; n < 8 && ways[w].run == which[i]; n++)
				with_failing(w, n);
	check_leaks_end();
}
TEST(tables_fork_no_memory, "the n-th allocation of a fork that shares fails, for every n: the parent is as before")
{
	struct mm *made = NULL;
	check_leaks_begin();
	for (unsigned n = 1; !made && n < 60; n++) {
		setup_parent();
		CHECK_EQ(map_anon(BASE + LEAF_SPAN, 2 * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE + LEAF_SPAN);
		for (unsigned p = 0; p < 4; p++)
			must_store(AT(1024 + p), p);
		inject_arm(INJECT_ALLOC, n, 0, INJECT_ALL);
		made = child = proc_fork();
		inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
		check_all();
		check_first(parent);
		store_as(parent, 0, 1);
		finish_family();
	}
	CHECK(made);
	check_leaks_end();
}

TEST(tables_limits, "a leaf with all owners that can be counted is not shared again; a page with all holders: the leaf's copy cannot be made, and nothing has changed")
{
	setup_family();
	struct page *leaf = leaf_of(parent, BASE), *page, *pin;
	u64 owned = leaf->own.v, held;
	proc_run(child);
	atomic64_set(&leaf->own, 0xfff0 * OWN_REF);
	changes();
	struct mm *grandchild = proc_fork();
	CHECK(grandchild && changes().shares == 0);
	CHECK(leaf_of(child, BASE) != leaf && leaf->own.v == 0xffef * OWN_REF);	/* page by page, from a copy of its own */
	atomic64_set(&leaf->own, owned - OWN_REF);
	check_all();
	check_first(grandchild);
	leave(&grandchild);
	finish_family();
	setup_family();
	leaf = leaf_of(parent, BASE);
	proc_run(child);
	page = page_of(child, 2);
	held = page->own.v;
	atomic64_set(&page->own, OWN_FULL + held);
	CHECK_EQ(pin_user_pages(AT(0), 1, PIN_WRITE, &pin), -ENOMEM);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, PROT_READ), -ENOMEM);
	atomic64_set(&page->own, held);
	CHECK(leaf_of(child, BASE) == leaf && owners(leaf) == 2);
	check_all();
	check_first(child);
	store_as(child, 0, 1);
	finish_family();
}
