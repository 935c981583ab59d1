/*
 * PID 1. A kernel thread becomes the first process: it gets a process, files and a directory, executes
 * /sbin/init and goes to user mode. It opens no descriptors: init does.
 */
#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/fork.h"
#include "kernel/printk.h"
#include "kernel/rlimit.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/usermode.h"

/* The current kernel thread leaves the kernel's process for one of its own. */
static void become_process(struct process *p)
{
	struct task *t = current;

	task_detach(t);
	if (t->tid != 1)
		t->tid = 1;
	t->process = p;
	task_attach(t);
	task_clear_flag(t, TF_KTHREAD);
	str_copy(t->name, "init", sizeof(t->name));
	spin_lock(&tasklist_lock);
	list_add_tail(&p->all_node, &process_list);
	spin_unlock(&tasklist_lock);
}

static void init_task(void *arg)
{
	static const char *const argv[] = { "/sbin/init", NULL };
	static const char *const envp[] = { "HOME=/", "TERM=linux", NULL };
	struct task *t = current;

	become_process(arg);
	t->files = files_create();
	t->fs = fs_context_create();
	t->fpu = fpu_alloc();
	if (!t->files || !t->fs || !t->fpu)
		fatal("no memory for init");
	int r = exec_kernel(argv[0], argv, envp);
	if (r)
		fatal("cannot start /sbin/init: error %d", -r);
	return_to_user(t->frame);
}

void init_start(void)
{
	struct process *p = process_alloc();

	if (!p)
		fatal("no memory for init");
	memset(p->action, 0, sizeof(p->action));
	p->pid = 1;
	p->parent = &kernel_process;
	p->exit_signal = SIGCHLD;
	p->pgid = p->sid = 0;
	rlimits_default(p);
	init_process = p;
	if (!kthread_start("init", init_task, p))
		fatal("no memory for init");
}
