/* The names of UNIX-domain sockets: of files and abstract; who is bound to them (fs/unix.h). */
#include "fs/unix.h"

#include "kernel/string.h"
#include "mm/slab.h"

static LIST_HEAD(bound);			/* unix_lock */

void unix_name_put(struct unix_name *n)
{
	if (n && atomic_dec_and_test(&n->refs))
		kfree(n);
}

struct unix_name *unix_name_get(struct unix_name *n)
{
	if (n)
		atomic_inc(&n->refs);
	return n;
}

int unix_format_name(const struct unix_name *n, char *address)
{
	u16 family = AF_UNIX;

	memcpy(address, &family, sizeof(family));
	if (n)
		memcpy(address + 2, n->path, n->len);
	return 2 + (n ? (int)n->len : 0);
}

int unix_address(struct unix_sock *s, bool peer, char *address)
{
	struct unix_sock *whose = s;
	struct unix_name *n = NULL;
	int len;

	spin_lock(&unix_lock);
	if (peer)
		whose = s->peer;
	if (whose)
		n = unix_name_get(whose->name);
	spin_unlock(&unix_lock);
	if (!whose)
		return -ENOTCONN;
	len = unix_format_name(n, address);
	unix_name_put(n);
	return len;
}

/* What an address says: a name of its own; ERR_PTR(EINVAL, ENOMEM). len == 2: no path, `path.len` 0. */
static struct unix_name *parse(const char *address, unsigned len)
{
	struct unix_name *n;
	u16 family;

	if (len < sizeof(family) || len > sizeof(family) + UNIX_PATH_MAX)
		return ERR_PTR(-EINVAL);
	memcpy(&family, address, sizeof(family));
	if (family != AF_UNIX)
		return ERR_PTR(-EINVAL);
	n = kzalloc(sizeof(*n));
	if (!n)
		return ERR_PTR(-ENOMEM);
	atomic_set(&n->refs, 1);
	n->len = len - sizeof(family);
	memcpy(n->path, address + sizeof(family), n->len);
	if (n->len && n->path[0])
		n->len = (u32)strlen(n->path) + 1;	/* the rest of the address does not count */
	return n;
}

/* Each kind of socket has abstract names of its own. unix_lock held. */
static struct unix_sock *find_abstract(const struct unix_name *n, int type)
{
	struct unix_sock *s;

	list_for_each(s, &bound, bound_node)
		if (!s->place.dentry && s->type == type && s->name->len == n->len && !memcmp(s->name->path, n->path, n->len))
			return s;
	return NULL;
}

static struct unix_sock *find_inode(const struct inode *inode)
{
	struct unix_sock *s;

	list_for_each(s, &bound, bound_node)
		if (s->place.dentry && s->place.dentry->inode == inode)
			return s;
	return NULL;
}

/* The socket's name becomes n (taken over), at `place` if it is a file. -EINVAL: it has one already; -EADDRINUSE. */
static int set_name(struct unix_sock *s, struct unix_name *n, const struct path *place)
{
	int error = 0;

	spin_lock(&unix_lock);
	if (s->name)
		error = -EINVAL;
	else if (!place && find_abstract(n, s->type))
		error = -EADDRINUSE;
	if (!error) {
		s->name = n;
		if (place)
			s->place = *place;
		list_add_tail(&s->bound_node, &bound);
	}
	spin_unlock(&unix_lock);
	return error;
}

/* bind() without a path: an abstract name of five digits that is free. */
static int bind_any(struct unix_sock *s, struct unix_name *n)
{
	static atomic_t next;

	for (int i = 0; i < 1 << 20; i++) {
		int error;

		n->path[0] = 0;
		ksnprintf(n->path + 1, 6, "%05x", (unsigned)atomic_add_return(&next, 1) & 0xfffff);
		n->len = 6;
		error = set_name(s, n, NULL);
		if (error != -EADDRINUSE)
			return error == -EINVAL ? 0 : error;	/* it has a name: nothing to do */
	}
	return -ENOSPC;
}

static int bind_file(struct unix_sock *s, struct unix_name *n)
{
	struct path where;
	int error = node_make(n->path, S_IFSOCK | 0777, &where);

	if (error)
		return error == -EEXIST ? -EADDRINUSE : error;
	error = set_name(s, n, &where);
	if (error)
		path_put(&where);
	return error;
}

int unix_bind(struct unix_sock *s, const char *address, unsigned len)
{
	struct unix_name *n = parse(address, len);
	bool had_name;
	int error;

	if (IS_ERR(n))
		return (int)PTR_ERR(n);
	had_name = READ_ONCE(s->name);
	if (!n->len)
		error = had_name ? 0 : bind_any(s, n);
	else if (had_name)
		error = -EINVAL;
	else
		error = n->path[0] ? bind_file(s, n) : set_name(s, n, NULL);
	if (READ_ONCE(s->name) != n)
		unix_name_put(n);
	return error;
}

struct unix_sock *unix_find(const char *address, unsigned len, int type)
{
	struct unix_name *n = parse(address, len);
	struct unix_sock *s = NULL;
	struct path path = { NULL, NULL };
	int error = -ECONNREFUSED;

	if (IS_ERR(n))
		return (struct unix_sock *)n;
	if (n->path[0]) {
		error = path_lookup(n->path, LOOKUP_FOLLOW, &path);
		if (!error)
			error = inode_permission(path.dentry->inode, MAY_WRITE);
		if (!error)
			error = S_ISSOCK(path.dentry->inode->mode) ? 0 : -ECONNREFUSED;
	} else {
		error = n->len ? 0 : -EINVAL;
	}
	if (!error) {
		spin_lock(&unix_lock);
		s = path.dentry ? find_inode(path.dentry->inode) : find_abstract(n, type);
		if (s && s->type == type)
			unix_get(s);
		else
			error = s ? -EPROTOTYPE : -ECONNREFUSED;
		spin_unlock(&unix_lock);
	}
	if (path.dentry)
		path_put(&path);
	unix_name_put(n);
	return error ? ERR_PTR(error) : s;
}
