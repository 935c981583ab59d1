/*
 * ELF64 files into a new address space. Nothing in the file is believed: every number is checked before it is
 * used, and sums are formed so that they cannot wrap.
 *
 * A segment is mapped privately from the page cache; what lies behind its file part is anonymous memory from the next
 * page boundary on, and the rest of that last page is zeroed when the address space is current (elf_zero_tails). ET_DYN files
 * are placed by us: the program at PIE_BASE, its interpreter where mmap finds room.
 */
#include "kernel/exec.h"

#include "kernel/cpu.h"
#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define PIE_BASE 0x555555554000UL
#define MAX_PHDRS_SIZE 65536

static int read_exactly(struct file *file, void *buf, size_t n, u64 pos)
{
	if (pos > (u64)1 << 62)
		return -ENOEXEC;
	ssize_t got = file_read_kernel(file, buf, n, (loff_t)pos);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -ENOEXEC;
}

static bool header_ok(const struct elf64_hdr *h)
{
	return !memcmp(h->e_ident, ELFMAG, SELFMAG) && h->e_ident[EI_CLASS] == ELFCLASS64 &&
		h->e_ident[EI_DATA] == ELFDATA2LSB && (h->e_type == ET_EXEC || h->e_type == ET_DYN) &&
		h->e_machine == EM_X86_64 && h->e_phentsize == sizeof(struct elf64_phdr) &&
		h->e_phnum && h->e_phnum <= MAX_PHDRS_SIZE / sizeof(struct elf64_phdr);
}

static bool segment_ok(const struct elf64_phdr *ph)
{
	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > USER_TOP || ph->p_vaddr > USER_TOP - ph->p_memsz)
		return false;
	if (ph->p_filesz && (ph->p_offset > (u64)1 << 62 || (ph->p_offset ^ ph->p_vaddr) & ~PAGE_MASK))
		return false;
	return true;
}

/* Headers of `file` into image, checked. */
static int read_headers(struct file *file, struct elf_image *image)
{
	struct elf64_hdr *h = &image->header;
	bool any = false;

	int r = read_exactly(file, h, sizeof(*h), 0);
	if (r)
		return r;
	if (!header_ok(h))
		return -ENOEXEC;
	size_t size = h->e_phnum * sizeof(struct elf64_phdr);
	image->segments = kmalloc(size);
	if (!image->segments)
		return -ENOMEM;
	r = read_exactly(file, image->segments, size, h->e_phoff);
	if (r)
		return r;
	for (int i = 0; i < h->e_phnum; i++) {
		if (image->segments[i].p_type != PT_LOAD)
			continue;
		any = true;
		if (!segment_ok(&image->segments[i]))
			return -ENOEXEC;
	}
	return any ? 0 : -ENOEXEC;
}

static u64 segment_prot(const struct elf64_phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) | (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

static long map_anonymous(struct mm *mm, u64 addr, u64 length, u64 prot, u64 flags)
{
	return mm_map(mm, &(struct map_request){
		.addr = addr, .length = length, .prot = prot, .map_flags = MAP_PRIVATE | MAP_ANONYMOUS | flags,
	});
}

static long map_file(struct mm *mm, struct file *file, u64 addr, u64 length, u64 prot, u64 offset)
{
	struct map_request req = {
		.addr = addr, .length = length, .prot = prot, .map_flags = MAP_PRIVATE | MAP_FIXED,
		.vm_flags = VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC, .pgoff = offset >> PAGE_SHIFT,
	};

	return file_map(file, mm, &req);
}

static int map_segment(struct exec *e, struct file *file, const struct elf_image *image, const struct elf64_phdr *ph)
{
	u64 start = image->bias + ph->p_vaddr, in_page = start & ~PAGE_MASK;
	u64 file_end = ALIGN_UP(start + ph->p_filesz, PAGE_SIZE), end = ALIGN_UP(start + ph->p_memsz, PAGE_SIZE);
	u64 prot = segment_prot(ph);
	long r = 0;

	if (!ph->p_memsz)
		return 0;
	start -= in_page;
	if (!ph->p_filesz)
		file_end = start;
	else
		r = map_file(e->mm, file, start, file_end - start, prot, ph->p_offset - in_page);
	if (r >= 0 && end > file_end)
		r = map_anonymous(e->mm, file_end, end - file_end, prot, MAP_FIXED);
	return r < 0 ? (int)r : 0;
}

/* Where an ET_DYN image goes: its whole span reserved, so that the segments keep their distances. */
static int place_image(struct exec *e, struct elf_image *image, u64 hint)
{
	u64 low = USER_TOP, high = 0;

	for (int i = 0; i < image->header.e_phnum; i++) {
		const struct elf64_phdr *ph = &image->segments[i];
		if (ph->p_type != PT_LOAD)
			continue;
		low = min(low, ALIGN_DOWN(ph->p_vaddr, PAGE_SIZE));
		high = max(high, ph->p_vaddr + ph->p_memsz);
	}
	if (high <= low)
		return -ENOEXEC;
	if (image->header.e_type == ET_EXEC) {
		image->bias = 0;
	} else {
		long base = map_anonymous(e->mm, hint, high - low, PROT_NONE, MAP_NORESERVE);
		if (base < 0)
			return (int)base;
		image->bias = (u64)base - low;
	}
	image->end = image->bias + high;
	image->entry = image->bias + image->header.e_entry;
	return 0;
}

/* Map one file's segments; finds out where its program headers are in memory. */
static int map_image(struct exec *e, struct file *file, struct elf_image *image, u64 hint)
{
	const struct elf64_hdr *h = &image->header;

	int r = place_image(e, image, hint);
	for (int i = 0; i < h->e_phnum && !r; i++) {
		const struct elf64_phdr *ph = &image->segments[i];
		if (ph->p_type != PT_LOAD)
			continue;
		if (ph->p_offset <= h->e_phoff && h->e_phoff - ph->p_offset < ph->p_filesz)
			image->phdr_address = image->bias + ph->p_vaddr + (h->e_phoff - ph->p_offset);
		r = map_segment(e, file, image, ph);
	}
	return r;
}

/* PT_INTERP: the path of the dynamic linker. 0 and *path NULL if there is none; else *path is the caller's to kfree. */
static int read_interp_path(struct exec *e, char **path)
{
	*path = NULL;
	for (int i = 0; i < e->image.header.e_phnum; i++) {
		const struct elf64_phdr *ph = &e->image.segments[i];
		if (ph->p_type != PT_INTERP)
			continue;
		if (ph->p_filesz < 2 || ph->p_filesz > PATH_MAX)
			return -ENOEXEC;
		char *buf = kmalloc(ph->p_filesz);
		if (!buf)
			return -ENOMEM;
		int r = read_exactly(e->file, buf, ph->p_filesz, ph->p_offset);
		if (!r && buf[ph->p_filesz - 1])
			r = -ENOEXEC;
		if (r) {
			kfree(buf);
			return r;
		}
		*path = buf;
		return 0;
	}
	return 0;
}

static int load_interp(struct exec *e, const char *path)
{
	struct file *file = exec_open(path);

	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	int r = read_headers(file, &e->interp);
	if (r == -ENOEXEC)
		r = -ELIBBAD;
	if (!r)
		r = map_image(e, file, &e->interp, 0);
	file_put(file);
	return r;
}

static void note_layout(struct exec *e)
{
	struct mm *mm = e->mm;

	mm->code_start = mm->data_start = USER_TOP;
	for (int i = 0; i < e->image.header.e_phnum; i++) {
		const struct elf64_phdr *ph = &e->image.segments[i];
		u64 start = e->image.bias + ph->p_vaddr, end = start + ph->p_filesz;
		if (ph->p_type == PT_GNU_STACK)
			e->stack_exec = ph->p_flags & PF_X;
		if (ph->p_type != PT_LOAD)
			continue;
		if (ph->p_flags & PF_X) {
			mm->code_start = min(mm->code_start, start);
			mm->code_end = max(mm->code_end, end);
		} else if (ph->p_flags & PF_W) {
			mm->data_start = min(mm->data_start, start);
			mm->data_end = max(mm->data_end, end);
		}
	}
	if (mm->data_end == 0)
		mm->data_start = mm->data_end = ALIGN_UP(e->image.end, PAGE_SIZE);
	mm->brk_start = mm->brk = ALIGN_UP(e->image.end, PAGE_SIZE) + e->brk_shift;
}

int elf_load(struct exec *e)
{
	char *interp;

	int r = read_headers(e->file, &e->image);
	if (!r)
		r = read_interp_path(e, &interp);
	if (r)
		return r;
	e->has_interp = interp;
	r = map_image(e, e->file, &e->image, PIE_BASE + e->pie_shift);
	if (!r && interp)
		r = load_interp(e, interp);
	kfree(interp);
	if (!r)
		note_layout(e);
	return r;
}

static int zero_tails_of(const struct elf_image *image)
{
	for (int i = 0; i < image->header.e_phnum; i++) {
		const struct elf64_phdr *ph = &image->segments[i];
		if (ph->p_type != PT_LOAD || ph->p_memsz <= ph->p_filesz || !ph->p_filesz)
			continue;
		u64 from = image->bias + ph->p_vaddr + ph->p_filesz;
		if (clear_user((void __user *)from, ALIGN_UP(from, PAGE_SIZE) - from) && ph->p_flags & PF_W)
			return -EFAULT;
	}
	return 0;
}

int elf_zero_tails(struct exec *e)
{
	int r = zero_tails_of(&e->image);

	return r || !e->has_interp ? r : zero_tails_of(&e->interp);
}
