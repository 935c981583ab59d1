/*
 * Leaves that several address spaces have (mm/share.c), changed by several at once: every schedule with few preemptions; by three, random ones. The T rules of FOREST.md
 * (model/forest_interleave.py) on the kernel's own code. One after the other: test_tables.c.
 */
#include "tables.h"

#include "mm/swap.h"
#include "mm/syscalls.h"
#include "mm/usage.h"

#define RANDOM(id, text, before, after, ...) \
	TEST(race_##id, text) { explore_random(&(struct scenario){ .setup = before, .finish = after, .pct = true, .fn = { __VA_ARGS__ } }, 400); }

static struct mm *third;
static bool pinned_in_child;

static void setup(void)
{
	setup_family();
	proc_run(NULL);			/* the test's CPU has no part in it */
	third = NULL;
	host_speculates = true;
}
static void setup_three(void)
{
	setup();
	proc_run(child);
	third = proc_fork();
	CHECK(leaf_of(third, BASE) == leaf_of(parent, BASE));
	proc_run(NULL);
}
static void setup_alone(void)
{
	setup_parent();
	proc_run(NULL);
	third = NULL;
	host_speculates = true;
}

/* What a program stores is his and nobody else's: 1000 to page 0 by the parent, 2000 to page 1 by the child, 3000 to page 2 by the third. */
static void check_stores(struct mm *mm, unsigned own, u64 stored)
{
	for (unsigned p = 0; mm && p < PAGES; p++)
		CHECK_EQ(load_as(mm, p), p == own ? stored : FIRST(p));
}
static void finish(void)
{
	check_all();
	if (third) {
		proc_run(third);
		proc_exit(third);
	}
	finish_family();
}
static void finish_stores(void)
{
	host_speculates = false;
	check_all();
	check_stores(parent, 0, 1000);
	check_stores(child, 1, 2000);
	check_stores(third, 2, 3000);
	finish();
}

static void store_parent(void *arg) { store_as(parent, 0, 1000); }
static void store_child(void *arg) { store_as(child, 1, 2000); }
static void store_third(void *arg) { store_as(third, 2, 3000); }
static void gone(struct mm **mm)
{
	proc_run(*mm);
	proc_exit(*mm);
	*mm = NULL;
	tlb_check(false);
}
static void exit_parent(void *arg) { gone(&parent); }
static void exit_child(void *arg) { gone(&child); }
static void unmap_child(void *arg)
{
	proc_run(child);
	CHECK_EQ(sys_munmap(BASE, LEAF_SPAN), 0);
	tlb_check(false);
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	for (unsigned p = 0; p < PAGES; p++)
		must_store(AT(p), p == 1 ? 2000 : FIRST(p));
}
static void protect_child(void *arg)
{
	proc_run(child);
	CHECK_EQ(sys_mprotect(AT(1), PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(must_load(AT(1)), FIRST(1));
	CHECK_EQ(sys_mprotect(AT(1), PAGE_SIZE, RW), 0);
	must_store(AT(1), 2000);
}

ALL(tables_unshare_two, 1, "INV-P2: two owners unshare a leaf at once: both copy, or one takes it over; each has his own",
    setup, finish_stores, NULL, store_parent, store_child)
RANDOM(tables_unshare_three, "INV-P2: three owners unshare at once",
       setup_three, finish_stores, store_parent, store_child, store_third)
ALL(tables_unshare_exit, 1, "INV-P2: one owner copies, or takes over, while the other exits",
    setup, finish_stores, NULL, store_parent, exit_child)
ALL(tables_exit_both, 1, "INV-P2: both owners exit at once: the leaf and its pages go once",
    setup, finish, NULL, exit_parent, exit_child)
ALL(tables_unshare_unmap, 1, "INV-P2: one owner copies while the other unmaps all, and maps anew",
    setup, finish_stores, NULL, store_parent, unmap_child)
ALL(tables_unshare_protect, 1, "INV-P2: one owner stores while the other protects a part, and stores there",
    setup, finish_stores, NULL, store_parent, protect_child)

/* --- threads of one owner --- */

static void store_other(void *arg)
{
	proc_run(parent);
	must_store(AT(0) + 8, 1);
	CHECK_EQ(must_load(AT(3)), FIRST(3));
}
static void finish_threads(void)
{
	host_speculates = false;
	check_all();
	CHECK_EQ(load_as(child, 0), FIRST(0));
	proc_run(parent);
	CHECK_EQ(must_load(AT(0) + 8), 1);
	check_stores(parent, 0, 1000);
	finish();
}
ALL(tables_unshare_threads, 1, "INV-P2: two threads of one owner unshare at once: one copy, no store is lost",
    setup, finish_threads, NULL, store_parent, store_other)

/* FOREST T1: as soon as the old leaf's reference is dropped the other owner may write to it. */
static void load_parent(void *arg)
{
	proc_run(parent);
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(must_load(AT(1)), FIRST(1));	/* never what the child stores */
		host_preempt("program");
	}
}
ALL(tables_T1, 1, "FOREST T1: who loses a leaf is flushed on all his CPUs before the next owner can write to it",
    setup, finish_stores, NULL, store_parent, store_child, load_parent)

/* --- pins --- */

static struct page *pin;
static void note_pin(void)
{
	/* A device writes through it: nobody but who pinned sees that. */
	*(u64 *)page_address(pin) = FIRST(2) + 1;
	pin_note(pin, 1, 0);
}
static void pin_fast(void *arg)
{
	proc_run(parent);
	if (get_user_pages_fast(AT(2), 1, PIN_WRITE, &pin) == 1)
		note_pin();
}
static void pin_slow(void *arg)
{
	proc_run(parent);
	CHECK_EQ(get_user_pages_unlocked(parent, AT(2), 1, PIN_LONG, &pin), 1);
	note_pin();
}
static void pin_both(void *arg)
{
	proc_run(parent);
	CHECK_EQ(pin_user_pages(AT(2), 1, PIN_WRITE, &pin), 1);
	note_pin();
}
static void fork_parent(void *arg)
{
	proc_run(parent);
	child = proc_fork();
	CHECK(child);
	proc_run(child);
	u64 first = must_load(AT(2));
	pinned_in_child = first != FIRST(2);	/* the fork came after the write */
	CHECK(first == FIRST(2) || first == FIRST(2) + 1);
	host_preempt("program");
	CHECK_EQ(must_load(AT(2)), first);
}
static void setup_pin(void)
{
	setup_alone();
	pin = NULL;
}
static void finish_pin(void)
{
	host_speculates = false;
	check_all();
	CHECK_EQ(load_as(parent, 2), FIRST(2) + (pin != NULL));
	CHECK_EQ(load_as(child, 2), FIRST(2) + pinned_in_child);
	if (pin) {
		CHECK(page_of(parent, 2) == pin);
		store_as(parent, 2, 5);
		CHECK_EQ(*(u64 *)page_address(pin), 5);
		pin_note(pin, -1, 0);
		unpin_user_pages(&pin, 1, PIN_WRITE);
	}
	finish();
}
ALL(tables_T4_fast, 2, "FOREST T3 T4, INV-P4: fork against a fast pin for writing: the leaf is shared, or the page is pinned",
    setup_pin, finish_pin, NULL, fork_parent, pin_fast)
ALL(tables_T4_slow, 1, "FOREST T3 T4: fork against a long pin under mmap_lock",
    setup_pin, finish_pin, NULL, fork_parent, pin_slow)
ALL(tables_T4_both, 1, "FOREST T3 T4: fork against a pin that tries the one, then the other",
    setup_pin, finish_pin, NULL, fork_parent, pin_both)

/* The page is moved to another leaf first: its mark comes along. */
static void move_and_fork(void *arg)
{
	proc_run(parent);
	CHECK_EQ(sys_mremap(BASE, LEAF_SPAN, LEAF_SPAN, MREMAP_MAYMOVE | MREMAP_FIXED, AT(2048)), AT(2048));
	child = proc_fork();
	CHECK(child);
}
static void finish_moved(void)
{
	check_all();
	if (pin) {
		u64 v = load_as(child, 2050);
		*(u64 *)page_address(pin) = 77;
		CHECK_EQ(load_as(parent, 2050), 77);
		CHECK_EQ(load_as(child, 2050), v);
		pin_note(pin, -1, 0);
		unpin_user_pages(&pin, 1, PIN_WRITE);
	}
	finish();
}
ALL(tables_move_pin, 1, "INV-P4: mremap and fork against a fast pin: the leaf that the pinned page is moved to is marked",
    setup_pin, finish_moved, NULL, move_and_fork, pin_fast)

/* One thread looks at the leaf to pin a page of it, another one copies the leaf, the other owner takes it over and stores there. */
static void store_page_2(void *arg)
{
	proc_run(child);
	must_store(AT(2), 2000);
	must_store(AT(2), 2001);
}
static unsigned pin_flags;
static void pin_page_2(void *arg)
{
	proc_run(parent);
	CHECK_EQ(get_user_pages_unlocked(parent, AT(2), 1, pin_flags, &pin), 1);
	if (*(u64 *)page_address(pin) != FIRST(2))
		host_fail("pinned a page of the other owner, which holds %lu", (unsigned long)*(u64 *)page_address(pin));
	if (pin_flags)
		*(u64 *)page_address(pin) = FIRST(2);
	host_preempt("pinned");
	CHECK_EQ(*(u64 *)page_address(pin), FIRST(2));
	unpin_user_pages(&pin, 1, pin_flags);
}
static void setup_read_pin(void) { setup(), pin_flags = 0; }
static void setup_write_pin(void) { setup(), pin_flags = PIN_WRITE; }
static void finish_pin_copy(void)
{
	host_speculates = false;
	check_all();
	CHECK_EQ(load_as(child, 2), 2001);
	CHECK_EQ(load_as(parent, 2), FIRST(2));
	CHECK_EQ(load_as(parent, 0), 1000);
	finish();
}
RANDOM(tables_pin_copy, "FOREST T1: a read pin under mmap_lock, while another thread copies the leaf and the other owner takes it over: never his page",
       setup_read_pin, finish_pin_copy, pin_page_2, store_parent, store_page_2)
RANDOM(tables_write_pin_copy, "FOREST T1: the same with a pin for writing",
       setup_write_pin, finish_pin_copy, pin_page_2, store_parent, store_page_2)

/* --- fork of one owner against the other's change --- */

static void fork_child(void *arg)
{
	proc_run(child);
	third = proc_fork();
	CHECK(third);
}
static void finish_forked(void)
{
	host_speculates = false;
	check_all();
	check_stores(parent, 0, 1000);
	check_stores(child, 0, FIRST(0));
	check_stores(third, 0, FIRST(0));
	finish();
}
ALL(tables_fork_unshare, 1, "INV-P2: one owner forks (an owner more) while the other copies, or takes over",
    setup, finish_forked, NULL, fork_child, store_parent)

/* --- swapping --- */

static void swap_out_child(void *arg)
{
	proc_run(child);
	CHECK_EQ(sys_madvise(BASE, PAGES * PAGE_SIZE, MADV_PAGEOUT), 0);
}
static void setup_swap(void)
{
	swap_disk_on(HOST_SWAP_SLOTS);
	setup();
}
static void finish_swap(void)
{
	check_all();
	check_stores(parent, 0, 1000);
	check_stores(child, 0, FIRST(0));
	finish();
	swap_disk_off();
}
ALL(tables_swap, 1, "swapping passes by a leaf that somebody else has, and may have it when he has left it",
    setup_swap, finish_swap, NULL, swap_out_child, store_parent)

/* --- who looks on (/proc) --- */

static void look_at_parent(void *arg)
{
	struct vma_usage seen;
	struct mm_usage all;
	down_read(&parent->mmap_lock);
	vma_usage(vma_lookup(parent, BASE), &seen);
	up_read(&parent->mmap_lock);
	CHECK(seen.rss == PAGES || seen.rss == PAGES - 1);	/* while a page is replaced its entry is empty */
	CHECK(seen.anonymous == seen.rss && !seen.swap);
	CHECK_EQ(seen.shared_clean + seen.shared_dirty + seen.private_clean + seen.private_dirty, seen.rss);
	mm_usage(parent, &all);
	CHECK(all.anonymous == PAGES || all.anonymous == PAGES - 1);
	CHECK_EQ(all.tables, 4);
	u64 pages = mm_rss_pages(parent);
	CHECK(pages == PAGES || pages == PAGES - 1);
}
static void leave_and_end(void *arg)
{
	store_parent(arg);
	store_as(child, 1, 2000);
	gone(&child);
}
ALL(tables_look, 1, "F-T1: /proc/PID/smaps and statm look at a leaf that is copied meanwhile, and emptied after that: they see the pages all the same",
    setup, finish, NULL, look_at_parent, leave_and_end)
