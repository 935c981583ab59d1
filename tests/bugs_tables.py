"""Seeded bugs (see bugs.py) in page tables that several owners have (mm/share.c, mm/template.c): each breaks a rule of MECHANISMS.md's INV-P and INV-S6,
or of FOREST.md. By the hosted tests test_tables.c, test_race_tables.c, test_templates.c, test_race_templates.c, test_all_templates.c. Some of them were made by us first.
"""

COPY = "done = leaf_copy(leaf, copy, ALIGN_DOWN(va, LEAF_SPAN));"
FLUSH = "\t\ttlb_flush_page(mm, va, TLB_COW);\n\t\ttable_put(old);\n"

BUGS = [
    # --- who shares ---
    ("table_child_writable", "INV-P1: fork gives the child the table without taking RW away above it", [
        ("mm/share.c", "page_to_phys(leaf) | (UPPER_FLAGS & ~ENTRY_RW)", "page_to_phys(leaf) | UPPER_FLAGS")], "random", "tables_INV_P4_fork"),
    ("table_parent_writable", "INV-P1: fork gives the child the table and leaves RW above the parent's", [
        ("mm/share.c", "\t\tatomic64_fetch_and(slot, ~ENTRY_RW);\n", ""),
        ("mm/share.c", "\tif (above & ENTRY_RW)\n\t\treturn 0;\n", "")], "random", "tables_INV_P4_fork"),
    ("table_share_no_flush", "FOREST T4: fork looks for pins without having waited for fast ones that saw RW above", [
        ("mm/share.c", "\ttlb_flush_mm(mm, TLB_FORK);\n", "")], "all", "all_tables_T4_fast"),
    ("table_share_pinned", "INV-P4: fork shares a table without looking for pinned pages in it", [
        ("mm/share.c", "bool shared = !has_pins(leaf) && ", "bool shared = ")], "random", "tables_INV_P4_pinned"),
    ("table_pins_before_rw", "FOREST T4: pins are looked for before RW is taken away above", [
        ("mm/share.c", "\t\tatomic64_fetch_and(slot, ~ENTRY_RW);\n", "\t\tif (!has_pins(leaf))\n\t\t\tatomic64_fetch_and(slot, ~ENTRY_RW);\n"),
        ("mm/share.c", "static bool restrict_range(", "static bool has_pins(struct page *leaf);\nstatic bool restrict_range("),
        ("mm/share.c", "bool shared = !has_pins(leaf) && ", "bool shared = ")], "all", "all_tables_T4_fast"),
    ("table_fast_pin_no_mark", "INV-P4: the fast pin does not mark the table", [
        ("mm/gup.c", "\t\tif (exclusive(flags))\n\t\t\tnote_pins(e);\n\t\tif (pin_page", "\t\tif (pin_page")], "random", "tables_INV_P4_pinned"),
    ("table_fast_pin_marks_late", "INV-P4: the fast pin marks the table after it has pinned and looked again", [
        ("mm/gup.c", "\t\tif (exclusive(flags))\n\t\t\tnote_pins(e);\n\t\tif (pin_page", "\t\tif (pin_page"),
        ("mm/gup.c", "\tif (!page || (allows(now, flags) && entry_page(now) == page))\n\t\treturn page;\n",
         "\tif (page && exclusive(flags))\n\t\tnote_pins(e);\n\tif (!page || (allows(now, flags) && entry_page(now) == page))\n\t\treturn page;\n")], "all", "all_tables_T4_fast"),
    ("table_fast_pin_entry_only", "INV-P4: the fast pin looks at the page's entry only, not at the one above", [
        ("mm/walk.c", "\tif (unlikely(!(f.upper & ENTRY_RW)))\n\t\t*value &= ~(ENTRY_RW | ENTRY_EXCL);\n", "")], "random", "tables_INV_P2"),
    ("table_mark_left_behind", "INV-P4: mremap moves a pinned page to another table, which is not marked", [
        ("mm/mremap.c", "\t\t\tWRITE_ONCE(to_leaf->pinned, true);\n", "\t\t\t;\n")], "random", "tables_INV_P4_moved"),
    ("table_mark_moved_early", "INV-P4: mremap looks at the mark before it moves the entries (ours, for an hour)", [
        ("mm/mremap.c", "\t\tif (READ_ONCE(from_leaf->pinned))\t/* only now", "\t\tif (marked)\t/* only now"),
        ("mm/mremap.c", "\t\ttable_lock_two(from_leaf, to_leaf);\n", "\t\ttable_lock_two(from_leaf, to_leaf);\n\t\tbool marked = READ_ONCE(from_leaf->pinned);\n")], "all", "all_tables_move_pin"),
    ("table_share_before_memory", "fork looks at the parent's table, then finds memory by swapping the parent's pages out (ours, for an hour)", [
        ("mm/share.c", "\tslot = leaf_slot(new, va);\n\tif (!slot)\n", "\tabove = entry_read(leaf_slot(old, va));\n\tslot = leaf_slot(new, va);\n\tif (!slot)\n"),
        ("mm/share.c", "for that. */\n\tabove = entry_read(leaf_slot(old, va));\n", "for that. */\n")], "random", "tables_fork_short"),
    # --- one's own again ---
    ("table_copy_no_holders", "INV-P2: the copy of a table takes no holders of its pages", [
        ("mm/share.c", COPY, "arch_copy_page(page_address(copy), page_address(leaf)), copy->live = leaf->live;")], "random", "tables_INV_P4_fork"),
    ("table_copy_keeps_rights", "INV-P2: the copy of a table leaves RW and EXCL in the old one, whose pages have another holder now", [
        ("mm/fork.c", "value = atomic64_fetch_and(from, ~(ENTRY_RW | ENTRY_EXCL)) & ~GIVEN;", "value &= ~GIVEN;")], "random", "tables_INV_P4_fork"),
    ("table_copy_no_flush", "INV-S6: the copy takes the table's place and nobody is flushed", [
        ("mm/share.c", FLUSH, "\t\ttable_put(old);\n")], "random", "tables_INV_S6"),
    ("table_copy_flush_late", "FOREST T1: who copies a table drops it before his CPUs have forgotten it", [
        ("mm/share.c", FLUSH, "\t\ttable_put(old);\n\t\ttlb_flush_page(mm, va, TLB_COW);\n")], "all", "all_tables_T1"),
    ("table_take_shared", "INV-P2: who has a table with one other takes it over", [
        ("mm/share.c", "\tif (!table_shared(leaf)) {\n\t\tatomic64_fetch_or(slot", "\tif (own_refs(atomic64_read(&leaf->own)) <= 2) {\n\t\tatomic64_fetch_or(slot")], "random", "tables_INV_P4_fork"),
    ("table_own_two_reads", "the table and the right to change it are read one after the other (ours, for an hour)", [
        ("mm/walk.c", "\tleaf = entry_page(above);\n\tif (unlikely(!(above & ENTRY_RW)))", "\tleaf = entry_page(above);\n\tif (unlikely(!(entry_read(slot) & ENTRY_RW)))")],
     "all", "all_tables_unshare_threads"),
    ("table_pin_of_other", "FOREST T1: a page is pinned in a table that another thread has left to its other owner meanwhile (ours, for an hour)", [
        ("mm/gup.c", "if (own || leaf_find(f->mm, f->address, &next) == leaf)", "if (true)")], "random", "race_tables_pin_copy"),
    ("table_part_unmapped", "INV-P2: a mapping gets shorter, and entries of a shared table are cleared (ours, for an hour)", [
        ("mm/mmap.c", "\tif (vma_own_cut(vma, upper ? start : end))\n\t\treturn -ENOMEM;\n", "")], "random", "tables_INV_P2"),
    # --- who goes ---
    ("table_put_empties", "a table is emptied by an owner who is not the last one", [
        ("mm/table.c", "\t\tif (atomic64_cmpxchg(&table->own, &own, own - OWN_REF))\n\t\t\treturn;\n",
         "\t\tif (atomic64_cmpxchg(&table->own, &own, own - OWN_REF)) {\n\t\t\tif (!table->level)\n\t\t\t\tleaf_empty(table);\n\t\t\treturn;\n\t\t}\n")], "random", "tables_INV_P4_fork"),
    ("table_put_two_steps", "an owner looks whether he is the last one, then drops his reference: of two at once none empties the table", [
        ("mm/table.c", "\twhile (own_refs(own) > 1)\t/*", "\tif (own_refs(own) > 1) {\n\t\tpage_put(table);\n\t\treturn;\n\t}\n\twhile (own_refs(own) > 1)\t/*")],
     "all", "all_tables_exit_both"),
    ("table_mark_outlives", "a table's mark of pins stays in the frame, and means something else there (ours, for an hour)", [
        ("mm/table.c", "\ttable->pinned = false;\t\t/* it is another", "\t;\t\t/* it is another")], "random", "history_random"),
    ("table_of_failed_move", "mremap that fails leaves empty tables where no mapping is (ours, for weeks)", [
        ("mm/mremap.c", "\t\tdrop_tables(mm, m);\n", ""), ("mm/mremap.c", "static void drop_tables(", "__attribute__((unused)) static void drop_tables(")], "random", "tables_no_memory"),
    ("table_hold_freed", "who looks at a table that others have does not ask whether it was freed before he held it", [
        ("mm/walk.c", "\t\tif (!page_pin_read(f.leaf))\n\t\t\tcontinue;\t\t/* freed", "\t\tif (!page_pin_read(f.leaf) && false)\n\t\t\tcontinue;\t\t/* freed")], "all", "all_tables_look"),
    ("table_look_once", "/proc counts the pages of a table that was emptied by its last owner meanwhile (ours, since tables are shared)", [
        ("mm/walk.c", "\tbool same = find_leaf(mm, va, &next).leaf == leaf;\n", "\tbool same = find_leaf(mm, va, &next).leaf == leaf || true;\n")], "all", "all_tables_look"),
    # --- templates ---
    ("template_not_dropped", "INV-P3: a page of the file is replaced, and readers still get the table with the old one", [
        ("mm/pagecache.c", "\tif (old)\n\t\tslot_drop_template(m, slot);\n", "")], "random", "templates_INV_P3"),
    ("template_sole_enough", "INV-P3: a page is changed in place after the file's table was dropped, though readers have it, too", [
        ("mm/slot.h", "(slot_drop_template(m, slot) && page_sole_holder(entry_page(e)))", "slot_drop_template(m, slot)")], "random", "templates_INV_P3"),
    ("template_no_second_look", "INV-P3: who makes a template does not look whether a page has changed meanwhile", [
        ("mm/template.c", "\tgood = agrees(table_entries(leaf), table_entries(template));\n", "\tgood = agrees(table_entries(template), table_entries(template));\n")], "all", "all_template_make_replace"),
    ("template_looks_first", "INV-P3: who makes a template looks at the pages, then shows that he is making one", [
        ("mm/template.c", "\tif (!exchange(leaf, WANTED, making)) {\n", "\tgood = agrees(table_entries(leaf), table_entries(template));\n\tif (!exchange(leaf, WANTED, making)) {\n"),
        ("mm/template.c", "way round */\n\tgood = agrees(table_entries(leaf), table_entries(template));\n", "way round */\n")], "all", "all_template_make_replace"),
    ("template_no_barrier", "INV-P3: no full barrier between showing that a template is being made and looking at the pages", [
        ("mm/template.c", "\tsmp_mb();\t\t/* shown", "\t;\t\t/* shown")], "all", "all_template_make_replace"),
    ("template_over_own", "the file's table takes the place of one that the reader has alone, with pinned pages", [
        ("mm/template.c", "\tbool shared = table_shared(leaf);\n", "\tbool shared = true;\n")], "random", "templates_over_pinned"),
    ("template_over_no_flush", "INV-S2: the file's table takes the place of another one, and nobody is flushed", [
        ("mm/template.c", "\tif (old && old != template)\n\t\ttlb_flush_range(", "\tif (false)\n\t\ttlb_flush_range(")], "random", "templates_over"),
    ("template_kept_for_nobody", "reclaim passes by the pages of a template, which nobody but the file has (ours, for an hour)", [
        ("mm/reclaim.c", "\tif (!page_adoptable(page))\n\t\tslot_drop_template(m, slot);", "\tif (false)\n\t\tslot_drop_template(m, slot);")], "random", "templates_reclaim"),
    ("template_counts_over", "a template is given to so many readers that their count overflows (ours, for an hour)", [
        ("mm/template.c", "usable(leaf->template) && table_takes_owner(leaf->template)", "usable(leaf->template)")], "random", "templates_limit"),
    ("template_two_kept", "two readers make a template at once, and the second one's takes the place of the first one's", [
        ("mm/template.c", "\tbool same = leaf->template == expected;\n", "\tbool same = leaf->template == expected || template_usable(leaf->template);\n")], "all", "all_template_make_two"),
    ("template_ref_late", "who has made a template takes his own reference after others can see it, and drop it", [
        ("mm/template.c", "\tpage_get(template);\n\tif (!exchange(leaf, making, good", "\tif (!exchange(leaf, making, good"),
        ("mm/template.c", "\t\ttable_put(template);\t/* it was not used, or dropped again */\n", ""),
        ("mm/template.c", "\tvmstat_inc(VM_TABLE_TEMPLATE);\n", "\tpage_get(template);\n\tvmstat_inc(VM_TABLE_TEMPLATE);\n")], "all", "all_template_make_write"),
    ("template_ref_unlocked", "a reader takes the template that he saw before he had the lock", [
        ("mm/template.c", "template = template_usable(leaf->template) && table_takes_owner(leaf->template) ? leaf->template : NULL;", "template = table_takes_owner(template) ? template : NULL;")],
     "all", "all_template_give_write"),
    ("template_locked_ignored", "who makes a template passes by a slot that is locked, because its page will be replaced", [
        ("mm/template.c", "(ENTRY_P | ENTRY_LOCKED | ENTRY_FRAME))\n", "(ENTRY_P | ENTRY_FRAME))\n")], "all", "all_template_make_replace deeper=1"),
    ("template_hole_keeps", "INV-P3: a hole leaves the file's table to later readers", [
        ("mm/pagecache.c", "\tslot_drop_template(m, slot);\n\te = atomic64_xchg(slot, 0);", "\te = atomic64_xchg(slot, 0);")], "all", "all_template_give_punch"),
    ("template_direct_keeps", "INV-P3: an O_DIRECT write does so", [
        ("mm/pagecache.c", "\tslot_drop_template(m, slot);\n\te = atomic64_xchg(slot, 0);", "\te = atomic64_xchg(slot, 0);")], "all", "all_template_give_direct"),
    ("template_cut_keeps", "INV-P3: so does a truncate, and back", [
        ("mm/pagecache.c", "\tslot_drop_template(m, slot);\n\te = atomic64_xchg(slot, 0);", "\te = atomic64_xchg(slot, 0);")], "all", "all_template_give_truncate"),
    ("template_lent_keeps", "INV-P3: pages that are lent to the file at once leave its table to later readers", [
        ("mm/loan.c", "\t\tif (old)\n\t\t\tslot_drop_template(m, slot);\n", "")], "all", "all_template_give_lend"),
    ("template_shared_keeps", "INV-P3: pages of another file do so", [
        ("mm/loan.c", "\t\tif (old)\n\t\t\tslot_drop_template(m, slot);\n", "")], "all", "all_template_give_share"),
    ("template_taken_in_place", "INV-P3: a write changes the page in place, since the file's template was dropped, though a reader has just got it", [
        ("mm/slot.h", "(slot_drop_template(m, slot) && page_sole_holder(entry_page(e)))", "slot_drop_template(m, slot)")], "all", "all_template_give_write"),
    ("template_made_writable", "a template is made of a page that a mapping may write", [
        ("mm/loan.c", "\tif (entry_read(slot) & ENTRY_RW)\n\t\tprotect_slot(m, index);\n", ""),
        ("mm/loan.c", "(e & (ENTRY_P | ENTRY_LOCKED | ENTRY_RW | ENTRY_TABLE)) != ENTRY_P", "(e & (ENTRY_P | ENTRY_LOCKED | ENTRY_TABLE)) != ENTRY_P")], "all", "all_template_make_mapped"),
    ("template_making_dropped", "who changes the file drops a template that is still being made", [
        ("mm/template.c", "\tif (template_usable(template))\t/* one that", "\tif (template > WANTED)\t/* one that")], "all", "all_template_make_reclaim deeper=1"),
    ("template_given_writable", "INV-P1: the upper entry above a template allows stores", [
        ("mm/template.c", "value = page_to_phys(template) | (UPPER_FLAGS & ~ENTRY_RW)", "value = page_to_phys(template) | UPPER_FLAGS")], "all", "all_template_give_copy"),
]

# For each test: some of each sort, by tests that take no more than a second.
QUICK = """table_child_writable table_share_pinned table_fast_pin_no_mark table_fast_pin_entry_only table_mark_moved_early table_copy_no_flush table_take_shared
table_put_empties table_put_two_steps template_not_dropped template_ref_unlocked""".split()
