/* Files through the page cache, one task at a time: read, write, truncate, writeback, errors. Mappings: test_filemap.c. */
#include "file.h"
#include "kernel/inject.h"
#include "mm/reclaim.h"
#include "mm/switches.h"
#include "mm/syscalls.h"
#include "mm/vmstat.h"

u8 want[4 * MB], got[4 * MB], data[4 * MB];

TEST(file_read, "read at every kind of offset and length: right bytes, end of file, one device read per page")
{
	struct hfile *f = file_of_size(100000);
	same(f, 100000);
	CHECK(f->reads <= DIV_UP(100000, PAGE_SIZE));
	unsigned reads = f->reads;
	for (unsigned i = 0; i < 3000; i++) {
		u64 pos = host_random(101000), n = host_random(host_random(3) ? 100 : 20000);
		u64 expect = pos >= 100000 ? 0 : min(n, 100000 - pos);
		CHECK_EQ(hfile_pread(f, got, n, pos), expect);
		CHECK(!memcmp(got, want + pos, expect));
	}
	CHECK_EQ(f->reads, reads);
	check_all();
	hfile_destroy(f);
}

TEST(file_write_random, "INV-W2: writes of any place and size against an array, through user memory, with and without sync and truncate")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(50000);
	u64 size = 50000;
	map_anon(BASE, 256 * 1024, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 1500; i++) {
		u64 pos = host_random(300000), n = host_random(host_random(3) ? 5000 : 60000), src = host_random(PAGE_SIZE * 4);
		if (!host_random(4))
			pos &= PAGE_MASK;
		if (!host_random(4))
			n &= PAGE_MASK;
		switch (host_random(12)) {
		case 0:
			CHECK_EQ(hfile_sync(f), 0);
			break;
		case 1:
			CHECK_EQ(hfile_truncate(f, pos), 0);
			if (pos < size)
				memset(want + pos, 0, size - pos);
			size = pos;
			break;
		case 2:
			hfile_drop_cache(f);
			break;
		case 3:
			sys_madvise(BASE, 256 * 1024, MADV_DONTNEED);
			break;
		default:
			fill(data, n, i);
			CHECK_EQ(user_access(BASE + src, data, n, true), 0);
			if (host_random(2))		/* some of the source is not mapped while it is copied */
				CHECK_EQ(sys_mprotect(BASE, 128 * 1024, PROT_READ), 0);
			CHECK_EQ(hfile_pwrite_user(f, BASE + src, n, pos), n);
			CHECK_EQ(sys_mprotect(BASE, 128 * 1024, RW), 0);
			memcpy(want + pos, data, n);
			size = n ? max(size, pos + n) : size;
		}
		if (i % 50 == 0)
			check_all();
	}
	same(f, size);
	CHECK_EQ(hfile_sync(f), 0);
	check_all();
	for (u64 i = 0; i < size; i++)		/* what reached the disk */
		CHECK_EQ(f->block_state[i >> 12] ? f->disk[i] : 0, want[i]);
	for (u64 i = size; i < ALIGN_UP(size, PAGE_SIZE); i++)
		if (f->block_state[i >> 12])
			CHECK_EQ(f->disk[i], 0);	/* INV-T3: the tail on disk */
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_overwrite_no_read, "INV-W4: overwriting whole pages reads nothing from the device; a partial one reads its page once")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(64 * PAGE_SIZE);
	map_anon(BASE, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	CHECK_EQ(hfile_pwrite_user(f, BASE, 16 * PAGE_SIZE, 4 * PAGE_SIZE), 16 * PAGE_SIZE);
	CHECK_EQ(f->reads, 0);
	memset(want + 4 * PAGE_SIZE, 0, 16 * PAGE_SIZE);
	CHECK_EQ(hfile_pwrite_user(f, BASE, 100, 40 * PAGE_SIZE + 50), 100);
	memset(want + 40 * PAGE_SIZE + 50, 0, 100);
	CHECK_EQ(f->reads, 1);
	same(f, 64 * PAGE_SIZE);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_bad_source, "INV-W6 (writev07): a bad segment in the middle: count and contents agree; EFAULT only if no byte went in")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(10 * PAGE_SIZE);
	map_anon(BASE, 2 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	fill(data, 2 * PAGE_SIZE, 9);
	user_access(BASE, data, 2 * PAGE_SIZE, true);
	struct iovec iov[3] = { { (void *)BASE, 100 }, { (void *)(BASE + 64 * PAGE_SIZE), 100 }, { (void *)(BASE + 200), 100 } };
	CHECK_EQ(hfile_writev_user(f, iov, 3, 5000), 100);
	memcpy(want + 5000, data, 100);
	same(f, 10 * PAGE_SIZE);
	CHECK_EQ(hfile_pwrite_user(f, BASE + 64 * PAGE_SIZE, 100, 0), -EFAULT);
	CHECK_EQ(hfile_pwrite_user(f, 0xffff888000000000UL, 100, 0), -EFAULT);
	CHECK_EQ(hfile_pwrite_user(f, BASE + 64 * PAGE_SIZE, 100, 40 * PAGE_SIZE), -EFAULT);
	same(f, 10 * PAGE_SIZE);			/* the size did not grow */
	CHECK_EQ(hfile_pwrite_user(f, BASE + 2 * PAGE_SIZE - 10, 100, 3), 10);	/* straddles the end of memory */
	memcpy(want + 3, data + 2 * PAGE_SIZE - 10, 10);
	CHECK_EQ(hfile_pwrite_user(f, BASE + PAGE_SIZE + 1000, PAGE_SIZE, PAGE_SIZE), PAGE_SIZE - 1000);	/* whole page, source ends early */
	memcpy(want + PAGE_SIZE, data + PAGE_SIZE + 1000, PAGE_SIZE - 1000);
	same(f, 10 * PAGE_SIZE);
	CHECK_EQ(hfile_pread_user(f, BASE + 2 * PAGE_SIZE - 10, 100, 0), 10);
	CHECK_EQ(hfile_pread_user(f, BASE + 64 * PAGE_SIZE, 100, 0), -EFAULT);
	struct iovec empty[4] = { { NULL, 0 }, { (void *)BASE, 50 }, { NULL, 0 }, { (void *)BASE, 0 } };
	user_access(BASE, data, PAGE_SIZE, true);
	CHECK_EQ(hfile_writev_user(f, empty, 4, 77), 50);
	memcpy(want + 77, data, 50);
	same(f, 10 * PAGE_SIZE);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_writev_one_lock, "INV-W5: many segments in one page cost one page change, and partial progress is kept")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(4 * PAGE_SIZE);
	struct iovec iov[64];
	map_anon(BASE, PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
	fill(data, PAGE_SIZE, 3);
	user_access(BASE, data, PAGE_SIZE, true);
	for (unsigned i = 0; i < 64; i++)
		iov[i] = (struct iovec){ (void *)(BASE + i * 64), 60 };
	unsigned reserves = f->reserves;
	CHECK_EQ(hfile_writev_user(f, iov, 64, 100), 64 * 60);
	CHECK_EQ(f->reserves, reserves + 1);
	for (unsigned i = 0; i < 64; i++)
		memcpy(want + 100 + i * 60, data + i * 64, 60);
	same(f, 4 * PAGE_SIZE);
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_io_errors, "a failed read is EIO, leaves nothing behind, and the next try may succeed; a failed write is reported once by fsync")
{
	struct hfile *f = file_of_size(20 * PAGE_SIZE);
	for (int n = 1; n <= 20; n++) {
		f->fail_read = n;
		ssize_t r = hfile_pread(f, got, 20 * PAGE_SIZE, 0);
		CHECK(r == -EIO || (r >= 0 && r % PAGE_SIZE == 0 && r <= 20 * (long)PAGE_SIZE));
		if (r > 0)
			CHECK(!memcmp(got, want, r));
		check_all();
		f->fail_read = 0;
		same(f, 20 * PAGE_SIZE);
		hfile_drop_cache(f);
	}
	f->fail_read = 1;
	CHECK_EQ(hfile_pwrite(f, "xyz", 3, 5 * PAGE_SIZE + 7), -EIO);
	CHECK_EQ(hfile_pwrite(f, "xyz", 3, 5 * PAGE_SIZE + 7), 3);
	memcpy(want + 5 * PAGE_SIZE + 7, "xyz", 3);
	same(f, 20 * PAGE_SIZE);
	f->fail_write = 1;
	CHECK_EQ(hfile_sync(f), -EIO);
	CHECK_EQ(hfile_sync(f), 0);
	same(f, 20 * PAGE_SIZE);
	check_all();
	hfile_destroy(f);
}

TEST(file_no_space, "ENOSPC in the middle of a write: the count says how far it came, the size with it")
{
	for (int n = 1; n < 8; n++) {
		struct hfile *f = hfile_create("n", MB, NULL, 0);
		fill(data, 6 * PAGE_SIZE, n);
		f->fail_reserve = n;
		ssize_t r = hfile_pwrite(f, data, 6 * PAGE_SIZE, 0);
		CHECK_EQ(r, n == 1 ? -ENOSPC : n < 7 ? (n - 1) * (long)PAGE_SIZE : 6 * (long)PAGE_SIZE);
		CHECK_EQ(f->inode.mapping.size, max(r, 0L));
		f->fail_reserve = 0;
		CHECK_EQ(hfile_pread(f, got, MB, 0), max(r, 0L));
		CHECK(r <= 0 || !memcmp(got, data, r));
		CHECK_EQ(hfile_sync(f), 0);
		check_all();
		hfile_destroy(f);
	}
}

TEST(file_write_from_itself, "INV-W1: write() from a mapping of the page it writes, absent or not, whole, partial and straddling")
{
	for (unsigned round = 0; round < 200; round++) {
		struct mm *mm = proc_create();
		struct hfile *f = file_of_size(6 * PAGE_SIZE);
		CHECK_EQ(hfile_mmap(f, BASE, 6 * PAGE_SIZE, RW, (host_random(2) ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED, 0), BASE);
		if (host_random(2))
			must_load(BASE + host_random(6) * PAGE_SIZE);
		u64 from = host_random(2) ? host_random(6) * PAGE_SIZE : host_random(5 * PAGE_SIZE);
		u64 to = host_random(2) ? from : host_random(2) ? host_random(6) * PAGE_SIZE : host_random(5 * PAGE_SIZE);
		u64 n = host_random(2) ? PAGE_SIZE : 1 + host_random(2 * PAGE_SIZE);
		n = min(n, 6 * PAGE_SIZE - max(from, to));
		bool overlap = from < to + n && to < from + n;
		CHECK_EQ(hfile_pwrite_user(f, BASE + from, n, to), n);
		if (!overlap || from == to) {		/* otherwise the order of the copy shows */
			memmove(want + to, data + from, n);
			same(f, 6 * PAGE_SIZE);
		}
		check_all();
		proc_exit(mm);
		hfile_destroy(f);
	}
}

TEST(file_forced_short_copies, "INV-A5: everything is right with every first copy stopped at a random byte, and with prefault")
{
	struct mm *mm = proc_create();
	struct hfile *f = file_of_size(50000);
	u64 size = 50000;
	map_anon(BASE, 256 * 1024, RW, MAP_PRIVATE | MAP_FIXED);
	for (unsigned i = 0; i < 600; i++) {
		switch_copy_fail = i % 3 ? i + 1 : 0;
		switch_prefault = i % 5 == 0;
		u64 pos = host_random(200000), n = 1 + host_random(20000), src = host_random(PAGE_SIZE * 4);
		fill(data, n, i);
		user_access(BASE + src, data, n, true);
		CHECK_EQ(hfile_pwrite_user(f, BASE + src, n, pos), n);
		memcpy(want + pos, data, n);
		size = max(size, pos + n);
		pos = host_random(size);
		n = min(1 + host_random(30000), (u32)(size - pos));
		sys_madvise(BASE + 128 * 1024, 64 * 1024, MADV_DONTNEED);
		CHECK_EQ(hfile_pread_user(f, BASE + 128 * 1024 + (src & 4095), n, pos), n);
		user_access(BASE + 128 * 1024 + (src & 4095), got, n, false);
		CHECK(!memcmp(got, want + pos, n));
	}
	switch_copy_fail = 0;
	switch_prefault = false;
	same(f, size);
	check_all();
	proc_exit(mm);
	hfile_destroy(f);
}

TEST(file_no_memory, "INV-W8: the n-th allocation fails, for every n: ENOMEM or a short count, no leak, and the file is what the counts say")
{
	check_leaks_begin();
	for (unsigned n = 1; n < 80; n++) {
		struct mm *mm = proc_create();
		struct hfile *f = file_of_size(12 * PAGE_SIZE);
		u64 size = 12 * PAGE_SIZE, v;
		map_anon(BASE, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED);
		fill(data, 16 * PAGE_SIZE, n);
		user_access(BASE, data, 16 * PAGE_SIZE, true);
		long m = hfile_mmap(f, BASE + MB, 8 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0);
		CHECK_EQ(m, BASE + MB);
		inject_arm(INJECT_ALLOC, n, 3, INJECT_ALL);
		for (unsigned i = 0; i < 4; i++) {
			u64 pos = host_random(14 * PAGE_SIZE), len = 1 + host_random(4 * PAGE_SIZE);
			ssize_t r = hfile_pwrite_user(f, BASE, len, pos);
			CHECK(r == -ENOMEM || (r > 0 && r <= (long)len) || (r == -EFAULT && fatal_signal_pending(current)) || (r == -EINTR && fatal_signal_pending(current)));
			if (r > 0) {
				memcpy(want + pos, data, r);
				size = max(size, pos + r);
			}
			r = hfile_pread(f, got, len, pos);
			CHECK(r >= 0 || r == -ENOMEM || (r == -EINTR && fatal_signal_pending(current)));
			user_load(BASE + MB + host_random(8) * PAGE_SIZE, &v);
			host_revive();
		}
		inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
		same(f, size);
		check_all();
		proc_exit(mm);
		hfile_destroy(f);
		check_all();
	}
	check_leaks_end();
}

TEST(file_large_offsets, "sparse files far beyond one table: the tree grows, holes read as zeroes and cost no block")
{
	struct hfile *f = hfile_create("big", 3UL << 30, NULL, 0);
	u64 at[] = { 0, PAGE_SIZE * 511, PAGE_SIZE * 512, PAGE_SIZE * 513 + 17, MB * 1024 + 5, (3UL << 30) - 9 };
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		u64 x = i + 1, y = 0;
		CHECK_EQ(hfile_pwrite(f, &x, 8, at[i]), 8);
		CHECK_EQ(hfile_pread(f, &y, 8, at[i]), 8);
		CHECK_EQ(y, x);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		u64 y = 0;
		CHECK_EQ(hfile_pread(f, &y, 8, at[i]), 8);
		CHECK_EQ(y, i + 1);
	}
	CHECK_EQ(hfile_pread(f, got, 100, 2UL << 30), 100);
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(got[i], 0);
	CHECK_EQ(hfile_sync(f), 0);
	check_all();
	CHECK_EQ(hfile_truncate(f, PAGE_SIZE * 512), 0);
	check_all();
	CHECK_EQ(hfile_truncate(f, 0), 0);
	check_all();
	hfile_destroy(f);
}

TEST(file_stable_writeback, "PG3 PC4: a page under writeback is not changed by a write to a part of it: the slot gets a copy, and the writer does not wait")
{
	struct hfile *f = file_of_size(4 * PAGE_SIZE);
	u8 byte = 0x5a;
	CHECK_EQ(hfile_pwrite(f, &byte, 1, 10), 1);
	want[10] = byte;
	CHECK_EQ(mapping_writeback(&f->inode.mapping, 0, 0, false), 0);
	CHECK_EQ(disk_pending(), 1);			/* the device still reads the frame: disk.c compares a checksum */
	CHECK_EQ(hfile_pwrite(f, &byte, 1, 20), 1);
	want[20] = byte;
	CHECK_EQ(disk_pending(), 1);
	CHECK_EQ(hfile_sync(f), 0);
	CHECK_EQ(f->writes, 2);
	same(f, 4 * PAGE_SIZE);
	check_all();
	hfile_destroy(f);
}

static unsigned dirty_pages(struct hfile *f)
{
	unsigned n = 0;
	for (u64 i = 0; i < 4; i++)
		n += (pagecache_peek(&f->inode.mapping, i) & ENTRY_D) != 0;
	return n;
}

TEST(file_write_not_begun, "PC7: a page whose write could not begin, for want of memory, stays dirty and is written the next time; with another error it is told once")
{
	struct hfile *f = file_of_size(4 * PAGE_SIZE);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(hfile_pwrite(f, &(u8){ want[i * PAGE_SIZE] = (u8)(0x70 + i) }, 1, i * PAGE_SIZE), 1);
	CHECK_EQ(dirty_pages(f), 4);
	f->refuse_writes = 1;
	f->refusal = -ENOMEM;
	CHECK_EQ(hfile_sync(f), -ENOMEM);
	CHECK_EQ(dirty_pages(f), 4);			/* the others were not tried */
	check_all();
	CHECK_EQ(hfile_sync(f), 0);
	CHECK_EQ(dirty_pages(f), 0);
	same(f, 4 * PAGE_SIZE);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(f->disk[i * PAGE_SIZE], 0x70 + i);
		CHECK_EQ(hfile_pwrite(f, &(u8){ want[i * PAGE_SIZE] = (u8)(0x60 + i) }, 1, i * PAGE_SIZE), 1);
	}
	f->refuse_writes = 1;
	f->refusal = -EIO;
	CHECK_EQ(hfile_sync(f), -EIO);
	check_all();
	for (unsigned i = 1; i < 4; i++)
		CHECK_EQ(f->disk[i * PAGE_SIZE], 0x60 + i);	/* these went out all the same */
	CHECK_EQ(hfile_sync(f), 0);
	same(f, 4 * PAGE_SIZE);
	check_all();
	hfile_destroy(f);
}

TEST(file_write_no_bounce, "PC7: a pinned page is written from a copy; where there is no memory for one it stays dirty")
{
	struct hfile *f = file_of_size(4 * PAGE_SIZE);
	struct mm *mm = proc_create();
	struct page *pin;
	CHECK_EQ(hfile_mmap(f, BASE, 4 * PAGE_SIZE, RW, MAP_SHARED | MAP_FIXED, 0), BASE);
	CHECK_EQ(pin_user_pages(BASE, 1, PIN_WRITE, &pin), 1);
	pin_note(pin, 1, 0);
	want[0] = *(u8 *)page_address(pin) = 0x11;
	inject_arm(INJECT_ALLOC, 1, 0, INJECT_ALL);
	CHECK_EQ(hfile_sync(f), -ENOMEM);
	inject_arm(INJECT_ALLOC, 0, 0, INJECT_ALL);
	host_revive();
	CHECK((pagecache_peek(&f->inode.mapping, 0) & (ENTRY_D | ENTRY_WRITEBACK | ENTRY_LOCKED)) == ENTRY_D);
	CHECK(f->disk[0] != 0x11);
	check_all();
	CHECK_EQ(hfile_sync(f), 0);
	CHECK_EQ(f->disk[0], 0x11);
	pin_note(pin, -1, 0);
	unpin_user_pages(&pin, 1, PIN_WRITE);
	check_all();
	proc_exit(mm);
	same(f, 4 * PAGE_SIZE);
	hfile_destroy(f);
}

TEST(file_reclaim_shared, "reclaim takes pages that two files have from both, and those that a reader has, too: he keeps his, and the frame goes with the last file")
{
	struct hfile *f = file_of_size(16 * PAGE_SIZE), *g = hfile_create("g", 16 * PAGE_SIZE, NULL, 0);
	struct mm *mm = proc_create();
	loff_t from = 0, to = 0;
	same(f, 16 * PAGE_SIZE);
	down_write(&g->inode.i_rwsem);
	CHECK_EQ(pagecache_share(&f->inode.mapping, &from, &g->inode.mapping, &to, 16 * PAGE_SIZE), 16 * PAGE_SIZE);
	up_write(&g->inode.i_rwsem);
	CHECK(entry_page(pagecache_peek(&f->inode.mapping, 3)) == entry_page(pagecache_peek(&g->inode.mapping, 3)));
	CHECK_EQ(hfile_sync(g), 0);
	CHECK_EQ(map_anon(BASE, 16 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_FIXED), BASE);
	CHECK_EQ(hfile_pread_user(g, BASE, 8 * PAGE_SIZE, 0), 8 * PAGE_SIZE);	/* lent */
	struct page *lent = entry_page(mm_entry(mm, BASE));
	CHECK_EQ(own_holders(lent->own.v), 3);
	for (unsigned i = 0; i < 4 && f->inode.mapping.nr_pages.v + g->inode.mapping.nr_pages.v; i++)
		reclaim_pages(100);
	CHECK(!f->inode.mapping.nr_pages.v && !g->inode.mapping.nr_pages.v);
	CHECK(entry_page(mm_entry(mm, BASE)) == lent && own_holders(lent->own.v) == 1);
	check_all();
	for (unsigned p = 0; p < 8; p++)
		CHECK_EQ((u8)must_load(BASE + p * PAGE_SIZE), want[p * PAGE_SIZE]);
	same(g, 16 * PAGE_SIZE);
	same(f, 16 * PAGE_SIZE);
	proc_exit(mm);
	hfile_destroy(f);
	hfile_destroy(g);
	check_all();
}
