/*
 * A QEMU plugin that counts the guest's instructions by call path: ./cowslip profile (tools/profiling.py) builds and loads it.
 *
 * Arguments: symbols=FILE out=FILE [program=ELF] [after=FUNCTION] [entry=ADDRESS]
 * FILE of symbols: "hexadecimal-address name" per line, sorted; kernel functions above 2^63, the program's below. Addresses in the lower half whose
 * bytes are not the program's own get the name [other].
 * Counting starts when a function `after` has been entered and then, if given, the instruction at `entry` is executed (without: any below 2^63).
 * It ends in power_off(): how long that takes is QEMU's and the host's matter.
 * At the end, out gets a line per call path: own instructions, calls, and the functions from the outermost on, separated by `;`.
 *
 * The path is followed by what the processor does, not by frame pointers: a call pushes, and the address that it wrote its return address to is kept;
 * a return pops every frame at or below the address that it read. An instruction of another function without a call is a jump (the frame's function
 * changes) or an interrupt (entry from trap_stubs: a frame that IRETQ removes). The kernel's frames lie on the user's that called them. switch_to()'s
 * return reads the address that its call, earlier, wrote: that tells which of the kept paths goes on.
 *
 * The declarations stand for qemu-plugin.h, which Debian does not install. One processor.
 */
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- of QEMU's plugin interface: what is used here, alike in versions 1 to 5 but for insn_data --- */
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
typedef void (*tb_trans_cb)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*insn_cb)(unsigned cpu, void *data);
typedef void (*mem_cb)(unsigned cpu, qemu_plugin_meminfo_t, uint64_t address, void *data);
typedef void (*exit_cb)(qemu_plugin_id_t, void *);
enum { NO_REGISTERS = 0, MEM_READ_WRITE = 3 };	/* QEMU 7.2 takes loads alone for stores */
extern void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, tb_trans_cb);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, insn_cb, int flags, void *);
extern void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, mem_cb, int flags, int rw, void *);
extern void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, exit_cb, void *);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
extern size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);
#if PLUGIN_VERSION >= 3
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
#else
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#endif
__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_VERSION;

enum kind { PLAIN, CALL, RET, IRET };
#define NO_SP UINT64_MAX	/* of a frame that no call made: only leaving its privilege, or IRETQ, removes it */

struct insn {			/* one for each translated instruction and address */
	uint64_t address;
	uint32_t function;
	uint8_t kind;
	bool kernel, start;	/* start: the function's first */
};

struct node {			/* a call path: its last function, and the path before it */
	uint32_t function;
	uint64_t own, calls;
	struct node *parent, *children, *sibling;
};

struct frame {
	uint64_t sp;
	struct node *node;
	bool kernel, interrupt;
};

struct path {			/* of the running task, or of one that switched away */
	uint64_t key;		/* where its switch_to() will read its return address */
	int depth;
	struct frame frames[512];
	struct path *next;
};

static struct { uint64_t address; char *name; } *symbols;
static uint32_t nr_symbols, other_function, after_function, switch_function, stub_function, end_function;
static uint64_t entry_address;
static bool counting, armed = true, over;
static struct node root;
static struct path *running, *kept;
static bool was_kernel, call_pending, iret_pending;
static uint64_t call_sp;
static uint8_t *program;
static size_t program_size;
static const char *out_name;

/* --- call paths --- */

static struct node *child(struct node *parent, uint32_t function)
{
	struct node **link = &parent->children, *n;

	for (; (n = *link); link = &n->sibling)
		if (n->function == function) {	/* to the front: loops find it at once */
			*link = n->sibling;
			break;
		}
	if (!n) {
		n = calloc(1, sizeof(*n));
		n->function = function;
		n->parent = parent;
	}
	n->sibling = parent->children;
	parent->children = n;
	return n;
}

static struct frame *top(void) { return running->depth ? &running->frames[running->depth - 1] : NULL; }

static void push(uint32_t function, uint64_t sp, bool kernel, bool interrupt)
{
	struct node *parent = running->depth ? top()->node : &root;

	if (running->depth == 512)		/* runaway recursion: its end is seen, its depth is not */
		running->depth--;
	struct frame *f = &running->frames[running->depth++];
	*f = (struct frame){ sp, child(parent, function), kernel, interrupt };
	f->node->calls += counting;
}

static void returned(uint64_t sp, bool kernel)
{
	while (running->depth && top()->kernel == kernel && top()->sp <= sp)
		running->depth--;
}

/* The return of switch_to(): the path that was left at this address goes on, or a new task begins. */
static void switched(uint64_t sp)
{
	struct path **link = &kept, *p;

	for (struct frame *f = top(); f >= running->frames; f--)	/* its own call's frame names this path */
		if (f->node->function == switch_function) {
			running->key = f->sp;
			break;
		}
	for (; (p = *link) && p->key != sp; link = &p->next)
		;
	if (p)
		*link = p->next;
	else
		p = calloc(1, sizeof(*p));
	running->next = kept;
	kept = running;
	running = p;
}

/* --- called while the guest runs --- */

static void on_call(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	(void)cpu, (void)info, (void)data;
	call_pending = true;
	call_sp = address;	/* of a call through memory, the second access: the push */
}

static void on_return(unsigned cpu, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
	const struct insn *i = data;

	(void)cpu, (void)info;
	if (i->function == switch_function && i->kernel)
		switched(address);
	returned(address, i->kernel);
}

/* To user mode, elsewhere than where it was left: a signal's handler begins, on top of what it interrupted, or it is over. */
static bool signalled(const struct insn *i)
{
	int k = running->depth;

	if (i->start) {
		push(i->function, NO_SP, false, false);
		return true;
	}
	while (k && !running->frames[k - 1].kernel && running->frames[k - 1].node->function != i->function)
		k--;
	if (!k || running->frames[k - 1].kernel)
		return false;
	running->depth = k;
	return true;
}

/* The path does not end in the instruction's function: why? */
static void changed(const struct insn *i)
{
	struct frame *f = top();

	if (iret_pending && i->kernel)
		while (running->depth && (f = &running->frames[--running->depth], !f->interrupt))
			;
	if (!i->kernel)
		while (running->depth && top()->kernel)
			running->depth--;
	f = top();
	if (!f || f->kernel != i->kernel)
		push(i->function, NO_SP, i->kernel, false);
	else if (f->node->function == i->function || (!i->kernel && was_kernel && signalled(i)))
		;
	else if (i->kernel && !iret_pending && i->function == stub_function)
		push(i->function, NO_SP, true, true);
	else {
		f->node = child(f->node->parent, i->function);
		f->node->calls += counting && i->start;
	}
}

static void on_insn(unsigned cpu, void *data)
{
	const struct insn *i = data;
	struct frame *f;

	(void)cpu;
	if (__builtin_expect(!counting, 0) && !over) {
		if (!armed)
			armed = i->kernel && i->function == after_function;
		else if (!entry_address || i->address == entry_address)
			counting = entry_address || !i->kernel;
	}
	if (call_pending) {	/* an interrupt may come first: then the callee's name follows when it is over */
		bool first = i->kernel == was_kernel && !(i->kernel && i->function == stub_function);
		call_pending = false;
		push(first ? i->function : top()->node->function, call_sp, was_kernel, false);
	}
	f = top();
	if (__builtin_expect(!f || f->node->function != i->function || i->kernel != was_kernel || iret_pending, 0))
		changed(i);
	if (__builtin_expect(i->function == end_function, 0)) {
		over = true;
		counting = false;
	}
	was_kernel = i->kernel;
	iret_pending = i->kind == IRET;
	top()->node->own += counting;
}

/* --- translation --- */

static uint32_t function_of(uint64_t address)
{
	uint32_t low = 0, high = nr_symbols;

	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (symbols[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* Are these bytes the program's, at that address? */
static bool of_program(uint64_t address, const uint8_t *bytes, size_t size)
{
	const Elf64_Ehdr *h = (void *)program;
	const Elf64_Phdr *p = (void *)(program + h->e_phoff);

	for (int i = 0; i < h->e_phnum; i++, p++)
		if (p->p_type == PT_LOAD && address >= p->p_vaddr && address + size <= p->p_vaddr + p->p_filesz)
			return !memcmp(program + p->p_offset + (address - p->p_vaddr), bytes, size);
	return false;
}

static enum kind kind_of(const uint8_t *b, size_t n)
{
	static const char prefixes[] = "\x66\xf2\xf3\x2e\x3e\x26\x36\x64\x65\x67";

	while (n > 1 && (memchr(prefixes, *b, sizeof(prefixes) - 1) || (*b & 0xf0) == 0x40))
		b++, n--;
	if (*b == 0xe8 || (*b == 0xff && n > 1 && (b[1] >> 3 & 7) == 2))
		return CALL;
	return *b == 0xc3 || *b == 0xc2 ? RET : *b == 0xcf ? IRET : PLAIN;
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	for (size_t k = 0; k < n; k++) {
		struct qemu_plugin_insn *q = qemu_plugin_tb_get_insn(tb, k);
		struct insn *i = calloc(1, sizeof(*i));		/* never freed: QEMU does not say when it forgets a translation */
		size_t size = qemu_plugin_insn_size(q);
		uint8_t bytes[16] = { 0 };
#if PLUGIN_VERSION >= 3
		qemu_plugin_insn_data(q, bytes, size < 16 ? size : 16);
#else
		memcpy(bytes, qemu_plugin_insn_data(q), size < 16 ? size : 16);
#endif
		i->address = qemu_plugin_insn_vaddr(q);
		i->kernel = i->address >> 63;
		i->function = function_of(i->address);
		if (!i->kernel && program && !of_program(i->address, bytes, size))
			i->function = other_function;
		i->start = i->function != other_function && symbols[i->function].address == i->address;
		i->kind = kind_of(bytes, size);
		qemu_plugin_register_vcpu_insn_exec_cb(q, on_insn, NO_REGISTERS, i);
		if (i->kind == CALL)
			qemu_plugin_register_vcpu_mem_cb(q, on_call, NO_REGISTERS, MEM_READ_WRITE, i);
		else if (i->kind == RET)
			qemu_plugin_register_vcpu_mem_cb(q, on_return, NO_REGISTERS, MEM_READ_WRITE, i);
	}
}

/* --- start and end --- */

static void print_path(FILE *f, const struct node *n)
{
	if (n->parent != &root) {
		print_path(f, n->parent);
		fputc(';', f);
	}
	fputs(symbols[n->function].name, f);
}

static void print_tree(FILE *f, const struct node *n)
{
	if (n != &root && (n->own || n->calls)) {
		fprintf(f, "%llu %llu ", (unsigned long long)n->own, (unsigned long long)n->calls);
		print_path(f, n);
		fputc('\n', f);
	}
	for (n = n->children; n; n = n->sibling)
		print_tree(f, n);
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
	FILE *f = fopen(out_name, "w");

	(void)id, (void)data;
	if (f) {
		print_tree(f, &root);
		fclose(f);
	}
}

static bool read_symbols(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long long address;
	char name[512];

	symbols = malloc(sizeof(*symbols));
	while (f && fscanf(f, "%llx %511s", &address, name) == 2) {
		symbols = realloc(symbols, (nr_symbols + 2) * sizeof(*symbols));
		symbols[nr_symbols].address = address;
		symbols[nr_symbols++].name = strdup(name);
	}
	other_function = nr_symbols;
	symbols[other_function].address = 1;
	symbols[other_function].name = "[other]";
	if (f)
		fclose(f);
	return nr_symbols > 0;
}

static uint32_t find(const char *name)
{
	for (uint32_t i = 0; i < nr_symbols; i++)
		if (symbols[i].address >> 63 && !strcmp(symbols[i].name, name))
			return i;
	return UINT32_MAX;
}

static void read_program(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		return;
	fseek(f, 0, SEEK_END);
	program_size = (size_t)ftell(f);
	rewind(f);
	program = malloc(program_size + sizeof(Elf64_Ehdr));
	if (fread(program, 1, program_size, f) != program_size)
		program = NULL;
	fclose(f);
}

__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv)
{
	const char *after = NULL;

	(void)info;
	for (int k = 0; k < argc; k++) {
		char *value = strchr(argv[k], '=');
		if (!value++)
			return -1;
		if (!strncmp(argv[k], "symbols=", 8) && !read_symbols(value))
			return -1;
		else if (!strncmp(argv[k], "out=", 4))
			out_name = strdup(value);
		else if (!strncmp(argv[k], "program=", 8))
			read_program(value);
		else if (!strncmp(argv[k], "after=", 6))
			after = value;
		else if (!strncmp(argv[k], "entry=", 6))
			entry_address = strtoull(value, NULL, 16);
	}
	if (!symbols || !out_name)
		return -1;
	if (after) {
		after_function = find(after);
		armed = false;
		if (after_function == UINT32_MAX)
			return -1;
	}
	switch_function = find("switch_to");
	stub_function = find("trap_stubs");
	end_function = find("power_off");
	running = calloc(1, sizeof(*running));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
