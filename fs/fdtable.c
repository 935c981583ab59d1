/*
 * Descriptor tables: small numbers for open files.
 *
 * The table's lock protects it; but while nobody shares the table, only its owner changes it, and looks
 * without the lock. A number is first reserved, then gets its file, so that EMFILE comes before anything is done.
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

static bool test_bit(const u64 *bits, unsigned n) { return bits[n / 64] >> (n % 64) & 1; }
static void set_bit(u64 *bits, unsigned n, bool on)
{
	if (on)
		bits[n / 64] |= BIT(n % 64);
	else
		bits[n / 64] &= ~BIT(n % 64);
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
			set_bit(f->array->used, i, false);
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

/* The table forgets the file. */
static void close_file(const struct files *files, struct file *file)
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
			close_file(files, files->array->file[i]);
	kfree(files->array);
	kfree(files);
}

bool fds_private(void) { return atomic_read(&current->files->refs) == 1; }

/* Take the file out of the table: the reference is the caller's. NULL: there is none. */
static struct file *take(struct files *files, unsigned fd)
{
	struct file *file = NULL;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd]) {
		file = files->array->file[fd];
		files->array->file[fd] = NULL;
		set_bit(files->array->used, fd, false);
		set_bit(files->array->cloexec, fd, false);
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
			close_file(files, file);
	}
}

/* --- looking --- */

struct file *files_get_nth(struct files *files, unsigned fd)
{
	struct file *file = NULL;

	spin_lock(&files->lock);
	if (fd < files->array->cap)
		file = files->array->file[fd];
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
		if (files->array->file[i])
			found = (int)i;
	spin_unlock(&files->lock);
	return found;
}

bool files_cloexec(struct files *files, unsigned fd)
{
	bool cloexec;

	spin_lock(&files->lock);
	cloexec = fd < files->array->cap && test_bit(files->array->cloexec, fd);
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

	if (likely(atomic_read(&files->refs) == 1)) {
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

static unsigned fd_limit(void)
{
	u64 limit = current->process ? READ_ONCE(current->process->limits[RLIMIT_NOFILE].rlim_cur) : 1024;

	return (unsigned)min(limit, (u64)MAX_CAP);
}

/* Room for number fd. The lock is dropped and taken again. */
static int grow_locked(struct files *files, unsigned fd)
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

static unsigned find_free(const struct fdarray *a, unsigned from)
{
	for (unsigned i = from; i < a->cap; i++) {
		if (i % 64 == 0 && a->used[i / 64] == ~0UL) {
			i += 63;
			continue;
		}
		if (!test_bit(a->used, i))
			return i;
	}
	return a->cap;
}

int fd_reserve(unsigned from, bool cloexec)
{
	struct files *files = current->files;
	unsigned limit = fd_limit(), fd;
	int error;

	spin_lock(&files->lock);
	for (;;) {
		fd = find_free(files->array, max(from, files->first_free));
		if (fd < from)
			fd = from;
		error = fd >= limit ? -EMFILE : 0;
		if (error || fd < files->array->cap)
			break;
		error = grow_locked(files, fd);
		if (error)
			break;
	}
	if (!error) {
		set_bit(files->array->used, fd, true);
		set_bit(files->array->cloexec, fd, cloexec);
		if (from <= files->first_free)
			files->first_free = fd + 1;
	}
	spin_unlock(&files->lock);
	return error ? error : (int)fd;
}

void fd_install(int fd, struct file *file)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	files->array->file[fd] = file;
	spin_unlock(&files->lock);
}

void fd_unreserve(int fd)
{
	struct files *files = current->files;

	spin_lock(&files->lock);
	set_bit(files->array->used, (unsigned)fd, false);
	set_bit(files->array->cloexec, (unsigned)fd, false);
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
	close_file(current->files, file);
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
				set_bit(current->files->array->cloexec, (unsigned)fd, true);
			spin_unlock(&current->files->lock);
		} else {
			sys_close((unsigned)fd);
		}
	}
	return 0;
}

/* dup2 and dup3: the file takes that number, closing what it was. */
static long dup_to(unsigned old_fd, unsigned new_fd, bool cloexec)
{
	struct files *files = current->files;
	struct file *file, *replaced;
	int error = 0;

	if (new_fd >= fd_limit())
		return -EBADF;
	file = fd_get((int)old_fd);
	if (!file)
		return -EBADF;
	spin_lock(&files->lock);
	if (new_fd >= files->array->cap)
		error = grow_locked(files, new_fd);
	replaced = error ? NULL : files->array->file[new_fd];
	if (!error && !replaced && test_bit(files->array->used, new_fd))
		error = -EBUSY;		/* another thread is opening into it */
	if (!error) {
		files->array->file[new_fd] = file;
		set_bit(files->array->used, new_fd, true);
		set_bit(files->array->cloexec, new_fd, cloexec);
	}
	spin_unlock(&files->lock);
	if (error)
		file_put(file);
	else if (replaced)
		close_file(files, replaced);
	return error ? error : (long)new_fd;
}

long sys_dup2(unsigned old_fd, unsigned new_fd)
{
	if (old_fd == new_fd) {
		struct file *file = fd_get((int)old_fd);

		if (!file)
			return -EBADF;
		file_put(file);
		return new_fd;
	}
	return dup_to(old_fd, new_fd, false);
}

long sys_dup3(unsigned old_fd, unsigned new_fd, int flags)
{
	if (flags & ~O_CLOEXEC || old_fd == new_fd)
		return -EINVAL;
	return dup_to(old_fd, new_fd, flags & O_CLOEXEC);
}

long sys_dup(unsigned fd)
{
	struct file *file = fd_get((int)fd);
	int new_fd;

	if (!file)
		return -EBADF;
	new_fd = fd_alloc(file, 0, false);
	if (new_fd < 0)
		file_put(file);
	return new_fd;
}

int fd_flags(unsigned fd)
{
	struct files *files = current->files;
	int flags = -EBADF;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd])
		flags = test_bit(files->array->cloexec, fd) ? FD_CLOEXEC : 0;
	spin_unlock(&files->lock);
	return flags;
}

int fd_set_flags(unsigned fd, int flags)
{
	struct files *files = current->files;
	int error = -EBADF;

	spin_lock(&files->lock);
	if (fd < files->array->cap && files->array->file[fd]) {
		set_bit(files->array->cloexec, fd, flags & FD_CLOEXEC);
		error = 0;
	}
	spin_unlock(&files->lock);
	return error;
}
