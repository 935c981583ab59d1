/*
 * For randomops.c -l: a window of 2 MiB that a kernel may give a page table of its own, and a file of 2 MiB that may be read into it as a whole.
 *
 * The window's first 16 pages are pages of the arena like others: all operations happen to them. Behind them lie 496 fillers, each of which is filled with one
 * word; they make the table one that is worth sharing, and are what operations on the whole of it are seen by. So are the pages of the file. Children have the
 * window too: they do to it what they like, the table being theirs and their parent's (op_fork() in randomops_ops.h).
 */
#pragma once
#include "randomops_ops.h"

static char *window_page(long i) { return address(WINDOW_AT + i); }

static void check_words(const char *page, word want, const char *what, long i)
{
	const word *at = (const word *)page;

	if (at[0] != want || at[511] != want)
		fail("%s page %ld: words %lx and %lx, not %lx", what, i, at[0], at[511], want);
}

static void check_filler(long i)
{
	check_words(window_page(i), w->filler[i], "window", i);
	if (!below(8) && !uniform(window_page(i), PAGE, w->filler[i]))
		fail("window page %ld is not %lx everywhere", i, w->filler[i]);
}

static void check_window(void)
{
	for (long i = WCELLS; i < WPAGES; i++)
		check_words(window_page(i), w->filler[i], "window", i);
}

/* Do all of the arena's pages in it belong to one mapping, which may be stored to? */
static int whole(void)
{
	for (long v = WINDOW_AT; v < WINDOW_AT + WCELLS; v++)
		if (w->cell[v].kind != ANON || w->cell[v].prot != RW)
			return 0;
	return 1;
}

/* A page of the model has been filled with x. */
static void now_is(long i, word x)
{
	if (i >= WCELLS) {
		w->filler[i] = x;
		return;
	}
	for (long k = 0; k < PAGE / 8; k++)
		((word *)w->data[WINDOW_AT + i])[k] = x;
}

static void store_fillers(long i, long n)
{
	for (; n-- > 0; i++) {
		word x = random64();
		for (volatile word *at = (word *)window_page(i), *end = at + PAGE / 8; at < end; at += 4)
			at[0] = at[1] = at[2] = at[3] = x;
		w->filler[i] = x;
	}
}

/* New memory, or what is missing put in, so that it is one mapping again. */
static void window_map(void)
{
	MUST(mmap(window_page(0), WPAGES * PAGE, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == window_page(0));
	memset(w->data[WINDOW_AT], 0, WCELLS * PAGE);
	memset(w->filler, 0, sizeof(w->filler));
	for (long v = WINDOW_AT; v < WINDOW_AT + WCELLS; v++)
		w->cell[v] = (struct cell){ .kind = ANON, .prot = RW };
}

static void op_window(void)
{
	if (below(2)) {
		window_map();
	} else {
		for (long v = WINDOW_AT; v < WINDOW_AT + WCELLS; v++)
			if (w->cell[v].kind != ANON || w->cell[v].prot != RW)
				map(v, 1, ANON, 0, 0, 0);
	}
	if (!below(3))		/* enough for the kernel's share_min=64 */
		store_fillers(WCELLS + below(WPAGES - WCELLS - 80), 64 + below(16));
}

/* All of the large file into the window, once or more: pages of its own, lent ones, or a table that the file keeps. */
static void op_window_read(void)
{
	for (long times = 1 + below(4); times > 0; times--) {
		if (!whole() || below(4))
			window_map();
		MUST(pread(w->large, window_page(0), WPAGES * PAGE, 0) == w->large_pages * PAGE);
		for (long i = 0; i < w->large_pages; i++)
			now_is(i, w->large_word[i]);
	}
	check_window();
}

static void op_window_advise(void)
{
	long i = WCELLS + below(WPAGES - WCELLS), n = 1 + below(smaller(32, WPAGES - i));
	int all = whole() && !below(3);

	if (all) {
		i = 0;
		n = WPAGES;
	}
	if (!all && below(2)) {
		MUST(madvise(window_page(i), (size_t)(n * PAGE), MADV_PAGEOUT) == 0 || errno == EINVAL);
		return;
	}
	MUST(madvise(window_page(i), (size_t)(n * PAGE), MADV_DONTNEED) == 0);
	for (; n-- > 0; i++)
		now_is(i, 0);
}

/* Away and back again; or some fillers to the place of others, with new memory in theirs. */
static void op_window_move(void)
{
	long i = WCELLS + below(WPAGES - WCELLS - 32), n = 1 + below(16), to = WCELLS + below(WPAGES - WCELLS - 32);
	size_t bytes = WPAGES * PAGE;

	if (below(2)) {
		if (whole() && mremap(window_page(0), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, w->spare) == w->spare) {
			check_words(w->spare + i * PAGE, w->filler[i], "moved", i);
			MUST(mremap(w->spare, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, window_page(0)) == window_page(0));
		}		/* else: several mappings that were not joined */
		MUST(mmap(w->spare, bytes, PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == w->spare);
	} else if (to >= i + n || i >= to + n) {
		if (mremap(window_page(i), (size_t)(n * PAGE), (size_t)(n * PAGE), MREMAP_MAYMOVE | MREMAP_FIXED, window_page(to)) == MAP_FAILED) {
			MUST(errno == EFAULT);
			MUST(mmap(window_page(to), (size_t)(n * PAGE), RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == window_page(to));
			memset(&w->filler[to], 0, (size_t)n * sizeof(word));
			return;
		}
		memcpy(&w->filler[to], &w->filler[i], (size_t)n * sizeof(word));
		memset(&w->filler[i], 0, (size_t)n * sizeof(word));
		MUST(mmap(window_page(i), (size_t)(n * PAGE), RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == window_page(i));
	}
}

static void op_window_protect(void)
{
	long i = whole() ? 0 : WCELLS;
	size_t bytes = (size_t)((WPAGES - i) * PAGE);

	MUST(mprotect(window_page(i), bytes, PROT_READ) == 0);
	check_filler(WCELLS + below(WPAGES - WCELLS));
	MUST(mprotect(window_page(i), bytes, RW) == 0);
}

/* --- the large file: whole pages, each of one word --- */

static void large_is(long i, long n, const word *x)
{
	for (; w->large_pages < i; w->large_pages++)
		w->large_word[w->large_pages] = 0;
	memcpy(&w->large_word[i], x, (size_t)n * sizeof(word));
	if (i + n > w->large_pages)
		w->large_pages = i + n;
}

/* From a buffer, or from the window: a kernel may lend what is there to the file. */
static void op_large_write(void)
{
	long n = 1 + below(4), i = below(WPAGES - n), from = WCELLS + below(WPAGES - WCELLS - n);
	int direct = w->large_direct >= 0 && !below(4);
	char *data = window_page(from);

	if (below(2)) {
		word x = random64();
		for (long k = 0; k < n * PAGE / 8; k++)
			((word *)w->buffer)[k] = x;
		data = w->buffer;
	}
	if (pwrite(direct ? w->large_direct : w->large, data, (size_t)(n * PAGE), i * PAGE) != n * PAGE) {
		MUST(direct && (errno == EINVAL || errno == EOPNOTSUPP));
		return;
	}
	if (data == w->buffer)
		for (long k = 0; k < n; k++)
			large_is(i + k, 1, (word *)(w->buffer + k * PAGE));
	else
		large_is(i, n, &w->filler[from]);
}

static void large_resize(void)
{
	long pages = below(4) ? WPAGES - below(8) : below(WPAGES);

	MUST(ftruncate(w->large, pages * PAGE) == 0);
	for (long i = w->large_pages; i < pages; i++)
		w->large_word[i] = 0;
	w->large_pages = pages;
	if (below(8)) {
		MUST(ftruncate(w->large, WPAGES * PAGE) == 0);
		large_is(WPAGES, 0, w->large_word);
	}
}

/* Through a shared mapping. */
static void large_store(long i, long n)
{
	word x = random64();

	n = smaller(n, w->large_pages - i);
	if (n <= 0)
		return;
	MUST(mmap(w->spare, (size_t)(n * PAGE), RW, MAP_FIXED | MAP_SHARED, w->large, i * PAGE) == w->spare);
	for (long k = 0; k < n * PAGE / 8; k++)
		((volatile word *)w->spare)[k] = x;
	MUST(mmap(w->spare, (size_t)(n * PAGE), PROT_NONE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == w->spare);
	while (n-- > 0)
		w->large_word[i + n] = x;
}

/* A file with holes may not be lent from everywhere. */
static void large_fill(void)
{
	for (long k = 0; k < PAGE / 8; k++)
		((word *)w->buffer)[k] = (word)w->step;
	for (long i = 0; i < WPAGES; i++)
		if (i >= w->large_pages || !w->large_word[i]) {
			MUST(pwrite(w->large, w->buffer, (size_t)PAGE, i * PAGE) == PAGE);
			large_is(i, 1, (word *)w->buffer);
		}
}

static void op_large_change(void)
{
	long n = 1 + below(4), i = below(WPAGES - n), to = below(WPAGES - n);
	off_t a = i * PAGE, b = to * PAGE;

	switch (below(7)) {
	case 0:
		if (fallocate(w->large, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, a, n * PAGE))
			MUST(errno == EOPNOTSUPP);
		else
			for (long k = i; k < i + n; k++)
				w->large_word[k] = 0;		/* behind the end they are so */
		break;
	case 1:
		large_resize();
		break;
	case 2:
		large_store(i, n);
		break;
	case 3:
		if ((to < i + n && i < to + n) || i + n > w->large_pages)
			break;
		for (long done = 0, k; done < n * PAGE; done += k)
			MUST((k = copy_file_range(w->large, &a, w->large, &b, (size_t)(n * PAGE - done), 0)) > 0);
		large_is(to, n, &w->large_word[i]);
		break;
	case 4:		/* out of the cache; a read brings it back */
		MUST(fsync(w->large) == 0);
		posix_fadvise(w->large, 0, 0, POSIX_FADV_DONTNEED);
		break;
	case 5:
		large_fill();
		break;
	default:
		MUST(pread(w->large, w->buffer, (size_t)PAGE, a) == (i < w->large_pages ? PAGE : 0));
		if (i < w->large_pages)
			check_words(w->buffer, w->large_word[i], "large file", i);
	}
}

static void prepare_large(const char *name)
{
	w->large = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	w->large_direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	MUST(w->large >= 0 && unlink(name) == 0);
	for (long i = 0; i < WPAGES; i += 8) {
		for (long k = 0; k < 8 * PAGE / 8; k++)
			((word *)w->buffer)[k] = 0x0101010101010101UL * (unsigned long)(1 + (i + k / 512) % 255);
		MUST(pwrite(w->large, w->buffer, 8 * PAGE, i * PAGE) == 8 * PAGE);
		for (long k = 0; k < 8; k++)
			w->large_word[i + k] = *(word *)(w->buffer + k * PAGE);
	}
	w->large_pages = WPAGES;
	window_map();
	store_fillers(WCELLS, 64);
}
