/*
 * O_DIRECT (fs/direct.h).
 *
 * Each step of a call does up to STEP pages:
 *   1. pin the program's pages: before any lock but i_rwsem, so that they may well be a mapping of the range itself;
 *   2. of a write, take the range out of the cache and keep it out (mm/direct.c); look up the blocks; of a read, write out what is dirty;
 *   3. make a request for each part of a page that lies together on the device, submit, wait;
 *   4. unpin.
 * A page of the file's own mapping that was pinned in 1 is taken out of the cache in 2 like any other, and lives on as the source.
 */
#include "fs/direct.h"

#include "fs/internal.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/vmstat.h"

#define STEP 64U
#define PIN_BATCH 16U

static struct wait_queue waiters = WAIT_QUEUE_INIT(waiters);	/* key: the transfer */

/* --- pieces --- */

static bool aligned(const struct iov_iter *it, loff_t pos)
{
	struct iov_iter at = *it;
	u64 bits = (u64)pos | at.count;

	while (at.count) {
		size_t len;

		bits |= (u64)iter_address(&at, &len) | len;
		iter_advance(&at, len);
	}
	return !(bits % DIRECT_ALIGN);
}

/* Pages that the next n bytes touch. */
static u64 pages_of(const struct iov_iter *it, size_t n)
{
	struct iov_iter at = *it;
	u64 pages = 0;

	iter_truncate(&at, n);
	while (at.count) {
		size_t len;
		vaddr_t va = (vaddr_t)iter_address(&at, &len);

		pages += (va + len - 1) / PAGE_SIZE - va / PAGE_SIZE + 1;
		iter_advance(&at, len);
	}
	return pages;
}

static void unpin(struct direct_io *d)
{
	for (unsigned i = 0; i < d->nr; i++)
		unpin_user_pages(&d->pieces[i].page, 1, d->pin_flags);
	d->nr = 0;
}

/* Pin up to nr pages at va, which has len bytes: bytes they cover, or an error. */
static ssize_t add_pages(struct direct_io *d, vaddr_t va, size_t len, unsigned nr)
{
	struct page *pages[PIN_BATCH];
	size_t done = 0;
	long got = pin_user_pages(va, nr, d->pin_flags, pages);

	for (long i = 0; i < got; i++) {
		unsigned offset = (va + done) & ~PAGE_MASK;
		unsigned n = min(len - done, PAGE_SIZE - offset);

		d->pieces[d->nr++] = (struct direct_piece){ pages[i], offset, n };
		done += n;
	}
	d->bytes += done;
	return got < 0 ? got : (ssize_t)done;
}

/* Pin the next bytes, up to `want` and as many as there are pieces for. An error only if none could be. */
static int gather(struct direct_io *d, struct iov_iter *it, size_t want)
{
	ssize_t k = 0;

	while (d->bytes < want && d->nr < d->max) {
		size_t len;
		vaddr_t va = (vaddr_t)iter_address(it, &len);

		len = min(len, want - d->bytes);
		u64 nr = (va + len - 1) / PAGE_SIZE - va / PAGE_SIZE + 1, room = min(d->max - d->nr, PIN_BATCH);
		k = add_pages(d, va, len, (unsigned)min(nr, room));
		if (k <= 0)
			break;
		iter_advance(it, (size_t)k);
	}
	return d->bytes ? 0 : (int)k;
}

/* --- requests --- */

static void drop_requests(struct direct_io *d)
{
	while (!list_empty(&d->bios)) {
		struct bio *bio = list_first(&d->bios, struct bio, node);
		list_del(&bio->node);
		kfree(bio);
	}
}

static void put(struct direct_io *d)
{
	void (*done)(struct direct_io *d) = d->done;

	if (!atomic_dec_and_test(&d->pending))
		return;
	if (done)
		done(d);
	else
		wake_up_all(&waiters, (u64)d);	/* it may be gone: only its address is used */
}

static void request_done(struct bio *bio, int error)
{
	struct direct_io *d = bio->private;

	if (error)
		WRITE_ONCE(d->error, error);
	kfree(bio);
	put(d);
}

/* n bytes at `offset` of the page lie at one place: go on with the last request, or begin one. */
static int add_request(struct direct_io *d, struct page *page, unsigned offset, unsigned n, const struct direct_place *place)
{
	struct bio *last = list_empty(&d->bios) ? NULL : container_of(d->bios.prev, struct bio, node), *bio;

	if (last && last->page == page && last->offset + last->length == offset && last->sector + last->length / 512 == place->sector) {
		last->length += n;
		return 0;
	}
	bio = kzalloc(sizeof(*bio));
	if (!bio)
		return -ENOMEM;
	*bio = (struct bio){ .dev = place->dev, .write = d->write, .sector = place->sector, .page = page, .offset = offset, .length = n,
			     .done = request_done, .private = d };
	list_add_tail(&bio->node, &d->bios);
	return 0;
}

/* Requests for all pieces. A hole: memory to read to is zeroed, a write is -ENOTBLK. */
static int make_requests(struct direct_io *d)
{
	loff_t pos = d->pos;
	int error = 0;

	for (unsigned i = 0; i < d->nr && !error; i++) {
		struct direct_piece *p = &d->pieces[i];

		for (unsigned done = 0; done < p->length && !error; ) {
			struct direct_place place = { 0 };
			ssize_t n = d->inode->fops->direct_map(d->inode, pos, p->length - done, &place);

			if (n < 0)
				error = (int)n;
			else if (!place.hole)
				error = add_request(d, p->page, p->offset + done, (unsigned)n, &place);
			else if (d->write)
				error = -ENOTBLK;
			else
				memset((char *)page_address(p->page) + p->offset + done, 0, (size_t)n);
			done += (unsigned)n;
			pos += n;
		}
	}
	if (error)
		drop_requests(d);
	return error;
}

static void submit(struct direct_io *d)
{
	unsigned nr = 0;
	struct bio *bio;

	list_for_each(bio, &d->bios, node)
		nr++;
	atomic_set(&d->pending, nr + 1);	/* one is ours */
	while (!list_empty(&d->bios)) {
		bio = list_first(&d->bios, struct bio, node);
		list_del(&bio->node);
		bio->dev->submit(bio);
	}
	put(d);
}

static int submit_and_wait(struct direct_io *d)
{
	struct wait_entry entry = { 0 };

	submit(d);
	for (;;) {
		wait_prepare(&waiters, &entry, WAIT_UNINTERRUPTIBLE, (u64)d);
		smp_mb();
		if (!atomic_read(&d->pending))
			break;
		wait_sleep(WAIT_UNINTERRUPTIBLE);
	}
	wait_finish(&waiters, &entry);
	return READ_ONCE(d->error);
}

static u64 first_page(const struct direct_io *d) { return (u64)d->pos >> PAGE_SHIFT; }
static u64 last_page(const struct direct_io *d) { return (u64)(d->pos + (loff_t)d->bytes - 1) >> PAGE_SHIFT; }

/* Up to the submission: the range in the cache and on the device. For a write invalidate_lock is held after 0: pagecache_detach_end(). */
static int prepare(struct direct_io *d)
{
	struct address_space *m = &d->inode->mapping;
	int error;

	list_init(&d->bios);
	if (!d->write) {
		error = make_requests(d);
		if (!error)
			error = pagecache_write_out(m, first_page(d), last_page(d));
		if (error)
			drop_requests(d);
		return error;
	}
	if (d->pos + (loff_t)d->bytes > m->size)
		return -ENOTBLK;
	error = pagecache_detach_begin(m, first_page(d), last_page(d));
	if (error)
		return error == -EBUSY ? -ENOTBLK : error;
	error = make_requests(d);
	if (error)
		pagecache_detach_end(m);
	return error;
}

static void count(const struct direct_io *d, size_t n) { vmstat_add(d->write ? VM_DIRECT_WRITE : VM_DIRECT_READ, (s64)n); }

/* --- calls that wait --- */

/* Whole sectors up to the end of the file. */
static size_t readable(loff_t size, loff_t pos, size_t n)
{
	return pos >= size ? 0 : min(n, (size_t)ALIGN_UP(size - pos, (loff_t)DIRECT_ALIGN));
}

/* The next bytes of a read: how many, 0 at the end. */
static ssize_t read_step(struct direct_io *d, struct iov_iter *to)
{
	loff_t size = READ_ONCE(d->inode->mapping.size);
	size_t want = readable(size, d->pos, to->count);
	int error;

	if (!want)
		return 0;
	error = gather(d, to, want);
	if (!error)
		error = prepare(d);
	if (!error)
		error = submit_and_wait(d);
	unpin(d);
	if (error)
		return error;
	count(d, d->bytes);
	return (ssize_t)min(d->bytes, (size_t)(size - d->pos));
}

ssize_t direct_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct direct_piece pieces[STEP];
	struct inode *inode = file->inode;
	ssize_t done = 0, k = 0;

	if (to->kernel)
		return generic_file_read(file, to, pos);
	if (!to->count || *pos >= READ_ONCE(inode->mapping.size))
		return 0;
	if (!aligned(to, *pos))
		return -EINVAL;
	down_read(&inode->i_rwsem);
	while (to->count) {
		struct direct_io d = { .inode = inode, .pin_flags = PIN_WRITE, .pos = *pos, .pieces = pieces, .max = STEP };

		k = read_step(&d, to);
		if (k <= 0)
			break;
		done += k;
		*pos += k;
		if (k % DIRECT_ALIGN || fatal_signal_pending(current))
			break;
	}
	up_read(&inode->i_rwsem);
	file_touch_atime(file);
	return done ? done : k;
}

/* What the device has no place for yet: through the cache, and out of it again. */
static ssize_t write_buffered(struct address_space *m, loff_t *pos, struct iov_iter *from, size_t n)
{
	loff_t start = *pos;
	struct iov_iter part = *from;
	u64 first, last;
	ssize_t k;
	int error;

	iter_truncate(&part, n);
	k = pagecache_write_iter(m, pos, &part);
	if (k <= 0)
		return k;
	iter_advance(from, (size_t)k);
	vmstat_add(VM_DIRECT_BUFFERED, k);
	first = (u64)start >> PAGE_SHIFT;
	last = (u64)(*pos - 1) >> PAGE_SHIFT;
	error = mapping_writeback(m, first, last, true);
	pagecache_forget(m, first, last);
	return error ? error : k;
}

static ssize_t write_step(struct direct_io *d, struct address_space *m, loff_t *pos, struct iov_iter *from)
{
	struct iov_iter at = *from;
	int error = gather(d, &at, at.count);

	if (error)
		return error;
	error = prepare(d);
	if (!error) {
		error = submit_and_wait(d);
		pagecache_detach_end(m);
	}
	unpin(d);
	if (error == -ENOTBLK)
		return write_buffered(m, pos, from, d->bytes);
	if (error)
		return error;
	*from = at;
	*pos += (loff_t)d->bytes;
	count(d, d->bytes);
	return (ssize_t)d->bytes;
}

ssize_t direct_write_iter(struct address_space *m, loff_t *pos, struct iov_iter *from)
{
	struct direct_piece pieces[STEP];
	ssize_t done = 0, k = 0;

	if (from->kernel)
		return pagecache_write_iter(m, pos, from);
	if (!aligned(from, *pos))
		return -EINVAL;
	while (from->count) {
		struct direct_io d = { .inode = m->owner, .write = true, .pos = *pos, .pieces = pieces, .max = STEP };

		k = write_step(&d, m, pos, from);
		if (k <= 0)
			break;
		done += k;
		if (k % DIRECT_ALIGN || fatal_signal_pending(current))
			break;
	}
	return done ? done : k;
}

/* --- transfers that go on --- */

/* i_rwsem held. */
static int start(struct direct_io *d, struct iov_iter *it, size_t want)
{
	struct address_space *m = &d->inode->mapping;
	u64 pages = pages_of(it, want);
	int error;

	if (pages > DIRECT_START_MAX)
		return -ENOTBLK;
	d->pieces = kmalloc(pages * sizeof(*d->pieces));
	if (!d->pieces)
		return -ENOMEM;
	d->max = (unsigned)pages;
	error = gather(d, it, want);
	if (!error && d->bytes < want)
		error = -ENOTBLK;	/* memory that is not there ends it early: not worth doing here */
	if (!error)
		error = prepare(d);
	if (error) {
		unpin(d);
		kfree(d->pieces);
		return error;
	}
	pagecache_direct_begin(m);
	if (d->write)
		pagecache_detach_end(m);
	submit(d);
	return 0;
}

int direct_start(struct direct_io *d, struct file *file, struct iov_iter *it, loff_t pos)
{
	struct inode *inode = file->inode;
	size_t want;
	int error = -ENOTBLK;

	d->pos = pos;
	d->pin_flags = d->write ? 0 : PIN_WRITE;
	if (!it->count || !aligned(it, pos))
		return -ENOTBLK;
	if (d->write) {
		down_write(&inode->i_rwsem);
		if (pos + (loff_t)it->count <= inode->mapping.size && file_async_write_begin(file, pos + (loff_t)it->count))
			error = start(d, it, it->count);
		up_write(&inode->i_rwsem);
		return error;
	}
	down_read(&inode->i_rwsem);
	want = readable(inode->mapping.size, pos, it->count);
	if (want)
		error = start(d, it, want);
	up_read(&inode->i_rwsem);
	if (!error)
		file_touch_atime(file);
	return error;
}

ssize_t direct_finish(struct direct_io *d)
{
	struct address_space *m = &d->inode->mapping;
	loff_t size = READ_ONCE(m->size);
	size_t n = d->bytes;

	if (d->write)
		pagecache_forget(m, first_page(d), last_page(d));
	else if (d->pos < size)
		n = min(n, (size_t)(size - d->pos));
	unpin(d);
	kfree(d->pieces);
	pagecache_direct_end(m);
	if (d->error)
		return d->error;
	count(d, d->bytes);
	return (ssize_t)n;
}
