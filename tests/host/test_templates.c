/*
 * Page tables that a file keeps for its readers (mm/template.c): who gets one, what he sees whatever happens to the file, what the file may still do in
 * place. One after the other, and at random at once. INV-P1 and P3 of MECHANISMS.md.
 */
#include "tables.h"

#include "kernel/inject.h"
#include "mm/loan.h"
#include "mm/reclaim.h"
#include "mm/slot.h"
#include "mm/swap.h"
#include "mm/switches.h"
#include "mm/syscalls.h"

#define FILE_PAGES 512UL
#define WINDOW(i) (BASE + (i) * LEAF_SPAN)		/* where reader i reads to */
#define TO 0x80000000UL					/* other memory of the program */
#define IN_FILE(p) (5000UL + (p))			/* first word of its page p */

static struct hfile *f, *g;
static u64 text[FILE_PAGES * 512];

static void setup_file(void)
{
	switch_share_min = 2;
	child = NULL;
	g = NULL;
	for (unsigned p = 0; p < FILE_PAGES; p++)
		text[p * 512] = IN_FILE(p);
	f = hfile_create("f", (FILE_PAGES + 16) * PAGE_SIZE, text, sizeof(text));
	parent = proc_create();
	CHECK_EQ(map_anon(BASE, 4 * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(map_anon(TO, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), TO);
	CHECK_EQ(hfile_pread(f, text, sizeof(text), 0), sizeof(text));	/* all of it is in the cache */
}
static void finish_file(void)
{
	finish_family();
	hfile_destroy(f);
	if (g)
		hfile_destroy(g);
	check_all();
}
static void read_to(vaddr_t va) { CHECK_EQ(hfile_pread_user(f, va, LEAF_SPAN, 0), LEAF_SPAN); }
/* The table that the file keeps; NULL. */
static struct page *template(void)
{
	entry_t *slot = slot_find(&f->inode.mapping, 1);
	struct page *t = slot && slot != &f->inode.mapping.root ? virt_to_page(slot)->template : NULL;
	return (u64)t > TEMPLATE_WANTED ? t : NULL;
}
/* All of window i, but `except` of it, is as the file was. */
static void check_window(struct mm *mm, unsigned i, unsigned except)
{
	proc_run(mm);
	for (unsigned p = 0; p < FILE_PAGES; p++)
		if (p != except && must_load(WINDOW(i) + p * PAGE_SIZE) != IN_FILE(p))
			host_fail("page %u of window %u changed", p, i);
}
#define NONE_BUT FILE_PAGES
/* The file has a template; if `readers` two windows have it too, else nobody. */
static void setup_template(bool readers)
{
	setup_file();
	read_to(WINDOW(0));
	read_to(WINDOW(1));
	read_to(WINDOW(2));
	CHECK(template() && template() == leaf_of(parent, WINDOW(1)) && template() == leaf_of(parent, WINDOW(2)));
	if (!readers)
		CHECK_EQ(sys_munmap(BASE, 4 * LEAF_SPAN), 0);
	CHECK_EQ(owners(template()), readers ? 3 : 1);
	check_all();
}

TEST(templates_attach, "INV-P1: who reads 2 MiB a second time gets a table that the file keeps: one store; it shows what was read, and is read-only; fork and exit count")
{
	check_leaks_begin();
	u64 made = vmstat_read(VM_TABLE_TEMPLATE), attached = vmstat_read(VM_TABLE_ATTACH);
	setup_template(true);
	CHECK_EQ(vmstat_read(VM_TABLE_TEMPLATE), made + 1);
	CHECK_EQ(vmstat_read(VM_TABLE_ATTACH), attached + 2);
	struct page *t = template();
	CHECK(!writable_above(parent, WINDOW(1)) && writable_above(parent, WINDOW(0)));
	check_window(parent, 1, NONE_BUT);
	child = proc_fork();
	CHECK_EQ(owners(t), 5);
	check_all();
	check_window(child, 2, NONE_BUT);
	must_store(WINDOW(2) + 7 * PAGE_SIZE, 1);	/* copies */
	CHECK_EQ(owners(t), 4);
	check_all();
	check_window(parent, 2, NONE_BUT);
	check_window(child, 2, 7);
	read_to(WINDOW(2));				/* has pages of his own there: no template */
	CHECK(leaf_of(child, WINDOW(2)) != t);
	check_window(child, 2, NONE_BUT);
	CHECK_EQ(sys_munmap(WINDOW(1), LEAF_SPAN), 0);
	CHECK_EQ(owners(t), 3);
	read_to(WINDOW(3));
	CHECK_EQ(owners(t), 4);
	finish_file();
	check_leaks_end();
}

/* --- what happens to the file --- */

static u64 words[PAGE_SIZE / 8];		/* zeroes; all of them do that to the first word of page 7, or less */
static void write_some(void) { CHECK_EQ(hfile_pwrite(f, words, 8, 7 * PAGE_SIZE), 8); }
static void write_page(void) { CHECK_EQ(hfile_pwrite(f, words, PAGE_SIZE, 7 * PAGE_SIZE), PAGE_SIZE); }
static void write_lent(void)
{
	for (unsigned p = 0; p < 16; p++)
		must_store(TO + p * PAGE_SIZE, p ? IN_FILE(7 + p) : 0);
	CHECK_EQ(hfile_pwrite_user(f, TO, 16 * PAGE_SIZE, 7 * PAGE_SIZE), 16 * PAGE_SIZE);
}
static void write_shared(void)
{
	loff_t from = 0, to = 7 * PAGE_SIZE;
	u64 zero = 0;
	g = hfile_create("g", 8 * PAGE_SIZE, text, 8 * PAGE_SIZE);
	CHECK_EQ(hfile_pwrite(g, &zero, 8, 0), 8);
	down_write(&f->inode.i_rwsem);
	CHECK_EQ(pagecache_share(&g->inode.mapping, &from, &f->inode.mapping, &to, PAGE_SIZE), PAGE_SIZE);
	up_write(&f->inode.i_rwsem);
}
static void store_mapped(void)
{
	CHECK_EQ(hfile_mmap(f, TO, 16 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), TO);
	must_store(TO + 7 * PAGE_SIZE, 0);
}
static void punch(void) { CHECK_EQ(hfile_punch(f, 7 * PAGE_SIZE, 8 * PAGE_SIZE), 0); }
static void cut(void) { CHECK_EQ(hfile_truncate(f, 7 * PAGE_SIZE), 0); }
static void cut_page(void)
{
	CHECK_EQ(hfile_truncate(f, 7 * PAGE_SIZE), 0);
	CHECK_EQ(hfile_truncate(f, 9 * PAGE_SIZE), 0);
}
static void pin_and_store(void)
{
	struct page *pin;
	CHECK_EQ(hfile_mmap(f, TO, 16 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), TO);
	CHECK_EQ(pin_user_pages(TO + 7 * PAGE_SIZE, 1, PIN_WRITE, &pin), 1);
	*(u64 *)page_address(pin) = 0;
	unpin_user_pages(&pin, 1, PIN_WRITE);
}
static void drop(void) { hfile_drop_cache(f); }
static void look(void)
{
	u64 v;
	CHECK_EQ(hfile_mmap(f, TO, 16 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 0), TO);
	CHECK_EQ(must_load(TO + 8 * PAGE_SIZE), IN_FILE(8));
	CHECK_EQ(hfile_pread(f, &v, 8, 8 * PAGE_SIZE), 8);
	CHECK_EQ(hfile_sync(f), 0);
}
static const struct { const char *name; void (*run)(void); bool changes, keeps; } events[] = {
	{ "write", write_some, true, false }, { "write of a page", write_page, true, false }, { "write that lends", write_lent, true, false },
	{ "copy_file_range", write_shared, true, false }, { "store through a mapping", store_mapped, true, false }, { "hole", punch, true, false },
	{ "truncate", cut, true, false }, { "truncate and back", cut_page, true, false }, { "pin of a mapping", pin_and_store, true, false },
	{ "cache dropped", drop, false, false }, { "read and writeback", look, false, true },
};

TEST(templates_INV_P3, "INV-P3: whatever changes the file drops its template first: readers keep what they have read, later ones read what is there")
{
	for (unsigned e = 0; e < ARRAY_SIZE(events); e++)
		for (unsigned readers = 0; readers < 2; readers++) {
			if (sys_option("trace", 0))
				sys_printf("%s, %u\n", events[e].name, readers);
			setup_template(readers);
			struct page *t = template();
			u64 v;
			events[e].run();
			if (events[e].keeps ? template() != t : events[e].changes && template() == t)
				host_fail("%s: the template is %s", events[e].name, template() == t ? "still there" : "gone");
			check_all();
			for (unsigned i = 0; i < 3 && readers; i++)
				check_window(parent, i, NONE_BUT);
			if (hfile_pread(f, &v, 8, 7 * PAGE_SIZE) == 8)
				CHECK_EQ(v, events[e].changes ? 0 : IN_FILE(7));
			CHECK_EQ(map_anon(BASE, 4 * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
			for (unsigned i = 0; i < 3 && f->inode.mapping.size == LEAF_SPAN; i++) {
				read_to(WINDOW(i));
				check_window(parent, i, 7);
				CHECK(!events[e].changes || must_load(WINDOW(i) + 7 * PAGE_SIZE) == 0);
			}
			finish_file();
		}
}

TEST(templates_in_place, "INV-P3: a template that nobody but the file has costs a write no copy: it goes, and the page is written in place")
{
	setup_template(false);
	struct page *page = entry_page(pagecache_peek(&f->inode.mapping, 7));
	write_some();
	CHECK(entry_page(pagecache_peek(&f->inode.mapping, 7)) == page && own_holders(page->own.v) == 1);
	finish_file();
	setup_template(true);
	page = entry_page(pagecache_peek(&f->inode.mapping, 7));
	write_some();
	CHECK(entry_page(pagecache_peek(&f->inode.mapping, 7)) != page && own_holders(page->own.v) > 1);
	finish_file();
}

TEST(templates_last, "INV-P2: a reader who is left alone with what was the file's template takes it over, and his pages when he has them alone")
{
	setup_file();
	read_to(WINDOW(0));
	CHECK_EQ(sys_munmap(WINDOW(0), LEAF_SPAN), 0);
	CHECK_EQ(map_anon(WINDOW(0), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), WINDOW(0));
	read_to(WINDOW(0));
	struct page *t = template();
	CHECK(t && t == leaf_of(parent, WINDOW(0)) && owners(t) == 2);
	CHECK_EQ(hfile_truncate(f, 0), 0);
	CHECK_EQ(owners(t), 1);
	check_all();
	u64 takes = vmstat_read(VM_TABLE_TAKE), copies = vmstat_read(VM_TABLE_COPY), cow = vmstat_read(VM_COW_COPY);
	for (unsigned p = 0; p < 8; p++)
		must_store(WINDOW(0) + p * PAGE_SIZE + 8, p);
	CHECK(vmstat_read(VM_TABLE_TAKE) == takes + 1 && vmstat_read(VM_TABLE_COPY) == copies && vmstat_read(VM_COW_COPY) == cow);
	check_window(parent, 0, NONE_BUT);
	finish_file();
}

TEST(templates_over, "2 MiB read over a leaf that a child has too: the file's takes its place, the child keeps his; over one's own, with a pin or without: not")
{
	struct page *pin;
	setup_template(true);
	struct page *t = template();
	CHECK_EQ(sys_munmap(WINDOW(2), LEAF_SPAN), 0);
	CHECK_EQ(map_anon(WINDOW(2), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), WINDOW(2));
	for (unsigned p = 0; p < 8; p++)
		must_store(WINDOW(2) + p * PAGE_SIZE, p);
	CHECK_EQ(owners(t), 2);
	child = proc_fork();
	struct page *leaf = leaf_of(child, WINDOW(2));
	CHECK(leaf == leaf_of(parent, WINDOW(2)) && owners(leaf) == 2);
	read_to(WINDOW(2));
	CHECK(leaf_of(parent, WINDOW(2)) == t && owners(leaf) == 1);
	tlb_check(true);
	check_all();
	check_window(parent, 2, NONE_BUT);
	proc_run(child);
	for (unsigned p = 0; p < 8; p++)
		CHECK_EQ(must_load(WINDOW(2) + p * PAGE_SIZE), p);
	CHECK_EQ(get_user_pages_unlocked(child, WINDOW(2), 1, PIN_WRITE, &pin), 1);	/* alone with it, and not taken over by a store yet */
	pin_note(pin, 1, 0);
	read_to(WINDOW(2));
	CHECK(leaf_of(child, WINDOW(2)) == leaf && *(u64 *)page_address(pin) == IN_FILE(0));
	check_window(child, 2, NONE_BUT);
	pin_note(pin, -1, 0);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	finish_file();
}

TEST(templates_over_pinned, "nor over a table that a fork which failed has left read-only above, and in which there is a pin")
{
	struct page *pin;
	setup_template(true);
	CHECK_EQ(map_anon(WINDOW(0), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), WINDOW(0));
	must_store(WINDOW(0), 1);
	must_store(WINDOW(0) + PAGE_SIZE, 1);
	CHECK_EQ(pin_user_pages(WINDOW(0), 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	inject_arm(INJECT_ALLOC, 4, 0, INJECT_ALL);
	CHECK(!proc_fork());
	CHECK(!writable_above(parent, WINDOW(0)));
	read_to(WINDOW(0));
	CHECK_EQ(*(u64 *)page_address(pin), IN_FILE(0));
	check_window(parent, 0, NONE_BUT);
	pin_note(pin, -1, 0);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	finish_file();
}

TEST(templates_reclaim, "reclaim drops the template of pages that it wants, and has them if there is no reader; readers and the file keep their contents")
{
	swap_disk_on(HOST_SWAP_SLOTS);
	for (unsigned readers = 0; readers < 2; readers++) {
		setup_template(readers);
		for (unsigned i = 0; i < 6; i++) {
			reclaim_pages(100);
			check_all();
		}
		CHECK(!template() && (readers || f->inode.mapping.nr_pages.v < FILE_PAGES));
		for (unsigned i = 0; i < 3 && readers; i++)
			check_window(parent, i, NONE_BUT);
		check_all();
		finish_file();
	}
	swap_disk_off();
}

TEST(templates_no_memory, "the n-th allocation of a read fails, for every n: what was read is right, nothing leaks")
{
	check_leaks_begin();
	for (unsigned n = 1; n < 12; n++) {
		setup_file();
		read_to(WINDOW(0));
		inject_arm(INJECT_ALLOC, n, 0, INJECT_ALL);
		ssize_t r = hfile_pread_user(f, WINDOW(1), LEAF_SPAN, 0);
		inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
		host_revive();
		CHECK(r >= 0 || r == -ENOMEM || r == -EFAULT);
		check_all();
		for (unsigned p = 0; r > 0 && p < r / PAGE_SIZE; p++)
			CHECK_EQ(must_load(WINDOW(1) + p * PAGE_SIZE), IN_FILE(p));
		read_to(WINDOW(2));
		check_window(parent, 2, NONE_BUT);
		finish_file();
	}
	check_leaks_end();
}

TEST(templates_limit, "a template with all owners that can be counted is given to nobody else")
{
	setup_template(true);
	struct page *t = template();
	CHECK_EQ(map_anon(WINDOW(0), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), WINDOW(0));
	atomic64_add_return(&t->own, (0xffff - 3) * OWN_REF);
	read_to(WINDOW(0));
	CHECK_EQ(owners(t), 0xffff);
	atomic64_add_return(&t->own, -(s64)((0xffff - 3) * OWN_REF));
	check_all();
	check_window(parent, 0, NONE_BUT);
	finish_file();
}

TEST(templates_who, "a template is for whole aligned 2 MiB of the file and of private memory that may be written and not executed, locked or pinned")
{
	struct page *pin;
	setup_template(true);
	struct page *t = template();
	u64 attached = vmstat_read(VM_TABLE_ATTACH);
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW | PROT_EXEC, MAP_PRIVATE | MAP_FIXED), BASE);
	read_to(BASE);
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_SHARED | MAP_FIXED), BASE);
	read_to(BASE);
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(hfile_pread_user(f, BASE + PAGE_SIZE, LEAF_SPAN, 0), LEAF_SPAN);	/* not aligned: its end lies in WINDOW(1) */
	CHECK_EQ(must_load(WINDOW(1)), IN_FILE(511));
	check_window(parent, 2, NONE_BUT);
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(pin_user_pages(BASE + 5 * PAGE_SIZE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	read_to(BASE);
	CHECK_EQ(*(u64 *)page_address(pin), IN_FILE(5));
	CHECK_EQ(vmstat_read(VM_TABLE_ATTACH), attached);
	pin_note(pin, -1, 0);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	CHECK(template() == t && owners(t) == 2);
	check_all();
	switch_share_tables = false;
	CHECK_EQ(map_anon(BASE, LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	read_to(BASE);
	switch_share_tables = true;
	CHECK_EQ(vmstat_read(VM_TABLE_ATTACH), attached);
	finish_file();
}
