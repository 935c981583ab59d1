/* Mapped files, one task at a time: what loads and stores have to do with read, write, truncate and holes. */
#include "file.h"
#include "mm/syscalls.h"

TEST(file_mapped, "mappings: shared stores are the file, private ones are not; read and write agree with them at once")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(8 * PAGE_SIZE);
	vaddr_t shared = BASE, private = BASE + MB;
	CHECK_EQ(hfile_mmap(f, shared, 8 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), shared);
	CHECK_EQ(hfile_mmap(f, private, 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED, 0), private);
	CHECK_EQ(must_load(shared + PAGE_SIZE), *(u64 *)(want + PAGE_SIZE));
	CHECK_EQ(must_load(private + PAGE_SIZE), *(u64 *)(want + PAGE_SIZE));
	check_all();
	must_store(private + PAGE_SIZE, 111);
	CHECK_EQ(must_load(shared + PAGE_SIZE), *(u64 *)(want + PAGE_SIZE));
	must_store(shared + 2 * PAGE_SIZE, 222);
	*(u64 *)(want + 2 * PAGE_SIZE) = 222;
	CHECK_EQ(must_load(private + 2 * PAGE_SIZE), 222);		/* not copied yet: follows the file */
	u64 x = 333;
	CHECK_EQ(hfile_pwrite(f, &x, 8, 2 * PAGE_SIZE + 8), 8);
	memcpy(want + 2 * PAGE_SIZE + 8, &x, 8);
	CHECK_EQ(must_load(shared + 2 * PAGE_SIZE + 8), 333);
	CHECK_EQ(must_load(private + 2 * PAGE_SIZE + 8), 333);
	check_all();
	fill(data, 2 * PAGE_SIZE, 5);
	CHECK_EQ(hfile_pwrite(f, data, 2 * PAGE_SIZE, PAGE_SIZE), 2 * PAGE_SIZE);	/* whole pages: perhaps swapped */
	memcpy(want + PAGE_SIZE, data, 2 * PAGE_SIZE);
	CHECK_EQ(must_load(shared + PAGE_SIZE), *(u64 *)(want + PAGE_SIZE));
	CHECK_EQ(must_load(private + PAGE_SIZE), 111);
	check_all();
	same(f, 8 * PAGE_SIZE);
	CHECK_EQ(hfile_sync(f), 0);
	check_all();
	CHECK(!memcmp(f->disk, want, 8 * PAGE_SIZE));
	must_store(shared + 3 * PAGE_SIZE, 444);			/* again after writeback: must become dirty again */
	*(u64 *)(want + 3 * PAGE_SIZE) = 444;
	CHECK_EQ(hfile_sync(f), 0);
	CHECK(!memcmp(f->disk, want, 8 * PAGE_SIZE));
	struct mm *child = proc_fork();
	proc_run(child);
	CHECK_EQ(must_load(shared + 3 * PAGE_SIZE), 444);
	CHECK_EQ(must_load(private + PAGE_SIZE), 111);
	must_store(private + PAGE_SIZE, 555);
	must_store(shared, 666);
	proc_run(mm);
	CHECK_EQ(must_load(private + PAGE_SIZE), 111);
	CHECK_EQ(must_load(shared), 666);
	check_all();
	proc_run(child);
	proc_exit(child);
	proc_run(mm);
	proc_exit(mm);
	CHECK_EQ(f->refs, 0);
	check_all();
	hfile_destroy(f);
}

TEST(file_truncate_mapped, "INV-T1 T3: past the end SIGBUS, private copies there are gone, tails are zero, growing shows zeroes")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(8 * PAGE_SIZE);
	vaddr_t shared = BASE, private = BASE + MB;
	u64 v;
	hfile_mmap(f, shared, 8 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	hfile_mmap(f, private, 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED, 0);
	for (unsigned i = 0; i < 8; i++) {
		must_load(shared + i * PAGE_SIZE);
		must_store(private + i * PAGE_SIZE, i);
		must_store(shared + i * PAGE_SIZE + 4000, 7);
	}
	CHECK_EQ(hfile_truncate(f, 3 * PAGE_SIZE + 100), 0);
	check_all();
	CHECK_EQ(user_load(shared + 4 * PAGE_SIZE, &v), SIGBUS);
	CHECK_EQ(host_fault_code(), BUS_ADRERR);
	CHECK_EQ(host_fault_address(), shared + 4 * PAGE_SIZE);
	CHECK_EQ(user_load(private + 4 * PAGE_SIZE, &v), SIGBUS);
	CHECK_EQ(user_store(shared + 5 * PAGE_SIZE, 1), SIGBUS);
	CHECK_EQ(must_load(shared + 3 * PAGE_SIZE + 4000), 0);
	must_store(shared + 3 * PAGE_SIZE + 200, 99);		/* past the end, in the last page: allowed, not kept */
	CHECK_EQ(hfile_truncate(f, 6 * PAGE_SIZE), 0);
	CHECK_EQ(must_load(shared + 3 * PAGE_SIZE + 200), 0);
	CHECK_EQ(must_load(shared + 4 * PAGE_SIZE + 4000), 0);
	CHECK_EQ(must_load(shared + 5 * PAGE_SIZE), 0);
	CHECK_EQ(must_load(private + 5 * PAGE_SIZE), 0);
	CHECK_EQ(must_load(private + PAGE_SIZE), 1);
	CHECK_EQ(hfile_pread(f, got, MB, 0), 6 * PAGE_SIZE);
	for (unsigned i = 3 * PAGE_SIZE + 100; i < 6 * PAGE_SIZE; i++)
		CHECK_EQ(got[i], 0);
	check_all();
	CHECK_EQ(hfile_truncate(f, 0), 0);
	CHECK_EQ(user_load(shared, &v), SIGBUS);
	CHECK_EQ(f->inode.mapping.nr_pages.v, 0);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_punch, "holes punched anywhere against an array; shared mappings show zeroes, private copies stay; what is stored again is written")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(8 * PAGE_SIZE);
	vaddr_t shared = BASE, private = BASE + MB;
	hfile_mmap(f, shared, 8 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
	hfile_mmap(f, private, 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED, 0);
	for (unsigned i = 0; i < 8; i++) {
		must_store(shared + i * PAGE_SIZE + 8, i + 1);
		must_store(private + i * PAGE_SIZE, i + 20);
	}
	CHECK_EQ(hfile_punch(f, PAGE_SIZE, 3 * PAGE_SIZE), 0);
	check_all();
	for (unsigned i = 0; i < 8; i++) {
		CHECK_EQ(must_load(shared + i * PAGE_SIZE + 8), i == 1 || i == 2 ? 0 : i + 1);
		CHECK_EQ(must_load(private + i * PAGE_SIZE), i + 20);
	}
	must_store(shared + PAGE_SIZE + 8, 77);
	CHECK_EQ(hfile_sync(f), 0);
	hfile_drop_cache(f);
	CHECK_EQ(must_load(shared + PAGE_SIZE + 8), 77);
	CHECK_EQ(must_load(shared + 2 * PAGE_SIZE + 8), 0);
	CHECK_EQ(hfile_pread(f, want, MB, 0), 8 * PAGE_SIZE);
	for (unsigned i = 0; i < 200; i++) {
		loff_t start = host_random(9 * PAGE_SIZE), end = start + 1 + host_random(host_random(2) ? 300 : 4 * PAGE_SIZE);
		CHECK_EQ(hfile_punch(f, start, end), 0);
		for (loff_t k = start; k < end && k < 8 * (loff_t)PAGE_SIZE; k++)
			want[k] = 0;
		start = host_random(8 * PAGE_SIZE - 100);
		memset(want + start, (int)i + 1, 100);
		CHECK_EQ(hfile_pwrite(f, want + start, 100, start), 100);
		if (!host_random(4))
			CHECK_EQ(hfile_sync(f), 0);
		CHECK_EQ(hfile_pread(f, got, MB, 0), 8 * PAGE_SIZE);
		CHECK(!memcmp(got, want, 8 * PAGE_SIZE));
	}
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_mapped_tail, "INV-T3: bytes stored past the end through a mapping never show when the file grows, by write or truncate, near or far")
{
	static const u64 to[] = { 2 * PAGE_SIZE + 900, 2 * PAGE_SIZE + 4095, 3 * PAGE_SIZE, 5 * PAGE_SIZE + 7 };
	for (unsigned k = 0; k < 2 * ARRAY_SIZE(to); k++) {
		struct mm *mm = proc_create();
		struct hfile *f = file_of_size(2 * PAGE_SIZE + 100);
		u64 end = to[k / 2], size = k & 1 ? end : end + 3;
		CHECK_EQ(hfile_mmap(f, BASE, 3 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
		for (u64 at = 2 * PAGE_SIZE + 104; at < 3 * PAGE_SIZE; at += 8)
			must_store(BASE + at, ~0UL);
		if (k & 1)
			CHECK_EQ(hfile_truncate(f, end), 0);
		else
			CHECK_EQ(hfile_pwrite(f, "abc", 3, end), 3);
		if (!(k & 1))
			memcpy(want + end, "abc", 3);
		same(f, size);
		check_all();
		proc_exit(mm);
		hfile_destroy(f);
	}
}
