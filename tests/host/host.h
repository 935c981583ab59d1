/*
 * The hosted tests' view of the world: the kernel's own mm/ compiled for the host, on top of
 *   sched.c  tasks and CPUs on a cooperative scheduler; explore.c who runs next: random, PCT, or every schedule
 *   locks.c  locks that check themselves; tso.c store buffers; report.c what a failure prints
 *   mmu.c    the arena of frames, page walks, a TLB that keeps every translation until it is flushed
 *   disk.c   files: an address_space over an array of bytes, with asynchronous I/O and injected errors; swapdisk.c a swap area; ioqueue.c the I/O of both
 *   check.c  recounts who holds which frame and table, and compares with the ownership words
 *   proc.c   processes: an mm, user loads and stores
 *
 * A test is TEST(name) { ... } in a test_*.c file; its body runs as a task. `mmtest NAME [option=value]`.
 */
#pragma once

#include "drivers/block.h"
#include "fs/vfs.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/task.h"
#include "mm/gup.h"
#include "mm/mm.h"
#include "mm/page.h"
#include "mm/pagecache.h"
#include "mm/slab.h"
#include "tests/host/sys.h"

struct test {
	const char *name;
	const char *what;
	void (*run)(void);
	struct test *next;
};
void test_register(struct test *t);
#define TEST(id, text) \
	static void test_##id(void); \
	static struct test test_entry_##id = { #id, text, test_##id, NULL }; \
	static __attribute__((constructor)) void test_ctor_##id(void) { test_register(&test_entry_##id); } \
	static void test_##id(void)

/* A failed test: message, schedule, exit 1. */
_Noreturn void host_fail(const char *fmt, ...) __printf(1, 2);
#define CHECK(cond) do { if (!(cond)) host_fail("%s:%d: %s", __FILE__, __LINE__, #cond); } while (0)
#define CHECK_EQ(a, b) do { long long a_ = (long long)(a), b_ = (long long)(b); \
	if (a_ != b_) host_fail("%s:%d: %s = %lld (0x%llx), want %s = %lld (0x%llx)", __FILE__, __LINE__, #a, a_, a_, #b, b_, b_); } while (0)

/* --- sched.c --- */
void host_boot(unsigned megabytes);		/* RAM, allocator, slabs; once per process */
struct task *host_spawn(const char *name, struct mm *mm, void (*fn)(void *), void *arg);
void host_join(struct task *t);			/* wait until it has ended */
void host_spawn_daemon(const char *name, void (*fn)(void *), void *arg);
void host_kill(struct task *t);			/* a fatal signal */
void host_revive(void);			/* the current task: the fatal signal is forgotten */
/* From now on switch at random at preemption points, one in `rate`; rate 0: only when a task sleeps. */
void host_explore(u64 seed, unsigned rate);
void host_preempt(const char *where);
extern bool host_tso;				/* stores by WRITE_ONCE and atomic_set may be seen late (tso.c) */
u32 host_random(u32 below);			/* the test's own stream */
void host_seed(u64 seed);
bool host_log_contains(const char *text);
void host_log_clear(void);
extern void (*host_on_deadlock)(void);		/* called instead of failing; must not return */
extern unsigned long host_preemptions;		/* points passed */
extern bool host_lenient_faults;		/* do not insist on INV-T5 */
void host_set_mm(struct mm *mm);		/* the current task's, loaded on its CPU; NULL: as a kernel thread */
void host_run_on(int cpu);			/* the current task moves there; nobody runs there */

/* --- explore.c --- */
/* Tasks that run together; setup before and finish (with checks) after each schedule. */
struct scenario {
	void (*setup)(void), (*finish)(void);
	struct mm **mm;				/* *mm after setup is the tasks' address space; or NULL */
	void (*fn[4])(void *);			/* up to the first NULL */
	unsigned rate;				/* random: switch at one point of this many; 0: varies with the seed */
	bool pct;				/* every other seed by PCT */
	/* Exhaustive: is the running task at a point, before it uses `object` (or NULL), that is like another one, where a preemption is tried? Called at each. */
	bool (*like_another)(const void *object);
};
/* Options of both: seed=N or choices=... one schedule again. A failure prints them. */
void explore_random(const struct scenario *s, unsigned schedules);	/* options: schedules=, from= (the first seed) */
/* Every schedule with at most `bound` preemptions. Options: bound=, deeper=, limit= (of schedules), random=N (so many random ones instead). */
void explore_exhaustive(const struct scenario *s, unsigned bound);
extern unsigned long host_schedules;
/* All schedules with at most k preemptions of the tasks that follow. */
#define ALL(id, k, text, before, after, space, ...) \
	TEST(all_##id, text) \
	{ \
		explore_exhaustive(&(struct scenario){ .setup = before, .finish = after, .mm = space, .pct = true, .fn = { __VA_ARGS__ } }, k); \
	}

/* --- mmu.c --- */
/* An access by the program of the current task: 0, or the signal it gets (then host_fault_code() and _address()). */
int user_access(vaddr_t va, void *buf, size_t n, bool write);
int user_load(vaddr_t va, u64 *value);		/* 8 bytes */
int user_store(vaddr_t va, u64 value);
int user_exec(vaddr_t va);
int host_fault_code(void);
vaddr_t host_fault_address(void);
static inline u64 must_load(vaddr_t va) { u64 v = 0; CHECK_EQ(user_load(va, &v), 0); return v; }
static inline void must_store(vaddr_t va, u64 v) { CHECK_EQ(user_store(va, v), 0); }
extern unsigned long host_page_faults, host_tlb_flushes;
extern bool host_speculates;			/* a load of CR3 fetches a translation nobody asked for */
void tlb_check(bool quiet);			/* on no CPU a translation of a free frame; quiet: none that the tables would not give */

/* --- ioqueue.c --- */
struct io {				/* a request: page, write and fail are the device's to set */
	struct list_head node;
	struct page *page;		/* read to, or written; NULL: a device that looks after its memory itself (write is false then) */
	u64 checksum;			/* of what is written */
	bool write, fail;
};
struct io_queue {			/* of a device: IO_QUEUE */
	const char *name;		/* of the task that completes */
	void (*complete)(struct io *);	/* may free it */
	struct list_head requests;
	struct wait_queue wait;
	unsigned queued, pending;	/* pending: until complete() has returned */
	bool started;
};
#define IO_QUEUE(var, task, fn) { .name = task, .complete = fn, .requests = LIST_INIT((var).requests), .wait = WAIT_QUEUE_INIT((var).wait) }
void io_submit(struct io_queue *q, struct io *r);
bool io_changed(const struct io *r);		/* what is written is not what it was */

/* --- disk.c --- */
struct hfile {
	struct inode inode;		/* comes first: the mapping's owner is either */
	struct block_device device;	/* its blocks, for direct I/O: sector 0 is the file's first */
	struct list_head node;
	char name[16];
	u8 *disk;				/* contents of the blocks */
	u8 *block_state;			/* per page: 0 hole, 1 allocated */
	u64 disk_pages;
	int refs;				/* VMAs, waits */
	unsigned reads, writes, reserves;	/* counted */
	int fail_read, fail_write, fail_reserve;	/* the n-th from now on fails (1 = next) */
	int refuse_writes, refusal;		/* so many writes do not even begin, with this error */
};
extern struct list_head hfiles;
struct hfile *hfile_create(const char *name, u64 max_bytes, const void *data, u64 size);
void hfile_destroy(struct hfile *f);
void hfile_reset(struct hfile *f, const void *data, u64 size);	/* as if made anew: nothing cached, blocks for the data alone */
ssize_t hfile_direct_map(struct inode *inode, loff_t pos, size_t n, struct direct_place *place);	/* for struct file_ops */
ssize_t hfile_pwrite_user(struct hfile *f, vaddr_t va, size_t n, loff_t pos);
ssize_t hfile_pread_user(struct hfile *f, vaddr_t va, size_t n, loff_t pos);
ssize_t hfile_pwrite(struct hfile *f, const void *buf, size_t n, loff_t pos);	/* kernel buffers */
ssize_t hfile_pread(struct hfile *f, void *buf, size_t n, loff_t pos);
ssize_t hfile_writev_user(struct hfile *f, const struct iovec *iov, unsigned nr, loff_t pos);
int hfile_truncate(struct hfile *f, loff_t size);
int hfile_punch(struct hfile *f, loff_t start, loff_t end);	/* as fs/fallocate.c does */
void hfile_free_blocks(struct hfile *f, u64 first, u64 last);	/* their contents become garbage */
int hfile_sync(struct hfile *f);
long hfile_mmap(struct hfile *f, vaddr_t addr, u64 len, u64 prot, u64 flags, u64 pgoff);
void hfile_drop_cache(struct hfile *f);		/* write back, then forget every page */
unsigned disk_pending(void);

/* --- swapdisk.c --- */
#define HOST_SWAP_SLOTS 24
void swap_disk_on(u64 last);			/* an area of so many slots, at most HOST_SWAP_SLOTS; number 3 is bad */
void swap_disk_off(void);
extern u8 swap_disk[(HOST_SWAP_SLOTS + 1) * PAGE_SIZE];
extern const struct swap_device_ops swap_disk_ops;
unsigned swap_disk_pending(void);		/* requests */
extern int swap_disk_fail_write, swap_disk_fail_read;	/* the n-th from now on fails; writes from then on */

/* --- check.c --- */
void check_all(void);				/* at a quiet moment: own words, tables, entries, TLB */
void check_leaks_begin(void);			/* remembers the free frames */
void check_leaks_end(void);			/* everything is back */
void pin_note(struct page *page, int xpins, int rpins);	/* what the test itself pinned (or -1 to forget one) */

/* --- proc.c --- */
struct mm *proc_create(void);			/* a process's memory; current runs it */
struct mm *proc_fork(void);			/* copy of the current one's */
void proc_exit(struct mm *mm);
void proc_run(struct mm *mm);			/* the current task changes to it */
extern struct mm *proc_all[16];
long map_anon(vaddr_t addr, u64 len, u64 prot, u64 flags);
