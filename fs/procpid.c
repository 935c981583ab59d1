/*
 * The directory of a process in /proc: its table of names, what it shares with the other files of fs/proc*.c, its links and its
 * small files.
 */
#include "fs/procfs.h"

#include "kernel/backtrace.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/mm.h"

/* --- what a process has; a task lets go of these under tasklist_lock (kernel/exit.c, kernel/exec.c) --- */

bool proc_alive(const struct process *p)
{
	bool alive;

	spin_lock(&tasklist_lock);
	alive = !list_empty(&p->all_node);	/* off the list when it is reaped */
	spin_unlock(&tasklist_lock);
	return alive;
}

bool proc_may_access(const struct process *p)
{
	const struct process *self = current->process;

	if (self == p || !fsuid())
		return true;
	return p->dumpable && fsuid() == p->uid && fsuid() == p->euid && fsuid() == p->suid &&
	       self->fsgid == p->gid && self->fsgid == p->egid && self->fsgid == p->sgid;
}

struct task *proc_task(const struct proc_subject *s)
{
	struct task *t;

	if (!s->tid)
		return list_empty(&s->process->threads) ? NULL : list_first(&s->process->threads, struct task, thread_node);
	list_for_each(t, &s->process->threads, thread_node)
		if (t->tid == s->tid)
			return t;
	return NULL;
}

struct mm *proc_mm(const struct proc_subject *s)
{
	struct mm *mm = NULL;
	struct task *t;

	spin_lock(&tasklist_lock);
	list_for_each(t, &s->process->threads, thread_node) {
		mm = t->mm;
		if (mm && !atomic_inc_not_zero(&mm->users))
			mm = NULL;
		if (mm)
			break;
	}
	spin_unlock(&tasklist_lock);
	return mm;
}

struct files *proc_files(const struct proc_subject *s)
{
	struct files *files = NULL;
	struct task *t;

	spin_lock(&tasklist_lock);
	list_for_each(t, &s->process->threads, thread_node)
		if (t->files && (!s->tid || t->tid == s->tid)) {
			files = files_share(t->files);
			break;
		}
	spin_unlock(&tasklist_lock);
	return files;
}

/* --- links --- */

static int follow_exe(const struct proc_subject *s, struct path *out)
{
	struct file *exe;

	spin_lock(&tasklist_lock);
	exe = s->process->exe;
	if (exe)
		file_get(exe);
	spin_unlock(&tasklist_lock);
	if (!exe)
		return -ENOENT;
	*out = exe->path;
	path_get(out);
	file_put(exe);
	return 0;
}

static int fs_place(const struct proc_subject *s, bool root, struct path *out)
{
	int error = -ENOENT;
	struct task *t;

	spin_lock(&dcache_lock);	/* keeps what the path names while we count it */
	spin_lock(&tasklist_lock);
	t = proc_task(s);
	if (t && t->fs) {
		*out = root ? t->fs->root : t->fs->cwd;
		path_get(out);
		error = 0;
	}
	spin_unlock(&tasklist_lock);
	spin_unlock(&dcache_lock);
	return error;
}

static int follow_cwd(const struct proc_subject *s, struct path *out) { return fs_place(s, false, out); }
static int follow_root(const struct proc_subject *s, struct path *out) { return fs_place(s, true, out); }

/* --- names --- */

static int show_comm(struct text *t, const struct proc_subject *s)
{
	char name[16];
	struct task *task;

	spin_lock(&tasklist_lock);
	task = proc_task(s);
	memcpy(name, task ? task->name : s->process->last_name, sizeof(name));
	spin_unlock(&tasklist_lock);
	name[sizeof(name) - 1] = 0;
	text_string(t, name);
	text_add(t, "\n", 1);
	return 0;
}

/* A thread may name the threads of its own process. */
static int write_comm(const struct proc_subject *s, char *buf, size_t n)
{
	struct task *task;

	if (s->process != current->process)
		return -EINVAL;
	if (n && buf[n - 1] == '\n')
		buf[n - 1] = 0;
	spin_lock(&tasklist_lock);
	task = proc_task(s);
	if (task)
		str_copy(task->name, buf, sizeof(task->name));
	spin_unlock(&tasklist_lock);
	return task ? 0 : -ESRCH;
}

/* --- where a thread is --- */

#define MAX_FRAMES 24

/* root only: kernel addresses are nobody else's business */
static int show_stack(struct text *t, const struct proc_subject *s)
{
	u64 rips[MAX_FRAMES];
	struct task *task;
	char name[80];
	int n = 0;

	if (fsuid())
		return -EACCES;
	spin_lock(&tasklist_lock);
	task = proc_task(s);
	if (task)
		n = backtrace_task(task, rips, MAX_FRAMES);
	spin_unlock(&tasklist_lock);
	for (int i = 0; i < n; i++) {
		symbol_name((void *)rips[i], name, sizeof(name));
		text_printf(t, "[<0>] %s\n", name);
	}
	return 0;
}

static int show_wchan(struct text *t, const struct proc_subject *s)
{
	char name[80] = "0", *plus;
	struct task *task;
	u64 rip;

	spin_lock(&tasklist_lock);
	task = proc_task(s);
	rip = task && proc_may_access(s->process) ? backtrace_wchan(task) : 0;
	spin_unlock(&tasklist_lock);
	if (rip)
		symbol_name((void *)rip, name, sizeof(name));
	plus = strchr(name, '+');
	if (plus)
		*plus = 0;
	text_string(t, name);
	return 0;
}

static int show_children(struct text *t, const struct proc_subject *s)
{
	struct process *child;

	if (s->tid != s->process->pid)		/* children belong to the process; Linux lists them at the thread that forked */
		return 0;
	for (int after = 0, best = 1; best; after = best) {
		best = 0;
		spin_lock(&tasklist_lock);
		list_for_each(child, &s->process->children, sibling)
			if (child->pid > after && (!best || child->pid < best))
				best = child->pid;
		spin_unlock(&tasklist_lock);
		if (best)
			text_printf(t, "%d ", best);
	}
	return 0;
}

static int show_personality(struct text *t, const struct proc_subject *s)
{
	text_printf(t, "%08x\n", s->process->personality);
	return 0;
}

/* --- who dies first: kept and inherited, but nobody is chosen here (who asks for memory that is not there dies) --- */

static int show_oom_score_adj(struct text *t, const struct proc_subject *s)
{
	text_printf(t, "%d\n", READ_ONCE(s->process->oom_score_adj));
	return 0;
}

static int write_oom_score_adj(const struct proc_subject *s, char *buf, size_t n)
{
	s64 v;
	int error = proc_number(buf, -1000, 1000, &v);

	if (error)
		return error;
	if (v < s->process->oom_score_adj && fsuid())
		return -EACCES;
	WRITE_ONCE(s->process->oom_score_adj, (int)v);
	return 0;
}

/* --- the tables --- */

#define THREAD_ITEMS \
	PROC_FILE("stat", proc_show_stat), PROC_FILE("statm", proc_show_statm), PROC_FILE("status", proc_show_status), \
	PROC_FILE("cmdline", proc_show_cmdline), PROC_FILE("wchan", show_wchan), \
	PROC_FILE("limits", proc_show_limits), PROC_FILE("mounts", proc_show_mounts), PROC_FILE("mountinfo", proc_show_mountinfo), \
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .write = write_comm }, \
	{ .name = "exe", .mode = S_IFLNK | 0777, .follow = follow_exe }, \
	{ .name = "cwd", .mode = S_IFLNK | 0777, .follow = follow_cwd }, \
	{ .name = "root", .mode = S_IFLNK | 0777, .follow = follow_root }, \
	{ .name = "fd", .mode = S_IFDIR | 0500, .listing = PROC_FDS }, \
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .listing = PROC_FDINFOS, .guarded = true }, \
	{ .name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps, .guarded = true }, \
	{ .name = "smaps", .mode = S_IFREG | 0444, .show = proc_show_smaps, .guarded = true }, \
	{ .name = "smaps_rollup", .mode = S_IFREG | 0444, .show = proc_show_smaps_rollup, .guarded = true }, \
	{ .name = "mem", .mode = S_IFREG | 0600, .fops = &proc_mem_ops }, \
	{ .name = "pagemap", .mode = S_IFREG | 0400, .fops = &proc_pagemap_ops }, \
	{ .name = "environ", .mode = S_IFREG | 0400, .show = proc_show_environ, .guarded = true }, \
	{ .name = "auxv", .mode = S_IFREG | 0400, .show = proc_show_auxv, .guarded = true }, \
	{ .name = "personality", .mode = S_IFREG | 0400, .show = show_personality, .guarded = true }, \
	{ .name = "stack", .mode = S_IFREG | 0400, .show = show_stack }, \
	{ .name = "oom_score_adj", .mode = S_IFREG | 0644, .show = show_oom_score_adj, .write = write_oom_score_adj }

const struct proc_item proc_pid_items[] = {
	THREAD_ITEMS,
	{ .name = "task", .mode = S_IFDIR | 0555, .listing = PROC_THREADS },
	{ .name = NULL },
};

const struct proc_item proc_tid_items[] = {
	THREAD_ITEMS,
	PROC_FILE("children", show_children),
	{ .name = NULL },
};
