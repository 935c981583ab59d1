/* Pins of user pages: whom they belong to, what they wait for and refuse. The G invariants of MECHANISMS.md (b). */
#include "host.h"
#include "mm/loan.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define BASE 0x10000000UL
#define RW (PROT_READ | PROT_WRITE)

TEST(gup_rules, "pins: write pins need write permission and break sharing first (INV-G2); zero page and bad addresses")
{
	struct mm *parent = proc_create();
	struct page *pin, *pin2;
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	map_anon(BASE + 8 * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(pin_user_pages(BASE - PAGE_SIZE, 1, 0, &pin), -EFAULT);
	CHECK_EQ(pin_user_pages(BASE + 8 * PAGE_SIZE, 1, PIN_WRITE, &pin), -EFAULT);
	CHECK_EQ(must_load(BASE), 0);		/* the zero page is there now */
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	CHECK(pin != zero_page);
	page_unpin_exclusive(pin);
	must_store(BASE + PAGE_SIZE, 1);
	struct mm *child = proc_fork();
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, PIN_WRITE, &pin), 1);	/* shared with the child: copied first */
	CHECK_EQ(own_holders(pin->own.v), 1);
	must_store(BASE + PAGE_SIZE, 5);
	CHECK_EQ(*(u64 *)page_address(pin), 5);
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, PIN_WRITE, &pin2), 1);
	CHECK(pin == pin2);
	page_unpin_exclusive(pin);
	page_unpin_exclusive(pin);
	check_all();
	proc_run(child);
	CHECK_EQ(must_load(BASE + PAGE_SIZE), 1);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
}

/* The pages of the test below, in every state that an entry may be in; the file's first page is dirty, its second clean, its third lent. */
static unsigned pages_in_all_states(struct hfile *f, vaddr_t at[], struct mm **child)
{
	vaddr_t shared = BASE + (1 << 20), private = BASE + (2 << 20);
	unsigned n = 0;

	map_anon(BASE, 6 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	hfile_mmap(f, shared, 3 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	hfile_mmap(f, private, 3 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED, 0);
	must_store(BASE + PAGE_SIZE, 1);				/* shared with a child */
	*child = proc_fork();
	CHECK_EQ(must_load(BASE + 2 * PAGE_SIZE), 0);		/* the frame of zeroes */
	must_store(BASE + 3 * PAGE_SIZE, 1);				/* its own */
	must_store(BASE + 4 * PAGE_SIZE, 1);				/* its own, read-only */
	CHECK_EQ(sys_mprotect(BASE + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	must_store(BASE + 5 * PAGE_SIZE, 1);				/* its own, not to be touched */
	CHECK_EQ(sys_mprotect(BASE + 5 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	must_store(shared, 1);
	must_load(shared + PAGE_SIZE);
	must_load(private);
	must_store(private + PAGE_SIZE, 1);
	for (unsigned i = 0; i < 6; i++)
		at[n++] = BASE + i * PAGE_SIZE;
	for (unsigned i = 0; i < 3; i++)
		at[n++] = shared + i * PAGE_SIZE;
	for (unsigned i = 0; i < 3; i++)
		at[n++] = private + i * PAGE_SIZE;
	return n;
}

TEST(gup_same, "INV-G6: what the lockless way pins, of pages in every state, the slow one pins, too, and it is the same page")
{
	static const unsigned kinds[] = { 0, PIN_WRITE, PIN_LONG, PIN_WRITE | PIN_LONG };
	struct mm *parent = proc_create(), *child;
	char data[3 * PAGE_SIZE];
	struct hfile *f;
	vaddr_t at[12];
	unsigned n, pinned = 0;

	memset(data, 'f', sizeof(data));
	f = hfile_create("states", 8 * PAGE_SIZE, data, sizeof(data));
	n = pages_in_all_states(f, at, &child);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
			struct page *fast, *slow;

			if (!get_user_pages_fast(at[i], 1, kinds[k], &fast))
				continue;
			pinned++;
			if (get_user_pages_unlocked(parent, at[i], 1, kinds[k], &slow) != 1)
				host_fail("page %u, kind %u: pinned without the lock only", i, kinds[k]);
			if (slow != fast)
				host_fail("page %u, kind %u: two pages", i, kinds[k]);
			unpin_user_pages(&fast, 1, kinds[k]);
			unpin_user_pages(&slow, 1, kinds[k]);
		}
	CHECK(pinned >= 10);
	check_all();
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
	hfile_destroy(f);
}

TEST(gup_long, "INV-G2: a long pin is of the program's own page, or of a slot that nobody else has; a forced one never of a file's page")
{
	char data[3 * PAGE_SIZE];
	struct mm *parent;
	struct hfile *f;
	struct page *pins[8], *pin, *cached;
	bool locked = true;

	memset(data, 'f', sizeof(data));
	f = hfile_create("long", 8 * PAGE_SIZE, data, sizeof(data));
	parent = proc_create();
	vaddr_t shared = BASE + (1 << 20), private = BASE + (2 << 20);
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	hfile_mmap(f, shared, 4 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	hfile_mmap(f, private, 4 * PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED, 0);

	/* Absent: not the frame of zeroes, but a page of its own, which later stores go to. */
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_LONG, &pin), 1);
	CHECK(pin != zero_page && own_xpins(pin->own.v) == 1);
	must_store(BASE, 42);
	CHECK_EQ(*(u64 *)page_address(pin), 42);
	unpin_user_pages(&pin, 1, PIN_LONG);
	/* Shared with a child: copied first. */
	struct mm *child = proc_fork();
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_LONG, &pin), 1);
	CHECK_EQ(own_holders(pin->own.v), 1);
	unpin_user_pages(&pin, 1, PIN_LONG);
	/* A private mapping of a file: a copy; and it gives no right to write. */
	cached = pagecache_lookup(&f->inode.mapping, 1);
	if (cached)
		page_unpin_read(cached);
	CHECK_EQ(pin_user_pages(private + PAGE_SIZE, 1, PIN_LONG, &pin), 1);
	CHECK(pin != cached);
	CHECK(!(mm_entry(parent, private + PAGE_SIZE) & ENTRY_RW));
	unpin_user_pages(&pin, 1, PIN_LONG);
	CHECK_EQ(pin_user_pages(private, 1, PIN_WRITE, &pin), -EFAULT);
	CHECK_EQ(get_user_pages_unlocked(parent, private, 1, PIN_WRITE | PIN_FORCE, &pin), 1);
	memset(page_address(pin), 'x', PAGE_SIZE);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	char byte;
	CHECK_EQ(hfile_pread(f, &byte, 1, 5), 1);
	CHECK_EQ(byte, 'f');
	/* A shared mapping: the slot's frame; for writing and for long not at all, it has a disk. */
	CHECK_EQ(pin_user_pages(shared, 1, PIN_LONG, &pin), 1);
	CHECK_EQ(own_holders(pin->own.v), 1);
	CHECK_EQ(hfile_pwrite(f, "later", 5, 0), 5);
	CHECK_EQ(*(char *)page_address(pin), 'l');
	unpin_user_pages(&pin, 1, PIN_LONG);
	CHECK_EQ(pin_user_pages(shared, 1, PIN_LONG | PIN_WRITE, &pin), -EFAULT);
	CHECK_EQ(pin_user_pages(shared, 1, PIN_WRITE, &pin), 1);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	/* Several: as many as there are (INV-G8), the ones that are there and those that are not (INV-G9). */
	CHECK_EQ(pin_user_pages(BASE, 8, PIN_WRITE, pins), 4);
	unpin_user_pages(pins, 4, PIN_WRITE);
	CHECK_EQ(pin_user_pages(shared, 4, 0, pins), 3);
	unpin_user_pages(pins, 3, 0);
	CHECK_EQ(get_user_pages_fast(BASE, 4, PIN_WRITE, pins), 4);	/* both ways the same (INV-G6) */
	down_read(&parent->mmap_lock);
	CHECK_EQ(get_user_pages(parent, BASE, 1, PIN_WRITE, &pin, &locked), 1);
	CHECK(locked);
	up_read(&parent->mmap_lock);
	CHECK(pin == pins[0]);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	unpin_user_pages(pins, 4, PIN_WRITE);
	check_all();
	proc_run(child);
	CHECK_EQ(must_load(BASE), 42);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
	hfile_destroy(f);
}

TEST(gup_long_lent, "INV-G2: a long pin through a shared mapping, of a page that is lent: the slot gets a frame of its own first")
{
	char data[2 * PAGE_SIZE];
	struct page *loan[2], *pin;
	struct mm *mm;
	struct hfile *f;
	u64 broken;

	memset(data, 'f', sizeof(data));
	f = hfile_create("lent", 4 * PAGE_SIZE, data, sizeof(data));
	mm = proc_create();
	hfile_mmap(f, BASE, 2 * PAGE_SIZE, PROT_READ, MAP_SHARED | MAP_FIXED, 0);
	must_load(BASE);
	must_load(BASE + PAGE_SIZE);
	CHECK_EQ(loan_from_file(&f->inode.mapping, 0, 2, loan), 2);
	broken = vmstat_read(VM_PIN_BREAK);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_LONG, &pin), 1);
	CHECK_EQ(vmstat_read(VM_PIN_BREAK), broken + 1);
	CHECK(pin != loan[0] && own_holders(pin->own.v) == 1 && own_xpins(pin->own.v) == 1);
	/* The pin sees what the file gets, the borrower what it has read. */
	CHECK_EQ(hfile_pwrite(f, "later", 5, 0), 5);
	CHECK_EQ(*(char *)page_address(pin), 'l');
	CHECK_EQ(*(char *)page_address(loan[0]), 'f');
	CHECK_EQ((u8)must_load(BASE), 'l');
	unpin_user_pages(&pin, 1, PIN_LONG);
	/* A short pin to read may sit on the lent page. */
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, 0, &pin), 1);
	CHECK(pin == loan[1]);
	unpin_user_pages(&pin, 1, 0);
	CHECK_EQ(vmstat_read(VM_PIN_BREAK), broken + 1);
	loan_return(loan, 2);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}
