/* Anonymous memory: mapping, protection, copy on write, fork, pins. The E, G and S invariants of MECHANISMS.md (b). */
#include "host.h"
#include "kernel/inject.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define BASE 0x10000000UL
#define RW (PROT_READ | PROT_WRITE)

static u64 load(vaddr_t va) { u64 v = 0; CHECK_EQ(user_load(va, &v), 0); return v; }
static void store(vaddr_t va, u64 v) { CHECK_EQ(user_store(va, v), 0); }

TEST(mem_demand_zero, "anonymous memory reads as zeroes (INV-E7: from the zero page), keeps what is stored, faults once per page")
{
	struct mm *mm = proc_create();
	CHECK_EQ(map_anon(BASE, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ(load(BASE + i * PAGE_SIZE + 8), 0);
	CHECK(entry_page(mm_entry(mm, BASE)) == zero_page);
	check_all();
	for (unsigned i = 0; i < 16; i++)
		store(BASE + i * PAGE_SIZE, i + 1);
	unsigned long faults = host_page_faults;
	for (unsigned i = 0; i < 16; i++) {
		store(BASE + i * PAGE_SIZE + 16, i);
		CHECK_EQ(load(BASE + i * PAGE_SIZE), i + 1);
	}
	CHECK_EQ(host_page_faults, faults);
	CHECK_EQ(*(u64 *)page_address(zero_page), 0);
	check_all();
	CHECK_EQ(mm_rss_pages(mm), 16);
	proc_exit(mm);
	check_all();
}

TEST(mem_signals, "SIGSEGV with MAPERR outside mappings, ACCERR against the protection, with the right address")
{
	struct mm *mm = proc_create();
	u64 v;
	map_anon(BASE, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED);
	map_anon(BASE + PAGE_SIZE, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(user_load(BASE - 8, &v), SIGSEGV);
	CHECK_EQ(host_fault_code(), SEGV_MAPERR);
	CHECK_EQ(host_fault_address(), BASE - 8);
	CHECK_EQ(user_store(BASE + 16, 1), SIGSEGV);
	CHECK_EQ(host_fault_code(), SEGV_ACCERR);
	CHECK_EQ(host_fault_address(), BASE + 16);
	CHECK_EQ(load(BASE), 0);
	CHECK_EQ(user_load(BASE + PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(host_fault_code(), SEGV_ACCERR);
	CHECK_EQ(user_exec(BASE), SIGSEGV);
	CHECK_EQ(host_fault_code(), SEGV_ACCERR);
	CHECK_EQ(user_load(0xffff800000000000UL, &v), SIGSEGV);
	proc_exit(mm);
}

TEST(mem_map_rules, "mmap: hints, FIXED replaces, FIXED_NOREPLACE refuses, bad arguments; munmap splits; VMAs merge")
{
	struct mm *mm = proc_create();
	long a = map_anon(0, 3 * PAGE_SIZE, RW, MAP_PRIVATE);
	CHECK(a > 0 && !(a & ~PAGE_MASK));
	CHECK_EQ(map_anon(a, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE), -EEXIST);
	CHECK(map_anon(a, PAGE_SIZE, RW, MAP_PRIVATE) != a);		/* a hint that is taken */
	CHECK_EQ(map_anon(BASE, PAGE_SIZE, RW, MAP_PRIVATE), BASE);	/* a hint that is free */
	CHECK_EQ(map_anon(0, 0, RW, MAP_PRIVATE), -EINVAL);
	CHECK_EQ(map_anon(BASE + 1, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), -EINVAL);
	CHECK_EQ(map_anon(0, 1UL << 47, RW, MAP_PRIVATE), -ENOMEM);
	CHECK_EQ(map_anon(0, ~0UL, RW, MAP_PRIVATE), -ENOMEM);
	CHECK_EQ(map_anon(USER_TOP, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), -ENOMEM);
	store(a, 7);
	CHECK_EQ(map_anon(a, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), a);
	CHECK_EQ(load(a), 0);
	check_all();

	unsigned n = mm->nr_vmas;
	map_anon(BASE + 0x100000, 10 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(mm->nr_vmas, n + 1);
	CHECK_EQ(mm_unmap(mm, BASE + 0x104000, PAGE_SIZE), 0);
	CHECK_EQ(mm->nr_vmas, n + 2);
	CHECK(!vma_lookup(mm, BASE + 0x104000) && vma_lookup(mm, BASE + 0x105000));
	map_anon(BASE + 0x104000, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(mm->nr_vmas, n + 1);
	CHECK_EQ(mm_unmap(mm, BASE + 1, PAGE_SIZE), -EINVAL);
	CHECK_EQ(mm_unmap(mm, 0x500000000000, PAGE_SIZE), 0);		/* nothing there: fine */
	check_all();
	proc_exit(mm);
}

TEST(mem_unmap_flushes, "INV-S2: after munmap, mprotect and MADV_DONTNEED no stale translation works")
{
	struct mm *mm = proc_create();
	u64 v;
	map_anon(BASE, 600 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 600; i++)
		store(BASE + i * PAGE_SIZE, i);
	CHECK_EQ(mm_unmap(mm, BASE + 5 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
	CHECK_EQ(user_load(BASE + 6 * PAGE_SIZE, &v), SIGSEGV);
	check_all();
	CHECK_EQ(sys_mprotect(BASE, 2 * PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(user_store(BASE, 1), SIGSEGV);
	CHECK_EQ(load(BASE + PAGE_SIZE), 1);
	check_all();
	CHECK_EQ(sys_madvise(BASE + 100 * PAGE_SIZE, 300 * PAGE_SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(load(BASE + 200 * PAGE_SIZE), 0);
	CHECK_EQ(load(BASE + 500 * PAGE_SIZE), 500);
	check_all();
	CHECK_EQ(mm_unmap(mm, BASE, 600 * PAGE_SIZE), 0);
	CHECK_EQ(user_load(BASE + 500 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(mm_rss_pages(mm), 0);
	check_all();
	proc_exit(mm);
}

TEST(mem_whole_leaves, "INV-S2: whole leaves are taken away with what they hold: shared after fork, pinned, read as zeroes; no stale translation works")
{
	vaddr_t low = ALIGN_UP(BASE, 512 * PAGE_SIZE), high = low + 2 * 512 * PAGE_SIZE;
	struct mm *parent = proc_create();
	struct page *pin;
	u64 v;
	map_anon(low, high - low, RW, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(load(low), 0);
	for (vaddr_t va = low + PAGE_SIZE; va < high; va += PAGE_SIZE)
		store(va, va);
	CHECK_EQ(pin_user_pages(low + 7 * PAGE_SIZE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	struct mm *child = proc_fork();		/* one page is copied */
	check_all();
	proc_run(child);
	for (vaddr_t va = low + PAGE_SIZE; va < high; va += 16 * PAGE_SIZE)
		CHECK_EQ(load(va), va);
	store(high - PAGE_SIZE, 1);
	CHECK_EQ(mm_unmap(child, low, high - low), 0);
	CHECK_EQ(user_load(low + 17 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(user_store(high - PAGE_SIZE, 1), SIGSEGV);
	CHECK_EQ(mm_rss_pages(child), 0);
	check_all();
	proc_run(parent);
	CHECK_EQ(load(high - PAGE_SIZE), high - PAGE_SIZE);
	CHECK_EQ(load(low + 7 * PAGE_SIZE), low + 7 * PAGE_SIZE);
	CHECK_EQ(mm_unmap(parent, low, high - low), 0);
	CHECK_EQ(user_load(low + 7 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(*(u64 *)page_address(pin), low + 7 * PAGE_SIZE);
	page_unpin_exclusive(pin);
	pin_note(pin, -1, 0);
	check_all();
	proc_exit(child);
	proc_exit(parent);
	check_all();
}

/* How many pages the store to va mapped. */
static u64 mapped_by(struct mm *mm, vaddr_t va)
{
	u64 before = mm_rss_pages(mm);

	store(va, va);
	return mm_rss_pages(mm) - before;
}
TEST(mem_fault_ahead, "stores from front to back map 2, 4, 8, 16 pages each, of zeroes and the process's own; scattered ones, small mappings, MADV_NOHUGEPAGE one")
{
	vaddr_t low = ALIGN_UP(BASE, 512 * PAGE_SIZE), va = low;
	struct mm *mm = proc_create(), *child;
	static const u64 run[] = { 1, 2, 4, 8, 16, 16, 16 };

	page_keep_begin();
	map_anon(low, 2 * 512 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < ARRAY_SIZE(run); i++) {
		CHECK_EQ(mapped_by(mm, va), run[i]);
		for (u64 k = 0; k < run[i]; k++, va += PAGE_SIZE) {
			CHECK_EQ(load(va + 8), 0);
			CHECK_EQ(mapped_by(mm, va), 0);
		}
	}
	CHECK_EQ(mapped_by(mm, low + 300 * PAGE_SIZE), 1);
	CHECK_EQ(mapped_by(mm, low + 302 * PAGE_SIZE), 1);
	CHECK_EQ(mapped_by(mm, low + 301 * PAGE_SIZE), 1);
	CHECK_EQ(mapped_by(mm, low + 511 * PAGE_SIZE), 1);
	CHECK_EQ(mapped_by(mm, low + 512 * PAGE_SIZE), 2);	/* where one leaf ends the next one goes on */
	CHECK_EQ(sys_madvise(low, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(mapped_by(mm, low), 1);
	check_all();
	child = proc_fork();
	proc_run(child);
	CHECK_EQ(load(low + 7 * PAGE_SIZE), low + 7 * PAGE_SIZE);
	CHECK_EQ(mapped_by(child, va), 1);		/* a run is the process's own */
	proc_exit(child);
	proc_run(mm);
	CHECK_EQ(load(va), 0);
	CHECK_EQ(sys_madvise(low, 512 * PAGE_SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(sys_madvise(low, 2 * 512 * PAGE_SIZE, MADV_NOHUGEPAGE), 0);
	for (unsigned i = 0; i < 8; i++)
		CHECK_EQ(mapped_by(mm, low + i * PAGE_SIZE), 1);
	CHECK_EQ(sys_madvise(low, 2 * 512 * PAGE_SIZE, MADV_HUGEPAGE), 0);
	CHECK_EQ(mapped_by(mm, low + 100 * PAGE_SIZE), 16);
	CHECK_EQ(mapped_by(mm, low + 95 * PAGE_SIZE), 5);	/* up to the ones that are there */
	CHECK_EQ(mapped_by(mm, low + 508 * PAGE_SIZE), 4);	/* and below one leaf */
	CHECK_EQ(mm_unmap(mm, low + 500 * PAGE_SIZE, 512 * PAGE_SIZE), 0);
	CHECK_EQ(mapped_by(mm, low + 200 * PAGE_SIZE), 1);	/* 2 MiB are no more */
	check_all();
	proc_exit(mm);
	check_all();
}

TEST(mem_mprotect_excl, "INV-E3 E6: mprotect to read-only and back keeps the page and its EXCL bit, pinned or not")
{
	struct mm *mm = proc_create();
	struct page *pin;
	map_anon(BASE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	store(BASE, 5);
	u64 before = mm_entry(mm, BASE);
	CHECK(before & ENTRY_EXCL);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, PROT_READ), 0);
	CHECK(mm_entry(mm, BASE) & ENTRY_EXCL);
	CHECK(!(mm_entry(mm, BASE) & ENTRY_RW));
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, RW), 0);
	store(BASE, 6);
	CHECK_EQ(mm_entry(mm, BASE) & ENTRY_FRAME, before & ENTRY_FRAME);
	CHECK_EQ(*(u64 *)page_address(pin), 6);
	page_unpin_exclusive(pin);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, PROT_NONE), 0);
	u64 v;
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, RW), 0);
	CHECK_EQ(load(BASE), 6);
	CHECK_EQ(sys_mprotect(BASE, 2 * PAGE_SIZE, RW), -ENOMEM);
	CHECK_EQ(sys_mprotect(BASE + 1, PAGE_SIZE, RW), -EINVAL);
	check_all();
	proc_exit(mm);
}

TEST(cow_fork, "K1: after fork neither side sees the other's stores; INV-E4: the last one left does not copy")
{
	struct mm *parent = proc_create();
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	store(BASE, 1);
	store(BASE + PAGE_SIZE, 2);
	struct mm *child = proc_fork();
	CHECK(child);
	check_all();
	store(BASE, 10);			/* the TLB must have lost its write permission */
	proc_run(child);
	CHECK_EQ(load(BASE), 1);
	store(BASE, 100);
	store(BASE + 2 * PAGE_SIZE, 3);
	check_all();
	proc_run(parent);
	CHECK_EQ(load(BASE), 10);
	CHECK_EQ(load(BASE + 2 * PAGE_SIZE), 0);
	u64 shared = mm_entry(parent, BASE + PAGE_SIZE);
	proc_exit(child);
	check_all();
	u64 copies = vmstat_read(VM_COW_COPY);
	store(BASE + PAGE_SIZE, 20);		/* sole holder now: adopted */
	CHECK_EQ(mm_entry(parent, BASE + PAGE_SIZE) & ENTRY_FRAME, shared & ENTRY_FRAME);
	CHECK_EQ(vmstat_read(VM_COW_COPY), copies);
	check_all();
	proc_exit(parent);
}

TEST(cow_lifetime_reference, "INV-E5: a lifetime reference does not force a copy; a read pin does")
{
	struct mm *parent = proc_create();
	map_anon(BASE, 2 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	store(BASE, 1);
	store(BASE + PAGE_SIZE, 2);
	struct mm *child = proc_fork();
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	struct page *p = entry_page(mm_entry(parent, BASE)), *q = entry_page(mm_entry(parent, BASE + PAGE_SIZE));
	page_get(p);
	CHECK(page_pin_read(q));
	store(BASE, 11);
	store(BASE + PAGE_SIZE, 22);
	CHECK(entry_page(mm_entry(parent, BASE)) == p);
	CHECK(entry_page(mm_entry(parent, BASE + PAGE_SIZE)) != q);
	CHECK_EQ(*(u64 *)page_address(q), 2);	/* INV-D2: the device still gets the old bytes */
	page_put(p);
	page_unpin_read(q);
	check_all();
	proc_exit(parent);
}

TEST(cow_pinned_fork, "INV-G3 G4, K7-K8: fork copies an exclusively pinned page for the child; the parent keeps the pinned one")
{
	struct mm *parent = proc_create();
	struct page *pin;
	map_anon(BASE, 2 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	store(BASE, 1);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	CHECK_EQ(own_xpins(pin->own.v), 1);
	struct mm *child = proc_fork();
	check_all();
	store(BASE, 2);
	CHECK_EQ(*(u64 *)page_address(pin), 2);
	*(u64 *)page_address(pin) = 3;		/* DMA */
	CHECK_EQ(load(BASE), 3);
	proc_run(child);
	CHECK_EQ(load(BASE), 1);
	store(BASE, 9);
	CHECK_EQ(*(u64 *)page_address(pin), 3);
	check_all();
	proc_exit(child);
	proc_run(parent);
	page_unpin_exclusive(pin);
	pin_note(pin, -1, 0);
	check_all();
	proc_exit(parent);
}

TEST(cow_child_pin_leak, "K3 (CVE-2020-29374): a child's read pin of a shared page never sees the parent's later stores")
{
	struct mm *parent = proc_create();
	struct page *pin;
	map_anon(BASE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	store(BASE, 1);
	struct mm *child = proc_fork();
	proc_run(child);
	CHECK_EQ(pin_user_pages(BASE, 1, 0, &pin), 1);
	CHECK_EQ(mm_unmap(child, BASE, PAGE_SIZE), 0);
	proc_run(parent);
	store(BASE, 2);
	CHECK_EQ(*(u64 *)page_address(pin), 1);
	page_unpin_read(pin);
	check_all();
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
}

TEST(gup_rules, "pins: write pins need write permission and break sharing first (INV-G2); zero page and bad addresses")
{
	struct mm *parent = proc_create();
	struct page *pin, *pin2;
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	map_anon(BASE + 8 * PAGE_SIZE, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(pin_user_pages(BASE - PAGE_SIZE, 1, 0, &pin), -EFAULT);
	CHECK_EQ(pin_user_pages(BASE + 8 * PAGE_SIZE, 1, PIN_WRITE, &pin), -EFAULT);
	CHECK_EQ(load(BASE), 0);		/* the zero page is there now */
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	CHECK(pin != zero_page);
	page_unpin_exclusive(pin);
	store(BASE + PAGE_SIZE, 1);
	struct mm *child = proc_fork();
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, PIN_WRITE, &pin), 1);	/* shared with the child: copied first */
	CHECK_EQ(own_holders(pin->own.v), 1);
	store(BASE + PAGE_SIZE, 5);
	CHECK_EQ(*(u64 *)page_address(pin), 5);
	CHECK_EQ(pin_user_pages(BASE + PAGE_SIZE, 1, PIN_WRITE, &pin2), 1);
	CHECK(pin == pin2);
	page_unpin_exclusive(pin);
	page_unpin_exclusive(pin);
	check_all();
	proc_run(child);
	CHECK_EQ(load(BASE + PAGE_SIZE), 1);
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
	store(BASE + PAGE_SIZE, 1);				/* shared with a child */
	*child = proc_fork();
	CHECK_EQ(load(BASE + 2 * PAGE_SIZE), 0);		/* the frame of zeroes */
	store(BASE + 3 * PAGE_SIZE, 1);				/* its own */
	store(BASE + 4 * PAGE_SIZE, 1);				/* its own, read-only */
	CHECK_EQ(sys_mprotect(BASE + 4 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	store(BASE + 5 * PAGE_SIZE, 1);				/* its own, not to be touched */
	CHECK_EQ(sys_mprotect(BASE + 5 * PAGE_SIZE, PAGE_SIZE, PROT_NONE), 0);
	store(shared, 1);
	load(shared + PAGE_SIZE);
	load(private);
	store(private + PAGE_SIZE, 1);
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
	store(BASE, 42);
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
	CHECK_EQ(load(BASE), 42);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
	hfile_destroy(f);
}

TEST(mem_fork_advice, "MADV_DONTFORK: absent in the child; MADV_WIPEONFORK: zeroes in the child; shared anonymous: shared")
{
	struct mm *parent = proc_create();
	u64 v;
	for (unsigned i = 0; i < 3; i++)
		map_anon(BASE + 2 * i * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	map_anon(BASE + 8 * PAGE_SIZE, 2 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED);
	for (unsigned i = 0; i < 10; i += 2)
		if (i != 6)
			store(BASE + i * PAGE_SIZE, i + 1);
	CHECK_EQ(sys_madvise(BASE, PAGE_SIZE, MADV_DONTFORK), 0);
	CHECK_EQ(sys_madvise(BASE + 2 * PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), 0);
	CHECK_EQ(sys_madvise(BASE + 8 * PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
	CHECK_EQ(sys_madvise(BASE, PAGE_SIZE, 12345), -EINVAL);
	struct mm *child = proc_fork();
	proc_run(child);
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(load(BASE + 2 * PAGE_SIZE), 0);
	CHECK_EQ(load(BASE + 4 * PAGE_SIZE), 5);
	CHECK_EQ(load(BASE + 8 * PAGE_SIZE), 9);
	store(BASE + 8 * PAGE_SIZE, 77);
	store(BASE + 9 * PAGE_SIZE, 78);
	proc_run(parent);
	CHECK_EQ(load(BASE + 8 * PAGE_SIZE), 77);
	CHECK_EQ(load(BASE + 9 * PAGE_SIZE), 78);
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
}

TEST(mem_mremap, "mremap: shrink, grow in place, move with its contents and its EXCL bits, FIXED, refusals")
{
	struct mm *mm = proc_create();
	u64 v;
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 4; i++)
		store(BASE + i * PAGE_SIZE, i + 1);
	CHECK_EQ(sys_mremap(BASE, 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), BASE);
	CHECK_EQ(user_load(BASE + 2 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(sys_mremap(BASE, 2 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0), BASE);
	CHECK_EQ(load(BASE + 2 * PAGE_SIZE), 0);
	map_anon(BASE + 8 * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE);
	CHECK_EQ(sys_mprotect(BASE + 8 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(sys_mremap(BASE, 8 * PAGE_SIZE, 16 * PAGE_SIZE, 0, 0), -ENOMEM);
	u64 frame = mm_entry(mm, BASE) & ENTRY_FRAME;
	long to = sys_mremap(BASE, 8 * PAGE_SIZE, 16 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	CHECK(to > 0 && to != BASE);
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(load(to), 1);
	CHECK_EQ(load(to + PAGE_SIZE), 2);
	CHECK_EQ(mm_entry(mm, to) & ENTRY_FRAME, frame);
	store(to, 3);
	CHECK_EQ(mm_entry(mm, to) & ENTRY_FRAME, frame);
	CHECK_EQ(sys_mremap(to, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 0x200000), BASE + 0x200000);
	CHECK_EQ(load(BASE + 0x200000), 3);
	CHECK_EQ(sys_mremap(to + 1, PAGE_SIZE, PAGE_SIZE, 0, 0), -EINVAL);
	CHECK_EQ(sys_mremap(0x7000000000, PAGE_SIZE, 2 * PAGE_SIZE, MREMAP_MAYMOVE, 0), -EFAULT);
	CHECK_EQ(sys_mremap(to + PAGE_SIZE, PAGE_SIZE, 0, MREMAP_MAYMOVE, 0), -EINVAL);
	check_all();
	proc_exit(mm);
}

TEST(mem_fault_injection, "no memory at the n-th allocation, for every n: errno or a killed program, nothing leaks, nothing breaks")
{
	check_leaks_begin();
	for (unsigned n = 1; n < 60; n++) {
		inject_arm(INJECT_ALLOC, n, 0, INJECT_ALL);
		struct mm *mm = proc_create();
		if (mm) {
			long a = map_anon(BASE, 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
			CHECK(a == (long)BASE || a == -ENOMEM);
			u64 v;
			if (a == (long)BASE) {
				int sig = user_store(BASE, 1);
				if (!sig) {
					user_store(BASE + PAGE_SIZE, 2);
					struct mm *child = fatal_signal_pending(current) ? NULL : proc_fork();
					if (child) {
						user_store(BASE, 3);
						proc_run(child);
						if (!user_load(BASE, &v))
							CHECK_EQ(v, 1);
						user_store(BASE + PAGE_SIZE, 4);
						long r = sys_mremap(BASE, 8 * PAGE_SIZE, 32 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
						CHECK(r > 0 || r == -ENOMEM);
						r = sys_mprotect(BASE + PAGE_SIZE, PAGE_SIZE, PROT_READ);
						CHECK(!r || r == -ENOMEM);
						check_all();
						proc_exit(child);
						proc_run(mm);
					}
				}
			}
			check_all();
			inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
			proc_exit(mm);
		}
		inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
		host_revive();
		check_all();
	}
	check_leaks_end();
}

TEST(mem_stack_grows, "a GROWSDOWN mapping grows down to its limit, not into a neighbour")
{
	struct mm *mm = proc_create();
	vaddr_t top = 0x7ff000000000;
	u64 v;
	struct map_request req = { .addr = top - 4 * PAGE_SIZE, .length = 4 * PAGE_SIZE, .prot = RW,
		.map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | VM_GROWSDOWN | VM_STACK };
	CHECK_EQ(mm_map(mm, &req), top - 4 * PAGE_SIZE);
	store(top - 8, 1);
	for (unsigned i = 0; i < 100; i++)
		store(top - i * PAGE_SIZE - 8, i);
	CHECK_EQ(load(top - 50 * PAGE_SIZE - 8), 50);
	store(top - (4 << 20), 4);			/* far below at once */
	CHECK_EQ(user_load(top - (64 << 20), &v), SIGSEGV);	/* past RLIMIT_STACK (8 MiB) */
	check_all();
	proc_exit(mm);
}
