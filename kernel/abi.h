/*
 * The Linux x86-64 system-call ABI: numbers, structures, constants and error numbers, from the
 * UAPI headers of Debian's linux-libc-dev. The one place that includes them.
 */
#pragma once

#include "kernel/types.h"

#include <asm/unistd.h>
#include <linux/errno.h>
#include <linux/aio_abi.h>
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/ipc.h>
#include <linux/limits.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <linux/openat2.h>
#include <linux/personality.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/reboot.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sem.h>
#include <linux/signal.h>
#include <linux/signalfd.h>
#include <linux/stat.h>
#include <linux/sysinfo.h>
#include <linux/time.h>
#include <linux/times.h>
#include <linux/uio.h>
#include <linux/utsname.h>
#include <linux/wait.h>
#include <linux/prctl.h>
#include <asm/ioctls.h>
#include <asm/mman.h>
#include <asm/prctl.h>
#include <asm/signal.h>
#include <asm/shmbuf.h>
#include <asm/siginfo.h>
#include <asm/socket.h>
#include <asm/sigcontext.h>
#include <asm/ucontext.h>
#include <asm/stat.h>
#include <asm/statfs.h>
#include <asm/termbits.h>
#include <asm/termios.h>

#define ERESTARTSYS 512		/* kernel-internal: restart after a handler with SA_RESTART, else EINTR */
#define ERESTART_RESTARTBLOCK 516 /* kernel-internal: so too, with the deadline of the first call (kernel/times.h) */
#define ERESTARTNOHAND 514	/* kernel-internal: restart only if no handler ran */
