/* What syslog(2) and /proc/kmsg share: the lines of the kernel log that were not given out yet. */
#pragma once

#include "kernel/types.h"

bool klog_unread(void);
/* Take at most size bytes; with `wait` sleep until there are some. Bytes, -EAGAIN, -ERESTARTSYS. */
ssize_t klog_take(char *buf, size_t size, bool wait);
