/*
 * Leaves that several address spaces have (mm/share.c): each way to change one copies it first (INV-P2), also when there is no memory for that. The rest:
 * test_tables.c.
 */
#include "tables.h"

#include "kernel/inject.h"
#include "mm/gup.h"
#include "mm/syscalls.h"

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
