/* Copy on write and fork: who sees whose stores, who copies and who need not, what a child gets. The E, K and G invariants of MECHANISMS.md (b). */
#include "host.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

#define BASE 0x10000000UL
#define RW (PROT_READ | PROT_WRITE)

TEST(cow_fork, "K1: after fork neither side sees the other's stores; INV-E4: the last one left does not copy")
{
	struct mm *parent = proc_create();
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	must_store(BASE, 1);
	must_store(BASE + PAGE_SIZE, 2);
	struct mm *child = proc_fork();
	CHECK(child);
	check_all();
	must_store(BASE, 10);			/* the TLB must have lost its write permission */
	proc_run(child);
	CHECK_EQ(must_load(BASE), 1);
	must_store(BASE, 100);
	must_store(BASE + 2 * PAGE_SIZE, 3);
	check_all();
	proc_run(parent);
	CHECK_EQ(must_load(BASE), 10);
	CHECK_EQ(must_load(BASE + 2 * PAGE_SIZE), 0);
	u64 shared = mm_entry(parent, BASE + PAGE_SIZE);
	proc_exit(child);
	check_all();
	u64 copies = vmstat_read(VM_COW_COPY);
	must_store(BASE + PAGE_SIZE, 20);		/* sole holder now: adopted */
	CHECK_EQ(mm_entry(parent, BASE + PAGE_SIZE) & ENTRY_FRAME, shared & ENTRY_FRAME);
	CHECK_EQ(vmstat_read(VM_COW_COPY), copies);
	check_all();
	proc_exit(parent);
}

TEST(cow_lifetime_reference, "INV-E5: a lifetime reference does not force a copy; a read pin does")
{
	struct mm *parent = proc_create();
	map_anon(BASE, 2 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	must_store(BASE, 1);
	must_store(BASE + PAGE_SIZE, 2);
	struct mm *child = proc_fork();
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	struct page *p = entry_page(mm_entry(parent, BASE)), *q = entry_page(mm_entry(parent, BASE + PAGE_SIZE));
	page_get(p);
	CHECK(page_pin_read(q));
	must_store(BASE, 11);
	must_store(BASE + PAGE_SIZE, 22);
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
	must_store(BASE, 1);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	CHECK_EQ(own_xpins(pin->own.v), 1);
	struct mm *child = proc_fork();
	check_all();
	must_store(BASE, 2);
	CHECK_EQ(*(u64 *)page_address(pin), 2);
	*(u64 *)page_address(pin) = 3;		/* DMA */
	CHECK_EQ(must_load(BASE), 3);
	proc_run(child);
	CHECK_EQ(must_load(BASE), 1);
	must_store(BASE, 9);
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
	must_store(BASE, 1);
	struct mm *child = proc_fork();
	proc_run(child);
	CHECK_EQ(pin_user_pages(BASE, 1, 0, &pin), 1);
	CHECK_EQ(mm_unmap(child, BASE, PAGE_SIZE), 0);
	proc_run(parent);
	must_store(BASE, 2);
	CHECK_EQ(*(u64 *)page_address(pin), 1);
	page_unpin_read(pin);
	check_all();
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
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
			must_store(BASE + i * PAGE_SIZE, i + 1);
	CHECK_EQ(sys_madvise(BASE, PAGE_SIZE, MADV_DONTFORK), 0);
	CHECK_EQ(sys_madvise(BASE + 2 * PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), 0);
	CHECK_EQ(sys_madvise(BASE + 8 * PAGE_SIZE, PAGE_SIZE, MADV_WIPEONFORK), -EINVAL);
	CHECK_EQ(sys_madvise(BASE, PAGE_SIZE, 12345), -EINVAL);
	struct mm *child = proc_fork();
	proc_run(child);
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(must_load(BASE + 2 * PAGE_SIZE), 0);
	CHECK_EQ(must_load(BASE + 4 * PAGE_SIZE), 5);
	CHECK_EQ(must_load(BASE + 8 * PAGE_SIZE), 9);
	must_store(BASE + 8 * PAGE_SIZE, 77);
	must_store(BASE + 9 * PAGE_SIZE, 78);
	proc_run(parent);
	CHECK_EQ(must_load(BASE + 8 * PAGE_SIZE), 77);
	CHECK_EQ(must_load(BASE + 9 * PAGE_SIZE), 78);
	proc_run(child);
	proc_exit(child);
	proc_run(parent);
	proc_exit(parent);
}
