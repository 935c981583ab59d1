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
        ("mm/switches.c", "bool switch_prefault = false;", "bool switch_prefault = true;")], "guest_inv INV_A5_no_prefault"),
    ("ten_attempts", "a bad source is tried ten times, as the patch of 2006 proposed", [
        ("mm/write.c", "if (attempt > 3 || (attempt == 2 && !iter_fault_in_readable(from, n - done))) {", "iter_fault_in_readable(from, n - done);\n\t\tif (attempt > 10) {")], "guest_inv INV_A6_attempts"),
    # --- write ---
    ("qemu_copy_faults_under_lock", "write() copies from the user with the page locked and faults there: the deadlock of 2002", [
        ("mm/write.c", "k = copy_from_iter_nofault(to,", "k = copy_from_iter(to,")], "inv_w INV_W1_straddle"),
    ("swap_way_locks_first", "a whole page that is absent is locked, then copied from the user with faults on", [
        ("mm/switches.c", "bool switch_atomic_copy = true;", "bool switch_atomic_copy = false;")], "inv_w INV_W1_same_page"),
    ("count_of_the_piece", "write() returns what it was asked for, not what it copied", [
        ("mm/write.c", "\treturn error ? error : (ssize_t)k;\n}\n\n/* --- swap --- */", "\treturn error ? error : k ? (ssize_t)p->n : 0;\n}\n\n/* --- swap --- */")], "inv_w INV_W2_exact"),
    ("fleeting_zeroes", "the page is zeroed before the copy that may stop", [
        ("mm/write.c", "\tif (pinned)\n\t\tk = copy_from_pinned(", "\tmemset(to, 0, p->n);\n\tif (pinned)\n\t\tk = copy_from_pinned(")], "inv_w INV_W3_old_or_new --append ramdisk_latency_us=1000"),
    ("overwrite_reads", "a page is read from the disk although all of it is overwritten", [
        ("mm/write.c", "\treturn !(e & ENTRY_P) ||", "\tif (!(e & ENTRY_P))\n\t\treturn p->pos - p->offset >= p->m->size;\n\treturn")], "guest_inv INV_W4_no_read"),
    ("lock_per_segment", "writev() locks and commits the page once for each segment", [
        ("mm/write.c", "\tif (likely(n <= PAGE_SIZE - (*pos & ~PAGE_MASK))) {", "\tif (false) {"),
        ("mm/write.c", "\t\tn = min(n, PAGE_SIZE - (*pos & ~PAGE_MASK));\n", "\t\tn = min(min(n, PAGE_SIZE - (*pos & ~PAGE_MASK)), from->room);\n")],
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
        ("mm/switches.c", "bool switch_fault_lock = true;", "bool switch_fault_lock = false;")], "inv_t INV_T2_truncate_loop"),
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
        ("mm/filemap.c", "\tif (!error)\n\t\terror = pagecache_read(m, f->index, ahead, &page);", "")], "inv_t INV_T6_progress"),
    # --- copy-on-write ---
    ("reuse_shared", "a store to a page that a child shares goes into that page", [
        ("mm/vma.h", "return now & ENTRY_EXCL || ", "return " + TESTED + " || now & ENTRY_EXCL || ")], "inv_e INV_E1_fork"),
    ("adopt_never", "a page is copied although everybody else has left it", [
        ("mm/switches.c", "bool switch_cow_reuse = true;", "bool switch_cow_reuse = false;")], "guest_inv INV_E4_reuse"),
    ("mprotect_forgets_excl", "mprotect to read-only forgets that the page is exclusively this process's, and the next store copies", [
        ("mm/mprotect.c", "u64 value = old & ~(ENTRY_P | ENTRY_RW", "u64 value = old & ~((vma->flags & VM_WRITE ? 0 : ENTRY_EXCL) | ENTRY_P | ENTRY_RW"),
        ("mm/vma.h", "(page_adoptable(entry_page(now)) &&", "(!" + TESTED + " && page_adoptable(entry_page(now)) &&")], "guest_inv INV_E3_mprotect"),
    ("mprotect_trusts_the_vma", "mprotect makes every private page writable, because the mapping is", [
        ("mm/mprotect.c", "if (vma->flags & VM_WRITE && old & ENTRY_EXCL)", "if (vma->flags & VM_WRITE)")], "inv_e INV_E6_mprotect"),
    ("file_page_reused", "a store to a private mapping goes into the file's page, if nobody else has it", [
        ("mm/cow.c", "\tif (!(now & ENTRY_PRIV))\n", "\tif (!(now & ENTRY_PRIV) && " + TESTED + ") {\n\t\tatomic64_fetch_or(e, ENTRY_RW);\n\t\treturn true;\n\t}\n\tif (!(now & ENTRY_PRIV))\n")], "inv_e INV_E7_file_page"),
    ("fork_leaves_rw", "fork leaves the parent's entries writable", [
        ("mm/fork.c", "atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL))", "atomic64_fetch_and(from, " + TESTED + " ? ~0UL : ~(ENTRY_RW | ENTRY_EXCL))")], "inv_e INV_E1_fork"),
    # --- a copy, a pin, a call ---
    ("second_copy_from_the_start", "the second copy of a read begins at the page's first byte again", [
        ("mm/read.c", "copy_to_iter_nofault(from + done, n - done, to)", "copy_to_iter_nofault(from, n - done, to)")], "inv_r INV_R1_everywhere"),
    ("pins_again_from_the_start", "after the fast way has pinned some pages the slow way pins all", [
        ("mm/gup.c", "\tif (!current->mm)\n\t\treturn -EFAULT;\n", "\tif (!current->mm)\n\t\treturn -EFAULT;\n\tn = 0;\n")], "guest_inv INV_G9_goes_on"),
    # --- the TLB ---
    ("asks_with_interrupts_off", "mprotect asks other processors for the flush with interrupts off", [
        ("mm/mprotect.c", "\ttlb_batch_finish(&batch);\n}", "\tu64 off = irq_save();\n\ttlb_batch_finish(&batch);\n\tirq_restore(off);\n}")], "guest_inv INV_S4_asked --debug --smp 2"),
    ("flush_when_absent", "an entry that was absent is flushed", [
        ("mm/fault.c", "\t\tentry_exchange_locked(leaf, e, value);\n\tfault_pin_installed(f, e);\n\tspin_unlock(&leaf->lock);\n\treturn free;", "\t\tentry_exchange_locked(leaf, e, value);\n\tfault_pin_installed(f, e);\n\tspin_unlock(&leaf->lock);\n\ttlb_flush_page(f->mm, f->address, TLB_COW);\n\treturn free;")],
     "guest_inv INV_S1_no_flush"),
    ("qemu_protect_no_flush", "mprotect does not flush", [
        ("mm/mprotect.c", "tlb_batch_range(", "if (false) tlb_batch_range(")], "guest_inv INV_S2_flush"),
    ("flush_per_page", "truncate flushes each page of a mapping by itself", [
        ("mm/truncate.c", "\tif (atomic_read(&m->nr_mapped))\n\t\trmap_zap(m, first", "\tif (false)\n\t\trmap_zap(m, first")], "guest_inv INV_T1_counted"),
    # --- loans ---
    ("loan_past_the_end", "read() lends the page that holds the end of the file, with what lies behind it", [
        ("mm/loan.c", "if (unlikely(got > keep)) {", "if (false) {")], "guest_loans INV_R8_end --smp 1"),
    ("loan_of_writable", "a page that shared mappings may store to is lent as it is", [
        ("mm/loan.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_RW | ENTRY_TABLE)) != ENTRY_P ||", "(ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P ||"),
        ("mm/loan.c", "\tif (entry_read(slot) & ENTRY_RW)\n\t\tprotect_slot(m, index);\n", "")], "inv_r INV_R10_mapped_writable"),
    ("loan_mapped_writable", "a lent page is mapped with the right to write", [
        ("mm/loanuser.c", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV, old", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV | ENTRY_RW | ENTRY_D, old")], "inv_r INV_R4_both_sides"),
    ("loan_exclusive", "a lent page is said to be the reader's alone", [
        ("mm/loanuser.c", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV, old", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV | ENTRY_EXCL, old")], "inv_r INV_R14_kernel_stores"),
    ("loan_before_copy", "read() looks whether it can lend before it tries to copy, and exchanges what the program may write", [
        ("mm/loanuser.c", "return (old & (ENTRY_P | ENTRY_RW | ENTRY_EXCL)) == ENTRY_P;", "return old & ENTRY_P;"),
        ("mm/read.c", "left = access_fails() ? PAGE_SIZE :", "left = true ? PAGE_SIZE :"),
        ("mm/read.c", "\tif (likely(n)) {\n", "\tif (likely(n)) {\n\t\tsize_t filled = pagecache_read_fill(m, pos, to);\n\t\tif (filled) {\n\t\t\tpage_unpin_read(page);\n\t\t\treturn filled;\n\t\t}\n")],
     "guest_loans INV_R2_own --smp 1"),
    ("loan_exchange_no_flush", "an earlier loan is exchanged and no TLB is told", [
        ("mm/loanuser.c", "\ttlb_flush_range(mm, va, va + n * PAGE_SIZE, TLB_LOAN);\n\tfor", "\tfor")], "guest_loans INV_R7_replaced --smp 1"),
    ("loan_always_flush", "absent pages are flushed as well", [
        ("mm/loanuser.c", "\tif (cleared)\n\t\tmap_exchanged", "\tif (true)\n\t\tmap_exchanged")], "guest_loans INV_R5_no_flush --smp 1"),
    ("loan_same_exchanged", "the same page is exchanged for itself", [
        ("mm/loanuser.c", "} else if (entry_page(old[done]) != loan[done]) {", "} else {")], "guest_loans INV_R6_same --smp 1"),
    ("loan_one_page", "one stopped copy lends one page", [
        ("mm/readfill.c", "len = min(ALIGN_DOWN(len, PAGE_SIZE), MAP_AT_ONCE);", "len = PAGE_SIZE;")], "guest_loans INV_R3_populates --smp 1"),
    ("loan_to_shared", "shared memory gets lent pages, too", [
        ("mm/readfill.c", "(vma->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE", "vma->flags & VM_WRITE"),
        ("mm/readfill.c", "if (vma && !vma->mapping &&", "if (vma &&")], "inv_r INV_R9_destinations"),
    ("segment_fork_uncounted", "what fork attaches of a segment of shared memory is not counted", [
        ("kernel/shm.c", "\ts->attached++;\n\ts->atime = ipc_now();\n\ts->lpid = current->process->pid;\n\tmutex_unlock", "\ts->atime = ipc_now();\n\ts->lpid = current->process->pid;\n\tmutex_unlock")],
        "inv_r INV_R9_segment"),
    ("loan_never_ours", "the last holder of a lent page copies it all the same", [
        ("mm/vma.h", "return now & ENTRY_EXCL || (page_adoptable(entry_page(now)) && switch_cow_reuse);", "return now & ENTRY_EXCL;")], "guest_loans INV_R11_orphans --smp 1"),
    ("loan_not_counted", "lent pages are entries that own nothing, and not the reader's", [
        ("mm/loanuser.c", "u64 bits = vma_entry_bits(vma) | ENTRY_PRIV, old", "u64 bits = vma_entry_bits(vma), old")], "guest_loans INV_R13_rss --smp 1"),
    ("write_lends_writable", "write() lends pages that the program goes on storing to", [
        ("mm/loanuser.c", "atomic64_fetch_and(e, ~(ENTRY_RW | ENTRY_EXCL));", "atomic64_fetch_and(e, ~ENTRY_EXCL);")], "inv_r INV_Z1_source"),
    ("write_lends_no_flush", "write() takes the right to write away and tells no TLB", [
        ("mm/loanuser.c", "\tif (writable)\n\t\ttlb_flush_range", "\tif (false)\n\t\ttlb_flush_range")], "inv_r INV_Z1_source --icount"),
    ("write_lends_shared", "write() lends pages of shared memory", [
        ("mm/loanuser.c", "vma->mapping ? NULL : leaf_find_own(", "leaf_find_own("), ("mm/loanuser.c", "if (!leaf || vma->flags & (VM_SHARED | VM_LOCKED))", "if (!leaf)"),
        ("mm/loanuser.c", "if ((value & (ENTRY_P | ENTRY_PRIV)) != (ENTRY_P | ENTRY_PRIV))", "if (!(value & ENTRY_P))")], "guest_loans INV_Z2_pinned --smp 1"),
    ("write_lends_short", "write() lends single pages", [
        ("mm/write.c", "#define LEND_MIN (16 * PAGE_SIZE)", "#define LEND_MIN (1 * PAGE_SIZE)")], "guest_loans INV_Z3_short --smp 1"),
    ("write_lends_always", "who stores to what he lent is not believed", [
        ("mm/loanuser.c", "if (2 * broken > lent + BROKEN_FREE) {", "if (false) {")], "guest_loans INV_Z4_believed --smp 1"),
    ("copy_of_mapped_target", "a page is put into a file without a look whether the old one is mapped", [
        ("mm/loan.c", "if (atomic_read(&m->nr_mapped) || (old &&", "if ((old &&")], "guest_loans INV_C1_mapped --smp 1"),
    ("hole_zeroes_writable", "read() of a hole maps the frame of zeroes with the right to write to it", [
        ("mm/readfill.c", "u64 value = page_to_phys(zero_page) | vma_entry_bits(vma);", "u64 value = page_to_phys(zero_page) | vma_entry_bits(vma) | ENTRY_RW;")], "guest_loans INV_R15_holes --smp 1"),
    ("writer_waits_for_reader", "write() to a page that is lent gives the reader a moment to give it back", [
        ("mm/pagecache.c", "\tif (slot_sole(m, slot, entry_read(slot)))\n\t\treturn 0;", "\tif (slot_sole(m, slot, entry_read(slot)))\n\t\treturn 0;\n\tsleep_until_ns(ktime_ns() + 1000000, WAIT_UNINTERRUPTIBLE);"),
        ("mm/pagecache.c", '#include "mm/vmstat.h"\n', '#include "kernel/task.h"\n#include "mm/vmstat.h"\n')], "guest_loans INV_R12_no_wait --smp 1"),
    ("copy_past_the_end", "copy_file_range() shares the page that holds the end of the file, with what lies behind it", [
        ("mm/loan.c", "if (unlikely(got > keep)) {", "if (false) {"), ("mm/loan.c", "while (!error && done + PAGE_SIZE <= n) {", "while (!error && done < n) {"),
        ("mm/loan.c", "(unsigned)min((n - done) >> PAGE_SHIFT,", "(unsigned)min((n - done + PAGE_SIZE - 1) >> PAGE_SHIFT,")], "guest_loans INV_C2_end --smp 1"),
    ("write_breaks_nothing", "write() changes a lent page in place", [
        ("mm/pagecache.c", "\tif (slot_sole(m, slot, entry_read(slot)))\n\t\treturn 0;", "\tif (true)\n\t\treturn 0;")], "inv_r INV_R4_both_sides"),
    ("copy_copies", "copy_file_range() copies", [
        ("mm/loan.c", "if (!switch_zerocopy_write || (*from_pos", "if (true || (*from_pos")], "guest_loans INV_C1_shares --smp 1"),
    # --- shared page tables ---
    ("child_may_write_table", "fork gives the child the table without taking RW away above it", [
        ("mm/share.c", "page_to_phys(leaf) | (UPPER_FLAGS & ~ENTRY_RW)", "page_to_phys(leaf) | UPPER_FLAGS")], "inv_p INV_P1_siblings"),
    ("reader_may_write_table", "a reader gets the file's table without RW taken away above it", [
        ("mm/template.c", "value = page_to_phys(template) | (UPPER_FLAGS & ~ENTRY_RW)", "value = page_to_phys(template) | UPPER_FLAGS")], "inv_pfile INV_P1_readers"),
    ("takeover_of_shared", "who stores takes the table over although others have it", [
        ("mm/share.c", "\tif (!table_shared(leaf)) {", "\tif (true) {")], "inv_p INV_P2_accounts"),
    ("takeover_never", "the last owner of a table copies it", [
        ("mm/share.c", "\tif (!table_shared(leaf)) {", "\tif (false) {")], "guest_tables INV_P2_takeover --smp 1"),
    ("template_stays", "a write to the file leaves its table to later readers", [
        ("mm/pagecache.c", "\tif (old)\n\t\tslot_drop_template(m, slot);\n", "")], "inv_pfile INV_P3_snapshots"),
    ("template_counts", "a write takes the holders of the file's own table for readers", [
        ("mm/slot.h", "(slot_drop_template(m, slot) && page_sole_holder(entry_page(e)))", "(false && slot_drop_template(m, slot))")], "guest_tables INV_P3_unshared --smp 1"),
    ("fork_forgets_pins", "fork shares a table without looking for pins", [
        ("mm/share.c", "!has_pins(leaf) && ", "")], "guest_tables INV_P4_pinned --smp 1 --icount --append ramdisk_latency_us=20000"),
    ("pin_by_the_leaf_alone", "a fast pin believes the entry and does not look at the one above", [
        ("mm/walk.c", "\tif (unlikely(!(f.upper & ENTRY_RW)))\n\t\t*value &= ~(ENTRY_RW | ENTRY_EXCL);", "\t(void)0;")], "inv_p INV_P4_system_calls"),
    ("table_copy_flushes_all", "who copies a table has everything flushed", [
        ("mm/share.c", "tlb_flush_page(mm, va, TLB_COW);", "tlb_flush_mm(mm, TLB_COW);")], "guest_tables INV_S6_one_page --smp 1"),
    # --- pins, direct I/O ---
    ("force_pins_the_cache", "a pin by force for writing is given on whatever is mapped, also on the page of a file", [
        ("mm/gup.c", "\tif (exclusive(flags)) {\n\t\t/* A page", "\tif (exclusive(flags) && !(flags & PIN_FORCE)) {\n\t\t/* A page")], "procvm INV_G5_text"),
    ("force_forgets_the_break", "the same, when the copy was thrown away between the break and the pin: Dirty COW", [
        ("mm/gup.c", "\tif (exclusive(flags)) {\n\t\t/* A page", "\tif (exclusive(flags) && !(flags & PIN_FORCE)) {\n\t\t/* A page")], "procvm INV_G5_dirty_cow --smp 2"),
    ("qemu_fork_shares_pinned", "fork shares pages that a device writes to: the next store gives the parent another page than the device has", [
        ("mm/page.h", "while (likely(!(own & (OWN_XPINS | OWN_FULL))))", "while (likely(!(own & OWN_FULL)))")],
     "aio_pins INV_D1_store_beside --append ramdisk_latency_us=2000"),
    ("qemu_adopt_read_pinned", "who is alone with a page that is being written to the disk stores to it, though the pin is somebody else's", [
        ("mm/page.h", "& ~OWN_REFS) == OWN_HOLDER", "& ~(OWN_REFS | OWN_RPINS)) == OWN_HOLDER")], "aio_pins INV_D2_both_store --append ramdisk_latency_us=5000"),
    ("pins_under_invalidate", "a direct write pins its memory with the range locked against faults: from a mapping of the range it waits for itself", [
        ("fs/direct.c", "\tint error = gather(d, &at, at.count);\n\n\tif (error)\n\t\treturn error;\n\terror = prepare(d);\n\tif (!error) {",
         "\tdown_write(&m->invalidate_lock);\n\tint error = gather(d, &at, at.count);\n\tup_write(&m->invalidate_lock);\n\n\tif (error)\n\t\treturn error;\n\terror = prepare(d);\n\tif (!error) {")],
     "direct INV_D3_own_mapping"),
    ("direct_leaves_cache", "a direct write leaves the pages of its range in the cache", [
        ("mm/direct.c", "if (!error && !pagecache_forget(m, first, last))", "if (false)")], "direct INV_D4_direct_write_buffered_read"),
    ("direct_read_past_dirty", "a direct read does not look for what is dirty in the cache", [
        ("mm/direct.c", "\treturn mapping_writeback(m, first, last, true);\n}\n", "\treturn 0;\n}\n")], "direct INV_D4_buffered_write_direct_read"),
    ("bounce_is_clean", "a page that a device is writing to is clean once a copy of it was written back", [
        ("mm/writeback.c", "still_dirty ? ENTRY_D : 0, 0);", "0, 0);")], "aio_pins INV_D5_aio_shared_mapping --append ramdisk_latency_us=20000"),
    ("store_from_outside_shared", "a store from outside goes to the frame that is mapped, also if it is shared with another process", [
        ("mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_xpins(own) < OWN_MAX_XPINS)"),
        ("mm/gup.c", "if (value & ENTRY_PRIV ? !(value & ENTRY_EXCL) : !(vma->flags & VM_SHARED))", "if (false)")], "procvm INV_G2_poke_while_forking"),
    # --- beside the memory system ---
    ("stacks_kept", "kernel stacks of tasks that have ended are never given back", [
        ("kernel/kstack.c", "many = ++nr_free > KEEP;", "many = ++nr_free > MAX_SLOTS;")], "guest_kstack come_back"),
    ("stack_frames_lost", "a stack that cannot be made keeps the frames that it got", [
        ("kernel/kstack.c", "fail:\n\twhile (n--)\n\t\tpage_put(pages[n]);\n", "fail:\n")], "guest_kstack failing"),
    ("stack_slot_lost", "the addresses of a stack that could not be made are not used again", [
        ("kernel/kstack.c", "\trelease_slot(top);\n\treturn 0;\n", "\treturn 0;\n")], "guest_kstack slots"),
    ("node_locks_itself", "write() to a disk takes the lock of the device node, of which there may be several", [
        ("drivers/block.c", "down_write(&dev->rwsem);", "down_write(&file->inode->i_rwsem);"), ("drivers/block.c", "up_write(&dev->rwsem);", "up_write(&file->inode->i_rwsem);")],
     "guest_nodes one_at_a_time --icount --append 'swap_mb=4 ramdisk_latency_us=5000'"),
    ("hints_about_the_node", "posix_fadvise(), readahead(), sync_file_range() of a disk are about the device node's own cache", [
        ("drivers/block.c", "\treturn &dev->mapping;\n", "\treturn dev ? &file->inode->mapping : NULL;\n")], "guest_nodes hints --icount --append 'swap_mb=4 ramdisk_latency_us=5000'"),
]
BUGS = [(*bug[:3], "program", bug[3]) for bug in BUGS]
