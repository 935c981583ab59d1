/*
 * ext2 as it lies on the disk: little endian, like this machine. Facts from "The Second Extended File
 * System" (D. Poirier) and from what mke2fs 1.47 writes. Nothing here may be trusted: whoever reads
 * a field from the disk checks it at the moment of use (ext2.h names the checks).
 *
 *   block group g:  [super block copy + descriptors]  block bitmap  inode bitmap  inode table  data blocks
 *   byte 1024 of the device: the super block, whatever the block size; descriptors in the block after it.
 */
#pragma once

#include "kernel/types.h"

#define EXT2_MAGIC		0xef53
#define EXT2_SUPER_OFFSET	1024
#define EXT2_ROOT_INO		2
#define EXT2_OLD_FIRST_INO	11	/* revision 0: below are reserved inodes */
#define EXT2_OLD_INODE_SIZE	128
#define EXT2_LINK_MAX		32000
#define EXT2_NAME_MAX		255

struct ext2_super_disk {
	u32 inodes_count, blocks_count, r_blocks_count;	/* r_: kept for root */
	u32 free_blocks_count, free_inodes_count;
	u32 first_data_block;		/* 1 with blocks of 1 KiB (the super block's own), else 0 */
	u32 log_block_size;		/* block size = 1024 << this */
	u32 log_frag_size;
	u32 blocks_per_group, frags_per_group, inodes_per_group;
	u32 mtime, wtime;		/* last mount, last write */
	u16 mnt_count, max_mnt_count;
	u16 magic, state, errors, minor_rev_level;
	u32 lastcheck, checkinterval, creator_os, rev_level;
	u16 def_resuid, def_resgid;
	/* From revision 1 on: */
	u32 first_ino;
	u16 inode_size, block_group_nr;
	u32 feature_compat, feature_incompat, feature_ro_compat;
	u8 uuid[16];
	char volume_name[16], last_mounted[64];
	u32 algorithm_usage_bitmap;
	u8 prealloc_blocks, prealloc_dir_blocks;
	u16 reserved_gdt_blocks;
	u8 journal_uuid[16];
	u32 journal_inum, journal_dev, last_orphan, hash_seed[4];
	u8 def_hash_version, jnl_backup_type;
	u16 desc_size;
	u32 default_mount_opts, first_meta_bg, mkfs_time, jnl_blocks[17];
	u32 blocks_count_hi, r_blocks_count_hi, free_blocks_hi;
	u16 min_extra_isize, want_extra_isize;
	u32 rest[168];
};
_Static_assert(sizeof(struct ext2_super_disk) == 1024, "the super block is 1024 bytes");

#define EXT2_STATE_VALID	1	/* cleanly unmounted (here: also after a sync with nothing dirty) */
#define EXT2_STATE_ERROR	2

#define EXT2_INCOMPAT_FILETYPE	0x0002
#define EXT2_INCOMPAT_SUPPORTED	EXT2_INCOMPAT_FILETYPE
#define EXT2_RO_COMPAT_SPARSE_SUPER 0x0001
#define EXT2_RO_COMPAT_LARGE_FILE 0x0002
#define EXT2_RO_COMPAT_SUPPORTED (EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE)

struct ext2_group_disk {
	u32 block_bitmap, inode_bitmap, inode_table;	/* block numbers */
	u16 free_blocks_count, free_inodes_count, used_dirs_count;
	u16 flags;
	u32 reserved[3];
};
_Static_assert(sizeof(struct ext2_group_disk) == 32, "a group descriptor is 32 bytes");

#define EXT2_NDIR	12		/* direct blocks */
#define EXT2_IND	12		/* i_block[12..14]: indirect, double, triple */
#define EXT2_N_BLOCKS	15

struct ext2_inode_disk {
	u16 mode, uid;
	u32 size, atime, ctime, mtime, dtime;
	u16 gid, links_count;
	u32 blocks;			/* of 512 bytes, indirect blocks included */
	u32 flags, version;
	u32 block[EXT2_N_BLOCKS];
	u32 generation, file_acl;
	u32 size_high;			/* regular files; of directories: dir_acl */
	u32 faddr;
	u8 frag, fsize;
	u16 pad;
	u16 uid_high, gid_high;
	u32 reserved;
	/* Inodes larger than 128 bytes: extra_isize says how much of this is there */
	u16 extra_isize, checksum_hi;
	u32 ctime_extra, mtime_extra, atime_extra;	/* nanoseconds << 2 | seconds bits 33..32 */
	u32 crtime, crtime_extra, version_hi;
};
#define EXT2_EXTRA_TIMES	16	/* extra_isize that covers ctime_extra .. atime_extra */
#define EXT2_EXTRA_ALL		28

#define EXT2_FL_INDEX		0x00001000	/* hashed directory: cleared when a plain entry is added */
#define EXT2_FL_ENCRYPT		0x00000800
#define EXT2_FL_EXTENTS		0x00080000
#define EXT2_FL_INLINE_DATA	0x10000000
#define EXT2_FL_UNSUPPORTED	(EXT2_FL_ENCRYPT | EXT2_FL_EXTENTS | EXT2_FL_INLINE_DATA)

/* A directory is a row of these; none crosses a block; inode 0 = unused. */
struct ext2_dirent {
	u32 inode;
	u16 rec_len;			/* to the next one: multiple of 4 */
	u8 name_len;
	u8 file_type;			/* with EXT2_INCOMPAT_FILETYPE: 1 regular, 2 directory, ... else 0 */
	char name[];
};
#define EXT2_DIRENT_SIZE(name_len) ALIGN_UP((unsigned)(name_len) + 8, 4U)

#define EXT2_XATTR_MAGIC	0xea020000
struct ext2_xattr_disk {
	u32 magic, refcount, blocks, hash;
};
