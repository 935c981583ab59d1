/*
 * /proc/fail (root): one thing of the future fails. Writing "alloc=N", "access=N" or "io=N" makes the Nth allocation, or access to user memory (debug
 * build only), of the writing task, or the Nth request to ram0 of anybody, fail; N = 0: none. Reading: how many are still to come, 0 after it has failed.
 */
#include "fs/procfs.h"

#include "drivers/block.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/usercopy.h"

static const struct fail_kind {
	const char *name;
	void (*arm)(u64 nth);
	u64 (*left)(void);
} kinds[] = {
	{ "alloc", alloc_fail_arm, alloc_fail_left }, { "access", access_fail_arm, access_fail_left }, { "io", ramdisk_fail_arm, ramdisk_fail_left },
};

int proc_show_fail(struct text *t, const struct proc_subject *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		text_printf(t, "%s %lu\n", kinds[i].name, kinds[i].left());
	return 0;
}

int proc_write_fail(const struct proc_subject *s, char *buf, size_t n)
{
	char *value = strchr(buf, '=');
	s64 nth;
	int error;

	if (!value)
		return -EINVAL;
	*value++ = 0;
	error = proc_number(value, 0, 1L << 40, &nth);
	for (size_t i = 0; !error && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(buf, kinds[i].name)) {
			if (kinds[i].arm == access_fail_arm && !DEBUG_BUILD)
				return -EINVAL;
			kinds[i].arm((u64)nth);
			return 0;
		}
	return error ? error : -EINVAL;
}
