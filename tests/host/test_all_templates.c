/*
 * Page tables that a file keeps for its readers (mm/template.c) in every schedule with few preemptions: one who makes a template, or gets one that nobody but
 * the file has, and somebody who does one other thing to the file, to the memory that is read to, or to a program that has the template.
 *
 * The file has 512 pages; things happen to page 1, and to those behind it. A loop over all of them does with pages 3 to 510 what it does with 511: no
 * preemption is tried there (like_another()), which leaves some hundred points of some thousand. Random schedules: test_race_templates.c.
 */
#include "tables.h"

#include "mm/loan.h"
#include "mm/reclaim.h"
#include "mm/slot.h"
#include "mm/swap.h"
#include "mm/syscalls.h"

#define FILE_PAGES 512UL
#define LAST (FILE_PAGES - 1)
#define WINDOW(i) (BASE + (i) * LEAF_SPAN)
#define WINDOWS 4
#define FROM (BASE + 8 * LEAF_SPAN)	/* other memory of the program: what is lent, a mapping of the file */
#define OLD(p) (5000UL + (p))		/* first word of page p */
#define NEW(p) (9000UL + (p))

static struct hfile *f, *g;
static struct mm *mm, *other;		/* the readers' */
static u64 text[FILE_PAGES * 512];
static u16 page_of_frame[16384];	/* of the file when it began; FILE_PAGES: none */
static u64 changed[FILE_PAGES];		/* what the first word of page p becomes, or OLD(p) */
static bool shorter, ended;		/* the file is, for a while; the change has ended */
static struct reading {			/* of a window of mm, or of other */
	struct mm *mm;
	unsigned window;
	u64 pages, word[FILE_PAGES];	/* so many pages were read */
} readings[4];
static unsigned nr_readings;
static unsigned reads_before;		/* by the test: 1, and the template is made; 2, and it is given */

/* Pages 0, 1, 2 and 511, and two in the middle, where sixteen that are written end, stand for themselves. */
static bool stands_for_itself(unsigned p) { return p < 3 || p == 15 || p == 16 || p == LAST; }
/* Of the task, since it used a word of another page: it is on its way through those. */
static struct { const struct task *task; bool between; } ways[8];
static bool *way(void)
{
	unsigned i = 0;
	while (ways[i].task && ways[i].task != current)
		CHECK(++i < ARRAY_SIZE(ways));
	ways[i].task = current;
	return &ways[i].between;
}
static bool like_another(const void *object)
{
	const char *ram = phys_to_virt(0), *p = object;
	bool *between = way();
	unsigned page = FILE_PAGES;		/* that the word belongs to: its slot, an entry or its struct page */
	if (p >= (const char *)pfn_to_page(0) && p < (const char *)pfn_to_page(nr_frames)) {
		page = page_of_frame[page_to_pfn((const struct page *)ALIGN_DOWN((u64)p, sizeof(struct page)))];
	} else if (p >= ram && p < ram + nr_frames * PAGE_SIZE) {
		const struct page *table = virt_to_page(p);
		if ((table->kind == PAGE_TABLE_PROCESS || table->kind == PAGE_TABLE_CACHE) && !table->level)
			page = (u64)p / 8 % 512;
	}
	if (page < FILE_PAGES)
		*between = !stands_for_itself(page);
	return *between;
}

/* --- before and after --- */

static struct page *template_of(struct hfile *file)
{
	struct page *t = virt_to_page(slot_find(&file->inode.mapping, 1))->template;
	return (u64)t > TEMPLATE_WANTED ? t : NULL;
}
static void read_to(vaddr_t va) { CHECK_EQ(hfile_pread_user(f, va, LEAF_SPAN, 0), LEAF_SPAN); }
static void forget_windows(void)
{
	CHECK_EQ(sys_munmap(BASE, WINDOWS * LEAF_SPAN), 0);
	CHECK_EQ(map_anon(BASE, WINDOWS * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
}
static void setup_frames(void)
{
	memset(ways, 0, sizeof(ways));
	for (unsigned i = 0; i < ARRAY_SIZE(page_of_frame); i++)
		page_of_frame[i] = FILE_PAGES;
	for (unsigned p = 0; p < FILE_PAGES; p++)
		page_of_frame[page_to_pfn(entry_page(pagecache_peek(&f->inode.mapping, p)))] = (u16)p;
}
/* The file has been read so often in this way: once, it wants a template; twice, it has one. Nobody else has it, or its pages. */
static void setup_after(unsigned reads)
{
	switch_share_min = 2;
	shorter = ended = false;
	nr_readings = 0;
	g = NULL;
	for (unsigned p = 0; p < FILE_PAGES; p++)
		text[p * 512] = changed[p] = OLD(p);
	f = hfile_create("f", (FILE_PAGES + 16) * PAGE_SIZE, text, sizeof(text));
	mm = other = proc_create();
	CHECK_EQ(map_anon(BASE, WINDOWS * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(map_anon(FROM, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), FROM);
	CHECK_EQ(hfile_pread(f, text, sizeof(text), 0), sizeof(text));
	for (unsigned i = 0; i < reads; i++)
		read_to(WINDOW(i));
	forget_windows();
	setup_frames();
	CHECK(!template_of(f) == (reads < 2) && (reads < 2 || owners(template_of(f)) == 1));
}
static void setup(void) { setup_after(reads_before); }

/* What was read stays, whatever happens to the file. */
static void check_readings(void)
{
	for (struct reading *r = readings; r < readings + nr_readings; r++) {
		proc_run(r->mm);
		for (unsigned p = 0; p < r->pages; p++)
			if (stands_for_itself(p))
				CHECK_EQ(must_load(WINDOW(r->window) + p * PAGE_SIZE), r->word[p]);
	}
}
static void check_file(void)
{
	u64 word;
	for (unsigned p = 0; p < FILE_PAGES; p++)
		if (stands_for_itself(p)) {
			CHECK_EQ(hfile_pread(f, &word, 8, p * PAGE_SIZE), 8);
			CHECK_EQ(word, changed[p]);
		}
}
/* Somebody reads WINDOW(i) of the running program. */
static void read_window(unsigned i)
{
	bool after = ended;
	ssize_t n = hfile_pread_user(f, WINDOW(i), LEAF_SPAN, 0);
	CHECK(n == LEAF_SPAN || (shorter && n > 0));
	struct reading *r = &readings[nr_readings++];
	*r = (struct reading){ .mm = current->mm, .window = i, .pages = (u64)n / PAGE_SIZE };
	for (unsigned p = 0; p < r->pages; p++) {
		if (!stands_for_itself(p))
			continue;
		r->word[p] = must_load(WINDOW(i) + p * PAGE_SIZE);
		if (r->word[p] != changed[p] && (after || r->word[p] != OLD(p)))
			host_fail("page %u reads as %lu%s", p, (unsigned long)r->word[p], after ? " after the change" : "");
	}
}
static void leave_all(void)
{
	check_all();
	proc_run(mm);
	proc_exit(mm);
	if (other != mm) {
		proc_run(other);
		proc_exit(other);
	}
	check_all();
	hfile_destroy(f);
	if (g)
		hfile_destroy(g);
	check_all();
}
static void finish(void)
{
	ended = true;
	check_all();
	check_readings();
	check_file();
	proc_run(mm);
	read_window(2);
	must_store(WINDOW(2) + PAGE_SIZE, 1);		/* his own */
	readings[nr_readings - 1].word[1] = 1;
	check_file();
	check_readings();
	leave_all();
}
static void reader_0(void *arg) { read_window(0); }

/*
 * Two tests of each: while one makes the template, and while one gets it. With so many preemptions; where it is 0, one takes half a minute:
 * tools/hosted.py, which always allows one more, does it.
 */
#define ONE(id, k, reads, text, before, after, reader, task) \
	TEST(all_template_##id, text) \
	{ \
		reads_before = reads; \
		explore_exhaustive(&(struct scenario){ .setup = before, .finish = after, .mm = &mm, .pct = true, .fn = { reader, task }, .like_another = like_another }, k); \
	}
#define BOTH(id, k_make, k_give, text, before, after, task) \
	ONE(make_##id, k_make, 1, text, before, after, reader_0, task) \
	ONE(give_##id, k_give, 2, text, before, after, reader_0, task)

/* --- two readers --- */

static void reader_1(void *arg) { read_window(1); }
BOTH(two, 1, 1, "INV-P3: two threads read the same 2 MiB of a file to two places at once: one template, counted once for each who has it",
     setup, finish, reader_1)

static void setup_two(void)
{
	other = proc_create();
	CHECK_EQ(map_anon(BASE, WINDOWS * LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	proc_run(mm);
}
static void setup_other(void) { setup(), setup_two(); }
static void reader_other(void *arg)
{
	proc_run(other);
	read_window(1);
}
BOTH(other, 0, 1, "INV-P3: the same by two programs", setup_other, finish, reader_other)
BOTH(same, 0, 1, "INV-P3: two threads read the same 2 MiB of a file to the same place at once", setup, finish, reader_0)

/* --- the file changes --- */

static void becomes(unsigned from, unsigned behind, u64 add)
{
	for (unsigned p = from; p < behind; p++)
		changed[p] = add ? add + p : 0;
}
static void setup_write(void) { setup(), becomes(1, 2, NEW(0)), host_tso = true; }
static void finish_write(void)
{
	host_tso = false;
	finish();
}
static void writer(void *arg)
{
	u64 word = NEW(1);
	CHECK_EQ(hfile_pwrite(f, &word, 8, PAGE_SIZE), 8);
	ended = true;
}
static void replacer(void *arg)
{
	static u64 page[512];
	page[0] = NEW(1);
	CHECK_EQ(hfile_pwrite(f, page, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE);
	ended = true;
}
BOTH(write, 1, 1, "INV-P3: one writes to a page in place, or would: the template is dropped, or not made; who began to read later sees it",
     setup_write, finish_write, writer)
BOTH(replace, 1, 1, "INV-P3: the same with a page that is replaced", setup_write, finish_write, replacer)

/* So many pages have been written before, and are dirty: lent ones take their places by the quick way (put_slots()). */
static void setup_written(unsigned pages)
{
	setup_after(0);
	CHECK_EQ(hfile_pwrite(f, text, pages * PAGE_SIZE, 0), pages * PAGE_SIZE);
	for (unsigned i = 0; i < reads_before; i++)
		read_to(WINDOW(i));
	forget_windows();
	setup_frames();
}
static void setup_lend(void)
{
	setup_written(16);
	becomes(0, 16, NEW(0));
	for (unsigned p = 0; p < 16; p++)
		must_store(FROM + p * PAGE_SIZE, NEW(p));
}
static void lender(void *arg)
{
	CHECK_EQ(hfile_pwrite_user(f, FROM, 16 * PAGE_SIZE, 0), 16 * PAGE_SIZE);
	ended = true;
}
BOTH(lend, 0, 0, "INV-P3: the same with sixteen pages that are lent to the file", setup_lend, finish, lender)

static void setup_share(void)
{
	static u64 pages[4 * 512];
	setup_written(4);
	becomes(1, 3, NEW(0));
	for (unsigned p = 0; p < 4; p++)
		pages[p * 512] = NEW(p);
	g = hfile_create("g", sizeof(pages), pages, sizeof(pages));
	CHECK_EQ(hfile_pread(g, pages, sizeof(pages), 0), sizeof(pages));
}
static void sharer(void *arg)
{
	loff_t from = PAGE_SIZE, to = PAGE_SIZE;
	down_write(&f->inode.i_rwsem);
	CHECK_EQ(pagecache_share(&g->inode.mapping, &from, &f->inode.mapping, &to, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	up_write(&f->inode.i_rwsem);
	ended = true;
}
BOTH(share, 1, 0, "INV-P3: the same with pages of another file (copy_file_range)", setup_share, finish, sharer)

static void setup_direct(void) { setup(), becomes(1, 3, NEW(0)); }
/* As fs/direct.c does it (which is not on this machine): out of the cache, written, forgotten again by who waited for the end. */
static void write_direct(bool returns_first)
{
	struct address_space *m = &f->inode.mapping;
	down_write(&f->inode.i_rwsem);
	CHECK_EQ(pagecache_detach_begin(m, 1, 2), 0);
	pagecache_direct_begin(m);
	pagecache_detach_end(m);
	if (returns_first)
		up_write(&f->inode.i_rwsem);
	for (unsigned p = 1; p < 3; p++) {
		host_preempt("device");
		*(u64 *)(f->disk + p * PAGE_SIZE) = NEW(p);
	}
	if (!returns_first)
		up_write(&f->inode.i_rwsem);
	host_preempt("device");
	CHECK(pagecache_forget(m, 1, 2));
	pagecache_direct_end(m);
	ended = true;
}
static void direct_writer(void *arg) { write_direct(false); }
/* A request that goes on after the call has returned (AIO): what is read meanwhile is the old or the new. */
static void async_writer(void *arg) { write_direct(true); }
BOTH(direct, 0, 0, "INV-P3: the same with an O_DIRECT write, which takes the pages out of the cache", setup_direct, finish, direct_writer)
BOTH(async, 0, 0, "INV-P3: the same with an asynchronous one, which forgets at its end what was read meanwhile", setup_direct, finish, async_writer)

static void setup_cut(void)
{
	setup();
	shorter = true;
	becomes(1, FILE_PAGES, 0);
}
static void truncater(void *arg)
{
	CHECK_EQ(hfile_truncate(f, PAGE_SIZE), 0);
	CHECK_EQ(hfile_truncate(f, FILE_PAGES * PAGE_SIZE), 0);
	ended = true;
}
BOTH(truncate, 0, 0, "INV-P3: the file becomes shorter, and long again: what was read is old or zeroes, or ends there", setup_cut, finish, truncater)

static void setup_punch(void) { setup(), becomes(1, 3, 0); }
static void puncher(void *arg)
{
	CHECK_EQ(hfile_punch(f, PAGE_SIZE, 3 * PAGE_SIZE), 0);
	ended = true;
}
BOTH(punch, 1, 1, "INV-P3: a hole of two pages", setup_punch, finish, puncher)

static void map_file(void) { CHECK_EQ(hfile_mmap(f, FROM, 16 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), FROM); }
/* Who makes one has to take the right to store away first. */
static void setup_mapped(void)
{
	setup(), becomes(1, 2, NEW(0)), map_file();
	if (reads_before < 2)
		must_store(FROM + PAGE_SIZE, OLD(1));
	CHECK(reads_before == 2 || pagecache_peek(&f->inode.mapping, 1) & ENTRY_RW);
}
static void storer(void *arg)
{
	must_store(FROM + PAGE_SIZE, NEW(1));
	ended = true;
}
/* Later stores may need no fault: nor are they seen by who has read. */
static void finish_mapped(void)
{
	ended = true;
	proc_run(mm);
	changed[1] = 77;
	must_store(FROM + PAGE_SIZE, 77);
	finish();
}
BOTH(mapped, 0, 0, "INV-P3: stores through a shared mapping", setup_mapped, finish_mapped, storer)

/* --- the file stays as it is --- */

static void setup_dirty(void)
{
	setup_written(1);
	if (reads_before == 2)
		return;
	map_file();
	must_store(FROM, OLD(0));		/* mappings may write it */
}
static void syncer(void *arg) { CHECK_EQ(hfile_sync(f), 0); }
static void finish_synced(void)
{
	CHECK(!(pagecache_peek(&f->inode.mapping, 0) & (ENTRY_D | ENTRY_WRITEBACK)));
	finish();
}
BOTH(writeback, 0, 0, "INV-P3, W1: writeback of a page, which a mapping may write if there is no template yet", setup_dirty, finish_synced, syncer)

static void reclaimer(void *arg)
{
	reclaim_pages(2);
	reclaim_pages(2);
}
BOTH(reclaim, 0, 0, "INV-P3: reclaim takes the template away, and pages", setup, finish, reclaimer)

/* --- the memory that is read to --- */

static void locker(void *arg) { CHECK_EQ(sys_mlock(WINDOW(0), LEAF_SPAN), 0); }
static void finish_locked(void)
{
	proc_run(mm);
	for (unsigned p = 0; p < FILE_PAGES; p++)
		CHECK(mm_entry(mm, WINDOW(0) + p * PAGE_SIZE) & ENTRY_P);	/* all of it is there */
	CHECK(vma_lookup(mm, WINDOW(0))->flags & VM_LOCKED && !(vma_lookup(mm, WINDOW(1))->flags & VM_LOCKED));
	finish();
}
BOTH(mlock, 0, 0, "mlock() of what is being read to: it is all there, and has what was read", setup, finish_locked, locker)

static void remapper(void *arg)
{
	CHECK_EQ(sys_munmap(WINDOW(1), LEAF_SPAN), 0);
	tlb_check(false);
	CHECK_EQ(map_anon(WINDOW(1), LEAF_SPAN, RW, MAP_PRIVATE | MAP_FIXED), WINDOW(1));
	must_store(WINDOW(1), 7);
	CHECK(must_load(WINDOW(1)) == 7 && must_load(WINDOW(1) + PAGE_SIZE) == 0);
}
static void protector(void *arg)
{
	CHECK_EQ(sys_mprotect(WINDOW(0) + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(sys_mprotect(WINDOW(0) + PAGE_SIZE, PAGE_SIZE, RW), 0);
}
static void setup_second(void)		/* window 1 has the template, or what it will be made of */
{
	setup_after(reads_before - 1);
	read_to(WINDOW(1));
	host_speculates = true;
}
static void finish_second(void)
{
	host_speculates = false;
	finish();
}
BOTH(unmap, 0, 1, "INV-P2: who has the template already unmaps it, and stores to new memory there", setup_second, finish_second, remapper)

/* mprotect makes the place ineligible for a moment: the reader then gets his pages one by one, or is told that he may not. */
static void reader_protected(void *arg)
{
	ssize_t n = hfile_pread_user(f, WINDOW(0), LEAF_SPAN, 0);
	CHECK(n == LEAF_SPAN || n == PAGE_SIZE || n == -EFAULT || n == 2 * PAGE_SIZE);
	for (unsigned p = 0; n > 0 && p < n / PAGE_SIZE; p++)
		CHECK_EQ(must_load(WINDOW(0) + p * PAGE_SIZE), OLD(p));
}
ONE(make_protect, 0, 1, "mprotect() of a part of what is being read to: the read goes on, or ends there; what it says was read is there", setup, finish, reader_protected, protector)
ONE(give_protect, 0, 2, "the same while there is a template", setup, finish, reader_protected, protector)

/* --- another program has it --- */

static void setup_fork(void)	/* window 1 counts as read, in both programs if there are two */
{
	setup_second();
	readings[nr_readings] = (struct reading){ .mm = mm, .window = 1, .pages = FILE_PAGES };
	for (unsigned p = 0; p < FILE_PAGES; p++)
		readings[nr_readings].word[p] = OLD(p);
	nr_readings++;
}
/* The child has window 1 as the parent had; window 0 may be all, nothing or a part of what is read just now. */
static void forker(void *arg)
{
	other = proc_fork();
	CHECK(other);
	proc_run(other);
	for (unsigned p = 0; p < FILE_PAGES; p++)
		if (stands_for_itself(p)) {
			u64 word = must_load(WINDOW(0) + p * PAGE_SIZE);
			CHECK(word == 0 || word == OLD(p));
			CHECK_EQ(must_load(WINDOW(1) + p * PAGE_SIZE), OLD(p));
		}
	must_store(WINDOW(0) + PAGE_SIZE, 8);
	must_store(WINDOW(1) + PAGE_SIZE, 8);
}
static void finish_forked(void)
{
	host_speculates = false;
	proc_run(other);
	CHECK(must_load(WINDOW(0) + PAGE_SIZE) == 8 && must_load(WINDOW(1) + PAGE_SIZE) == 8);
	CHECK_EQ(must_load(WINDOW(1)), OLD(0));
	finish();
}
BOTH(fork, 0, 1, "INV-P1: fork of a program that has the template, by another thread than the one that reads; the child stores to it", setup_fork, finish_forked, forker)

static void setup_exit(void)		/* another program has it at window 1 and has stored to window 2 */
{
	setup_after(reads_before - 1);
	setup_two();
	proc_run(other);
	read_to(WINDOW(1));
	proc_run(mm);
	host_speculates = true;
}
static void leaver(void *arg)
{
	proc_run(other);
	proc_exit(other);
	other = mm;
	tlb_check(false);
}
BOTH(exit, 0, 1, "INV-P2: another program that has the template exits", setup_exit, finish_second, leaver)

static void copier(void *arg)
{
	proc_run(other);
	must_store(WINDOW(1) + PAGE_SIZE, 8);
	CHECK_EQ(must_load(WINDOW(1)), OLD(0));
	host_preempt("program");
	CHECK_EQ(must_load(WINDOW(1) + PAGE_SIZE), 8);
}
BOTH(copy, 1, 1, "INV-P2: another program that has the template stores to it", setup_exit, finish_second, copier)
