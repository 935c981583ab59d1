/*
 * The ownership oracle (mm/ownership.h). Checked of every frame, at one moment at which all CPUs stand still:
 *
 *   holders  own says as many as there are slots, PRIV entries, and holders noted elsewhere
 *   law 1    more than one holder: no exclusive pin, no entry that may write it, none that calls it EXCL
 *   law 2    a writable PRIV entry is EXCL, and EXCL means one holder (INV-E2)
 *   INV-T1   a FILE entry shows a frame that a slot holds, writable only if the slot has RW (PC4); the frame of zeroes never writable (INV-E7)
 *   SW1      there are as many swap entries as the slots of the swap areas count
 *   T1       a table has as many owners as references: entries above it, an address space, or a file. One, unless it is a leaf of an address space,
 *            which a file may have as a template, too
 *   P1       a leaf with several owners is read-only by all entries above it, and none of its pages is pinned exclusively
 *   PG2      a frame that nobody uses is in the allocator, and what is there nobody uses
 *
 * No tree is walked: every table that there is, is a frame of kind TABLE, so one pass over the frames meets each entry once, also those of address
 * spaces that nobody can find any more. Only the slots of files of one page lie elsewhere, in their mappings. Frames that are no memory (the kernel
 * image, the ramdisk, devices: often most of them) are left out of the passes, unless an entry holds one.
 *
 * A task that was stopped between the two halves of a change (the holder, then the entry) makes a frame disagree for that moment. So a frame is
 * wrong only if it is in each of many counts, with time between them for everybody to go on.
 */
#include "mm/ownership.h"

#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/smp.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "kernel/wait.h"
#include "mm/slot.h"
#include "mm/swap.h"
#include "mm/vma.h"

#define ATTEMPTS 60
#define SHOWN 12		/* frames described */
#define MAX_SPANS 16		/* pieces of memory without a reserved frame between them */

/* What was found out about one frame. Most frames nobody holds: they cost nothing, what an earlier count left there is forgotten at the first look. */
struct count {
	u32 holders : 23;	/* slots and PRIV entries, more than own could say */
	u32 seen : 9;		/* SEEN_* */
	u16 owners;		/* of a table: entries above it, mappings, address spaces, files whose template it is; MANY or more */
	u8 wrong;		/* in how many counts in a row, since the first */
	u8 pass;		/* all of that is of this pass */
};
#define MANY 0xffff
#define MAX_PASS 255
#define SEEN_SLOT	BIT(0)	/* by an entry of this sort */
#define SEEN_SLOT_RW	BIT(1)
#define SEEN_FILE	BIT(2)
#define SEEN_FILE_RW	BIT(3)
#define SEEN_PRIV_RW	BIT(4)
#define SEEN_EXCL	BIT(5)
#define SEEN_TABLE	BIT(6)	/* as a table */
#define SEEN_BAD	BIT(7)	/* by an entry that is wrong by itself */
#define SEEN_ABOVE_RW	BIT(8)	/* as a table of an address space, by an entry that lets it be written through */

static struct mutex ownership_mutex = MUTEX_INIT(ownership_mutex, "ownership", RANK_LAST_SLEEPING);	/* protects: */
static struct count *counts;
static unsigned counts_order;
static struct ownership_total {
	u64 held, holders, pinned, tables, kernel, free, wrong;
	u64 swap_entries, swap_counted;
	u64 reserved_held;	/* entries that hold what is not memory */
	bool moment;		/* the lists could be looked at */
} total;
static struct span { pfn_t first, end; } spans[MAX_SPANS];	/* what is memory; does not change after boot */
static unsigned nr_spans;
static unsigned swap_wrong;	/* in how many counts in a row, since the first */
static u8 pass;			/* of the counts; 0: there was none */

/* --- one pass; nobody else runs --- */

static struct count *count_at(pfn_t pfn)
{
	struct count *c = &counts[pfn];

	if (c->pass != pass)
		*c = (struct count){ .pass = pass, .wrong = c->pass + 1 == pass ? c->wrong : 0 };
	return c;
}

static struct count *count_of(u64 entry)
{
	pfn_t pfn = (entry & ENTRY_FRAME) >> PAGE_SHIFT;

	return pfn < nr_frames ? count_at(pfn) : NULL;
}

static void add_owner(struct count *c)
{
	c->owners += c->owners < MANY;
	c->seen |= SEEN_TABLE;
}

static void hold(struct count *c, u64 entry)
{
	c->holders++;
	total.reserved_held += entry_page(entry)->kind == PAGE_RESERVED;
}

static void see_slot(u64 e)
{
	struct count *c = count_of(e);

	if (!(e & ENTRY_FRAME) || !c)
		return;
	hold(c, e);
	c->seen |= SEEN_SLOT | (e & ENTRY_RW ? SEEN_SLOT_RW : 0);
}

static void see_process_entry(u64 e)
{
	struct count *c = count_of(e);
	bool write = e & ENTRY_P && e & ENTRY_RW;

	if (entry_is_swap(e)) {
		total.swap_entries++;
		return;
	}
	if (!(e & (ENTRY_P | ENTRY_PRIV)) || !c)
		return;
	if (e & ENTRY_PRIV) {
		hold(c, e);
		c->seen |= (write ? SEEN_PRIV_RW : 0) | (e & ENTRY_EXCL ? SEEN_EXCL : 0) | (write && !(e & ENTRY_EXCL) ? SEEN_BAD : 0);
	} else {
		c->seen |= SEEN_FILE | (write ? SEEN_FILE_RW : 0) | (e & ENTRY_EXCL ? SEEN_BAD : 0);
	}
}

static void see_child(u64 e, enum page_kind kind, unsigned level)
{
	struct count *c = count_of(e);

	if (!(e & ENTRY_P) || !c)
		return;
	add_owner(c);
	total.reserved_held += entry_page(e)->kind == PAGE_RESERVED;
	if (kind == PAGE_TABLE_PROCESS && e & ENTRY_RW)
		c->seen |= SEEN_ABOVE_RW;
	if (entry_page(e)->kind != kind || entry_page(e)->level + 1U != level || (kind == PAGE_TABLE_PROCESS && level > 1 && !(e & ENTRY_RW)))
		c->seen |= SEEN_BAD;
}

/* Most entries of most tables are empty: nearly all the time of a count goes by here. Plain reads, nobody else runs. */
#define STRIDE 16
static bool any(const u64 *e)
{
	return e[0] | e[1] | e[2] | e[3] | e[4] | e[5] | e[6] | e[7] | e[8] | e[9] | e[10] | e[11] | e[12] | e[13] | e[14] | e[15];
}

/* How many of a stride are not empty. */
static unsigned see_some(const struct page *table, entry_t *e)
{
	unsigned live = 0;

	for (unsigned i = 0; i < STRIDE; i++) {
		u64 value = entry_read(&e[i]);
		live += value != 0;
		if (!value)
			continue;
		if (table->level)
			see_child(value, table->kind, table->level);
		else if (table->kind == PAGE_TABLE_CACHE)
			see_slot(value);
		else
			see_process_entry(value);
	}
	return live;
}

/* What a file gives to its readers (mm/template.c). One that is being made has no owner yet. */
static void see_template(const struct page *leaf)
{
	struct page *template = READ_ONCE(leaf->template);

	if (template_usable(template))
		add_owner(count_at(page_to_pfn(template)));
}

static void see_table(struct page *table)
{
	unsigned n = table->kind == PAGE_TABLE_PROCESS && table->level == 3 ? 256 : 512, live = 0;
	struct count *self = count_at(page_to_pfn(table));

	for (entry_t *e = table_entries(table), *end = e + n; e < end; e += STRIDE)
		if (any((const u64 *)e))
			live += see_some(table, e);
	if (table->kind == PAGE_TABLE_PROCESS && table->level == 3)
		add_owner(self);		/* struct mm */
	if (table->kind == PAGE_TABLE_CACHE && !table->level)
		see_template(table);
	/* The leaves of files change without the table's lock and are not counted. */
	if ((table->kind == PAGE_TABLE_PROCESS || table->level) && live != table->live)
		self->seen |= SEEN_BAD;
}

static void see_mappings(void)
{
	struct address_space *m;

	list_for_each(m, &all_mappings, cache_node) {
		u64 root = entry_read(&m->root);
		if (!(root & ENTRY_TABLE)) {
			see_slot(root);
			continue;
		}
		add_owner(count_of(root));
	}
}

static void see_swap_areas(void)
{
	for (unsigned i = 0; i < SWAP_AREAS; i++)
		for (u64 n = 1; swap_areas[i].used && n <= swap_areas[i].last; n++)
			if (swap_areas[i].count[n] != ~0U)	/* a bad one */
				total.swap_counted += swap_areas[i].count[n];
}

static bool pinned_below(const struct page *leaf)
{
	bool pinned = false;

	for (unsigned i = 0; i < 512; i++) {
		u64 e = entry_read(&table_entries(leaf)[i]);
		pinned |= e & ENTRY_PRIV && !entry_is_swap(e) && count_of(e) && own_xpins(atomic64_read(&entry_page(e)->own));
	}
	return pinned;
}

/* A table, after all entries were seen: what is wrong with it, or NULL. */
static const char *judge_table(const struct page *table, const struct count *c)
{
	/* Who only looks holds a leaf by a read pin. */
	if (!(c->seen & SEEN_TABLE) || (atomic64_read(&table->own) & ~OWN_RPINS) != OWN_REF * c->owners)
		return "T1: a table has as many owners as references";
	if (c->owners == 1)
		return NULL;
	if (table->kind != PAGE_TABLE_PROCESS || table->level || c->seen & SEEN_ABOVE_RW)
		return "P1: a table of several owners is a leaf, read-only above";
	return pinned_below(table) ? "P4: a leaf of several owners has a page that is pinned exclusively" : NULL;
}

/* A block's first frame, after all entries were seen: what is wrong with it, or NULL. */
static const char *judge(const struct page *page, const struct count *c)
{
	u64 own = atomic64_read(&page->own);
	bool table = page->kind == PAGE_TABLE_PROCESS || page->kind == PAGE_TABLE_CACHE;

	if (page->kind == PAGE_RESERVED)	/* the kernel image, devices: mapped or not, nobody counts */
		return c->holders || c->owners ? "an entry holds what is not memory" : NULL;
	if (page->kind == PAGE_FREE || page->kind == PAGE_KEPT)
		return own || c->holders || c->seen || page->elsewhere ? "PG2: free and used" : NULL;
	if (!own)
		return "PG2: neither used nor free";
	if (c->seen & SEEN_BAD)
		return "an entry that shows it, or its table, is wrong by itself";
	if (table && judge_table(page, c))
		return judge_table(page, c);
	if (!table && c->seen & SEEN_TABLE)
		return "T1: an entry calls it a table";
	if (own_holders(own) != c->holders + page->elsewhere + (page == zero_page))
		return "holders";
	if (own_holders(own) > 1 && (own_xpins(own) || c->seen & (SEEN_PRIV_RW | SEEN_FILE_RW)))
		return "law 1: shared, and somebody may write";
	if (own_holders(own) != 1 && c->seen & SEEN_EXCL)
		return "law 2: EXCL and not alone";
	if (page == zero_page)
		return c->seen & (SEEN_FILE_RW | SEEN_PRIV_RW) ? "INV-E7: the frame of zeroes can be written" : NULL;
	if (c->seen & SEEN_FILE && !(c->seen & SEEN_SLOT))
		return "INV-T1: a FILE entry shows a frame that is in no file";
	return c->seen & SEEN_FILE_RW && !(c->seen & SEEN_SLOT_RW) ? "PC4: writable without RW in the slot" : NULL;
}

/* A frame that a CPU keeps is one, whatever block it came from; of what is not memory each one is looked at. */
static u64 block_frames(const struct page *page)
{
	return page->kind == PAGE_RESERVED || page->kind == PAGE_KEPT ? 1 : BIT(page->order);
}

static void add_up(const struct page *page)
{
	u64 own = atomic64_read(&page->own), n = block_frames(page);

	if (page->kind == PAGE_RESERVED)
		return;
	if (page->kind == PAGE_FREE || page->kind == PAGE_KEPT)
		total.free += n;
	else if (page->kind == PAGE_TABLE_PROCESS || page->kind == PAGE_TABLE_CACHE)
		total.tables++;
	else if (own_holders(own))
		total.held++;
	else
		total.kernel += n;
	total.holders += own_holders(own);
	total.pinned += own_xpins(own) || own_rpins(own);
}

/* The first frame of each block in a span. */
#define each_block(page, span) \
	for (struct page *page = pfn_to_page((span)->first); page < page_array() + (span)->end; page += block_frames(page))

static void see_tables(const struct span *span)
{
	each_block(page, span)
		if (page->kind == PAGE_TABLE_PROCESS || page->kind == PAGE_TABLE_CACHE)
			see_table(page);
}

static void judge_all(const struct span *span, unsigned attempt)
{
	each_block(page, span) {
		struct count *c = count_at(page_to_pfn(page));
		add_up(page);
		c->wrong = c->wrong == attempt - 1 && judge(page, c) ? (u8)attempt : c->wrong;
		total.wrong += c->wrong == attempt;
	}
}

static void find_spans(void)
{
	const struct page *page = page_array(), *end = page + nr_frames;

	while (page < end && nr_spans < MAX_SPANS) {
		struct span *span = &spans[nr_spans];
		while (page < end && page->kind == PAGE_RESERVED)
			page++;
		span->first = page_to_pfn(page);
		while (page < end && page->kind != PAGE_RESERVED)
			page += block_frames(page);
		span->end = page_to_pfn(page);
		nr_spans += span->end > span->first;
	}
	if (page < end)		/* the last one takes the rest in, with what is reserved there */
		spans[MAX_SPANS - 1].end = nr_frames;
}

/* The number of the next pass: it does not begin anew within the passes of one question, of which `wrong` remembers. */
static void next_pass(unsigned attempt)
{
	if (attempt == 1 && pass >= MAX_PASS - ATTEMPTS) {
		memset(counts, 0, nr_frames * sizeof(*counts));
		pass = 0;
	}
	pass += attempt == 1 ? 2 : 1;		/* what an earlier question left there is not of the last pass */
}

static void count_all(unsigned attempt)
{
	const struct span all = { 0, nr_frames };

	total = (struct ownership_total){ .moment = !atomic_read(&mapping_lists.locked) && !atomic_read(&swap_lock.locked) };
	if (!total.moment)
		return;
	if (!nr_spans)
		find_spans();
	next_pass(attempt);
	see_mappings();
	see_swap_areas();
	for (unsigned i = 0; i < nr_spans; i++)
		see_tables(&spans[i]);
	for (unsigned i = 0; i < nr_spans && !total.reserved_held; i++)
		judge_all(&spans[i], attempt);
	if (total.reserved_held)
		judge_all(&all, attempt);
	if (swap_wrong == attempt - 1 && total.swap_entries != total.swap_counted)
		swap_wrong = attempt;
	total.wrong += swap_wrong == attempt;
}

/* --- all CPUs stand still --- */

struct stop {
	unsigned others, attempt;
	atomic_t arrived;
	bool over;
};

/* On each CPU but the one that asks: the last one to come counts, while the others, and who asked, wait. */
static void stand_still(void *arg)
{
	struct stop *s = arg;

	smp_call_resend();
	if ((unsigned)atomic_add_return(&s->arrived, 1) == s->others) {
		count_all(s->attempt);
		smp_store_release(&s->over, true);
	}
	while (!smp_load_acquire(&s->over))
		cpu_relax();
}

static void count_once(unsigned attempt)
{
	struct stop s = { .attempt = attempt };

	preempt_disable();
	u64 others = cpus_online() & ~BIT(cpu_id());
	for (u64 left = others; left; left &= left - 1)
		s.others++;
	if (others) {
		smp_call(others, stand_still, &s);
	} else {
		u64 flags = irq_save();
		count_all(attempt);
		irq_restore(flags);
	}
	preempt_enable();
}

/* --- the report --- */

static int describe(char *buf, size_t size)
{
	int n = ksnprintf(buf, size, "WRONG: %lu of %lu frames; %lu swap entries, their slots count %lu\n", total.wrong, nr_frames, total.swap_entries, total.swap_counted);
	int shown = 0;

	for (pfn_t i = 0; i < nr_frames; i++) {
		const struct page *page = pfn_to_page(i);
		const struct count *c = &counts[i];
		u64 own = atomic64_read(&page->own);
		if (c->pass != pass || c->wrong != ATTEMPTS || shown++ >= SHOWN)
			continue;
		n += ksnprintf(buf + n, size - (size_t)n, "frame %lx kind %u level %u: %s; own: %lu holders %lu xpins %lu rpins %lu refs; counted: %u holders and %u elsewhere, %u owners, seen %x\n",
			       page_to_pfn(page), page->kind, page->level, judge(page, c) ?: "it agrees now", own_holders(own), own_xpins(own), own_rpins(own), own_refs(own),
			       c->holders, page->elsewhere, c->owners, c->seen);
		if ((size_t)n >= size)
			return (int)size - 1;
	}
	return n;
}

static bool counts_ready(void)
{
	while (PAGE_SIZE << counts_order < nr_frames * sizeof(*counts) && counts_order < PAGE_ORDERS - 1)
		counts_order++;
	if (!counts && PAGE_SIZE << counts_order >= nr_frames * sizeof(*counts)) {
		struct page *page = page_alloc(counts_order, PA_ZERO);
		counts = page ? page_address(page) : NULL;
	}
	return counts;
}

int ownership_check(char *buf, size_t size)
{
	unsigned attempt = 0;
	int n = -ENOMEM, slept;

	mutex_lock(&ownership_mutex);
	if (!counts_ready())
		goto out;
	swap_wrong = 0;
	while (attempt < ATTEMPTS) {
		count_once(attempt + 1);
		attempt += total.moment;
		if (total.moment && !total.wrong)
			break;
		slept = sleep_until_ns(ktime_ns() + attempt * 1000000UL, WAIT_KILLABLE);
		if (slept) {
			n = -EINTR;
			goto out;
		}
	}
	if (total.wrong)
		n = describe(buf, size);
	else
		n = ksnprintf(buf, size, "ok %lu frames: %lu held by %lu holders, %lu pinned, %lu tables, %lu of the kernel, %lu free, %lu swapped out\n",
			      nr_frames, total.held, total.holders, total.pinned, total.tables, total.kernel, total.free, total.swap_entries);
out:
	mutex_unlock(&ownership_mutex);
	return n;
}
