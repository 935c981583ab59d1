/* The libc side of the hosted tests: see sys.h. */
#include "sys.h"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (256 << 10)

int host_main(const char *name);
void host_list(void);

static int arg_count;
static char **args;

void sys_printf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
}

int sys_vsnprintf(char *buf, size_t n, const char *fmt, va_list ap) { return vsnprintf(buf, n, fmt, ap); }

int sys_snprintf(char *buf, size_t n, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int r = vsnprintf(buf, n, fmt, ap);
	va_end(ap);
	return r;
}

/* ./cowslip coverage: _exit() forgets gcc's line counters. Of the processes of a test, one for each schedule, only the first write theirs: it takes a while. */
#define COUNTED_PROCESSES 100
void __gcov_dump(void) __attribute__((weak));
static int *counted;

__attribute__((constructor)) static void share_counted(void) { counted = __gcov_dump ? sys_shared(sizeof(*counted)) : NULL; }

void sys_exit(int status)
{
	fflush(stdout);
	if (counted && __atomic_fetch_add(counted, 1, __ATOMIC_RELAXED) < COUNTED_PROCESSES)
		__gcov_dump();
	_exit(status);
}

void sys_flush(void) { fflush(stdout); }
void sys_on_death(void (*fn)(void)) { __sanitizer_set_death_callback(fn); }

void *sys_map(size_t bytes)
{
	size_t align = 2 << 20;
	char *p = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return (void *)(((uintptr_t)p + align - 1) & ~(align - 1));
}

void *sys_calloc(size_t bytes) { return calloc(1, bytes); }
void sys_free(void *p) { free(p); }

unsigned long sys_option(const char *name, unsigned long def)
{
	size_t n = strlen(name);
	for (int i = 0; i < arg_count; i++)
		if (!strncmp(args[i], name, n) && args[i][n] == '=')
			return strtoul(args[i] + n + 1, NULL, 0);
	return def;
}

const char *sys_option_text(const char *name)
{
	size_t n = strlen(name);
	for (int i = 0; i < arg_count; i++)
		if (!strncmp(args[i], name, n) && args[i][n] == '=')
			return args[i] + n + 1;
	return NULL;
}

void *sys_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		abort();
	return p;
}

int sys_fork(void)
{
	fflush(stdout);
	int pid = fork();
	if (pid < 0)
		abort();
	return pid;
}

int sys_wait(void)
{
	int status = -1;
	wait(&status);
	return status;
}

double sys_seconds(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void sys_poison(const void *p, size_t n, int on)
{
	if (on)
		ASAN_POISON_MEMORY_REGION(p, n);
	else
		ASAN_UNPOISON_MEMORY_REGION(p, n);
}

struct fiber {
	void *sp;			/* where its registers lie while it does not run */
	char *stack;
	size_t stack_size;
	const void *asan_bottom;
	size_t asan_size;
	void *fake_stack;
	void (*fn)(void *);
	void *arg;
};
static struct fiber main_fiber;
static struct fiber *came_from;

static void landed(struct fiber *f)
{
	const void *bottom;
	size_t size;
	__sanitizer_finish_switch_fiber(f->fake_stack, &bottom, &size);
	if (came_from == &main_fiber) {
		main_fiber.asan_bottom = bottom;
		main_fiber.asan_size = size;
	}
}

/* Save the callee-saved registers and the stack pointer, take the other's. (ucontext would make two system calls each time.) */
void stack_switch(void **save, void *load);
__asm__(".text\n.globl stack_switch\nstack_switch:\n"
	"push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
	"mov %rsp, (%rdi)\nmov %rsi, %rsp\n"
	"pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
	".section .note.GNU-stack,\"\",@progbits\n.text\n");

static struct fiber *starting;
static void start(void)
{
	struct fiber *f = starting;
	landed(f);
	f->fn(f->arg);
	abort();
}

struct fiber *fiber_main(void) { return &main_fiber; }

#define MAX_KEPT 8
static char *kept[MAX_KEPT];		/* stacks that nobody uses: a new one costs 64 page faults */
static unsigned nr_kept;

struct fiber *fiber_create(void (*fn)(void *), void *arg)
{
	struct fiber *f = calloc(1, sizeof(*f));
	f->stack = nr_kept ? kept[--nr_kept] : malloc(STACK_SIZE);
	f->stack_size = STACK_SIZE;
	f->asan_bottom = f->stack;
	f->asan_size = STACK_SIZE;
	f->fn = fn;
	f->arg = arg;
	void **top = (void **)(f->stack + STACK_SIZE - 64);
	*--top = NULL;				/* start() sees a stack as after a call */
	*--top = (void *)start;
	f->sp = top - 6;
	memset(f->sp, 0, 48);
	return f;
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	came_from = from;
	__sanitizer_start_switch_fiber(&from->fake_stack, to->asan_bottom, to->asan_size);
	starting = to;
	stack_switch(&from->sp, to->sp);
	landed(from);
}

void fiber_free(struct fiber *f)
{
	ASAN_UNPOISON_MEMORY_REGION(f->stack, f->stack_size);
	if (nr_kept < MAX_KEPT)
		kept[nr_kept++] = f->stack;
	else
		free(f->stack);
	free(f);
}

int main(int argc, char **argv)
{
	/* The same addresses each time: choices= and seed= then mean the same schedule in another process (hashes of addresses...). */
	int now = personality(0xffffffff);
	if (now >= 0 && !(now & ADDR_NO_RANDOMIZE) && personality(now | ADDR_NO_RANDOMIZE) >= 0)
		execv("/proc/self/exe", argv);
	if (argc < 2 || !strcmp(argv[1], "list")) {
		host_list();
		return 0;
	}
	arg_count = argc - 2;
	args = argv + 2;
	setvbuf(stdout, NULL, _IOLBF, 0);
	return host_main(argv[1]);
}
