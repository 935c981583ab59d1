/*
 * devpts: the names of the slaves of pseudo-terminals, /dev/pts/N. Names and inodes are made anew at each lookup; mode and owner
 * are kept with the pair (drivers/pty.h). It may be mounted several times and shows the same everywhere.
 */
#include "drivers/pty.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"

#define INO_ROOT 1
#define INO_PTMX 2
#define INO_FIRST 3			/* + N */

/* Mount options; of the last mount. Written and read racily: each is a word. */
static u32 opt_mode = 0600, opt_ptmx_mode, opt_uid, opt_gid;
static bool opt_has_uid, opt_has_gid;

static const struct inode_ops root_iops, slave_iops, plain_iops;
static const struct file_ops root_fops;
static struct file_ops slave_fops;	/* tty_file_ops and slave_open */

void devpts_defaults(u32 *mode, u32 *uid, u32 *gid)
{
	*mode = opt_mode;
	if (opt_has_uid)
		*uid = opt_uid;
	if (opt_has_gid)
		*gid = opt_gid;
}

/* --- inodes; the slave's serial number is inode->private --- */

static u64 serial_of(const struct inode *inode) { return (u64)inode->private; }

static struct inode *make_node(struct super_block *sb, u64 ino, u32 mode, u64 rdev, struct timespec64 time)
{
	struct inode *inode = inode_new(sb, 0);

	if (!inode)
		return NULL;
	inode->ino = ino;
	inode->mode = mode;
	inode->rdev = rdev;
	inode->atime = inode->mtime = inode->ctime = time;
	return inode;
}

static struct timespec64 now(void)
{
	u64 ns = realtime_ns();

	return (struct timespec64){ (s64)(ns / 1000000000), (s64)(ns % 1000000000) };
}

static struct inode *make_ptmx(struct super_block *sb)
{
	struct inode *inode = make_node(sb, INO_PTMX, S_IFCHR | opt_ptmx_mode, make_dev(5, 2), now());

	if (inode) {
		inode->ops = &plain_iops;
		inode->fops = &ptmx_ops;
	}
	return inode;
}

static struct inode *make_slave(struct super_block *sb, int index)
{
	u64 serial = pty_serial(index);
	struct pty_attributes a;

	if (!serial || !pty_attributes(serial, &a))
		return NULL;
	struct inode *inode = make_node(sb, INO_FIRST + (u64)index, S_IFCHR | a.mode, make_dev(136, (u32)index), a.time);
	if (inode) {
		inode->uid = a.uid;
		inode->gid = a.gid;
		inode->ops = &slave_iops;
		inode->fops = &slave_fops;
		inode->private = (void *)serial;
	}
	return inode;
}

static int slave_setattr(struct inode *inode, const struct iattr *attr)
{
	inode_copy_attr(inode, attr);
	pty_set_attributes(serial_of(inode), attr);
	return 0;
}

/* Another inode of the same slave may have been changed. */
static void slave_getattr(struct inode *inode, struct kstat *st)
{
	struct pty_attributes a;

	if (!pty_attributes(serial_of(inode), &a))
		return;
	st->mode = S_IFCHR | a.mode;
	st->uid = a.uid;
	st->gid = a.gid;
}

static int slave_open(struct inode *inode, struct file *file) { return pty_open_slave(serial_of(inode), file); }

/* --- the directory --- */

/* A decimal number as it is printed, or -1. */
static int number(const char *s, size_t len)
{
	int n = 0;

	if (!len || len > 4 || (len > 1 && s[0] == '0'))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		n = n * 10 + (s[i] - '0');
	}
	return n;
}

static int lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	int n = number(name, len);

	if (len == 4 && !memcmp(name, "ptmx", 4))
		*out = make_ptmx(dir->sb);
	else if (n < 0 || !pty_serial(n))
		return -ENOENT;
	else
		*out = make_slave(dir->sb, n);
	return *out ? 0 : -ENOMEM;
}

/* Positions: "." 0, ".." 1, ptmx 2, slave N at 3 + N. */
static int iterate(struct file *file, struct dir_context *ctx)
{
	static const struct { const char *name; u64 ino; unsigned type; } fixed[] = {
		{ ".", INO_ROOT, S_IFDIR >> 12 }, { "..", INO_ROOT, S_IFDIR >> 12 }, { "ptmx", INO_PTMX, S_IFCHR >> 12 },
	};
	char name[16];
	int n;

	for (; file->pos < (loff_t)ARRAY_SIZE(fixed); file->pos++)
		if (!ctx->emit(ctx, fixed[file->pos].name, strlen(fixed[file->pos].name), fixed[file->pos].ino, fixed[file->pos].type, file->pos + 1))
			return 0;
	while (file->pos < 3 + NR_PTYS && (n = pty_next((int)file->pos - 3)) >= 0) {
		size_t len = (size_t)ksnprintf(name, sizeof(name), "%d", n);
		if (!ctx->emit(ctx, name, len, INO_FIRST + (u64)n, S_IFCHR >> 12, 4 + n))
			return 0;
		file->pos = 4 + n;
	}
	return 0;
}

static int plain_setattr(struct inode *inode, const struct iattr *attr)
{
	inode_copy_attr(inode, attr);
	return 0;
}

static const struct inode_ops root_iops = { .lookup = lookup, .setattr = plain_setattr };
static const struct inode_ops slave_iops = { .setattr = slave_setattr, .getattr = slave_getattr };
static const struct inode_ops plain_iops = { .setattr = plain_setattr };
static const struct file_ops root_fops = { .iterate = iterate, .llseek = generic_llseek };

/* --- the file system --- */

static const struct super_ops sops = { 0 };

static bool option(const char *p, const char *name, unsigned base, u32 *value)
{
	size_t n = strlen(name);
	u32 v = 0;

	if (strncmp(p, name, n))
		return false;
	for (p += n; *p >= '0' && *p < '0' + (int)base; p++)
		v = v * base + (u32)(*p - '0');
	*value = v;
	return true;
}

/* uid= gid= mode= ptmxmode=; newinstance and max= are accepted, there is one instance. */
static int parse(const char *p)
{
	u32 ignored;

	opt_mode = 0600;
	opt_ptmx_mode = 0;
	opt_has_uid = opt_has_gid = false;
	while (p && *p) {
		if (option(p, "uid=", 10, &opt_uid))
			opt_has_uid = true;
		else if (option(p, "gid=", 10, &opt_gid))
			opt_has_gid = true;
		else if (!option(p, "mode=", 8, &opt_mode) && !option(p, "ptmxmode=", 8, &opt_ptmx_mode) &&
			 !option(p, "max=", 10, &ignored) && strncmp(p, "newinstance", 11))
			return -EINVAL;
		p = strchr(p, ',');
		p += p != NULL;
	}
	return 0;
}

static int mount(struct block_device *dev, u32 flags, const char *options, struct super_block **out)
{
	int error = parse(options);
	struct super_block *sb = error ? NULL : super_alloc("devpts");
	struct inode *root;

	if (!sb)
		return error ? error : -ENOMEM;
	sb->ops = &sops;
	sb->magic = DEVPTS_SUPER_MAGIC;
	sb->block_size = 1024;
	sb->uncached = true;
	root = make_node(sb, INO_ROOT, S_IFDIR | 0755, 0, now());
	if (root) {
		root->ops = &root_iops;
		root->fops = &root_fops;
		root->nlink = 2;
	}
	return super_rooted(sb, root, out);
}

void devpts_init(void)
{
	static struct fs_type type = { .name = "devpts", .mount = mount };

	slave_fops = tty_file_ops;
	slave_fops.open = slave_open;
	fs_register(&type);
}
