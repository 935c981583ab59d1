/*
 * Names and pipes in every schedule with a bounded number of preemptions: the kernel's fs/ (walks, the name cache, rename, tmpfs, pipes) on the
 * hosted machine.
 */
#include "host.h"

#include "fs/internal.h"
#include "fs/pipe.h"
#include "fs/syscalls.h"
#include "fs/tmpfs.h"

#define TEXTS 0x30000000UL	/* user memory for names: each task has a page */

static struct fs_context *context;
static struct mm *mm;

/* --- calls --- */

/* The name in user memory of the current task, at its page's half number `which`. */
static const char __user *user_text(const char *text, unsigned which)
{
	vaddr_t va = TEXTS + (current->tid % 16) * PAGE_SIZE + which * 2048;
	CHECK_EQ(user_access(va, (void *)text, strlen(text) + 1, true), 0);
	return (const char __user *)va;
}
static long rename_names(const char *from, const char *to, unsigned flags)
{
	return sys_renameat2(AT_FDCWD, user_text(from, 0), AT_FDCWD, user_text(to, 1), flags);
}
/* The inode's number, or a negative errno. */
static long find(const char *name)
{
	struct path path;
	int error = path_lookup(name, 0, &path);
	if (error)
		return error;
	long ino = (long)path.dentry->inode->ino;
	path_put(&path);
	return ino;
}
static void enter(void)
{
	atomic_inc(&context->refs);
	current->fs = context;
}
static void make(const char *name, u32 mode)
{
	CHECK_EQ(S_ISDIR(mode) ? sys_mkdir(user_text(name, 0), mode & 0777) : sys_mknodat(AT_FDCWD, user_text(name, 0), mode, 0), 0);
}

/* --- a tree: /a/x, /a/y, /a/c/, /b/e/, /d/ --- */
static long ino_x, ino_y;

static void boot_fs(void)
{
	static bool booted;
	if (booted)
		return;
	booted = true;
	inode_cache_init();
	dcache_init();
	tmpfs_init();
	CHECK_EQ(mount_root("tmpfs", "none"), 0);
	context = fs_context_create();
}
static void setup_tree(void)
{
	mm = proc_create();
	CHECK_EQ(map_anon(TEXTS, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED), TEXTS);
	boot_fs();
	enter();
	make("/a", S_IFDIR | 0755);
	make("/b", S_IFDIR | 0755);
	make("/d", S_IFDIR | 0755);
	make("/a/c", S_IFDIR | 0755);
	make("/b/e", S_IFDIR | 0755);
	make("/a/x", S_IFREG | 0644);
	make("/a/y", S_IFREG | 0644);
	ino_x = find("/a/x");
	ino_y = find("/a/y");
	CHECK(ino_x > 0 && ino_y > 0 && ino_x != ino_y);
}
/* Remove everything; then no inode may be left but the root. */
static void finish_tree(void)
{
	static const char *const files[] = { "/a/x", "/a/y", "/b/x", "/b/y", "/d/x" };
	static const char *const dirs[] = { "/a/c/e", "/b/e/c", "/a/c", "/b/e", "/d", "/a", "/b" };
	unsigned found = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		found += find(files[i]) > 0;
	CHECK(found <= 3);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
		if (find(files[i]) > 0)
			CHECK_EQ(sys_unlinkat(AT_FDCWD, user_text(files[i], 0), 0), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++)
		if (find(dirs[i]) > 0)
			CHECK_EQ(sys_rmdir(user_text(dirs[i], 0)), 0);
	dcache_drop_super(root_mount->sb);
	struct inode *inode;
	unsigned left = 0;
	list_for_each(inode, &root_mount->sb->inodes, sb_node)
		left++;
	CHECK_EQ(left, 1);
	proc_exit(mm);
}

/* --- rename against lookup --- */
static void move_x(void *arg)
{
	enter();
	CHECK_EQ(rename_names("/a/x", "/b/x", 0), 0);
}
static void look_for_x(void *arg)
{
	enter();
	long from = find("/a/x");
	CHECK(from == ino_x || from == -ENOENT);
	long to = find("/b/x");
	CHECK(to == ino_x || (to == -ENOENT && from == ino_x));
	if (to == ino_x)
		CHECK_EQ(find("/a/x"), -ENOENT);
}
static void replace_y(void *arg)
{
	enter();
	CHECK_EQ(rename_names("/a/x", "/a/y", 0), 0);
}
static void look_for_y(void *arg)
{
	enter();
	long first = find("/a/y"), second = find("/a/y");
	CHECK(first == ino_x || first == ino_y);
	CHECK(second == ino_x || (second == ino_y && first == ino_y));
}
static void exchange(void *arg)
{
	enter();
	CHECK_EQ(rename_names("/a/x", "/a/y", RENAME_EXCHANGE), 0);
}
static void look_for_both(void *arg)
{
	enter();
	long x = find("/a/x"), y = find("/a/y");
	CHECK(x > 0 && y > 0);
}

/* --- two renames --- */
static long into_b, into_a;
static void c_into_e(void *arg)
{
	enter();
	into_b = rename_names("/a/c", "/b/e/c", 0);
}
static void e_into_c(void *arg)
{
	enter();
	into_a = rename_names("/b/e", "/a/c/e", 0);
}
static void finish_into(void)
{
	/* One is inside the other, the loser's way led through what had moved. */
	CHECK((into_b == 0) != (into_a == 0));
	long lost = into_b ? into_b : into_a;
	CHECK(lost == -ENOENT || lost == -EINVAL);
	CHECK(find(into_a ? "/b/e/c" : "/a/c/e") > 0);
	finish_tree();
}
static long moved_x, removed_x;
static void unlink_x(void *arg)
{
	enter();
	removed_x = sys_unlinkat(AT_FDCWD, user_text("/a/x", 0), 0);
}
static void try_move_x(void *arg)
{
	enter();
	moved_x = rename_names("/a/x", "/b/x", 0);
}
static void finish_unlink(void)
{
	CHECK((moved_x == 0) != (removed_x == 0));
	CHECK_EQ(moved_x ? moved_x : removed_x, -ENOENT);
	finish_tree();
}

/* --- names that are not cached, and names that leave the cache --- */
static void setup_uncached(void)
{
	setup_tree();
	dcache_drop_super(root_mount->sb);
}
static void look_once(void *arg)
{
	enter();
	long ino = find("/a/x");
	CHECK(ino == ino_x || ino == -ENOENT);
}
/* Whoever looked meanwhile has left nothing behind in the cache. */
static void finish_moved(void)
{
	CHECK_EQ(find("/a/x"), -ENOENT);
	CHECK_EQ(find("/b/x"), ino_x);
	finish_tree();
}
static void finish_gone(void)
{
	CHECK(removed_x == 0);
	CHECK_EQ(find("/a/x"), -ENOENT);
	finish_tree();
}

/* --- making a name in a directory that goes away --- */
static long made, gone;
static void make_in_d(void *arg)
{
	enter();
	made = sys_mknodat(AT_FDCWD, user_text("/d/x", 0), S_IFREG | 0644, 0);
}
static void remove_d(void *arg)
{
	enter();
	gone = sys_rmdir(user_text("/d", 0));
}
static void finish_rmdir(void)
{
	CHECK((made == 0 && gone == -ENOTEMPTY) || (made == -ENOENT && gone == 0));
	finish_tree();
}

/* --- pipes --- */
#define MUCH (17 * PAGE_SIZE + 5)	/* more than a pipe holds */
static struct inode fifo;
static struct super_block fifo_sb;
static size_t to_write;
static u8 bytes[MUCH];

static void setup_small(void)
{
	memset(&fifo, 0, sizeof(fifo));
	fifo.mode = S_IFIFO | 0600;
	fifo.sb = &fifo_sb;
	to_write = 3;
	for (unsigned i = 0; i < MUCH; i++)
		bytes[i] = (u8)(i * 7 + i / PAGE_SIZE);
}
static void setup_much(void)
{
	setup_small();
	to_write = MUCH;
}
static void finish_pipe(void)
{
	host_revive();
	pipe_inode_free(&fifo);
}
static void end_open(struct file *file, u32 mode)
{
	*file = (struct file){ .inode = &fifo, .mode = mode, .ops = &fifo_file_ops };
	CHECK_EQ(fifo_file_ops.open(&fifo, file), 0);
}
static ssize_t transfer(struct file *file, void *buf, size_t n, bool write)
{
	struct iov_iter it;
	iter_init_kernel_buf(&it, buf, n);
	return write ? file->ops->write(file, &it, NULL) : file->ops->read(file, &it, NULL);
}
static void writes(void *arg)
{
	struct file file;
	end_open(&file, FMODE_WRITE);
	CHECK_EQ(transfer(&file, bytes, to_write, true), (ssize_t)to_write);
	fifo_file_ops.release(&file);
}
static void reads(void *arg)
{
	static u8 got[MUCH];
	struct file file;
	size_t n = 0;
	ssize_t k;
	end_open(&file, FMODE_READ);
	while ((k = transfer(&file, got + n, sizeof(got) - n, false)) > 0)
		n += (size_t)k;
	CHECK_EQ(k, 0);
	CHECK_EQ(n, to_write);
	CHECK(!memcmp(got, bytes, n));
	fifo_file_ops.release(&file);
}
static void reads_little(void *arg)
{
	u8 got[2];
	struct file file;
	end_open(&file, FMODE_READ);
	CHECK(transfer(&file, got, sizeof(got), false) >= 0);
	fifo_file_ops.release(&file);
}
static void writes_in_vain(void *arg)
{
	struct file file;
	end_open(&file, FMODE_WRITE);
	ssize_t n = transfer(&file, bytes, to_write, true);
	CHECK(n == -EPIPE || (n > 0 && n <= (ssize_t)to_write));
	fifo_file_ops.release(&file);
}

/* --- splice's work on pipes without their mutex --- */
static struct pipe *ring, *other;
static struct inode ring_inode;
static struct file ring_file;
static unsigned seen[16];		/* how often each byte was taken */

static struct pipe *open_pipe(void)
{
	struct pipe *p = pipe_alloc();
	CHECK(p);
	p->readers = p->writers = 1;
	return p;
}
static void setup_ring(void)
{
	memset(seen, 0, sizeof(seen));
	ring = open_pipe();
	other = open_pipe();
	ring_inode = (struct inode){ .mode = S_IFIFO | 0600, .private = ring };
	ring_file = (struct file){ .inode = &ring_inode, .mode = FMODE_READ | FMODE_WRITE, .ops = &fifo_file_ops };
	for (unsigned i = 0; i < MUCH; i++)
		bytes[i] = (u8)i;
}
static void write_ring(unsigned from, size_t n) { CHECK_EQ(transfer(&ring_file, bytes + from, n, true), (ssize_t)n); }
static ssize_t read_pipe(struct pipe *p, void *buf, size_t n)
{
	struct iov_iter it;
	iter_init_kernel_buf(&it, buf, n);
	return pipe_read_iter(p, &it, false);
}
static void finish_rings(void)
{
	host_revive();
	pipe_free(ring);
	pipe_free(other);
}
static void take(const u8 *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		seen[at[i]]++;
}

/* Seven bytes in two buffers; nobody will write more. */
static void setup_claim(void)
{
	setup_ring();
	write_ring(0, 4);
	ring->bufs[0].own = false;	/* for a moment, so that the rest does not join them */
	write_ring(4, 3);
	ring->bufs[0].own = true;
	ring->writers = 0;
}
static void claims(void *arg)
{
	struct pipe_buf bufs[2];
	int n;
	while ((n = pipe_claim(ring, false, bufs, 2)) > 0) {
		u8 *at = (u8 *)page_address(bufs[0].page) + bufs[0].offset, first = *at;
		CHECK(READ_ONCE(ring->claimed));
		take(at, 1);
		CHECK_EQ(first, *at);
		pipe_unclaim(ring, 1);
	}
	CHECK_EQ(n, 0);
}
static void reads_twos(void *arg)
{
	u8 got[2];
	ssize_t n;
	while ((n = read_pipe(ring, got, 2)) > 0)
		take(got, (size_t)n);
	CHECK_EQ(n, 0);
}
static void finish_claim(void)
{
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ(seen[i], i < 7);
	finish_rings();
}

/* A pipe of two buffers: one reserves a place and fills it later, one writes what needs both. */
static bool reserved;

static void setup_reserve(void)
{
	setup_ring();
	CHECK_EQ(pipe_set_size(&ring_file, 2 * PAGE_SIZE), 2 * PAGE_SIZE);
	ring_file.flags = O_NONBLOCK;
}
static void reserves(void *arg)
{
	struct pipe_buf b = { .page = page_alloc(0, 0), .len = 3, .own = true };
	int places = pipe_reserve(ring, 5, true);
	reserved = places > 0;
	CHECK(places == -EAGAIN || places == 1 || places == 2);
	if (reserved)
		CHECK_EQ(pipe_fill_reserved(ring, (unsigned)places, &b, 1), 0);
	else
		page_put(b.page);
}
static void writes_both(void *arg)
{
	ssize_t n = transfer(&ring_file, bytes, 2 * PAGE_SIZE, true);
	CHECK(n == -EAGAIN || n == PAGE_SIZE || n == 2 * PAGE_SIZE);
	CHECK(ring->head - ring->tail <= 2);
}
static void finish_reserve(void)
{
	unsigned threes = 0;
	for (u32 i = ring->tail; i != ring->head; i++)
		threes += pipe_slot(ring, i)->len == 3;
	CHECK_EQ(threes, reserved);
	CHECK(ring->head - ring->tail <= 2);
	CHECK_EQ(ring->limit, 2);
	finish_rings();
}

/* tee against a write that may append, and a reader: what was tee'd stays what it was. */
static void setup_tee(void)
{
	setup_ring();
	write_ring(0, 3);
}
static void tees(void *arg)
{
	u8 got[16];
	ssize_t k = pipe_to_pipe(ring, other, 100, true, true);
	CHECK(k == 3 || k == 5 || k == -EAGAIN || k == 2 || k == 1 || k == 4);
	if (k > 0) {
		CHECK_EQ(read_pipe(other, got, 16), k);
		for (ssize_t i = 1; i < k; i++)
			CHECK_EQ(got[i], (u8)(got[i - 1] + 1));
	}
}
static void appends(void *arg) { write_ring(3, 2); }
static void reads_one(void *arg)
{
	u8 got;
	CHECK_EQ(read_pipe(ring, &got, 1), 1);
	CHECK_EQ(got, 0);
}

/* The ring changes its size while it is written and read. */
static void setup_resize(void)
{
	setup_ring();
	ring->head = ring->tail = 15;	/* the next buffers lie at both ends of the array */
}
static void resizes(void *arg)
{
	long n = pipe_set_size(&ring_file, 2 * PAGE_SIZE);
	CHECK(n == 2 * PAGE_SIZE || n == -EBUSY);
	CHECK_EQ(pipe_set_size(&ring_file, 32 * PAGE_SIZE), 32 * PAGE_SIZE);
}
static void writes_reads(void *arg)
{
	static u8 got[3 * PAGE_SIZE];
	write_ring(0, PAGE_SIZE + 5);
	CHECK_EQ(read_pipe(ring, got, sizeof(got)), PAGE_SIZE + 5);
	CHECK(!memcmp(got, bytes, PAGE_SIZE + 5));
}

ALL(splice_claim, 1, "bytes that one has claimed, another reads: each is taken once", setup_claim, finish_claim, NULL, claims, reads_twos)
ALL(splice_reserve, 1, "a place is reserved while another writes: nobody else gets it", setup_reserve, finish_reserve, NULL, reserves, writes_both)
ALL(splice_tee, 1, "tee against a write that appends and a reader: what was tee'd is part of what was written", setup_tee, finish_rings, NULL, tees, appends, reads_one)
ALL(pipe_resize, 1, "a pipe changes its size while it is written and read", setup_resize, finish_rings, NULL, resizes, writes_reads)
ALL(rename_lookup, 1, "a file moves to another directory: who misses it there finds it here", setup_tree, finish_tree, &mm, move_x, look_for_x)
ALL(rename_replace, 1, "a file replaces another: the name is never missing", setup_tree, finish_tree, &mm, replace_y, look_for_y)
ALL(rename_exchange, 1, "two names change places: neither is ever missing", setup_tree, finish_tree, &mm, exchange, look_for_both)
ALL(rename_loop, 1, "a directory into another while that goes into the first: one fails, and the tree stays one", setup_tree, finish_into, &mm, c_into_e, e_into_c)
ALL(rename_unlink, 1, "unlink against rename: one of them finds the name gone", setup_tree, finish_unlink, &mm, unlink_x, try_move_x)
ALL(rename_uncached, 1, "a lookup that reads the directory against a rename: no name stays behind in the cache", setup_uncached, finish_moved, &mm, look_once, move_x)
ALL(unlink_lookup, 1, "the last references on a name go while it is removed: it is freed once", setup_tree, finish_gone, &mm, look_once, unlink_x)
ALL(rmdir_create, 1, "rmdir against making a name inside: no file in a directory that is gone", setup_tree, finish_rmdir, &mm, remove_d, make_in_d)
ALL(pipe_small, 1, "a writer and a reader of a FIFO: open waits, all bytes, the end", setup_small, finish_pipe, NULL, writes, reads)
ALL(pipe_much, 1, "the same with more than the pipe holds", setup_much, finish_pipe, NULL, writes, reads)
ALL(pipe_closed, 1, "the reader closes while the writer waits for room: EPIPE or a short count, never a hang", setup_much, finish_pipe, NULL, writes_in_vain, reads_little)
