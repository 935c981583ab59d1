/* /proc/sys: what can be asked, and a little that can be set. Numbers end with a newline, as with Linux. */
#include "fs/procfs.h"

#include "kernel/random.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/page.h"
#include "mm/reclaim.h"
#include "mm/slab.h"

#define SHOW_TEXT(fn, ...) static int fn(struct text *t, const struct proc_subject *s) { text_printf(t, __VA_ARGS__); return 0; }

/* --- kernel/ --- */

static int show_uts(struct text *t, size_t field)
{
	struct new_utsname uts;

	uts_read(&uts);
	text_string(t, (const char *)&uts + field);
	text_add(t, "\n", 1);
	return 0;
}

#define SHOW_UTS(fn, field) static int fn(struct text *t, const struct proc_subject *s) { return show_uts(t, offsetof(struct new_utsname, field)); }
SHOW_UTS(show_ostype, sysname)
SHOW_UTS(show_osrelease, release)
SHOW_UTS(show_version, version)
SHOW_UTS(show_hostname, nodename)
SHOW_UTS(show_domainname, domainname)

/* Names end at the newline. */
static int write_name(char *buf, bool domain)
{
	char *newline = strchr(buf, '\n');

	if (newline)
		*newline = 0;
	if (strlen(buf) > 64)
		return -EINVAL;
	uts_write(buf, domain);
	return 0;
}

static int write_hostname(const struct proc_subject *s, char *buf, size_t n) { return write_name(buf, false); }
static int write_domainname(const struct proc_subject *s, char *buf, size_t n) { return write_name(buf, true); }

SHOW_TEXT(show_pid_max, "%d\n", PID_MAX)
SHOW_TEXT(show_threads_max, "%d\n", PID_MAX - 1)
SHOW_TEXT(show_ngroups_max, "%d\n", (int)ARRAY_SIZE(current->process->groups))
SHOW_TEXT(show_cap_last_cap, "40\n")
SHOW_TEXT(show_overflowid, "65534\n")
SHOW_TEXT(show_zero, "0\n")
SHOW_TEXT(show_printk, "%d\t%d\t1\t7\n", log_console_level(), LOG_DEFAULT_LEVEL)
SHOW_TEXT(show_core_pattern, "\n")

/* The first of the four numbers: messages of a lower level go to the console. */
static int write_printk(const struct proc_subject *s, char *buf, size_t n)
{
	s64 v;
	int error = proc_number(buf, 1, 15, &v);

	if (!error)
		log_set_console_level((int)v);
	return error;
}

/* --- kernel/random/ --- */

static void add_uuid(struct text *t, const u8 raw[16])
{
	for (int i = 0; i < 16; i++)
		text_printf(t, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", i == 6 ? (raw[i] & 15) | 0x40 : i == 8 ? (raw[i] & 0x3f) | 0x80 : raw[i]);
	text_add(t, "\n", 1);
}

static int show_uuid(struct text *t, const struct proc_subject *s)
{
	u8 raw[16];

	random_bytes(raw, sizeof(raw));
	add_uuid(t, raw);
	return 0;
}

/* One for each boot, made when it is first asked for. */
static int show_boot_id(struct text *t, const struct proc_subject *s)
{
	static struct mutex lock = MUTEX_INIT(lock, "boot_id", RANK_LAST_SLEEPING);
	static u8 id[16];			/* lock */
	static bool made;			/* lock */
	u8 copy[16];

	mutex_lock(&lock);
	if (!made)
		random_bytes(id, sizeof(id));
	made = true;
	memcpy(copy, id, sizeof(id));
	mutex_unlock(&lock);
	add_uuid(t, copy);
	return 0;
}

SHOW_TEXT(show_entropy, "256\n")

/* --- vm/ --- */

SHOW_TEXT(show_max_map_count, "65530\n")
SHOW_TEXT(show_mmap_min_addr, "%lu\n", MMAP_MIN_ADDR)
SHOW_TEXT(show_overcommit_ratio, "50\n")

/* 1 and 3: forget clean pages of files. 2 (names and inodes) is trimmed by itself. */
static int write_drop_caches(const struct proc_subject *s, char *buf, size_t n)
{
	s64 v;
	int error = proc_number(buf, 1, 4, &v);

	if (error)
		return error;
	if (v & 1)
		reclaim_clean();
	return 0;
}

/* --- fs/ --- */

static void find_files(const struct slab_info *info, void *arg)
{
	if (!strcmp(info->name, "file"))
		*(u64 *)arg += info->used;
}

static u64 open_files(void)
{
	u64 n = 0;

	slab_statistics(find_files, &n);
	return n;
}

SHOW_TEXT(show_file_max, "%lu\n", page_total_count() * PAGE_SIZE / 10240)
SHOW_TEXT(show_file_nr, "%lu\t0\t%lu\n", open_files(), page_total_count() * PAGE_SIZE / 10240)
SHOW_TEXT(show_nr_open, "1048576\n")
static int show_aio_nr(struct text *t, const struct proc_subject *s) { text_printf(t, "%u\n", aio_total_events()); return 0; }
static int show_aio_max_nr(struct text *t, const struct proc_subject *s) { text_printf(t, "%u\n", aio_max_events()); return 0; }
SHOW_TEXT(show_pipe_max_size, "1048576\n")

/* --- the tables --- */

#define PROC_SET(n, f, w) { .name = n, .mode = S_IFREG | 0644, .show = f, .write = w }

static const struct proc_item random_items[] = {
	PROC_FILE("boot_id", show_boot_id), PROC_FILE("entropy_avail", show_entropy), PROC_FILE("poolsize", show_entropy), PROC_FILE("uuid", show_uuid),
	{ .name = NULL },
};

static const struct proc_item kernel_items[] = {
	PROC_FILE("cap_last_cap", show_cap_last_cap), PROC_FILE("core_pattern", show_core_pattern), PROC_FILE("dmesg_restrict", show_zero),
	PROC_SET("domainname", show_domainname, write_domainname), PROC_SET("hostname", show_hostname, write_hostname),
	PROC_FILE("ngroups_max", show_ngroups_max), PROC_FILE("osrelease", show_osrelease), PROC_FILE("ostype", show_ostype),
	PROC_FILE("overflowgid", show_overflowid), PROC_FILE("overflowuid", show_overflowid), PROC_FILE("pid_max", show_pid_max),
	PROC_SET("printk", show_printk, write_printk), PROC_DIR("random", random_items),
	PROC_SET("sem", proc_show_sem, proc_write_sem), PROC_SET("shmall", proc_show_shmall, proc_write_shmall), PROC_SET("shmmax", proc_show_shmmax, proc_write_shmmax),
	PROC_SET("shmmni", proc_show_shmmni, proc_write_shmmni), PROC_FILE("shm_rmid_forced", show_zero), PROC_FILE("tainted", show_zero),
	PROC_FILE("threads-max", show_threads_max), PROC_FILE("version", show_version),
	{ .name = NULL },
};

static const struct proc_item vm_items[] = {
	{ .name = "drop_caches", .mode = S_IFREG | 0200, .write = write_drop_caches },
	PROC_FILE("max_map_count", show_max_map_count), PROC_FILE("mmap_min_addr", show_mmap_min_addr), PROC_FILE("nr_hugepages", show_zero),
	PROC_FILE("overcommit_memory", show_zero), PROC_FILE("overcommit_ratio", show_overcommit_ratio), PROC_FILE("swappiness", show_zero),
	{ .name = NULL },
};

static const struct proc_item fs_items[] = {
	PROC_FILE("aio-max-nr", show_aio_max_nr), PROC_FILE("aio-nr", show_aio_nr),
	PROC_FILE("file-max", show_file_max), PROC_FILE("file-nr", show_file_nr), PROC_FILE("nr_open", show_nr_open),
	PROC_FILE("overflowgid", show_overflowid), PROC_FILE("overflowuid", show_overflowid), PROC_FILE("pipe-max-size", show_pipe_max_size),
	{ .name = NULL },
};

const struct proc_item proc_sys_items[] = {
	PROC_DIR("fs", fs_items), PROC_DIR("kernel", kernel_items), PROC_DIR("vm", vm_items),
	{ .name = NULL },
};
