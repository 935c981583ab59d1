/*
 * For randomops.c: the operations. Each does the same to the world and to the model (randomops_model.h), or nothing where Linux promises nothing.
 */
#pragma once
#include "randomops_model.h"
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>

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
	static __thread struct cell cells[MOST_VPAGES];
	static __thread char data[8][PAGE];
	long to = below(w->vpages - n + 1);

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
		MUST(msync(w->base, (size_t)(w->vpages * PAGE), MS_SYNC) == 0 || errno == ENOMEM);
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
