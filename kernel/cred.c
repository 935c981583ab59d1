/*
 * User and group identities. They belong to the process (Linux keeps them per thread and lets libc
 * synchronise; the result for programs is the same). Capabilities: root has all, others none.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

#define NO_CHANGE ((u32)-1)
#define NGROUPS 32		/* as many as struct process has room for; Linux: 65536 */

static bool privileged(void) { return current->process->euid == 0; }

long sys_getuid(void) { return current->process->uid; }
long sys_geteuid(void) { return current->process->euid; }
long sys_getgid(void) { return current->process->gid; }
long sys_getegid(void) { return current->process->egid; }

long sys_setuid(u32 uid)
{
	struct process *p = current->process;

	if (uid == NO_CHANGE)
		return -EINVAL;
	if (privileged())
		p->uid = p->suid = uid;
	else if (uid != p->uid && uid != p->suid)
		return -EPERM;
	p->euid = p->fsuid = uid;
	return 0;
}

long sys_setgid(u32 gid)
{
	struct process *p = current->process;

	if (gid == NO_CHANGE)
		return -EINVAL;
	if (privileged())
		p->gid = p->sgid = gid;
	else if (gid != p->gid && gid != p->sgid)
		return -EPERM;
	p->egid = p->fsgid = gid;
	return 0;
}

static bool among(u32 id, u32 a, u32 b, u32 c) { return id == NO_CHANGE || id == a || id == b || id == c; }

long sys_setreuid(u32 ruid, u32 euid)
{
	struct process *p = current->process;

	if (!privileged() && (!among(ruid, p->uid, p->euid, p->uid) || !among(euid, p->uid, p->euid, p->suid)))
		return -EPERM;
	u32 old_uid = p->uid;
	if (euid != NO_CHANGE)
		p->euid = euid;
	if (ruid != NO_CHANGE)
		p->uid = ruid;
	if (ruid != NO_CHANGE || (euid != NO_CHANGE && euid != old_uid))
		p->suid = p->euid;
	p->fsuid = p->euid;
	return 0;
}

long sys_setregid(u32 rgid, u32 egid)
{
	struct process *p = current->process;

	if (!privileged() && (!among(rgid, p->gid, p->egid, p->gid) || !among(egid, p->gid, p->egid, p->sgid)))
		return -EPERM;
	u32 old_gid = p->gid;
	if (egid != NO_CHANGE)
		p->egid = egid;
	if (rgid != NO_CHANGE)
		p->gid = rgid;
	if (rgid != NO_CHANGE || (egid != NO_CHANGE && egid != old_gid))
		p->sgid = p->egid;
	p->fsgid = p->egid;
	return 0;
}

long sys_setresuid(u32 ruid, u32 euid, u32 suid)
{
	struct process *p = current->process;

	if (!privileged() && (!among(ruid, p->uid, p->euid, p->suid) || !among(euid, p->uid, p->euid, p->suid) ||
			      !among(suid, p->uid, p->euid, p->suid)))
		return -EPERM;
	if (ruid != NO_CHANGE)
		p->uid = ruid;
	if (euid != NO_CHANGE)
		p->euid = euid;
	if (suid != NO_CHANGE)
		p->suid = suid;
	p->fsuid = p->euid;
	return 0;
}

long sys_setresgid(u32 rgid, u32 egid, u32 sgid)
{
	struct process *p = current->process;

	if (!privileged() && (!among(rgid, p->gid, p->egid, p->sgid) || !among(egid, p->gid, p->egid, p->sgid) ||
			      !among(sgid, p->gid, p->egid, p->sgid)))
		return -EPERM;
	if (rgid != NO_CHANGE)
		p->gid = rgid;
	if (egid != NO_CHANGE)
		p->egid = egid;
	if (sgid != NO_CHANGE)
		p->sgid = sgid;
	p->fsgid = p->egid;
	return 0;
}

static long put_three(const u32 v[3], u32 __user *a, u32 __user *b, u32 __user *c)
{
	return put_user(v[0], a) || put_user(v[1], b) || put_user(v[2], c) ? -EFAULT : 0;
}

long sys_getresuid(u32 __user *ruid, u32 __user *euid, u32 __user *suid)
{
	const struct process *p = current->process;

	return put_three((u32[]){ p->uid, p->euid, p->suid }, ruid, euid, suid);
}

long sys_getresgid(u32 __user *rgid, u32 __user *egid, u32 __user *sgid)
{
	const struct process *p = current->process;

	return put_three((u32[]){ p->gid, p->egid, p->sgid }, rgid, egid, sgid);
}

/* These two give the old value, whether or not they changed it. */
long sys_setfsuid(u32 uid)
{
	struct process *p = current->process;
	u32 old = p->fsuid;

	if (uid != NO_CHANGE && (privileged() || uid == p->uid || uid == p->euid || uid == p->suid || uid == old))
		p->fsuid = uid;
	return old;
}

long sys_setfsgid(u32 gid)
{
	struct process *p = current->process;
	u32 old = p->fsgid;

	if (gid != NO_CHANGE && (privileged() || gid == p->gid || gid == p->egid || gid == p->sgid || gid == old))
		p->fsgid = gid;
	return old;
}

long sys_getgroups(int size, u32 __user *list)
{
	const struct process *p = current->process;

	if (size < 0)
		return -EINVAL;
	if (!size)
		return p->ngroups;
	if (p->ngroups > size)
		return -EINVAL;
	if (copy_to_user(list, p->groups, (size_t)p->ngroups * sizeof(u32)))
		return -EFAULT;
	return p->ngroups;
}

long sys_setgroups(int size, const u32 __user *list)
{
	struct process *p = current->process;
	u32 groups[NGROUPS];

	if (!privileged())
		return -EPERM;
	if (size < 0 || size > NGROUPS)
		return -EINVAL;
	if (copy_from_user(groups, list, (size_t)size * sizeof(u32)))
		return -EFAULT;
	memcpy(p->groups, groups, (size_t)size * sizeof(u32));
	p->ngroups = size;
	return 0;
}

/* --- capabilities: only told, never changed --- */

#define CAP_V1 0x19980330
#define CAP_V2 0x20071026
#define CAP_V3 0x20080522
#define CAP_ALL 0x1ffffffffffUL		/* 41 of them */

struct cap_header {
	u32 version;
	int pid;
};

/* Words of data for the version, or an errno; an unknown one is answered with ours. */
static int cap_words(const struct cap_header *header, void __user *uheader)
{
	switch (header->version) {
	case CAP_V1: return 1;
	case CAP_V2: case CAP_V3: return 2;
	}
	return put_user((u32)CAP_V3, (u32 __user *)uheader) ? -EFAULT : -EINVAL;
}

long sys_capget(void __user *uheader, void __user *data)
{
	struct cap_header header;
	u32 v[6] = { 0 };

	if (get_user(header.version, (u32 __user *)uheader))
		return -EFAULT;
	int words = cap_words(&header, uheader);
	if (words < 0)
		return !data && words == -EINVAL ? 0 : words;
	if (copy_from_user(&header, uheader, sizeof(header)))
		return -EFAULT;
	if (header.pid < 0)
		return -EINVAL;
	struct process *p = process_find_get(header.pid ? header.pid : current->process->pid);
	if (!p)
		return -ESRCH;
	u64 caps = p->euid == 0 ? CAP_ALL : 0, permitted = p->euid == 0 || p->uid == 0 || p->suid == 0 ? CAP_ALL : 0;
	process_put(p);
	for (int i = 0; i < words; i++) {
		v[3 * i] = (u32)(caps >> 32 * i);		/* effective */
		v[3 * i + 1] = (u32)(permitted >> 32 * i);
	}
	return data && copy_to_user(data, v, (size_t)words * 12) ? -EFAULT : 0;
}
