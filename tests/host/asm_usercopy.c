/*
 * The instructions of mm/usercopy.asm, run as a Linux program: SIGSEGV stands for #PF and looks the exception table
 * up. INV-A1: the residue is exact to the byte, what is past the fault is untouched, for every distance to the border
 * of an unmapped page, length and alignment, in both directions.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "mm/usercopy_raw.h"

static int faults;

static void on_fault(int sig, siginfo_t *si, void *ctx)
{
	ucontext_t *uc = ctx;
	u64 rip = uc->uc_mcontext.gregs[REG_RIP];

	for (const struct extable_entry *e = extable_start; e < extable_end; e++)
		if ((u64)&e->fault + e->fault == rip) {
			uc->uc_mcontext.gregs[REG_RIP] = (u64)&e->fixup + e->fixup;
			faults++;
			return;
		}
	fprintf(stderr, "fault at %lx without a row\n", rip);
	_exit(1);
}

/* n bytes, of which `start` lie before the border; `off` is the other side's alignment. */
static int one(u8 *end, u8 *b, unsigned start, unsigned n, unsigned off, int to)
{
	size_t whole = n > start ? start : n;
	u8 copy[128], before[128];

	for (unsigned i = 0; i < 128; i++) {
		b[i] = i * 7 + n;
		end[-1 - (int)i] = 200 - i;
	}
	u8 *src = to ? b + off : end - start, *dst = to ? end - start : b + off;
	memcpy(copy, src, whole);
	memcpy(before, b, 128);
	size_t left = to ? raw_copy_to_user(dst, src, n) : raw_copy_from_user(dst, src, n);
	if (left != n - whole)
		return printf("start %u n %u off %u to %d: left %zu, want %zu\n", start, n, off, to, left, n - whole);
	if (memcmp(dst, copy, whole))
		return printf("start %u n %u off %u to %d: bytes differ\n", start, n, off, to);
	if (!to && memcmp(b + off + whole, before + off + whole, 128 - off - whole))
		return printf("start %u n %u off %u: bytes past the fault were touched\n", start, n, off);
	return 0;
}

/* A page to `end - start`: beyond the border nothing is written, the residue is exact. */
static int page(u8 *end, unsigned start, const u8 *src)
{
	size_t left = raw_copy_page_to_user(end - start, src), want = start < 4096 ? 4096 - start : 0;

	if (left != want || memcmp(end - start, src, 4096 - want))
		return printf("page, start %u: left %zu, want %zu\n", start, left, want);
	return 0;
}

static int cmpxchg(u8 *end)
{
	u32 found = 0, *w = (u32 *)(end - 4);

	*w = 5;
	if (raw_cmpxchg32_user(w, 5, 6, &found) || found != 5 || *w != 6)
		return printf("cmpxchg does not exchange\n");
	if (raw_cmpxchg32_user(w, 5, 7, &found) || found != 6 || *w != 6)
		return printf("cmpxchg exchanges what is not equal\n");
	if (raw_cmpxchg32_user((u32 *)end, 5, 7, &found) != -EFAULT)
		return printf("cmpxchg of unmapped memory\n");
	mprotect(end - 4096, 4096, PROT_READ);
	if (raw_cmpxchg32_user(w, 0, 0, &found) != -EFAULT)
		return printf("cmpxchg of read-only memory\n");
	return 0;
}

/* A string of len bytes that begins `start` bytes before the border, by quadwords, n bytes at most: they all lie before the border, or the first does not. */
static int string(u8 *end, u8 *b, unsigned start, unsigned len, size_t n)
{
	ssize_t want = !start ? -EFAULT : len < n ? (ssize_t)len : (ssize_t)n;
	size_t whole = !start ? 0 : len < n ? (len + 8) & ~7UL : n;

	memset(b, 0xee, 128);
	memset(end - start, 'a' + (int)len % 26, start);
	memset(end - start, 0x80, start > 3 ? 3 : 0);	/* bytes whose top bit is set end nothing */
	if (len < start)
		end[-(int)start + (int)len] = 0;
	if (raw_string_from_user((char *)b, (const char *)end - start, n) != want)
		return printf("string of %u, %u before the border, n %zu: not %zd\n", len, start, n, want);
	if (memcmp(b, end - start, whole) || b[whole] != 0xee)
		return printf("string of %u, %u before the border, n %zu: other bytes\n", len, start, n);
	return 0;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

	sigaction(SIGSEGV, &sa, NULL);
	u8 *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), b[256];
	mprotect(a + 4096, 4096, PROT_NONE);
	u8 *end = a + 4096;
	static u8 source[4096];
	unsigned cases = 0;
	for (unsigned start = 0; start <= 40; start++)
		for (unsigned n = 0; n <= 60; n++)
			for (unsigned off = 0; off < 9; off++)
				for (int to = 0; to < 2; to++, cases++)
					if (one(end, b, start, n, off, to))
						return 1;
	for (unsigned start = 0; start <= 100; start++)
		for (unsigned len = 0; len <= 60; len++)
			for (size_t n = 8; n <= (start ? start : 8); n += 8, cases++)
				if (string(end, b, start, len, n))
					return 1;
	for (unsigned i = 0; i < 4096; i++)
		source[i] = (u8)(i * 11 + i / 256);
	for (unsigned start = 0; start <= 4096; start += start < 20 || start > 4070 ? 1 : 97, cases++)
		if (page(end, start, source))
			return 1;
	if (cmpxchg(end))
		return 1;
	printf("%u copies, %d faults, %ld rows\n", cases, faults, (long)(extable_end - extable_start));
	return 0;
}
