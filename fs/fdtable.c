/*
 * Descriptor tables: small numbers for open files.
 *
 * The table's lock protects it; but while nobody shares the table (fdtable_alone()), only its owner changes it: he looks without the lock, and adds
 * without it. /proc may look at the same time, under the lock: it sees the new file or none. To take a file out, or the array away, he too
 * needs the lock: /proc may be about to count a reference. A number is first reserved, then gets its file, so that EMFILE comes before
 * anything is done.
 */
#include "fs/fdtable.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"

#define FIRST_CAP 64
#define MAX_CAP (1U << 20)

static struct fdarray *array_alloc(u32 cap)
{
	size_t bits = cap / 64 * sizeof(u64);
	struct fdarray *a = kzalloc(sizeof(*a) + cap * sizeof(struct file *) + 2 * bits);

	if (!a)
		return NULL;
	a->cap = cap;
	a->used = (u64 *)&a->file[cap];
	a->cloexec = a->used + cap / 64;
	return a;
}

static void array_copy(struct fdarray *to, const struct fdarray *from)
{
	memcpy(to->file, from->file, from->cap * sizeof(struct file *));
	memcpy(to->used, from->used, from->cap / 8);
	memcpy(to->cloexec, from->cloexec, from->cap / 8);
}

/* The first number from n on whose bit is set; cap if there is none. */
static u32 next_set(const u64 *bits, u32 cap, u32 n)
{
	while (n < cap) {
		u64 word = bits[n / 64] >> (n % 64);

		if (word)
			return n + (u32)__builtin_ctzl(word);
		n = (n / 64 + 1) * 64;
	}
	return cap;
}

static u32 next_used(const struct fdarray *a, u32 n) { return next_set(a->used, a->cap, n); }

/* --- tables --- */

struct files *files_create(void)
{
	struct files *f = kzalloc(sizeof(*f));

	if (!f)
		return NULL;
	f->array = array_alloc(FIRST_CAP);
	if (!f->array) {
		kfree(f);
		return NULL;
	}
	atomic_set(&f->refs, 1);
	spin_init(&f->lock, "descriptors", RANK_FILES);
	return f;
}

struct files *files_copy(struct files *old)
{
	struct files *f = files_create();

	if (!f || !old)
		return f;
	for (;;) {
		u32 cap;

		spin_lock(&old->lock);
		cap = old->array->cap;
		if (cap <= f->array->cap)
			break;
		spin_unlock(&old->lock);
		kfree(f->array);
		f->array = array_alloc(cap);
		if (!f->array) {
			kfree(f);
			return NULL;
		}
	}
	array_copy(f->array, old->array);
	f->first_free = old->first_free;
	for (u32 i = next_used(f->array, 0); i < f->array->cap; i = next_used(f->array, i + 1)) {
		if (f->array->file[i]) {
			file_get(f->array->file[i]);
		} else {	/* reserved by another thread: not ours */
			fdtable_set_bit(f->array->used, i, false);
			fdtable_set_bit(f->array->cloexec, i, false);
			f->first_free = min(f->first_free, i);
		}
	}
	spin_unlock(&old->lock);
	return f;
}

struct files *files_share(struct files *files)
{
	atomic_inc(&files->refs);
	return files;
}

void fdtable_close_file(const struct files *files, struct file *file)
{
	locks_release_process(file, files);
	file_put(file);
}

void files_put(struct files *files)
{
	if (!files || !atomic_dec_and_test(&files->refs))
		return;
	for (u32 i = next_used(files->array, 0); i < files->array->cap; i = next_used(files->array, i + 1))
		if (files->array->file[i])
			fdtable_close_file(files, files->array->file[i]);
	kfree(files->array);
	kfree(files);
}

bool fds_private(void) { return fdtable_alone(current->files); }

/* Take the file out of the table: the reference is the caller's. NULL: there is none. */
static inline __attribute__((always_inline)) struct file *take(struct files *files, unsigned fd)
{
	struct file *file = NULL;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd]) {
		file = files->array->file[fd];
		files->array->file[fd] = NULL;
		fdtable_set_bit(files->array->used, fd, false);
		if (unlikely(fdtable_test_bit(files->array->cloexec, fd)))
			fdtable_set_bit(files->array->cloexec, fd, false);
		files->first_free = min(files->first_free, fd);
	}
	spin_unlock(&files->lock);
	return file;
}

void files_close_on_exec(struct files *files)
{
	for (u32 fd = 0; ; fd++) {
		spin_lock(&files->lock);	/* another process may share the table, and let it grow */
		fd = next_set(files->array->cloexec, files->array->cap, fd);
		bool found = fd < files->array->cap;
		spin_unlock(&files->lock);
		if (!found)
			return;
		struct file *file = take(files, fd);
		if (file)
			fdtable_close_file(files, file);
	}
}

/* --- looking --- */

struct file *files_get_nth(struct files *files, unsigned fd)
{
	struct file *file = NULL;

	spin_lock(&files->lock);
	if (fd < files->array->cap)
		file = READ_ONCE(files->array->file[fd]);
	if (file)
		file_get(file);
	spin_unlock(&files->lock);
	return file;
}

int files_next(struct files *files, int fd)
{
	int found = -1;

	spin_lock(&files->lock);
	for (u32 i = (u32)max(fd, 0); i < files->array->cap && found < 0; i++)
		if (READ_ONCE(files->array->file[i]))
			found = (int)i;
	spin_unlock(&files->lock);
	return found;
}

bool files_cloexec(struct files *files, unsigned fd)
{
	bool cloexec;

	spin_lock(&files->lock);
	cloexec = fd < files->array->cap && fdtable_test_bit(files->array->cloexec, fd);
	spin_unlock(&files->lock);
	return cloexec;
}

u32 files_size(struct files *files)
{
	u32 cap;

	spin_lock(&files->lock);
	cap = files->array->cap;
	spin_unlock(&files->lock);
	return cap;
}

static inline struct file *get(int fd)
{
	struct files *files = current->files;

	if (fdtable_alone(files)) {
		struct fdarray *a = files->array;
		struct file *file = (u32)fd < a->cap ? a->file[fd] : NULL;

		if (file)
			file_get(file);
		return file;
	}
	return files_get_nth(files, (unsigned)fd);
}

struct file *fd_get(int fd) { return get(fd); }

struct file *fd_get_file(int fd)
{
	struct file *file = get(fd);

	if (file && unlikely(file_is_path(file))) {
		file_put(file);
		return NULL;
	}
	return file;
}

/* --- giving numbers --- */

unsigned fdtable_limit(void)
{
	u64 limit = current->process ? READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur) : 1024;

	return (unsigned)min(limit, (u64)MAX_CAP);
}

int fdtable_grow_locked(struct files *files, unsigned fd)
{
	u32 cap = files->array->cap;
	struct fdarray *bigger;

	while (cap <= fd)
		cap *= 2;
	spin_unlock(&files->lock);
	bigger = array_alloc(cap);
	spin_lock(&files->lock);
	if (!bigger)
		return -ENOMEM;
	if (bigger->cap > files->array->cap) {	/* another thread may have grown it */
		struct fdarray *old = files->array;

		array_copy(bigger, old);
		files->array = bigger;
		bigger = old;
	}
	spin_unlock(&files->lock);
	kfree(bigger);		/* readers without the lock exist only while nobody else could grow it */
	spin_lock(&files->lock);
	return 0;
}

static inline void mark_reserved(struct files *files, unsigned from, unsigned fd, bool cloexec)
{
	fdtable_set_bit(files->array->used, fd, true);
	if (unlikely(cloexec))		/* a free number's bit is clear */
		fdtable_set_bit(files->array->cloexec, fd, true);
	if (from <= files->first_free)
		files->first_free = fd + 1;
}

/* The first free number from `from` on; cap or more if there is none. */
static unsigned find_free(const struct fdarray *a, unsigned from)
{
	for (unsigned i = from; i < a->cap; i = ALIGN_DOWN(i, 64U) + 64) {
		u64 free = ~a->used[i / 64] >> (i % 64);

		if (likely(free))
			return i + (unsigned)__builtin_ctzl(free);
	}
	return max(a->cap, from);
}

/* A number from `from` on, below the limit; the table grows if it must, for which the lock is held. */
static __attribute__((noinline)) int reserve_slow(struct files *files, unsigned from, bool cloexec)
{
	unsigned limit = fdtable_limit(), fd;
	int error;

	spin_lock(&files->lock);
	for (;;) {
		fd = find_free(files->array, max(from, files->first_free));
		error = fd >= limit ? -EMFILE : 0;
		if (error || fd < files->array->cap)
			break;
		error = fdtable_grow_locked(files, fd);
		if (error)
			break;
	}
	if (!error)
		mark_reserved(files, from, fd, cloexec);
	spin_unlock(&files->lock);
	return error ? error : (int)fd;
}

int fd_reserve(unsigned from, bool cloexec)
{
	struct files *files = current->files;

	if (fdtable_alone(files)) {		/* without the lock and what only a full table needs: 130 instructions were 60 */
		unsigned fd = find_free(files->array, max(from, files->first_free));

		if (likely(fd < files->array->cap && fd < fdtable_limit())) {
			mark_reserved(files, from, fd, cloexec);
			return (int)fd;
		}
	}
	return reserve_slow(files, from, cloexec);
}

static __attribute__((noinline)) void install_shared(struct files *files, int fd, struct file *file)
{
	spin_lock(&files->lock);
	files->array->file[fd] = file;
	spin_unlock(&files->lock);
}

void fd_install(int fd, struct file *file)
{
	struct files *files = current->files;

	if (fdtable_alone(files)) {
		smp_store_release(&files->array->file[fd], file);
		return;
	}
	install_shared(files, fd, file);
}

void fd_unreserve(int fd)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	fdtable_set_bit(files->array->used, (unsigned)fd, false);
	fdtable_set_bit(files->array->cloexec, (unsigned)fd, false);
	files->first_free = min(files->first_free, (unsigned)fd);
	spin_unlock(&files->lock);
}

int fd_alloc(struct file *file, unsigned from, bool cloexec)
{
	int fd = fd_reserve(from, cloexec);

	if (fd >= 0)
		fd_install(fd, file);
	return fd;
}

/* --- system calls --- */

long sys_close(unsigned fd)
{
	struct file *file = take(current->files, fd);

	if (!file)
		return -EBADF;
	fdtable_close_file(current->files, file);
	return 0;
}

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static int unshare_files(void)
{
	struct files *mine, *old = current->files;

	if (fds_private())
		return 0;
	mine = files_copy(old);
	if (!mine)
		return -ENOMEM;
	current->files = mine;
	files_put(old);
	return 0;
}

long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	int error;

	if (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last)
		return -EINVAL;
	error = flags & CLOSE_RANGE_UNSHARE ? unshare_files() : 0;
	if (error)
		return error;
	for (int fd = files_next(current->files, (int)min(first, MAX_CAP)); fd >= 0 && (unsigned)fd <= last; fd = files_next(current->files, fd + 1)) {
		if (flags & CLOSE_RANGE_CLOEXEC) {
			spin_lock(&current->files->lock);
			if (current->files->array->file[fd])
				fdtable_set_bit(current->files->array->cloexec, (unsigned)fd, true);
			spin_unlock(&current->files->lock);
		} else {
			sys_close((unsigned)fd);
		}
	}
	return 0;
}
