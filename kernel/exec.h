/*
 * One execve() in progress, shared by exec.c (the order of things), execargs.c (argument strings) and elf.c (the
 * image). Everything that can fail is done in a new address space beside the old one; the point of no return is exec_commit().
 */
#pragma once

#include "fs/vfs.h"
#include "kernel/task.h"
#include "mm/mm.h"

#define EXEC_HEAD_SIZE 256		/* Linux's BINPRM_BUF_SIZE: what a #! line may have */
#define EXEC_MAX_INTERP 5		/* scripts on the way to an ELF file */
#define MAX_ARG_STRLEN (32 * PAGE_SIZE)	/* one string, its NUL included */

/* Strings for the new stack: argv, then envp, NUL-terminated one after the other. */
struct exec_strings {
	u8 **pages;		/* frames' contents */
	unsigned nr_pages;
	size_t bytes;		/* in use */
	size_t limit;		/* of bytes + pointers */
	u32 *lengths;		/* of each string, its NUL included: argc + envc of them */
	int argc, envc;
	/* What #! lines put before: strings from prefix + prefix_start to its end. */
	char *prefix;
	size_t prefix_start;
	int prefix_count;
	bool skip_first;	/* argv[0] was replaced by the prefix */
};

/* An ELF file whose headers have been read and checked. */
struct elf_image {
	struct elf64_hdr header;
	struct elf64_phdr *segments;	/* kmalloc: header.e_phnum */
	u64 bias;			/* address in memory - address in the file */
	u64 entry;			/* in memory */
	u64 phdr_address;		/* of the program headers in memory, 0 if no segment has them */
	u64 end;			/* of the highest segment, in memory */
};

struct exec {
	struct file *file;		/* owns a reference: the ELF file, in the end */
	char *name;			/* kmalloc: what AT_EXECFN says */
	u8 head[EXEC_HEAD_SIZE];	/* the file's first bytes, zero-filled */
	struct exec_strings strings;
	struct mm *mm;			/* new, owned until the commit */
	void *fpu;			/* initial state, owned until the commit */
	struct elf_image image, interp;
	bool has_interp;
	u64 vdso;			/* its ELF header in memory */
	u64 pie_shift, brk_shift;	/* ASLR: how far up a PIE program and the heap are moved; 0 without */
	u64 stack_shift;		/* and how far below its top, within the stack's first pages, the strings begin */
	bool stack_exec;
	u32 euid, egid;			/* after set-user-id bits */
};

/* execargs.c: take the strings in. -EFAULT, -E2BIG, -ENOMEM. argv and envp are user arrays, or kernel ones. */
int exec_strings_user(struct exec_strings *s, const char __user *const __user *argv, const char __user *const __user *envp);
int exec_strings_kernel(struct exec_strings *s, const char *const argv[], const char *const envp[]);
/* A script: argv[0] is replaced by interp [arg] script. -ENOMEM, -E2BIG. */
int exec_strings_script(struct exec_strings *s, const char *interp, const char *arg, const char *script);
void exec_strings_free(struct exec_strings *s);
/* In the new address space: write strings, pointers and auxv below *sp (updated). -EFAULT. Sleeps. */
int exec_write_stack(struct exec *e, u64 *sp);

/* elf.c: check and map e->file (and its PT_INTERP) into e->mm. -ENOEXEC, -ENOMEM, -EIO, ... Sleeps. */
int elf_load(struct exec *e);
/* In the new address space: zero what follows the file's bytes in a segment's last page. -EFAULT. */
int elf_zero_tails(struct exec *e);
/* Open the file of a path for execution. ERR_PTR: -ENOENT, -EACCES... */
struct file *exec_open(const char *path);
