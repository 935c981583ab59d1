/* Printing the records of who holds what (kernel/held.h). */
#include "kernel/held.h"

#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/pagecache.h"

const char *held_name(const struct held_lock *h)
{
	switch (h->kind) {
	case HELD_SPIN: return ((const struct spinlock *)h->object)->name;
	case HELD_MUTEX: return ((const struct mutex *)h->object)->name;
	case HELD_PAGE: return "page";
	default: return ((const struct rwsem *)h->object)->name;
	}
}

unsigned held_rank(const struct held_lock *h)
{
	switch (h->kind) {
	case HELD_SPIN: return ((const struct spinlock *)h->object)->rank;
	case HELD_MUTEX: return ((const struct mutex *)h->object)->rank;
	case HELD_PAGE: return ((const struct address_space *)h->object)->lock_rank;
	default: return ((const struct rwsem *)h->object)->rank;
	}
}

void held_describe(const struct held_lock *h, char *buf, size_t size)
{
	static const char *const kinds[] = { "spinlock", "mutex", "rwsem (read)", "rwsem (write)", "page lock" };
	char where[80];

	symbol_name(h->caller, where, sizeof(where));
	if (h->kind == HELD_PAGE)
		ksnprintf(buf, size, "page lock (%p, %lu) of rank %u taken at %s", h->object, h->index, held_rank(h), where);
	else
		ksnprintf(buf, size, "%s %s (%p) of rank %u taken at %s", kinds[h->kind], held_name(h), h->object, held_rank(h), where);
}

void held_print(const struct task *t)
{
	char text[160];

	for (int i = 0; i < t->held_count && i < HELD_MAX; i++) {
		if (!READ_ONCE(t->held[i].object))
			continue;
		held_describe(&t->held[i], text, sizeof(text));
		printk("  holds %s\n", text);
	}
}

void lock_misuse(const char *what, const char *name, void *taken_at)
{
	char where[80];

	symbol_name(taken_at, where, sizeof(where));
	panic("%s: %s (taken at %s)", what, name, where);
}
