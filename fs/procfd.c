/* The descriptors of a process in /proc: fd/N, links to the open files, and fdinfo/N, their state. */
#include "fs/procfs.h"

static struct file *file_of(const struct proc_subject *s, u32 *flags)
{
	struct files *files = proc_files(s);
	struct file *file = files && s->fd >= 0 ? files_get_nth(files, (unsigned)s->fd) : NULL;

	if (file && flags)
		*flags = file->flags | (files_cloexec(files, (unsigned)s->fd) ? O_CLOEXEC : 0);
	files_put(files);
	return file;
}

static int follow_fd(const struct proc_subject *s, struct path *out)
{
	struct file *file = file_of(s, NULL);

	if (!file)
		return -ENOENT;
	*out = file->path;
	path_get(out);
	file_put(file);
	return 0;
}

/* The mount's number, as in mountinfo; 0: a file without a place (pipes, sockets). */
static int show_fdinfo(struct text *t, const struct proc_subject *s)
{
	u32 flags;
	struct file *file = file_of(s, &flags);

	if (!file)
		return -ENOENT;
	text_printf(t, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", READ_ONCE(file->pos), flags, file->path.mnt ? file->path.mnt->id : 0, file->inode->ino);
	file_put(file);
	return 0;
}

const struct proc_item proc_fd_link = { .name = "fd link", .follow = follow_fd };
const struct proc_item proc_fdinfo_file = { .name = "fdinfo", .show = show_fdinfo, .guarded = true };
