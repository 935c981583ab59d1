/*
 * The system-call table, and what entry.asm, which calls the functions in it, leaves to C.
 *
 * Every entry has exactly Linux's number and arguments; arguments arrive in rdi rsi rdx r10 r8 r9 and a
 * function takes as many as it wants. A number that is not in the table gives -ENOSYS and is logged once.
 */
#include "kernel/syscall.h"

#include "fs/syscalls.h"
#include "kernel/cpu.h"
#include "kernel/inject.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"
#include "kernel/signal.h"
#include "kernel/syscall_names.h"
#include "kernel/trace.h"
#include "kernel/usermode.h"
#include "mm/syscalls.h"

#define NR_SYSCALLS ARRAY_SIZE(syscall_names)
#define CALL(name) [__NR_##name] = sys_##name

/* void *: the functions have different types; the calling convention lets one type call them all. */
void *const syscall_table[NR_SYSCALLS] = {
	/* kernel/proc_syscalls.h */
	CALL(fork), CALL(vfork), CALL(clone), CALL(clone3), CALL(set_tid_address), CALL(execve), CALL(execveat),
	CALL(process_vm_readv), CALL(process_vm_writev), CALL(exit), CALL(exit_group), CALL(wait4), CALL(waitid), CALL(kill), CALL(tkill), CALL(tgkill),
	CALL(rt_sigqueueinfo), CALL(rt_tgsigqueueinfo), CALL(rt_sigaction), CALL(rt_sigprocmask),
	CALL(rt_sigreturn), CALL(rt_sigpending), CALL(rt_sigsuspend), CALL(rt_sigtimedwait), CALL(sigaltstack),
	CALL(pause), CALL(restart_syscall), CALL(alarm), CALL(setitimer), CALL(getitimer),
	CALL(timer_create), CALL(timer_settime), CALL(timer_gettime), CALL(timer_getoverrun), CALL(timer_delete), CALL(futex), CALL(futex_waitv),
	CALL(set_robust_list), CALL(get_robust_list), CALL(gettid), CALL(getpid), CALL(getppid), CALL(getpgid),
	CALL(setpgid), CALL(getpgrp), CALL(setsid), CALL(getsid), CALL(getuid), CALL(geteuid), CALL(getgid),
	CALL(getegid), CALL(setuid), CALL(setgid), CALL(setreuid), CALL(setregid), CALL(setresuid), CALL(setresgid),
	CALL(getresuid), CALL(getresgid), CALL(setfsuid), CALL(setfsgid), CALL(getgroups), CALL(setgroups),
	CALL(capget), CALL(uname), CALL(sethostname), CALL(setdomainname), CALL(sysinfo),
	CALL(getcpu), CALL(syslog), CALL(personality), CALL(getrlimit), CALL(setrlimit), CALL(prlimit64),
	CALL(getrusage), CALL(times), CALL(prctl), CALL(arch_prctl), CALL(sched_yield), CALL(sched_getaffinity),
	CALL(sched_setaffinity), CALL(sched_getscheduler), CALL(sched_setscheduler), CALL(sched_getparam),
	CALL(sched_setparam), CALL(sched_get_priority_max), CALL(sched_get_priority_min),
	CALL(sched_rr_get_interval), CALL(getpriority), CALL(setpriority), CALL(ioprio_get), CALL(ioprio_set),
	CALL(clock_gettime), CALL(clock_getres), CALL(clock_nanosleep), CALL(nanosleep), CALL(gettimeofday),
	CALL(time), CALL(getrandom), CALL(reboot), CALL(vhangup), CALL(shmget), CALL(shmat), CALL(shmdt), CALL(shmctl),
	CALL(semget), CALL(semop), CALL(semtimedop), CALL(semctl),
	/* mm/syscalls.h */
	CALL(munmap), CALL(mprotect), CALL(mremap), CALL(madvise), CALL(brk), CALL(msync), CALL(mincore),
	CALL(mlock), CALL(mlock2), CALL(munlock), CALL(mlockall), CALL(munlockall),
	CALL(mbind), CALL(set_mempolicy), CALL(get_mempolicy),
	/* fs/syscalls.h */
	CALL(open), CALL(openat), CALL(openat2), CALL(creat), CALL(close), CALL(close_range), CALL(umask),
	CALL(read), CALL(write), CALL(lseek), CALL(pread64), CALL(pwrite64), CALL(readv), CALL(writev),
	CALL(preadv), CALL(pwritev), CALL(preadv2), CALL(pwritev2), CALL(sendfile), CALL(copy_file_range), CALL(splice), CALL(tee), CALL(vmsplice), CALL(stat), CALL(lstat),
	CALL(fstat), CALL(newfstatat), CALL(statx), CALL(access), CALL(faccessat), CALL(faccessat2), CALL(readlink),
	CALL(readlinkat), CALL(statfs), CALL(fstatfs), CALL(dup), CALL(dup2), CALL(dup3), CALL(fcntl), CALL(flock),
	CALL(ioctl), CALL(getdents64), CALL(getdents), CALL(getcwd), CALL(chdir), CALL(fchdir), CALL(chroot),
	CALL(mkdir), CALL(mkdirat), CALL(rmdir), CALL(unlink), CALL(unlinkat), CALL(link), CALL(linkat),
	CALL(symlink), CALL(symlinkat), CALL(mknod), CALL(mknodat), CALL(rename), CALL(renameat), CALL(renameat2),
	CALL(chmod), CALL(fchmod), CALL(fchmodat), CALL(chown), CALL(lchown), CALL(fchown), CALL(fchownat),
	CALL(truncate), CALL(ftruncate), CALL(fallocate), CALL(utime), CALL(utimes), CALL(futimesat),
	CALL(utimensat), CALL(pipe), CALL(pipe2), CALL(poll), CALL(ppoll), CALL(select), CALL(pselect6), CALL(sync),
	CALL(fsync), CALL(fdatasync), CALL(syncfs), CALL(sync_file_range), CALL(fadvise64), CALL(readahead),
	CALL(mount), CALL(umount2), CALL(swapon), CALL(swapoff), CALL(getxattr), CALL(lgetxattr), CALL(fgetxattr), CALL(setxattr),
	CALL(lsetxattr), CALL(fsetxattr), CALL(listxattr), CALL(llistxattr), CALL(flistxattr), CALL(removexattr),
	CALL(lremovexattr), CALL(fremovexattr), CALL(mmap), CALL(memfd_create),
	CALL(epoll_create), CALL(epoll_create1), CALL(epoll_ctl), CALL(epoll_wait), CALL(epoll_pwait), CALL(epoll_pwait2),
	CALL(io_setup), CALL(io_destroy), CALL(io_submit), CALL(io_cancel), CALL(io_getevents), CALL(io_pgetevents),
	CALL(eventfd), CALL(eventfd2), CALL(timerfd_create), CALL(timerfd_settime), CALL(timerfd_gettime), CALL(signalfd), CALL(signalfd4),
	CALL(socket), CALL(socketpair), CALL(bind), CALL(connect), CALL(listen), CALL(accept), CALL(accept4), CALL(getsockname),
	CALL(getpeername), CALL(sendto), CALL(recvfrom), CALL(sendmsg), CALL(recvmsg), CALL(sendmmsg), CALL(recvmmsg), CALL(shutdown),
	CALL(setsockopt), CALL(getsockopt),
};

const u64 syscall_count = NR_SYSCALLS;

typedef long (*syscall_fn)(u64, u64, u64, u64, u64, u64);

static u64 logged[DIV_UP(NR_SYSCALLS, 64)];	/* atomic bits: this unknown number was reported */

const char *syscall_name(u64 nr)
{
	return nr < NR_SYSCALLS && syscall_names[nr] ? syscall_names[nr] : "?";
}

static long unknown_call(u64 nr)
{
	if (nr >= NR_SYSCALLS)
		return -ENOSYS;
	u64 bit = BIT(nr % 64);
	if (!(__atomic_fetch_or(&logged[nr / 64], bit, __ATOMIC_RELAXED) & bit))
		printk("syscall: %s (%lu) is not supported, first called by %s[%d]\n", syscall_name(nr), nr, current->name, current->tid);
	return -ENOSYS;
}

/* The same call, with a record before and after. */
static __attribute__((noinline)) long traced_call(syscall_fn fn, const struct trapframe *f)
{
	u64 nr = f->error;
	long result;

	trace(TRACE_SYSCALL, nr, f->rdi, f->rsi);
	result = fn(f->rdi, f->rsi, f->rdx, f->r10, f->r8, f->r9);
	trace(TRACE_SYSRET, nr, result, 0);
	return result;
}

long syscall_slow(const struct trapframe *frame)
{
	u64 nr = frame->error;

	if (nr >= NR_SYSCALLS || !syscall_table[nr])
		return unknown_call(nr);
	if (inject_now(INJECT_KILL))
		signal_send_task(current, SIGKILL, NULL);
	return traced_call((syscall_fn)syscall_table[nr], frame);
}

/* An internal "restart me" never reaches the program: signal_deliver() turns it into a restart or EINTR. */
void syscall_interrupted(void)
{
	task_set_flag(current, TF_SIGPENDING);
}

_Static_assert(ERESTARTSYS == 512 && ERESTART_RESTARTBLOCK == 516 && (TRACE_CALLS_SLOW | 1U << TRACE_SYSCALL | 1U << TRACE_SYSRET) == 0x80000003, "entry.asm");
