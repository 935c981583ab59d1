/*
 * What the files of fs/ share among themselves: the name cache, walks, device and pipe opening, attribute changes.
 * File systems and other folders use fs/vfs.h.
 */
#pragma once

#include "fs/vfs.h"
#include "kernel/kcsan.h"
#include "kernel/clock.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "mm/slab.h"

/* --- inodes (fs/inode.c) --- */
void inode_cache_init(void);
struct timespec64 now_timespec(void);	/* for inodes: the last tick's time, as Linux's; all inodes by the same clock, so that what changed later says so */
void inode_set_linkable(struct inode *inode, bool on);	/* I_LINKABLE */
int inode_write_back(struct inode *inode);	/* write_inode if dirty */
void inodes_write_dirty(void);			/* every dirty inode to its metadata pages; no wait */
/* The inode after `prev` (NULL: the first) on sb's list, with a reference; prev's is dropped. Sleeps. super_lock held, or sb in use. */
struct inode *inode_next(struct super_block *sb, struct inode *prev);
extern struct list_head super_list;		/* super_lock */
extern struct mutex super_lock;			/* RANK_SUPER */

/* --- names in memory (fs/dentry.c) --- */
extern struct spinlock dcache_lock;		/* RANK_DCACHE: the dentry tree, the hash, dentry->mounted */
struct name {
	const char *text;			/* not terminated */
	u32 len, hash;
};
void dcache_init(void);
u32 name_hash(const char *text, size_t len);
static inline void dentry_get(struct dentry *d) { atomic_inc(&d->refs); }
void dentry_put(struct dentry *d);		/* NULL is allowed; the last may evict the inode: sleeps */
/* The child, maybe negative, with a reference. Asks the file system if it is not cached. Sleeps; the second wants i_rwsem of the parent held. */
int dentry_lookup(struct dentry *parent, const struct name *name, struct dentry **out);
int dentry_lookup_locked(struct dentry *parent, const struct name *name, struct dentry **out);
/* Parent's i_rwsem exclusive: the negative dentry now names the inode (reference taken over). */
void dentry_set_inode(struct dentry *d, struct inode *inode);
/* A name without a place (pipes, memfds): its inode's reference is taken over on success. NULL: no memory. */
struct dentry *dentry_unplaced(struct super_block *sb, const struct name *name, struct inode *inode);
void dentry_unhash(struct dentry *d);		/* the name is gone (unlink): lookups miss it */
bool dentry_unhashed(const struct dentry *d);
/* A name that is not found, below parent, for an inode that has none (O_TMPFILE); as above. */
struct dentry *dentry_unnamed(struct dentry *parent, const struct name *name, struct inode *inode);
/* rename: d gets target's name and place; target is unhashed, or with `exchange` gets d's. Both directories' i_rwsem exclusive. */
void dentry_move(struct dentry *d, struct dentry *target, bool exchange);
bool dentry_is_below(struct dentry *d, const struct dentry *ancestor);	/* or the same */
/* A removed directory: the names known not to be in it would keep it alive. */
void dentry_drop_children(struct dentry *parent);
void dcache_trim(void);				/* if there are too many: called without locks */
void dcache_drop_super(struct super_block *sb);	/* free every dentry of sb that nobody uses */

/* --- names from the user (fs/namei.c) --- */
#define NAME_SLACK 8			/* a walk reads names by words: so many bytes behind the NUL can be read */
#define SHORT_NAME 120
struct filename {
	char *text;
	char short_text[SHORT_NAME + NAME_SLACK];
};
int filename_get(struct filename *f, const char __user *name);	/* EFAULT, ENAMETOOLONG, ENOMEM; "" is allowed */
int filename_copy(struct filename *f, const char *name);	/* of the kernel's: ENAMETOOLONG, ENOMEM */
static inline void filename_put(struct filename *f)
{
	if (unlikely(f->text != f->short_text))
		kfree(f->text);
}

/* --- walks (fs/walk.c) --- */
enum last_type { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT };
/* A walk in progress. */
struct walk {
	struct path at;			/* where it is: protected by dcache_lock, or by anchor */
	struct path anchor;		/* counted, or NULLs */
	struct dentry *hold;		/* counted, or NULL: a child just looked up */
	const char *rest;		/* what is still to be walked */
	char *buffer;			/* owned: contents of the last symbolic link, in which rest lies */
	unsigned links;
	u32 resolve;			/* RESOLVE_* */
	struct path root;		/* for these: where the walk began, counted, or NULLs */
	bool locked;			/* dcache_lock is held */
	bool slash;			/* the last component is followed by slashes */
	enum last_type type;		/* the last component */
	struct name last;
};
int walk_begin(struct walk *w, int dirfd, const char *name);	/* name has NAME_SLACK: a filename's */
int walk_begin_resolve(struct walk *w, int dirfd, const char *name, u32 resolve);	/* with rules of openat2: ELOOP, EXDEV */
int walk_to_last(struct walk *w);	/* at: the directory of the last component */
int walk_to_end(struct walk *w, bool follow);	/* both, for each link, to the end of the name: 0, at is there, or an error. Links follow; the last if `follow` or slashes do */
int walk_child(struct walk *w, struct dentry **child);	/* the last component, maybe negative, counted; at stays, unlocked */
int walk_enter_child(struct walk *w, struct dentry *child, bool follow);	/* 0: at is the child; 1: it is a link, which was entered: call walk_to_last again */
static inline void walk_relock(struct walk *w)	/* dcache_lock, if it is not held */
{
	if (unlikely(!w->locked)) {
		spin_lock(&dcache_lock);
		w->locked = true;
	}
}
void walk_take(struct walk *w, struct path *out);	/* counted copy of at */
void walk_end(struct walk *w);
void walk_end_at(struct walk *w, struct path *out);	/* both; dcache_lock is held */

/* The directory and last name of a path, for calls that change a directory. */
struct place {
	struct path dir;		/* counted */
	struct name name;		/* in text */
	char text[NAME_MAX + 1];
	enum last_type type;
	bool slash;
};
int place_find(int dirfd, const char __user *name, struct place *p);
int place_find_kernel(int dirfd, const char *text, struct place *p);
/* mknod by the kernel for the caller (sockets), relative to its working directory: *where has references. */
int node_make(const char *text, u32 mode, struct path *where);
void place_put(struct place *p);
/* Lock the directory and look the name up for making it: a negative dentry, counted; or EEXIST, ENOENT, EROFS, EACCES.. and nothing is locked. */
int place_create_begin(struct place *p, bool directory, struct dentry **out);
void place_create_end(struct place *p, struct dentry *d);
int may_create(struct inode *dir);
int may_delete(struct inode *dir, struct dentry *victim, bool want_dir);	/* i_rwsem of dir held */
/* Of the current process: root, umask. */
bool path_equal(const struct path *a, const struct path *b);
u32 current_umask(void);
u32 create_mode(const struct inode *dir, u32 mode);	/* permissions of a new file there: umask; no set-group-id for others' groups */
static inline u32 fsuid(void) { return current->process ? current->process->fsuid : 0; }
static inline bool owner_or_root(const struct inode *inode) { return fsuid() == 0 || fsuid() == inode->uid; }
/* Pipes and the files of /proc have no page cache. */
static inline bool inode_has_cache(const struct inode *inode) { return inode->mapping.ops; }
/* Its bytes are pages of a cache, opened with O_DIRECT or not. */
static inline bool file_has_pages(const struct file *f) { return f->ops->read && inode_has_cache(f->inode) && S_ISREG(f->inode->mode); }
static inline bool inode_read_only(const struct inode *inode) { return inode->sb->flags & MS_RDONLY; }

void inode_update_atime(struct inode *inode);

/* Read racily. Only the build that looks for races must not merge the loads: reading a page costs none of these instructions. */
#define TIME_OF(t) (KCSAN_BUILD ? READ_ONCE(t) : (t))
static inline bool later(const struct timespec64 *a, const struct timespec64 *b)
{
	return TIME_OF(a->tv_sec) > TIME_OF(b->tv_sec) || (TIME_OF(a->tv_sec) == TIME_OF(b->tv_sec) && TIME_OF(a->tv_nsec) > TIME_OF(b->tv_nsec));
}
/* It was read since the last change, and today. */
static inline bool atime_will_do(const struct inode *inode)
{
	return later(&inode->atime, &inode->mtime) && later(&inode->atime, &inode->ctime) && realtime_recent_s() - TIME_OF(inode->atime.tv_sec) < 24 * 3600;
}
/* It was read: relatime, as Linux's default. Mostly there is nothing to do. */
static inline void inode_touch_atime(struct inode *inode)
{
	if (unlikely(inode->sb->flags & MS_STRICTATIME || !atime_will_do(inode)))
		inode_update_atime(inode);
}
/* The second read of a tick has nothing to ask: 10 instructions less for each. */
static inline bool file_atime_will_do(const struct file *file) { return likely(READ_ONCE(file->inode->read_ns) == realtime_recent_ns()); }
static inline void file_touch_atime(const struct file *file)
{
	struct inode *inode = file->inode;
	u64 now = realtime_recent_ns();

	if (inode->sb->flags & MS_STRICTATIME || !atime_will_do(inode)) {
		if (file->flags & O_NOATIME)
			return;
		inode_update_atime(inode);
	}
	WRITE_ONCE(inode->read_ns, now);
}

/* --- super blocks (fs/super.c) --- */
/* That of a type and device, made or found, counted for one mount more; put it back. ENODEV, ENOENT, EBUSY (read-only and not)... */
int super_get(const char *type, const char *device, u32 flags, const char *options, struct super_block **out);
bool super_on(const struct block_device *dev);		/* is one mounted from it? */
void super_put(struct super_block *sb);
int super_remount(struct super_block *sb, u32 flags);	/* EBUSY: files are open for writing */
bool super_has_writers(struct super_block *sb);		/* fs/inode.c: or files deleted and still open */

/* --- mounts (fs/mount.c) --- */
void mount_free(struct mount *m);		/* its last reference is gone */
static inline void mount_put(struct mount *m)
{
	if (unlikely(atomic_dec_and_test(&m->refs)))
		mount_free(m);
}
struct mount *mount_at_locked(const struct path *where);	/* what lies there, or NULL; dcache_lock held */
const struct fs_type *fs_type_nth(int n);	/* NULL after the last */
extern struct mount *root_mount;
static inline void current_root(struct path *out)	/* not counted: under dcache_lock only, as the next */
{
	const struct fs_context *fs = current->fs;

	*out = likely(fs) ? fs->root : (struct path){ root_mount, root_mount->root };
}
static inline void current_cwd(struct path *out)
{
	const struct fs_context *fs = current->fs;

	*out = likely(fs) ? fs->cwd : (struct path){ root_mount, root_mount->root };
}
extern struct mutex mount_mutex;		/* RANK_MOUNT: the list of mounts */
extern struct list_head mount_list;		/* mount_mutex */

/* --- opening (fs/open.c, fs/file.c) --- */
struct file *file_alloc(const struct path *path, u32 flags);	/* no ops yet; ERR_PTR. The references become the file's, unless it fails */
struct file *file_open_taken(const struct path *path, u32 flags);	/* as file_open_path(), but takes the references over, even if it fails */
extern const struct file_ops bad_file_ops;	/* O_PATH: every call fails with EBADF before it gets here */
extern const struct file_ops fifo_file_ops;	/* fs/pipe.c */
const struct file_ops *device_find(u32 mode, u64 rdev, void **data);	/* or NULL */
const char *device_nth(int n, u32 *mode, u64 *rdev);	/* registered devices, for /proc: name, or NULL after the last */
int inode_setattr(struct inode *inode, struct iattr *attr);	/* takes i_rwsem; the permission was checked; clears setuid as Linux */
int inode_truncate(struct inode *inode, loff_t size);		/* the same for a size: EINVAL, EISDIR, EFBIG... */
/* Advisory locks (fs/locks.c). The first: of an open file that ends; the second: a process closes a descriptor of the file. */
void locks_release_file_slow(struct file *file);
void locks_release_process_slow(struct file *file, const struct files *files);
static inline bool inode_has_locks(const struct inode *inode) { return !list_empty(&inode->locks); }	/* racy: who has a lock of his own sees it */
static inline void locks_release_file(struct file *file)
{
	if (unlikely(inode_has_locks(file->inode)))	/* asked here: each close() asks three times, at 36 instructions a call */
		locks_release_file_slow(file);
}
static inline void locks_release_process(struct file *file, const struct files *files)
{
	if (unlikely(inode_has_locks(file->inode)))
		locks_release_process_slow(file, files);
}
struct text;
void locks_show(struct text *t);		/* /proc/locks */
long locks_fcntl(struct file *file, unsigned fd, unsigned cmd, struct flock __user *arg);
void pipe_inode_free(struct inode *inode);	/* fs/pipe.c: of a fifo with a pipe */
long memfd_fcntl(struct file *file, unsigned cmd, unsigned long arg);	/* F_ADD_SEALS, F_GET_SEALS (fs/memfd.c) */
static inline bool file_is_path(const struct file *f) { return f->flags & O_PATH; }
struct file *fd_get_file(int fd);		/* as fd_get, but not O_PATH files: those give NULL as well */
int fd_reserve(unsigned from, bool cloexec);	/* a number: fd_install or fd_unreserve follows; EMFILE, ENOMEM */
void fd_install(int fd, struct file *file);	/* the reference is taken over */
void fd_unreserve(int fd);
bool fds_private(void);				/* nobody else can use our descriptors now */
int fd_flags(unsigned fd);			/* FD_CLOEXEC or 0, or EBADF */
int fd_set_flags(unsigned fd, int flags);

/* --- files without a name (fs/anon.c) --- */
void anon_init(void);
/* An open file "anon_inode:NAME" of these operations, O_RDWR and `flags`; ERR_PTR. */
/* fs/eventfd.c: is it one; add to its count (less, if there is no room). Any context that may wake. */
bool file_is_eventfd(const struct file *file);
void eventfd_add(struct file *file, u64 value);
/* fs/aio.c: how many events there may be in all, and have been asked for */
unsigned aio_max_events(void);
unsigned aio_total_events(void);
struct file *anon_file(const char *name, const struct file_ops *ops, void *private, u32 flags);
loff_t anon_llseek(struct file *file, loff_t offset, int whence);	/* stays where it is, without an error */
int fd_give(struct file *file, bool cloexec);	/* a descriptor for it; without one the file is dropped: EMFILE, ENOMEM */
void socket_init(void);				/* fs/socket.c */
void epoll_forget(struct file *file);		/* fs/epoll.c: a watched file ends */

/* --- in-memory file systems --- */
void tmpfs_init(void);				/* fs/tmpfs.c */
void devfs_init(void);				/* fs/devfs.c */
extern const struct file_ops dev_kmsg_ops, proc_kmsg_ops;	/* fs/kmsg.c */
void procfs_init(void);				/* fs/procfs.c */
