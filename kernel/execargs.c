/*
 * execve()'s strings: from the old program's memory (or the kernel's) into frames, and from there, once the new
 * address space is current, to the top of the new stack:
 *
 *   stack_top  8 zero bytes
 *              file name (AT_EXECFN)
 *              environment strings
 *              argument strings
 *              "x86_64", 16 random bytes, alignment
 *              auxv pairs ... AT_NULL
 *              envp pointers, NULL
 *              argv pointers, NULL
 *   rsp ->     argc                                  (16-byte aligned)
 */
#include "kernel/cpu.h"
#include "kernel/exec.h"
#include "kernel/random.h"
#include "kernel/string.h"
#include "mm/page.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define PREFIX_SIZE (16 * 1024)

/* Where byte `at` of the strings is kept; allocates frames as needed. NULL: no memory. */
static u8 *string_place(struct exec_strings *s, size_t at)
{
	size_t n = at / PAGE_SIZE;

	if (n >= s->nr_pages) {
		struct page *page = page_alloc(0, 0);
		if (!page)
			return NULL;
		s->pages[s->nr_pages++] = page_address(page);
	}
	return s->pages[n] + at % PAGE_SIZE;
}

static size_t get_bytes(void *dst, const char *src, size_t n, bool user)
{
	if (user)
		return copy_from_user(dst, (const char __user *)src, n);
	memcpy(dst, src, n);
	return 0;
}

/* Append one string, piece by piece within pages of source and destination. */
static int add_string(struct exec_strings *s, int index, const char *src, bool user)
{
	size_t length = 0;

	for (;;) {
		u8 *dst = string_place(s, s->bytes);
		if (!dst)
			return -ENOMEM;
		size_t n = min(PAGE_SIZE - s->bytes % PAGE_SIZE, PAGE_SIZE - (u64)src % PAGE_SIZE);
		if (!user)
			n = min(n, strlen(src) + 1);
		size_t got = n - get_bytes(dst, src, n, user);
		u8 *nul = memchr(dst, 0, got);
		if (nul)
			got = n = (size_t)(nul - dst) + 1;
		length += got;
		s->bytes += got;
		if (length > MAX_ARG_STRLEN || s->bytes > s->limit)
			return -E2BIG;
		if (nul) {
			s->lengths[index] = (u32)length;
			return 0;
		}
		if (got < n)
			return -EFAULT;
		src += got;
	}
}

/* Fetch entry i of a pointer array: 0, or -EFAULT. */
static int get_pointer(const char *const *array, int i, bool user, const char **out)
{
	u64 value;

	if (!user) {
		*out = array[i];
		return 0;
	}
	if (copy_from_user(&value, (const u64 __user *)(u64)array + i, sizeof(value)))
		return -EFAULT;
	*out = (const char *)value;
	return 0;
}

static int count_strings(const char *const *array, bool user)
{
	const char *p;
	int n = 0;

	if (!array)
		return 0;
	for (;; n++) {
		if (get_pointer(array, n, user, &p))
			return -EFAULT;
		if (!p)
			return n;
		if (n >= 0x7fffff || (user && fatal_signal_pending(current)))
			return -E2BIG;
	}
}

static int add_all(struct exec_strings *s, int first, int n, const char *const *array, bool user)
{
	const char *p;

	for (int i = 0; i < n; i++) {
		int r = get_pointer(array, i, user, &p);
		if (!r)
			r = p ? add_string(s, first + i, p, user) : -EFAULT;
		if (r)
			return r;
	}
	return 0;
}

static int take_strings(struct exec_strings *s, const char *const *argv, const char *const *envp, bool user)
{
	int argc = count_strings(argv, user), envc;

	if (argc < 0)
		return argc;
	envc = count_strings(envp, user);
	if (envc < 0)
		return envc;
	/* Linux: a quarter of the stack limit, at most 6 MiB, at least 128 KiB, pointers included. */
	size_t limit = max(min(current->process->limits[RLIMIT_STACK].rlim_cur / 4, (u64)6 << 20), (u64)128 << 10);
	size_t pointers = ((size_t)max(argc, 1) + (size_t)envc) * sizeof(u64);
	if (limit <= pointers)
		return -E2BIG;
	s->limit = limit - pointers;
	s->pages = kzalloc((limit / PAGE_SIZE + 34) * sizeof(*s->pages));
	s->lengths = kmalloc(pointers);
	if (!s->pages || !s->lengths)
		return -ENOMEM;
	int r = argc ? add_all(s, 0, argc, argv, user) : add_string(s, 0, "", false);	/* argc 0: Linux passes one "" */
	s->argc = max(argc, 1);
	s->envc = envc;
	return r ? r : add_all(s, s->argc, envc, envp, user);
}

int exec_strings_user(struct exec_strings *s, const char __user *const __user *argv, const char __user *const __user *envp)
{
	return take_strings(s, (const char *const *)(u64)argv, (const char *const *)(u64)envp, true);
}

int exec_strings_kernel(struct exec_strings *s, const char *const argv[], const char *const envp[])
{
	return take_strings(s, argv, envp, false);
}

static int push_prefix(struct exec_strings *s, const char *string)
{
	size_t n = strlen(string) + 1;

	if (n > s->prefix_start)
		return -E2BIG;
	s->prefix_start -= n;
	memcpy(s->prefix + s->prefix_start, string, n);
	s->prefix_count++;
	return 0;
}

int exec_strings_script(struct exec_strings *s, const char *interp, const char *arg, const char *script)
{
	if (!s->prefix) {
		s->prefix = kmalloc(PREFIX_SIZE);
		if (!s->prefix)
			return -ENOMEM;
		s->prefix_start = PREFIX_SIZE;
		s->skip_first = true;
	} else {
		s->prefix_start += strlen(s->prefix + s->prefix_start) + 1;	/* the former argv[0] */
		s->prefix_count--;
	}
	int r = push_prefix(s, script);
	if (!r && arg)
		r = push_prefix(s, arg);
	return r ? r : push_prefix(s, interp);
}

void exec_strings_free(struct exec_strings *s)
{
	for (unsigned i = 0; i < s->nr_pages; i++)
		page_put(virt_to_page(s->pages[i]));
	kfree(s->pages);
	kfree(s->lengths);
	kfree(s->prefix);
}

/* --- the new stack --- */

static int put_word(u64 *at, u64 value)
{
	int r = put_user(value, (u64 __user *)*at);

	*at += sizeof(u64);
	return r;
}

/* Strings from byte `from` of the frames on, to `dst`. */
static int put_strings(const struct exec_strings *s, size_t from, u64 dst)
{
	while (from < s->bytes) {
		size_t n = min(PAGE_SIZE - from % PAGE_SIZE, s->bytes - from);
		if (copy_to_user((void __user *)dst, s->pages[from / PAGE_SIZE] + from % PAGE_SIZE, n))
			return -EFAULT;
		from += n;
		dst += n;
	}
	return 0;
}

/* argc, argv and envp pointers from *at on; the strings lie from `strings` on, prefix first. */
static int put_pointers(const struct exec_strings *s, u64 *at, u64 strings)
{
	int r = put_word(at, (u64)(s->argc - s->skip_first + s->prefix_count));
	const char *p = s->prefix + s->prefix_start;

	for (int i = 0; i < s->prefix_count && !r; i++) {
		size_t n = strlen(p) + 1;
		r = put_word(at, strings);
		strings += n;
		p += n;
	}
	for (int i = s->skip_first; i < s->argc + s->envc && !r; i++) {
		if (i == s->argc)
			r = put_word(at, 0);
		if (!r)
			r = put_word(at, strings);
		strings += s->lengths[i];
	}
	if (!r && !s->envc)
		r = put_word(at, 0);
	return r ? r : put_word(at, 0);
}

static u32 cpuid_features(void)
{
	u32 a = 1, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

/* The auxiliary vector, into mm->auxv: number of words. */
static unsigned fill_auxv(struct exec *e, u64 execfn, u64 platform, u64 random)
{
	const struct process *p = current->process;
	bool secure = p->uid != e->euid || p->gid != e->egid;
	const u64 aux[] = {
		AT_SYSINFO_EHDR, e->vdso, AT_HWCAP, cpuid_features(), AT_PAGESZ, PAGE_SIZE, AT_CLKTCK, 100,
		AT_PHDR, e->image.phdr_address, AT_PHENT, sizeof(struct elf64_phdr), AT_PHNUM, e->image.header.e_phnum,
		AT_BASE, e->has_interp ? e->interp.bias : 0, AT_FLAGS, 0, AT_ENTRY, e->image.entry,
		AT_UID, p->uid, AT_EUID, e->euid, AT_GID, p->gid, AT_EGID, e->egid, AT_SECURE, secure,
		AT_RANDOM, random, AT_HWCAP2, 0, AT_EXECFN, execfn, AT_PLATFORM, platform,
		AT_MINSIGSTKSZ, cpu_features.xsave ? cpu_features.xsave_size + 1024 : 2048, AT_NULL, 0,
	};
	_Static_assert(sizeof(aux) <= sizeof(e->mm->auxv), "auxv fits");

	memcpy(current->mm->auxv, aux, sizeof(aux));
	return ARRAY_SIZE(aux);
}

int exec_write_stack(struct exec *e, u64 *sp)
{
	static const char platform[] = "x86_64";
	struct exec_strings *s = &e->strings;
	struct mm *mm = current->mm;
	size_t skip = s->skip_first ? s->lengths[0] : 0;
	size_t prefix = s->prefix ? PREFIX_SIZE - s->prefix_start : 0, name = strlen(e->name) + 1, env = 0;
	u8 random[16];

	for (int i = 0; i < s->envc; i++)
		env += s->lengths[s->argc + i];
	u64 execfn = *sp - 8 - name, strings = execfn - (prefix + s->bytes - skip);
	u64 platform_at = ALIGN_DOWN(strings - sizeof(platform), 16), random_at = platform_at - 16;
	random_bytes(random, sizeof(random));
	if (put_user(0UL, (u64 __user *)(*sp - 8)) || copy_to_user((void __user *)execfn, e->name, name) ||
	    (prefix && copy_to_user((void __user *)strings, s->prefix + s->prefix_start, prefix)) ||
	    put_strings(s, skip, strings + prefix) ||
	    copy_to_user((void __user *)platform_at, platform, sizeof(platform)) ||
	    copy_to_user((void __user *)random_at, random, sizeof(random)))
		return -EFAULT;
	mm->env_end = execfn;
	mm->env_start = mm->arg_end = execfn - env;
	mm->arg_start = strings;

	unsigned words = fill_auxv(e, execfn, platform_at, random_at);
	u64 pointers = 1 + (u64)(s->prefix_count + s->argc - s->skip_first) + 1 + (u64)s->envc + 1;
	u64 at = ALIGN_DOWN(random_at - (pointers + words) * sizeof(u64), 16);
	*sp = at;
	if (put_pointers(s, &at, strings))
		return -EFAULT;
	return copy_to_user((void __user *)at, mm->auxv, words * sizeof(u64)) ? -EFAULT : 0;
}
