/*
 * Loans: whole pages that change hands without being copied.
 *
 * A loan is up to LOAN_MAX frames, each with one holder more that belongs to whoever carries the loan: so nobody changes their
 * contents any more (PG1), and whoever wants to, replaces his own reference by a copy. It is taken from a file's slots or from a program's
 * private memory, and given to either:
 *
 *   read()            file -> program     mm/readfill.c
 *   write()           program -> file     mm/write.c
 *   copy_file_range() file -> file        fs/sendfile.c
 *
 * Each taker stops at the first page that cannot be lent, each giver at the first that cannot be put there; what is left is copied
 * as ever. A loan makes nobody wait. (001-reply of the sources; MECHANISMS.md C and D.)
 */
#pragma once

#include "mm/pagecache.h"
#include "mm/vma.h"

#define LOAN_MAX 64U		/* pages: what one flush of the program's TLB entries is spread over */

/*
 * The next of n pages of the file from `index` on, uptodate and whole inside the size (INV-R8), as they are at this moment. How many; 0: the
 * first is not cached, locked, exclusively pinned, or holds the end of the file. A page that shared mappings may write is write-protected
 * there first, which may sleep: no spinlock may be held.
 */
unsigned loan_from_file(struct address_space *m, u64 index, unsigned n, struct page **loan);
/*
 * The next of n pages of the vma at va, all in one leaf table: private pages of anonymous memory. They lose RW and EXCL there and are flushed before they
 * are lent (INV-Z1). mmap_lock held. 0: absent, not private, exclusively pinned...
 */
unsigned loan_from_user(struct mm *mm, const struct vma *vma, vaddr_t va, unsigned n, struct page **loan);
/*
 * Map the pages at va, read-only: anonymous private writable memory below one leaf table, where nothing is mapped or what an earlier loan (or a
 * fork) left: a page that the program may write is left alone, copying to it is cheaper (INV-R2). mmap_lock held. How many of the loan were used
 * up. No TLB is told unless a page was mapped there (INV-R5, R7).
 */
unsigned loan_to_user(struct mm *mm, const struct vma *vma, vaddr_t va, struct page **loan, unsigned n);
/*
 * mm/template.c: 2 MiB of the file at once, from page `index` on, to va, both aligned, where the vma has no table or one that others have too: one store, if the
 * file has a table ready. 512 or 0. mmap_lock for reading, sleeps.
 */
unsigned template_attach(struct mm *mm, const struct vma *vma, struct address_space *m, u64 index, vaddr_t va);
/* A file that loans go to, one after the other, up to page `end`. Pages before `ready` have room (->room() was asked): 0 at first. */
struct loan_target {
	struct address_space *m;
	u64 end, ready;
};
/*
 * Make them the contents of pages from `index` on, dirty; the size grows with them. i_rwsem exclusive. The whole loan is used up. How many arrived; fewer
 * than n: *error says why. Sleeps. After the last one: mapping_settle().
 */
unsigned loan_to_file(struct loan_target *t, u64 index, struct page **loan, unsigned n, int *error);
/* The same at *pos, a border between pages, which advances; the tail of the file's last page is zeroed before. Bytes or an error; the loan is used up or returned. */
ssize_t pagecache_give(struct address_space *m, loff_t *pos, struct page **loan, unsigned n);
/* Give pages back that were not used up. */
void loan_return(struct page **loan, unsigned n);

/*
 * Does lending to and from this memory pay? A loan saves a copy and costs another when its page is stored to: that is counted for
 * each VMA. A hint; racy.
 */
bool vma_lends(struct vma *vma, unsigned pages);
/*
 * A store to a private page that may be lent: do this page and those behind it, if stores came in order. False: nothing was done for this page.
 * mmap_lock held, the fault is not a pin's.
 */
struct fault;
bool loan_break_run(struct fault *f, struct page *leaf, entry_t *e);
void vma_loan_broken(struct vma *vma);		/* a page of it was copied for a store */
