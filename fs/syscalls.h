/*
 * System calls of files, directories, mounts, pipes and polling: Linux's arguments and errnos. The files that
 * have them are named above each group. (Processes: kernel/proc_syscalls.h; memory: mm/syscalls.h.)
 */
#pragma once

#include "kernel/abi.h"

/* fs/open.c */
long sys_open(const char __user *name, int flags, u32 mode);
long sys_openat(int dirfd, const char __user *name, int flags, u32 mode);
long sys_openat2(int dirfd, const char __user *name, const struct open_how __user *how, size_t size);
long sys_creat(const char __user *name, u32 mode);
/* fs/rw.c */
long sys_read(unsigned fd, char __user *buf, size_t n);
long sys_write(unsigned fd, const char __user *buf, size_t n);
long sys_lseek(unsigned fd, loff_t offset, unsigned whence);
long sys_pread64(unsigned fd, char __user *buf, size_t n, loff_t pos);
long sys_pwrite64(unsigned fd, const char __user *buf, size_t n, loff_t pos);
long sys_readv(unsigned long fd, const struct iovec __user *iov, unsigned long nr);
long sys_writev(unsigned long fd, const struct iovec __user *iov, unsigned long nr);
long sys_preadv(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high);
long sys_pwritev(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high);
long sys_preadv2(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high, int flags);
long sys_pwritev2(unsigned long fd, const struct iovec __user *iov, unsigned long nr, unsigned long pos, unsigned long pos_high, int flags);
/* fs/sendfile.c */
long sys_sendfile(int out_fd, int in_fd, loff_t __user *offset, size_t n);
long sys_copy_file_range(int in_fd, loff_t __user *in_pos, int out_fd, loff_t __user *out_pos, size_t n, unsigned flags);
/* fs/splice.c, fs/vmsplice.c */
long sys_splice(int fd_in, loff_t __user *in_pos, int fd_out, loff_t __user *out_pos, size_t n, unsigned flags);
long sys_tee(int fd_in, int fd_out, size_t n, unsigned flags);
long sys_vmsplice(int fd, const struct iovec __user *iov, unsigned long nr, unsigned flags);
/* fs/stat.c */
long sys_stat(const char __user *name, struct stat __user *out);
long sys_lstat(const char __user *name, struct stat __user *out);
long sys_fstat(unsigned fd, struct stat __user *out);
long sys_newfstatat(int dirfd, const char __user *name, struct stat __user *out, int flags);
long sys_statx(int dirfd, const char __user *name, unsigned flags, unsigned mask, struct statx __user *out);
long sys_access(const char __user *name, int mode);
long sys_faccessat(int dirfd, const char __user *name, int mode);
long sys_faccessat2(int dirfd, const char __user *name, int mode, int flags);
long sys_readlink(const char __user *name, char __user *buf, int size);
long sys_readlinkat(int dirfd, const char __user *name, char __user *buf, int size);
/* fs/statfs.c */
long sys_statfs(const char __user *name, struct statfs __user *out);
long sys_fstatfs(unsigned fd, struct statfs __user *out);
/* fs/fdtable.c */
long sys_close(unsigned fd);
long sys_close_range(unsigned first, unsigned last, unsigned flags);
long sys_dup(unsigned fd);
long sys_dup2(unsigned old_fd, unsigned new_fd);
long sys_dup3(unsigned old_fd, unsigned new_fd, int flags);
/* fs/fcntl.c */
long sys_fcntl(unsigned fd, unsigned cmd, unsigned long arg);
/* fs/locks.c */
long sys_flock(unsigned fd, unsigned cmd);
/* fs/ioctl.c */
long sys_ioctl(unsigned fd, unsigned cmd, unsigned long arg);
/* fs/readdir.c */
long sys_getdents64(unsigned fd, void __user *buf, unsigned size);
long sys_getdents(unsigned fd, void __user *buf, unsigned size);
/* fs/cwd.c */
long sys_umask(u32 mask);
long sys_getcwd(char __user *buf, unsigned long size);
long sys_chdir(const char __user *name);
long sys_fchdir(unsigned fd);
long sys_chroot(const char __user *name);
/* fs/link.c */
long sys_mkdir(const char __user *name, u32 mode);
long sys_mkdirat(int dirfd, const char __user *name, u32 mode);
long sys_rmdir(const char __user *name);
long sys_unlink(const char __user *name);
long sys_unlinkat(int dirfd, const char __user *name, int flags);
long sys_link(const char __user *old_name, const char __user *new_name);
long sys_linkat(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name, int flags);
long sys_symlink(const char __user *target, const char __user *name);
long sys_symlinkat(const char __user *target, int dirfd, const char __user *name);
long sys_mknod(const char __user *name, u32 mode, unsigned dev);
long sys_mknodat(int dirfd, const char __user *name, u32 mode, unsigned dev);
/* fs/rename.c */
long sys_rename(const char __user *old_name, const char __user *new_name);
long sys_renameat(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name);
long sys_renameat2(int old_dirfd, const char __user *old_name, int new_dirfd, const char __user *new_name, unsigned flags);
/* fs/attr.c */
long sys_chmod(const char __user *name, u32 mode);
long sys_fchmod(unsigned fd, u32 mode);
long sys_fchmodat(int dirfd, const char __user *name, u32 mode);
long sys_chown(const char __user *name, u32 uid, u32 gid);
long sys_lchown(const char __user *name, u32 uid, u32 gid);
long sys_fchown(unsigned fd, u32 uid, u32 gid);
long sys_fchownat(int dirfd, const char __user *name, u32 uid, u32 gid, int flags);
long sys_truncate(const char __user *name, long size);
long sys_ftruncate(unsigned fd, long size);
long sys_utime(const char __user *name, const void __user *times);
long sys_utimes(const char __user *name, const void __user *times);
long sys_futimesat(int dirfd, const char __user *name, const void __user *times);
long sys_utimensat(int dirfd, const char __user *name, const void __user *times, int flags);
/* fs/fallocate.c */
long sys_fallocate(int fd, int mode, loff_t offset, loff_t len);
/* fs/pipe.c */
long sys_pipe(int __user *fds);
long sys_pipe2(int __user *fds, int flags);
/* fs/poll.c */
long sys_poll(struct pollfd __user *fds, unsigned nr, int timeout_ms);
long sys_ppoll(struct pollfd __user *fds, unsigned nr, void __user *timeout, const u64 __user *mask, size_t mask_size);
/* fs/select.c */
long sys_select(int nr, void __user *in, void __user *out, void __user *ex, void __user *timeout);
long sys_pselect6(int nr, void __user *in, void __user *out, void __user *ex, void __user *timeout, void __user *sig);
/* fs/sync.c */
long sys_sync(void);
long sys_fsync(unsigned fd);
long sys_fdatasync(unsigned fd);
long sys_syncfs(int fd);
long sys_sync_file_range(int fd, loff_t offset, loff_t n, unsigned flags);
long sys_fadvise64(int fd, loff_t offset, size_t len, int advice);
long sys_readahead(int fd, loff_t offset, size_t n);
/* fs/mount.c */
long sys_mount(const char __user *source, const char __user *target, const char __user *type, unsigned long flags, const void __user *data);
long sys_umount2(const char __user *target, int flags);
/* fs/swapon.c */
long sys_swapon(const char __user *name, int flags);
long sys_swapoff(const char __user *name);
/* fs/xattr.c: no file system here has them */
long sys_getxattr(const char __user *path, const char __user *name, void __user *value, size_t size);
long sys_lgetxattr(const char __user *path, const char __user *name, void __user *value, size_t size);
long sys_fgetxattr(int fd, const char __user *name, void __user *value, size_t size);
long sys_setxattr(const char __user *path, const char __user *name, const void __user *value, size_t size, int flags);
long sys_lsetxattr(const char __user *path, const char __user *name, const void __user *value, size_t size, int flags);
long sys_fsetxattr(int fd, const char __user *name, const void __user *value, size_t size, int flags);
long sys_listxattr(const char __user *path, char __user *list, size_t size);
long sys_llistxattr(const char __user *path, char __user *list, size_t size);
long sys_flistxattr(int fd, char __user *list, size_t size);
long sys_removexattr(const char __user *path, const char __user *name);
long sys_lremovexattr(const char __user *path, const char __user *name);
long sys_fremovexattr(int fd, const char __user *name);
/* fs/mmap.c */
long sys_mmap(unsigned long addr, unsigned long len, unsigned long prot, unsigned long flags, unsigned long fd, unsigned long offset);
/* fs/tmpfs.c */
/* fs/socket.c */
long sys_socket(int family, int type, int protocol);
long sys_socketpair(int family, int type, int protocol, int __user *fds);
long sys_bind(int fd, const void __user *address, int len);
long sys_connect(int fd, const void __user *address, int len);
long sys_listen(int fd, int backlog);
long sys_accept(int fd, void __user *address, int __user *len);
long sys_accept4(int fd, void __user *address, int __user *len, int flags);
long sys_getsockname(int fd, void __user *address, int __user *len);
long sys_getpeername(int fd, void __user *address, int __user *len);
long sys_sendto(int fd, const void __user *buf, size_t n, u32 flags, const void __user *address, int len);
long sys_recvfrom(int fd, void __user *buf, size_t n, u32 flags, void __user *address, int __user *len);
long sys_sendmsg(int fd, const void __user *msg, u32 flags);
long sys_recvmsg(int fd, void __user *msg, u32 flags);
long sys_sendmmsg(int fd, void __user *msgs, u32 nr, u32 flags);
long sys_recvmmsg(int fd, void __user *msgs, u32 nr, u32 flags, const struct __kernel_timespec __user *timeout);
long sys_shutdown(int fd, int how);
long sys_setsockopt(int fd, int level, int name, const void __user *value, int len);
long sys_getsockopt(int fd, int level, int name, void __user *value, int __user *len);
/* fs/timerfd.c, fs/signalfd.c */
struct user_itimerspec;
long sys_timerfd_create(int clock, int flags);
long sys_timerfd_settime(int fd, int flags, const struct user_itimerspec __user *new, struct user_itimerspec __user *old);
long sys_timerfd_gettime(int fd, struct user_itimerspec __user *to);
long sys_signalfd(int fd, const u64 __user *mask, size_t size);
long sys_signalfd4(int fd, const u64 __user *mask, size_t size, int flags);
/* fs/epoll.c, fs/eventfd.c */
struct epoll_event;
long sys_epoll_create(int size);
long sys_epoll_create1(int flags);
long sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event __user *event);
long sys_epoll_wait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms);
long sys_epoll_pwait(int epfd, struct epoll_event __user *to, int max_events, int timeout_ms, const u64 __user *mask, size_t size);
long sys_epoll_pwait2(int epfd, struct epoll_event __user *to, int max_events, const void __user *timeout, const u64 __user *mask, size_t size);
long sys_eventfd(unsigned count);
long sys_eventfd2(unsigned count, int flags);
long sys_memfd_create(const char __user *name, unsigned flags);
/* fs/aio.c */
long sys_io_setup(unsigned nr, u64 __user *id);
long sys_io_destroy(u64 id);
long sys_io_submit(u64 id, long nr, struct iocb __user *__user *iocbs);
long sys_io_cancel(u64 id, struct iocb __user *iocb, struct io_event __user *result);
long sys_io_getevents(u64 id, long min_nr, long nr, struct io_event __user *events, const void __user *timeout);
long sys_io_pgetevents(u64 id, long min_nr, long nr, struct io_event __user *events, const void __user *timeout, const void __user *mask);
