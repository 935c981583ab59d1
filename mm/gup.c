/*
 * Pinning pages of a program (mm/gup.h).
 *
 * Without a lock, for the current program: the walk runs with interrupts off, so that no table of this address space is freed under
 * it, nor a frame that an entry shows now (both wait for this CPU's answer to a flush: mm/shootdown.c); after the pin the entry is read again. If
 * it still shows the page with the right that is asked for, the pin came first: who takes the page away or shares it from then on sees it.
 *
 * Under mmap_lock, for any: the VMA says what is allowed, and the pin is taken under the leaf's lock; if the entry does not allow it, the
 * fault is resolved, which pins what it installs under the lock that installs it: a thread that zaps or forks all the time cannot starve
 * us. That one lock also is why PIN_FORCE never stores to what others see: right, copy and pin are one decision (INV-G5).
 */
#include "mm/gup.h"

#include "kernel/cpu.h"
#include "mm/slot.h"
#include "mm/swap.h"
#include "mm/vma.h"
#include "mm/vmstat.h"

#define GUP_TRIES 64	/* others may lend the slot's page between making it sole and the pin, but not for ever without malice */

static inline bool exclusive(unsigned flags) { return flags & (PIN_WRITE | PIN_LONG); }

static bool pin_page(struct page *page, unsigned flags)
{
	return exclusive(flags) ? page_pin_exclusive(page) : page_pin_read(page);
}

static void unpin_page(struct page *page, unsigned flags)
{
	exclusive(flags) ? page_unpin_exclusive(page) : page_unpin_read(page);
}

void unpin_user_pages(struct page **pages, unsigned nr, unsigned flags)
{
	for (unsigned i = 0; i < nr; i++)
		unpin_page(pages[i], flags);
}

/* --- without a lock --- */

/* Does the entry alone say that this may be had? Of a long pin, only for a page that is the program's own: the rest takes knowing the VMA. */
static bool allows(u64 entry, unsigned flags)
{
	if (!(entry & ENTRY_P) || (flags & PIN_WRITE && !(entry & ENTRY_RW)))
		return false;
	return !(flags & PIN_LONG) || (entry & (ENTRY_PRIV | ENTRY_EXCL)) == (ENTRY_PRIV | ENTRY_EXCL);
}

/* Before an exclusive pin: fork() is to look for it in this leaf. */
static void note_pins(const entry_t *e)
{
	struct page *leaf = virt_to_page(e);

	if (!READ_ONCE(leaf->pinned))
		WRITE_ONCE(leaf->pinned, true);
}

static struct page *pin_entry(struct mm *mm, vaddr_t va, unsigned flags)
{
	u64 irq = irq_save(), value = 0, now = 0;
	struct page *page = NULL;
	const entry_t *e = leaf_find_entry(mm, va, &value);

	if (allows(value, flags)) {
		page = entry_page(value);
		if (exclusive(flags))
			note_pins(e);
		if (pin_page(page, flags))
			now = entry_read(e);	/* the rights above: who takes them away waits for us before he looks for pins */
		else
			page = NULL;
	}
	irq_restore(irq);
	if (!page || (allows(now, flags) && entry_page(now) == page))
		return page;
	unpin_page(page, flags);
	return NULL;
}

unsigned get_user_pages_fast(vaddr_t va, unsigned nr, unsigned flags, struct page **pages)
{
	struct mm *mm = current->mm;
	unsigned n = 0;

	if (!mm || flags & PIN_FORCE)
		return 0;
	for (; n < nr && va < USER_TOP; n++, va += PAGE_SIZE) {
		pages[n] = pin_entry(mm, va, flags);
		if (!pages[n])
			break;
	}
	vmstat_add(VM_PIN, n);
	vmstat_add(VM_PIN_FAST, n);
	return n;
}

/* --- under mmap_lock --- */

static bool may_pin(const struct vma *vma, unsigned flags)
{
	bool shared = vma->flags & VM_SHARED;

	/* The file system could not say any more when the page is to be clean. */
	if ((flags & (PIN_WRITE | PIN_LONG)) == (PIN_WRITE | PIN_LONG) && shared && vma->mapping && !vma->mapping->no_writeback)
		return false;
	if (flags & PIN_WRITE)
		return vma->flags & VM_WRITE || (flags & PIN_FORCE && !shared && vma->flags & VM_MAYWRITE);
	return vma->flags & (VM_READ | VM_WRITE | VM_EXEC) || (flags & PIN_FORCE && vma->flags & VM_MAYREAD);
}

/* Leaf locked, may_pin(): pin what the entry shows, if it is fit for that as it is. */
static struct page *pin_locked(const struct vma *vma, entry_t *e, unsigned flags)
{
	u64 value = entry_read(e);

	if (!value || entry_is_swap(value) || (!(value & ENTRY_P) && !(flags & PIN_FORCE)))
		return NULL;
	if (exclusive(flags)) {
		/* A page of the cache is not what a private mapping's owner will write to, so it is not what is to be seen or changed through the pin. */
		if (value & ENTRY_PRIV ? !(value & ENTRY_EXCL) : !(vma->flags & VM_SHARED))
			return NULL;
		if (!(value & ENTRY_PRIV) && flags & PIN_WRITE && !(value & ENTRY_RW))
			return NULL;
	}
	if (exclusive(flags))
		note_pins(e);
	if (!pin_page(entry_page(value), flags))
		return NULL;
	if (flags & PIN_WRITE)
		atomic64_fetch_or(e, ENTRY_A | ENTRY_D);
	return entry_page(value);
}

void fault_pin(struct fault *f, entry_t *e)
{
	if (!f->pin->page)
		f->pin->page = pin_locked(f->vma, e, f->pin->flags);
}

static struct page *pin_present(struct fault *f)
{
	vaddr_t next;
	bool own = exclusive(f->pin->flags);	/* a leaf that nobody else has stays; another one is held, and may not be ours any more once it is locked */
	struct page *leaf = own ? leaf_find_own(f->mm, f->address, &next, LEAF_TAKE) : leaf_hold(f->mm, f->address, &next), *page = NULL;

	if (!leaf)
		return NULL;
	spin_lock(&leaf->lock);
	if (own || leaf_find(f->mm, f->address, &next) == leaf)
		page = pin_locked(f->vma, leaf_entry(leaf, f->address), f->pin->flags);
	spin_unlock(&leaf->lock);
	if (!own)
		page_unpin_read(leaf);
	return page;
}

/* Out of mmap_lock: the page of a file, read in if need be. For PIN_FORCE, where the mapping itself allows nothing. */
static int pin_file_page(struct fault *f, struct address_space *m)
{
	struct page *page = NULL;
	int error;

	if (m->ops->hold)
		m->ops->hold(m);
	up_read(&f->mm->mmap_lock);
	error = pagecache_read(m, f->index, 0, &page);
	if (m->ops->release)
		m->ops->release(m);
	f->pin->page = page;
	return error == -EIO || (!error && !page) ? -EFAULT : error;
}

/* Out of mmap_lock: the slot's frame becomes the slot's alone (it is lent, or being written back), so that the next try can pin it. */
static int make_sole(struct fault *f, struct address_space *m)
{
	entry_t *slot;
	int error;

	if (m->ops->hold)
		m->ops->hold(m);
	up_read(&f->mm->mmap_lock);
	error = page_lock_uptodate(m, f->index, false, &slot);
	if (!error) {
		error = slot_make_sole(m, f->index, slot);
		page_unlock(m, f->index, slot, 0, 0);
		vmstat_inc(VM_PIN_BREAK);
	}
	if (m->ops->release)
		m->ops->release(m);
	return error == -ENODATA || error == -EIO ? -EFAULT : error;
}

static int fault_errno(enum fault_result result)
{
	return result == FAULT_DONE || result == FAULT_RETRY ? 0 : result == FAULT_OOM ? -ENOMEM : -EFAULT;
}

/* One step for a page that could not be pinned as it is. 0 or an error; *locked: whether mmap_lock still is held. */
static int resolve_for_pin(struct fault *f, bool *locked)
{
	struct vma *vma = f->vma;
	u64 value = mm_entry(f->mm, f->address);
	enum fault_result result;

	if (!f->write && !value && !(vma->flags & (VM_READ | VM_WRITE | VM_EXEC))) {	/* PIN_FORCE: no entry is made for a program that may not look */
		if (vma->mapping) {
			*locked = false;
			return pin_file_page(f, vma->mapping);
		}
		f->pin->page = page_pin_read(zero_page) ? zero_page : NULL;
		return 0;
	}
	if (value & ENTRY_P && !f->write && exclusive(f->pin->flags) && !(value & ENTRY_PRIV)) {
		*locked = false;
		return make_sole(f, vma->mapping);
	}
	if (value && exclusive(f->pin->flags) && !(vma->flags & VM_SHARED))
		vmstat_inc(VM_PIN_BREAK);
	result = fault_handle(f);
	vmstat_inc(result == FAULT_RETRY ? VM_FAULT_RETRY : VM_FAULT);
	*locked = result != FAULT_RETRY;
	return fault_errno(result);
}

/* The page at va, in vma. 0 with *page, or an error; without either, and mmap_lock dropped: begin again. */
static int pin_one(struct mm *mm, struct vma *vma, vaddr_t va, unsigned flags, struct page **page, bool *locked)
{
	struct pin_request request = { .flags = flags };
	struct fault f = { .mm = mm, .vma = vma, .address = va & PAGE_MASK, .killable = true, .pin = &request };
	int error = 0;

	f.index = vma->pgoff + ((f.address - vma->start) >> PAGE_SHIFT);
	/* A long pin of a private page is had as by a store: then the page is the program's own. */
	f.write = flags & PIN_WRITE || (flags & PIN_LONG && !(vma->flags & VM_SHARED));
	for (int i = 0; !error && *locked && !request.page; i++) {
		if (i == GUP_TRIES)
			return -ENOMEM;		/* the pins of this page are counted full, for one */
		request.page = pin_present(&f);
		if (!request.page)
			error = resolve_for_pin(&f, locked);
	}
	*page = request.page;
	return error;
}

long get_user_pages(struct mm *mm, vaddr_t va, unsigned nr, unsigned flags, struct page **pages, bool *locked)
{
	unsigned n = 0;
	int error = 0;

	for (; n < nr && !error && *locked; va += PAGE_SIZE) {
		struct vma *vma = va < USER_TOP ? vma_lookup(mm, va) : NULL;

		pages[n] = NULL;
		error = vma && may_pin(vma, flags) ? pin_one(mm, vma, va, flags, &pages[n], locked) : -EFAULT;
		if (pages[n])
			n++;
	}
	vmstat_add(VM_PIN, n);
	return n ? (long)n : error;
}

long get_user_pages_unlocked(struct mm *mm, vaddr_t va, unsigned nr, unsigned flags, struct page **pages)
{
	unsigned n = 0, idle = 0;
	long got = 0;

	while (n < nr && got >= 0 && idle < GUP_TRIES) {
		bool locked = true;

		down_read(&mm->mmap_lock);
		got = get_user_pages(mm, va + n * PAGE_SIZE, nr - n, flags, pages + n, &locked);
		if (locked)
			up_read(&mm->mmap_lock);
		if (got > 0)
			n += got;
		idle = got > 0 ? 0 : idle + 1;
		if (!got && fatal_signal_pending(current))
			got = -EINTR;
	}
	return n ? (long)n : got < 0 ? got : -ENOMEM;
}

long pin_user_pages(vaddr_t va, unsigned nr, unsigned flags, struct page **pages)
{
	unsigned n = get_user_pages_fast(va, nr, flags, pages);
	long more;

	if (n == nr)
		return n;
	if (!current->mm)
		return -EFAULT;
	more = get_user_pages_unlocked(current->mm, va + n * PAGE_SIZE, nr - n, flags, pages + n);
	return more > 0 ? n + more : n ? (long)n : more;
}

/* --- copies --- */

#define COPY_BATCH 16

/* Bytes [offset, offset + n) of the pinned pages: how many. */
static size_t copy_pinned(struct page **pages, size_t offset, size_t n, struct iov_iter *it, bool write)
{
	size_t done = 0;

	while (done < n) {
		char *there = (char *)page_address(pages[(offset + done) >> PAGE_SHIFT]) + ((offset + done) & ~PAGE_MASK);
		size_t want = min(n - done, PAGE_SIZE - ((offset + done) & ~PAGE_MASK));
		size_t k = write ? copy_from_iter(there, want, it) : copy_to_iter(there, want, it);

		done += k;
		if (k < want)
			break;
	}
	return done;
}

ssize_t mm_copy(struct mm *mm, vaddr_t va, struct iov_iter *it, size_t n, unsigned flags)
{
	size_t done = 0;
	long error = 0;

	n = min(n, it->count);
	while (done < n && !error) {
		struct page *pages[COPY_BATCH];
		size_t offset = (va + done) & ~PAGE_MASK, nr = min(DIV_UP(offset + (n - done), PAGE_SIZE), (size_t)COPY_BATCH);
		long got = get_user_pages_unlocked(mm, va + done, (unsigned)nr, flags, pages);

		if (got < 0) {
			error = got == -EFAULT ? -EIO : got;
			break;
		}
		size_t want = min(((size_t)got << PAGE_SHIFT) - offset, n - done), k = copy_pinned(pages, offset, want, it, flags & PIN_WRITE);
		unpin_user_pages(pages, (unsigned)got, flags);
		done += k;
		if (k < want)
			error = -EFAULT;
	}
	return done ? (ssize_t)done : error;
}
