/*
 * /proc/PID/mem: the memory of a process as a file, for debuggers: read and written by pins, at the position that is the address.
 *
 * The rights of the mappings do not count (PIN_FORCE): what is mapped PROT_NONE can be read, and a store to read-only private memory goes to a
 * copy of the page that is the process's own; to a file or to shared memory that it may not write, never.
 */
#include "fs/procfs.h"

#include "mm/gup.h"

/* The address space as it was when the file was opened; after execve it is empty. */
static int mem_open(struct inode *inode, struct file *file)
{
	const struct proc_subject *s = &proc_node(inode)->subject;
	struct mm *mm;

	if (!proc_alive(s->process))
		return -ESRCH;
	if (!proc_may_access(s->process))
		return -EACCES;
	mm = proc_mm(s);
	if (mm) {
		mm_ref_get(mm);
		mm_put(mm);
	}
	file->private = mm;
	return 0;
}

static void mem_release(struct file *file)
{
	if (file->private)
		mm_ref_put(file->private);
}

static ssize_t transfer(struct file *file, struct iov_iter *it, loff_t *pos, unsigned flags)
{
	struct mm *mm = file->private;
	ssize_t n;

	if (!mm || !it->count || !atomic_inc_not_zero(&mm->users))
		return 0;
	n = mm_copy(mm, (vaddr_t)*pos, it, it->count, flags | PIN_FORCE);
	mm_put(mm);
	if (n > 0)
		*pos += n;
	return n;
}

static ssize_t mem_read(struct file *file, struct iov_iter *to, loff_t *pos) { return transfer(file, to, pos, 0); }
static ssize_t mem_write(struct file *file, struct iov_iter *from, loff_t *pos) { return transfer(file, from, pos, PIN_WRITE); }

static loff_t mem_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return file->pos = offset;
}

const struct file_ops proc_mem_ops = { .open = mem_open, .release = mem_release, .read = mem_read, .write = mem_write, .llseek = mem_llseek };
