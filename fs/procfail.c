/*
 * /proc/fail (root): one thing of the future fails. Writing "KIND=N[,EVERY] [tree]" makes the Nth of that kind fail, and each EVERYth after it:
 *
 *   alloc   an allocation of the writing task
 *   access  an access of it to user memory (debug build)
 *   kill    a system call of it: SIGKILL arrives as it begins
 *   io      a request to a disk, of anybody
 *
 * With "tree" what the writing task starts from now on counts, too. N = 0: none. Reading: how many are still to come, 0 after it has failed.
 *
 * "alloc=new [tree]", "access=new [tree]", "io=new": the first on a path through the kernel on which none has failed since the system started;
 * "new,1": the first on each such path. Reading: the second number is how many paths have.
 */
#include "fs/procfs.h"

#include "kernel/inject.h"
#include "kernel/string.h"

static const char *const kinds[NR_INJECT] = { [INJECT_ALLOC] = "alloc", [INJECT_ACCESS] = "access", [INJECT_KILL] = "kill", [INJECT_IO] = "io" };

int proc_show_fail(struct text *t, const struct proc_subject *s)
{
	for (int i = 0; i < NR_INJECT; i++)
		text_printf(t, "%s %lu %lu\n", kinds[i], inject_left((enum inject_kind)i), inject_paths((enum inject_kind)i));
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

	if (kind == NR_INJECT)
		return -EINVAL;
	inject_arm(kind, nth, every, kind == INJECT_IO ? INJECT_ALL : scope);
	return 0;
}

static int arm_new_path(const char *name, bool each, enum inject_scope scope)
{
	enum inject_kind kind = kind_of(name);

	return kind == NR_INJECT ? -EINVAL : inject_arm_new_path(kind, each, kind == INJECT_IO ? INJECT_ALL : scope);
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
	more = cut(value, ',');
	error = more ? proc_number(more, 0, 1L << 40, &every) : 0;
	if (!error && !strcmp(value, "new"))
		return arm_new_path(buf, every != 0, scope);
	if (!error)
		error = proc_number(value, 0, 1L << 40, &nth);
	return error ? error : arm(buf, (u64)nth, (u64)every, scope);
}
