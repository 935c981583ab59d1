/* The files of /proc that are about one process. */
#include "fs/procfs.h"

#include "kernel/rusage.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/page.h"
#include "mm/slab.h"

#define NS_PER_TICK 10000000UL

/* --- what a process has; a task lets go of these under tasklist_lock (kernel/exit.c, kernel/exec.c) --- */

static struct task *first_thread(struct process *p)
{
	return list_empty(&p->threads) ? NULL : list_first(&p->threads, struct task, thread_node);
}

struct mm *process_mm(struct process *p)
{
	struct mm *mm = NULL;
	struct task *t;

	spin_lock(&tasklist_lock);
	list_for_each(t, &p->threads, thread_node) {
		mm = t->mm;
		if (mm && !atomic_inc_not_zero(&mm->users))
			mm = NULL;
		if (mm)
			break;
	}
	spin_unlock(&tasklist_lock);
	return mm;
}

struct files *process_files(struct process *p)
{
	struct files *files = NULL;
	struct task *t;

	spin_lock(&tasklist_lock);
	list_for_each(t, &p->threads, thread_node)
		if (t->files) {
			files = files_share(t->files);
			break;
		}
	spin_unlock(&tasklist_lock);
	return files;
}

/* --- links --- */

static int follow_exe(struct process *p, struct path *out)
{
	struct file *exe;

	spin_lock(&tasklist_lock);
	exe = p->exe;
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

static int fs_place(struct process *p, bool root, struct path *out)
{
	int error = -ENOENT;
	struct task *t;

	spin_lock(&dcache_lock);	/* keeps what the path names while we count it */
	spin_lock(&tasklist_lock);
	t = first_thread(p);
	if (t && t->fs) {
		spin_lock(&t->fs->lock);
		*out = root ? t->fs->root : t->fs->cwd;
		spin_unlock(&t->fs->lock);
		path_get(out);
		error = 0;
	}
	spin_unlock(&tasklist_lock);
	spin_unlock(&dcache_lock);
	return error;
}

static int follow_cwd(struct process *p, struct path *out) { return fs_place(p, false, out); }
static int follow_root(struct process *p, struct path *out) { return fs_place(p, true, out); }

/* --- memory --- */

static int show_maps(struct text *t, struct process *p)
{
	struct mm *mm = process_mm(p);
	char *name = kmalloc(PATH_MAX);

	if (!name) {
		if (mm)
			mm_put(mm);
		return -ENOMEM;
	}
	if (mm)
		down_read(&mm->mmap_lock);
	for (unsigned i = 0; mm && i < mm->nr_vmas; i++) {
		struct vma *v = mm->vmas[i];
		u32 major = 0, minor = 0;
		u64 ino = 0;
		char head[100];
		int n;

		name[0] = 0;
		if (v->ops && v->ops->stat)
			v->ops->stat(v, &major, &minor, &ino);
		if (v->ops && v->ops->name && v->ops->name(v, name, PATH_MAX) < 0)
			name[0] = 0;
		if (v->flags & VM_STACK)
			str_copy(name, "[stack]", PATH_MAX);
		else if (v->flags & VM_HEAP)
			str_copy(name, "[heap]", PATH_MAX);
		n = ksnprintf(head, sizeof(head), "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", v->start, v->end,
			      v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-', v->flags & VM_EXEC ? 'x' : '-',
			      v->flags & VM_SHARED ? 's' : 'p', v->mapping ? v->pgoff << PAGE_SHIFT : 0, major, minor, ino);
		text_add(t, head, (size_t)n);
		for (; name[0] && n < 73; n++)
			text_add(t, " ", 1);
		text_add(t, name, strlen(name));
		text_add(t, "\n", 1);
	}
	if (mm) {
		up_read(&mm->mmap_lock);
		mm_put(mm);
	}
	kfree(name);
	return 0;
}

/* Bytes [start, end) of another address space, as far as its pages are there. */
static void add_memory(struct text *t, struct mm *mm, vaddr_t start, vaddr_t end)
{
	end = min(end, start + 32 * PAGE_SIZE);
	while (start < end) {
		u64 e = mm_entry(mm, start);
		struct page *page = e & ENTRY_P ? entry_page(e) : NULL;
		size_t n = min(end - start, PAGE_SIZE - (start & ~PAGE_MASK));

		if (!page || !page_get_unless_free(page))
			return;
		if (entry_page(mm_entry(mm, start)) == page)	/* it was not freed and reused before we had it */
			text_add(t, (char *)page_address(page) + (start & ~PAGE_MASK), n);
		page_put(page);
		start += n;
	}
}

static int show_area(struct text *t, struct process *p, bool env)
{
	struct mm *mm = process_mm(p);

	if (!mm)
		return 0;
	if (env)
		add_memory(t, mm, mm->env_start, mm->env_end);
	else
		add_memory(t, mm, mm->arg_start, mm->arg_end);
	mm_put(mm);
	return 0;
}

static int show_cmdline(struct text *t, struct process *p) { return show_area(t, p, false); }
static int show_environ(struct text *t, struct process *p) { return show_area(t, p, true); }

static int show_auxv(struct text *t, struct process *p)
{
	struct mm *mm = process_mm(p);

	if (mm) {
		text_add(t, (const char *)mm->auxv, sizeof(mm->auxv));
		mm_put(mm);
	}
	return 0;
}

/* --- state --- */

struct snapshot {
	char name[16], state;
	int ppid, pgid, sid, nr_threads, nice, tid;
	u64 user, system, child_user, child_system, pending, shared_pending, blocked, ignored, caught;
	u64 vm_pages, rss_pages;
};

static void take(struct process *p, struct snapshot *s)
{
	struct mm *mm = process_mm(p);
	struct task *t;

	memset(s, 0, sizeof(*s));
	spin_lock(&tasklist_lock);
	s->state = 'Z';
	s->ppid = p->parent ? p->parent->pid : 0;
	s->pgid = p->pgid;
	s->sid = p->sid;
	s->nr_threads = p->nr_threads;
	process_times(p, &s->user, &s->system);
	s->child_user = p->child_utime_ns;
	s->child_system = p->child_stime_ns;
	s->shared_pending = p->sig_pending;
	for (int i = 0; i < 64; i++) {
		if (p->action[i].handler == (void __user *)SIG_IGN)
			s->ignored |= BIT(i);
		else if (p->action[i].handler != (void __user *)SIG_DFL)
			s->caught |= BIT(i);
	}
	t = first_thread(p);
	if (t) {
		memcpy(s->name, t->name, sizeof(s->name));
		s->nice = t->nice;
		s->pending = t->sig_pending;
		s->blocked = t->sig_mask;
		if (!p->zombie)
			s->state = t->state == TASK_RUNNABLE ? 'R' : t->state == TASK_SLEEPING ? 'S' : t->state == TASK_DEAD ? 'Z' : 'D';
	}
	spin_unlock(&tasklist_lock);
	s->name[sizeof(s->name) - 1] = 0;
	if (mm) {
		s->vm_pages = mm->total_pages;
		s->rss_pages = mm_rss_pages(mm);
		mm_put(mm);
	}
}

static int show_stat(struct text *t, struct process *p)
{
	struct snapshot s;

	take(p, &s);
	text_printf(t, "%d (%s) %c %d %d %d 0 -1 0 0 0 0 0 ", p->pid, s.name, s.state, s.ppid, s.pgid, s.sid);
	text_printf(t, "%lu %lu %lu %lu %d %d %d 0 %lu %lu %lu ", s.user / NS_PER_TICK, s.system / NS_PER_TICK, s.child_user / NS_PER_TICK,
		    s.child_system / NS_PER_TICK, 20 + s.nice, s.nice, s.nr_threads, p->start_ns / NS_PER_TICK, s.vm_pages * PAGE_SIZE, s.rss_pages);
	text_printf(t, "%lu 0 0 0 0 0 %lu %lu %lu %lu 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", (u64)p->limits[RLIMIT_RSS].rlim_cur,
		    s.pending & 0x7fffffff, s.blocked & 0x7fffffff, s.ignored & 0x7fffffff, s.caught & 0x7fffffff);
	return 0;
}

static int show_statm(struct text *t, struct process *p)
{
	struct snapshot s;

	take(p, &s);
	text_printf(t, "%lu %lu 0 0 0 %lu 0\n", s.vm_pages, s.rss_pages, s.vm_pages);
	return 0;
}

static const char *state_name(char c)
{
	return c == 'R' ? "running" : c == 'S' ? "sleeping" : c == 'D' ? "disk sleep" : "zombie";
}

static int show_status(struct text *t, struct process *p)
{
	struct snapshot s;

	take(p, &s);
	text_printf(t, "Name:\t%s\nState:\t%c (%s)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", s.name, s.state, state_name(s.state), p->pid, p->pid, s.ppid);
	text_printf(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nGroups:\t", p->uid, p->euid, p->suid, p->fsuid, p->gid, p->egid, p->sgid, p->fsgid);
	for (int i = 0; i < p->ngroups; i++)
		text_printf(t, "%u ", p->groups[i]);
	text_printf(t, "\nVmSize:\t%8lu kB\nVmRSS:\t%8lu kB\nThreads:\t%d\n", s.vm_pages * 4, s.rss_pages * 4, s.nr_threads);
	text_printf(t, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", s.pending, s.shared_pending, s.blocked, s.ignored, s.caught);
	return 0;
}

static int show_comm(struct text *t, struct process *p)
{
	struct snapshot s;

	take(p, &s);
	text_printf(t, "%s\n", s.name);
	return 0;
}

#define FILE_ITEM(n, f) { .name = n, .mode = S_IFREG | 0444, .show = f }
const struct proc_item proc_pid_items[] = {
	{ .name = "exe", .mode = S_IFLNK | 0777, .follow = follow_exe },
	{ .name = "cwd", .mode = S_IFLNK | 0777, .follow = follow_cwd },
	{ .name = "root", .mode = S_IFLNK | 0777, .follow = follow_root },
	FILE_ITEM("maps", show_maps), FILE_ITEM("stat", show_stat), FILE_ITEM("statm", show_statm), FILE_ITEM("status", show_status),
	FILE_ITEM("cmdline", show_cmdline), FILE_ITEM("comm", show_comm), FILE_ITEM("environ", show_environ), FILE_ITEM("auxv", show_auxv),
	FILE_ITEM("mounts", show_mounts),
	{ .name = NULL },
};
