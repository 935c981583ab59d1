/*
 * Files that live in memory only (fs/tmpfs.c): tmpfs itself, and devfs, which is a tmpfs with device nodes.
 */
#pragma once

#include "fs/vfs.h"

/* A super block with an empty root directory of that mode. */
int tmpfs_make(const char *type, u32 root_mode, struct super_block **out);
/* Make NAME in a tmpfs directory: mode has the type (S_IFLNK: target); its inode is returned without a reference of its own. */
int tmpfs_add(struct inode *dir, const char *name, u32 mode, u64 rdev, const char *target);
