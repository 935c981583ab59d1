/*
 * One ChaCha20 generator for the whole kernel. Each call runs under a lock with a fresh block of key
 * material put back first (fast key erasure), so that output already given cannot be computed from the state.
 */
#include "kernel/random.h"

#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/string.h"
#include "mm/layout.h"
#include "mm/usercopy.h"

static struct spinlock random_lock = SPINLOCK_INIT("random", RANK_LAST_SPIN);
static u32 key[8];		/* random_lock */
static u64 counter;		/* random_lock */
static bool seeded;		/* random_lock */
static u8 pool[32];		/* random_lock: output of the last block that nobody has got; zero where it was given out */
static size_t pool_left;	/* random_lock: that many bytes at its end */

static u32 rotate(u32 v, int n) { return v << n | v >> (32 - n); }

static inline __attribute__((always_inline)) void quarter(u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b]; x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d]; x[b] = rotate(x[b] ^ x[c], 7);
}

/* 64 bytes of key stream (RFC 8439, with a 64-bit counter). */
static void chacha_block(u32 out[16])
{
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };

	memcpy(in + 4, key, sizeof(key));
	in[12] = (u32)counter;
	in[13] = (u32)(counter >> 32);
	counter++;
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter(out, 0, 4, 8, 12); quarter(out, 1, 5, 9, 13); quarter(out, 2, 6, 10, 14); quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15); quarter(out, 1, 6, 11, 12); quarter(out, 2, 7, 8, 13); quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

static u64 hardware_random(void)
{
	u64 v = 0;
	u8 ok = 0;

	for (int i = 0; cpu_features.rdrand && i < 10 && !ok; i++)
		__asm__ volatile("rdrand %0; setc %1" : "=r"(v), "=qm"(ok) :: "cc");
	return v ^ rdtsc();
}

static void seed(void)
{
	for (int i = 0; i < 4; i++) {
		u64 v = hardware_random();
		key[2 * i] ^= (u32)v;
		key[2 * i + 1] ^= (u32)(v >> 32);
	}
	seeded = true;
}

/* A block: half of it is the next key, the other half output. */
static void fill_pool(void)
{
	u32 block[16];

	if (!seeded)
		seed();
	chacha_block(block);
	memcpy(key, block, sizeof(key));
	memcpy(pool, block + 8, sizeof(pool));
	pool_left = sizeof(pool);
}

/* Some of what is asked for: how much. execve() wants 16 bytes twice: one block does. */
static size_t next_bytes(u8 *out, size_t n)
{
	spin_lock(&random_lock);
	if (!pool_left)
		fill_pool();
	u8 *from = pool + sizeof(pool) - pool_left;
	n = min(n, pool_left);
	memcpy(out, from, n);
	memset(from, 0, n);
	pool_left -= n;
	spin_unlock(&random_lock);
	return n;
}

void random_bytes(void *buf, size_t n)
{
	u8 *p = buf;

	for (; n; ) {
		size_t part = next_bytes(p, n);
		p += part;
		n -= part;
	}
}

long sys_getrandom(char __user *buf, size_t n, unsigned flags)
{
	u8 block[256];
	size_t done = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = min(n, 0x7ffff000UL);
	if ((u64)buf > USER_TOP || n > USER_TOP - (u64)buf)
		return -EFAULT;
	while (done < n) {
		size_t part = min(n - done, sizeof(block));
		random_bytes(block, part);
		size_t left = copy_to_user(buf + done, block, part);
		done += part - left;
		if (left)
			return done ? (long)done : -EFAULT;
		if (signal_pending(current) && done < n && done % PAGE_SIZE == 0)
			break;
	}
	return (long)done;
}
