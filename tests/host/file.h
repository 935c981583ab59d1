/* For tests of one file through the page cache (test_file.c, test_filemap.c): the file, and the array that it must be equal to. */
#pragma once

#include "host.h"

#define BASE 0x20000000UL
#define RW (PROT_READ | PROT_WRITE)
#define MB (1UL << 20)

extern u8 want[4 * MB], got[4 * MB], data[4 * MB];	/* the array; what was read; what is written */

static inline void fill(u8 *p, size_t n, u32 seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (u8)((i * 2654435761u >> 13) + seed * 37 + i);
}
static inline struct hfile *file_of_size(u64 size)
{
	fill(data, size, 1);
	memcpy(want, data, size);
	memset(want + size, 0, sizeof(want) - size);
	return hfile_create("f", 4 * MB, data, size);
}
static inline void same(struct hfile *f, u64 size)
{
	memset(got, 0xcc, size + 1);
	CHECK_EQ(hfile_pread(f, got, size + 100, 0), size);
	for (u64 i = 0; i < size; i++)
		if (got[i] != want[i])
			host_fail("byte %lu of %s is %02x, want %02x", (unsigned long)i, f->name, got[i], want[i]);
	CHECK_EQ(f->inode.mapping.size, size);
}
