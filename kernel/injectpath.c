/*
 * Fault injection by paths (kernel/inject.h). A program makes ten thousand allocations on some hundred different paths through the kernel, and what is
 * to be tested is what each path does when one fails. So a path is known by a hash of its backtrace; those that have failed are kept, and a run in
 * which nothing fails any more says that all have.
 */
#include "kernel/inject.h"

#include "kernel/backtrace.h"
#include "kernel/cpu.h"
#include "kernel/abi.h"
#include "mm/slab.h"

#define DEPTH 40		/* deeper paths than this count as one where their innermost 40 calls are the same */
#define ROOM 16384		/* a power of 2 */

/* Hashes, 0: none, found from their own place on. Written by whoever takes `left` to 0 (by anybody if each fails: the same path twice at worst), read
 * without a lock. */
static struct known {
	u32 *hash;
	u32 nr;
} known[NR_INJECT];

static u32 path_here(u32 which)
{
	u64 calls[DEPTH], hash = which;
	int n = backtrace_frames((u64)__builtin_return_address(0), (u64)__builtin_frame_address(0), calls, DEPTH);

	for (int i = 0; i < n; i++)
		hash = (hash ^ calls[i]) * 0x9e3779b97f4a7c15;
	return (u32)(hash >> 32) | 1;
}

/* Where the path stands, or would. */
static u32 *place(struct known *k, u32 path)
{
	u32 i = path & (ROOM - 1);

	while (READ_ONCE(k->hash[i]) && READ_ONCE(k->hash[i]) != path)
		i = (i + 1) & (ROOM - 1);
	return &k->hash[i];
}

static bool fails_on_new_path(enum inject_kind kind, u32 which)
{
	struct known *k = &known[kind];
	u32 path = path_here(which), *at = place(k, path);
	u64 one = 1;

	if (READ_ONCE(*at) || k->nr > ROOM / 2 || !atomic64_cmpxchg(&injections[kind].left, &one, READ_ONCE(injections[kind].every)))
		return false;
	WRITE_ONCE(*at, path);
	WRITE_ONCE(k->nr, k->nr + 1);
	return true;
}

int inject_arm_new_path(enum inject_kind kind, bool each, enum inject_scope scope)
{
	struct known *k = &known[kind];

	if (kind == INJECT_KILL)
		return -EINVAL;
	if (!k->hash && !(k->hash = kzalloc(ROOM * sizeof(*k->hash))))
		return -ENOMEM;
	if (k->nr > ROOM / 2)
		return -ENOSPC;
	inject_arm_as(kind, 1, each, scope, fails_on_new_path);
	return 0;
}

u64 inject_paths(enum inject_kind kind) { return READ_ONCE(known[kind].nr); }
