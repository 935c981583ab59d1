/*
 * System V shared memory: shmget, shmat, shmdt, shmctl.
 *
 * A segment is shared anonymous memory (mm/shmem.c) with an id. What is attached are VMAs like those of mmap(MAP_SHARED), whose owner is the segment and
 * which count as its attachments: mm/ tells of each that comes (fork, a cut by munmap or mprotect, mremap) and goes (exit and exec too). A segment ends
 * when it has been removed (IPC_RMID) and nothing is attached; the pages end with it, and a fault that waits for one of them has a reference of its own.
 */
#include "kernel/shm.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/pagecache.h"
#include "mm/slab.h"
#include "mm/usercopy.h"
#include "mm/vmstat.h"

/* linux/shm.h has these, and includes the C library. */
#define SHM_HUGETLB	04000		/* shmget() */
#define SHM_NORESERVE	010000
#define SHM_RDONLY	010000		/* shmat() */
#define SHM_RND		020000
#define SHM_REMAP	040000
#define SHM_EXEC	0100000
enum { SHM_LOCK = 11, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY };
struct shm_info {
	int used_ids;
	u64 shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};

struct ipc_ids shm_ids = IPC_IDS_INIT(shm_ids, "shared memory ids", 4096);
struct shm_limits shm_limits = { ~0UL - (1UL << 24), ~0UL - (1UL << 24) };
static u64 total_pages;			/* shm_ids.lock: of all segments, by their sizes */

static struct shm *shm_of(struct ipc_object *o) { return o ? container_of(o, struct shm, ipc) : NULL; }
static u64 pages_of(const struct shm *s) { return ALIGN_UP(s->size, PAGE_SIZE) >> PAGE_SHIFT; }

u64 shm_resident(const struct shm *s) { return (u64)atomic64_read(&shmem_mapping(s->memory)->nr_pages); }

/* --- segments --- */

struct shmget_args {
	size_t size;
	int flags;
};

/* The lock is held, under which kmalloc() may sleep. */
static struct ipc_object *make(const void *how)
{
	const struct shmget_args *a = how;
	u64 pages = (a->size >> PAGE_SHIFT) + !!(a->size & ~PAGE_MASK);

	if (!a->size || a->size > READ_ONCE(shm_limits.max) || (s64)a->size < 0)
		return ERR_PTR(-EINVAL);
	if (total_pages + pages > READ_ONCE(shm_limits.all))
		return ERR_PTR(-ENOSPC);
	if (a->flags & SHM_HUGETLB)	/* the pool of huge pages is empty, and stays so */
		return ERR_PTR(current->process->euid ? -EPERM : -ENOMEM);
	struct shm *s = kzalloc(sizeof(*s));
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->memory = shmem_create(a->size, !(a->flags & SHM_NORESERVE));
	if (!s->memory) {
		kfree(s);
		return ERR_PTR(-ENOMEM);
	}
	s->size = a->size;
	s->cpid = current->process->pid;
	total_pages += pages;
	return &s->ipc;
}

/* It has no id, or none any more. */
static void free_segment(struct shm *s)
{
	shmem_put(s->memory);
	kfree(s);
}

static void unmake(struct ipc_object *o)
{
	total_pages -= pages_of(shm_of(o));
	free_segment(shm_of(o));	/* empty: nothing to wait for */
}

static bool fits(const struct ipc_object *o, const void *how)
{
	return container_of(o, struct shm, ipc)->size >= ((const struct shmget_args *)how)->size;
}

static const struct ipc_kind shm_kind = { make, unmake, fits };

long sys_shmget(int key, size_t size, int flags)
{
	struct shmget_args a = { size, flags };

	return ipc_get(&shm_ids, &shm_kind, key, flags, &a);
}

/* The lock is held, and is dropped: the segment ends if it is to end. */
static void unlock_segment(struct shm *s)
{
	bool ends = !s->attached && s->ipc.mode & SHM_DEST;

	if (ends) {
		total_pages -= pages_of(s);
		ipc_remove(&shm_ids, &s->ipc);
	}
	mutex_unlock(&shm_ids.lock);
	if (ends)
		free_segment(s);
}

/* --- attachments --- */

/* Another VMA, made from one that there is: it stays meanwhile. mmap_lock held. */
static void shm_vma_open(struct vma *vma)
{
	struct shm *s = vma->owner;

	mutex_lock(&shm_ids.lock);
	s->attached++;
	s->atime = ipc_now();
	s->lpid = current->process->pid;
	mutex_unlock(&shm_ids.lock);
}

static void shm_vma_close(struct vma *vma)
{
	struct shm *s = vma->owner;

	mutex_lock(&shm_ids.lock);
	s->attached--;
	s->dtime = ipc_now();
	s->lpid = current->process->pid;
	vmstat_inc(VM_SHM_DETACH);
	unlock_segment(s);
}

static int shm_vma_name(struct vma *vma, char *buf, size_t size)
{
	return ksnprintf(buf, size, "/SYSV%08x (deleted)", (unsigned)((struct shm *)vma->owner)->ipc.first_key);
}

static void shm_vma_stat(struct vma *vma, u32 *major, u32 *minor, u64 *ino)
{
	*major = 0;
	*minor = 1;		/* as on Linux, where it is a mount of tmpfs that nobody sees */
	*ino = (u64)((struct shm *)vma->owner)->ipc.id;
}

static const struct vma_ops shm_vma_ops = { .open = shm_vma_open, .close = shm_vma_close, .name = shm_vma_name, .stat = shm_vma_stat };

/* The segment with one more attachment, which is the caller's. ERR_PTR: -EINVAL, -EACCES. */
static struct shm *hold_segment(int id, u32 access)
{
	mutex_lock(&shm_ids.lock);
	struct shm *s = shm_of(ipc_find(&shm_ids, id));
	int error = s ? ipc_permission(&s->ipc, access) : -EINVAL;
	if (!error)
		s->attached++;
	mutex_unlock(&shm_ids.lock);
	return error ? ERR_PTR(error) : s;
}

/* Where shmat() shall attach: 0 or -EINVAL. */
static int choose_place(struct map_request *req, vaddr_t addr, int flags)
{
	if (flags & SHM_RND)
		addr &= PAGE_MASK;
	if (addr & ~PAGE_MASK || (!addr && flags & SHM_REMAP))
		return -EINVAL;
	req->addr = addr;
	req->map_flags = MAP_SHARED;
	if (addr)
		req->map_flags |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	return 0;
}

static long attach(struct shm *s, struct map_request *req)
{
	req->length = s->size;
	req->mapping = shmem_mapping(s->memory);
	req->ops = &shm_vma_ops;
	req->owner = s;
	long addr = mm_map(current->mm, req);

	mutex_lock(&shm_ids.lock);
	if (addr < 0) {
		s->attached--;
	} else {
		s->atime = ipc_now();
		s->lpid = current->process->pid;
		vmstat_inc(VM_SHM_ATTACH);
	}
	unlock_segment(s);
	return addr == -EEXIST ? -EINVAL : addr;
}

long sys_shmat(int id, unsigned long addr, int flags)
{
	struct map_request req = { .prot = PROT_READ, .vm_flags = VM_MAYREAD | VM_MAYEXEC };
	u32 access = 0444;

	if (id < 0 || choose_place(&req, addr, flags))
		return -EINVAL;
	if (!(flags & SHM_RDONLY)) {
		req.prot |= PROT_WRITE;
		req.vm_flags |= VM_MAYWRITE;
		access |= 0222;
	}
	if (flags & SHM_EXEC) {
		req.prot |= PROT_EXEC;
		access |= 0111;
	}
	struct shm *s = hold_segment(id, access);
	return IS_ERR(s) ? PTR_ERR(s) : attach(s, &req);
}

long sys_shmdt(unsigned long addr)
{
	return addr & ~PAGE_MASK ? -EINVAL : mm_unmap_attached(current->mm, addr, &shm_vma_ops);
}

/* --- shmctl --- */

static void fill_ds(const struct shm *s, struct shmid64_ds *out)
{
	*out = (struct shmid64_ds){ .shm_segsz = s->size, .shm_atime = s->atime, .shm_dtime = s->dtime, .shm_ctime = s->ipc.ctime,
				    .shm_cpid = s->cpid, .shm_lpid = s->lpid, .shm_nattch = s->attached };
	ipc_fill_perm(&s->ipc, &out->shm_perm);
}

/* By id: 0. By place: the id. */
static long shm_stat(int id, enum ipc_look how, struct shmid64_ds __user *to)
{
	struct shmid64_ds ds;

	mutex_lock(&shm_ids.lock);
	struct ipc_object *o = ipc_look(&shm_ids, id, how);
	long result = IS_ERR(o) ? PTR_ERR(o) : how == IPC_BY_ID ? 0 : o->id;
	if (!IS_ERR(o))
		fill_ds(shm_of(o), &ds);
	mutex_unlock(&shm_ids.lock);
	return result >= 0 && copy_to_user(to, &ds, sizeof(ds)) ? -EFAULT : result;
}

static long shm_limits_info(struct shminfo64 __user *to)
{
	struct shminfo64 info = { .shmmax = shm_limits.max, .shmmin = 1, .shmmni = shm_ids.limit, .shmseg = shm_ids.limit, .shmall = shm_limits.all };

	if (copy_to_user(to, &info, sizeof(info)))
		return -EFAULT;
	mutex_lock(&shm_ids.lock);
	int last = ipc_last_place(&shm_ids);
	mutex_unlock(&shm_ids.lock);
	return last;
}

static void add_resident(const struct ipc_object *o, void *arg) { *(u64 *)arg += shm_resident(container_of(o, const struct shm, ipc)); }

static long shm_use_info(struct shm_info __user *to)
{
	struct shm_info info = { 0 };

	ipc_each(&shm_ids, add_resident, &info.shm_rss);
	mutex_lock(&shm_ids.lock);
	info.used_ids = shm_ids.used;
	info.shm_tot = total_pages;
	int last = ipc_last_place(&shm_ids);
	mutex_unlock(&shm_ids.lock);
	return copy_to_user(to, &info, sizeof(info)) ? -EFAULT : last;
}

/* Linux charges the user's locked memory. Here the pages are never swapped anyway: it is a mark, which RLIMIT_MEMLOCK may refuse. */
static int set_locked(struct shm *s, bool locked)
{
	u64 limit = READ_ONCE(current->process->limits[RLIMIT_MEMLOCK].rlim_cur);
	bool root = current->process->euid == 0;

	if (!root && (ipc_may_control(&s->ipc) || (locked && !limit)))
		return -EPERM;
	if (locked && !root && !(s->ipc.mode & SHM_LOCKED) && pages_of(s) > limit >> PAGE_SHIFT)
		return -ENOMEM;
	s->ipc.mode = locked ? s->ipc.mode | SHM_LOCKED : s->ipc.mode & ~(u32)SHM_LOCKED;
	return 0;
}

/* The commands that change a segment. ds: of IPC_SET. */
static int change(struct shm *s, int cmd, const struct shmid64_ds *ds)
{
	int error;

	if (cmd == SHM_LOCK || cmd == SHM_UNLOCK)
		return set_locked(s, cmd == SHM_LOCK);
	error = ipc_may_control(&s->ipc);
	if (error)
		return error;
	if (cmd == IPC_SET)
		return ipc_set_perm(&s->ipc, &ds->shm_perm);
	s->ipc.mode |= SHM_DEST;
	s->ipc.key = IPC_PRIVATE;	/* the key is free, although the segment may go on */
	return 0;
}

static long shm_change(int id, int cmd, const struct shmid64_ds __user *from)
{
	struct shmid64_ds ds;

	if (cmd == IPC_SET && copy_from_user(&ds, from, sizeof(ds)))
		return -EFAULT;
	mutex_lock(&shm_ids.lock);
	struct shm *s = shm_of(ipc_find(&shm_ids, id));
	if (!s) {
		mutex_unlock(&shm_ids.lock);
		return -EINVAL;
	}
	int error = change(s, cmd, &ds);
	unlock_segment(s);
	return error;
}

long sys_shmctl(int id, int cmd, void __user *buf)
{
	if (id < 0 || cmd < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
		return shm_limits_info(buf);
	case SHM_INFO:
		return shm_use_info(buf);
	case IPC_STAT:
		return shm_stat(id, IPC_BY_ID, buf);
	case SHM_STAT:
		return shm_stat(id, IPC_BY_PLACE, buf);
	case SHM_STAT_ANY:
		return shm_stat(id, IPC_BY_PLACE_ANY, buf);
	case IPC_SET:
	case IPC_RMID:
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_change(id, cmd, buf);
	}
	return -EINVAL;
}
