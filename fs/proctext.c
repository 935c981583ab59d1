/*
 * The files of /proc that are text: made from kernel state by the item's show(), kept with the open file.
 *
 * A read at position 0 makes the text anew (so a program that keeps the file open and seeks to its start sees the state
 * of now), any other goes on in the text that was made. Several threads may read one open file: the text is counted, and
 * one that is replaced lives until its last reader is done.
 */
#include "fs/procfs.h"

#include "kernel/string.h"
#include "mm/slab.h"

#include <stdarg.h>

#define WRITE_MAX 4095UL

struct text_file {
	struct spinlock lock;		/* protects: */
	struct text *text;		/*   NULL until the first read */
};

/* --- text --- */

static bool grow(struct text *t, size_t need)
{
	size_t cap = max(t->cap * 2, (size_t)1024);
	char *bigger;

	while (cap < need)
		cap *= 2;
	bigger = kmalloc(cap);
	if (!bigger) {
		t->failed = true;
		return false;
	}
	memcpy(bigger, t->buf, t->len);
	kfree(t->buf);
	t->buf = bigger;
	t->cap = cap;
	return true;
}

bool text_reserve(struct text *t, size_t n) { return n <= t->cap || grow(t, n); }

void text_add(struct text *t, const char *bytes, size_t n)
{
	if (t->failed || (t->len + n > t->cap && !grow(t, t->len + n)))
		return;
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

void text_string(struct text *t, const char *s) { text_add(t, s, strlen(s)); }

void text_printf(struct text *t, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	text_add(t, line, min((size_t)n, sizeof(line) - 1));
}

void text_escaped(struct text *t, const char *s, const char *special)
{
	for (; *s; s++)
		if (*s == '\\' || strchr(special, *s))
			text_printf(t, "\\%03o", (u8)*s);
		else
			text_add(t, s, 1);
}

void text_pad(struct text *t, size_t column)
{
	size_t start = t->len;

	while (start && t->buf[start - 1] != '\n')
		start--;
	while (!t->failed && t->len - start < column)
		text_add(t, " ", 1);
}

static void text_put(struct text *t)
{
	if (!t || !atomic_dec_and_test(&t->refs))
		return;
	kfree(t->buf);
	kfree(t);
}

/* --- open files --- */

static int text_open(struct inode *inode, struct file *file)
{
	const struct proc_node *n = proc_node(inode);
	struct text_file *f;

	if (file->mode & FMODE_READ && !n->item->show)
		return -EACCES;
	if (n->subject.process && !proc_alive(n->subject.process))
		return -ESRCH;
	if (n->item->guarded && !proc_may_access(n->subject.process))
		return -EACCES;
	f = kzalloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	spin_init(&f->lock, "proc text", RANK_LAST_SPIN);
	file->private = f;
	return 0;
}

static void text_release(struct file *file)
{
	struct text_file *f = file->private;

	text_put(f->text);
	kfree(f);
}

/* The text of now, with a reference; ERR_PTR. */
static struct text *make_text(const struct proc_node *n)
{
	struct text *t;
	int error;

	if (n->subject.process && !proc_alive(n->subject.process))
		return ERR_PTR(-ESRCH);
	t = kzalloc(sizeof(*t));
	if (!t)
		return ERR_PTR(-ENOMEM);
	atomic_set(&t->refs, 1);
	error = n->item->show(t, &n->subject);
	if (!error && t->failed)
		error = -ENOMEM;
	if (!error)
		return t;
	text_put(t);
	return ERR_PTR(error);
}

/* The open file's text, with a reference; a new one if `anew` or if there is none. ERR_PTR. */
static struct text *current_text(struct file *file, bool anew)
{
	struct text_file *f = file->private;
	struct text *t = NULL, *old;

	if (!anew) {
		spin_lock(&f->lock);
		t = f->text;
		if (t)
			atomic_inc(&t->refs);
		spin_unlock(&f->lock);
	}
	if (t)
		return t;
	t = make_text(proc_node(file->inode));
	if (IS_ERR(t))
		return t;
	atomic_inc(&t->refs);		/* one for the file, one for the caller */
	spin_lock(&f->lock);
	old = f->text;
	f->text = t;
	spin_unlock(&f->lock);
	text_put(old);
	return t;
}

static ssize_t text_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct text *t;
	size_t n = 0, k = 0;

	if (*pos < 0)
		return -EINVAL;
	if (!to->count)
		return 0;
	t = current_text(file, *pos == 0);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if ((u64)*pos < t->len) {
		n = min(to->count, t->len - (size_t)*pos);
		k = copy_to_iter(t->buf + *pos, n, to);
		*pos += (loff_t)k;
	}
	text_put(t);
	return k || !n ? (ssize_t)k : -EFAULT;
}

static ssize_t text_write(struct file *file, struct iov_iter *from, loff_t *pos)
{
	const struct proc_node *n = proc_node(file->inode);
	size_t size = min(from->count, WRITE_MAX);
	char *buf;
	int error;

	if (!n->item->write)		/* root may open it all the same */
		return n->subject.process ? -EINVAL : -EIO;
	if (n->subject.process && !proc_alive(n->subject.process))
		return -ESRCH;
	buf = kmalloc(size + 1);
	if (!buf)
		return -ENOMEM;
	size = copy_from_iter(buf, size, from);
	buf[size] = 0;
	error = size || !from->count ? n->item->write(&n->subject, buf, size) : -EFAULT;
	kfree(buf);
	if (error)
		return error;
	*pos += (loff_t)size;
	return (ssize_t)size;
}

/* No end to count from. */
static loff_t text_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->pos = offset);
}

const struct file_ops proc_text_ops = { .open = text_open, .release = text_release, .read = text_read, .write = text_write, .llseek = text_llseek };

/* --- what is written --- */

int proc_digits(const char **s, u64 *out)
{
	u64 v = 0;

	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		if (__builtin_mul_overflow(v, 10UL, &v) || __builtin_add_overflow(v, (u64)(**s - '0'), &v))
			return -EINVAL;
	*out = v;
	return 0;
}

int proc_number(const char *s, s64 low, s64 high, s64 *out)
{
	bool negative;
	u64 v;

	while (*s == ' ' || *s == '\t' || *s == '\n')
		s++;
	negative = *s == '-';
	s += negative;
	if (proc_digits(&s, &v) || v > 1UL << 62)
		return -EINVAL;
	if (*s && *s != ' ' && *s != '\t' && *s != '\n')
		return -EINVAL;
	*out = negative ? -(s64)v : (s64)v;
	return *out < low || *out > high ? -EINVAL : 0;
}
