/*
 * Copying between the kernel and the current program's memory: the only code that touches user
 * memory (mm/usercopy.asm has the instructions, each with an exception-table entry). Addresses
 * are checked against USER_TOP. Every copy returns the number of bytes NOT copied: 0 is success; the bytes before the
 * fault were copied exactly, those after are untouched (INV-A1).
 *
 * The plain forms may fault and sleep: call them with nothing held but i_rwsem. The _nofault forms
 * never sleep and never enter the fault handler: call them under any lock but with interrupts on.
 */
#pragma once

#include "kernel/cpu.h"
#include "kernel/inject.h"
#include "mm/layout.h"
#include "mm/usercopy_raw.h"

size_t copy_to_user(void __user *dst, const void *src, size_t n);
size_t copy_from_user(void *dst, const void __user *src, size_t n);
size_t clear_user(void __user *dst, size_t n);

/* For the copies: is it this one that was asked to fail? The debug build only. */
static inline bool access_fails(void) { return DEBUG_BUILD && inject_now(INJECT_ACCESS); }

/* How many of n bytes from p on lie in the user half: a copy that leaves it stops at its end, as at unmapped memory. */
static inline size_t user_range(const void __user *p, size_t n)
{
	vaddr_t va = (__force vaddr_t)p;

	if (va >= USER_TOP)
		return 0;
	return min(n, (size_t)(USER_TOP - va));
}

/* Of addresses that are known to lie below USER_TOP. Inline: read() and write() spend a tenth of their instructions per page around here. */
static inline size_t checked_to_user_nofault(void __user *dst, const void *src, size_t n)
{
	struct task *t = current;

	if (access_fails())
		return n;
	t->pagefault_disabled++;
	barrier();
	size_t left = raw_copy_to_user(dst, src, n);
	barrier();
	t->pagefault_disabled--;
	return left;
}

static inline size_t checked_from_user_nofault(void *dst, const void __user *src, size_t n)
{
	struct task *t = current;

	if (access_fails())
		return n;
	t->pagefault_disabled++;
	barrier();
	size_t left = raw_copy_from_user(dst, src, n);
	barrier();
	t->pagefault_disabled--;
	return left;
}

static inline size_t copy_to_user_nofault(void __user *dst, const void *src, size_t n)
{
	size_t ok = user_range(dst, n);

	return n - ok + (ok ? checked_to_user_nofault(dst, src, ok) : 0);
}

static inline size_t copy_from_user_nofault(void *dst, const void __user *src, size_t n)
{
	size_t ok = user_range(src, n);

	return n - ok + (ok ? checked_from_user_nofault(dst, src, ok) : 0);
}

/*
 * A string with its NUL into dst: its length, or -EFAULT, or -ENAMETOOLONG if NUL is not within size bytes. One that lies in one page, as
 * nearly all do, is copied and measured at once: 45 instructions were 140.
 */
ssize_t strncpy_from_user_slow(char *dst, const char __user *src, size_t size);
static inline ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	vaddr_t va = (__force vaddr_t)src;
	size_t whole = min(size, PAGE_SIZE - (va & ~PAGE_MASK)) & ~7UL;

	if (sleeping_is_fine() && likely(whole && va < USER_TOP)) {
		ssize_t len = raw_string_from_user(dst, src, whole);
		if (likely((size_t)len < whole))
			return len;
	}
	return strncpy_from_user_slow(dst, src, size);
}

/* One 4-byte word, compare-and-exchange on user memory, nofault: 0 and *found, or -EFAULT (futexes). */
int user_cmpxchg32(u32 __user *p, u32 expected, u32 desired, u32 *found);

#define get_user(dst, src) (copy_from_user(&(dst), (src), sizeof(dst)) ? -EFAULT : 0)
#define put_user(value, dst) ({ __typeof__(*(dst)) put_v_ = (value); copy_to_user((dst), &put_v_, sizeof(put_v_)) ? -EFAULT : 0; })

/*
 * Make the range likely to be present, both ends of it included (DESIGN.md 4): touch one byte per page. A hint: it
 * may go away again. Returns the number of bytes from the first that could not be touched to the end (0: all there).
 */
size_t fault_in_readable(const void __user *p, size_t n);
size_t fault_in_writeable(void __user *p, size_t n);

void pagefault_disable(void);	/* nests; the copies above do it themselves */
void pagefault_enable(void);

/* Boot: put STAC and CLAC in place. Called once if the processor has SMAP, while kernel text is writable. */
void smap_patch(void);
