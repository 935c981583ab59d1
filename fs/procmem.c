/* The files of /proc that show a process's memory: maps, smaps, pagemap, statm, and its arguments and environment. */
#include "fs/procfs.h"

#include "kernel/string.h"
#include "mm/gup.h"
#include "mm/mm.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/swap.h"
#include "mm/usage.h"

#define KB(pages) ((pages) * (PAGE_SIZE / 1024))

/* --- maps and smaps --- */

static void add_name(struct text *t, struct vma *v, char *buf)
{
	buf[0] = 0;
	if (v->ops && v->ops->name && v->ops->name(v, buf, PATH_MAX) < 0)
		buf[0] = 0;
	if (v->flags & VM_STACK)
		str_copy(buf, "[stack]", PATH_MAX);
	else if (v->flags & VM_HEAP)
		str_copy(buf, "[heap]", PATH_MAX);
	if (buf[0]) {
		text_pad(t, 73);
		text_escaped(t, buf, "\n");
	}
	text_add(t, "\n", 1);
}

static void add_map(struct text *t, struct vma *v, char *buf)
{
	u32 major = 0, minor = 0;
	u64 ino = 0;

	if (v->ops && v->ops->stat)
		v->ops->stat(v, &major, &minor, &ino);
	text_printf(t, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu ", v->start, v->end,
		    v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-', v->flags & VM_EXEC ? 'x' : '-',
		    v->flags & VM_SHARED ? 's' : 'p', v->mapping ? v->pgoff << PAGE_SHIFT : 0, major, minor, ino);
	add_name(t, v, buf);
}

static void add_kb(struct text *t, const char *name, u64 kb)
{
	char head[24];

	ksnprintf(head, sizeof(head), "%s:", name);
	text_printf(t, "%-15s %8lu kB\n", head, kb);
}

static void add_usage(struct text *t, const struct vma_usage *u, u64 locked)
{
	add_kb(t, "Rss", KB(u->rss));
	add_kb(t, "Pss", u->pss_bytes / 1024);
	add_kb(t, "Shared_Clean", KB(u->shared_clean));
	add_kb(t, "Shared_Dirty", KB(u->shared_dirty));
	add_kb(t, "Private_Clean", KB(u->private_clean));
	add_kb(t, "Private_Dirty", KB(u->private_dirty));
	add_kb(t, "Referenced", KB(u->referenced));
	add_kb(t, "Anonymous", KB(u->anonymous));
	add_kb(t, "LazyFree", 0);		/* what follows does not exist here: programs add it up */
	add_kb(t, "AnonHugePages", 0);
	add_kb(t, "ShmemPmdMapped", 0);
	add_kb(t, "FilePmdMapped", 0);
	add_kb(t, "Shared_Hugetlb", 0);
	add_kb(t, "Private_Hugetlb", 0);
	add_kb(t, "Swap", KB(u->swap));
	add_kb(t, "SwapPss", u->swap_pss_bytes / 1024);
	add_kb(t, "Locked", locked);
}

static void add_flags(struct text *t, u64 flags)
{
	static const struct { u64 flag; const char *name; } names[] = {
		{ VM_READ, "rd" }, { VM_WRITE, "wr" }, { VM_EXEC, "ex" }, { VM_SHARED, "sh" }, { VM_MAYREAD, "mr" }, { VM_MAYWRITE, "mw" },
		{ VM_MAYEXEC, "me" }, { VM_GROWSDOWN, "gd" }, { VM_LOCKED, "lo" }, { VM_DONTFORK, "dc" }, { VM_NORESERVE, "nr" },
		{ VM_WIPEONFORK, "wf" }, { VM_HUGEPAGE, "hg" }, { VM_NOHUGEPAGE, "nh" },
	};

	text_string(t, "VmFlags: ");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].flag)
			text_printf(t, "%s ", names[i].name);
	text_add(t, "\n", 1);
}

static void add_smap(struct text *t, struct vma *v, char *buf)
{
	struct vma_usage u;

	add_map(t, v, buf);
	vma_usage(v, &u);
	add_kb(t, "Size", (v->end - v->start) / 1024);
	add_kb(t, "KernelPageSize", 4);
	add_kb(t, "MMUPageSize", 4);
	add_usage(t, &u, v->flags & VM_LOCKED ? u.pss_bytes / 1024 : 0);
	text_string(t, "THPeligible:    0\n");
	add_flags(t, v->flags);
}

/* fn for every VMA; a zombie or a kernel thread has none. */
static int each_vma(struct text *t, const struct proc_subject *s, void (*fn)(struct text *t, struct vma *v, char *buf))
{
	char *buf = kmalloc(PATH_MAX);
	struct mm *mm = buf ? proc_mm(s) : NULL;

	if (mm) {
		down_read(&mm->mmap_lock);
		for (unsigned i = 0; i < mm->nr_vmas; i++)
			fn(t, mm->vmas[i], buf);
		up_read(&mm->mmap_lock);
		mm_put(mm);
	}
	kfree(buf);
	return buf ? 0 : -ENOMEM;
}

int proc_show_maps(struct text *t, const struct proc_subject *s) { return each_vma(t, s, add_map); }
int proc_show_smaps(struct text *t, const struct proc_subject *s) { return each_vma(t, s, add_smap); }

static void sum_up(struct vma_usage *sum, const struct vma_usage *u)
{
	sum->rss += u->rss;
	sum->anonymous += u->anonymous;
	sum->shared_clean += u->shared_clean;
	sum->shared_dirty += u->shared_dirty;
	sum->private_clean += u->private_clean;
	sum->private_dirty += u->private_dirty;
	sum->referenced += u->referenced;
	sum->pss_bytes += u->pss_bytes;
	sum->swap += u->swap;
	sum->swap_pss_bytes += u->swap_pss_bytes;
}

int proc_show_smaps_rollup(struct text *t, const struct proc_subject *s)
{
	struct mm *mm = proc_mm(s);
	struct vma_usage sum = { 0 }, u;
	u64 first = 0, last = 0, locked = 0;

	if (!mm)
		return -ESRCH;
	down_read(&mm->mmap_lock);
	for (unsigned i = 0; i < mm->nr_vmas; i++) {
		struct vma *v = mm->vmas[i];
		vma_usage(v, &u);
		sum_up(&sum, &u);
		locked += v->flags & VM_LOCKED ? u.pss_bytes : 0;
		first = i ? first : v->start;
		last = v->end;
	}
	up_read(&mm->mmap_lock);
	mm_put(mm);
	text_printf(t, "%08lx-%08lx ---p 00000000 00:00 0 ", first, last);
	text_pad(t, 73);
	text_string(t, "[rollup]\n");
	add_usage(t, &sum, locked / 1024);
	return 0;
}

int proc_show_statm(struct text *t, const struct proc_subject *s)
{
	struct mm *mm = proc_mm(s);
	struct mm_usage u = { 0 };
	u64 size = 0, text = 0;

	if (mm) {
		mm_usage(mm, &u);
		size = mm->total_pages;
		text = (ALIGN_UP(mm->code_end, PAGE_SIZE) - ALIGN_DOWN(mm->code_start, PAGE_SIZE)) >> PAGE_SHIFT;
		mm_put(mm);
	}
	text_printf(t, "%lu %lu %lu %lu 0 %lu 0\n", size, u.anonymous + u.file + u.shmem, u.file + u.shmem, text, u.data + u.stack);
	return 0;
}

/* --- pagemap: 64 bits for each page, at 8 * its number --- */

#define PAGEMAP_PRESENT BIT(63)
#define PAGEMAP_SWAPPED BIT(62)	/* then bits 0 to 4 are the area, 5 to 54 the place in it */
#define PAGEMAP_FILE BIT(61)
#define PAGEMAP_EXCLUSIVE BIT(56)
#define PAGEMAP_END ((loff_t)(USER_TOP >> PAGE_SHIFT) * 8)

static int pagemap_open(struct inode *inode, struct file *file)
{
	const struct proc_node *n = proc_node(inode);

	if (file->mode & FMODE_WRITE)
		return -EACCES;
	if (!proc_alive(n->subject.process))
		return -ESRCH;
	return proc_may_access(n->subject.process) ? 0 : -EACCES;
}

/* The numbers of frames are for root only. */
static u64 pagemap_word(struct mm *mm, vaddr_t va, bool frames)
{
	struct page_usage u;

	page_usage(mm, va, &u);
	if (u.swapped)
		return PAGEMAP_SWAPPED | (u.exclusive ? PAGEMAP_EXCLUSIVE : 0) |
		       (frames ? (u64)SWAP_SLOT(u.swap_id) << 5 | u.swap_id >> SWAP_SLOT_BITS : 0);
	return (u.present ? PAGEMAP_PRESENT : 0) | (u.file ? PAGEMAP_FILE : 0) | (u.exclusive ? PAGEMAP_EXCLUSIVE : 0) | (frames ? u.pfn : 0);
}

static ssize_t pagemap_read(struct file *file, struct iov_iter *to, loff_t *pos)
{
	struct mm *mm;
	u64 words[64];
	size_t done = 0;

	if (*pos < 0 || *pos % 8 || to->count % 8)
		return -EINVAL;
	mm = proc_mm(&proc_node(file->inode)->subject);
	if (!mm)
		return 0;
	while (to->count && *pos < PAGEMAP_END && !fatal_signal_pending(current)) {
		size_t n = min(to->count, sizeof(words)), k;

		n = min(n, (size_t)(PAGEMAP_END - *pos));
		for (size_t i = 0; i < n / 8; i++)
			words[i] = pagemap_word(mm, (vaddr_t)(*pos / 8 + (loff_t)i) << PAGE_SHIFT, fsuid() == 0);
		k = copy_to_iter(words, n, to);
		done += k;
		*pos += (loff_t)k;
		if (k < n) {
			mm_put(mm);
			return done ? (ssize_t)done : -EFAULT;
		}
	}
	mm_put(mm);
	return (ssize_t)done;
}

static loff_t pagemap_llseek(struct file *file, loff_t offset, int whence)
{
	if (whence == SEEK_CUR)
		offset += file->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	return offset < 0 ? -EINVAL : (file->pos = offset);
}

const struct file_ops proc_pagemap_ops = { .open = pagemap_open, .read = pagemap_read, .llseek = pagemap_llseek };

/* --- arguments and environment --- */

#define AREA_MAX (2UL << 20)

/* Bytes [start, end) of another address space. */
static void add_memory(struct text *t, struct mm *mm, vaddr_t start, vaddr_t end)
{
	end = min(end, start + AREA_MAX);
	while (start < end) {
		size_t offset = start & ~PAGE_MASK, n = min(end - start, PAGE_SIZE - offset);
		struct page *page;

		if (get_user_pages_unlocked(mm, start, 1, PIN_FORCE, &page) != 1)
			break;
		text_add(t, (char *)page_address(page) + offset, n);
		unpin_user_pages(&page, 1, 0);
		start += n;
	}
}

static int show_area(struct text *t, const struct proc_subject *s, bool env)
{
	struct mm *mm = proc_mm(s);

	if (!mm)
		return 0;
	if (env)
		add_memory(t, mm, mm->env_start, mm->env_end);
	else
		add_memory(t, mm, mm->arg_start, mm->arg_end);
	mm_put(mm);
	return 0;
}

int proc_show_cmdline(struct text *t, const struct proc_subject *s) { return show_area(t, s, false); }
int proc_show_environ(struct text *t, const struct proc_subject *s) { return show_area(t, s, true); }

int proc_show_auxv(struct text *t, const struct proc_subject *s)
{
	struct mm *mm = proc_mm(s);
	size_t n = 0;

	if (!mm)
		return 0;
	while (n + 2 < ARRAY_SIZE(mm->auxv) && mm->auxv[n])
		n += 2;
	text_add(t, (const char *)mm->auxv, (n + 2) * sizeof(u64));
	mm_put(mm);
	return 0;
}
