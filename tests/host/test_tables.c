/*
 * Leaves that several address spaces have (mm/share.c): who may share and see what, who takes over, who is flushed. What copies: test_tables_change.c;
 * no memory: test_tables_short.c; at the same time: test_race_tables.c. Named after the invariants INV-P1, P2, P4 and S6 of MECHANISMS.md.
 */
#include "tables.h"

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
void leave(struct mm **mm)
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

struct changes changes(void)
{
	static struct changes before;
	struct changes now = { vmstat_read(VM_TABLE_COPY), vmstat_read(VM_TABLE_TAKE), vmstat_read(VM_TABLE_SHARE), host_tlb_flushes,
			       vmstat_read(VM_COW_COPY) + vmstat_read(VM_COW_REUSE) };
	struct changes since = { now.copies - before.copies, now.takes - before.takes, now.shares - before.shares, now.flushes - before.flushes, now.cow - before.cow };
	before = now;
	return since;
}
void check_first(struct mm *mm)
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
