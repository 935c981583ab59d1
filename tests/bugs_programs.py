"""Seeded bugs (see bugs.py) that a test program finds in QEMU: user/tests/inv_*.c and guest_*.c, one function of it, named after the invariant that the
bug breaks. What the tool runs: `PROGRAM FUNCTION [options of ./cowslip run]`. docs/mechanisms.md refers to them: an invariant is proven by its test and
by the bug that makes the test fail."""

# In the test program alone: init and the shell have to live.
TESTED = "(current->name[2] == 'v' || current->name[0] == 'g')"
SLOW = "--icount --append ramdisk_latency_us=300000"

BUGS = [
    # --- user copies ---
    ("read_claims_all", "read() says that it copied all, when its last copy stopped", [
        ("mm/read.c", "\t\treturn done;\n\tdone += copy_to_iter_nofault", "\t\treturn done ? n : 0;\n\tdone += copy_to_iter_nofault")], "inv_a INV_A1_residue_in"),
    ("no_write_protect_bit", "CR0.WP is off: the kernel writes through read-only entries", [
        ("boot/boot.asm", "1 << 31 | 1 << 16 | 1 << 5 | 1\t", "1 << 31 | 1 << 5 | 1\t")], "inv_a INV_A3_cow_destination --smp 1"),
    ("no_retry", "write() gives up after the first short copy: a kernel that needs its prefault", [
        ("mm/write.c", "if (attempt > 3 || (attempt == 2", "if (attempt > 1 || (attempt == 2")], "inv_a INV_A6_progress"),
    ("one_end_faulted_in", "only the source's first page is faulted in, not the one where the copy ends", [
        ("mm/iov_iter.c", "\tn = min(n, it.count);\n\tif (it.kernel)", "\tn = min(min(n, it.count), (size_t)1);\n\tif (it.kernel)"),
        ("mm/write.c", "if (attempt > 3 || (attempt == 2", "if (attempt > 2 || (attempt == 2"),
        ("mm/write.c", "attempt = k ? 2 : attempt + 1;", "attempt++;")], "inv_w INV_W1_straddle"),
    ("nofault_for_all", "whether faults are off is kept for the processor, not for the thread: another thread's fault gives up", [
        ("mm/pagefault.c", "if (current->pagefault_disabled || !current->mm)", "static int off;\n\n\toff += current->pagefault_disabled;\n\tif (off || !current->mm)")], "inv_a INV_A2_threads"),
    ("prefault_always", "every copy faults its memory in first", [
        ("mm/switches.c", 'cmdline_u64("prefault", 0)', 'cmdline_u64("prefault", 1)')], "guest_inv INV_A5_no_prefault"),
    ("ten_attempts", "a bad source is tried ten times, as the patch of 2006 proposed", [
        ("mm/write.c", "if (attempt > 3 || (attempt == 2 && !iter_fault_in_readable(from, n - done))) {", "iter_fault_in_readable(from, n - done);\n\t\tif (attempt > 10) {")], "guest_inv INV_A6_attempts"),
    # --- write ---
    ("qemu_copy_faults_under_lock", "write() copies from the user with the page locked and faults there: the deadlock of 2002", [
        ("mm/write.c", "k = copy_from_iter_nofault(to,", "k = copy_from_iter(to,")], "inv_w INV_W1_straddle"),
    ("swap_way_locks_first", "a whole page that is absent is locked, then copied from the user with faults on", [
        ("mm/switches.c", 'cmdline_u64("atomic_copy", 1)', 'cmdline_u64("atomic_copy", 0)')], "inv_w INV_W1_same_page"),
    ("count_of_the_piece", "write() returns what it was asked for, not what it copied", [
        ("mm/write.c", "\treturn error ? error : (ssize_t)k;\n}\n\n/* --- swap --- */", "\treturn error ? error : k ? (ssize_t)p->n : 0;\n}\n\n/* --- swap --- */")], "inv_w INV_W2_exact"),
    ("fleeting_zeroes", "the page is zeroed before the copy that may stop", [
        ("mm/write.c", "\tif (pinned)\n\t\tk = copy_from_pinned(", "\tmemset(to, 0, p->n);\n\tif (pinned)\n\t\tk = copy_from_pinned(")], "inv_w INV_W3_old_or_new --append ramdisk_latency_us=1000"),
    ("overwrite_reads", "a page is read from the disk although all of it is overwritten", [
        ("mm/write.c", "\treturn !(e & ENTRY_P) ||", "\tif (!(e & ENTRY_P))\n\t\treturn p->pos - p->offset >= p->m->size;\n\treturn")], "guest_inv INV_W4_no_read"),
    ("lock_per_segment", "writev() locks and commits the page once for each segment", [
        ("mm/write.c", "size_t n = min(from->count, PAGE_SIZE - (*pos & ~PAGE_MASK));", "size_t n = min(from->count, PAGE_SIZE - (*pos & ~PAGE_MASK)), room;\n\n\t\titer_address(from, &room);\n\t\tn = min(n, room);")],
     "guest_inv INV_W5_one_change"),
    ("error_hides_bytes", "write() that wrote something and then met a bad address gives EFAULT", [
        ("mm/write.c", "\treturn done ? done : k;\n", "\treturn k < 0 ? k : done;\n"), ("mm/write.c", "\treturn done ? (ssize_t)done : error;", "\treturn error ? error : (ssize_t)done;")], "inv_w INV_W6_bad_middle"),
    ("qemu_wait_holding_mmap", "a fault waits for its page with mmap_lock held: ps gets stuck, too", [
        ("mm/filemap.c", "\tup_read(&f->mm->mmap_lock);\n}", "}"),
        ("mm/filemap.c", "\tif (result != FAULT_RETRY)\n\t\tdown_read", "\tif (result == FAULT_RETRY)\n\t\tup_read")], "guest_slow INV_T5_fault " + SLOW),
    ("source_faults_in_holding_mmap", "the same, seen by a write", [
        ("mm/filemap.c", "\tup_read(&f->mm->mmap_lock);\n}", "}"),
        ("mm/filemap.c", "\tif (result != FAULT_RETRY)\n\t\tdown_read", "\tif (result == FAULT_RETRY)\n\t\tup_read")], "guest_slow INV_W7_write " + SLOW),
    # --- truncate ---
    ("truncate_zaps_nothing", "truncate removes the pages from the cache, not from the mappings", [
        ("mm/truncate.c", "\tif (atomic_read(&m->nr_mapped))\n\t\trmap_zap(m, first", "\tif (false)\n\t\trmap_zap(m, first"),
        ("mm/truncate.c", "if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\t\trmap_zap", "if (false)\n\t\t\trmap_zap")], "inv_t INV_T1_sigbus"),
    ("truncate_keeps_copies", "truncate leaves private copies behind the end mapped", [
        ("mm/truncate.c", "LAST_INDEX, true);", "LAST_INDEX, false);")], "inv_t INV_T1_private_copies"),
    ("punch_takes_copies", "a hole removes private copies, too", [
        ("mm/truncate.c", "remove_pages(m, first, last, false);", "remove_pages(m, first, last, true);")], "inv_t INV_T1_private_copies"),
    ("fault_no_lock", "a fault maps the page that it found without locking it: before 2006", [
        ("mm/switches.c", 'cmdline_u64("fault_lock", 1)', 'cmdline_u64("fault_lock", 0)')], "inv_t INV_T2_truncate_loop"),
    ("fault_no_size_check", "a fault does not look at the size again under the page lock, and reading makes pages behind the end", [
        ("mm/filemap.c", "\tif (f->index >= mapping_pages(m))\n\t\treturn FAULT_SIGBUS;\n\tif (f->write && !shared) {", "\tif (f->write && !shared) {")], "inv_t INV_T1_sigbus"),
    ("tail_grows_stale", "what lies behind the end in its page is not zeroed when ftruncate makes the file longer", [
        ("mm/truncate.c", "error = new_size > m->size ? pagecache_zero_tail(m) : 0;", "error = 0;")], "inv_t INV_T3_tail"),
    ("tail_cut_stale", "what is cut off in the last page stays there", [
        ("mm/truncate.c", "\t\tif (!zero)\n\t\t\tmemset(p, 0, PAGE_SIZE - tail);", "")], "inv_t INV_T1_sigbus"),
    ("tail_zeroes_too_much", "growing zeroes the whole last page", [
        ("mm/truncate.c", "\t\t\t\tmemset((char *)page_address(entry_page(entry_read(slot))) + tail, 0, PAGE_SIZE - tail);", "\t\t\t\tmemset((char *)page_address(entry_page(entry_read(slot))), 0, PAGE_SIZE);")], "inv_t INV_T3_tail"),
    ("blocks_not_zeroed", "fallocate gives a file blocks of the disk and does not write zeroes to them", [
        ("fs/fallocate.c", "pagecache_end_change(m, index, slot, !error);", "pagecache_end_change(m, index, slot, false);")], "inv_t INV_T4_freed_blocks"),
    ("fault_only_waits", "a fault on an absent page waits for others to read it", [
        ("mm/filemap.c", "\tif (!error)\n\t\terror = pagecache_read(m, f->index, FAULT_READ_AHEAD - 1, &page);", "")], "inv_t INV_T6_progress"),
    # --- copy-on-write ---
    ("reuse_shared", "a store to a page that a child shares goes into that page", [
        ("mm/cow.c", "if (!(now & ENTRY_EXCL) && (", "if (!" + TESTED + " && !(now & ENTRY_EXCL) && (")], "inv_e INV_E1_fork"),
    ("adopt_never", "a page is copied although everybody else has left it", [
        ("mm/switches.c", 'cmdline_u64("cow_reuse", 1)', 'cmdline_u64("cow_reuse", 0)')], "guest_inv INV_E4_reuse"),
    ("mprotect_forgets_excl", "mprotect to read-only forgets that the page is exclusively this process's, and the next store copies", [
        ("mm/mprotect.c", "u64 value = old & ~(ENTRY_P | ENTRY_RW", "u64 value = old & ~((vma->flags & VM_WRITE ? 0 : ENTRY_EXCL) | ENTRY_P | ENTRY_RW"),
        ("mm/cow.c", "(!page_adoptable(entry_page(now)) ||", "(" + TESTED + " || !page_adoptable(entry_page(now)) ||")], "guest_inv INV_E3_mprotect"),
    ("mprotect_trusts_the_vma", "mprotect makes every private page writable, because the mapping is", [
        ("mm/mprotect.c", "if (vma->flags & VM_WRITE && old & ENTRY_EXCL)", "if (vma->flags & VM_WRITE)")], "inv_e INV_E6_mprotect"),
    ("file_page_reused", "a store to a private mapping goes into the file's page, if nobody else has it", [
        ("mm/cow.c", "\tif (!(now & ENTRY_PRIV))\n", "\tif (!(now & ENTRY_PRIV) && " + TESTED + ") {\n\t\tatomic64_fetch_or(e, ENTRY_RW);\n\t\treturn true;\n\t}\n\tif (!(now & ENTRY_PRIV))\n")], "inv_e INV_E7_file_page"),
    ("fork_leaves_rw", "fork leaves the parent's entries writable", [
        ("mm/fork.c", "atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL))", "atomic64_fetch_and(from, " + TESTED + " ? ~0UL : ~(ENTRY_RW | ENTRY_EXCL))")], "inv_e INV_E1_fork"),
    # --- the TLB ---
    ("flush_when_absent", "an entry that was absent is flushed", [
        ("mm/fault.c", "\t\tentry_exchange_locked(leaf, e, value);\n\tpin_installed(f, e);\n\tspin_unlock(&leaf->lock);\n\treturn free;", "\t\tentry_exchange_locked(leaf, e, value);\n\tpin_installed(f, e);\n\tspin_unlock(&leaf->lock);\n\ttlb_flush_page(f->mm, f->address, TLB_COW);\n\treturn free;")],
     "guest_inv INV_S1_no_flush"),
    ("qemu_protect_no_flush", "mprotect does not flush", [
        ("mm/mprotect.c", "tlb_batch_range(", "if (false) tlb_batch_range(")], "guest_inv INV_S2_flush"),
    ("flush_per_page", "truncate flushes each page of a mapping by itself", [
        ("mm/truncate.c", "\tif (atomic_read(&m->nr_mapped))\n\t\trmap_zap(m, first", "\tif (false)\n\t\trmap_zap(m, first")], "guest_inv INV_T1_counted"),
]
BUGS = [(*bug[:3], "program", bug[3]) for bug in BUGS]
