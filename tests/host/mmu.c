/*
 * RAM and the MMU of the hosted tests: a CR3 and a TLB for each simulated CPU.
 *
 * The TLBs are as bad as the architecture allows: they keep every translation, and every upper entry they have
 * walked through (the paging-structure caches) with what it allowed then, until told to forget on that CPU; with PCIDs also over changes of CR3.
 * Of an address that faults they forget both (SDM vol. 3, 4.10.4.1), and look at the upper entries anew at once.
 * Using a translation that leads to a free frame is a failure. tlb_check() fails when one that could be used leads there, and, at
 * quiet moments, when one gives more than the tables do now, or an upper one leads to another leaf.
 */
#include "host.h"
#include "kernel/trap.h"
#include "mm/extable.h"
#include "mm/usercopy.h"
#include "mm/usercopy_raw.h"

u8 *host_ram;
struct page *host_pages;
unsigned long host_page_faults, host_tlb_flushes;
static int last_signal, last_code;
static vaddr_t last_address;

#define TLB_SIZE 512		/* a CPU's; when it is full any one goes */
struct translation {
	u16 pcid;
	vaddr_t va;
	paddr_t frame;		/* the page; or the leaf table, for an upper one */
	bool upper, write, exec, dirty;	/* write, exec: by it and those above it */
};
static struct tlb {
	paddr_t root;		/* in CR3; 0: the kernel's own */
	u16 pcid;
	unsigned nr;
	struct translation of[TLB_SIZE];
} tlbs[NR_CPUS];
#define CR3_PCID 0xfffUL
#define CR3_KEEP (1UL << 63)

#define FIXUP_RIP 0xffffffff80000f1fUL
#define COPY_RIP 0xffffffff80000c00UL

static struct tlb *tlb(void) { return &tlbs[cpu_id()]; }
static struct translation *tlb_find(vaddr_t va, bool upper)
{
	struct tlb *t = tlb();
	for (unsigned i = 0; i < t->nr; i++)
		if (t->of[i].pcid == t->pcid && t->of[i].va == va && t->of[i].upper == upper)
			return &t->of[i];
	return NULL;
}
static void tlb_remove(struct tlb *t, unsigned i) { t->of[i] = t->of[--t->nr]; }
static void tlb_drop(struct translation *gone) { tlb_remove(tlb(), (unsigned)(gone - tlb()->of)); }
static struct translation *tlb_add(struct translation new)
{
	struct tlb *t = tlb();
	if (t->nr == TLB_SIZE)
		tlb_remove(t, host_random(TLB_SIZE));
	new.pcid = t->pcid;
	t->of[t->nr] = new;
	return &t->of[t->nr++];
}
static void tlb_forget(struct tlb *t, u16 pcid)
{
	for (unsigned i = t->nr; i-- > 0;)
		if (t->of[i].pcid == pcid)
			tlb_remove(t, i);
}

/* What the upper entries of va lead to and allow together. A frame of 0: one of them is not present. */
static struct translation walk_upper(paddr_t root, vaddr_t va)
{
	struct translation t = { .va = va >> 21 << 21, .upper = true, .write = true, .exec = true };
	struct page *table = phys_to_page(root);

	for (unsigned level = 3; level > 0; level--) {
		entry_t *e = &table_entries(table)[table_index(va, level)];
		u64 v = e->v;
		if (!(v & ENTRY_P))
			return t;
		if (!(v & ENTRY_US))
			host_fail("an upper entry of user address %lx has no US", (unsigned long)va);
		t.write &= !!(v & ENTRY_RW);
		t.exec &= !(v & ENTRY_NX);
		e->v |= ENTRY_A;
		table = entry_page(v);
		if (table->kind != PAGE_TABLE_PROCESS && table->kind != PAGE_TABLE_CACHE)
			host_fail("table walk of %lx reaches a frame of kind %u", (unsigned long)va, table->kind);
	}
	t.frame = page_to_phys(table);
	return t;
}

/* The entry of va in the leaf, and what it allows together with those above. NULL: it is not present. */
static entry_t *walk_leaf(const struct translation *upper, vaddr_t va, bool *write, bool *exec)
{
	entry_t *e = &table_entries(phys_to_page(upper->frame))[table_index(va, 0)];

	if (!(e->v & ENTRY_P))
		return NULL;
	if (!(e->v & ENTRY_US))
		host_fail("user address %lx is mapped without US", (unsigned long)va);
	*write = upper->write && e->v & ENTRY_RW;
	*exec = upper->exec && !(e->v & ENTRY_NX);
	return e;
}

/* The processor may walk to any address at any time: it fetches what the first tables lead to. */
bool host_speculates;
static void speculate(void)
{
	struct page *table = phys_to_page(tlb()->root);
	vaddr_t va = 0;
	for (int level = 3; level >= 0; level--) {
		entry_t *e = table_entries(table);
		unsigned i = 0;
		while (i < 512 && !(e[i].v & ENTRY_P))
			i++;
		if (i == 512)
			return;
		e[i].v |= ENTRY_A;
		va |= (vaddr_t)i << (PAGE_SHIFT + 9 * level);
		if (level == 0)
			tlb_add(walk_upper(tlb()->root, va));
		table = entry_page(e[i].v);
	}
	tlb_add((struct translation){ 0, va, page_to_phys(table), false, false, false, false });
}

void arch_load_root(u64 cr3)
{
	struct tlb *t = tlb();
	host_preempt("load CR3");
	host_tso_fence();		/* it serialises */
	t->root = cr3 & ENTRY_FRAME;
	t->pcid = cr3 & CR3_PCID;
	if (t->pcid && !cpu_features.pcid)
		host_fail("a PCID without the feature");
	if (!(cr3 & CR3_KEEP))
		tlb_forget(t, t->pcid);
	if (host_speculates && t->root)
		speculate();
	host_preempt("loaded CR3");
}
paddr_t kernel_root_phys(void) { return 0; }

void arch_flush_page(struct mm *mm, vaddr_t va)
{
	struct tlb *t = tlb();
	host_preempt("invlpg");
	host_tlb_flushes++;
	for (unsigned i = t->nr; i-- > 0;)
		if (t->of[i].pcid == t->pcid && (t->of[i].upper || t->of[i].va == (va & PAGE_MASK)))
			tlb_remove(t, i);
}
void arch_flush_all(struct mm *mm)
{
	host_preempt("flush");
	host_tlb_flushes++;
	tlb_forget(tlb(), tlb()->pcid);
}

/* A page fault: nothing of what it came from is kept. But nobody keeps the processor from a look at the upper entries before the kernel does anything. */
static void tlb_fault(vaddr_t va)
{
	struct tlb *t = tlb();

	for (unsigned i = t->nr; i-- > 0;)
		if (t->of[i].pcid == t->pcid && (t->of[i].upper ? t->of[i].va == va >> 21 << 21 : t->of[i].va == va))
			tlb_remove(t, i);
	struct translation upper = walk_upper(t->root, va);
	if (upper.frame)
		tlb_add(upper);
}

/* The upper translation of va, a cached one if there is; a frame of 0: none. */
static struct translation translate_upper(vaddr_t va)
{
	const struct translation *cached = tlb_find(va >> 21 << 21, true);

	if (!cached) {
		/* A walk that finds no page may still have cached the entries above. */
		struct translation new = walk_upper(tlb()->root, va);
		return new.frame ? *tlb_add(new) : new;
	}
	const struct page *table = phys_to_page(cached->frame);
	if (!table->own.v || table->kind != PAGE_TABLE_PROCESS)
		host_fail("INV-S5: a freed table is still cached for %lx", (unsigned long)va);
	return *cached;
}

/* The translation for an access, or NULL and the #PF error code. */
static struct translation *translate(struct mm *mm, vaddr_t va, bool write, bool exec, u64 *error)
{
	va &= PAGE_MASK;
	if (tlb()->root != page_to_phys(mm->root))
		host_fail("CPU %d runs a program whose tables are not in its CR3", cpu_id());
	struct translation *t = tlb_find(va, false);
	*error = (write ? PF_WRITE : 0) | (exec ? PF_FETCH : 0);
	if (t && write && t->write && !t->dirty) {	/* the CPU must set D in the table: it looks again */
		tlb_drop(t);
		t = NULL;
	}
	if (!t) {
		bool w = false, x = false;
		struct translation upper = translate_upper(va);
		entry_t *e = upper.frame ? walk_leaf(&upper, va, &w, &x) : NULL;
		*error |= e ? PF_PRESENT : 0;
		if (!e || (write && !w) || (exec && !x)) {
			tlb_fault(va);
			return NULL;
		}
		e->v |= ENTRY_A | (write ? ENTRY_D : 0);
		t = tlb_add((struct translation){ 0, va, e->v & ENTRY_FRAME, false, w, x, write });
	} else if ((write && !t->write) || (exec && !t->exec)) {
		*error |= PF_PRESENT;
		tlb_fault(va);
		return NULL;
	}
	if (!phys_to_page(t->frame)->own.v)
		host_fail("stale translation: %lx on CPU %d still leads to frame %lx, which is free", (unsigned long)va, cpu_id(), (unsigned long)t->frame);
	return t;
}

/* One that the CPU could use now: with another PCID it is looked after when that is loaded. */
static void check_translation(const struct tlb *cpu, const struct translation *t, bool quiet)
{
	bool w = false, x = false;
	if (!phys_to_page(t->frame)->own.v)
		host_fail("INV-S2: the TLB of CPU %d still has %lx -> frame %lx, which is free", (int)(cpu - tlbs), (unsigned long)t->va, (unsigned long)t->frame);
	if (!quiet)
		return;
	struct translation now = walk_upper(cpu->root, t->va);
	if (t->upper) {
		if (now.frame != t->frame)
			host_fail("stale upper entry of %lx: the tables lead to leaf %lx, the TLB of CPU %d to %lx", (unsigned long)t->va, (unsigned long)now.frame,
				  (int)(cpu - tlbs), (unsigned long)t->frame);
		w = now.write;
		x = now.exec;
	} else {
		entry_t *e = now.frame ? walk_leaf(&now, t->va, &w, &x) : NULL;
		if (!e || (e->v & ENTRY_FRAME) != t->frame)
			host_fail("stale translation of %lx: the table has %lx, the TLB of CPU %d frame %lx", (unsigned long)t->va, e ? (unsigned long)e->v : 0,
				  (int)(cpu - tlbs), (unsigned long)t->frame);
	}
	if (t->write && !w)
		host_fail("stale write permission %s %lx", t->upper ? "above" : "of", (unsigned long)t->va);
	if (t->exec && !x)
		host_fail("stale execute permission %s %lx", t->upper ? "above" : "of", (unsigned long)t->va);
}

void tlb_check(bool quiet)
{
	for (struct tlb *cpu = tlbs; cpu < tlbs + NR_CPUS; cpu++)
		for (unsigned i = 0; cpu->root && i < cpu->nr; i++)
			if (cpu->of[i].pcid == cpu->pcid)
				check_translation(cpu, &cpu->of[i], quiet);
}

/* --- faults --- */
void signal_fault(int sig, int code, vaddr_t address)
{
	last_signal = sig;
	last_code = code;
	last_address = address;
}
int host_fault_code(void) { return last_code; }
vaddr_t host_fault_address(void) { return last_address; }

vaddr_t extable_find(vaddr_t rip) { return rip == COPY_RIP ? FIXUP_RIP : 0; }
bool extable_fixup(struct trapframe *frame)
{
	if (frame->rip != COPY_RIP)
		host_fail("fixup asked for rip %lx", (unsigned long)frame->rip);
	frame->rip = FIXUP_RIP;
	return true;
}

static bool canonical_user(vaddr_t va) { return va < 1UL << 47; }

int user_access(vaddr_t va, void *buf, size_t n, bool write)
{
	u8 *b = buf;
	unsigned tries = 0;
	while (n) {
		u64 error;
		if (!canonical_user(va))
			return SIGSEGV;
		size_t chunk = min(n, PAGE_SIZE - (va & ~PAGE_MASK));
		struct translation *t = translate(current->mm, va, write, false, &error);
		if (t) {
			u8 *p = (u8 *)phys_to_virt(t->frame) + (va & ~PAGE_MASK);
			memcpy(write ? p : b, write ? b : p, chunk);
			va += chunk, b += chunk, n -= chunk, tries = 0;
			host_preempt("access");
			continue;
		}
		if (++tries > 50)
			host_fail("the fault at %lx makes no progress (error %lx)", (unsigned long)va, (unsigned long)error);
		struct trapframe frame = { .cs = USER_CS, .ss = USER_DS, .rip = 0x401000, .rsp = va & ~15UL, .error = error | PF_USER, .rflags = 0x202, .vector = 14 };
		host_page_faults++;
		last_signal = 0;
		int seen;
		struct task *me = current;
		me->frame = &frame;
		if (!page_fault(&frame, va))
			host_fail("page_fault says panic for a user access to %lx", (unsigned long)va);
		me->frame = NULL;
		seen = last_signal;
		if (seen || fatal_signal_pending(me))
			return seen ? seen : SIGKILL;
	}
	return 0;
}
int user_load(vaddr_t va, u64 *value) { return user_access(va, value, 8, false); }
int user_store(vaddr_t va, u64 value) { return user_access(va, &value, 8, true); }
int user_exec(vaddr_t va)
{
	for (int i = 0; i < 50; i++) {
		u64 error;
		if (translate(current->mm, va, false, true, &error))
			return 0;
		struct trapframe frame = { .cs = USER_CS, .ss = USER_DS, .rip = va, .error = error | PF_USER, .rflags = 0x202 };
		last_signal = 0;
		if (!page_fault(&frame, va))
			host_fail("page_fault says panic");
		if (last_signal)
			return last_signal;
	}
	host_fail("exec fault makes no progress");
}

/*
 * The instructions of mm/usercopy.asm: copy byte for byte through the MMU; a fault enters page_fault() from
 * kernel mode, which resolves it or has the fixup taken. Returns what was not copied.
 */
static void copy_upwards(u8 *to, const u8 *from, size_t n)
{
	if (to + n <= from || from + n <= to)
		memcpy(to, from, n);
	else
		while (n--)
			*to++ = *from++;
}
static size_t copy_user(vaddr_t va, void *buf, size_t n, bool write)
{
	u8 *b = buf;
	unsigned tries = 0;
	host_preempt("copy");
	while (n) {
		u64 error = 0;
		struct translation *t = NULL;
		if (!canonical_user(va))
			return n;		/* #GP: fixup */
		size_t chunk = min(n, PAGE_SIZE - (va & ~PAGE_MASK));
		if (chunk > 64 && host_random(4) == 0)
			chunk = 1 + host_random(chunk);	/* others see a copy half done */
		t = translate(current->mm, va, write, false, &error);
		if (t) {
			u8 *p = (u8 *)phys_to_virt(t->frame) + (va & ~PAGE_MASK);
			copy_upwards(write ? p : b, write ? b : p, chunk);
			va += chunk, n -= chunk, tries = 0;
			b += chunk;
			host_preempt("copy");
			continue;
		}
		if (++tries > 50)
			host_fail("a copy at %lx makes no progress", (unsigned long)va);
		struct trapframe frame = { .cs = KERNEL_CS, .ss = KERNEL_DS, .rip = COPY_RIP, .error = error, .rflags = 0x40202, .vector = 14 };
		host_page_faults++;
		if (!page_fault(&frame, va))
			host_fail("page_fault says panic for a user copy at %lx", (unsigned long)va);
		if (frame.rip == FIXUP_RIP)
			return n;
	}
	return 0;
}

size_t raw_copy_to_user(void __user *dst, const void *src, size_t n) { return copy_user((vaddr_t)dst, (void *)src, n, true); }
size_t raw_copy_page_to_user(void __user *dst, const void *src) { return raw_copy_to_user(dst, src, PAGE_SIZE); }
size_t raw_copy_from_user(void *dst, const void __user *src, size_t n) { return copy_user((vaddr_t)src, dst, n, false); }

ssize_t raw_string_from_user(char *dst, const char __user *src, size_t n)
{
	if (copy_user((vaddr_t)src, dst, n, false))
		return -EFAULT;
	return (ssize_t)strnlen(dst, n);
}

int raw_cmpxchg32_user(u32 __user *p, u32 expected, u32 desired, u32 *found)
{
	vaddr_t va = (vaddr_t)p;
	u64 error;
	for (unsigned tries = 0; tries < 50; tries++) {
		if (!canonical_user(va))
			return -EFAULT;
		struct translation *t = translate(current->mm, va, true, false, &error);
		if (t) {
			u32 *word = (u32 *)((u8 *)phys_to_virt(t->frame) + (va & ~PAGE_MASK));
			*found = *word;
			if (*word == expected)
				*word = desired;
			return 0;
		}
		struct trapframe frame = { .cs = KERNEL_CS, .ss = KERNEL_DS, .rip = COPY_RIP, .error = error, .rflags = 0x40202, .vector = 14 };
		host_page_faults++;
		if (!page_fault(&frame, va))
			host_fail("page_fault says panic for a cmpxchg at %lx", (unsigned long)va);
		if (frame.rip == FIXUP_RIP)
			return -EFAULT;
	}
	host_fail("a cmpxchg at %lx makes no progress", (unsigned long)va);
}

/* smap_patch() has nothing to patch here. */
const struct extable_entry extable_start[1], extable_end[1];
const struct smap_site smap_sites_start[1], smap_sites_end[1];

void arch_clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE / 2);
	host_preempt("clear_page");
	memset((u8 *)page + PAGE_SIZE / 2, 0, PAGE_SIZE / 2);
}
void arch_copy_page(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE / 2);
	host_preempt("copy_page");
	memcpy((u8 *)dst + PAGE_SIZE / 2, (const u8 *)src + PAGE_SIZE / 2, PAGE_SIZE / 2);
}

void host_boot(unsigned megabytes)
{
	u64 frames = megabytes * 256UL;
	host_ram = sys_map(frames * PAGE_SIZE);
	host_pages = sys_map(frames * sizeof(struct page));
	page_init_begin(frames);
	page_add_range(0, frames * PAGE_SIZE);
	page_init_end();
	pagecache_init();
}
