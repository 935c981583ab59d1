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

/* From *offset on, which moves; NULL: from in's own position. */
static long send(struct file *out, struct file *in, loff_t *offset, size_t n)
{
	loff_t *pos = offset ? offset : &in->pos;

	if (!(in->mode & FMODE_READ))
		return -EBADF;
	if (offset && in->mode & FMODE_STREAM)
		return -ESPIPE;
	if (*pos < 0)
		return -EINVAL;
	if (!(out->mode & FMODE_WRITE))
		return -EBADF;
	if (!in->ops->read || !out->ops->write || out->flags & O_APPEND || in->mode & FMODE_STREAM)
		return -EINVAL;
	return copy_bytes(out, in, pos, min(n, MAX_RW_COUNT));
}

long sys_sendfile(int out_fd, int in_fd, loff_t __user *uoffset, size_t n)
{
	struct file *in, *out = NULL;
	loff_t offset = 0;
	long result = -EBADF;

	if (uoffset && get_user(offset, uoffset))
		return -EFAULT;
	in = fd_get_file(in_fd);
	if (in)
		out = fd_get_file(out_fd);
	if (out)
		result = send(out, in, uoffset ? &offset : NULL, n);
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	/* Also after an error, as Linux. */
	return uoffset && put_user(offset, uoffset) ? -EFAULT : result;
}
