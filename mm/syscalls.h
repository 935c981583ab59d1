/* System calls of the memory system that need no descriptor. sys_mmap is in fs/. Linux's arguments and errnos. */
#pragma once

#include "kernel/types.h"

long sys_munmap(unsigned long addr, size_t len);
long sys_mprotect(unsigned long addr, size_t len, unsigned long prot);
long sys_mremap(unsigned long addr, unsigned long old_len, unsigned long new_len, unsigned long flags, unsigned long new_addr);
long sys_madvise(unsigned long addr, size_t len, int advice);
long sys_brk(unsigned long brk);
long sys_msync(unsigned long addr, size_t len, int flags);
long sys_mincore(unsigned long addr, size_t len, unsigned char __user *vec);
long sys_mlock(unsigned long addr, size_t len);
long sys_mlock2(unsigned long addr, size_t len, int flags);
long sys_munlock(unsigned long addr, size_t len);
long sys_mlockall(int flags);
long sys_munlockall(void);

/* mm/mempolicy.c */
long sys_set_mempolicy(int mode, const unsigned long __user *mask, unsigned long max_node);
long sys_get_mempolicy(int __user *policy, unsigned long __user *mask, unsigned long max_node, unsigned long addr, unsigned long flags);
long sys_mbind(unsigned long start, unsigned long len, int mode, const unsigned long __user *mask, unsigned long max_node, unsigned flags);
