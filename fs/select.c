/* select and pselect6: sets of descriptors as bits, over the waiting of fs/poll.c. */
#include "fs/poll.h"

#include "fs/internal.h"
#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define IN_MASK (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define OUT_MASK (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define EX_MASK POLLPRI
#define MAX_FDS (1 << 20)

/* Three asked for, three answered: each `words` long. */
struct sets {
	unsigned nr, words;
	u64 *want[3], *got[3];
	u64 fast[6];
};

static const u32 set_mask[3] = { IN_MASK, OUT_MASK, EX_MASK };

static bool has(const u64 *set, unsigned n) { return set[n / 64] >> (n % 64) & 1; }

static int sets_get(struct sets *s, int nr, void __user *const user[3])
{
	u64 *memory = s->fast;

	s->nr = (unsigned)min(nr, MAX_FDS);
	s->words = DIV_UP(s->nr, 64U);
	if (s->words > 1) {
		memory = kmalloc(6 * s->words * sizeof(u64));
		if (!memory)
			return -ENOMEM;
	}
	memset(memory, 0, 6 * max(s->words, 1U) * sizeof(u64));
	for (int i = 0; i < 3; i++) {
		s->want[i] = memory + (size_t)i * max(s->words, 1U);
		s->got[i] = memory + (size_t)(3 + i) * max(s->words, 1U);
	}
	for (int i = 0; i < 3; i++)
		if (user[i] && copy_from_user(s->want[i], user[i], s->words * sizeof(u64)))
			return -EFAULT;
	return 0;
}

static void sets_free(struct sets *s)
{
	if (s->words > 1)
		kfree(s->want[0]);
}

/* One look at all: how many bits are answered; -EBADF. */
static int round_all(struct poll_waiter *t, void *what)
{
	struct sets *s = what;
	int found = 0;

	for (unsigned fd = 0; fd < s->nr; fd++) {
		u32 mask, want = 0;

		for (int i = 0; i < 3; i++)
			want |= has(s->want[i], fd) ? set_mask[i] : 0;
		if (!want)
			continue;
		mask = poll_fd(found ? NULL : t, (int)fd, want);
		if (mask == POLLNVAL)
			return -EBADF;
		for (int i = 0; i < 3; i++)
			if (has(s->want[i], fd) && mask & set_mask[i]) {
				s->got[i][fd / 64] |= BIT(fd % 64);
				found++;
			}
	}
	return found;
}

static long do_select(int nr, void __user *const user[3], u64 deadline)
{
	struct sets s = { 0 };
	long found;

	if (nr < 0)
		return -EINVAL;
	found = sets_get(&s, nr, user);
	if (!found)
		found = poll_until(round_all, &s, deadline);
	for (int i = 0; i < 3 && found >= 0; i++)
		if (user[i] && copy_to_user(user[i], s.got[i], s.words * sizeof(u64)))
			found = -EFAULT;
	sets_free(&s);
	return found;
}

long sys_select(int nr, void __user *in, void __user *out, void __user *ex, void __user *timeout)
{
	void __user *const user[3] = { in, out, ex };
	u64 deadline;
	long result = deadline_get(timeout, true, &deadline);

	if (result)
		return result;
	result = do_select(nr, user, deadline);
	deadline_put(timeout, true, deadline);
	return result;
}

long sys_pselect6(int nr, void __user *in, void __user *out, void __user *ex, void __user *timeout, void __user *sig)
{
	void __user *const user[3] = { in, out, ex };
	struct { const u64 __user *mask; size_t size; } arg = { NULL, 0 };
	u64 deadline, saved = 0;
	bool changed;
	long result;

	if (sig && copy_from_user(&arg, sig, sizeof(arg)))
		return -EFAULT;
	result = deadline_get(timeout, false, &deadline);
	if (!result)
		result = sigmask_begin(arg.mask, arg.size, &saved, &changed);
	if (result)
		return result;
	result = do_select(nr, user, deadline);
	sigmask_end(changed, saved, result == -ERESTARTNOHAND);
	deadline_put(timeout, false, deadline);
	return result;
}
