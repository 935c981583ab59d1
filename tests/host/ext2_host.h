/*
 * The hosted ext2 tests: fs/ext2 with the real page cache (mm/) under ASan, over
 *   ext2_vfs.c   a small stand-in for fs/: inodes by number with references, generic file operations; and the disk, an array
 *                that completes requests later and in any order
 *   ext2_model.h a tree of files in memory: every operation is done to both and compared
 *   ext2_sys.c   host files
 * The image comes from mke2fs (file named by $EXT2_IMAGE), and goes back to e2fsck and debugfs ($EXT2_OUT, $EXT2_MANIFEST): ext2_suite.py.
 */
#pragma once

#include "fs/ext2/ext2.h"
#include "tests/host/host.h"

/* --- ext2_sys.c (plain types: it includes libc's headers) --- */
void *file_load(const char *variable, size_t *size);		/* the file named by the environment variable */
void file_save(const char *variable, const void *data, size_t size);
void file_append(const char *variable, const char *text);	/* nothing if it is not set */
unsigned data_crc(unsigned crc, const void *data, size_t size);	/* as zlib's */

/* --- ext2_vfs.c --- */
extern struct block_device disk;
extern u8 *disk_data;
extern int disk_fail_read, disk_fail_write;	/* the n-th from now on fails, then (negative) each n-th */
extern unsigned disk_slow;			/* others run up to so often before a request completes */
extern bool disk_lenient;			/* a corrupt image: two files may share a block, so requests may overlap */
extern unsigned memory_fail_rate;		/* every n-th allocation fails; 0: none */
void disk_open(void *data, size_t size);
void disk_wait_idle(void);
int fs_mount(u32 flags, struct super_block **sb);
int fs_sync(struct super_block *sb);		/* as sync(2) */
void fs_umount(struct super_block *sb);		/* fails the test if an inode is still referenced */
void fs_drop_caches(struct super_block *sb);
unsigned fs_inodes(struct super_block *sb);	/* in memory */

/* --- ext2_model.h --- */
void model_load(struct super_block *sb);	/* learn what mke2fs put there */
struct model;
struct model *model_below(struct super_block *sb, const char *name);	/* a directory of the root's as a root of its own, made if absent */
struct model *model_root(struct super_block *sb);
void model_step(struct model *m);		/* one random operation */
void model_fill(struct model *m, u64 leave);	/* take all space but some */
void model_verify(struct model *m);		/* everything, read through ext2 */
void model_manifest(struct model *m);
void model_close(struct model *m);		/* closes its open files */
extern int model_enospc;			/* how often there was no space */

/* --- ext2_fuzz.c --- */
/* Mount what the disk holds, read everything, change everything, unmount: any result is right but a crash, a hang or a leak. */
void fuzz_use_image(u32 flags);
