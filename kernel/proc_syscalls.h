/*
 * System calls of processes, signals, time and identity: Linux's arguments and errnos. The files that
 * have them are named above each group. (Files: fs/syscalls.h; memory: mm/syscalls.h.)
 */
#pragma once

#include "kernel/abi.h"

struct rusage;

/* kernel/fork.c */
long sys_fork(void);
long sys_vfork(void);
long sys_clone(unsigned long flags, unsigned long newsp, int __user *parent_tid, int __user *child_tid, unsigned long tls);
long sys_clone3(struct clone_args __user *args, size_t size);
long sys_set_tid_address(int __user *tidptr);
/* kernel/exec.c */
long sys_execve(const char __user *name, const char __user *const __user *argv, const char __user *const __user *envp);
long sys_execveat(int dirfd, const char __user *name, const char __user *const __user *argv,
		  const char __user *const __user *envp, int flags);
/* kernel/processvm.c */
long sys_process_vm_readv(int pid, const struct iovec __user *local, unsigned long nr_local, const struct iovec __user *remote,
			  unsigned long nr_remote, unsigned long flags);
long sys_process_vm_writev(int pid, const struct iovec __user *local, unsigned long nr_local, const struct iovec __user *remote,
			   unsigned long nr_remote, unsigned long flags);
/* kernel/exit.c, kernel/wait4.c */
long sys_exit(int code);
long sys_exit_group(int code);
long sys_wait4(int pid, int __user *status, int options, struct rusage __user *usage);
long sys_waitid(int which, int pid, siginfo_t __user *info, int options, struct rusage __user *usage);
/* kernel/signal.c, kernel/sigcalls.c, kernel/sigframe.c */
long sys_kill(int pid, int sig);
long sys_tkill(int tid, int sig);
long sys_tgkill(int tgid, int tid, int sig);
long sys_rt_sigqueueinfo(int pid, int sig, siginfo_t __user *info);
long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, siginfo_t __user *info);
long sys_rt_sigaction(int sig, const void __user *act, void __user *old, size_t size);
long sys_rt_sigprocmask(int how, const u64 __user *set, u64 __user *old, size_t size);
long sys_rt_sigreturn(void);
long sys_rt_sigpending(u64 __user *set, size_t size);
long sys_rt_sigsuspend(const u64 __user *mask, size_t size);
long sys_rt_sigtimedwait(const u64 __user *set, siginfo_t __user *info, const struct __kernel_timespec __user *timeout, size_t size);
long sys_sigaltstack(const stack_t __user *stack, stack_t __user *old);
long sys_pause(void);
long sys_restart_syscall(void);
/* kernel/itimer.c */
long sys_alarm(unsigned seconds);
long sys_setitimer(int which, const void __user *value, void __user *old);
long sys_getitimer(int which, void __user *value);
/* kernel/timers.c */
struct sigevent;
long sys_timer_create(int clock, const struct sigevent __user *event, int __user *id);
long sys_timer_settime(int id, int flags, const struct __kernel_itimerspec __user *value, struct __kernel_itimerspec __user *old);
long sys_timer_gettime(int id, struct __kernel_itimerspec __user *value);
long sys_timer_getoverrun(int id);
long sys_timer_delete(int id);
/* kernel/futex.c */
long sys_futex(u32 __user *uaddr, int op, u32 val, const struct __kernel_timespec __user *timeout, u32 __user *uaddr2, u32 val3);
long sys_futex_waitv(const struct futex_waitv __user *waiters, unsigned nr, unsigned flags, const struct __kernel_timespec __user *timeout, int clock);
/* kernel/robust.c */
long sys_set_robust_list(void __user *head, size_t len);
long sys_get_robust_list(int pid, void __user *__user *head, size_t __user *len);
/* kernel/pid.c */
long sys_gettid(void);
long sys_getpid(void);
long sys_getppid(void);
long sys_getpgid(int pid);
long sys_setpgid(int pid, int pgid);
long sys_getpgrp(void);
long sys_setsid(void);
long sys_getsid(int pid);
/* kernel/cred.c */
long sys_getuid(void);
long sys_geteuid(void);
long sys_getgid(void);
long sys_getegid(void);
long sys_setuid(u32 uid);
long sys_setgid(u32 gid);
long sys_setreuid(u32 ruid, u32 euid);
long sys_setregid(u32 rgid, u32 egid);
long sys_setresuid(u32 ruid, u32 euid, u32 suid);
long sys_setresgid(u32 rgid, u32 egid, u32 sgid);
long sys_getresuid(u32 __user *ruid, u32 __user *euid, u32 __user *suid);
long sys_getresgid(u32 __user *rgid, u32 __user *egid, u32 __user *sgid);
long sys_setfsuid(u32 uid);
long sys_setfsgid(u32 gid);
long sys_getgroups(int size, u32 __user *list);
long sys_setgroups(int size, const u32 __user *list);
long sys_capget(void __user *header, void __user *data);
/* kernel/sysinfo.c */
long sys_uname(struct new_utsname __user *name);
long sys_sethostname(const char __user *name, int len);
long sys_setdomainname(const char __user *name, int len);
long sys_sysinfo(struct sysinfo __user *info);
long sys_getcpu(unsigned __user *cpu, unsigned __user *node, void __user *unused);
long sys_personality(unsigned persona);
/* kernel/syslog.c */
long sys_syslog(int type, char __user *buf, int len);
/* kernel/rlimit.c */
long sys_getrlimit(unsigned resource, struct rlimit __user *limit);
long sys_setrlimit(unsigned resource, const struct rlimit __user *limit);
long sys_prlimit64(int pid, unsigned resource, const struct rlimit64 __user *limit, struct rlimit64 __user *old);
long sys_getrusage(int who, struct rusage __user *usage);
long sys_times(struct tms __user *buf);
/* kernel/prctl.c */
long sys_prctl(int option, unsigned long a2, unsigned long a3, unsigned long a4, unsigned long a5);
long sys_arch_prctl(int code, unsigned long addr);
/* kernel/schedcalls.c */
long sys_sched_yield(void);
long sys_sched_getaffinity(int pid, unsigned len, unsigned long __user *mask);
long sys_sched_setaffinity(int pid, unsigned len, const unsigned long __user *mask);
long sys_sched_getscheduler(int pid);
long sys_sched_setscheduler(int pid, int policy, const int __user *param);
long sys_sched_getparam(int pid, int __user *param);
long sys_sched_setparam(int pid, const int __user *param);
long sys_sched_get_priority_max(int policy);
long sys_sched_get_priority_min(int policy);
long sys_sched_rr_get_interval(int pid, struct __kernel_timespec __user *interval);
long sys_getpriority(int which, int who);
long sys_setpriority(int which, int who, int nice);
long sys_ioprio_get(int which, int who);
long sys_ioprio_set(int which, int who, int prio);
/* kernel/times.c */
long sys_clock_gettime(int clock, struct __kernel_timespec __user *ts);
long sys_clock_getres(int clock, struct __kernel_timespec __user *ts);
long sys_clock_nanosleep(int clock, int flags, const struct __kernel_timespec __user *req, struct __kernel_timespec __user *rem);
long sys_nanosleep(const struct __kernel_timespec __user *req, struct __kernel_timespec __user *rem);
long sys_gettimeofday(struct __kernel_old_timeval __user *tv, struct timezone __user *tz);
long sys_time(long __user *tloc);
/* kernel/random.c */
long sys_getrandom(char __user *buf, size_t n, unsigned flags);
/* kernel/shm.c */
long sys_shmget(int key, size_t size, int flags);
long sys_shmat(int id, unsigned long addr, int flags);
long sys_shmdt(unsigned long addr);
long sys_shmctl(int id, int cmd, void __user *buf);
/* kernel/sem.c, kernel/semctl.c */
long sys_semget(int key, int nr, int flags);
long sys_semop(int id, struct sembuf __user *ops, unsigned nr);
long sys_semtimedop(int id, struct sembuf __user *ops, unsigned nr, const struct __kernel_timespec __user *timeout);
long sys_semctl(int id, int nr, int cmd, unsigned long arg);
/* kernel/reboot.c */
long sys_reboot(int magic1, int magic2, unsigned cmd, void __user *arg);
/* drivers/ttyjob.c */
long sys_vhangup(void);
