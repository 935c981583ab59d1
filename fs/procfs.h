/*
 * /proc. procfs.c is the tree, proctext.c the files of text; what they say is in procsys.c and proccount.c (the system),
 * procctl.c (/proc/sys), procnet.c, procpid.c, procstatus.c, procfd.c and procmem.c (a process).
 *
 * A file's text is made when it is first read, and again when it is read from its beginning; whoever reads it in pieces
 * reads one state. A name in the tree holds its process (struct process, not the number), so that a new process of
 * the same number is not taken for it; once the process is reaped its files give ESRCH and its directory is empty.
 */
#pragma once

#include "fs/internal.h"
#include "kernel/task.h"

/* Text that grows. After a failure to grow, `failed` is set and additions are ignored. */
struct text {
	char *buf;
	size_t len, cap;
	bool failed;
	atomic_t refs;
};
void text_printf(struct text *t, const char *fmt, ...) __printf(2, 3);	/* at most 511 bytes a call */
void text_add(struct text *t, const char *bytes, size_t n);
bool text_reserve(struct text *t, size_t n);		/* room for n bytes in all, so that additions do not allocate; false: no memory */
void text_string(struct text *t, const char *s);
void text_escaped(struct text *t, const char *s, const char *special);	/* those characters, and backslashes, as \ooo */
void text_pad(struct text *t, size_t column);		/* blanks until the last line has that length */

/* What a file is about. In the root all are empty. */
struct proc_subject {
	struct process *process;	/* referenced by who has the subject */
	int tid;			/* one thread of it; 0: the process */
	int fd;				/* in fd/ and fdinfo/ */
};

enum proc_listing { PROC_NO_LIST, PROC_PROCESSES, PROC_THREADS, PROC_FDS, PROC_FDINFOS };	/* the numbers in a directory */

/* One name in a directory of /proc. */
struct proc_item {
	const char *name;
	u32 mode;				/* with type */
	bool guarded;				/* open only for who may look into the process: proc_may_access() */
	/* Files: their text. 0 or errno. Sleeps. */
	int (*show)(struct text *t, const struct proc_subject *s);
	/* What was written, ended by NUL; without `write` EINVAL or EIO. 0 or errno. */
	int (*write)(const struct proc_subject *s, char *buf, size_t n);
	const struct file_ops *fops;		/* files that are no text; file->inode->private is the node */
	/* Links: where a magic link leads (references taken), or its text. */
	int (*follow)(const struct proc_subject *s, struct path *out);
	int (*link)(const struct proc_subject *s, char *buf, size_t size);
	/* Directories */
	const struct proc_item *items;
	enum proc_listing listing;
};
extern const struct proc_item proc_root_items[], proc_pid_items[], proc_tid_items[];	/* end with a NULL name */
extern const struct proc_item proc_sys_items[], proc_net_items[];
extern const struct proc_item proc_fd_link, proc_fdinfo_file;

#define PROC_FILE(n, f) { .name = n, .mode = S_IFREG | 0444, .show = f }
#define PROC_DIR(n, i) { .name = n, .mode = S_IFDIR | 0555, .items = i }

struct proc_node {
	const struct proc_item *item;
	struct proc_subject subject;
};
static inline struct proc_node *proc_node(const struct inode *inode) { return inode->private; }

extern const struct file_ops proc_text_ops;		/* fs/proctext.c */
const struct proc_item *proc_item_find(const struct proc_item *items, const char *name, size_t len);

/* --- asking about processes (fs/procpid.c) --- */
/* May the caller look into the process (as ptrace(2)'s read access): same user and groups and dumpable, or root. */
bool proc_may_access(const struct process *p);
bool proc_alive(const struct process *p);	/* not reaped */
struct task *proc_task(const struct proc_subject *s);	/* the thread, or the first one; NULL: gone. tasklist_lock held */
/* Things of a subject, with a reference, or NULL. Take tasklist_lock. */
struct mm;
struct mm *proc_mm(const struct proc_subject *s);	/* mm_put */
struct files *proc_files(const struct proc_subject *s);	/* files_put */
/* For what is written to files. A number from low to high, ended by white space or the end: 0 or -EINVAL. */
int proc_number(const char *s, s64 low, s64 high, s64 *out);
/* A number without sign; *s goes on behind it. 0, or -EINVAL: there is none, or it has more than 64 bits. */
int proc_digits(const char **s, u64 *out);

/* --- what the tables name (in the file beside each) --- */
int proc_show_mounts(struct text *t, const struct proc_subject *s);	/* procmounts.c */
int proc_show_mountinfo(struct text *t, const struct proc_subject *s);
int proc_show_maps(struct text *t, const struct proc_subject *s);	/* procmem.c */
int proc_show_smaps(struct text *t, const struct proc_subject *s);
int proc_show_smaps_rollup(struct text *t, const struct proc_subject *s);
int proc_show_statm(struct text *t, const struct proc_subject *s);
int proc_show_cmdline(struct text *t, const struct proc_subject *s);
int proc_show_environ(struct text *t, const struct proc_subject *s);
int proc_show_auxv(struct text *t, const struct proc_subject *s);
extern const struct file_ops proc_mem_ops;		/* procmemfile.c */
extern const struct file_ops proc_pagemap_ops;
int proc_show_stat(struct text *t, const struct proc_subject *s);	/* procstatus.c */
int proc_show_status(struct text *t, const struct proc_subject *s);
int proc_show_limits(struct text *t, const struct proc_subject *s);
int proc_show_vmstat(struct text *t, const struct proc_subject *s);	/* proccount.c */
int proc_show_slabinfo(struct text *t, const struct proc_subject *s);
int proc_show_buddyinfo(struct text *t, const struct proc_subject *s);
int proc_show_interrupts(struct text *t, const struct proc_subject *s);
int proc_show_explore(struct text *t, const struct proc_subject *s);
int proc_write_explore(const struct proc_subject *s, char *buf, size_t n);
int proc_show_switches(struct text *t, const struct proc_subject *s);
int proc_write_switches(const struct proc_subject *s, char *buf, size_t n);
int proc_show_trace(struct text *t, const struct proc_subject *s);
int proc_write_trace(const struct proc_subject *s, char *buf, size_t n);
int proc_show_fail(struct text *t, const struct proc_subject *s);	/* procfail.c */
int proc_write_fail(const struct proc_subject *s, char *buf, size_t n);
extern const struct proc_item proc_sysvipc_items[];	/* procipc.c */
int proc_show_sem(struct text *t, const struct proc_subject *s);
int proc_write_sem(const struct proc_subject *s, char *buf, size_t n);
int proc_show_shmmax(struct text *t, const struct proc_subject *s);
int proc_show_shmall(struct text *t, const struct proc_subject *s);
int proc_show_shmmni(struct text *t, const struct proc_subject *s);
int proc_write_shmmax(const struct proc_subject *s, char *buf, size_t n);
int proc_write_shmall(const struct proc_subject *s, char *buf, size_t n);
int proc_write_shmmni(const struct proc_subject *s, char *buf, size_t n);
int proc_show_ownership(struct text *t, const struct proc_subject *s);
int proc_write_ownership(const struct proc_subject *s, char *buf, size_t n);
int proc_show_partitions(struct text *t, const struct proc_subject *s);
int proc_show_diskstats(struct text *t, const struct proc_subject *s);
int proc_show_devices(struct text *t, const struct proc_subject *s);
