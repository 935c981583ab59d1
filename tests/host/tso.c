/*
 * Store buffers (total store order, as x86 has it: SDM vol. 3, 9.2). Off unless a test sets host_tso: then a store by
 * WRITE_ONCE, atomic_set, smp_store_release or spin_unlock may stay invisible to the other CPUs until the same task does a locked operation or a full barrier, takes a lock,
 * or sleeps; explore.c decides at each preemption how much of the buffer the others see. Entries become visible in
 * their order. The task itself sees its own: reading one makes it and those before it visible, which is one of the
 * things that may happen on the processor. Plain stores in between are seen at once, so a test turns this on only
 * where every store of its protocol is one of the above.
 */
#include "sched.h"

#define NR_ENTRIES 16

static struct entry {
	const struct host_task *task;
	void *address;
	u64 value;
	unsigned size;
} buffer[NR_ENTRIES];		/* oldest first */
static unsigned nr;
bool host_tso;

static void apply(unsigned i)
{
	memcpy(buffer[i].address, &buffer[i].value, buffer[i].size);
	memmove(&buffer[i], &buffer[i + 1], (nr - i - 1) * sizeof(buffer[0]));
	nr--;
}

static unsigned pending(const struct host_task *h)
{
	unsigned n = 0;
	for (unsigned i = 0; i < nr; i++)
		n += buffer[i].task == h;
	return n;
}
unsigned tso_pending(void) { return nr ? pending(host_running) : 0; }

void tso_drain(const struct host_task *h, unsigned keep)
{
	if (!nr)
		return;
	unsigned n = pending(h);
	for (unsigned i = 0; n > keep;)
		if (buffer[i].task == h)
			apply(i), n--;
		else
			i++;
}

bool tso_drain_all(void)
{
	bool any = nr;
	while (nr)
		apply(0);
	return any;
}

bool host_tso_store(void *address, u64 value, unsigned size)
{
	if (!host_running || size > sizeof(value))
		return false;
	if (nr == NR_ENTRIES)
		tso_drain_all();
	buffer[nr++] = (struct entry){ host_running, address, value, size };
	return true;
}

void host_tso_load(const void *address)
{
	for (unsigned i = nr; i-- > 0;)
		if (buffer[i].task == host_running && buffer[i].address == address) {
			unsigned after = 0;
			for (unsigned k = i + 1; k < nr; k++)
				after += buffer[k].task == host_running;
			tso_drain(host_running, after);
			return;
		}
}

void host_tso_fence(void)
{
	if (host_running)
		tso_drain(host_running, 0);
}
