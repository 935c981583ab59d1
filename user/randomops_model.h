/*
 * For randomops.c: what memory and files must contain, kept in plain arrays, and the comparison of that with what they do.
 *
 * The model: what each page of the arena is (struct cell), the bytes of those pages that have contents of their own, and the bytes of the files.
 * Left out is what Linux does not promise: copies whose source and destination overlap, what a page shows beyond the end of a file that
 * somebody stored there through a shared mapping, and operations between two that must not be seen half done.
 */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "words.h"

#define PAGE 4096L
#define FPAGES 12		/* of a file at most: fits into a pipe */
#define VPAGES 32
/* With -l the arena is longer: behind the 32 pages, 2 MiB-aligned, a window of 512, the first of which belong to the arena (randomops_large.h). */
#define WINDOW_AT VPAGES
#define WCELLS 16
#define WPAGES 512
#define MOST_VPAGES (VPAGES + WCELLS)
#define NFILES 3
#define NCHILDREN 2
#define RW (PROT_READ | PROT_WRITE)
#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum kind { NONE, ANON, PRIVATE, SHARED };
struct cell {
	unsigned char kind, prot, file;
	unsigned char own;		/* PRIVATE: a copy of its own */
	int index;			/* page of the file */
};
struct file {
	int fd, direct;			/* direct: by O_DIRECT; -1: there is none */
	long size;
	char *data;			/* FPAGES pages; zeroes past the size */
};
struct world {
	int id;
	unsigned long random;
	long step;
	const char *op;
	char *base;			/* the arena */
	long vpages;			/* of the arena: VPAGES or MOST_VPAGES */
	struct cell cell[MOST_VPAGES];
	char (*data)[PAGE];		/* of cells that have contents of their own */
	struct file file[NFILES];
	char *buffer, *other;		/* FPAGES + 1 pages each, page-aligned */
	struct { pid_t pid; int tell; } child[NCHILDREN];
	/* with -l */
	char *spare;			/* 2 MiB behind the window, PROT_NONE */
	int large, large_direct;	/* the large file; its pages and what each is filled with */
	long large_pages;
	word large_word[WPAGES], filler[WPAGES];
};
static __thread struct world *w;
static __thread sigjmp_buf fault;
static long seed, count, look_every;
static int verbose, with_window;

static void fail(const char *format, ...)
{
	va_list ap;
	char text[400];

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	printf("FAIL seed %ld worker %d operation %ld %s: %s\n", seed, w->id, w->step, w->op, text);
	fflush(stdout);
	_exit(1);
}
#define MUST(condition) do { if (!(condition)) fail("line %d: %s (%s)", __LINE__, #condition, strerror(errno)); } while (0)

/* SplitMix64 (Steele, Lea, Flood: OOPSLA 2014). */
static unsigned long random64(void)
{
	unsigned long z = w->random += 0x9e3779b97f4a7c15UL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9UL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebUL;
	return z ^ z >> 31;
}
static long below(long n) { return (long)(random64() % (unsigned long)n); }

static char *fresh_bytes(long n)
{
	unsigned long x = random64();

	for (long i = 0; i < (n + 7) / 8; i++)
		((unsigned long *)w->buffer)[i] = x = x * 6364136223846793005UL + 1442695040888963407UL;
	return w->buffer;
}

static long smaller(long a, long b) { return a < b ? a : b; }

/* --- the model --- */

static char *address(long v) { return w->base + v * PAGE; }
static struct file *file_of(const struct cell *c) { return &w->file[c->file]; }
static int owns(const struct cell *c) { return c->kind == ANON || (c->kind == PRIVATE && c->own); }

/* What page v must show. */
static const char *view(long v)
{
	const struct cell *c = &w->cell[v];

	return owns(c) ? w->data[v] : file_of(c)->data + c->index * PAGE;
}

static int there(const struct cell *c) { return owns(c) || c->index * PAGE < file_of(c)->size; }
static int readable(long v) { return w->cell[v].kind != NONE && w->cell[v].prot & PROT_READ && there(&w->cell[v]); }
static int writable(long v) { return readable(v) && w->cell[v].prot & PROT_WRITE; }

/*
 * May bytes [off, off + n) of the arena be read (written)? To a shared mapping: not past the end of the file; nor together with a private page that
 * has no copy yet, and may get it before or after the file's page has changed.
 */
static int span(long off, long n, int write)
{
	int shared = 0, uncopied = 0;

	for (long v = off / PAGE; v <= (off + n - 1) / PAGE; v++) {
		const struct cell *c = &w->cell[v];
		if (v >= w->vpages || !(write ? writable(v) : readable(v)))
			return 0;
		if (write && c->kind == SHARED && smaller(off + n, (v + 1) * PAGE) - v * PAGE > file_of(c)->size - c->index * PAGE)
			return 0;
		shared |= c->kind == SHARED;
		uncopied |= c->kind == PRIVATE && !c->own;
	}
	return !(write && shared && uncopied);
}

/* Does any of these pages show a page of [pos, pos + n) of the file? */
static int shows(long v, long pages, const struct file *f, long pos, long n)
{
	for (; pages-- > 0; v++) {
		const struct cell *c = &w->cell[v];
		if (c->kind > ANON && !owns(c) && file_of(c) == f && c->index >= pos / PAGE && c->index <= (pos + n - 1) / PAGE)
			return 1;
	}
	return 0;
}
static long pages_of(long off, long n) { return (off + n - 1) / PAGE - off / PAGE + 1; }

static void model_get(char *to, long off, long n)
{
	for (long part; n > 0; off += part, to += part, n -= part) {
		part = smaller(n, PAGE - off % PAGE);
		memcpy(to, view(off / PAGE) + off % PAGE, (size_t)part);
	}
}

static void model_store(long off, const char *from, long n)
{
	for (long part; n > 0; off += part, from += part, n -= part) {
		struct cell *c = &w->cell[off / PAGE];
		part = smaller(n, PAGE - off % PAGE);
		if (c->kind == PRIVATE && !c->own) {
			memcpy(w->data[off / PAGE], view(off / PAGE), PAGE);
			c->own = 1;
		}
		memcpy((char *)view(off / PAGE) + off % PAGE, from, (size_t)part);
	}
}

static void model_write(struct file *f, long pos, const char *from, long n)
{
	memcpy(f->data + pos, from, (size_t)n);
	if (n && pos + n > f->size)
		f->size = pos + n;
}

static void model_resize(struct file *f, long size)
{
	if (size < f->size)
		memset(f->data + size, 0, (size_t)(f->size - size));
	f->size = size;
	for (long v = 0; v < w->vpages; v++) {
		struct cell *c = &w->cell[v];
		if (c->kind == PRIVATE && file_of(c) == f && c->index * PAGE >= size)
			c->own = 0;		/* truncate takes private copies past the end too */
	}
}

/* --- checks --- */

static void same(const char *got, const char *want, long n, const char *what, long which)
{
	long most = n - n % 64;

	if (equal(got, want, most) && !memcmp(got + most, want + most, (size_t)(n - most)))
		return;
	for (long i = 0; i < n; i++)
		if (got[i] != want[i])
			fail("%s %ld: byte %ld is %02x, not %02x", what, which, i, (unsigned char)got[i], (unsigned char)want[i]);
}

static void wrong_page(const struct cell *c, long v)
{
	char what[160];
	long i = 0, last = PAGE;

	while (address(v)[i] == view(v)[i])
		i++;
	while (address(v)[last - 1] == view(v)[last - 1])
		last--;
	snprintf(what, sizeof(what), "%s, page %d of file %d of %ld bytes; wrong in [%ld, %ld); page", c->kind == ANON ? "anonymous" : owns(c) ? "private copy" : c->kind == SHARED ? "shared" : "private",
		 c->index, c->file, file_of(c)->size, i, last);
	same(address(v), view(v), PAGE, what, v);
}

static void on_fault(int sig) { siglongjmp(fault, sig); }

static void check_page(long v)
{
	const struct cell *c = &w->cell[v];
	int sig, want = c->kind == NONE || !(c->prot & PROT_READ) ? SIGSEGV : SIGBUS;

	if (readable(v)) {
		if (!equal(address(v), view(v), PAGE))
			wrong_page(c, v);
		return;
	}
	sig = sigsetjmp(fault, 1);
	if (!sig)
		fail("page %ld can be read: %02x", v, *(volatile unsigned char *)address(v));
	if (sig != want)
		fail("page %ld: signal %d, not %d", v, sig, want);
}

static void check_file(int i)
{
	struct file *f = &w->file[i];
	char *got = w->other;

	MUST(lseek(f->fd, 0, SEEK_END) == f->size);
	MUST(pread(f->fd, got, (FPAGES + 1) * PAGE, 0) == f->size);
	same(got, f->data, f->size, "file", i);
}

static void check_all(void)
{
	for (long v = 0; v < w->vpages; v++)
		check_page(v);
	for (int i = 0; i < NFILES; i++)
		check_file(i);
}

static void check_ownership(void)
{
	char text[4000];
	int fd = open("/proc/check_ownership", O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	MUST(fd >= 0 && n > 0);
	close(fd);
	text[n] = 0;
	if (strncmp(text, "ok ", 3))
		fail("%s", text);
}
