"""Seeded bugs (see bugs.py) that the tools find which try everything at random: for each operation that they do at least one.

    pairs    two operations at the same time on the hosted machine (tests/host/pairs.c): `pairs_A with=B`
    qpairs   the same in QEMU (user/pairs.c): `A B [options of ./cowslip run]`
    randomops  random operations on the debug build (user/randomops.c), a recount after each: `[-l] SEED COUNT DIRECTORY [options of ./cowslip run]`
"""

# --- edits that several tools look for ---
REPLACE_NO_ZAP = [("mm/pagecache.c", "if (e & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\trmap_zap", "if (false)\n\t\trmap_zap")]
LEND_NO_FLUSH = [("mm/loanuser.c", "\tif (writable)\n\t\ttlb_flush_range", "\tif (false)\n\t\ttlb_flush_range")]
EXCHANGE_NO_FLUSH = [("mm/loanuser.c", "\ttlb_flush_range(mm, va, va + n * PAGE_SIZE, TLB_LOAN);\n\tfor", "\tfor")]
LEND_WRITABLE = [("mm/loan.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_RW | ENTRY_TABLE)) != ENTRY_P ||", "(ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P ||"),
                 ("mm/loan.c", "\tif (entry_read(slot) & ENTRY_RW)\n\t\tprotect_slot(m, index);\n", "")]
TRUNCATE_KEEPS_COPIES = [("mm/truncate.c", "LAST_INDEX, true);", "LAST_INDEX, false);")]
PUNCH_NO_LOCK = [("mm/truncate.c", "\tdown_write(&m->invalidate_lock);\n\tremove_pages(m, first, last, false);",
                  "\tremove_pages(m, first, last, false);\n\tdown_write(&m->invalidate_lock);")]
PUNCH_TAKES_COPIES = [("mm/truncate.c", "remove_pages(m, first, last, false);", "remove_pages(m, first, last, true);")]
FORK_NO_FLUSH = [("mm/fork.c", "tlb_flush_mm(old, TLB_FORK);", "")]
FORK_LEAVES_RW = [("mm/fork.c", "atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL))", "atomic64_fetch_and(from, current->name[0] == 's' ? ~(ENTRY_RW | ENTRY_EXCL) : ~0UL)")]
FORK_SWAP_UNCOUNTED = [("mm/fork.c", "\t\tswap_dup(value);\n", "")]
DONTNEED_NO_FLUSH = [("mm/madvise.c", "\ttlb_batch_finish(&batch);\n", "")]
PROTECT_TRUSTS_VMA = [("mm/mprotect.c", "if (vma->flags & VM_WRITE && old & ENTRY_EXCL)", "if (vma->flags & VM_WRITE)")]
SHARE_IGNORES_PINS = [("mm/page.h", "while (likely(!(own & (OWN_XPINS | OWN_FULL))))", "while (likely(!(own & OWN_FULL)))")]
DIRECT_LEAVES_CACHE = [("mm/direct.c", "if (!error && !pagecache_forget(m, first, last))", "if (false)")]
DIRECT_PAST_DIRTY = [("mm/direct.c", "\treturn mapping_writeback(m, first, last, true);\n}\n", "\treturn 0;\n}\n")]
WRITEBACK_NO_PROTECT = [("mm/writeback.c", "if (mapped_rw && atomic_read(&m->nr_mapped))", "if (false)")]
RECLAIM_MAPPED = [("mm/reclaim.c", "(atomic_read(&m->nr_mapped) && !rmap_try_zap(m, index))", "false")]
MOVE_FORGETS_SWAPPED = [("mm/mremap.c", "\tif (value & ENTRY_PRIV)\n", "\tif (value & ENTRY_PRIV && value & ENTRY_P)\n")]
TAKE_SHARED_TABLE = [("mm/share.c", "\tif (!table_shared(leaf)) {", "\tif (true) {")]
SHARE_NO_LOCK = [("fs/file.c", "\tdown_write(&inode->i_rwsem);\n\tdone = begin_write(out, inode, *to, n);", "\tdone = begin_write(out, inode, *to, n);"),
                 ("fs/file.c", "inode->mapping, to, (size_t)done);\n\tup_write(&inode->i_rwsem);", "inode->mapping, to, (size_t)done);")]

BUGS = [
    # --- pairs ---
    ("pairs_replace_no_zap", "write() gives the file another page, and the mappings show the old one", REPLACE_NO_ZAP, "pairs", "pairs_write with=fault"),
    ("pairs_lend_no_flush", "write() takes the right to store to lent pages away and tells no TLB", LEND_NO_FLUSH, "pairs", "pairs_lend with=fault"),
    ("pairs_exchange_no_flush", "read() exchanges an earlier loan and tells no TLB", EXCHANGE_NO_FLUSH, "pairs", "pairs_read with=write"),
    ("pairs_map_locked", "a fault maps what somebody has locked", [
        ("mm/faultaround.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P", "(ENTRY_P | ENTRY_TABLE)) != ENTRY_P")], "pairs", "pairs_fault with=punch"),
    ("pairs_fault_no_lock", "a fault maps the page that it found without locking it", [
        ("mm/switches.c", "bool switch_fault_lock = true;", "bool switch_fault_lock = false;")], "pairs", "pairs_fault with=truncate"),
    ("pairs_dirty_late", "a store during writeback is forgotten", [
        ("mm/writeback.c", "(e & ~(ENTRY_D | ENTRY_RW)) | ENTRY_WRITEBACK", "(e & ~ENTRY_RW) | ENTRY_WRITEBACK"),
        ("mm/writeback.c", "page_unlock(m, index, slot, still_dirty ? ENTRY_D : 0, 0);", "page_unlock(m, index, slot, 0, 0);\n\tatomic64_fetch_and(slot, ~ENTRY_D);")],
     "pairs", "pairs_store with=fsync"),
    ("pairs_truncate_keeps_copies", "truncate leaves private copies behind the end", TRUNCATE_KEEPS_COPIES, "pairs", "pairs_truncate with=cow"),
    ("pairs_punch_no_lock", "punching a hole does not hold reads and faults back", PUNCH_NO_LOCK, "pairs", "pairs_fault with=punch"),
    ("pairs_punch_frees_early", "punch frees the blocks while the pages are still in the cache", [
        ("fs/fallocate.c", "\tpagecache_punch_begin(m, first, behind - 1);\n\tif (free_blocks)\n\t\tfree_blocks(inode, first, behind - 1);\n",
         "\tif (free_blocks)\n\t\tfree_blocks(inode, first, behind - 1);\n\tpagecache_punch_begin(m, first, behind - 1);\n")], "pairs", "pairs_punch with=fsync"),
    ("pairs_fork_no_flush", "fork takes write permission away and tells no TLB", FORK_NO_FLUSH, "pairs", "pairs_fork with=fork"),
    ("pairs_fork_swap_uncounted", "fork does not count what is swapped out", FORK_SWAP_UNCOUNTED, "pairs", "pairs_fork with=reclaim"),
    ("pairs_fault_loser_leaks", "the slower of two faults forgets its page", [
        ("mm/fault.c", "\t\tpage_drop_holder(page);\t\t/* another thread's fault was faster */", "\t\t;")], "pairs", "pairs_read with=read"),
    ("pairs_unmap_early", "munmap frees pages, then flushes", [
        ("mm/tlb.c", "\tif (b->nr_tables)\n\t\ttlb_flush_mm", "\tfor (unsigned i = 0; i < b->nr; i++)\n\t\tpage_drop_holder(b->holders[i]);\n\tb->nr = 0;\n\tif (b->nr_tables)\n\t\ttlb_flush_mm")],
     "pairs", "pairs_fault with=munmap"),
    ("pairs_protect_trusts_vma", "mprotect makes every private page writable, because the mapping is", PROTECT_TRUSTS_VMA, "pairs", "pairs_fork with=mprotect"),
    ("pairs_unpins_early", "a direct read lets go of the memory before the device is done", [
        ("fs/direct.c", "\t\terror = prepare(d);\n\tif (!error)\n\t\terror = submit_and_wait(d);\n\tunpin(d);\n", "\t\terror = prepare(d);\n\tunpin(d);\n\tif (!error)\n\t\terror = submit_and_wait(d);\n")],
     "pairs", "pairs_fork with=pin"),
    ("pairs_share_ignores_pins", "fork shares a page that a device writes to", SHARE_IGNORES_PINS, "pairs", "pairs_fork with=pin"),
    ("pairs_direct_unlocked", "a direct read does not keep truncate away", [
        ("fs/direct.c", "\tdown_read(&inode->i_rwsem);\n\twhile (to->count) {", "\twhile (to->count) {"),
        ("fs/direct.c", "\t\t\tbreak;\n\t}\n\tup_read(&inode->i_rwsem);\n\tfile_touch_atime(file);", "\t\t\tbreak;\n\t}\n\tfile_touch_atime(file);")], "pairs", "pairs_truncate with=pin"),
    ("pairs_direct_leaves_cache", "a direct write leaves the pages of its range in the cache", DIRECT_LEAVES_CACHE, "pairs", "pairs_read with=dwrite"),
    ("pairs_direct_past_dirty", "a direct read does not look for what is dirty in the cache", DIRECT_PAST_DIRTY, "pairs", "pairs_write with=pin"),
    ("pairs_writeback_no_protect", "writeback does not make the page read-only", WRITEBACK_NO_PROTECT, "pairs", "pairs_store with=fsync"),
    ("pairs_reclaim_mapped", "reclaim takes a page away that a program has mapped", RECLAIM_MAPPED, "pairs", "pairs_fault with=reclaim"),
    ("pairs_share_no_lock", "copy_file_range shares pages without the target's lock", SHARE_NO_LOCK, "pairs", "pairs_truncate with=copy_to"),
    ("pairs_lend_writable", "copy_file_range shares pages that mappings may store to", LEND_WRITABLE, "pairs", "pairs_store with=copy_from"),
    ("pairs_cow_no_recheck", "copy-on-write puts its copy in place though the entry has changed", [
        ("mm/cow.c", "\tif (entry_same(entry_read(e), seen)) {", "\tif (true) {")], "pairs", "pairs_cow with=cow"),
    ("pairs_dontneed_no_flush", "MADV_DONTNEED tells no TLB, and drops nothing", DONTNEED_NO_FLUSH, "pairs", "pairs_fault with=dontneed"),
    ("pairs_move_forgets_swapped", "mremap leaves what is swapped out behind", MOVE_FORGETS_SWAPPED, "pairs", "pairs_reclaim with=move"),
]

# The same by user/pairs.c.
QPAIRS = [
    ("qpairs_replace_no_zap", "write() gives the file another page, and the mappings show the old one", REPLACE_NO_ZAP, "write fault"),
    ("qpairs_lend_writable_source", "write() lends pages that the program goes on storing to", [
        ("mm/loanuser.c", "atomic64_fetch_and(e, ~(ENTRY_RW | ENTRY_EXCL));", "atomic64_fetch_and(e, ~ENTRY_EXCL);")], "lend fault"),
    ("qpairs_loan_mapped_writable", "read() maps what it lends so that the program may store to it", [
        ("mm/loanuser.c", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV, old", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV | ENTRY_RW | ENTRY_D, old")], "read fault"),
    ("qpairs_truncate_zaps_nothing", "truncate removes the pages from the cache, not from the mappings", [
        ("mm/truncate.c", "\tif (atomic_read(&m->nr_mapped))\n\t\trmap_zap(m, first", "\tif (false)\n\t\trmap_zap(m, first"),
        ("mm/truncate.c", "if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\t\trmap_zap", "if (false)\n\t\t\trmap_zap")], "fault truncate"),
    ("qpairs_fork_leaves_rw", "fork leaves the parent's entries writable", FORK_LEAVES_RW, "read fork"),
    ("qpairs_protect_trusts_vma", "mprotect makes every private page writable, because the mapping is", PROTECT_TRUSTS_VMA, "read mprotect"),
    ("qpairs_direct_leaves_cache", "a direct write leaves the pages of its range in the cache", DIRECT_LEAVES_CACHE, "fault dwrite"),
    ("qpairs_reclaim_mapped", "reclaim takes a page away that a program has mapped", RECLAIM_MAPPED, "store reclaim"),
    ("qpairs_punch_no_lock", "punching a hole does not hold reads and faults back", PUNCH_NO_LOCK, "fault punch"),
    ("qpairs_direct_past_dirty", "a direct read does not look for what is dirty in the cache", DIRECT_PAST_DIRTY, "write pin"),
    ("qpairs_writeback_no_protect", "writeback does not make the page read-only", WRITEBACK_NO_PROTECT, "store fsync"),
    ("qpairs_lend_writable", "copy_file_range shares pages that mappings may store to", LEND_WRITABLE, "store copy_from"),
    ("qpairs_table_take", "who stores takes the page table over although others have it", TAKE_SHARED_TABLE, "fork touch --append share_min=1"),
    ("qpairs_table_pins", "fork shares a page table without looking for pins", [("mm/share.c", "!has_pins(leaf) && ", "")], "fork pin --append share_min=1 --append ramdisk_latency_us=200"),
]
BUGS += [(name, what, edits, "qpairs", words) for name, what, edits, words in QPAIRS]

# By user/randomops.c: one at least for each of its operations.
RANDOM = [
    ("randomops_store", "copy-on-write by the last one who shares goes into the page that the other still has", [
        ("mm/vma.h", "return now & ENTRY_EXCL || ", "return now & ENTRY_EXCL || (current->name[0] == 'r' && current->tid >= 3) || ")]),
    ("randomops_write", "write() gives the file another page, and the mappings show the old one", REPLACE_NO_ZAP),
    ("randomops_read", "the second copy of a read begins at the page's first byte again", [
        ("mm/read.c", "copy_to_iter_nofault(from + done, n - done, to)", "copy_to_iter_nofault(from, n - done, to)")]),
    ("randomops_read_fresh", "read() lends the page that holds the end of the file, with what lies behind it", [
        ("mm/loan.c", "if (unlikely(got > keep)) {", "if (false) {")]),
    ("randomops_truncate", "truncate leaves private copies behind the end", TRUNCATE_KEEPS_COPIES),
    ("randomops_punch", "a hole removes private copies, too", PUNCH_TAKES_COPIES),
    ("randomops_unmap", "munmap forgets the slot of what is swapped out", [("mm/walk.c", "\t\t\tswap_put(value);\n\t\t\tva +=", "\t\t\tva +=")]),
    ("randomops_protect", "mprotect makes every private page writable, because the mapping is", PROTECT_TRUSTS_VMA),
    ("randomops_move", "mremap leaves what is swapped out behind", MOVE_FORGETS_SWAPPED),
    ("randomops_advise", "MADV_DONTNEED tells no TLB, and drops nothing", DONTNEED_NO_FLUSH),
    ("randomops_swap_in", "a page that is swapped in is said to be the program's alone while it is still in the swap cache", [
        ("mm/swapin.c", "if (page_adoptable(page)) {", "if (swap_count_of(swap_id(seen)) == 0) {")]),
    ("randomops_swap_fork", "fork does not count what is swapped out", FORK_SWAP_UNCOUNTED),
    ("randomops_sync", "writeback does not make the page read-only", WRITEBACK_NO_PROTECT),
    ("randomops_direct_write", "a direct write leaves the pages of its range in the cache", DIRECT_LEAVES_CACHE),
    ("randomops_direct_read", "a direct read does not look for what is dirty in the cache", DIRECT_PAST_DIRTY),
    ("randomops_copy", "files share pages that mappings may store to", LEND_WRITABLE),
    ("randomops_vmsplice", "vmsplice() and write() lend pages that the program may go on storing to", [
        ("mm/loanuser.c", "atomic64_fetch_and(e, ~(ENTRY_RW | ENTRY_EXCL));", "atomic64_fetch_and(e, ~ENTRY_EXCL);")]),
    ("randomops_remote", "a store from outside goes to the frame that is mapped, also if it is shared", [
        ("mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_xpins(own) < OWN_MAX_XPINS)"),
        ("mm/gup.c", "if (value & ENTRY_PRIV ? !(value & ENTRY_EXCL) : !(vma->flags & VM_SHARED))", "if (false)")]),
    ("randomops_fork", "fork leaves the parent's entries writable", FORK_LEAVES_RW),
]
BUGS += [(name, what, edits, "randomops", "7 20000 /root") for name, what, edits in RANDOM]

# The same with memory whose page table is shared.
TABLES = [
    ("randomops_table_take", "who stores takes the page table over although others have it", TAKE_SHARED_TABLE),
    ("randomops_table_put", "who has copied a page table does not give his reference back", [("mm/share.c", "tlb_flush_page(mm, va, TLB_COW);\n\t\ttable_put(old);", "tlb_flush_page(mm, va, TLB_COW);")]),
    ("randomops_table_move", "mremap takes pages out of a page table that others have", [("mm/mremap.c", "error = leaves_own(mm, m->from, m->from + m->old_len);", "error = 0;")]),
    ("randomops_template_write", "a write to the file leaves its page table to later readers", [("mm/pagecache.c", "\tif (old)\n\t\tslot_drop_template(m, slot);\n", "")]),
]
BUGS += [(name, what, edits, "randomops", "-l 7 10000 /root") for name, what, edits in TABLES]
