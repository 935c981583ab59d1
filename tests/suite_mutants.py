"""Each rule matters: the kernel's mm/ with one line broken must fail at least one of the hosted tests named for it.

A mutant is (name, file, text, replacement, tests). The text must occur exactly once, so that a change of the source shows up
here. A mutant that survives all its tests is a failure: the rule is not tested.
"""
from mutate import MMTEST, build, prepare, remove  # noqa: F401 (run.py calls prepare)
from testlib import Fail, command, must

HOST = True

MUTANTS = [
    ("adopt_ignores_read_pins", "mm/vma.h", "(page_adoptable(entry_page(now))", "(page_sole_holder(entry_page(now))",
     "cow_lifetime_reference"),                                                       # INV-E1, D2
    ("cow_reuses_shared", "mm/vma.h", "now & ENTRY_EXCL || (page_adoptable", "true || (page_adoptable", "cow_fork history_random"),
    ("cow_without_flush", "mm/cow.c", "tlb_flush_page(f->mm, f->address, TLB_COW);", "", "mem_demand_zero history_random cow_fork"),   # S2
    ("fork_without_flush", "mm/fork.c", "tlb_flush_mm(old, TLB_FORK);", "", "cow_fork history_random"),
    ("fork_keeps_excl", "mm/fork.c", "atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL))", "atomic64_fetch_and(from, ~ENTRY_RW)",
     "cow_fork history_random"),                                                      # E2
    ("share_ignores_pins", "mm/page.h", "while (likely(!(own & (OWN_XPINS | OWN_FULL))))", "while (likely(!(own & OWN_FULL)))", "page_own_rules cow_pinned_fork"),
    ("pin_of_shared", "mm/own.c", "while (own_holders(own) == 1 && own_xpins(own) < OWN_MAX_XPINS)", "while (own_xpins(own) < OWN_MAX_XPINS)",
     "page_own_rules page_own_interleaved"),
    ("map_around_of_locked_pages", "mm/faultaround.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P", "(ENTRY_P | ENTRY_TABLE)) != ENTRY_P",
     "all_around_punch"),                                                             # FOREST: fault against truncate
    ("punch_without_invalidate", "mm/truncate.c", "\tdown_write(&m->invalidate_lock);\n\tremove_pages(m, first, last, false);", "\tremove_pages(m, first, last, false);\n\tdown_write(&m->invalidate_lock);",
     "race_fault_punch"),                                                             # PC2
    ("truncate_zaps_once", "mm/truncate.c", "if (entry_read(slot) & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\t\trmap_zap", "if (false)\n\t\t\trmap_zap",
     "race_fault_truncate"),                                                          # T1, T2
    ("slot_replace_without_zap", "mm/pagecache.c", "if (e & ENTRY_P && atomic_read(&m->nr_mapped))\n\t\trmap_zap", "if (false)\n\t\trmap_zap",
     "file_mapped race_write_writeback"),
    ("lookup_without_recheck", "mm/slot.h", "if (likely(slot != &m->root || slot_find(m, index) == slot)) {", "if (now = entry_read(slot), true) { return page;",
     "all_lookup_reuse_inside"),                                          # FOREST T2
    ("usual_lookup_without_recheck", "mm/slot.h", "if (likely(entry_read(slot) == e))", "if (true)",
     "all_lookup_reuse"),                                                 # FOREST T2
    ("change_in_place_though_shared", "mm/pagecache.c", "if (slot_sole(m, slot, entry_read(slot)))\n\t\treturn 0;", "return 0;",
     "file_stable_writeback"),                                                        # PG3: stable pages
    ("holder_before_publish", "mm/pagecache.c", "\tif (old)\n\t\tpage_drop_holder(old);\t/* after", "\tif (old && 0)\n\t\tpage_drop_holder(old);\t/* after",
     "file_write_random history_random"),                                             # a leak must be seen
    ("writeback_without_protect", "mm/writeback.c", "if (mapped_rw && atomic_read(&m->nr_mapped))", "if (false)",
     "file_mapped race_write_writeback history_random"),                              # PC4
    ("copy_may_fault_under_lock", "mm/write.c", "k = copy_from_iter_nofault(to,", "k = copy_from_iter(to,",
     "race_write_own_mapping file_write_from_itself race_write_crossed"),             # W1
    ("swap_forgets_dirty", "mm/write.c", "page_unlock(m, p->index, slot, ENTRY_P | ENTRY_D | ENTRY_A | (m->whole_blocks ?", "page_unlock(m, p->index, slot, ENTRY_P | ENTRY_A | (m->whole_blocks ?",
     "file_write_random history_random"),
    ("size_not_published", "mm/write.c", "smp_store_release(&m->size, end);", "", "file_write_random"),
    ("gap_bound_of_next", "mm/gap.c", "\traise_bound(mm, i);\n\traise_bound(mm, i + 1);", "\traise_bound(mm, i);", "mem_gaps"),
    ("gap_bound_of_moved", "mm/gap.c", "raise_bound(mm, chunk * GAP_CHUNK + GAP_CHUNK - 1);", ";", "mem_gaps"),
    ("lent_size_before_lock", "mm/loan.c", "\tfor (u64 e = 0; k < n && atomic64_cmpxchg", "\tif ((loff_t)((index + n) << PAGE_SHIFT) > m->size)\n\t\tsmp_store_release(&m->size, (loff_t)((index + n) << PAGE_SHIFT));\n\tfor (u64 e = 0; k < n && atomic64_cmpxchg",
     "race_append"),                                                                  # W3
    ("lent_size_not_published", "mm/loan.c", "m->size)\n\t\tsmp_store_release(&m->size, (loff_t)((index + k) << PAGE_SHIFT));", "m->size)\n\t\tif (false) smp_store_release(&m->size, 0);",
     "race_append"),                                                                  # PC1
    ("tail_not_zeroed", "mm/write.c", "int error = pagecache_zero_tail(m);", "int error = 0;", "file_mapped_tail file_truncate_mapped history_random"),  # T3
    ("unmap_drops_before_flush", "mm/tlb.c", "\tif (b->nr_tables)\n\t\ttlb_flush_mm(b->mm, b->why);", "\tfor (unsigned i = 0; i < b->nr; i++)\n\t\tpage_drop_holder(b->holders[i]);\n\tb->nr = 0;\n\tif (b->nr_tables)\n\t\ttlb_flush_mm(b->mm, b->why);",
     "all_unmap_access"),                                                             # S2
    ("leaf_emptied_before_flush", "mm/walk.c", "\ttlb_batch_table(batch, leaf);\n", "\tleaf_empty(leaf);\n\ttlb_batch_table(batch, leaf);\n", "race_unmap_leaf"),   # S2
    ("table_freed_before_flush", "mm/tlb.c", "\tif (b->nr_tables)\n\t\ttlb_flush_mm(b->mm, b->why);", "\tfor (unsigned i = 0; i < b->nr_tables; i++)\n\t\ttable_put(b->tables[i]);\n\tb->nr_tables = 0;\n\tif (b->nr_tables)\n\t\ttlb_flush_mm(b->mm, b->why);",
     "all_mask_table"),                                                            # S5, S6
    ("swap_ignores_pins", "mm/swapout.c", "\tif (!page_unpinned(v->page) && !leave_to_pin(v)) {\n\t\tvmstat_inc(VM_SWAP_PINNED);\n\t\tentry_exchange", "\tif (false && !leave_to_pin(v)) {\n\t\tvmstat_inc(VM_SWAP_PINNED);\n\t\tentry_exchange",
     "race_swap_pin all_swap_pin"),                                                   # E8
    ("swap_without_flush", "mm/swapout.c", "tlb_flush_range(mm, first, last + PAGE_SIZE, TLB_SWAP);", ";", "swap_out_and_in race_swap_fault"),      # S2
    ("swap_owned_under_writeback", "mm/swapin.c", "if (page_adoptable(page)) {", "if (swap_count_of(swap_id(seen)) == 0) {", "swap_out_and_in race_swap_fault"),
    ("swap_fork_without_count", "mm/fork.c", "\t\tswap_dup(value);\n", "", "swap_fork"),
    ("swap_zap_keeps_slot", "mm/walk.c", "\t\t\tswap_put(value);\n\t\t\tva +=", "\t\t\tva +=", "swap_out_and_in"),
    ("swap_drops_unwritten", "mm/swapio.c", "(unused || (!(e & ENTRY_D) && (shared", "(unused || ((shared", "swap_failing"),
    ("reclaim_ignores_mappings", "mm/reclaim.c", "rmap_try_used(m, index)) {", "false) {", "reclaim_second_chance"),
    ("reclaim_ignores_locks", "mm/rmap.c", "\t\tlocked |= locked_through(vma, index);", "\t\t;", "reclaim_locked"),
    ("residue_forgotten", "mm/usercopy.c", "	check_access(caller);\n	return checked_from_user(dst, src, n);", "	check_access(caller);\n	checked_from_user(dst, src, n);\n	return 0;",
     "file_bad_source"),                                                              # A1
]


def tests():
    return [(m[0], one(*m)) for m in MUTANTS]


def one(name, path, text, replacement, names):
    def run():
        program = build(name, [(path, text, replacement)])
        known = must([MMTEST, "list"]).decode()
        for test in names.split():
            if f"{test}\t" not in known:
                raise Fail(f"no hosted test {test}")
            status, _, _ = command([program, test], timeout=60)
            if status:
                remove(name)
                return
        raise Fail(f"{path} with {text!r} broken passes {names}: nothing tests it")
    return run
