/* What is mounted where, as seen from the reader's root: /proc/mounts (self/mounts) and mountinfo. */
#include "fs/procfs.h"

#include "mm/slab.h"

static const char *access_of(const struct mount *m)
{
	return (m->flags | m->sb->flags) & MS_RDONLY ? "ro" : "rw";
}

static void add_options(struct text *t, u32 flags)
{
	static const struct { u32 flag; const char *name; } names[] = {
		{ MS_NOSUID, ",nosuid" }, { MS_NODEV, ",nodev" }, { MS_NOEXEC, ",noexec" }, { MS_NOATIME, ",noatime" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			text_string(t, names[i].name);
	if (!(flags & MS_NOATIME))
		text_string(t, ",relatime");
}

static void mounts_line(struct text *t, const struct mount *m, const char *place)
{
	text_escaped(t, m->source[0] ? m->source : "none", " \t\n#");
	text_add(t, " ", 1);
	text_escaped(t, place, " \t\n");
	text_printf(t, " %s %s", m->sb->type, access_of(m));
	add_options(t, m->flags);
	text_string(t, " 0 0\n");
}

static void mountinfo_line(struct text *t, const struct mount *m, const char *place)
{
	char root[128];

	text_printf(t, "%u %u %u:%u ", m->id, m->parent ? m->parent->id : m->id, dev_major(m->sb->dev), dev_minor(m->sb->dev));
	text_escaped(t, dentry_path(m->root, root, sizeof(root)) < 0 ? "?" : root, " \t\n");
	text_string(t, " ");
	text_escaped(t, place, " \t\n");
	text_printf(t, " %s", access_of(m));
	add_options(t, m->flags);
	text_printf(t, " - %s ", m->sb->type);
	text_escaped(t, m->source[0] ? m->source : "none", " \t\n");
	text_printf(t, " %s\n", m->sb->flags & MS_RDONLY ? "ro" : "rw");
}

static int each_mount(struct text *t, void (*line)(struct text *t, const struct mount *m, const char *place))
{
	char *place = kmalloc(PATH_MAX);
	struct mount *m;

	if (!place)
		return -ENOMEM;
	mutex_lock(&mount_mutex);
	list_for_each(m, &mount_list, node) {
		struct path where = { m, m->root };
		if (file_path(&where, place, PATH_MAX) >= 0)
			line(t, m, place);
	}
	mutex_unlock(&mount_mutex);
	kfree(place);
	return 0;
}

int proc_show_mounts(struct text *t, const struct proc_subject *s) { return each_mount(t, mounts_line); }
int proc_show_mountinfo(struct text *t, const struct proc_subject *s) { return each_mount(t, mountinfo_line); }
