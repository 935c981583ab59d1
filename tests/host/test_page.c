/* The frame allocator, the ownership word, the slabs: PG1 to PG3 and the counting. */
#include "host.h"
#include "mm/table.h"

static bool inside(struct page *p, unsigned order)
{
	pfn_t n = page_to_pfn(p);
	return n && n + BIT(order) <= nr_frames && !(n & (BIT(order) - 1));
}

TEST(page_alloc_free, "blocks of every order are aligned, disjoint, zeroed on request, and come together again")
{
	static struct page *got[4096];
	static u8 order[4096];
	u64 total = page_free_count();
	for (unsigned round = 0; round < 20; round++) {
		unsigned n = 0;
		while (n < ARRAY_SIZE(got)) {
			order[n] = host_random(11) * host_random(2);
			bool zero = host_random(2);
			if (!(got[n] = page_alloc(order[n], zero ? PA_ZERO : 0)))
				break;
			CHECK(inside(got[n], order[n]));
			CHECK_EQ(own_refs(got[n]->own.v), 1);
			u64 *data = page_address(got[n]);
			for (unsigned i = 0; i < 512 << order[n]; i += 64) {
				CHECK(!zero || !data[i]);
				data[i] = n + 1;
			}
			n++;
		}
		CHECK(n > 10);
		for (unsigned i = 0; i < n; i++)	/* disjoint: nobody's mark was overwritten */
			for (unsigned k = 0; k < 512 << order[i]; k += 64)
				CHECK_EQ(((u64 *)page_address(got[i]))[k], i + 1);
		while (n) {
			unsigned k = host_random(n);
			page_put(got[k]);
			got[k] = got[--n];
			order[k] = order[n];
		}
		CHECK_EQ(page_free_count(), total);
	}
	struct page *big = page_alloc(10, 0);
	CHECK(big);					/* nothing stayed in pieces */
	page_put(big);
}

TEST(page_own_rules, "PG1 PG3: sharing, pins and adoption allow and refuse what mm/page.h says")
{
	struct page *p = page_alloc(0, 0);
	page_ref_to_holder(p);
	CHECK(page_sole_holder(p) && page_adoptable(p));
	page_get(p);
	CHECK(page_adoptable(p));			/* INV-E5: a lifetime reference decides nothing */
	page_put(p);
	CHECK(page_pin_read(p));
	CHECK(page_sole_holder(p) && !page_adoptable(p));
	CHECK(page_share(p));				/* a read pin may sit on a shared page */
	CHECK(!page_sole_holder(p) && !page_adoptable(p));
	CHECK(!page_pin_exclusive(p));			/* ... an exclusive one not */
	page_drop_holder(p);
	page_unpin_read(p);
	CHECK(page_adoptable(p) && page_pin_exclusive(p));
	CHECK(!page_share(p) && !page_adoptable(p));	/* PG1: pinned exclusively, never shared */
	page_drop_holder(p);				/* unmapped while pinned: the pin keeps it */
	CHECK(p->own.v);
	page_unpin_exclusive(p);
	CHECK_EQ(p->own.v, 0);
	CHECK(!page_get_unless_free(p) && !page_pin_read(p));
}

TEST(page_pin_limits, "pins and shares fail at the limit of their field instead of spilling into the next")
{
	struct page *p = page_alloc(0, 0);
	page_ref_to_holder(p);
	unsigned n = 0;
	while (page_pin_read(p))
		n++;
	CHECK_EQ(n, OWN_MANY_RPINS / OWN_RPIN);
	CHECK_EQ(own_xpins(p->own.v), 0);
	while (n--)
		page_unpin_read(p);
	for (n = 0; page_pin_exclusive(p); n++)
		;
	CHECK_EQ(n, 0xfff);
	CHECK_EQ(own_holders(p->own.v), 1);
	while (n--)
		page_unpin_exclusive(p);
	page_drop_holder(p);
}

TEST(page_out_of_memory, "no memory is NULL, and the last frames stay for those who cannot wait")
{
	struct list_head all = LIST_INIT(all);
	struct page *p;
	unsigned n = 0, atomic = 0;
	u64 total = page_free_count();
	for (; (p = page_alloc(0, 0)); n++)
		list_add(&p->node, &all);
	for (; (p = page_alloc(0, PA_ATOMIC)); atomic++)
		list_add(&p->node, &all);
	CHECK(atomic > 0 && n > 100);
	CHECK_EQ(page_free_count(), 0);
	CHECK(!kmalloc(100000) && !page_alloc(3, PA_RESERVE));
	while (!list_empty(&all)) {		/* list_for_each would make a misaligned struct page of the head */
		p = list_first(&all, struct page, node);
		list_del(&p->node);
		page_put(p);
	}
	CHECK_EQ(page_free_count(), total);
}

TEST(page_kept, "what CPUs keep counts as free, is found again from any CPU when memory runs out, and what is kept as zeroes is")
{
	struct list_head all = LIST_INIT(all);
	struct page *p, *table[40];
	u64 total = page_free_count();
	unsigned n;

	page_keep_begin();
	for (unsigned round = 0; round < 3; round++) {
		for (int cpu = 3; cpu < 7; cpu++) {		/* each keeps some */
			host_run_on(cpu);
			for (n = 0; n < 300; n++)
				list_add(&page_alloc(0, 0)->node, &all);
			for (n = 0; n < ARRAY_SIZE(table); n++)
				CHECK((table[n] = table_alloc(PAGE_TABLE_PROCESS, 0, 0)));
			while (!list_empty(&all)) {
				p = list_first(&all, struct page, node);
				list_del(&p->node);
				memset(page_address(p), 0xee, PAGE_SIZE);
				page_put(p);
			}
			for (n = 0; n < ARRAY_SIZE(table); n++)
				table_put(table[n]);
			CHECK_EQ(page_free_count(), total);
			for (n = 0; n < ARRAY_SIZE(table); n++) {
				CHECK((table[n] = page_alloc(0, PA_ZERO)));
				for (unsigned i = 0; i < 512; i++)
					CHECK(!((u64 *)page_address(table[n]))[i]);
			}
			for (n = 0; n < ARRAY_SIZE(table); n++)
				page_put(table[n]);
		}
		host_run_on(8);
		for (n = 0; (p = page_alloc(0, 0)); n++)
			list_add(&p->node, &all);
		for (; (p = page_alloc(0, PA_ATOMIC)); n++)
			list_add(&p->node, &all);
		CHECK_EQ(page_free_count(), 0);
		CHECK(n + 8 > total);				/* slabs may have some */
		while (!list_empty(&all)) {
			p = list_first(&all, struct page, node);
			list_del(&p->node);
			page_put(p);
		}
		CHECK_EQ(page_free_count(), total);
	}
	/* Kept frames keep their neighbours apart, until a large block is wanted. */
	u64 blocks = 0;
	while ((p = page_alloc(10, 0))) {
		list_add(&p->node, &all);
		blocks++;
	}
	CHECK(blocks + 1 >= total / 1024);
	while (!list_empty(&all)) {
		p = list_first(&all, struct page, node);
		list_del(&p->node);
		page_put(p);
	}
}

static void keep_and_go(void *arg)
{
	void *p[200];

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			CHECK((p[i] = kmalloc(1 + i * 11 % 300)));
			memset(p[i], (int)i, 1 + i * 11 % 300);
		}
		host_preempt("objects in use");
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			for (unsigned k = 0; k < 1 + i * 11 % 300; k++)
				CHECK_EQ(((u8 *)p[i])[k], (u8)i);
			kfree(p[i]);
		}
	}
}

TEST(slab_kept, "objects that CPUs keep are nobody else's")
{
	struct task *t[4];

	page_keep_begin();
	host_explore(1, 3);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		t[i] = host_spawn("keeper", NULL, keep_and_go, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		host_join(t[i]);
}

TEST(slab_random, "kmalloc of any size: aligned, disjoint, given back; kfree(NULL)")
{
	static struct { u8 *p; u32 size; u8 mark; } got[600];
	unsigned n = 0;
	kfree(NULL);
	for (unsigned step = 0; step < 20000; step++) {
		if (n < ARRAY_SIZE(got) && host_random(5) < 3) {
			u32 size = 1 + host_random(host_random(20) ? 2000 : 60000);
			u8 *p = kmalloc(size);
			if (!p)
				continue;
			CHECK(!((unsigned long)p & 15) && (size < 64 || !((unsigned long)p & 63)));
			got[n].p = p;
			got[n].size = size;
			memset(p, got[n].mark = host_random(256), size);
			n++;
		} else if (n) {
			unsigned k = host_random(n);
			for (u32 i = 0; i < got[k].size; i++)
				CHECK_EQ(got[k].p[i], got[k].mark);
			kfree(got[k].p);
			got[k] = got[--n];
		}
	}
	while (n)
		kfree(got[--n].p);
	u8 *z = kzalloc(5000);
	for (unsigned i = 0; i < 5000; i++)
		CHECK_EQ(z[i], 0);
	kfree(z);
	struct slab_cache *c = slab_cache_create("test", 100);
	void *a = slab_alloc(c), *b = slab_alloc(c);
	CHECK(a && b && a != b);
	slab_free(c, a);
	slab_free(c, b);
}

static void sharer(void *arg)
{
	struct page *p = arg;
	for (unsigned i = 0; i < 200; i++) {
		if (page_share(p)) {
			CHECK(!own_xpins(p->own.v));
			page_drop_holder(p);
		}
		if (page_pin_exclusive(p)) {
			CHECK_EQ(own_holders(p->own.v), 1);
			page_unpin_exclusive(p);
		}
		if (page_get_unless_free(p))
			page_put(p);
	}
}
TEST(page_own_interleaved, "PG1 under every interleaving tried: shared and exclusively pinned never meet")
{
	for (unsigned seed = 0; seed < 40; seed++) {
		struct page *p = page_alloc(0, 0);
		page_ref_to_holder(p);
		host_explore(seed, 3);
		struct task *a = host_spawn("a", NULL, sharer, p), *b = host_spawn("b", NULL, sharer, p);
		host_join(a);
		host_join(b);
		host_explore(0, 0);
		CHECK_EQ(p->own.v, OWN_HOLDER);
		page_drop_holder(p);
		CHECK_EQ(p->own.v, 0);
	}
}
