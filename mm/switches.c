/* The switches of mm/switches.h. */
#include "mm/switches.h"

#include "kernel/abi.h"
#include "kernel/atomic.h"
#include "kernel/cmdline.h"
#include "kernel/printk.h"
#include "kernel/string.h"

bool switch_prefault = false;
bool switch_atomic_copy = true;
bool switch_zerocopy_read = true;
bool switch_zerocopy_write = true;
bool switch_pipe_merge = false;
bool switch_fault_lock = true;
bool switch_cow_reuse = true;
bool switch_share_tables = true;
bool switch_swap_pinned = false;
u64 switch_copy_fail = 0;
unsigned switch_share_min = 64;

static const struct {
	const char *name;
	bool *on, usual;
	const char *unsafe;	/* what happens when it is not as usual; NULL: nothing bad */
} switches[] = {
	{ "prefault", &switch_prefault, false, NULL },
	{ "atomic_copy", &switch_atomic_copy, true, "write() from a mapping of the page it writes will deadlock" },
	{ "zerocopy_read", &switch_zerocopy_read, true, NULL },
	{ "zerocopy_write", &switch_zerocopy_write, true, NULL },
	{ "pipe_merge", &switch_pipe_merge, false, "who may read a file can write to it through a pipe" },
	{ "fault_lock", &switch_fault_lock, true, "a fault beside truncate maps pages that are no longer the file's" },
	{ "cow_reuse", &switch_cow_reuse, true, NULL },
	{ "share_tables", &switch_share_tables, true, NULL },
	{ "swap_pinned", &switch_swap_pinned, false, "what devices write into memory that is swapped out meanwhile is lost" },
};

static void set(unsigned i, bool on)
{
	if (on != switches[i].usual && switches[i].unsafe)
		printk("%s=%d: UNSAFE: %s\n", switches[i].name, on, switches[i].unsafe);
	WRITE_ONCE(*switches[i].on, on);
	if (!switch_atomic_copy)
		WRITE_ONCE(switch_zerocopy_write, false);	/* write() then always copies */
}

static void set_copy_fail(u64 seed)
{
	WRITE_ONCE(switch_copy_fail, seed);
	if (seed)
		printk("copy_fail: every first copy of read() and write() stops at a random byte\n");
}

static u64 get_copy_fail(void) { return READ_ONCE(switch_copy_fail); }
static void set_share_min(u64 entries) { WRITE_ONCE(switch_share_min, (unsigned)entries); }
static u64 get_share_min(void) { return READ_ONCE(switch_share_min); }

/* Those with a number. */
static const struct {
	const char *name;
	void (*set)(u64 value);
	u64 (*get)(void);
	u64 most;
} numbers[] = {
	{ "copy_fail", set_copy_fail, get_copy_fail, ~0UL },
	{ "share_min", set_share_min, get_share_min, 512 },
};
#define FIRST_NUMBER ARRAY_SIZE(switches)

void switches_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(switches); i++)
		set(i, cmdline_u64(switches[i].name, *switches[i].on) != 0);
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		u64 value = cmdline_u64(numbers[i].name, numbers[i].get());
		if (value <= numbers[i].most)
			numbers[i].set(value);
	}
}

/* "NAME=" at *text: step over it. */
static bool starts(const char **text, const char *name)
{
	size_t n = strlen(name);

	if (strncmp(*text, name, n) || (*text)[n] != '=')
		return false;
	*text += n + 1;
	return true;
}

int switches_command(const char *text)
{
	u64 value = 0, most;
	unsigned i;

	for (i = 0; switches_show(i, &value) && !starts(&text, switches_show(i, &value)); i++)
		;
	if (i >= FIRST_NUMBER + ARRAY_SIZE(numbers) || *text < '0' || *text > '9')
		return -EINVAL;
	most = i < FIRST_NUMBER ? 1 : numbers[i - FIRST_NUMBER].most;
	for (value = 0; *text >= '0' && *text <= '9' && value < BIT(50); text++)
		value = value * 10 + (u64)(*text - '0');
	if (*text == '\n')
		text++;
	if (*text || value > most)
		return -EINVAL;
	if (i < FIRST_NUMBER)
		set(i, value != 0);
	else
		numbers[i - FIRST_NUMBER].set(value);
	return 0;
}

const char *switches_show(unsigned i, u64 *value)
{
	if (i < FIRST_NUMBER) {
		*value = READ_ONCE(*switches[i].on);
		return switches[i].name;
	}
	i -= FIRST_NUMBER;
	if (i >= ARRAY_SIZE(numbers))
		return NULL;
	*value = numbers[i].get();
	return numbers[i].name;
}

/* xorshift64; a lost update between two tasks only changes the dice. */
size_t copy_fail_random(size_t n)
{
	u64 x = READ_ONCE(switch_copy_fail);

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	WRITE_ONCE(switch_copy_fail, x);
	return x % (n + 1);
}
