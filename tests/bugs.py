"""Mistakes that real kernels have made, seeded one at a time into Cowslip's source; the tools must find every one (tools/seeded.py,
suite_seeded.py; the table of what was found is docs/seeded-bugs.md).

A bug is (name, what it is, edits, tool, what the tool runs). An edit is (file, text, replacement); the text occurs exactly once, so that
a change of the source shows up here. Tools:

    all      a hosted test in every schedule with few preemptions (tests/host/test_protocol.c, test_cpus.c, fs_test.c)
    random   a hosted test in random schedules (tests/host/test_race.c and others)
    explore  a scenario in QEMU under sched=explore (user/scenario.c); explore2: on two processors
    debug    a program in QEMU on the debug build
    (page tables that are shared: bugs_tables.py)
    program  a function of a test program in QEMU: bugs_programs.py
    pairs, qpairs, randomops: two operations at a time, random ones: bugs_pairs.py
"""
import bugs_pairs
import bugs_programs
import bugs_tables

BUGS = [
    # --- the TLB ---
    ("cow_no_flush", "copy-on-write replaces a page and does not flush", [
        ("mm/cow.c", "\t\ttlb_flush_page(f->mm, f->address, TLB_COW);\n", "")], "all", "all_mask_cow"),
    ("cow_flush_late", "copy-on-write shows the new page before the old translation is flushed", [
        ("mm/cow.c", "\t\ttlb_flush_page(f->mm, f->address, TLB_COW);\n", ""),
        ("mm/cow.c", "\t\treplaced = true;\n", "\t\treplaced = true;\n\t\ttlb_flush_page(f->mm, f->address, TLB_COW);\n")], "all", "all_mask_cow_two"),
    ("fork_no_flush", "fork takes write permission away and does not flush", [
        ("mm/fork.c", "tlb_flush_mm(old, TLB_FORK);", "")], "all", "all_fork_store"),
    ("fork_no_protect", "fork shares a page that the parent may still write", [
        ("mm/fork.c", "atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL))", "atomic64_fetch_and(from, ~0UL)")], "all", "all_fork_store"),
    ("unmap_free_before_flush", "munmap frees pages, then flushes", [
        ("mm/tlb.c", "\tif (b->nr_tables)\n\t\ttlb_flush_mm", "\tfor (unsigned i = 0; i < b->nr; i++)\n\t\tpage_drop_holder(b->holders[i]);\n\tb->nr = 0;\n\tif (b->nr_tables)\n\t\ttlb_flush_mm")],
     "all", "all_unmap_access"),
    ("table_free_before_flush", "a page table is freed before the paging-structure caches have forgotten it", [
        ("mm/tlb.c", "\tif (b->nr_tables)\n\t\ttlb_flush_mm", "\tfor (unsigned i = 0; i < b->nr_tables; i++)\n\t\ttable_put(b->tables[i]);\n\tb->nr_tables = 0;\n\tif (b->nr)\n\t\ttlb_flush_mm")],
     "all", "all_mask_table"),
    ("no_remote_flush", "a flush asks no other CPU", [
        ("mm/shootdown.c", "\tif (others)\n\t\tsmp_call", "\tif (false)\n\t\tsmp_call")], "all", "all_protect_access"),
    ("mask_after_cr3", "a CPU says that it runs an address space only after it has loaded CR3", [
        ("mm/shootdown.c", "\tatomic64_fetch_or(&mm->cpus, BIT(cpu->id));\n", ""),
        ("mm/shootdown.c", "\tcpu->active_mm = mm;\n", "\tcpu->active_mm = mm;\n\tatomic64_fetch_or(&mm->cpus, BIT(cpu->id));\n")], "all", "all_mask_load"),
    ("mask_cleared_early", "a CPU leaves the mask before it has left the address space", [
        ("mm/shootdown.c", "\tif (mm == old)", "\tif (old && mm != old)\n\t\tatomic64_fetch_and(&old->cpus, ~BIT(cpu->id));\n\tif (mm == old)")], "all", "all_mask_pcid"),
    ("mask_no_barrier", "no full barrier between the change of an entry and the look at the CPU mask", [
        ("mm/table.h", "u64 old = atomic64_xchg(e, value);", "u64 old = atomic64_read(e);\n\n\tatomic64_set(e, value);"),
        ("mm/shootdown.c", "atomic64_add_return(&mm->flushes, 1)", "atomic64_read(&mm->flushes) + 1"),
        ("mm/shootdown.c", "\tpreempt_disable();\n\tmask", "\tpreempt_disable();\n\tatomic64_set(&mm->flushes, f.number);\n\tmask")], "all", "all_mask_forget"),
    ("pcid_keeps_all", "translations kept under a PCID are used again whatever was flushed meanwhile", [
        ("mm/shootdown.c", "else if (cache->known[i].flushes == flushes)", "else")], "all", "all_mask_pcid"),
    ("pcid_count_late", "the count of flushes is raised after the look at the mask", [
        ("mm/shootdown.c", "struct flush f = { mm, start, end, atomic64_add_return(&mm->flushes, 1) };", "struct flush f = { mm, start, end, 0 };"),
        ("mm/shootdown.c", "\tothers = mask & ~BIT(cpu_id());\n", "\tothers = mask & ~BIT(cpu_id());\n\tf.number = atomic64_add_return(&mm->flushes, 1);\n")], "all", "all_mask_pcid deeper=1"),
    ("protect_no_flush", "mprotect takes write permission away and does not flush", [
        ("mm/mprotect.c", "tlb_batch_range(", "if (false) tlb_batch_range(")], "all", "all_protect_access"),
    ("truncate_no_direct_wait", "a truncate frees the blocks of a direct write in flight", [
        ("mm/truncate.c", "\tpagecache_direct_wait(m);\n\tdown_write(&m->invalidate_lock);\n\tif (new_size", "\tdown_write(&m->invalidate_lock);\n\tif (new_size")], "all", "all_direct_truncate"),
    ("punch_no_direct_wait", "a hole does so", [
        ("mm/truncate.c", "\tpagecache_direct_wait(m);\n\tdown_write(&m->invalidate_lock);\n\tremove_pages", "\tdown_write(&m->invalidate_lock);\n\tremove_pages")], "all", "all_direct_punch"),
    ("write_refused_clean", "a page whose write could not begin for want of memory counts as written", [
        ("mm/pagelock.c", "\tif (error == -ENOMEM) {\n", "\tif (false) {\n")], "random", "file_write_not_begun"),
    ("no_bounce_clean", "a pinned page for which there is no memory to be copied counts as written", [
        ("mm/writeback.c", "\t\tpage_unlock(m, index, slot, ENTRY_D, 0);\n\t\treturn -ENOMEM;", "\t\tpage_unlock(m, index, slot, 0, 0);\n\t\treturn -ENOMEM;")], "random", "file_write_no_bounce"),
    # --- publishing, dropping, looking up ---
    ("drop_before_publish", "the cache drops a page before the slot shows its successor", [
        ("mm/pagecache.c", "\tdo {\n\t\tnext = (e &", "\tif (old)\n\t\tpage_drop_holder(old);\n\tdo {\n\t\tnext = (e &"),
        ("mm/pagecache.c", "\tif (old)\n\t\tpage_drop_holder(old);\t/* after the new one is in place (PC5) */\n\telse", "\tif (!old)")], "all", "all_read_swap_adopt"),
    ("lookup_no_recheck", "a lockless lookup does not look again after it has its pin", [
        ("mm/slot.h", "if (likely(entry_read(slot) == e))", "if (true)"),
        ("mm/slot.h", "if (likely(now & ENTRY_P && !((now ^ e)", "if (likely(true || !((now ^ e)")], "all", "all_lookup_reuse"),
    ("adopt_ignores_readers", "a page with readers is adopted and written in place", [
        ("mm/page.h", "& ~OWN_REFS) == OWN_HOLDER", "& ~(OWN_REFS | OWN_RPINS)) == OWN_HOLDER")], "all", "all_read_swap_adopt"),
    ("share_check_then_act", "sharing looks for pins first and counts itself in afterwards, in two steps", [
        ("mm/page.h", "\twhile (likely(!(own & (OWN_XPINS | OWN_FULL))))\n\t\tif (likely(atomic64_cmpxchg(&page->own, &own, own + OWN_HOLDER)))\n\t\t\treturn true;\n\treturn false;",
         "\tif (own_xpins(own) || own & OWN_FULL)\n\t\treturn false;\n\tatomic64_add_return(&page->own, OWN_HOLDER);\n\treturn true;")], "all", "all_share_pin"),
    ("put_check_then_free", "two droppers both see the last reference: the page is freed twice", [
        ("mm/page.h", "\tif (atomic64_add_return(&page->own, -(s64)unit) == 0)\n", "\tatomic64_add_return(&page->own, -(s64)unit);\n\tif (atomic64_read(&page->own) == 0)\n")], "all", "all_cow_exit_pin"),
    ("get_of_freed", "a reference is taken on a page that may be free by now", [
        ("mm/page.h", "\twhile (likely(own && !(own & OWN_MANY_RPINS)))", "\twhile (likely(!(own & OWN_MANY_RPINS)))")], "all", "all_lookup_drop"),
    # --- the page lock, waiting ---
    ("page_lock_not_atomic", "the page lock is tested, then set", [
        ("mm/pagelock.c", "\t\t\tif (!atomic64_cmpxchg(*slot, &e, e | ENTRY_LOCKED))\n\t\t\t\tcontinue;	/* changed: look it up again from the root */\n",
         "\t\t\tatomic64_set(*slot, e | ENTRY_LOCKED);\n")], "all", "all_page_lock deeper=1"),
    ("unlock_wakes_early", "the page lock's owner wakes the waiters, then unlocks", [
        ("mm/pagelock.c", "\t} while (!atomic64_cmpxchg(slot, &e, next));\n\tpage_wake(m, index);\n}\n\n/* --- completions", "\t\tpage_wake(m, index);\n\t} while (!atomic64_cmpxchg(slot, &e, next));\n}\n\n/* --- completions")],
     "all", "all_page_lock"),
    ("wait_no_recheck", "a waiter for a page does not look at it again once it is in the queue: the wake-up is lost", [
        ("mm/pagelock.c", "\t\tif (!slot_has(m, index, bits))\n\t\t\tbreak;\n\t\terror = wait_sleep(mode);", "\t\terror = wait_sleep(mode);\n\t\tif (!error && !slot_has(m, index, bits))\n\t\t\tbreak;")], "all", "all_page_lock deeper=1"),
    ("wait_condition_first", "wait_event() looks at the condition before it joins the queue", [
        ("kernel/wait.h", "\t\twait_prepare((wq), &wait_entry_, (mode), 0); \\\n\t\tif (condition) \\\n\t\t\tbreak; \\\n", "\t\tif (condition) \\\n\t\t\tbreak; \\\n\t\twait_prepare((wq), &wait_entry_, (mode), 0); \\\n")],
     "all", "all_wait_wake"),
    ("wait_no_barrier", "no barrier between a waiter's state and its look at the condition", [
        ("kernel/wait.c", "\tWRITE_ONCE(current->state, state_of[mode]);\n\tspin_unlock_irqrestore(&wq->lock, flags);\n\tsmp_mb();", "\tspin_unlock_irqrestore(&wq->lock, flags);\n\tWRITE_ONCE(current->state, state_of[mode]);")],
     "all", "all_wait_wake"),
    # --- faults ---
    ("fault_no_recheck", "a fault fills an entry without looking whether another thread was faster", [
        ("mm/fault.c", "\tbool free = entry_read(e) == 0;\n", "\tbool free = true;\n")], "all", "all_two_faults"),
    ("fault_loser_leaks", "the slower of two faults forgets its page", [
        ("mm/fault.c", "\t\tpage_drop_holder(page);\t\t/* another thread's fault was faster */", "\t\t;")], "all", "all_two_faults"),
    ("cow_no_recheck", "copy-on-write puts its copy in place though the entry has changed meanwhile", [
        ("mm/cow.c", "\tif (entry_same(entry_read(e), seen)) {", "\tif (true) {")], "all", "all_cow_threads"),
    ("map_locked_pages", "fault-around maps pages that somebody has locked", [
        ("mm/faultaround.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P", "(ENTRY_P | ENTRY_TABLE)) != ENTRY_P")], "all", "all_around_punch"),
    ("truncate_zaps_once", "truncate clears the mappings before it has the page lock, and not again", [
        ("mm/truncate.c", "if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\t\trmap_zap", "if (false)\n\t\t\trmap_zap")], "all", "all_load_truncate"),
    ("punch_no_lock", "punching a hole does not hold reads and faults back", [
        ("mm/truncate.c", "\tdown_write(&m->invalidate_lock);\n\tremove_pages(m, first, last, false);", "\tremove_pages(m, first, last, false);\n\tdown_write(&m->invalidate_lock);")],
     "random", "race_fault_punch"),
    ("reclaim_mapped", "reclaim takes a page away that a program has mapped", [
        ("mm/reclaim.c", "(atomic_read(&m->nr_mapped) && !rmap_try_zap(m, index))", "false")], "all", "all_load_reclaim"),
    ("writeback_no_protect", "writeback does not make the page read-only: a store during the write is lost", [
        ("mm/writeback.c", "if (mapped_rw && atomic_read(&m->nr_mapped))", "if (false)")], "all", "all_store_writeback"),
    ("writeback_dirty_late", "writeback clears the dirty bit after it has taken the data", [
        ("mm/writeback.c", "(e & ~(ENTRY_D | ENTRY_RW)) | ENTRY_WRITEBACK", "(e & ~ENTRY_RW) | ENTRY_WRITEBACK"),
        ("mm/writeback.c", "page_unlock(m, index, slot, still_dirty ? ENTRY_D : 0, 0);", "page_unlock(m, index, slot, 0, 0);\n\tatomic64_fetch_and(slot, ~ENTRY_D);")],
     "all", "all_store_writeback"),
    ("no_third_attempt", "write() gives up after two attempts: a thread that throws its source away starves it", [
        ("mm/write.c", "attempt > 3 ||", "attempt > 2 ||")], "random", "race_starved_source"),
    ("pins_overflow", "one pin too many spills into the next field of the word", [
        ("mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_holders(own) == 1)")], "random", "page_pin_limits"),
    ("long_pin_of_shared", "a pin for long or for writing is given on a page that a child shares", [
        ("mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_xpins(own) < OWN_MAX_XPINS)"),
        ("mm/gup.c", "if (value & ENTRY_PRIV ? !(value & ENTRY_EXCL) : !(vma->flags & VM_SHARED))", "if (false)")], "random", "gup_rules"),
    ("pin_of_shared", "an exclusive pin is given on a page that has a second holder", [
        ("mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_xpins(own) < OWN_MAX_XPINS)")], "all", "all_share_pin"),
    ("write_again_early", "writeback writes a page again while its last write is still under way", [
        ("mm/writeback.c", "\tif (e & ENTRY_WRITEBACK) {\n\t\tif (*wait)", "\tif (false) {\n\t\tif (*wait)")], "random", "race_write_again"),
    ("truncate_during_write", "a page leaves its file, and its block is free, while it is being written", [
        ("mm/truncate.c", "\t\tpage_wait_writeback(m, index);\t/* its block", "\t\t/* its block")], "all", "all_punch_writeback"),
    ("grow_moves_locked", "a file's first table is put over page 0 while somebody has that page locked", [
        ("mm/pagetree.c", "\tif (!old && root & ENTRY_LOCKED)\n", "\tif (false)\n")], "all", "all_grow_lock"),
    ("fast_pin_read_only", "the lockless way pins a page for writing that the program may only read", [
        ("mm/gup.c", "if (!(entry & ENTRY_P) || (flags & PIN_WRITE && !(entry & ENTRY_RW)))", "if (!(entry & ENTRY_P))")], "random", "gup_same"),
    # --- locks ---
    ("copy_faults_under_lock", "write() copies from the user with the page locked and faults there", [
        ("mm/write.c", "k = copy_from_iter_nofault(to,", "k = copy_from_iter(to,")], "all", "all_write_crossed"),
    ("sleep_under_spinlock", "copy-on-write allocates with the leaf's spinlock held", [
        ("mm/cow.c", "\tbool done = reuse_locked(f, e, seen);\n", "\tbool done = reuse_locked(f, e, seen);\n\tmight_sleep();\n")], "all", "all_cow_threads"),
    ("lock_inversion", "truncate locks the last page, then the lock that belongs above it", [
        ("mm/truncate.c", "\tdown_write(&m->invalidate_lock);\n\tif (new_size >= m->size) {", "\tif (new_size >= m->size) {\n\t\tdown_write(&m->invalidate_lock);"),
        ("mm/truncate.c", "\terror = lock_tail(m, new_size, &slot);\n", "\terror = lock_tail(m, new_size, &slot);\n\tdown_write(&m->invalidate_lock);\n")],
     "random", "race_fault_truncate"),
    ("wait_holding_mmap", "a fault waits for a page with mmap_lock held", [
        ("mm/filemap.c", "\tup_read(&f->mm->mmap_lock);\n}", "}"),
        ("mm/filemap.c", "\tif (result != FAULT_RETRY)\n\t\tdown_read", "\tif (result == FAULT_RETRY)\n\t\tup_read")], "random", "race_fault_truncate"),
    ("lock_not_released", "an error path returns with the page locked", [
        ("mm/filemap.c", "\tif (f->index >= mapping_pages(m)) {\n\t\tresult = FAULT_SIGBUS;\n", "\tif (f->index >= mapping_pages(m)) {\n\t\treturn FAULT_SIGBUS;\n")], "all", "all_load_truncate"),
    # --- names and pipes ---
    ("rename_no_mutex", "two renames between directories at once: each looks at the tree while the other changes it", [
        ("fs/rename.c", "\tmutex_lock(&rename_mutex);\n", ""), ("fs/rename.c", "\tmutex_unlock(&rename_mutex);\n", "")], "all", "all_rename_loop"),
    ("rename_checks_early", "rename looks the names up, then locks the directories", [
        ("fs/rename.c", "\tlock_dirs(old_dir, new_dir);\n\tr->old", "\tr->old"),
        ("fs/rename.c", "\tif (!error)\n\t\terror = rename_locked(r);", "\tlock_dirs(old_dir, new_dir);\n\tif (!error)\n\t\terror = rename_locked(r);")], "all", "all_rename_unlink"),
    ("lookup_no_lock", "a lookup reads the directory, and caches what it found, without the directory's lock", [
        ("fs/dentry.c", "\tdown_read(&parent->inode->i_rwsem);\n\terror = dentry_lookup_locked(parent, name, out);\n\tup_read(&parent->inode->i_rwsem);\n",
         "\terror = dentry_lookup_locked(parent, name, out);\n")], "all", "all_rename_uncached"),
    ("dentry_put_no_lock", "a name's count becomes zero, and then the name is asked whether it is hashed", [
        ("fs/dentry.c", "\t\twhile (likely(old != (1 | DENTRY_UNHASHED)))\n\t\t\tif (likely(atomic_cmpxchg(&d->refs, &old, old - 1)))\n\t\t\t\treturn;\n",
         "\t\told = atomic_add_return(&d->refs, -1);\n\t\tif (old & ~DENTRY_UNHASHED)\n\t\t\treturn;\n\t\tspin_lock(&dcache_lock);\n"
         "\t\told = list_empty(&d->hash_node);\n\t\tspin_unlock(&dcache_lock);\n\t\tif (!old)\n\t\t\treturn;\n")], "all", "all_unlink_lookup"),
    ("create_in_removed", "a name is made in a directory without looking, under its lock, whether it still exists", [
        ("fs/dentry.c", "\tif (!dir->nlink)\n\t\treturn -ENOENT;", "\tif (false)\n\t\treturn -ENOENT;"),
        ("fs/permission.c", "int may_create(struct inode *dir)\n{\n\tif (!dir->nlink)", "int may_create(struct inode *dir)\n{\n\tif (false)")], "all", "all_rmdir_create"),
    ("pipe_close_no_wake", "the last reader closes a pipe and does not wake its writers", [
        ("fs/fifo.c", "\t\tpipe_drop_tail(p);\n\tmutex_unlock(&p->lock);\n\twake_up_all(&p->read_wait, 0);\n\twake_up_all(&p->write_wait, 0);", "\t\tpipe_drop_tail(p);\n\tmutex_unlock(&p->lock);\n\twake_up_all(&p->read_wait, 0);")],
     "all", "all_pipe_closed"),
    ("fifo_open_sees_state", "open of a FIFO waits for a writer to be there, not for one to have come: it may be gone again", [
        ("fs/fifo.c", "READ_ONCE(p->writer_opens) != seen_writers", "READ_ONCE(p->writers)")], "all", "all_pipe_small"),
    ("pipe_eof_missed", "a reader waits for bytes and does not look whether there still is a writer", [
        ("fs/pipe.h", "&& (pipe_readable(p) || !READ_ONCE(p->writers))", "&& pipe_readable(p)")], "all", "all_pipe_small"),
    ("splice_claim_ignored", "read() takes bytes of a pipe that splice is just writing to a file", [
        ("fs/pipe.h", "(claimed_too || !READ_ONCE(p->claimed)) && ", ""), ("fs/pipe.c", "if (likely(!p->claimed)) {", "if (true) {")], "all", "all_splice_claim"),
    ("splice_place_taken", "a place that splice has reserved in a pipe is taken by a write", [
        ("fs/pipering.c", "\t\t\tWRITE_ONCE(p->limit, p->limit - got);\n", ""), ("fs/pipering.c", "\tWRITE_ONCE(p->limit, p->limit + reserved);\n", "")],
     "all", "all_splice_reserve"),
    ("tee_still_own", "tee() gives another pipe the page, and the first pipe still takes it for its own", [
        ("fs/pipering.c", "\tb->own = false;\n\tif (!page_share", "\tif (!page_share")], "all", "all_splice_tee"),
    ("pipe_resize_loses", "the buffers of a pipe keep their numbers in the array when it gets another size", [
        ("fs/pipering.c", "bufs[i & (n - 1)] = *pipe_slot(p, i);", "bufs[i & (p->nr_slots - 1) & (n - 1)] = *pipe_slot(p, i);")], "all", "all_pipe_resize"),
    # --- found in QEMU ---
    ("qemu_unmap_no_flush", "munmap frees pages and flushes nothing", [
        ("mm/walk.c", "\ttlb_batch_range(batch, va, va + PAGE_SIZE);\n\tif (private)", "\tif (private)"),
        ("mm/walk.c", "\ttlb_batch_range(batch, va, va + n * PAGE_SIZE);\n", "")], "explore", "munmap_copy"),
    ("pipe_no_mutex", "a pipe's readers do not exclude each other and the writers", [
        ("fs/pipe.c", "\t\tmutex_lock(&p->lock);\n\t\tif (likely(!p->claimed)) {", "\t\tif (likely(!p->claimed)) {"),
        ("fs/pipe.c", "\t\t}\n\t\tmutex_unlock(&p->lock);\n\t\tif (to->count < want)", "\t\t}\n\t\tif (to->count < want)")], "explore", "pipes"),
    ("pipe_splits_small_writes", "a small write goes into the pipe in two parts, and the mutex is free in between", [
        ("fs/pipe.c", "\tif (b->offset + b->len + n > PAGE_SIZE || !may_append(b))\n\t\treturn STEP_DONE;", "\tif (b->offset + b->len >= PAGE_SIZE || !may_append(b))\n\t\treturn STEP_DONE;\n\tn = min(n, PAGE_SIZE - b->offset - b->len);"),
        ("fs/pipe.c", "\t\t\todd_tried = true;\n", "\t\t\todd_tried = true;\n\t\t\tmutex_unlock(&p->lock);\n\t\t\tmutex_lock(&p->lock);\n")],
     "explore", "pipes"),
    ("signal_missed_before_sleep", "a sleeper looks for signals only after it has slept", [
        ("kernel/wait.c", "\tif (interrupted(mode))\n\t\treturn -ERESTARTSYS;\n\tschedule();\n\treturn 0;", "\tschedule();\n\treturn interrupted(mode) ? -ERESTARTSYS : 0;")], "explore", "exec_signals"),
    ("debug_irq_lock", "a lock that interrupt handlers take is taken with interrupts on", [
        ("kernel/wait.c", "\tu64 flags = spin_lock_irqsave(&wq->lock);\n\tstruct wait_entry *entry, *next;", "\tu64 flags = 0x200;\n\tspin_lock(&wq->lock);\n\tstruct wait_entry *entry, *next;")], "debug", "/bin/scenario pipes 5 1"),
    ("debug_sleep_under_spinlock", "memory is allocated with a spinlock held", [
        ("fs/dentry.c", "\tspin_lock(&dcache_lock);\n\tthere = d->sb->uncached", "\tspin_lock(&dcache_lock);\n\tmight_sleep();\n\tthere = d->sb->uncached")], "debug", "/bin/scenario rename_lookup 5 1"),
    ("debug_inversion", "rename takes the mutex over all directories after the first directory's lock", [
        ("fs/rename.c", "\tmutex_lock(&rename_mutex);\n", ""),
        ("fs/rename.c", "\tdown_write(&a->inode->i_rwsem);\n\tdown_write_nested", "\tdown_write(&a->inode->i_rwsem);\n\tmutex_lock(&rename_mutex);\n\tdown_write_nested")],
     "debug", "/bin/busybox sh -c 'mkdir /tmp/a /tmp/b; touch /tmp/a/x; mv /tmp/a/x /tmp/b/x'"),
    ("debug_error_path", "write() to a pipe without readers returns with the pipe's mutex held", [
        ("fs/pipe.c", "\t\tif (!p->readers)\n\t\t\terror = -EPIPE;", "\t\tif (!p->readers)\n\t\t\treturn -EPIPE;")], "debug", "/bin/busybox sh -c 'yes | head -n 1'"),
    ("debug_double_unlock", "a mutex is released twice", [
        ("fs/fifo.c", "\t\tpipe_drop_tail(p);\n\tmutex_unlock(&p->lock);\n", "\t\tpipe_drop_tail(p);\n\tmutex_unlock(&p->lock);\n\tmutex_unlock(&p->lock);\n")], "debug", "/bin/scenario pipes 5 1"),
    ("debug_fault_under_lock", "write() copies from the user with the page locked and may fault there", [
        ("mm/write.c", "k = copy_from_iter_nofault(to,", "k = copy_from_iter(to,")], "debug", "/bin/scenario crossed_writers 5 1"),
]

BUGS += bugs_tables.BUGS + bugs_programs.BUGS + bugs_pairs.BUGS

# Found within a second: the tests do these each time.
QUICK = """cow_no_flush fork_no_protect no_remote_flush mask_after_cr3 mask_cleared_early drop_before_publish unlock_wakes_early wait_no_barrier
fault_no_recheck cow_no_recheck map_locked_pages writeback_dirty_late lock_inversion wait_holding_mmap sleep_under_spinlock lock_not_released
rename_no_mutex lookup_no_lock dentry_put_no_lock create_in_removed pipe_close_no_wake fifo_open_sees_state""".split() + bugs_tables.QUICK + [bug[0] for bug in bugs_pairs.BUGS if bug[3] == "pairs" and bug[0] != "pairs_share_ignores_pins"]
