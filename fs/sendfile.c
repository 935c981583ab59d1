/* sendfile: from a file with a page cache to any file, through one page of kernel memory. */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "mm/page.h"
#include "mm/usercopy.h"

/* Copy up to n bytes from *pos on. Bytes, or an error if none. */
static ssize_t copy_bytes(struct file *out, struct file *in, loff_t *pos, size_t n)
{
	struct page *page = page_alloc(0, 0);
	ssize_t done = 0, k = 0;

	if (!page)
		return -ENOMEM;
	while ((size_t)done < n) {
		size_t len = min(n - (size_t)done, (size_t)PAGE_SIZE), sent = 0;
		ssize_t got = file_read_kernel(in, page_address(page), len, *pos);

		k = got;
		while (k > 0 && sent < (size_t)got) {
			k = file_write_kernel(out, (char *)page_address(page) + sent, (size_t)got - sent, &out->pos);
			sent += k > 0 ? (size_t)k : 0;
		}
		*pos += (loff_t)sent;
		done += (ssize_t)sent;
		if (k <= 0 || fatal_signal_pending(current))
			break;
	}
	page_put(page);
	return done ? done : k;
}

static long send(struct file *out, struct file *in, loff_t __user *offset, size_t n)
{
	loff_t pos = in->pos;
	ssize_t done;

	if (!(in->mode & FMODE_READ))
		return -EBADF;
	if (offset && in->mode & FMODE_STREAM)
		return -ESPIPE;
	if (offset && get_user(pos, offset))
		return -EFAULT;
	if (pos < 0)
		return -EINVAL;
	if (!(out->mode & FMODE_WRITE))
		return -EBADF;
	if (!in->ops->read || !out->ops->write || out->flags & O_APPEND || in->mode & FMODE_STREAM)
		return -EINVAL;
	done = copy_bytes(out, in, &pos, min(n, MAX_RW_COUNT));
	if (offset)
		return put_user(pos, offset) ? -EFAULT : done;
	in->pos = pos;
	return done;
}

long sys_sendfile(int out_fd, int in_fd, loff_t __user *offset, size_t n)
{
	struct file *in, *out;
	long result;

	if (offset) {
		loff_t probe;
		if (get_user(probe, offset))
			return -EFAULT;
	}
	in = fd_get_file(in_fd);
	if (!in)
		return -EBADF;
	out = fd_get_file(out_fd);
	result = out ? send(out, in, offset, n) : -EBADF;
	if (out)
		file_put(out);
	file_put(in);
	return result;
}
