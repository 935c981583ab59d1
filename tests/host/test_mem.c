/* Anonymous memory: mapping, protection, what is taken away and moved. The E and S invariants of MECHANISMS.md (b). Fork: test_fork.c; pins: test_gup.c. */
#include "host.h"
#include "kernel/inject.h"
#include "mm/syscalls.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define BASE 0x10000000UL
#define RW (PROT_READ | PROT_WRITE)

TEST(mem_demand_zero, "anonymous memory reads as zeroes (INV-E7: from the zero page), keeps what is stored, faults once per page")
{
	struct mm *mm = proc_create();
	CHECK_EQ(map_anon(BASE, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ(must_load(BASE + i * PAGE_SIZE + 8), 0);
	CHECK(entry_page(mm_entry(mm, BASE)) == zero_page);
	check_all();
	for (unsigned i = 0; i < 16; i++)
		must_store(BASE + i * PAGE_SIZE, i + 1);
	unsigned long faults = host_page_faults;
	for (unsigned i = 0; i < 16; i++) {
		must_store(BASE + i * PAGE_SIZE + 16, i);
		CHECK_EQ(must_load(BASE + i * PAGE_SIZE), i + 1);
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
	CHECK_EQ(must_load(BASE), 0);
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
	must_store(a, 7);
	CHECK_EQ(map_anon(a, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), a);
	CHECK_EQ(must_load(a), 0);
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
		must_store(BASE + i * PAGE_SIZE, i);
	CHECK_EQ(mm_unmap(mm, BASE + 5 * PAGE_SIZE, 3 * PAGE_SIZE), 0);
	CHECK_EQ(user_load(BASE + 6 * PAGE_SIZE, &v), SIGSEGV);
	check_all();
	CHECK_EQ(sys_mprotect(BASE, 2 * PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(user_store(BASE, 1), SIGSEGV);
	CHECK_EQ(must_load(BASE + PAGE_SIZE), 1);
	check_all();
	CHECK_EQ(sys_madvise(BASE + 100 * PAGE_SIZE, 300 * PAGE_SIZE, MADV_DONTNEED), 0);
	CHECK_EQ(must_load(BASE + 200 * PAGE_SIZE), 0);
	CHECK_EQ(must_load(BASE + 500 * PAGE_SIZE), 500);
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
	CHECK_EQ(must_load(low), 0);
	for (vaddr_t va = low + PAGE_SIZE; va < high; va += PAGE_SIZE)
		must_store(va, va);
	CHECK_EQ(pin_user_pages(low + 7 * PAGE_SIZE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	struct mm *child = proc_fork();		/* one page is copied */
	check_all();
	proc_run(child);
	for (vaddr_t va = low + PAGE_SIZE; va < high; va += 16 * PAGE_SIZE)
		CHECK_EQ(must_load(va), va);
	must_store(high - PAGE_SIZE, 1);
	CHECK_EQ(mm_unmap(child, low, high - low), 0);
	CHECK_EQ(user_load(low + 17 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(user_store(high - PAGE_SIZE, 1), SIGSEGV);
	CHECK_EQ(mm_rss_pages(child), 0);
	check_all();
	proc_run(parent);
	CHECK_EQ(must_load(high - PAGE_SIZE), high - PAGE_SIZE);
	CHECK_EQ(must_load(low + 7 * PAGE_SIZE), low + 7 * PAGE_SIZE);
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

	must_store(va, va);
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
			CHECK_EQ(must_load(va + 8), 0);
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
	CHECK_EQ(must_load(low + 7 * PAGE_SIZE), low + 7 * PAGE_SIZE);
	CHECK_EQ(mapped_by(child, va), 1);		/* a run is the process's own */
	proc_exit(child);
	proc_run(mm);
	CHECK_EQ(must_load(va), 0);
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
	must_store(BASE, 5);
	u64 before = mm_entry(mm, BASE);
	CHECK(before & ENTRY_EXCL);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, PROT_READ), 0);
	CHECK(mm_entry(mm, BASE) & ENTRY_EXCL);
	CHECK(!(mm_entry(mm, BASE) & ENTRY_RW));
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, RW), 0);
	must_store(BASE, 6);
	CHECK_EQ(mm_entry(mm, BASE) & ENTRY_FRAME, before & ENTRY_FRAME);
	CHECK_EQ(*(u64 *)page_address(pin), 6);
	page_unpin_exclusive(pin);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, PROT_NONE), 0);
	u64 v;
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(sys_mprotect(BASE, PAGE_SIZE, RW), 0);
	CHECK_EQ(must_load(BASE), 6);
	CHECK_EQ(sys_mprotect(BASE, 2 * PAGE_SIZE, RW), -ENOMEM);
	CHECK_EQ(sys_mprotect(BASE + 1, PAGE_SIZE, RW), -EINVAL);
	check_all();
	proc_exit(mm);
}

TEST(mem_mremap, "mremap: shrink, grow in place, move with its contents and its EXCL bits, FIXED, refusals")
{
	struct mm *mm = proc_create();
	u64 v;
	map_anon(BASE, 4 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 4; i++)
		must_store(BASE + i * PAGE_SIZE, i + 1);
	CHECK_EQ(sys_mremap(BASE, 4 * PAGE_SIZE, 2 * PAGE_SIZE, 0, 0), BASE);
	CHECK_EQ(user_load(BASE + 2 * PAGE_SIZE, &v), SIGSEGV);
	CHECK_EQ(sys_mremap(BASE, 2 * PAGE_SIZE, 8 * PAGE_SIZE, 0, 0), BASE);
	CHECK_EQ(must_load(BASE + 2 * PAGE_SIZE), 0);
	map_anon(BASE + 8 * PAGE_SIZE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE);
	CHECK_EQ(sys_mprotect(BASE + 8 * PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
	CHECK_EQ(sys_mremap(BASE, 8 * PAGE_SIZE, 16 * PAGE_SIZE, 0, 0), -ENOMEM);
	u64 frame = mm_entry(mm, BASE) & ENTRY_FRAME;
	long to = sys_mremap(BASE, 8 * PAGE_SIZE, 16 * PAGE_SIZE, MREMAP_MAYMOVE, 0);
	CHECK(to > 0 && to != BASE);
	CHECK_EQ(user_load(BASE, &v), SIGSEGV);
	CHECK_EQ(must_load(to), 1);
	CHECK_EQ(must_load(to + PAGE_SIZE), 2);
	CHECK_EQ(mm_entry(mm, to) & ENTRY_FRAME, frame);
	must_store(to, 3);
	CHECK_EQ(mm_entry(mm, to) & ENTRY_FRAME, frame);
	CHECK_EQ(sys_mremap(to, PAGE_SIZE, PAGE_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, BASE + 0x200000), BASE + 0x200000);
	CHECK_EQ(must_load(BASE + 0x200000), 3);
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
	must_store(top - 8, 1);
	for (unsigned i = 0; i < 100; i++)
		must_store(top - i * PAGE_SIZE - 8, i);
	CHECK_EQ(must_load(top - 50 * PAGE_SIZE - 8), 50);
	must_store(top - (4 << 20), 4);			/* far below at once */
	CHECK_EQ(user_load(top - (64 << 20), &v), SIGSEGV);	/* past RLIMIT_STACK (8 MiB) */
	check_all();
	proc_exit(mm);
}

/* --- places --- */

/* What find_gap() shall say: by looking at each gap. */
static vaddr_t highest_gap(const struct mm *mm, u64 length, u64 align, vaddr_t top)
{
	for (unsigned i = mm->nr_vmas + 1; i-- > 0; ) {
		vaddr_t high = i < mm->nr_vmas ? min(mm->vmas[i]->start, top) : top;
		vaddr_t low = i > 0 ? mm->vmas[i - 1]->end : MMAP_MIN_ADDR;
		if (high > low && high - low >= length && ALIGN_DOWN(high - length, align) >= low)
			return ALIGN_DOWN(high - length, align);
	}
	return 0;
}
static void random_mapping(struct mm *mm)
{
	static const u64 prots[] = { PROT_NONE, PROT_READ, RW };
	u64 length = (host_random(20) ? 1 + host_random(6) : 1 + host_random(1500)) * PAGE_SIZE;
	vaddr_t want = length >= LEAF_SPAN ? highest_gap(mm, length, LEAF_SPAN, mm->mmap_top) : 0;

	if (!want)
		want = highest_gap(mm, length, PAGE_SIZE, mm->mmap_top);
	CHECK_EQ((vaddr_t)map_anon(0, length, prots[host_random(3)], MAP_PRIVATE), want);
}
TEST(mem_gaps, "hundreds of mappings, made, cut, moved and removed anywhere: a new one goes to the highest gap that has room, as looking at each one finds")
{
	struct mm *mm = proc_create();
	unsigned most = 0;
	for (unsigned step = 0; step < 6000; step++) {
		bool grow = step / 1500 % 2 == 0;
		vaddr_t top = host_random(4) ? mm->mmap_top : mm->nr_vmas ? mm->vmas[host_random(mm->nr_vmas)]->end - PAGE_SIZE : mm->mmap_top;
		u64 length = (1 + host_random(host_random(3) ? 8 : 800)) * PAGE_SIZE, align = host_random(4) ? PAGE_SIZE : LEAF_SPAN;
		CHECK_EQ(find_gap(mm, length, align, 0, top), highest_gap(mm, length, align, top));
		if (host_random(10) < (grow ? 7 : 2)) {
			random_mapping(mm);
		} else if (mm->nr_vmas) {
			const struct vma *vma = mm->vmas[host_random(mm->nr_vmas)];
			vaddr_t at = vma->start + host_random(vma_pages(vma)) * PAGE_SIZE;
			u64 pages = 1 + host_random(grow ? 3 : 40);
			if (host_random(3))
				CHECK_EQ(mm_unmap(mm, at, pages * PAGE_SIZE), 0);
			else if (host_random(2))
				sys_mprotect(at, PAGE_SIZE, host_random(2) ? PROT_READ : RW);
			else
				sys_mremap(vma->start, vma_pages(vma) * PAGE_SIZE, pages * PAGE_SIZE, MREMAP_MAYMOVE, 0);
		}
		most = max(most, mm->nr_vmas);
		if (step % 50 == 0)
			check_all();
	}
	CHECK(most > 4 * GAP_CHUNK && mm->gaps);
	proc_exit(mm);
	check_all();
}
