/* Leaves that several address spaces have (mm/share.c), and swapping, forks that find no memory, and counts that are full. The rest: test_tables.c. */
#include "tables.h"

#include "kernel/inject.h"
#include "mm/swap.h"
#include "mm/syscalls.h"

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
