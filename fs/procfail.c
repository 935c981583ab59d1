/*
 * /proc/fail (root): one thing of the future fails. Writing "KIND=N[,EVERY] [tree]" makes the Nth of that kind fail, and each EVERYth after it:
 *
 *   alloc   an allocation of the writing task
 *   access  an access of it to user memory (debug build)
 *   kill    a system call of it: SIGKILL arrives as it begins
 *   io      a request to ram0, of anybody (no EVERY)
 *
 * With "tree" what the writing task starts from now on counts, too. N = 0: none. Reading: how many are still to come, 0 after it has failed.
 *
 * "alloc=new [tree]", "access=new [tree]": the first on a path through the kernel on which none has failed since the system started. Reading: the second
 * number is how many paths have.
 */
#include "fs/procfs.h"

#include "drivers/block.h"
#include "kernel/inject.h"
#include "kernel/string.h"

static const char *const kinds[NR_INJECT] = { [INJECT_ALLOC] = "alloc", [INJECT_ACCESS] = "access", [INJECT_KILL] = "kill" };

int proc_show_fail(struct text *t, const struct proc_subject *s)
{
	for (int i = 0; i < NR_INJECT; i++)
		text_printf(t, "%s %lu %lu\n", kinds[i], inject_left((enum inject_kind)i), inject_paths((enum inject_kind)i));
	text_printf(t, "io %lu\n", ramdisk_fail_left());
	return 0;
}

/* NR_INJECT: no such kind, or not in this build. */
static enum inject_kind kind_of(const char *name)
{
	int i = 0;

	while (i < NR_INJECT && (strcmp(name, kinds[i]) || (i == INJECT_ACCESS && !DEBUG_BUILD)))
		i++;
	return (enum inject_kind)i;
}

static int arm(const char *name, u64 nth, u64 every, enum inject_scope scope)
{
	enum inject_kind kind = kind_of(name);

	if (kind != NR_INJECT) {
		inject_arm(kind, nth, every, scope);
		return 0;
	}
	if (strcmp(name, "io") || every)
		return -EINVAL;
	ramdisk_fail_arm(nth);
	return 0;
}

static int arm_new_path(const char *name, enum inject_scope scope)
{
	enum inject_kind kind = kind_of(name);

	return kind == NR_INJECT ? -EINVAL : inject_arm_new_path(kind, scope);
}

/* Cut the text at the first of `mark`: what is behind it, or NULL. */
static char *cut(char *text, char mark)
{
	char *at = strchr(text, mark);

	if (!at)
		return NULL;
	*at = 0;
	return at + 1;
}

int proc_write_fail(const struct proc_subject *s, char *buf, size_t n)
{
	char *value, *word, *more;
	enum inject_scope scope;
	s64 nth, every = 0;
	int error;

	cut(buf, '\n');
	value = cut(buf, '=');
	if (!value)
		return -EINVAL;
	word = cut(value, ' ');
	if (word && strcmp(word, "tree"))
		return -EINVAL;
	scope = word ? INJECT_TREE : INJECT_TASK;
	if (!strcmp(value, "new"))
		return arm_new_path(buf, scope);
	more = cut(value, ',');
	error = proc_number(value, 0, 1L << 40, &nth);
	if (!error && more)
		error = proc_number(more, 0, 1L << 40, &every);
	return error ? error : arm(buf, (u64)nth, (u64)every, scope);
}
