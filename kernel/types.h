/*
 * Basic types and helpers that every file may use. Nothing here depends on the machine, so that
 * the hosted tests compile it as it is.
 *
 * Address spaces are told apart by type: a paddr_t is physical, a vaddr_t a virtual address held
 * as a number, a `__user` pointer belongs to a user program and is followed only by
 * mm/usercopy. sparse checks the last.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef u64 paddr_t;	/* physical address */
typedef u64 vaddr_t;	/* virtual address, user or kernel */
typedef u64 pfn_t;	/* page frame number: paddr >> PAGE_SHIFT */
typedef long ssize_t;
typedef long loff_t;	/* file position or size, bytes */

#ifdef __CHECKER__
#define __user __attribute__((noderef, address_space(1)))
#define __force __attribute__((force))
#else
#define __user
#define __force
#endif

#define PAGE_SHIFT 12
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define DIV_UP(x, d) (((x) + (d) - 1) / (d))
#define BIT(n) (1UL << (n))
#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
#ifndef KCSAN_BUILD
#define KCSAN_BUILD 0		/* 1 by make KCSAN=1: kernel/kcsan.h */
#endif
/*
 * x += n for a number of 4 or 8 bytes that one writer at a time changes and others read by READ_ONCE: one instruction, where the compiler makes
 * three of a volatile read and write. (The finder of data races does not look into assembly.)
 */
#define ADD_ONCE(x, n) do { \
	_Static_assert(sizeof(x) == 4 || sizeof(x) == 8, "ADD_ONCE"); \
	if (KCSAN_BUILD) \
		WRITE_ONCE(x, (x) + (__typeof__(x))(n)); \
	else if (sizeof(x) == 8) \
		__asm__ volatile("addq %1, %0" : "+m"(x) : "er"((u64)(n)) : "cc"); \
	else \
		__asm__ volatile("addl %1, %0" : "+m"(x) : "er"((u32)(n)) : "cc"); \
} while (0)
#define barrier() __asm__ volatile("" ::: "memory")

#define min(a, b) ({ __typeof__(a) min_a = (a); __typeof__(b) min_b = (b); min_a < min_b ? min_a : min_b; })
#define max(a, b) ({ __typeof__(a) max_a = (a); __typeof__(b) max_b = (b); max_a > max_b ? max_a : max_b; })

#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __noreturn __attribute__((noreturn))
#define __packed __attribute__((packed))
#define __must_check __attribute__((warn_unused_result))

/* Errors travel in pointers where a function returns one: ERR_PTR(-ENOENT) and its friends. */
#define MAX_ERRNO 4095
static inline void *ERR_PTR(long error) { return (void *)error; }
static inline long PTR_ERR(const void *p) { return (long)p; }
static inline bool IS_ERR(const void *p) { return (unsigned long)p >= (unsigned long)-MAX_ERRNO; }
static inline bool IS_ERR_OR_NULL(const void *p) { return !p || IS_ERR(p); }
