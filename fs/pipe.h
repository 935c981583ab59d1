/* Pipes, for fcntl (fs/pipe.c). */
#pragma once

#include "fs/vfs.h"

long pipe_size(const struct file *file);			/* F_GETPIPE_SZ; EBADF: no pipe */
long pipe_set_size(struct file *file, unsigned long size);	/* F_SETPIPE_SZ */
void pipe_init(void);
