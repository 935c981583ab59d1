/*
 * Places in directories, for the calls that change them: the directory and the last name of a path; and the directory
 * locked, with the name looked up, for making it.
 */
#include "fs/internal.h"

#include "kernel/string.h"

/* The text is a filename's. */
static int find(int dirfd, const char *text, struct place *p)
{
	struct walk w;
	int error = walk_begin(&w, dirfd, text);

	if (error)
		return error;
	error = walk_to_last(&w);
	if (!error && w.type == LAST_NAME && w.last.len > NAME_MAX)
		error = -ENAMETOOLONG;
	if (!error) {
		walk_take(&w, &p->dir);
		p->type = w.type;
		p->slash = w.slash;
		p->name = w.last;
		p->name.text = p->text;
		if (w.type == LAST_NAME) {
			memcpy(p->text, w.last.text, w.last.len);
			p->text[w.last.len] = 0;
		}
	}
	walk_end(&w);
	return error;
}

int place_find(int dirfd, const char __user *name, struct place *p)
{
	struct filename f;
	int error = filename_get(&f, name);

	if (error)
		return error;
	error = find(dirfd, f.text, p);
	filename_put(&f);
	return error;
}

int place_find_kernel(int dirfd, const char *text, struct place *p)
{
	struct filename f;
	int error = filename_copy(&f, text);

	if (error)
		return error;
	error = find(dirfd, f.text, p);
	filename_put(&f);
	return error;
}

void place_put(struct place *p) { path_put(&p->dir); }

int place_create_begin(struct place *p, bool directory, struct dentry **out)
{
	struct inode *dir = p->dir.dentry->inode;
	int error;

	if (p->type != LAST_NAME)
		return -EEXIST;
	dcache_trim();
	down_write(&dir->i_rwsem);
	error = dentry_lookup_locked(p->dir.dentry, &p->name, out);
	if (error)
		goto out_unlock;
	if ((*out)->inode)
		error = -EEXIST;
	else if (p->slash && !directory)
		error = -ENOENT;
	else
		error = may_create(dir);
	if (!error)
		return 0;
	up_write(&dir->i_rwsem);
	dentry_put(*out);
	return error;
out_unlock:
	up_write(&dir->i_rwsem);
	return error;
}

void place_create_end(struct place *p, struct dentry *d)
{
	up_write(&p->dir.dentry->inode->i_rwsem);
	dentry_put(d);
}
