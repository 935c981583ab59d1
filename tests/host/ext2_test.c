/*
 * Tests of fs/ext2 on an image made by mke2fs. Each one gets its image by $EXT2_IMAGE; ext2_suite.py makes it, and judges
 * what comes back by e2fsck and debugfs.
 */
#include "ext2_host.h"

#include "mm/pagecache.h"

static struct super_block *mount_image(u32 flags)
{
	struct super_block *sb;
	size_t size;
	void *data = file_load("EXT2_IMAGE", &size);

	pagecache_init();
	disk_open(data, size);
	CHECK_EQ(fs_mount(flags, &sb), 0);
	return sb;
}

static void save(void) { file_save("EXT2_OUT", disk_data, disk.sectors * 512); }

TEST(ext2_read, "what mke2fs wrote is read, three times the same")
{
	struct super_block *sb = mount_image(0);
	struct model *m = model_root(sb);

	model_verify(m);
	fs_drop_caches(sb);
	model_verify(m);
	model_manifest(m);
	fs_umount(sb);
	save();
}

TEST(ext2_random, "random operations against a model; unmount and mount in between")
{
	struct super_block *sb = mount_image(0);
	struct model *m = model_root(sb);
	unsigned steps = (unsigned)sys_option("steps", 1500);

	for (unsigned i = 0; i < steps; i++) {
		model_step(m);
		if (sys_option("enospc", 0) && i % 100 == 0)
			model_fill(m, host_random(30000));
		if (i % 400 == 399) {
			CHECK_EQ(fs_sync(sb), 0);
			model_verify(m);
		}
		if (i % 170 == 169)
			fs_drop_caches(sb);
	}
	model_close(m);
	model_verify(m);
	fs_drop_caches(sb);
	model_verify(m);
	model_manifest(m);
	if (sys_option("enospc", 0))
		CHECK(model_enospc > 0);
	if (sys_option("umount", 1))
		fs_umount(sb);
	else
		CHECK_EQ(fs_sync(sb), 0);
	save();
}

TEST(ext2_times, "times, owners and device numbers survive: nanoseconds and years to 2310 in large inodes, 32 bits in small ones")
{
	static const s64 seconds[] = { 0, 1, -1, 1700000000, 0x7fffffff, 0x80000000, -0x80000000L, 0xffffffff, 0x17fffffff, 0x27fffffff, 1L << 50, -(1L << 50) };
	struct super_block *sb = mount_image(0);
	struct inode *root = sb->root->inode, *inode;
	bool large = ext2_s(root)->inode_size > 128;

	CHECK_EQ(root->ops->create(root, "t", 1, S_IFREG | 0644, 0, &inode), 0);
	inode_put(inode);
	for (unsigned i = 0; i < ARRAY_SIZE(seconds); i++) {
		struct iattr a = { .valid = ATTR_ATIME | ATTR_MTIME, .atime = { seconds[i], 123456789 }, .mtime = { seconds[i], 999999999 } };
		s64 want = max(min(seconds[i], large ? 0x27fffffffL : 0x7fffffffL), -0x80000000L);

		CHECK_EQ(root->ops->lookup(root, "t", 1, &inode), 0);
		CHECK_EQ(inode->ops->setattr(inode, &a), 0);
		inode_put(inode);	/* the last reference: from here on it is on the disk only */
		CHECK_EQ(root->ops->lookup(root, "t", 1, &inode), 0);
		CHECK_EQ(inode->atime.tv_sec, want);
		CHECK_EQ(inode->mtime.tv_sec, want);
		CHECK_EQ(inode->atime.tv_nsec, large ? 123456789 : 0);
		CHECK_EQ(inode->mtime.tv_nsec, large ? 999999999 : 0);
		inode_put(inode);
	}
	fs_umount(sb);
	save();
}

TEST(ext2_many_names, "a directory of thousands: blocks are found, freed room is used again")
{
	struct super_block *sb = mount_image(0);
	struct inode *root = sb->root->inode, *dir, *file, *found;
	char name[32];
	loff_t size;

	CHECK_EQ(root->ops->mkdir(root, "many", 4, 0755, &dir), 0);
	CHECK_EQ(root->ops->create(root, "file", 4, S_IFREG | 0644, 0, &file), 0);
	for (unsigned i = 0; i < 3000; i++) {
		sys_snprintf(name, sizeof(name), "name-%u", i);
		CHECK_EQ(dir->ops->link(dir, name, strlen(name), file), 0);
	}
	size = dir->mapping.size;
	for (unsigned i = 0; i < 3000; i += 2) {
		sys_snprintf(name, sizeof(name), "name-%u", i);
		CHECK_EQ(dir->ops->unlink(dir, name, strlen(name), file), 0);
	}
	for (unsigned i = 0; i < 3000; i++) {
		sys_snprintf(name, sizeof(name), "name-%u", i);
		CHECK_EQ(dir->ops->lookup(dir, name, strlen(name), &found), i % 2 ? 0 : -ENOENT);
		if (i % 2)
			inode_put(found);
	}
	for (unsigned i = 0; i < 3000; i += 2) {
		sys_snprintf(name, sizeof(name), "back-%u", i);
		CHECK_EQ(dir->ops->link(dir, name, strlen(name), file), 0);
	}
	CHECK_EQ(dir->mapping.size, size);
	CHECK_EQ(file->nlink, 3001);
	inode_put(dir);
	inode_put(file);
	fs_umount(sb);
	save();
}

TEST(ext2_clean, "the disk says clean after one sync, not after a change, and clean again after the next sync")
{
	struct super_block *sb = mount_image(0);
	struct ext2_super_disk *d = (struct ext2_super_disk *)(disk_data + 1024);
	struct inode *root = sb->root->inode, *inode;

	for (unsigned i = 0; i < 5; i++) {
		char name[2] = { (char)('a' + i), 0 };

		CHECK(d->state & EXT2_STATE_VALID);
		CHECK_EQ(root->ops->mkdir(root, name, 1, 0755, &inode), 0);
		inode_put(inode);
		CHECK_EQ(mapping_writeback(&ext2_s(root)->meta, 0, 100000, true), 0);	/* as the thread does */
		CHECK(!(d->state & EXT2_STATE_VALID));
		CHECK_EQ(fs_sync(sb), 0);
	}
	CHECK(d->state & EXT2_STATE_VALID);
	save();		/* as after a power cut */
}

TEST(ext2_mounting, "what cannot be mounted is refused, unknown read-only features mount read-only")
{
	struct super_block *sb;
	size_t size;
	u8 *data = file_load("EXT2_IMAGE", &size);
	struct ext2_super_disk *d = (struct ext2_super_disk *)(data + 1024), good = *d;
	struct inode *inode;

	pagecache_init();
	disk_open(data, size);
	d->feature_incompat |= 0x40;
	CHECK_EQ(fs_mount(0, &sb), -EINVAL);
	CHECK(host_log_contains("incompatible features 0x40"));
	*d = good;
	d->magic = 0;
	CHECK_EQ(fs_mount(0, &sb), -EINVAL);
	CHECK(host_log_contains("bad magic"));
	*d = good;
	disk.sectors = size / 1024;
	CHECK_EQ(fs_mount(0, &sb), -EUCLEAN);
	CHECK(host_log_contains("longer than the device"));
	disk.sectors = 3;
	CHECK_EQ(fs_mount(0, &sb), -EIO);
	disk.sectors = size / 512;
	d->feature_ro_compat |= 0x400;
	CHECK_EQ(fs_mount(0, &sb), 0);
	CHECK(sb->flags & MS_RDONLY);
	sb->flags &= ~(u32)MS_RDONLY;	/* as a remount would */
	CHECK_EQ(sb->root->inode->ops->create(sb->root->inode, "x", 1, S_IFREG, 0, &inode), -EROFS);
	fs_umount(sb);
	*d = good;
	CHECK_EQ(fs_mount(MS_RDONLY, &sb), 0);
	CHECK_EQ(sb->root->inode->ops->mkdir(sb->root->inode, "x", 1, 0755, &inode), -EROFS);
	fs_umount(sb);
	CHECK(!memcmp(d, &good, sizeof(good)));
	save();
}

static unsigned tasks_running;
static void task_main(void *arg)
{
	struct model *m = arg;

	for (unsigned i = 0; i < 300; i++)
		model_step(m);
	model_close(m);
	tasks_running--;
}

static void task_sync(void *arg)
{
	struct super_block *sb = arg;

	while (tasks_running) {
		fs_sync(sb);
		cpu_relax();
	}
}

TEST(ext2_tasks, "four tasks in directories of their own and sync beside them, interleaved at random")
{
	struct super_block *sb = mount_image(0);
	struct model *m[4];
	struct task *t[4], *syncer;
	char name[8] = "task0";

	for (unsigned i = 0; i < 4; i++, name[4]++)
		m[i] = model_below(sb, name);
	tasks_running = 4;
	disk_slow = (unsigned)sys_option("slow", (unsigned[]){ 0, 50, 300 }[sys_option("seed", 1) % 3]);
	host_explore(sys_option("seed", 1), 40);
	for (unsigned i = 0; i < 4; i++)
		t[i] = host_spawn("worker", NULL, task_main, m[i]);
	syncer = host_spawn("sync", NULL, task_sync, sb);
	for (unsigned i = 0; i < 4; i++)
		host_join(t[i]);
	host_join(syncer);
	host_explore(0, 0);
	for (unsigned i = 0; i < 4; i++)
		model_verify(m[i]);
	fs_umount(sb);
	save();
}
