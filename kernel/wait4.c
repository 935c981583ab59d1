/*
 * wait4() and waitid(): wait for a child to end, and reap it; or to be stopped or continued (kernel/jobctl.c).
 */
#include "kernel/cpu.h"
#include "kernel/exit.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/rusage.h"
#include "kernel/signal.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

/* Which children, and what was found. */
struct wait_request {
	int which, id;			/* P_ALL, P_PID, P_PGID */
	int options;
	int pid;			/* found: */
	int code;
	struct ksiginfo info;
	struct rusage usage;
};

static bool child_matches(const struct wait_request *req, const struct process *child)
{
	if (req->which == P_PID && child->pid != req->id)
		return false;
	if (req->which == P_PGID && child->pgid != req->id)
		return false;
	/* A "clone" child is one that does not send SIGCHLD. */
	if (req->options & __WALL)
		return true;
	return (child->exit_signal != SIGCHLD) == !!(req->options & __WCLONE);
}

/* Has the child something to tell that is asked for? Then the request is filled, and a zombie reaped. tasklist_lock held. */
static bool take_report(struct wait_request *req, struct process *child)
{
	bool keep = req->options & WNOWAIT;

	if (child->zombie) {
		if (!(req->options & WEXITED))
			return false;
		req->code = child->exit_code;
		siginfo_child(&req->info, child);
	} else if (child->stop_report == STOP_STOPPED && req->options & WSTOPPED) {
		req->code = child->stop_signal << 8 | 0x7f;
		siginfo_jobctl(&req->info, child, STOP_STOPPED);
	} else if (child->stop_report == STOP_CONTINUED && req->options & WCONTINUED) {
		req->code = 0xffff;
		siginfo_jobctl(&req->info, child, STOP_CONTINUED);
	} else {
		return false;
	}
	req->pid = child->pid;
	rusage_of_child(child, &req->usage);
	if (child->zombie && !keep) {
		process_reap_locked(child);
	} else if (!keep) {
		spin_lock(&child->sig_lock);
		child->stop_report = STOP_NOTHING;
		spin_unlock(&child->sig_lock);
	}
	return true;
}

/* One look: the pid (reaped unless WNOWAIT), 0: nothing yet, -ECHILD: nobody to wait for. */
static int look(struct wait_request *req)
{
	struct process *self = current->process, *child;
	int found = -ECHILD;

	spin_lock(&tasklist_lock);
	list_for_each(child, &self->children, sibling) {
		if (!child_matches(req, child))
			continue;
		found = 0;
		if (take_report(req, child)) {
			found = req->pid;
			break;
		}
	}
	spin_unlock(&tasklist_lock);
	return found;
}

static long do_wait(struct wait_request *req)
{
	int found, r;

	r = wait_event(&current->process->child_wait, WAIT_INTERRUPTIBLE,
		       (found = look(req)) != 0 || req->options & WNOHANG);
	return r ? r : found;
}

long sys_wait4(int pid, int __user *status, int options, struct rusage __user *usage)
{
	struct wait_request req = { .options = options | WEXITED };

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (pid == -2147483647 - 1)
		return -ESRCH;
	if (pid == -1) {
		req.which = P_ALL;
	} else if (pid > 0) {
		req.which = P_PID;
		req.id = pid;
	} else {
		req.which = P_PGID;
		req.id = pid ? -pid : current->process->pgid;
	}
	long r = do_wait(&req);
	if (r > 0 && status && put_user(req.code, status))
		return -EFAULT;
	if (r > 0 && usage && copy_to_user(usage, &req.usage, sizeof(req.usage)))
		return -EFAULT;
	return r;
}

static int check_waitid(struct wait_request *req)
{
	if (req->options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	if (!(req->options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	if (req->which == P_PID ? req->id <= 0 : req->which == P_PGID ? req->id < 0 : req->which != P_ALL)
		return -EINVAL;		/* P_PIDFD: there are no pidfds */
	if (req->which == P_PGID && !req->id)
		req->id = current->process->pgid;
	return 0;
}

long sys_waitid(int which, int pid, siginfo_t __user *info, int options, struct rusage __user *usage)
{
	struct wait_request req = { .which = which, .id = pid, .options = options };
	long r = check_waitid(&req);

	if (!r)
		r = do_wait(&req);
	if (r > 0 && usage && copy_to_user(usage, &req.usage, sizeof(req.usage)))
		return -EFAULT;
	if (info) {
		/* Linux writes the fields, not the padding; nothing found, or an error, gives zeroes. */
		bool found = r > 0;
		int head[3] = { found ? SIGCHLD : 0, 0, found ? req.info.si_code : 0 };
		int tail[3] = { found ? req.info.si_pid : 0, found ? (int)req.info.si_uid : 0, found ? req.info.si_status : 0 };
		if (copy_to_user(info, head, sizeof(head)) || copy_to_user(&info->si_pid, tail, sizeof(tail)))
			return -EFAULT;
	}
	return min(r, 0L);
}
