/*
 * The virtual file system: super blocks, inodes, dentries, open files; and how a path becomes one.
 *
 * Locks. inode->i_rwsem (RANK_INODE): exclusive for write(2), truncate and every change of a
 * directory, shared for lookups and readdir on the disk. Two inodes: directories first (parent before
 * child by tree), else in address order. dcache_lock (spin): the dentry tree and hash. Field letters: I fixed,
 * A atomic, W i_rwsem exclusive, D dcache_lock, L inode hash lock.
 */
#pragma once

#include "kernel/abi.h"
#include "kernel/lock.h"
#include "kernel/wait.h"
#include "mm/iov_iter.h"
#include "mm/pagecache.h"

struct dentry;
struct direct_place;
struct file;
struct inode;
struct super_block;
struct map_request;
struct path;
struct poll_table;
struct epitem;

struct kstat {
	u64 dev, ino, size, blocks;	/* blocks of 512 bytes */
	u32 mode, nlink, uid, gid, blksize;
	u64 rdev;
	struct timespec64 { s64 tv_sec; s64 tv_nsec; } atime, mtime, ctime;
};
/* An inode's times change while others look: a second and the nanoseconds of another are all that may come of it. */
static inline struct timespec64 time_load(const struct timespec64 *t) { return (struct timespec64){ READ_ONCE(t->tv_sec), READ_ONCE(t->tv_nsec) }; }
static inline void time_store(struct timespec64 *t, struct timespec64 now)
{
	WRITE_ONCE(t->tv_sec, now.tv_sec);
	WRITE_ONCE(t->tv_nsec, now.tv_nsec);
}
static inline u64 make_dev(u32 major, u32 minor) { return (u64)(major & 0xfff) << 8 | (minor & 0xff) | (u64)(minor & ~0xffU) << 12; }
static inline u32 dev_major(u64 dev) { return dev >> 8 & 0xfff; }
static inline u32 dev_minor(u64 dev) { return (dev & 0xff) | (dev >> 12 & 0xfff00); }

/* setattr */
struct iattr {
	u32 valid;			/* ATTR_* */
	u32 mode, uid, gid;
	loff_t size;
	struct timespec64 atime, mtime;
};
#define ATTR_MODE BIT(0)
#define ATTR_UID BIT(1)
#define ATTR_GID BIT(2)
#define ATTR_SIZE BIT(3)
#define ATTR_ATIME BIT(4)
#define ATTR_MTIME BIT(5)

/* readdir: the directory calls emit for each entry; false = stop (the entry was not taken). */
struct dir_context {
	bool (*emit)(struct dir_context *ctx, const char *name, size_t len, u64 ino, unsigned type, loff_t next_pos);
};

/*
 * All are called with dir->i_rwsem held (exclusive for changes, shared for lookup); names are not NUL-terminated in lookup. New
 * inodes are returned with a reference. NULL = the file system does not do that (EPERM, or EROFS...).
 */
struct inode_ops {
	int (*lookup)(struct inode *dir, const char *name, size_t len, struct inode **out);	/* -ENOENT */
	int (*create)(struct inode *dir, const char *name, size_t len, u32 mode, u64 rdev, struct inode **out);	/* any type but directory, symlink */
	int (*mkdir)(struct inode *dir, const char *name, size_t len, u32 mode, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target, struct inode **out);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*rmdir)(struct inode *dir, const char *name, size_t len, struct inode *inode);	/* -ENOTEMPTY */
	int (*rename)(struct inode *old_dir, const char *old_name, size_t old_len, struct inode *inode,
		      struct inode *new_dir, const char *new_name, size_t new_len, struct inode *replaced);	/* replaced: NULL or what is overwritten */
	/* Two names change their inodes (RENAME_EXCHANGE); may be NULL: EINVAL. */
	int (*exchange)(struct inode *dir_a, const char *name_a, size_t len_a, struct inode *a,
			struct inode *dir_b, const char *name_b, size_t len_b, struct inode *b);
	int (*tmpfile)(struct inode *dir, u32 mode, struct inode **out);	/* a regular file without a name, nlink 0; NULL: EOPNOTSUPP */
	ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);	/* length, not terminated; buf is kernel memory */
	/* Magic links of /proc (exe, cwd, fd/N): where they lead, with references; then readlink is only for show. */
	int (*follow)(struct inode *inode, struct path *out);
	int (*setattr)(struct inode *inode, const struct iattr *attr);	/* i_rwsem exclusive; ATTR_SIZE: truncate */
	void (*getattr)(struct inode *inode, struct kstat *st);		/* after the generic fill; may be NULL; of files, directories and links it does not sleep */
};

struct file_ops {
	int (*open)(struct inode *inode, struct file *file);		/* may be NULL */
	void (*release)(struct file *file);				/* last reference is gone */
	/* At *pos (which advances; streams ignore it). Bytes, or a negative errno if none. */
	ssize_t (*read)(struct file *file, struct iov_iter *to, loff_t *pos);
	ssize_t (*write)(struct file *file, struct iov_iter *from, loff_t *pos);
	/*
	 * Whole pages of `in` at *from, at most n bytes, become the file's contents at *to, uncopied; both advance. Bytes; 0: none can, write them.
	 * NULL: never.
	 */
	ssize_t (*share)(struct file *file, loff_t *to, struct file *in, loff_t *from, size_t n);
	/* n frames, a loan (mm/loan.h) that is used up or returned, become whole pages of the file at *to, which advances. Bytes; 0: write them. */
	ssize_t (*give)(struct file *file, loff_t *to, struct page **loan, unsigned n);
	int (*iterate)(struct file *file, struct dir_context *ctx);	/* directories: from file->pos on; sets file->pos */
	loff_t (*llseek)(struct file *file, loff_t offset, int whence);	/* NULL: ESPIPE; generic_llseek */
	long (*ioctl)(struct file *file, unsigned cmd, unsigned long arg);	/* -ENOTTY */
	u32 (*poll)(struct file *file, struct poll_table *table);	/* NULL: always POLLIN|POLLOUT */
	int (*mmap)(struct file *file, struct map_request *req);	/* NULL: ENODEV; generic_mmap */
	int (*fsync)(struct file *file, bool data_only);		/* NULL: EINVAL */
	struct address_space *(*mapping)(struct file *file);		/* the cache of its bytes. NULL: the inode's own */
	ssize_t (*may_write)(struct inode *inode, loff_t pos, size_t n);	/* generic_file_write, i_rwsem held: how many bytes; NULL: all */
	/* SEEK_DATA, SEEK_HOLE: the first byte from pos on (inside the file) that is data, or in a hole; the size or more if there is none. NULL: all is data. */
	loff_t (*seek_data)(struct inode *inode, loff_t pos, bool hole);
	/* The operations of a file opened with O_DIRECT; NULL: EINVAL. The same ones: it makes no difference. */
	const struct file_ops *direct;
	/* fs/direct.h: where the bytes from pos on (a multiple of 512, so is n) lie on the device. How many of the n lie together. */
	ssize_t (*direct_map)(struct inode *inode, loff_t pos, size_t n, struct direct_place *place);
	/* Called with i_rwsem exclusive, all arguments checked; mode is one of the combinations of fs/fallocate.c. NULL: EOPNOTSUPP. */
	int (*fallocate)(struct file *file, int mode, loff_t start, loff_t end);
};

struct inode {
	struct super_block *sb;		/* I */
	u64 ino;			/* I */
	atomic_t refs;			/* A: dentries, open files, mappings in use */
	volatile u32 mode, uid, gid;	/* W: type and permissions, owner. Volatile: who may what is asked without the lock */
	u32 nlink;			/* W */
	u64 rdev;			/* I */
	struct timespec64 atime, mtime, ctime;	/* written under W, atime without; read racily: time_load() */
	u64 read_ns;			/* racy: since this tick atime says that it was read, as far as it has to; 0: unknown */
	u64 written_ns;			/* W: mtime and ctime are at least of this tick, whose next write need not touch them (inode_touch_written); 0: unknown */
	u64 blocks;			/* file system's lock: 512-byte units */
	struct rwsem i_rwsem;
	struct address_space mapping;	/* contents; mapping.size is the size */
	const struct inode_ops *ops;	/* I */
	const struct file_ops *fops;	/* I: for open */
	atomic_t writers;		/* A: > 0: open for writing so many times; < 0: executed so many times (ETXTBSY) */
	void *private;			/* file system's (pipe state, devfs device, proc entry) */
	u32 state;			/* A: I_DIRTY, I_FREEING, I_NEW */
	struct list_head hash_node, sb_node;	/* L */
	struct list_head dirty_node;	/* L */
	struct list_head locks;		/* locks_mutex of fs/locks.c */
};
#define I_DIRTY BIT(0)
#define I_FREEING BIT(1)
#define I_NEW BIT(2)
#define I_LINKABLE BIT(4)	/* made without a name by O_TMPFILE, and may get one */
#define I_BAD BIT(3)	/* its reading failed: nobody finds it any more */

struct super_ops {
	struct inode *(*alloc_inode)(struct super_block *sb);	/* the file system's larger object; NULL op: plain struct inode */
	void (*free_inode)(struct inode *inode);
	/* The last reference is gone: keep in cache is not done. nlink == 0: delete from disk (truncate, free). Else write it back. Sleeps. */
	void (*evict)(struct inode *inode);
	int (*write_inode)(struct inode *inode);		/* copy to the metadata pages (dirty them); no wait */
	int (*sync)(struct super_block *sb);			/* write super block and metadata, wait */
	int (*statfs)(struct super_block *sb, struct statfs *out);
	void (*put_super)(struct super_block *sb);		/* unmount */
};
struct super_block {
	const char *type;		/* "ext2" */
	const struct super_ops *ops;
	struct dentry *root;
	u64 dev;			/* st_dev */
	u32 flags;			/* MS_RDONLY... */
	u64 magic;
	u32 block_size;
	struct block_device *bdev;	/* or NULL */
	void *private;
	atomic_t mounts;		/* A: mounts that show it; the last one (under super_lock) ends it */
	bool uncached;			/* I: names and inodes are made anew at each lookup (procfs) */
	struct list_head inodes;	/* L: struct inode.sb_node */
	struct list_head node;		/* all super blocks: super_lock */
};

/* A name in the tree. Positive (inode) or negative (NULL: known not to exist). Children hold their parent. */
#define DENTRY_UNHASHED (1 << 30)
struct dentry {
	atomic_t refs;			/* A: users; zero: cached, may be dropped; and DENTRY_UNHASHED: no lookup finds it (D) */
	char *name;			/* D: NUL-terminated; "/" for roots; short_name or kmalloc'ed */
	char short_name[36];		/* D */
	bool used;			/* D: found since the trimmer last came by */
	u32 name_len, hash;
	struct dentry *parent;		/* D: itself for a root */
	struct inode *inode;		/* D: set once from NULL under parent's i_rwsem; owns a reference */
	struct super_block *sb;		/* I */
	struct list_head children, sibling;	/* D */
	struct list_head hash_node;	/* D: empty = unhashed (unlinked) */
	struct list_head lru_node;	/* D */
	struct mount *mounted;		/* D: mounts that lie here, each through another mount (next_here) */
};

/* A place in the tree: holds one reference on each. */
struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

struct mount {
	struct super_block *sb;		/* I: counted */
	struct dentry *root;		/* I: counted: what it shows; the root of sb unless it is a bind mount */
	/* Where it lies: M (mount_mutex) and D. NULL for the root mount, and for one that has left the tree. Both counted. */
	struct mount *parent;
	struct dentry *mountpoint;	/* seen through parent */
	struct mount *next_here;	/* M, D */
	struct path was_at;		/* M: on its way out: still to be put */
	char *source;			/* I: "/dev/ram0" */
	u32 id;				/* I: /proc/PID/mountinfo */
	u32 flags;			/* M, read racily: MS_* */
	bool expiring;			/* racy: umount2(MNT_EXPIRE) came once, and nobody used it since */
	atomic_t refs;			/* A: paths through it, mounts on it, and 1 while it is in the tree */
	struct list_head node;		/* M: mount_list */
};

static inline void path_get(const struct path *path)
{
	if (path->mnt)
		atomic_inc(&path->mnt->refs);
	if (path->dentry)
		atomic_inc(&path->dentry->refs);
}
void path_put(const struct path *path);

/* Working directory, root, umask: shared by CLONE_FS. */
struct fs_context {
	atomic_t refs;
	struct path root, cwd;		/* D: a walk begins under that lock anyway */
	u32 umask;			/* racy */
};
struct fs_context *fs_context_copy(struct fs_context *old);	/* fork; NULL: no memory */
void fs_context_put(struct fs_context *fs);
struct fs_context *fs_context_create(void);		/* for init: root and cwd are the root mount, umask 022; NULL: no memory */

struct file {
	atomic_t refs;			/* A: descriptors, mappings, calls in progress */
	struct path path;		/* I */
	struct inode *inode;		/* I: path.dentry->inode */
	const struct file_ops *ops;	/* I, but for O_DIRECT by F_SETFL: then one of a pair that differ in read and write alone */
	u32 flags;			/* O_*: changed by F_SETFL */
	u32 mode;			/* I: FMODE_* */
	loff_t pos;			/* pos_lock */
	struct mutex pos_lock;		/* serialises calls that use and move pos */
	void *private;
	struct epitem *watchers;	/* of epolls: epoll_mutex (fs/epoll.c) */
};
#define FMODE_READ BIT(0)
#define FMODE_WRITE BIT(1)
#define FMODE_STREAM BIT(2)	/* no position: pipes, ttys: pos_lock is not taken */
#define FMODE_COUNTED BIT(3)	/* is one of inode->writers */
#define FMODE_DENIES BIT(4)	/* a program that runs: is one of -inode->writers */

/* --- descriptors (fs/fdtable.c) --- */
struct files;
struct files *files_create(void);
struct files *files_copy(struct files *old);		/* fork; NULL: no memory */
struct files *files_share(struct files *files);		/* CLONE_FILES */
void files_put(struct files *files);
void files_close_on_exec(struct files *files);
struct file *fd_get(int fd);				/* a reference, or NULL (EBADF) */
int fd_alloc(struct file *file, unsigned from, bool cloexec);	/* installs it (takes the reference over on success): fd or -EMFILE */
struct file *files_get_nth(struct files *files, unsigned fd);	/* for /proc: reference or NULL */
bool files_cloexec(struct files *files, unsigned fd);	/* is it closed by exec? */
u32 files_size(struct files *files);			/* numbers there is room for now */
int files_next(struct files *files, int fd);		/* the next open fd >= fd, or -1 */
void file_get(struct file *file);
/* execve: nobody may write to the file while this struct file lives. 0, or -ETXTBSY: somebody does. */
int file_deny_write(struct file *file);
void file_put(struct file *file);			/* the last one releases: sleeps */

/* --- open files (fs/file.c) --- */
/* Open an inode found at path (references are copied). flags: O_*. ERR_PTR. */
struct file *file_open_path(const struct path *path, u32 flags);
ssize_t file_read_kernel(struct file *file, void *buf, size_t n, loff_t pos);	/* through the page cache */
ssize_t file_write_kernel(struct file *file, const void *buf, size_t n, loff_t *pos);
loff_t generic_llseek(struct file *file, loff_t offset, int whence);
ssize_t generic_file_read(struct file *file, struct iov_iter *to, loff_t *pos);	/* page cache; atime */
ssize_t generic_direct_write(struct file *file, struct iov_iter *from, loff_t *pos);	/* the same past the page cache (fs/direct.h) */
/* May a write that ends at `end`, inside the file, go on after the call? Then it has done what generic_file_write() does first. i_rwsem exclusive. */
bool file_async_write_begin(struct file *file, loff_t end);
ssize_t generic_file_write(struct file *file, struct iov_iter *from, loff_t *pos);	/* i_rwsem, O_APPEND, RLIMIT_FSIZE, mtime, O_SYNC */
struct file_clone_range;
long file_clone(struct file *out, const struct file_clone_range *range);	/* FICLONERANGE to out (fs/sendfile.c) */
ssize_t generic_file_share(struct file *file, loff_t *to, struct file *in, loff_t *from, size_t n);	/* i_rwsem, RLIMIT_FSIZE, mtime */
ssize_t generic_file_give(struct file *file, loff_t *to, struct page **loan, unsigned n);	/* the same */
int generic_mmap(struct file *file, struct map_request *req);
int mapping_mmap(struct file *file, struct address_space *mapping, struct map_request *req);	/* other pages than the inode's: a device's */
struct mm;
/* Map an open file into mm (exec, mmap): ->mmap fills the request in, then mm_map(); the mapping takes a reference of its own. */
long file_map(struct file *file, struct mm *mm, struct map_request *req);	/* address, or -ENODEV, -ENOMEM... */
int generic_fsync(struct file *file, bool data_only);
/* For a ->fallocate (fs/fallocate.c): give [start, end) room, growing the file unless keep_size; after an error the size is the old
 * one, and the caller frees blocks behind it. And take room away: free_blocks (may be NULL) those of whole pages. */
int generic_allocate(struct file *file, loff_t start, loff_t end, bool keep_size);
int generic_punch(struct inode *inode, loff_t start, loff_t end, void (*free_blocks)(struct inode *inode, u64 first_page, u64 last_page));
int dentry_path(const struct dentry *d, char *buf, size_t size);	/* inside of its file system; the same otherwise */
int file_path(const struct path *path, char *buf, size_t size);	/* absolute path into buf: length or -ENAMETOOLONG; " (deleted)" if unlinked */

/* --- names (fs/namei.c) --- */
#define LOOKUP_FOLLOW	BIT(0)	/* the last component too */
#define LOOKUP_DIRECTORY BIT(1)
#define LOOKUP_EMPTY	BIT(2)	/* AT_EMPTY_PATH */
/* User path relative to dirfd (AT_FDCWD): references in *out. Errors as path_resolution(7). Sleeps. */
int path_lookup_user(int dirfd, const char __user *name, u32 flags, struct path *out);
int path_stat_user(int dirfd, const char __user *name, u32 flags, struct kstat *k);	/* the same, and generic_fill_stat() of what is there */
int path_lookup(const char *kernel_name, u32 flags, struct path *out);
/* access checks with fsuid/fsgid: mask of MAY_* */
#define MAY_EXEC 1
#define MAY_WRITE 2
#define MAY_READ 4
bool in_group(u32 gid);		/* fsgid or a supplementary group of the current process */
int inode_permission_slow(struct inode *inode, int mask);
static inline int inode_permission(struct inode *inode, int mask)
{
	/* What is no writing and everybody may: it does not matter who asks. */
	if (likely(!(mask & MAY_WRITE) && !(mask * 0111 & ~(int)inode->mode)))
		return 0;
	return inode_permission_slow(inode, mask);
}

/* --- inodes (fs/inode.c) --- */
/* Find or make the inode of (sb, ino): if new, state has I_NEW and the caller fills it in, then inode_ready() (or inode_fail()). NULL: no memory. */
struct inode *inode_get_locked(struct super_block *sb, u64 ino);
void inode_ready(struct inode *inode);
void inode_fail(struct inode *inode);
struct inode *inode_new(struct super_block *sb, u64 ino);	/* fresh, not hashed for ino == 0; refs 1 */
void inode_get(struct inode *inode);
void inode_put(struct inode *inode);				/* the last one evicts: sleeps */
void inode_mark_dirty(struct inode *inode);			/* attributes changed: write_inode later */
void inode_touch_written(struct inode *inode);			/* ATTR_MTIME by a write, i_rwsem exclusive */
void inode_touch_ctime(struct inode *inode);			/* attributes or the link count changed */
void inode_touch(struct inode *inode, u32 which);		/* ATTR_ATIME | ATTR_MTIME (mtime sets ctime too) now */
int sync_inodes(struct super_block *sb);			/* all data and inodes of sb: written and waited for */
int sync_all(void);						/* sync(2) */
void generic_fill_stat(struct inode *inode, struct kstat *st);
/* For a ->setattr: everything but the size. i_rwsem exclusive. */
static inline void inode_copy_attr(struct inode *inode, const struct iattr *attr)
{
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & ~(u32)S_IFMT);
	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	WRITE_ONCE(inode->read_ns, 0);
	if (attr->valid & ATTR_ATIME)
		time_store(&inode->atime, attr->atime);
	if (attr->valid & ATTR_MTIME) {
		time_store(&inode->mtime, attr->mtime);
		WRITE_ONCE(inode->written_ns, 0);
	}
}

/* --- start (fs/fs.c): before any driver registers a device --- */
void fs_init(void);
void sync_start(void);		/* the thread that writes changed inodes now and then (fs/sync.c) */

/* --- mounting (fs/super.c, fs/mount.c) --- */
struct fs_type {
	const char *name;
	int (*mount)(struct block_device *dev, u32 flags, const char *options, struct super_block **out);	/* -EINVAL: not this file system, logged why */
	bool needs_device;	/* a block device */
	bool single;		/* there is one super block of it at most */
	struct fs_type *next;
};
void fs_register(struct fs_type *type);
/* Why a mount failed: logged, and kept for who asks (the last one; at boot there is only one). No newline. */
void mount_complain(const char *fmt, ...) __printf(1, 2);
const char *mount_problem(void);
struct super_block *super_alloc(const char *type);		/* a zeroed one with st_dev, on the list; NULL */
/* The end of a ->mount: its root is this inode, whose reference is used up, and *out is the super block. NULL, or no memory: super_free(), and -ENOMEM. */
int super_rooted(struct super_block *sb, struct inode *root, struct super_block **out);
void super_free(struct super_block *sb);			/* of a mount that failed: no inode is left, put_super is not called */
/* The root dentry, by which sb->root is set; takes the inode's reference over. NULL: no memory (nothing taken). */
struct dentry *dentry_root(struct super_block *sb, struct inode *inode);
int mount_root(const char *type, const char *device);		/* 0 or errno, reason logged */
int mount_at(const char *type, const char *device, const char *kernel_path, u32 flags);

/* --- devices (fs/devfs.c) --- */
/* Make /dev/NAME; mode has S_IFCHR or S_IFBLK. Also found by rdev for nodes on ext2. data ends up in inode->private... file->private at open. */
int device_register(const char *name, u32 mode, u64 rdev, const struct file_ops *ops, void *data);

/* --- poll (fs/poll.c) --- */
void poll_wait(struct poll_table *table, struct wait_queue *wq);	/* from a ->poll; table may be NULL */
