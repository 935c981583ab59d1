/* The counters of mm/vmstat.h and their names. */
#include "mm/vmstat.h"

u64 vmstat_read(enum vmstat_item item)
{
	u64 sum = 0;

	for (int cpu = 0; cpu < nr_cpus_online; cpu++)
		sum += cpu_counted(cpu, item);
	return sum;
}

const char *const vmstat_names[NR_VMSTAT] = {
	[VM_PAGE_ALLOC] = "page_alloc", [VM_PAGE_FREE] = "page_free", [VM_ALLOC_FAIL] = "page_alloc_fail", [VM_KEPT_DRAIN] = "page_kept_drain",
	[VM_FAULT] = "pgfault", [VM_FAULT_MAJOR] = "pgmajfault",
	[VM_FAULT_ANON] = "fault_anon", [VM_FAULT_ZERO] = "fault_zero", [VM_FAULT_FILE] = "fault_file", [VM_FAULT_AROUND] = "fault_around", [VM_FAULT_AHEAD] = "fault_ahead", [VM_FAULT_BAD] = "fault_bad",
	[VM_FAULT_RETRY] = "fault_retry", [VM_FAULT_STACK] = "fault_stack",
	[VM_FIXUP] = "copy_fixup",
	[VM_COW_COPY] = "cow_copy", [VM_COW_REUSE] = "cow_reuse",
	[VM_FORK_SHARE] = "fork_share", [VM_FORK_COPY] = "fork_copy",
	[VM_PIN] = "pin", [VM_PIN_FAST] = "pin_fast", [VM_PIN_BREAK] = "pin_break",
	[VM_AIO] = "aio_requests",
	[VM_DIRECT_READ] = "direct_read", [VM_DIRECT_WRITE] = "direct_write", [VM_DIRECT_BUFFERED] = "direct_buffered", [VM_DIRECT_DETACH] = "direct_detach",
	[VM_SHORT_COPY] = "short_copy", [VM_PREFAULT] = "prefault", [VM_PINNED_COPY] = "pinned_copy",
	[VM_READ_FAULTING] = "read_faulting", [VM_READ_FILL] = "read_fill",
	[VM_LOAN_READ] = "loan_read", [VM_LOAN_WRITE] = "loan_write", [VM_LOAN_COPY] = "loan_copy",
	[VM_LOAN_AHEAD] = "loan_ahead",
	[VM_LOAN_SAME] = "loan_same", [VM_LOAN_REPLACED] = "loan_replaced", [VM_LOAN_PROTECT] = "loan_protect",
	[VM_WRITE_INPLACE] = "write_inplace", [VM_WRITE_SWAP] = "write_swap", [VM_WRITE_BREAK] = "write_break",
	[VM_CACHE_READ] = "cache_read", [VM_CACHE_READAHEAD] = "cache_readahead", [VM_CACHE_DIRTY] = "cache_dirty", [VM_PAGE_LOCK_WAIT] = "page_lock_wait",
	[VM_TRUNCATE_PAGE] = "truncate_page", [VM_RMAP_ZAP] = "rmap_zap", [VM_RMAP_PROTECT] = "rmap_protect",
	[VM_WRITEBACK] = "writeback", [VM_RECLAIM_SCAN] = "reclaim_scan", [VM_RECLAIM_ACTIVE] = "reclaim_active", [VM_RECLAIM_FREED] = "reclaim_freed",
	[VM_SWAP_SCAN] = "swap_scan", [VM_SWAP_ACTIVE] = "swap_active", [VM_SWAP_PINNED] = "swap_pinned",
	[VM_SWAP_OUT] = "pswpout", [VM_SWAP_IN] = "pswpin", [VM_SWAP_FAULT] = "swap_fault", [VM_SWAP_ERROR] = "swap_error",
	[VM_OOM_KILL] = "oom_kill",
	[VM_TLB_FLUSH_PAGE] = "tlb_flush_page", [VM_TLB_FLUSH_ALL] = "tlb_flush_all",
	[VM_TLB + TLB_COW] = "tlb_cow", [VM_TLB + TLB_FORK] = "tlb_fork", [VM_TLB + TLB_UNMAP] = "tlb_unmap",
	[VM_TLB + TLB_PROTECT] = "tlb_protect", [VM_TLB + TLB_MOVE] = "tlb_move", [VM_TLB + TLB_ZAP] = "tlb_zap", [VM_TLB + TLB_CLEAN] = "tlb_clean", [VM_TLB + TLB_SWAP] = "tlb_swap",
	[VM_TLB + TLB_LOAN] = "tlb_loan", [VM_TLB_CALL + TLB_LOAN] = "tlb_call_loan",
	[VM_TLB_CALL + TLB_COW] = "tlb_call_cow", [VM_TLB_CALL + TLB_FORK] = "tlb_call_fork", [VM_TLB_CALL + TLB_UNMAP] = "tlb_call_unmap",
	[VM_TLB_CALL + TLB_PROTECT] = "tlb_call_protect", [VM_TLB_CALL + TLB_MOVE] = "tlb_call_move", [VM_TLB_CALL + TLB_ZAP] = "tlb_call_zap", [VM_TLB_CALL + TLB_CLEAN] = "tlb_call_clean", [VM_TLB_CALL + TLB_SWAP] = "tlb_call_swap",
	[VM_SPLICE_SHARE] = "splice_share", [VM_SPLICE_COPY] = "splice_copy", [VM_SPLICE_GIVE] = "splice_give",
	[VM_SHM_ATTACH] = "shm_attach", [VM_SHM_DETACH] = "shm_detach",
	[VM_TABLE_ALLOC] = "table_alloc", [VM_TABLE_FREE] = "table_free",
	[VM_TABLE_SHARE] = "table_share", [VM_TABLE_TAKE] = "table_take", [VM_TABLE_COPY] = "table_copy",
	[VM_TABLE_TEMPLATE] = "table_template", [VM_TABLE_ATTACH] = "table_attach",
	[VM_KSTACK_UNMAP] = "kstack_unmap",
	[VM_HANG] = "hang",
};
