/*
 * Where things go wrong: corrupt images, failing I/O, no memory. Operations may return any error; nothing may crash, hang or
 * leak. Without corruption and I/O errors the file system must be whole in the end, whatever memory there was.
 */
#include "ext2_host.h"

#include "mm/reclaim.h"

/* --- everything one can do, any result allowed --- */

static unsigned mounted;
static unsigned budget;		/* of steps: a corrupt tree may be large */

static ssize_t rw(struct inode *inode, void *buf, size_t n, loff_t pos, bool write)
{
	struct file file = { .inode = inode, .ops = inode->fops };
	struct iov_iter it;

	iter_init_kernel_buf(&it, buf, n);
	return write ? file.ops->write(&file, &it, &pos) : file.ops->read(&file, &it, &pos);
}

struct names {
	struct dir_context ctx;
	unsigned n;
	char name[48][256];
};

static bool take_name(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type, loff_t next)
{
	struct names *list = container_of(ctx, struct names, ctx);

	CHECK(len > 0 && len < 256 && type < 16);
	if (list->n == ARRAY_SIZE(list->name))
		return false;
	memcpy(list->name[list->n], name, len);
	list->name[list->n++][len] = 0;
	return true;
}

static int look(struct inode *dir, const char *name, struct inode **out)
{
	down_read(&dir->i_rwsem);
	int error = dir->ops->lookup(dir, name, strlen(name), out);
	up_read(&dir->i_rwsem);
	return error;
}

static void read_some(struct inode *inode)
{
	u8 *buf = sys_calloc(20000);
	loff_t size = inode->mapping.size;

	rw(inode, buf, 20000, 0, false);
	rw(inode, buf, 8192, size > 8192 ? size - 8192 : 0, false);
	for (unsigned i = 0; i < 4; i++)
		rw(inode, buf, 5000, (loff_t)((u64)host_random(1U << 30) * host_random(64) % (u64)(size + 1)), false);
	sys_free(buf);
}

static void change_file(struct inode *inode)
{
	u8 *buf = sys_calloc(9000);
	struct iattr a = { .valid = ATTR_SIZE, .size = host_random(2) ? 0 : (loff_t)host_random(300000) };

	rw(inode, buf, 1 + host_random(9000), host_random(3) ? (loff_t)host_random(80000) : (loff_t)host_random(1U << 30), true);
	if (host_random(2)) {
		down_write(&inode->i_rwsem);
		inode->ops->setattr(inode, &a);
		up_write(&inode->i_rwsem);
	}
	sys_free(buf);
}

/* One of the names of a directory: remove, rename, link it, or make another. */
static void change_dir(struct inode *dir, struct inode *inode, const char *name)
{
	struct inode *made = NULL;
	int error;
	char fresh[16];
	size_t len;

	sys_snprintf(fresh, sizeof(fresh), "new%u", host_random(50));
	len = strlen(fresh);
	down_write(&dir->i_rwsem);
	switch (host_random(5)) {
	case 0:
	case 1:
		if (S_ISDIR(inode->mode))
			dir->ops->rmdir(dir, name, strlen(name), inode);
		else
			dir->ops->unlink(dir, name, strlen(name), inode);
		break;
	case 2:
		error = dir->ops->lookup(dir, fresh, len, &made);
		if (error == -ENOENT)
			dir->ops->rename(dir, name, strlen(name), inode, dir, fresh, len, NULL);
		break;
	case 3:
		if (dir->ops->lookup(dir, fresh, len, &made) == -ENOENT)
			dir->ops->mkdir(dir, fresh, len, 0755, &made);
		break;
	default:
		if (dir->ops->lookup(dir, fresh, len, &made) == -ENOENT)
			dir->ops->create(dir, fresh, len, S_IFREG | 0644, 0, &made);
	}
	up_write(&dir->i_rwsem);
	if (made)
		inode_put(made);
}

static void walk(struct inode *dir, unsigned depth, bool change)
{
	struct names *list = sys_calloc(sizeof(*list));
	struct file file = { .inode = dir };

	list->ctx.emit = take_name;
	CHECK(depth < 40);
	for (loff_t before = -1; file.pos != before && budget; ) {
		before = file.pos;
		list->n = 0;
		down_read(&dir->i_rwsem);
		dir->fops->iterate(&file, &list->ctx);
		up_read(&dir->i_rwsem);
		for (unsigned i = 0; i < list->n && budget; i++, budget--) {
			struct inode *inode;
			char target[4096];
			if (!strcmp(list->name[i], ".") || !strcmp(list->name[i], "..") || look(dir, list->name[i], &inode))
				continue;
			if (S_ISDIR(inode->mode))
				walk(inode, depth + 1, change);
			else if (S_ISREG(inode->mode))
				read_some(inode);
			else if (S_ISLNK(inode->mode))
				inode->ops->readlink(inode, target, sizeof(target));
			if (change && S_ISREG(inode->mode) && host_random(2))
				change_file(inode);
			if (change && host_random(2))
				change_dir(dir, inode, list->name[i]);
			inode_put(inode);
		}
	}
	sys_free(list);
}

void fuzz_use_image(u32 flags)
{
	struct super_block *sb;

	if (fs_mount(flags, &sb))
		return;
	mounted++;
	budget = 600;
	walk(sb->root->inode, 0, false);
	budget = 600;
	walk(sb->root->inode, 0, true);
	fs_sync(sb);
	budget = 600;
	walk(sb->root->inode, 0, true);
	fs_umount(sb);
}

/* --- corrupt images --- */

/* Somewhere that matters: the super block, descriptors, bitmaps, inodes, directories, indirect blocks. */
static size_t pick_place(const u8 *image, size_t size)
{
	const struct ext2_super_disk *d = (const struct ext2_super_disk *)(image + 1024);
	u32 block_size = 1024U << (d->log_block_size & 3);
	const struct ext2_group_disk *g = (const struct ext2_group_disk *)(image + (size_t)(d->first_data_block + 1) * block_size);
	size_t inodes = (size_t)g->inode_table * block_size, inode_size = d->inode_size;

	if (inodes + 64 * inode_size > size)
		return host_random((u32)size);
	switch (host_random(8)) {
	case 0: return 1024 + host_random(200);
	case 1: return (size_t)((const u8 *)g - image) + host_random(32);
	case 2: return (size_t)g->block_bitmap * block_size + host_random(block_size);
	case 3: return (size_t)g->inode_bitmap * block_size + host_random(block_size);
	case 4: return inodes + inode_size + host_random((u32)inode_size);	/* the root */
	case 5: case 6: return inodes + (size_t)host_random(40) * inode_size + host_random(128);
	}
	/* A block that an inode points to: a directory's, or an indirect one. */
	const struct ext2_inode_disk *raw = (const struct ext2_inode_disk *)(image + inodes + host_random(40) * inode_size);
	u32 block = raw->block[(raw->mode & S_IFMT) == S_IFDIR || host_random(2) ? 0 : EXT2_IND + host_random(3)];
	return (size_t)block * block_size < size - block_size ? (size_t)block * block_size + host_random(host_random(2) ? 64 : block_size) : inodes;
}

static void corrupt(u8 *image, const u8 *good, size_t size)
{
	static const u32 nasty[] = { 0, 1, 2, 11, 12, 0xff, 0xffff, 0x8000, 0x7fffffff, 0xffffffff, 0x40000000, 4096, 1024 };
	unsigned n = 1 + host_random(6);

	while (n--) {
		size_t at = pick_place(good, size) & (host_random(2) ? ~(size_t)3 : ~(size_t)0);
		u32 value = host_random(2) ? nasty[host_random(ARRAY_SIZE(nasty))] : host_random((u32)(size / 1024) + 20);
		if (at + 4 > size)
			continue;
		if (host_random(3) == 0)
			image[at] ^= (u8)(1 << host_random(8));
		else if (host_random(2))
			image[at] = (u8)value;
		else
			memcpy(image + at, &value, 4);
	}
}

TEST(ext2_fuzz, "corrupt images: mount, walk, change everything: no crash, no hang, no leak")
{
	unsigned rounds = (unsigned)sys_option("rounds", 150);
	size_t size;
	u8 *good = file_load("EXT2_IMAGE", &size), *bad = sys_calloc(size);

	pagecache_init();
	disk_lenient = true;
	disk_open(bad, size);
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(bad, good, size);
		host_log_clear();
		if (i)		/* the first time everything is right: caches of objects grow */
			corrupt(bad, good, size);
		file_save("EXT2_OUT", bad, size);	/* what to look at if it crashes */
		disk.sectors = host_random(20) ? size / 512 : host_random((u32)(size / 512));
		fuzz_use_image(host_random(8) ? 0 : MS_RDONLY);
		reclaim_pages(~0U);
		if (i == 5)
			check_leaks_begin();
	}
	check_leaks_end();
	CHECK(mounted > rounds / 2);	/* otherwise nothing was tested */
}

TEST(ext2_io_errors, "reads and writes that fail now and then: errors, no crash, no leak")
{
	size_t size;
	u8 *good = file_load("EXT2_IMAGE", &size), *data = sys_calloc(size);

	pagecache_init();
	disk_open(data, size);
	for (unsigned i = 0; i < 30; i++) {
		memcpy(data, good, size);
		disk_fail_read = i && i % 3 ? -5 - (int)host_random(60) : 0;
		disk_fail_write = i && i % 2 ? -5 - (int)host_random(60) : 0;
		fuzz_use_image(0);
		reclaim_pages(~0U);
		if (i == 1)
			check_leaks_begin();
	}
	check_leaks_end();
}

TEST(ext2_no_memory, "allocations that fail now and then: errors, and a whole file system in the end")
{
	size_t size;
	u8 *good = file_load("EXT2_IMAGE", &size), *data = sys_calloc(size);
	struct super_block *sb;

	pagecache_init();
	memcpy(data, good, size);
	disk_open(data, size);
	CHECK_EQ(fs_mount(0, &sb), 0);
	for (unsigned i = 0; i < 12; i++) {
		memory_fail_rate = 4 + host_random(40);
		budget = 300;
		walk(sb->root->inode, 0, true);
		fs_sync(sb);
		if (i % 4 == 3)
			reclaim_pages(~0U);
	}
	memory_fail_rate = 0;
	CHECK(!host_log_contains("lost") && !host_log_contains("stay") && !host_log_contains("could not"));
	CHECK_EQ(fs_sync(sb), 0);
	fs_umount(sb);
	file_save("EXT2_OUT", disk_data, size);
}
