/*
 * process_vm_readv and process_vm_writev: copies between the caller's memory and another process's, which is pinned a few pages at a time.
 *
 * As on Linux: what was copied before something could not be had counts, and only if that is nothing is there an error; the rights of the
 * mappings count (a debugger's /proc/PID/mem does not ask for them).
 */
#include "kernel/proc_syscalls.h"
#include "kernel/usermode.h"
#include "mm/gup.h"
#include "mm/slab.h"

#define MAX_IOV 1024

/* As ptrace(2) would let us attach: all ids of the other are our real ones, and it may be dumped; or we are root. */
static bool may_attach(const struct process *p)
{
	const struct process *self = current->process;

	if (p == self || !self->euid)
		return true;
	return p->dumpable && self->uid == p->uid && self->uid == p->euid && self->uid == p->suid &&
	       self->gid == p->gid && self->gid == p->egid && self->gid == p->sgid;
}

/* The memory of the process (or thread) with this number, to be given back by mm_put(). */
static struct mm *find_mm(int pid)
{
	struct mm *mm = ERR_PTR(-ESRCH);
	struct task *t;

	spin_lock(&tasklist_lock);
	t = task_find(pid);
	if (t && t->mm && !may_attach(t->process))
		mm = ERR_PTR(-EPERM);
	else if (t && t->mm && atomic_inc_not_zero(&t->mm->users))
		mm = t->mm;
	spin_unlock(&tasklist_lock);
	return mm;
}

static ssize_t copy_all(struct mm *mm, struct iov_iter *local, const struct iovec *remote, unsigned long nr, bool write)
{
	ssize_t done = 0, k = 0;

	for (unsigned long i = 0; i < nr && local->count; i++) {
		size_t n = min((size_t)remote[i].iov_len, local->count);

		k = n ? mm_copy(mm, (vaddr_t)remote[i].iov_base, local, n, write ? PIN_WRITE : 0) : 0;
		if (k > 0)
			done += k;
		if (k < (ssize_t)n)
			break;
	}
	return done ? done : k == -EIO ? -EFAULT : k;
}

/* Their segments: not checked against our addresses; their lengths may not be negative. */
static struct iovec *get_remote(const struct iovec __user *user, unsigned long nr)
{
	struct iovec *iov;
	int error = 0;

	if (nr > MAX_IOV)
		return ERR_PTR(-EINVAL);
	iov = kmalloc(max(nr, 1UL) * sizeof(*iov));
	if (!iov)
		return ERR_PTR(-ENOMEM);
	if (nr && copy_from_user(iov, user, nr * sizeof(*iov)))
		error = -EFAULT;
	for (unsigned long i = 0; i < nr && !error; i++)
		if ((ssize_t)iov[i].iov_len < 0)
			error = -EINVAL;
	if (!error)
		return iov;
	kfree(iov);
	return ERR_PTR(error);
}

static bool all_empty(const struct iovec *iov, unsigned long nr)
{
	for (unsigned long i = 0; i < nr; i++)
		if (iov[i].iov_len)
			return false;
	return true;
}

static long process_vm(int pid, const struct iovec __user *ulocal, unsigned long nr_local, const struct iovec __user *uremote,
		       unsigned long nr_remote, unsigned long flags, bool write)
{
	struct iovec fast[FAST_IOV], *local, *remote;
	struct iov_iter it;
	struct mm *mm;
	long done = 0;

	if (flags)
		return -EINVAL;
	local = iter_import(&it, ulocal, nr_local, fast, FAST_IOV);
	if (IS_ERR(local))
		return PTR_ERR(local);
	if (!it.count)
		goto out_local;
	remote = get_remote(uremote, nr_remote);
	if (IS_ERR(remote)) {
		done = PTR_ERR(remote);
		goto out_local;
	}
	if (all_empty(remote, nr_remote))
		goto out_remote;
	mm = find_mm(pid);
	if (IS_ERR(mm)) {
		done = PTR_ERR(mm);
		goto out_remote;
	}
	done = copy_all(mm, &it, remote, nr_remote, write);
	mm_put(mm);
out_remote:
	kfree(remote);
out_local:
	if (local != fast)
		kfree(local);
	return done;
}

long sys_process_vm_readv(int pid, const struct iovec __user *local, unsigned long nr_local, const struct iovec __user *remote,
			  unsigned long nr_remote, unsigned long flags)
{
	return process_vm(pid, local, nr_local, remote, nr_remote, flags, false);
}

long sys_process_vm_writev(int pid, const struct iovec __user *local, unsigned long nr_local, const struct iovec __user *remote,
			   unsigned long nr_remote, unsigned long flags)
{
	return process_vm(pid, local, nr_local, remote, nr_remote, flags, true);
}
