/*
 * The recount: walk every process and every file, count who holds which frame, and compare with the ownership
 * words (the checker that MECHANISMS.md (c) asks for). Runs at quiet moments: no operation in progress. Checks
 *   PG1  more than one holder: nobody may write      PG2  in use <=> own != 0
 *   MM3, INV-E2  writable PRIV => EXCL => one holder  INV-T1  a FILE entry maps what its slot holds, within the file
 *   PC1  nothing uptodate past the end                PC4  a writable FILE entry needs RW in the slot
 *   T1   a table has as many owners (entries above it, a file whose template it is) as references, one unless it is a leaf of anonymous memory,
 *        read-only above; its count of live entries is right; no TLB entry gives more than the tables
 *   P1   in a table with several owners nobody may write, and nothing is pinned exclusively; each page counts it as one holder
 *   P3   a file's template shows what its slots have, read-only and private
 */
#include "host.h"
#include "mm/swap.h"
#include "mm/vma.h"

#define MAX_SLOTS 256

struct count {
	u32 holders, tables, writable_ptes;	/* tables: its owners */
	u32 xpins, rpins, refs;
};
static struct count *counts;
static u64 free_before;
static struct { struct page *page; int xpins, rpins; } noted[64];

static struct count *count_of(struct page *p)
{
	pfn_t n = page_to_pfn(p);
	if (n >= nr_frames)
		host_fail("entry points outside RAM (frame %lu)", (unsigned long)n);
	return &counts[n];
}

void pin_note(struct page *page, int xpins, int rpins)
{
	unsigned at = ARRAY_SIZE(noted);
	for (unsigned i = 0; i < ARRAY_SIZE(noted); i++)
		if (noted[i].page == page && (noted[i].xpins || noted[i].rpins))
			at = i;
		else if (!noted[i].xpins && !noted[i].rpins && at == ARRAY_SIZE(noted))
			at = i;
	if (at == ARRAY_SIZE(noted))
		host_fail("too many pins noted");
	noted[at].page = page;
	noted[at].xpins += xpins;
	noted[at].rpins += rpins;
}

/* A table, met in an entry above it. False: it was met before, and its entries are counted. Of its owners check_table() asks in the end. */
static bool count_table(struct page *t, enum page_kind kind, unsigned level)
{
	if (t->kind != kind || t->level != level)
		host_fail("frame %lu is used as a table of level %u but is kind %u level %u", (unsigned long)page_to_pfn(t), level, t->kind, t->level);
	if (count_of(t)->tables++)
		return false;
	unsigned live = 0;
	for (unsigned i = 0; i < 512; i++)
		live += table_entries(t)[i].v != 0;
	/* The leaves of files are changed without the table's lock, and do not count. */
	if (live != t->live && (kind == PAGE_TABLE_PROCESS || level))
		host_fail("table %lu (kind %u level %u) has %u live entries, says %u", (unsigned long)page_to_pfn(t), kind, level, live, t->live);
	return true;
}

/* T1 of a table, all its owners having been met. */
static void check_table(struct page *t, const struct count *c)
{
	bool shareable = t->kind == PAGE_TABLE_PROCESS && t->level == 0;

	if (t->own.v != c->tables * OWN_REF || (c->tables > 1 && !shareable))
		host_fail("T1: table %lu (kind %u level %u) has %u owners (own %lx)", (unsigned long)page_to_pfn(t), t->kind, t->level, c->tables, (unsigned long)t->own.v);
}

/* --- entries of leaves, whoever has them --- */
static u32 swap_entries[SWAP_AREAS][MAX_SLOTS];	/* counted: entries of processes that name the slot */
/* write: those above allow it. */
static void count_pte(u64 v, bool write)
{
	if (entry_is_swap(v)) {
		if (!(v & ENTRY_PRIV) || v & ENTRY_RW || swap_id(v) >= SWAP_AREAS << SWAP_SLOT_BITS)
			host_fail("swap entry %lx", (unsigned long)v);
		swap_entries[swap_id(v) >> SWAP_SLOT_BITS][SWAP_SLOT(swap_id(v))]++;
		return;
	}
	struct page *p = entry_page(v);
	if (write && v & ENTRY_RW)
		count_of(p)->writable_ptes++;
	if (v & ENTRY_PRIV) {
		count_of(p)->holders++;
		if (v & ENTRY_RW && !(v & ENTRY_EXCL))
			host_fail("INV-E2: an entry is writable and PRIV but not EXCL (%lx)", (unsigned long)v);
		if ((v & ENTRY_EXCL) && own_holders(p->own.v) != 1)
			host_fail("INV-E2: an entry is EXCL (%lx) but its page has %u holders", (unsigned long)v, (unsigned)own_holders(p->own.v));
	} else if (v & ENTRY_EXCL) {
		host_fail("an entry is EXCL but not PRIV (%lx)", (unsigned long)v);
	}
}

/* --- files --- */
static void count_slot(struct hfile *f, u64 index, u64 v)
{
	if (v & ENTRY_LOCKED)
		host_fail("%s: page %lu is locked at a quiet moment", f->name, (unsigned long)index);
	if (!(v & ENTRY_FRAME))
		return;
	struct page *p = entry_page(v);
	count_of(p)->holders++;
	if (v & ENTRY_WRITEBACK)
		host_fail("%s: page %lu is under writeback with no I/O pending", f->name, (unsigned long)index);
	if ((v & ENTRY_P) && index >= DIV_UP((u64)f->inode.mapping.size, PAGE_SIZE))
		host_fail("PC1: %s: page %lu is past the end (%ld)", f->name, (unsigned long)index, f->inode.mapping.size);
	if (!f->inode.mapping.no_writeback && (v & ENTRY_D) && !(v & ENTRY_RW) && (v & ENTRY_P) && !f->block_state[index])
		host_fail("PC4: %s: page %lu is dirty without a block", f->name, (unsigned long)index);
}
static void count_template(struct hfile *f, const struct page *leaf)
{
	struct page *t = leaf->template;
	if ((u64)t <= TEMPLATE_WANTED)
		return;
	if (!template_usable(t))
		host_fail("%s: a template is being made at a quiet moment", f->name);
	bool first = count_table(t, PAGE_TABLE_PROCESS, 0);
	for (unsigned i = 0; i < 512; i++) {
		u64 v = table_entries(t)[i].v, slot = table_entries(leaf)[i].v;
		if ((v ^ slot) & (ENTRY_P | ENTRY_FRAME) || (v & (ENTRY_P | ENTRY_PRIV | ENTRY_RW | ENTRY_EXCL)) != (ENTRY_P | ENTRY_PRIV))
			host_fail("P3: %s: entry %u of the template is %lx, the slot %lx", f->name, i, (unsigned long)v, (unsigned long)slot);
		if (first)
			count_pte(v, false);
	}
}
static u64 count_file_table(struct hfile *f, struct page *t, u64 index)
{
	u64 pages = 0;
	count_table(t, PAGE_TABLE_CACHE, t->level);
	if (!t->level)
		count_template(f, t);
	for (unsigned i = 0; i < 512; i++) {
		u64 v = table_entries(t)[i].v;
		if (!(v & ENTRY_FRAME))
			continue;
		if (t->level) {
			pages += count_file_table(f, entry_page(v), index << 9 | i);
		} else {
			count_slot(f, index << 9 | i, v);
			pages++;
		}
	}
	return pages;
}
static u64 count_file(struct hfile *f)
{
	u64 root = f->inode.mapping.root.v;
	if (root & ENTRY_TABLE)
		return count_file_table(f, entry_page(root), 0);
	count_slot(f, 0, root);
	return (root & ENTRY_FRAME) != 0;
}

/* --- processes --- */
/* The same entry as one of this address space. */
static void check_pte(struct mm *mm, vaddr_t va, u64 v, bool write)
{
	struct vma *vma = vma_lookup(mm, va);
	if (!vma)
		host_fail("%lx is mapped (%lx) outside every VMA", (unsigned long)va, (unsigned long)v);
	if (entry_is_swap(v))
		return;
	struct page *p = entry_page(v);
	write &= !!(v & ENTRY_RW);
	if (write && !(vma->flags & VM_WRITE))
		host_fail("%lx is writable, its VMA is not", (unsigned long)va);
	if (v & ENTRY_PRIV) {
		if (vma->flags & VM_SHARED)
			host_fail("%lx is PRIV in a shared mapping", (unsigned long)va);
		return;
	}
	if (p == zero_page) {
		if (write)
			host_fail("INV-E7: the zero page is mapped writable at %lx", (unsigned long)va);
		return;
	}
	if (!vma->mapping)
		host_fail("FILE entry %lx in an anonymous VMA at %lx", (unsigned long)v, (unsigned long)va);
	u64 index = vma->pgoff + ((va - vma->start) >> PAGE_SHIFT);
	u64 slot = pagecache_peek(vma->mapping, index);
	if (!(slot & ENTRY_P) || entry_page(slot) != p)
		host_fail("INV-T1: %lx maps frame %lu, the slot %lu is %lx", (unsigned long)va, (unsigned long)page_to_pfn(p), (unsigned long)index, (unsigned long)slot);
	if (write && (!(slot & ENTRY_RW) || !(vma->flags & VM_SHARED)))
		host_fail("PC4: %lx is writable, the slot %lu is %lx", (unsigned long)va, (unsigned long)index, (unsigned long)slot);
}
/* A leaf that may be shared, that is, which is read-only above: no part of it may get a file's pages, another VMA, or a pin for writing. */
static void check_restricted(struct mm *mm, const struct page *leaf, vaddr_t va)
{
	const struct vma *vma = vma_lookup(mm, va);
	if (!vma || vma->end < va + LEAF_SPAN || vma->mapping || vma->flags & VM_SHARED)
		host_fail("P1: the leaf at %lx may be shared, and is not all of one anonymous mapping's", (unsigned long)va);
	for (unsigned i = 0; own_refs(leaf->own.v) > 1 && i < 512; i++) {
		u64 v = table_entries(leaf)[i].v;
		if (v & ENTRY_PRIV && !entry_is_swap(v) && own_xpins(entry_page(v)->own.v))
			host_fail("P4: the leaf at %lx is shared, and its page %u is pinned exclusively", (unsigned long)va, i);
	}
}
static void count_leaf(struct mm *mm, struct page *leaf, vaddr_t va, bool write)
{
	bool first = count_table(leaf, PAGE_TABLE_PROCESS, 0);
	if (own_refs(leaf->own.v) > 1 && write)
		host_fail("P1: the leaf at %lx has %u owners, and can be written through one of them", (unsigned long)va, (unsigned)own_refs(leaf->own.v));
	if (!write)
		check_restricted(mm, leaf, va);
	for (unsigned i = 0; i < 512; i++) {
		u64 v = table_entries(leaf)[i].v;
		if (!v)
			continue;
		if (!(v & ENTRY_P) && v & ENTRY_RW)	/* PROT_NONE keeps its frame in an entry without P */
			host_fail("entry %lx of a leaf is neither empty nor present", (unsigned long)v);
		if (first)
			count_pte(v, write);
		check_pte(mm, va + i * PAGE_SIZE, v, write);
	}
}
static void count_mm_table(struct mm *mm, struct page *t, unsigned level, vaddr_t va)
{
	count_table(t, PAGE_TABLE_PROCESS, level);
	for (unsigned i = 0; i < 512; i++) {
		u64 v = table_entries(t)[i].v;
		vaddr_t at = va | (vaddr_t)i << (PAGE_SHIFT + 9 * level);
		if (!v)
			continue;
		if (!(v & ENTRY_P) || (level > 1 && !(v & ENTRY_RW)))
			host_fail("entry %lx of a table of level %u is neither empty nor allows everything", (unsigned long)v, level);
		if (level > 1)
			count_mm_table(mm, entry_page(v), level - 1, at);
		else
			count_leaf(mm, entry_page(v), at, v & ENTRY_RW);
	}
}
static void check_vmas(struct mm *mm)
{
	u64 pages = 0;
	for (unsigned i = 0; i < mm->nr_vmas; i++) {
		struct vma *v = mm->vmas[i];
		pages += (v->end - v->start) >> PAGE_SHIFT;
		if (v->start >= v->end || ((v->start | v->end) & ~PAGE_MASK) || v->end > USER_TOP || v->mm != mm)
			host_fail("MM1: VMA %lx-%lx", (unsigned long)v->start, (unsigned long)v->end);
		if (i && mm->vmas[i - 1]->end > v->start)
			host_fail("MM1: VMAs overlap at %lx", (unsigned long)v->start);
		if (mm->gaps && v->start - (i ? mm->vmas[i - 1]->end : MMAP_MIN_ADDR) > mm->gaps[i / GAP_CHUNK])
			host_fail("the gap below %lx is larger than its bound", (unsigned long)v->start);
		bool listed = v->i_mmap_node.next && !list_empty(&v->i_mmap_node);
		if (v->mapping && !listed)
			host_fail("MM2: a file VMA is not on i_mmap");
	}
	if (pages != mm->total_pages)
		host_fail("total_pages is %lu, VMAs have %lu", (unsigned long)mm->total_pages, (unsigned long)pages);
}

/* Tables alone. */
static void count_tables_of(struct page *t)
{
	count_table(t, PAGE_TABLE_CACHE, t->level);
	for (unsigned i = 0; i < 512 && t->level; i++)
		if (table_entries(t)[i].v & ENTRY_P)
			count_tables_of(entry_page(table_entries(t)[i].v));
}
static void count_file_tables(struct address_space *m)
{
	if (m->root.v & ENTRY_TABLE)
		count_tables_of(entry_page(m->root.v));
}
/* SW1, and the holders of an area's cache; at a quiet moment nothing is locked or under way. */
static void check_area(struct swap_area *a, const u32 *entries)
{
	u64 used = 0, cached = 0;
	for (u64 n = 1; a->used && n <= a->last; n++) {
		u64 v = pagecache_peek(&a->mapping, n);
		bool bad = a->count[n] == ~0U;
		if (n >= MAX_SLOTS || (a->count[n] != entries[n] && !bad) || (bad && entries[n]))
			host_fail("SW1: slot %lu has count %u, %u entries", (unsigned long)n, a->count[n], entries[n]);
		used += a->count[n] && !bad;
		if (v & (ENTRY_LOCKED | ENTRY_WRITEBACK))
			host_fail("swap slot %lu is locked or under writeback (%lx)", (unsigned long)n, (unsigned long)v);
		if (v & ENTRY_P) {
			count_of(entry_page(v))->holders++;
			cached++;
		} else if (v & ~ENTRY_ERROR) {
			host_fail("swap slot %lu is %lx", (unsigned long)n, (unsigned long)v);
		}
	}
	if (!a->used)
		return;
	if (used != a->nr_used || cached != a->mapping.nr_pages.v || a->in_flight)
		host_fail("swap: %lu used (says %lu), %lu cached (says %lu), %u requests", (unsigned long)used, (unsigned long)a->nr_used, (unsigned long)cached,
			  (unsigned long)a->mapping.nr_pages.v, a->in_flight);
	count_file_tables(&a->mapping);
}

void check_all(void)
{
	struct hfile *f;
	while (disk_pending() || swap_disk_pending())
		sched_yield_cpu();
	if (!counts)
		counts = sys_calloc(nr_frames * sizeof(*counts));
	memset(counts, 0, nr_frames * sizeof(*counts));
	memset(swap_entries, 0, sizeof(swap_entries));
	list_for_each(f, &hfiles, node) {
		u64 n = count_file(f);
		if (n != f->inode.mapping.nr_pages.v)
			host_fail("%s: %lu pages cached, nr_pages says %lu", f->name, (unsigned long)n, (unsigned long)f->inode.mapping.nr_pages.v);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(proc_all); i++)
		if (proc_all[i]) {
			check_vmas(proc_all[i]);
			count_mm_table(proc_all[i], proc_all[i]->root, 3, 0);
		}
	for (unsigned i = 0; i < SWAP_AREAS; i++)
		check_area(&swap_areas[i], swap_entries[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(noted); i++) {
		if (!noted[i].page)
			continue;
		count_of(noted[i].page)->xpins += noted[i].xpins;
		count_of(noted[i].page)->rpins += noted[i].rpins;
	}
	count_of(zero_page)->holders++;
	for (pfn_t i = 0; i < nr_frames; i++) {
		struct page *p = pfn_to_page(i);
		struct count *c = &counts[i];
		u64 own = p->own.v;
		if ((p->kind == PAGE_FREE || p->kind == PAGE_KEPT) && (own || c->holders || c->tables))
			host_fail("PG2: frame %lu is free and used (own %lx)", (unsigned long)i, (unsigned long)own);
		if (c->holders && !own)
			host_fail("PG2: frame %lu is used and has own == 0", (unsigned long)i);
		if (c->tables) {
			check_table(p, c);
			continue;
		}
		if (p->kind == PAGE_TABLE_PROCESS && p->level < 3)
			host_fail("table %lu of level %u is in no table", (unsigned long)i, p->level);
		if (p->kind == PAGE_SLAB || p->kind == PAGE_LARGE)
			continue;
		if (own_holders(own) != c->holders)
			host_fail("frame %lu: own says %u holders, counted %u (own %lx)", (unsigned long)i, (unsigned)own_holders(own), c->holders, (unsigned long)own);
		if (own_xpins(own) != c->xpins || own_rpins(own) != c->rpins)
			host_fail("frame %lu: own %lx, pins counted %u exclusive %u read", (unsigned long)i, (unsigned long)own, c->xpins, c->rpins);
		if (own_holders(own) > 1 && (c->xpins || c->writable_ptes))
			host_fail("PG1: frame %lu has %u holders, %u exclusive pins, %u writable entries", (unsigned long)i, (unsigned)own_holders(own), c->xpins, c->writable_ptes);
	}
	tlb_check(true);
}

void check_leaks_begin(void) { free_before = page_free_count(); }
void check_leaks_end(void)
{
	long lost = (long)(free_before - page_free_count());
	/* Slabs keep a few frames: what the tests make is counted in tens. */
	if (lost > (long)sys_option("slack", 24))
		host_fail("%ld frames leaked", lost);
}
