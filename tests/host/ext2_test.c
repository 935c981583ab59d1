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
