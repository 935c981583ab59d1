/*
 * User copies (mm/usercopy.h) over the raw instructions of mm/usercopy.asm: range checks, and the
 * two ways to meet a fault. Nothing else in the kernel touches user memory.
 */
#include "mm/usercopy.h"

#include "kernel/abi.h"
#include "kernel/cpu.h"
#include "kernel/lockcheck.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "mm/mm.h"
#include "mm/usercopy_raw.h"
#include "mm/vmstat.h"

void pagefault_disable(void)
{
	current->pagefault_disabled++;
	barrier();
}

void pagefault_enable(void)
{
	barrier();
	ASSERT(current->pagefault_disabled > 0);
	current->pagefault_disabled--;
}

/* --- copies --- */

static size_t checked_to_user(void __user *dst, const void *src, size_t n)
{
	size_t ok = user_range(dst, n);

	if (access_fails())
		return n;
	return n - ok + (ok ? raw_copy_to_user(dst, src, ok) : 0);
}

static size_t checked_from_user(void *dst, const void __user *src, size_t n)
{
	size_t ok = user_range(src, n);

	if (access_fails())
		return n;
	return n - ok + (ok ? raw_copy_from_user(dst, src, ok) : 0);
}

static inline void check_access(void *caller)
{
	if (DEBUG_BUILD)
		lockcheck_user_access(caller);
	might_sleep();
}

/* All of it below USER_TOP, as always but for errors. */
static inline bool in_user_half(const void __user *p, size_t n)
{
	return likely(n <= USER_TOP && (__force vaddr_t)p <= USER_TOP - n);
}

/* Out of line: the usual case, a jump to the instructions after two tests, needs no frame (31 instructions were 13). */
static __attribute__((noinline)) size_t copy_to_user_slow(void __user *dst, const void *src, size_t n, void *caller)
{
	check_access(caller);
	return checked_to_user(dst, src, n);
}

static __attribute__((noinline)) size_t copy_from_user_slow(void *dst, const void __user *src, size_t n, void *caller)
{
	check_access(caller);
	return checked_from_user(dst, src, n);
}

size_t copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (sleeping_is_fine() && in_user_half(dst, n))
		return raw_copy_to_user(dst, src, n);
	return copy_to_user_slow(dst, src, n, __builtin_return_address(0));
}

size_t copy_from_user(void *dst, const void __user *src, size_t n)
{
	if (sleeping_is_fine() && in_user_half(src, n))
		return raw_copy_from_user(dst, src, n);
	return copy_from_user_slow(dst, src, n, __builtin_return_address(0));
}

/* Zeroes are copied from the frame of zeroes: no third instruction has to be safe on user memory. */
size_t clear_user(void __user *dst, size_t n)
{
	while (n) {
		size_t chunk = min(n, PAGE_SIZE), left = copy_to_user(dst, page_address(zero_page), chunk);
		if (left)
			return n - chunk + left;
		dst = (char __user *)dst + chunk;
		n -= chunk;
	}
	return 0;
}

/* Anything that the usual case is not: the string crosses a page, or has more bytes than dst. */
ssize_t strncpy_from_user_slow(char *dst, const char __user *src, size_t size)
{
	size_t done = 0;

	while (done < size) {
		/* Never past the page: the string may end at the last byte before unmapped memory. */
		size_t chunk = min(size - done, PAGE_SIZE - (((__force vaddr_t)src + done) & ~PAGE_MASK));
		size_t got = chunk - copy_from_user(dst + done, src + done, chunk);
		const char *end = got ? memchr(dst + done, 0, got) : NULL;
		if (end)
			return end - dst;
		if (got < chunk)
			return -EFAULT;
		done += chunk;
	}
	return -ENAMETOOLONG;
}

int user_cmpxchg32(u32 __user *p, u32 expected, u32 desired, u32 *found)
{
	if (user_range(p, sizeof(*p)) < sizeof(*p) || access_fails())
		return -EFAULT;
	pagefault_disable();
	int error = raw_cmpxchg32_user(p, expected, desired, found);
	pagefault_enable();
	return error;
}

/* One read of the byte at va, or one write that changes nothing of the word around it. */
static bool touch(vaddr_t va, bool write)
{
	char byte;
	u32 found;

	if (va >= USER_TOP || access_fails())
		return false;
	if (write)
		return raw_cmpxchg32_user((__force u32 __user *)(va & ~3UL), 0, 0, &found) == 0;
	return raw_copy_from_user(&byte, (__force const void __user *)va, 1) == 0;
}

static size_t fault_in(vaddr_t start, size_t n, bool write)
{
	check_access(__builtin_return_address(0));
	if (n)
		vmstat_inc(VM_PREFAULT);
	for (size_t done = 0; done < n; ) {
		if (!touch(start + done, write))
			return n - done;
		/* The first byte of each page: so the last page, where the range ends, has its turn. */
		done += PAGE_SIZE - ((start + done) & ~PAGE_MASK);
	}
	return 0;
}

size_t fault_in_readable(const void __user *p, size_t n) { return fault_in((__force vaddr_t)p, n, false); }
size_t fault_in_writeable(void __user *p, size_t n) { return fault_in((__force vaddr_t)p, n, true); }

void smap_patch(void)
{
	for (const struct smap_site *s = smap_sites_start; s < smap_sites_end; s++)
		memcpy((char *)&s->site + s->site, &s->insn, 3);
}
