/*
 * Advisory locks: flock(2) on whole files, and record locks of fcntl(2) on ranges of bytes.
 *
 * A lock lies on its inode's list. Its owner is the open file (flock, F_OFD_*) or the descriptor table, which stands for the
 * process (F_SETLK): those go when the process closes any descriptor of the file. flock and record locks do not see each other.
 * Who waits sleeps on one queue for all files, and looks again whenever a lock somewhere was given up.
 *
 * Users call sys_flock() and, for fcntl(2), locks_fcntl(); who closes calls locks_release_*().
 */
#include "fs/procfs.h"

#include "fs/syscalls.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define LAST_BYTE 0x7fffffffffffffffL

struct file_lock {
	struct list_head node;		/* inode->locks: locks_mutex */
	const void *owner;		/* no reference: whoever ends releases its locks */
	enum lock_kind { KIND_FLOCK, KIND_PROCESS, KIND_OPEN_FILE } kind;
	int pid;
	bool exclusive;
	loff_t start, end;		/* the last byte is part of it */
};

static struct mutex locks_mutex = MUTEX_INIT(locks_mutex, "file locks", RANK_LAST_SLEEPING);
static u64 releases;			/* written under locks_mutex */
static struct wait_queue lock_wait = WAIT_QUEUE_INIT(lock_wait);

/* A process that waits for a record lock, and whom it waits for: to find circles. */
struct lock_waiter {
	struct list_head node;
	const void *owner, *blocker;
};
static LIST_HEAD(lock_waiters);		/* locks_mutex */

static bool same_owner(const struct file_lock *a, const struct file_lock *b) { return a->kind == b->kind && a->owner == b->owner; }
static bool overlap(const struct file_lock *a, const struct file_lock *b) { return a->start <= b->end && b->start <= a->end; }

/* The first lock that is in want's way, or NULL. */
static struct file_lock *find_conflict(struct inode *inode, const struct file_lock *want)
{
	struct file_lock *l;

	list_for_each(l, &inode->locks, node)
		if ((l->kind == KIND_FLOCK) == (want->kind == KIND_FLOCK) && !same_owner(l, want) && overlap(l, want) &&
		    (l->exclusive || want->exclusive))
			return l;
	return NULL;
}

static void wake_waiters(void)
{
	WRITE_ONCE(releases, releases + 1);
	wake_up_all(&lock_wait, 0);
}

/* Take the bytes of `range` away from l, of the same owner. *spare is used up if a piece remains on both sides. */
static void cut(struct file_lock *l, const struct file_lock *range, struct file_lock **spare)
{
	if (l->start < range->start && l->end > range->end) {
		**spare = *l;
		(*spare)->start = range->end + 1;
		list_add(&(*spare)->node, &l->node);
		*spare = NULL;
		l->end = range->start - 1;
	} else if (l->start < range->start) {
		l->end = range->start - 1;
	} else if (l->end > range->end) {
		l->start = range->end + 1;
	} else {
		list_del(&l->node);
		kfree(l);
	}
}

/* `range` is its owner's from now on as `fresh` says (NULL: not locked); locks of one kind that touch become one. */
static void set_range(struct inode *inode, struct file_lock *range, struct file_lock *fresh, struct file_lock **spare)
{
	struct list_head *place = &inode->locks;	/* an owner's locks are in the order of their bytes */
	struct file_lock *l, *tmp;
	bool released = false;

	list_for_each_safe(l, tmp, &inode->locks, node) {
		if (!same_owner(l, range))
			continue;
		if (fresh && l->exclusive == range->exclusive && l->start <= range->end + (range->end != LAST_BYTE) &&
		    range->start <= l->end + (l->end != LAST_BYTE)) {
			range->start = min(range->start, l->start);
			range->end = max(range->end, l->end);
			list_del(&l->node);
			kfree(l);
		} else if (overlap(l, range)) {
			released |= l->exclusive || !fresh;
			cut(l, range, spare);
		}
	}
	if (fresh) {
		*fresh = *range;
		list_for_each(l, &inode->locks, node)
			if (place == &inode->locks && same_owner(l, range) && l->start > range->end)
				place = &l->node;
		list_add_tail(&fresh->node, place);
	}
	if (released)
		wake_waiters();
}

/* Would a wait of `owner` for `blocker` close a circle? */
static bool closes_circle(const void *owner, const void *blocker)
{
	for (int steps = 0; steps < 16 && blocker; steps++) {
		const void *next = NULL;
		struct lock_waiter *w;

		if (blocker == owner)
			return true;
		list_for_each(w, &lock_waiters, node)
			if (w->owner == blocker)
				next = w->blocker;
		blocker = next;
	}
	return false;
}

/* One attempt, fresh and spare are used up if it succeeds. -EAGAIN: *waiter (if not NULL) waits for the owner in the way; -EDEADLK. */
static int try_lock(struct inode *inode, const struct file_lock *want, struct file_lock **fresh, struct file_lock **spare, struct lock_waiter *waiter)
{
	struct file_lock range = *want, *conflict;
	int error = 0;

	mutex_lock(&locks_mutex);
	if (want->kind == KIND_FLOCK)		/* a conversion gives the old lock up first, as on Linux */
		set_range(inode, &range, NULL, spare);
	conflict = find_conflict(inode, want);
	if (!conflict) {
		set_range(inode, &range, *fresh, spare);
		*fresh = NULL;
	} else {
		error = -EAGAIN;
		if (waiter) {
			waiter->blocker = conflict->kind == KIND_PROCESS ? conflict->owner : NULL;
			if (want->kind == KIND_PROCESS && closes_circle(waiter->owner, waiter->blocker))
				error = -EDEADLK;
		}
	}
	mutex_unlock(&locks_mutex);
	return error;
}

static void waiter_list(struct lock_waiter *waiter, bool on)
{
	mutex_lock(&locks_mutex);
	if (on)
		list_add(&waiter->node, &lock_waiters);
	else
		list_del(&waiter->node);
	mutex_unlock(&locks_mutex);
}

static int wait_lock(struct inode *inode, const struct file_lock *want, struct file_lock **fresh, struct file_lock **spare)
{
	struct lock_waiter waiter = { .owner = want->owner };
	int error;

	waiter_list(&waiter, true);
	for (;;) {
		u64 seen = READ_ONCE(releases);	/* before the attempt: a release after it ends the wait */

		error = try_lock(inode, want, fresh, spare, &waiter);
		if (error != -EAGAIN)
			break;
		error = wait_event(&lock_wait, WAIT_INTERRUPTIBLE, READ_ONCE(releases) != seen);
		if (error)
			break;
	}
	waiter_list(&waiter, false);
	return error;
}

/* 0; EAGAIN without `wait`; EDEADLK, ENOMEM, or interrupted. */
static int lock_range(struct inode *inode, const struct file_lock *want, bool wait)
{
	struct file_lock *fresh = kmalloc(sizeof(*fresh)), *spare = kmalloc(sizeof(*spare));
	int error = -ENOMEM;

	if (fresh && spare)
		error = wait ? wait_lock(inode, want, &fresh, &spare) : try_lock(inode, want, &fresh, &spare, NULL);
	kfree(fresh);
	kfree(spare);
	return error;
}

/* Everything of that owner. Nothing can need a spare: whole locks go. */
static void release_all(struct inode *inode, enum lock_kind kind, const void *owner)
{
	struct file_lock range = { .kind = kind, .owner = owner, .start = 0, .end = LAST_BYTE }, *none = NULL;

	if (!inode_has_locks(inode))
		return;
	mutex_lock(&locks_mutex);
	set_range(inode, &range, NULL, &none);
	mutex_unlock(&locks_mutex);
}

void locks_release_process_slow(struct file *file, const struct files *files) { release_all(file->inode, KIND_PROCESS, files); }

void locks_release_file_slow(struct file *file)
{
	release_all(file->inode, KIND_FLOCK, file);
	release_all(file->inode, KIND_OPEN_FILE, file);
}

/* --- fcntl --- */

/* The bytes that the user's flock means. */
static int get_range(const struct file *file, const struct flock *f, struct file_lock *l)
{
	loff_t base = 0;

	switch (f->l_whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = file->pos;
		break;
	case SEEK_END:
		base = READ_ONCE(file->inode->mapping.size);
		break;
	default:
		return -EINVAL;
	}
	if (f->l_start > LAST_BYTE - base)
		return -EOVERFLOW;
	l->start = base + f->l_start;
	if (l->start < 0)
		return -EINVAL;
	l->end = LAST_BYTE;
	if (f->l_len > 0) {
		if (f->l_len - 1 > LAST_BYTE - l->start)
			return -EOVERFLOW;
		l->end = l->start + f->l_len - 1;
	} else if (f->l_len < 0) {
		if (l->start + f->l_len < 0)
			return -EINVAL;
		l->end = l->start - 1;
		l->start += f->l_len;
	}
	return f->l_type == F_RDLCK || f->l_type == F_WRLCK || f->l_type == F_UNLCK ? 0 : -EINVAL;
}

static void report(const struct file_lock *l, struct flock *f)
{
	f->l_type = l->exclusive ? F_WRLCK : F_RDLCK;
	f->l_whence = SEEK_SET;
	f->l_start = l->start;
	f->l_len = l->end == LAST_BYTE ? 0 : l->end - l->start + 1;
	f->l_pid = l->kind == KIND_OPEN_FILE ? -1 : l->pid;
}

static int get_lock(struct inode *inode, const struct file_lock *want, struct flock *f)
{
	struct file_lock *l;

	mutex_lock(&locks_mutex);
	l = find_conflict(inode, want);
	if (l)
		report(l, f);
	else
		f->l_type = F_UNLCK;
	mutex_unlock(&locks_mutex);
	return 0;
}

static int unlock_range(struct inode *inode, struct file_lock *range)
{
	struct file_lock *spare = kmalloc(sizeof(*spare));

	if (!spare)
		return -ENOMEM;
	mutex_lock(&locks_mutex);
	set_range(inode, range, NULL, &spare);
	mutex_unlock(&locks_mutex);
	kfree(spare);
	return 0;
}

static int set_lock(struct file *file, unsigned fd, struct file_lock *want, bool wait)
{
	int error = lock_range(file->inode, want, wait);
	struct file *still;

	if (error || want->kind != KIND_PROCESS)
		return error;
	/* Another thread may have closed the descriptor meanwhile, before there was anything to release. */
	still = files_get_nth(current->files, fd);
	if (still != file) {
		locks_release_process(file, current->files);
		error = -EBADF;
	}
	if (still)
		file_put(still);
	return error;
}

long locks_fcntl(struct file *file, unsigned fd, unsigned cmd, struct flock __user *arg)
{
	bool of_file = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW, get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	struct file_lock want = { .kind = of_file ? KIND_OPEN_FILE : KIND_PROCESS, .owner = of_file ? (void *)file : (void *)current->files };
	struct flock f;
	int error;

	if (copy_from_user(&f, arg, sizeof(f)))
		return -EFAULT;
	if (cmd == F_GETLK && f.l_type == F_UNLCK)
		return -EINVAL;
	error = get_range(file, &f, &want);
	if (error)
		return error;
	if (of_file && f.l_pid)
		return -EINVAL;
	want.exclusive = f.l_type == F_WRLCK;
	want.pid = current->process->pid;
	if (get) {
		error = get_lock(file->inode, &want, &f);
		return error ? error : copy_to_user(arg, &f, sizeof(f)) ? -EFAULT : 0;
	}
	if (f.l_type == F_UNLCK)
		return unlock_range(file->inode, &want);
	if (!(file->mode & (want.exclusive ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	return set_lock(file, fd, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* --- /proc/locks --- */

static void show_lock(struct text *t, const struct inode *inode, const struct file_lock *l, u64 number)
{
	static const char *const kinds[] = { [KIND_FLOCK] = "FLOCK", [KIND_PROCESS] = "POSIX", [KIND_OPEN_FILE] = "OFDLCK" };

	text_printf(t, "%lu: %-6s ADVISORY  %s %d %02x:%02x:%lu %ld ", number, kinds[l->kind], l->exclusive ? "WRITE" : "READ",
		    l->kind == KIND_OPEN_FILE ? -1 : l->pid, dev_major(inode->sb->dev), dev_minor(inode->sb->dev), inode->ino, l->start);
	if (l->end == LAST_BYTE)
		text_printf(t, "EOF\n");
	else
		text_printf(t, "%ld\n", l->end);
}

void locks_show(struct text *t)
{
	struct super_block *sb;
	struct file_lock *l;
	u64 number = 0;

	mutex_lock(&super_lock);
	list_for_each(sb, &super_list, node)
		for (struct inode *inode = inode_next(sb, NULL); inode; inode = inode_next(sb, inode)) {
			if (list_empty(&inode->locks))
				continue;
			mutex_lock(&locks_mutex);
			list_for_each(l, &inode->locks, node)
				show_lock(t, inode, l, ++number);
			mutex_unlock(&locks_mutex);
		}
	mutex_unlock(&super_lock);
}

/* --- flock --- */

long sys_flock(unsigned fd, unsigned cmd)
{
	struct file_lock want = { .kind = KIND_FLOCK, .pid = current->process->pid, .end = LAST_BYTE };
	unsigned op = cmd & ~(unsigned)LOCK_NB;
	struct file *file;
	long error = 0;

	if (cmd & LOCK_MAND)		/* as Linux: gone, but not an error */
		return 0;
	if (op != LOCK_SH && op != LOCK_EX && op != LOCK_UN)
		return -EINVAL;
	file = fd_get_file((int)fd);
	if (!file)
		return -EBADF;
	want.owner = file;
	want.exclusive = op == LOCK_EX;
	if (op == LOCK_UN)
		release_all(file->inode, KIND_FLOCK, file);
	else if (!(file->mode & (FMODE_READ | FMODE_WRITE)))
		error = -EBADF;
	else
		error = lock_range(file->inode, &want, !(cmd & LOCK_NB));
	file_put(file);
	return error;
}
