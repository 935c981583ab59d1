/*
 * execve(): replace the current program.
 *
 * Order: strings are taken from the old program; the file is found, #! lines are followed; the ELF image is
 * mapped into a new address space. Up to here every error is returned and nothing has changed. Then the other
 * threads are killed (which a fatal signal may still prevent), and from the point of no return on - the switch of address
 * spaces - a failure kills the process with SIGSEGV.
 */
#include "kernel/exec.h"

#include "kernel/cmdline.h"
#include "kernel/cpu.h"
#include "kernel/fork.h"
#include "kernel/futex.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/random.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/timers.h"
#include "kernel/usermode.h"
#include "kernel/vdso.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102
#define STACK_INITIAL (132 * 1024)		/* mapped at once below the arguments; the rest grows by faults */
#define MMAP_GAP_MIN (128UL << 20)		/* kept free for the stack, as Linux */
#define MMAP_GAP_MAX (USER_TOP / 6 * 5)

/* --- the file --- */

static struct file *open_executable(const struct path *path)
{
	struct inode *inode = path->dentry->inode;

	if ((inode->mode & S_IFMT) != S_IFREG || (path->mnt && path->mnt->flags & MS_NOEXEC))
		return ERR_PTR(-EACCES);
	int r = inode_permission(inode, MAY_EXEC);
	if (r)
		return ERR_PTR(r);
	struct file *file = file_open_path(path, O_RDONLY);
	if (IS_ERR(file))
		return file;
	r = file_deny_write(file);
	if (r) {
		file_put(file);
		return ERR_PTR(r);
	}
	return file;
}

struct file *exec_open(const char *name)
{
	struct path path;

	int r = path_lookup(name, LOOKUP_FOLLOW, &path);
	if (r)
		return ERR_PTR(r);
	struct file *file = open_executable(&path);
	path_put(&path);
	return file;
}

static int read_head(struct exec *e)
{
	memset(e->head, 0, sizeof(e->head));
	ssize_t n = file_read_kernel(e->file, e->head, sizeof(e->head), 0);
	return n < 0 ? (int)n : 0;
}

/* --- scripts --- */

static bool is_blank(u8 c) { return c == ' ' || c == '\t'; }

/*
 * Split "#! interp [arg]" in e->head; both end up NUL-terminated in place. The line may lack its end only if the
 * interpreter's name is complete.
 */
static int parse_script(struct exec *e, char **interp, char **arg)
{
	char *p = (char *)e->head + 2, *end = (char *)e->head + sizeof(e->head) - 1;
	char *newline = memchr(p, '\n', (size_t)(end - p));

	if (newline)
		end = newline;
	else
		end = p + strnlen(p, (size_t)(end - p));
	while (end > p && is_blank((u8)end[-1]))
		end--;
	while (p < end && is_blank((u8)*p))
		p++;
	if (p == end)
		return -ENOEXEC;
	*interp = p;
	while (p < end && *p && !is_blank((u8)*p))
		p++;
	if (!newline && p == (char *)e->head + sizeof(e->head) - 1)
		return -ENOEXEC;	/* the name may have been cut */
	*arg = NULL;
	if (p < end && *p) {
		*p++ = 0;
		while (p < end && is_blank((u8)*p))
			p++;
		if (p < end && *p)
			*arg = p;
	}
	*end = 0;
	return 0;
}

/* Follow #! lines until e->file is something else. */
static int follow_scripts(struct exec *e)
{
	char script[EXEC_HEAD_SIZE], *interp, *arg;
	const char *name = e->name;

	for (int depth = 0;; depth++) {
		int r = read_head(e);
		if (r || e->head[0] != '#' || e->head[1] != '!')
			return r;
		if (depth == EXEC_MAX_INTERP)
			return -ELOOP;
		r = parse_script(e, &interp, &arg);
		if (!r)
			r = exec_strings_script(&e->strings, interp, arg, name);
		if (r)
			return r;
		struct file *file = exec_open(interp);
		if (IS_ERR(file))
			return (int)PTR_ERR(file);
		file_put(e->file);
		e->file = file;
		str_copy(script, interp, sizeof(script));
		name = script;
	}
}

/* --- the new address space --- */

/*
 * Address space layout randomisation, with Linux's widths: the stack's top 22 bits of pages, where mmap begins and where a PIE program
 * lies 28, the heap 13. Off with noaslr on the command line, and for a program that was started by personality(ADDR_NO_RANDOMIZE).
 */
#define STACK_BITS 22
#define MMAP_BITS 28
#define BRK_BITS 13

static bool randomised(const struct exec *e)
{
	bool secure = current->process->uid != e->euid || current->process->gid != e->egid;
	char word[2];

	return !cmdline_get("noaslr", word, sizeof(word)) && (secure || !(current->process->personality & ADDR_NO_RANDOMIZE));
}

static void place(struct exec *e)
{
	u64 gap = min(max(current->process->limits[RLIMIT_STACK].rlim_cur, MMAP_GAP_MIN), MMAP_GAP_MAX), random[4] = { 0 };

	if (randomised(e))
		random_bytes(random, sizeof(random));
	e->mm->stack_top = USER_TOP - ((random[0] & (BIT(STACK_BITS) - 1)) << PAGE_SHIFT);
	e->stack_shift = random[0] >> 48 & 0x1ff0;
	e->mm->mmap_top = ALIGN_DOWN(e->mm->stack_top - gap - (1 << 20), PAGE_SIZE) - ((random[1] & (BIT(MMAP_BITS) - 1)) << PAGE_SHIFT);
	e->pie_shift = (random[2] & (BIT(MMAP_BITS) - 1)) << PAGE_SHIFT;
	e->brk_shift = (random[3] & (BIT(BRK_BITS) - 1)) << PAGE_SHIFT;
}

static int map_stack(struct exec *e)
{
	struct exec_strings *s = &e->strings;
	u64 prefix = s->prefix ? 16 * 1024 : 0, pointers = (u64)(s->argc + s->envc + 32) * sizeof(u64);
	u64 size = ALIGN_UP(s->bytes + prefix + pointers + strlen(e->name) + STACK_INITIAL, PAGE_SIZE);
	long r = mm_map(e->mm, &(struct map_request){
		.addr = e->mm->stack_top - size, .length = size,
		.prot = PROT_READ | PROT_WRITE | (e->stack_exec ? PROT_EXEC : 0),
		.map_flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, .vm_flags = VM_STACK,
	});

	return r < 0 ? (int)r : 0;
}

static int build_mm(struct exec *e)
{
	e->mm = mm_create();
	e->fpu = fpu_alloc();
	if (!e->mm || !e->fpu)
		return -ENOMEM;
	place(e);
	int r = elf_load(e);
	if (!r)
		r = map_stack(e);
	if (r)
		return r;
	long at = vdso_map(e->mm);
	e->vdso = (u64)at;
	return at < 0 ? (int)at : 0;
}

/* --- the point of no return --- */

/* Kill the other threads and wait until they are gone. -EAGAIN: another thread is doing the same, or the process dies. */
static int kill_other_threads(void)
{
	struct process *p = current->process;
	struct task *t;
	int r = -EAGAIN;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	if (!p->group_exit && !p->exec_task) {
		r = 0;
		p->exec_task = current;
		list_for_each(t, &p->threads, thread_node) {
			if (t == current)
				continue;
			WRITE_ONCE(t->pending.signals, t->pending.signals | SIG_BIT(SIGKILL));
			task_set_flag(t, TF_SIGPENDING);
			task_wake_signal(t, true);
		}
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	if (r)
		return r;
	r = wait_event(&p->thread_wait, WAIT_KILLABLE, READ_ONCE(p->nr_threads) == 1);
	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	p->exec_task = NULL;
	if (!r && current->tid != p->pid) {
		pid_free_locked(current->tid);
		current->tid = p->pid;
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	return r ? -EAGAIN : 0;
}

static void switch_mm(struct exec *e)
{
	struct task *t = current;
	struct mm *old = t->mm, *left;

	if (old) {
		exit_robust_list();
		if (t->clear_child_tid && atomic_read(&old->users) > 1) {
			(void)put_user(0, t->clear_child_tid);
			futex_wake_address((u32 __user *)t->clear_child_tid, 1);
		}
	}
	t->clear_child_tid = NULL;
	t->robust_list = NULL;
	spin_lock(&tasklist_lock);	/* /proc takes a reference on it under this lock */
	t->mm = e->mm;
	u64 flags = irq_save();
	left = mm_switch(e->mm);
	irq_restore(flags);
	spin_unlock(&tasklist_lock);
	if (left)
		mm_ref_put(left);
	vfork_release();
	e->mm = NULL;
	if (old)
		mm_put(old);
}

static void reset_registers(struct exec *e)
{
	struct task *t = current;

	preempt_disable();
	void *old = t->fpu;
	t->fpu = e->fpu;
	fpu_restore(t->fpu);
	t->fs_base = t->gs_base = 0;
	wrmsr(MSR_FS_BASE, 0);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	preempt_enable();
	e->fpu = NULL;
	fpu_free(old);
}

static void set_identity(struct exec *e)
{
	struct process *p = current->process;
	const char *base = strrchr(e->name, '/');

	str_copy(current->name, base ? base + 1 : e->name, sizeof(current->name));
	file_get(e->file);
	spin_lock(&tasklist_lock);
	struct file *old_exe = p->exe;
	p->exe = e->file;
	p->did_exec = true;
	spin_unlock(&tasklist_lock);
	if (old_exe)
		file_put(old_exe);
	p->dumpable = true;
	p->pdeath_signal = p->euid == e->euid && p->egid == e->egid ? p->pdeath_signal : 0;
	p->euid = p->suid = p->fsuid = e->euid;
	p->egid = p->sgid = p->fsgid = e->egid;
	signal_flush_handlers(p);
	timers_delete_all(p);
	current->sig_stack = (stack_t){ .ss_flags = SS_DISABLE };
	task_clear_flag(current, TF_RESTORE_MASK);
}

/* From here on there is no old program to return an error to. */
static int exec_commit(struct exec *e)
{
	struct trapframe *frame = current->frame ? current->frame : (struct trapframe *)current->kstack_top - 1;
	u64 entry = e->has_interp ? e->interp.entry : e->image.entry, sp = e->mm->stack_top - e->stack_shift;

	switch_mm(e);
	reset_registers(e);
	files_close_on_exec(current->files);
	int r = elf_zero_tails(e);
	if (!r)
		r = exec_write_stack(e, &sp);
	set_identity(e);
	memset(frame, 0, sizeof(*frame));
	/* vector 0: not to be taken for a system call that could be restarted */
	frame->rip = entry;
	frame->rsp = sp;
	frame->cs = USER_CS;
	frame->ss = USER_DS;
	frame->rflags = 0x202;
	current->frame = frame;
	return r;
}

static void set_ids(struct exec *e)
{
	const struct process *p = current->process;
	const struct inode *inode = e->file->inode;

	e->euid = p->euid;
	e->egid = p->egid;
	if (p->no_new_privs || (e->file->path.mnt && e->file->path.mnt->flags & MS_NOSUID))
		return;
	if (inode->mode & S_ISUID)
		e->euid = inode->uid;
	if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		e->egid = inode->gid;
}

static void exec_free(struct exec *e)
{
	if (!IS_ERR_OR_NULL(e->file))
		file_put(e->file);
	exec_strings_free(&e->strings);
	kfree(e->image.segments);
	kfree(e->interp.segments);
	if (e->mm)
		mm_put(e->mm);
	if (e->fpu)
		fpu_free(e->fpu);
	kfree(e->name);
	kfree(e);
}

/* The rest, with strings and file in place. */
static int exec_run(struct exec *e)
{
	if (IS_ERR(e->file))
		return (int)PTR_ERR(e->file);
	int r = follow_scripts(e);
	if (r)
		return r;
	set_ids(e);
	r = build_mm(e);
	if (!r)
		r = kill_other_threads();
	if (r)
		return r;
	if (exec_commit(e) && !fatal_signal_pending(current)) {
		printk("exec: %s: cannot set up the new program, killed\n", e->name);
		signal_fault(SIGSEGV, SI_KERNEL, 0);
	}
	return 0;
}

static struct exec *exec_alloc(char *name)
{
	struct exec *e = kzalloc(sizeof(*e));

	if (e)
		e->name = name;
	else
		kfree(name);
	return e;
}

int exec_kernel(const char *path, const char *const argv[], const char *const envp[])
{
	char *name = kstrdup(path);
	struct exec *e = name ? exec_alloc(name) : NULL;

	if (!e)
		return -ENOMEM;
	int r = exec_strings_kernel(&e->strings, argv, envp);
	if (!r) {
		e->file = exec_open(path);
		r = exec_run(e);
	}
	exec_free(e);
	return r;
}

/* --- the calls --- */

/* A user path into a kernel string of its own. ERR_PTR: -EFAULT, -ENAMETOOLONG, -ENOENT (empty, unless allowed), -ENOMEM. */
static char *get_name(const char __user *user_name, bool may_be_empty)
{
	char *name = kmalloc(PATH_MAX + 32);
	ssize_t n;

	if (!name)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(name, user_name, PATH_MAX);
	if (n == 0 && !may_be_empty)
		n = -ENOENT;
	if (n >= 0)
		return name;
	kfree(name);
	return ERR_PTR(n);
}

static struct file *open_at(int dirfd, const char __user *user_name, const char *name, int flags)
{
	u32 lookup = (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path path;

	int r = dirfd == AT_FDCWD || name[0] == '/' ? path_lookup(name, lookup, &path) :
		path_lookup_user(dirfd, user_name, lookup, &path);
	if (r)
		return ERR_PTR(r);
	struct file *file = (path.dentry->inode->mode & S_IFMT) == S_IFLNK ? ERR_PTR(-ELOOP) : open_executable(&path);
	path_put(&path);
	return file;
}

long sys_execveat(int dirfd, const char __user *user_name, const char __user *const __user *argv,
		  const char __user *const __user *envp, int flags)
{
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	char *name = get_name(user_name, flags & AT_EMPTY_PATH);
	if (IS_ERR(name))
		return PTR_ERR(name);
	struct exec *e = exec_alloc(name);
	if (!e)
		return -ENOMEM;
	/* The file first, as Linux since 6.8: ENOENT before EFAULT. */
	e->file = open_at(dirfd, user_name, name, flags);
	int r = IS_ERR(e->file) ? (int)PTR_ERR(e->file) : exec_strings_user(&e->strings, argv, envp);
	if (!r) {
		if (dirfd != AT_FDCWD && name[0] != '/') {	/* what a script's interpreter can open */
			char *tail = kstrdup(name);
			if (tail)
				ksnprintf(name, PATH_MAX + 32, *tail ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, tail);
			kfree(tail);
		}
		r = exec_run(e);
	}
	exec_free(e);
	return r;
}

long sys_execve(const char __user *name, const char __user *const __user *argv, const char __user *const __user *envp)
{
	return sys_execveat(AT_FDCWD, name, argv, envp, 0);
}
