/*
 * Making processes and threads: fork, vfork, clone, clone3 are one function, task_clone(), with
 * different flags. A child is complete (memory, files, signals, registers) before it becomes visible; what
 * fails before that is taken back in reverse order.
 *
 * Not supported (-EINVAL): namespaces, CLONE_SIGHAND without CLONE_THREAD, pidfds, choosing the tid.
 */
#include "kernel/fork.h"

#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/sched.h"
#include "kernel/signal.h"
#include "kernel/timers.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/mm.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102	/* the user's GS base while in the kernel */

#define CLONE_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* On the vfork parent's stack; tasklist_lock guards both sides' access. */
struct vfork_wait {
	struct wait_queue wq;
	bool done;
};

atomic64_t nr_forks;

struct process *process_alloc(void)
{
	struct process *p = kmalloc(sizeof(*p));

	if (!p)
		return NULL;
	memset(p, 0, offsetof(struct process, action));		/* fork copies the actions: 256 instructions less */
	atomic_set(&p->refs, 1);	/* the table's, dropped by who reaps it */
	atomic_set(&p->live, 1);
	list_init(&p->threads);
	list_init(&p->all_node);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->pending.queue);
	list_init(&p->timers);
	wait_queue_init(&p->child_wait);
	wait_queue_init(&p->thread_wait);
	wait_queue_init(&p->stop_wait);
	spin_init(&p->sig_lock, "signals", RANK_SIGNAL);
	p->start_ns = ktime_ns();
	p->dumpable = true;
	return p;
}

/* What a new process inherits besides memory and files. */
static struct process *process_copy(struct process *old, int pid, const struct clone_request *req)
{
	struct process *p = process_alloc();

	if (!p)
		return NULL;
	p->pid = pid;
	p->exit_signal = req->exit_signal;
	p->uid = old->uid; p->euid = old->euid; p->suid = old->suid; p->fsuid = old->fsuid;
	p->gid = old->gid; p->egid = old->egid; p->sgid = old->sgid; p->fsgid = old->fsgid;
	p->ngroups = old->ngroups;
	memcpy(p->groups, old->groups, sizeof(p->groups));
	p->no_new_privs = old->no_new_privs;
	p->dumpable = old->dumpable;
	p->personality = old->personality;
	p->oom_score_adj = old->oom_score_adj;
	spin_lock(&old->sig_lock);
	memcpy(p->action, old->action, sizeof(p->action));
	spin_unlock(&old->sig_lock);
	if (req->flags & CLONE_CLEAR_SIGHAND)
		for (int i = 0; i < NR_SIGNALS; i++)
			if (p->action[i].handler != (void __user *)SIG_IGN)
				memset(&p->action[i], 0, sizeof(p->action[i]));
	spin_lock(&tasklist_lock);
	memcpy(p->limits, old->limits, sizeof(p->limits));
	cputimer_recheck_locked(p);	/* not published yet: no lock needed */
	p->exe = old->exe;
	if (p->exe)
		file_get(p->exe);
	spin_unlock(&tasklist_lock);
	return p;
}

static void process_discard(struct process *p)
{
	if (p->exe)
		file_put(p->exe);
	process_put(p);
}

/* mm, files, working directory: shared or copied. On failure release_resources() gives back what was taken. */
static int copy_resources(struct task *t, const struct clone_request *req)
{
	if (req->flags & CLONE_VM) {
		mm_get(current->mm);
		t->mm = current->mm;
	} else {
		t->mm = mm_fork(current->mm);
	}
	if (!t->mm)
		return -ENOMEM;
	t->files = req->flags & CLONE_FILES ? files_share(current->files) : files_copy(current->files);
	if (!t->files)
		return -ENOMEM;
	if (req->flags & CLONE_FS) {
		atomic_inc(&current->fs->refs);
		t->fs = current->fs;
	} else {
		t->fs = fs_context_copy(current->fs);
	}
	return t->fs ? 0 : -ENOMEM;
}

static void release_resources(struct task *t)
{
	if (t->fs)
		fs_context_put(t->fs);
	if (t->files)
		files_put(t->files);
	if (t->mm)
		mm_put(t->mm);
	t->fs = NULL;
	t->files = NULL;
	t->mm = NULL;
}

/* Registers, FPU, segment bases, names, signal mask. */
static void copy_thread(struct task *t, const struct clone_request *req)
{
	struct trapframe *frame = (struct trapframe *)t->kstack_top - 1;

	*frame = *current->frame;
	frame->rax = 0;
	if (req->stack)
		frame->rsp = req->stack;
	t->frame = frame;
	fpu_save(t->fpu);
	t->fs_base = req->flags & CLONE_SETTLS ? req->tls : rdmsr(MSR_FS_BASE);
	t->gs_base = rdmsr(MSR_KERNEL_GS_BASE);
	memcpy(t->name, current->name, sizeof(t->name));
	t->nice = current->nice;
	t->policy = current->policy;
	t->mempolicy = current->mempolicy;
	t->mempolicy_node = current->mempolicy_node;
	t->injected = current->injected;
	t->sig_mask = current->sig_mask;
	if (!(req->flags & CLONE_VM) || req->flags & CLONE_VFORK)
		t->sig_stack = current->sig_stack;
	else
		t->sig_stack.ss_flags = SS_DISABLE;
	if (req->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid = req->child_tid;
		task_set_flag(t, TF_SIGPENDING);	/* signal_deliver() writes it, in the child's memory */
	}
	if (req->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = req->child_tid;
}

/* Make the process visible as a child. The limit and a dying parent are checked under the lock. */
static int publish_process(struct task *t, const struct clone_request *req)
{
	struct process *p = t->process, *self = current->process;
	int r = 0;

	spin_lock(&tasklist_lock);
	p->parent = req->flags & CLONE_PARENT ? self->parent : self;
	p->ppid = p->parent->pid;
	p->pgid = self->pgid;
	p->sid = self->sid;
	p->tty = self->tty;
	if (self->group_exit || fatal_signal_pending(current)) {
		r = -EINTR;			/* never seen: the caller dies on its way out */
	} else {
		list_add_tail(&p->sibling, &p->parent->children);
		list_add_tail(&p->all_node, &process_list);
		list_add_tail(&t->thread_node, &p->threads);
		p->nr_threads = 1;
	}
	spin_unlock(&tasklist_lock);
	return r;
}

/* Another thread of this process, unless it is dying or one of its threads is in execve. */
static int publish_thread(struct task *t)
{
	struct process *p = t->process;
	int r = -EINTR;

	spin_lock(&tasklist_lock);
	spin_lock(&p->sig_lock);
	if (!p->group_exit && !p->exec_task) {
		atomic_inc(&p->live);
		list_add_tail(&t->thread_node, &p->threads);
		p->nr_threads++;
		if (p->stopping)
			task_set_flag(t, TF_SIGPENDING);	/* it parks before its first instruction */
		r = 0;
	}
	spin_unlock(&p->sig_lock);
	spin_unlock(&tasklist_lock);
	return r;
}

static int check_flags(const struct clone_request *req)
{
	u64 f = req->flags;

	if (f & (CLONE_NAMESPACES | CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_PTRACE))
		return f & CLONE_NAMESPACES && current->process->euid ? -EPERM : -EINVAL;
	if (f & CLONE_THREAD && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if (f & CLONE_SIGHAND && !(f & CLONE_VM))
		return -EINVAL;
	if (f & CLONE_SIGHAND && (!(f & CLONE_THREAD) || f & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if (f & CLONE_PARENT && current->process->pid == 1)
		return -EINVAL;
	if (f & CLONE_SETTLS && req->tls >= USER_TOP)
		return -EPERM;
	return 0;
}

static bool too_many_processes(void)
{
	struct process *self = current->process, *p;
	u64 limit = self->limits[RLIMIT_NPROC].rlim_cur, n = 0;

	if (!self->uid || limit == RLIM64_INFINITY)
		return false;
	spin_lock(&tasklist_lock);
	list_for_each(p, &process_list, all_node)
		n += p->uid == self->uid;
	spin_unlock(&tasklist_lock);
	return n >= limit;
}

/* Wait for the vfork child's exec or exit. A fatal signal ends the wait; the child must then forget us. */
static void vfork_sleep(struct vfork_wait *wait, int tid)
{
	wait_event(&wait->wq, WAIT_KILLABLE, READ_ONCE(wait->done));
	spin_lock(&tasklist_lock);	/* also: vfork_release() is no longer using *wait */
	struct task *t = wait->done ? NULL : task_find(tid);
	if (t && t->vfork == wait)
		t->vfork = NULL;
	spin_unlock(&tasklist_lock);
}

void vfork_release(void)
{
	spin_lock(&tasklist_lock);
	struct vfork_wait *wait = current->vfork;
	current->vfork = NULL;
	if (wait) {
		wait->done = true;
		wake_up_all(&wait->wq, 0);
	}
	spin_unlock(&tasklist_lock);
}

static void discard_task(struct task *t)
{
	if (t->process && t->process != current->process)
		process_discard(t->process);
	release_resources(t);
	task_free(t);
}

/* A task complete but for being known: memory, files, registers, and its process. ERR_PTR(-ENOMEM). */
static struct task *build_task(const struct clone_request *req, int tid)
{
	struct task *t = task_alloc();
	int r = -ENOMEM;

	if (!t)
		return ERR_PTR(r);
	t->tid = tid;
	t->fpu = fpu_alloc();
	if (t->fpu)
		r = copy_resources(t, req);
	if (!r) {
		copy_thread(t, req);
		t->process = req->flags & CLONE_THREAD ? current->process : process_copy(current->process, tid, req);
		if (!t->process)
			r = -ENOMEM;
	}
	if (!r)
		return t;
	discard_task(t);
	return ERR_PTR(r);
}

long task_clone(const struct clone_request *req)
{
	struct vfork_wait wait = { .done = false };
	int tid, r = check_flags(req);

	if (r)
		return r;
	if (too_many_processes())
		return -EAGAIN;
	tid = pid_alloc();
	if (tid < 0)
		return tid;
	struct task *t = build_task(req, tid);
	if (IS_ERR(t)) {
		pid_free(tid);
		return PTR_ERR(t);
	}
	if (req->flags & CLONE_VFORK) {
		wait_queue_init(&wait.wq);
		t->vfork = &wait;
	}
	/* As Linux: written before the child exists for others; an unwritable address is the caller's business. */
	if (req->flags & CLONE_PARENT_SETTID)
		(void)put_user(tid, req->parent_tid);
	r = req->flags & CLONE_THREAD ? publish_thread(t) : publish_process(t, req);
	if (r) {
		discard_task(t);
		pid_free(tid);
		return r;
	}
	atomic64_add_return(&nr_forks, 1);
	task_start(t);
	if (req->flags & CLONE_VFORK)
		vfork_sleep(&wait, tid);
	return tid;
}

long sys_fork(void)
{
	return task_clone(&(struct clone_request){ .exit_signal = SIGCHLD });
}

long sys_vfork(void)
{
	return task_clone(&(struct clone_request){ .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD });
}

long sys_clone(unsigned long flags, unsigned long newsp, int __user *parent_tid, int __user *child_tid, unsigned long tls)
{
	struct clone_request req = {
		.flags = (u32)flags & ~CSIGNAL, .exit_signal = flags & CSIGNAL, .stack = newsp,
		.parent_tid = parent_tid, .child_tid = child_tid, .tls = tls,
	};

	req.flags &= ~(u64)CLONE_DETACHED;
	if (req.exit_signal > NR_SIGNALS)
		return -EINVAL;
	return task_clone(&req);
}

long sys_clone3(struct clone_args __user *uargs, size_t size)
{
	struct clone_args args = { 0 };
	u8 rest[64];

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	/* A newer, longer structure is fine as long as what we do not know is zero. */
	for (size_t at = sizeof(args); at < size; at += sizeof(rest)) {
		size_t n = min(sizeof(rest), size - at);
		if (copy_from_user(rest, (char __user *)uargs + at, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -E2BIG;
	}
	if (copy_from_user(&args, uargs, min(size, sizeof(args))))
		return -EFAULT;
	if (args.set_tid_size || args.exit_signal & ~(u64)CSIGNAL || args.exit_signal > NR_SIGNALS || args.cgroup)
		return -EINVAL;
	if (args.flags & (CLONE_DETACHED | CSIGNAL) || args.flags >> 34)
		return -EINVAL;
	if (args.flags & (CLONE_THREAD | CLONE_PARENT) && args.exit_signal)
		return -EINVAL;
	if (!args.stack != !args.stack_size || args.stack + args.stack_size < args.stack || args.stack + args.stack_size > USER_TOP)
		return -EINVAL;
	return task_clone(&(struct clone_request){
		.flags = args.flags, .exit_signal = (int)args.exit_signal,
		.stack = args.stack ? args.stack + args.stack_size : 0, .tls = args.tls,
		.parent_tid = (int __user *)args.parent_tid, .child_tid = (int __user *)args.child_tid,
	});
}

long sys_set_tid_address(int __user *tidptr)
{
	current->clear_child_tid = tidptr;
	return current->tid;
}
