/*
 * Random operations on files and memory, each checked against plain arrays: every way in which bytes get from a file to memory and back, in any
 * order. An ordinary Linux program: what it checks is what Linux promises.
 *
 * usage: randomops [-w WORKERS] [-t] [-v] [-o N] SEED COUNT [DIRECTORY]
 *   -w  so many workers at the same time, each with its own files and its own part of memory
 *   -t  the workers are threads of one process, not processes
 *   -v  print each operation and its numbers before it is done
 *   -o  read /proc/check_ownership after each Nth operation (Cowslip's debug build), which must say "ok"
 * "randomops: COUNT operations by each of WORKERS workers: all right" and 0, or "FAIL ..." and 1: with the same words the same happens again.
 *
 * The model: what each page of the arena is (struct cell), the bytes of those pages that have contents of their own, and the bytes of the files.
 * Left out is what Linux does not promise: copies whose source and destination overlap, what a page shows beyond the end of a file that
 * somebody stored there through a shared mapping, and operations between two that must not be seen half done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "words.h"

#define PAGE 4096L
#define FPAGES 12		/* of a file at most: fits into a pipe */
#define VPAGES 32
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
	struct cell cell[VPAGES];
	char (*data)[PAGE];		/* of cells that have contents of their own */
	struct file file[NFILES];
	char *buffer, *other;		/* FPAGES + 1 pages each, page-aligned */
	struct { pid_t pid; int tell; } child[NCHILDREN];
};
static __thread struct world *w;
static __thread sigjmp_buf fault;
static long seed, count, look_every;
static int verbose;

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
		if (v >= VPAGES || !(write ? writable(v) : readable(v)))
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
	for (long v = 0; v < VPAGES; v++) {
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
	for (long v = 0; v < VPAGES; v++)
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

/* --- memory --- */

static void forget(long v, long n)
{
	memset(&w->cell[v], 0, (size_t)n * sizeof(struct cell));
}

static void map(long v, long n, enum kind kind, int file, int index, int populate)
{
	int fd = kind == ANON ? -1 : w->file[file].fd;

	MUST(mmap(address(v), (size_t)(n * PAGE), RW, MAP_FIXED | (kind == ANON ? MAP_ANONYMOUS : 0) | (kind == SHARED ? MAP_SHARED : MAP_PRIVATE) | (populate ? MAP_POPULATE : 0),
		  fd, index * PAGE) == address(v));
	memset(w->data[v], 0, (size_t)(n * PAGE));
	for (long i = 0; i < n; i++) {
		struct cell *c = &w->cell[v + i];
		*c = (struct cell){ .kind = kind, .prot = RW, .file = (unsigned char)file, .index = index + (int)i };
		if (kind == PRIVATE && populate && there(c))	/* breaks the copy-on-write at once */
			model_store((v + i) * PAGE, view(v + i), 1);
	}
}

static void op_map(long v, long n)
{
	enum kind kind = below(8) < 3 ? ANON : below(2) ? PRIVATE : SHARED;

	n = smaller(n, FPAGES);
	map(v, n, kind, (int)below(NFILES), (int)below(FPAGES - n + 1), !below(6));
}

static void op_unmap(long v, long n)
{
	MUST(munmap(address(v), (size_t)(n * PAGE)) == 0);
	forget(v, n);
}

static int mapped(long v, long n)
{
	while (n--)
		if (w->cell[v + n].kind == NONE)
			return 0;
	return 1;
}

static void op_protect(long v, long n)
{
	static const unsigned char prots[] = { RW, PROT_READ, RW, PROT_NONE };
	unsigned char prot = prots[below(4)];

	if (!mapped(v, n))
		return;
	MUST(mprotect(address(v), (size_t)(n * PAGE), prot) == 0);
	while (n--)
		w->cell[v + n].prot = prot;
}

static void op_move(long v, long n)
{
	static __thread struct cell cells[VPAGES];
	static __thread char data[8][PAGE];
	long to = below(VPAGES - n + 1);

	if ((v < to + n && to < v + n) || !mapped(v, n))
		return;
	for (long i = 1; i < n; i++) {
		const struct cell *a = &w->cell[v], *b = &w->cell[v + i];
		if (b->kind != a->kind || b->prot != a->prot || (a->kind > ANON && (b->file != a->file || b->index != a->index + i)))
			return;
	}
	if (mremap(address(v), (size_t)(n * PAGE), (size_t)(n * PAGE), MREMAP_MAYMOVE | MREMAP_FIXED, address(to)) == MAP_FAILED) {
		MUST(errno == EFAULT);		/* several mappings that were not joined; the place may be free now */
		MUST(munmap(address(to), (size_t)(n * PAGE)) == 0);
		forget(to, n);
		return;
	}
	memcpy(cells, &w->cell[v], (size_t)n * sizeof(struct cell));
	memcpy(data, w->data[v], (size_t)(n * PAGE));
	forget(v, n);
	memcpy(&w->cell[to], cells, (size_t)n * sizeof(struct cell));
	memcpy(w->data[to], data, (size_t)(n * PAGE));
}

static void op_advise(long v, long n)
{
	static const int advice[] = { MADV_DONTNEED, MADV_PAGEOUT, MADV_PAGEOUT, MADV_WILLNEED, MADV_NORMAL };
	int a = advice[below(5)];

	if (!mapped(v, n))
		return;
	if (madvise(address(v), (size_t)(n * PAGE), a))
		MUST(a == MADV_PAGEOUT && errno == EINVAL);
	for (; a == MADV_DONTNEED && n--; v++) {
		w->cell[v].own = 0;
		if (w->cell[v].kind == ANON)
			memset(w->data[v], 0, PAGE);
	}
}

static void op_store(long off, long n)
{
	if (!span(off, n, 1))
		return;
	fresh_bytes(n);
	memcpy(w->base + off, w->buffer, (size_t)n);
	model_store(off, w->buffer, n);
}

/* --- files --- */

/* From the arena or from a buffer, as one piece or as several. */
static void op_write(struct file *f, long pos, long off, long n)
{
	char *from = w->base + off;
	long cut = below(n + 1);
	struct iovec iov[3] = { { from, (size_t)cut }, { from + cut, (size_t)((n - cut) / 2) }, { from + cut + (n - cut) / 2, (size_t)(n - cut - (n - cut) / 2) } };

	if (!span(off, n, 0) || shows(off / PAGE, pages_of(off, n), f, pos, n))
		from = fresh_bytes(n);
	else
		model_get(w->buffer, off, n);
	if (from != w->buffer && below(3) == 0)
		MUST(pwritev(f->fd, iov, 3, pos) == n);
	else
		MUST(pwrite(f->fd, from, (size_t)n, pos) == n);
	model_write(f, pos, w->buffer, n);
}

static void op_read(struct file *f, long pos, long off, long n)
{
	long cut;
	struct iovec iov[2];

	n = smaller(n, f->size - pos);
	if (n <= 0 || !span(off, n, 1) || shows(off / PAGE, pages_of(off, n), f, pos, n))
		return;
	cut = below(n + 1);
	iov[0] = (struct iovec){ w->base + off, (size_t)cut };
	iov[1] = (struct iovec){ w->base + off + cut, (size_t)(n - cut) };
	if (below(3) == 0)
		MUST(preadv(f->fd, iov, 2, pos) == n);
	else
		MUST(pread(f->fd, w->base + off, (size_t)n, pos) == n);
	model_store(off, f->data + pos, n);
}

/* Whole pages into memory that was never touched: a kernel may map what it has instead of copying. */
static void op_read_fresh(struct file *f, long v, long n)
{
	long index = below(FPAGES);

	map(v, n, ANON, 0, 0, 0);
	n = smaller(n * PAGE, f->size - index * PAGE);
	if (n <= 0)
		return;
	MUST(pread(f->fd, address(v), (size_t)n, index * PAGE) == n);
	model_store(v * PAGE, f->data + index * PAGE, n);
}

static void op_truncate(struct file *f)
{
	long size = below(4) ? below(FPAGES * PAGE + 1) : below(FPAGES + 1) * PAGE;

	MUST(ftruncate(f->fd, size) == 0);
	model_resize(f, size);
}

static void op_punch(struct file *f, long pos, long n)
{
	int zero = 0;

	if (fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pos, n)) {
		MUST(errno == EOPNOTSUPP);
		return;
	}
	n = smaller(n, f->size - pos);
	if (n > 0)
		memset(f->data + pos, zero, (size_t)n);
}

static void op_sync(struct file *f)
{
	if (below(2))
		MUST(fsync(f->fd) == 0);
	else
		MUST(msync(w->base, (size_t)(VPAGES * PAGE), MS_SYNC) == 0 || errno == ENOMEM);
	if (below(2))
		posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* By O_DIRECT: in units of a sector, or of a page; to and from memory of our own. */
static void op_direct(struct file *f, long off, long pos, long n, int write)
{
	long unit = below(3) ? PAGE : 512, got;

	off -= off % unit;
	pos -= pos % unit;
	n += unit - n % unit;
	if (!write)
		n = smaller(n, (f->size - pos) / unit * unit);
	n = smaller(n, FPAGES * PAGE - pos);
	if (f->direct < 0 || n <= 0 || !span(off, n, !write) || shows(off / PAGE, pages_of(off, n), f, pos, n))
		return;
	for (long v = off / PAGE; !write && v <= (off + n - 1) / PAGE; v++)
		if (!owns(&w->cell[v]))
			return;
	got = write ? pwrite(f->direct, w->base + off, (size_t)n, pos) : pread(f->direct, w->base + off, (size_t)n, pos);
	if (got < 0) {
		MUST(errno == EINVAL || errno == EOPNOTSUPP);	/* not supported so */
		return;
	}
	MUST(got == n);
	model_get(w->buffer, off, n);
	if (write)
		model_write(f, pos, w->buffer, n);
	else
		model_store(off, f->data + pos, n);
}

/* --- from file to file --- */

static void through_pipe(struct file *from, struct file *to, long pos, long at, long n)
{
	int ends[2], second[2];
	off_t a = pos, b = at;
	long got;

	MUST(pipe(ends) == 0 && pipe(second) == 0);
	got = splice(from->fd, &a, ends[1], NULL, (size_t)n, 0);
	if (got < 0) {
		MUST(errno == EINVAL || errno == ENOSYS);
		goto out;
	}
	n = got;
	if (below(2)) {		/* what was copied is the same */
		MUST(tee(ends[0], second[1], (size_t)n, 0) == n);
		for (long done = 0; done < n; done += got)
			MUST((got = read(second[0], w->other + done, (size_t)(n - done))) > 0);
		same(w->other, from->data + pos, n, "tee, bytes", n);
	}
	for (long done = 0; done < n; done += got)
		MUST((got = splice(ends[0], NULL, to->fd, &b, (size_t)(n - done), 0)) > 0);
	memmove(w->buffer, from->data + pos, (size_t)n);
	model_write(to, at, w->buffer, n);
out:
	close(ends[0]);
	close(ends[1]);
	close(second[0]);
	close(second[1]);
}

static void op_copy(struct file *from, struct file *to, long pos, long at, long n)
{
	off_t a = pos, b = at;
	long got = 0;

	if (below(3) == 0) {
		pos -= pos % PAGE;
		at -= at % PAGE;
		a = pos;
		b = at;
	}
	n = smaller(smaller(n, from->size - pos), FPAGES * PAGE - at);
	if (n <= 0 || (from == to && pages_of(pos, n) + pos / PAGE > at / PAGE && pages_of(at, n) + at / PAGE > pos / PAGE))
		return;
	switch (below(3)) {
	case 0:
		while (got < n) {
			long k = copy_file_range(from->fd, &a, to->fd, &b, (size_t)(n - got), 0);
			MUST(k > 0);
			got += k;
		}
		break;
	case 1:
		MUST(lseek(to->fd, at, SEEK_SET) == at);
		while (got < n) {
			long k = sendfile(to->fd, from->fd, &a, (size_t)(n - got));
			MUST(k > 0);
			got += k;
		}
		break;
	default:
		through_pipe(from, to, pos, at, n);
		return;
	}
	memmove(w->buffer, from->data + pos, (size_t)n);
	model_write(to, at, w->buffer, n);
}

/* Memory into a pipe by reference, and out again. */
static void op_vmsplice(long off, long n)
{
	struct iovec iov = { w->base + off, (size_t)n };
	int ends[2];
	long got;

	if (!span(off, n, 0))
		return;
	MUST(pipe(ends) == 0);
	got = vmsplice(ends[1], &iov, 1, 0);
	if (got < 0)
		MUST(errno == ENOSYS || errno == EINVAL);
	model_get(w->buffer, off, n);
	for (long done = 0, k; done < got; done += k) {
		MUST((k = read(ends[0], w->other, (size_t)(got - done))) > 0);
		same(w->other, w->buffer + done, k, "vmsplice, byte", done);
	}
	close(ends[0]);
	close(ends[1]);
}

/* Our own memory as another process would reach it. */
static void op_remote(long off, long n, int write)
{
	struct iovec here = { w->buffer, (size_t)n }, there_ = { w->base + off, (size_t)n };
	long got;

	if (!span(off, n, write))
		return;
	if (write) {
		fresh_bytes(n);
		got = process_vm_writev(getpid(), &here, 1, &there_, 1, 0);
	} else {
		got = process_vm_readv(getpid(), &here, 1, &there_, 1, 0);
	}
	if (got < 0 && (errno == ENOSYS || errno == EPERM))
		return;
	MUST(got == n);
	if (write) {
		model_store(off, w->buffer, n);
	} else {
		model_get(w->other, off, n);
		same(w->buffer, w->other, n, "process_vm_readv, bytes", n);
	}
}

/* --- other processes --- */

/* A child's memory is that of the moment of the fork, whatever we do; and what it stores is its own. */
static void child_life(int ear)
{
	char word;

	for (int turn = 0; turn < 2; turn++) {
		for (long v = 0; v < VPAGES; v++)
			if (w->cell[v].kind == ANON && readable(v))
				same(address(v), w->data[v], PAGE, "the child's page", v);
		for (long v = 0; v < VPAGES; v++)
			if (w->cell[v].kind == ANON && writable(v) && below(2))
				op_store(v * PAGE + below(PAGE / 2), 1 + below(PAGE / 2));
		if (!turn && read(ear, &word, 1) != 1)
			_exit(3);
	}
	_exit(0);
}

static void end_child(int i)
{
	int status;

	MUST(write(w->child[i].tell, "x", 1) == 1);
	MUST(waitpid(w->child[i].pid, &status, 0) == w->child[i].pid);
	if (status)
		fail("a child ended with %x", status);
	close(w->child[i].tell);
	w->child[i].pid = 0;
}

static void op_fork(void)
{
	int i = (int)below(NCHILDREN), ends[2];

	if (w->child[i].pid) {
		end_child(i);
		return;
	}
	MUST(pipe(ends) == 0);
	w->child[i].pid = fork();
	MUST(w->child[i].pid >= 0);
	if (!w->child[i].pid)
		child_life(ends[0]);
	close(ends[0]);
	w->child[i].tell = ends[1];
}

/* --- running --- */

static const char *const names[] = {
	"map", "store", "store", "write", "write", "read", "read", "read_fresh", "truncate", "punch", "unmap", "protect", "move", "advise", "sync", "direct_write",
	"direct_read", "copy", "copy", "vmsplice", "remote_write", "remote_read", "fork", "check",
};

static void one_step(void)
{
	long v = below(VPAGES), n = 1 + below(smaller(8, VPAGES - v));
	long bytes = below(4) ? 1 + below(3 * PAGE) : (1 + below(4)) * PAGE, off = below(4) ? below(VPAGES * PAGE - bytes) : smaller(v, VPAGES - 4) * PAGE;
	long pos = below(3) ? below(FPAGES * PAGE - bytes) : below(FPAGES - 4) * PAGE;
	struct file *f = &w->file[below(NFILES)], *g = &w->file[below(NFILES)];
	unsigned which = (unsigned)below(sizeof(names) / sizeof(*names));

	w->op = names[which];
	if (verbose)
		printf("%d.%ld %s: page %ld n %ld; bytes %ld at %ld; file %ld at %ld, other %ld\n", w->id, w->step, w->op, v, n, bytes, off, (long)(f - w->file), pos, (long)(g - w->file));
	switch (which) {
	case 0: op_map(v, n); break;
	case 1: case 2: op_store(off, bytes); break;
	case 3: case 4: op_write(f, pos, off, bytes); break;
	case 5: case 6: op_read(f, pos, off, bytes); break;
	case 7: op_read_fresh(f, v, n); break;
	case 8: op_truncate(f); break;
	case 9: op_punch(f, pos, bytes); break;
	case 10: op_unmap(v, n); break;
	case 11: op_protect(v, n); break;
	case 12: op_move(v, n); break;
	case 13: op_advise(v, n); break;
	case 14: op_sync(f); break;
	case 15: case 16: op_direct(f, off, pos, bytes, which == 15); break;
	case 17: case 18: op_copy(f, g, pos, below(FPAGES * PAGE), bytes); break;
	case 19: op_vmsplice(off, bytes); break;
	case 20: case 21: op_remote(off, bytes, which == 20); break;
	case 22: op_fork(); break;
	default: check_page(v); check_file((int)below(NFILES)); break;
	}
	if (look_every && w->step % look_every == 0)
		check_ownership();
	if (w->step % 32 == 0)
		check_all();
	else
		check_page(below(VPAGES));
}

static void prepare(struct world *world, int id)
{
	char name[32];

	w = world;
	w->id = id;
	w->op = "prepare";
	w->random = (unsigned long)seed * 1000003UL + (unsigned long)id * 7919UL;
	w->base = mmap(NULL, VPAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	MUST(w->base != MAP_FAILED && munmap(w->base, VPAGES * PAGE) == 0);
	w->base = mmap(w->base, VPAGES * PAGE, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->data = calloc(VPAGES, PAGE);
	w->buffer = aligned_alloc(PAGE, (FPAGES + 1) * PAGE);
	w->other = aligned_alloc(PAGE, (FPAGES + 1) * PAGE);
	MUST(w->base != MAP_FAILED && w->data && w->buffer && w->other);
	for (long v = 0; v < VPAGES; v++)
		w->cell[v] = (struct cell){ .kind = ANON, .prot = RW };
	for (int i = 0; i < NFILES; i++) {
		struct file *f = &w->file[i];
		snprintf(name, sizeof(name), "random.%d.%d", id, i);
		f->fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		f->direct = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
		f->data = calloc(FPAGES, PAGE);
		MUST(f->fd >= 0 && f->data && unlink(name) == 0);
	}
}

static void *worker(void *world)
{
	w = world;
	for (w->step = 0; w->step < count; w->step++)
		one_step();
	w->op = "end";
	check_all();
	for (int i = 0; i < NCHILDREN; i++)
		if (w->child[i].pid)
			end_child(i);
	return NULL;
}

static int run_threads(struct world *worlds, int workers)
{
	pthread_t threads[workers];

	for (int i = 0; i < workers; i++)
		if (pthread_create(&threads[i], NULL, worker, &worlds[i]))
			return 1;
	for (int i = 0; i < workers; i++)
		pthread_join(threads[i], NULL);
	return 0;
}

static int run_processes(struct world *worlds, int workers)
{
	int status, bad = 0;

	for (int i = 0; i < workers; i++) {
		pid_t pid = fork();
		if (!pid) {
			worker(&worlds[i]);
			_exit(0);
		}
		bad |= pid < 0;
	}
	while (wait(&status) > 0)
		bad |= status != 0;
	return bad;
}

int main(int argc, char **argv)
{
	static struct world worlds[64];
	struct sigaction action = { .sa_handler = on_fault };
	int c, workers = 1, threads = 0;

	while ((c = getopt(argc, argv, "w:to:v")) > 0) {
		if (c == 'w')
			workers = atoi(optarg);
		else if (c == 't')
			threads = 1;
		else if (c == 'v')
			verbose = 1;
		else if (c == 'o')
			look_every = atol(optarg);
		else
			return 2;
	}
	if (argc - optind < 2 || workers < 1 || workers > 64) {
		fprintf(stderr, "usage: randomops [-w WORKERS] [-t] [-v] [-o N] SEED COUNT [DIRECTORY]\n");
		return 2;
	}
	seed = atol(argv[optind]);
	count = atol(argv[optind + 1]);
	if (chdir(argc - optind > 2 ? argv[optind + 2] : "/tmp"))
		return 2;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	for (int i = 0; i < workers; i++)	/* all before anybody unmaps a part of the arena: nobody else's memory may come there */
		prepare(&worlds[i], i);
	if (threads ? run_threads(worlds, workers) : run_processes(worlds, workers))
		return 1;
	printf("randomops: %ld operations by each of %d workers: all right\n", count, workers);
	return 0;
}
