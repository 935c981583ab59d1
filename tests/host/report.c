/* The hosted tests' log, what is printed of a failure, and the list of tests. */
#include "sched.h"

#include "kernel/cmdline.h"

#define TRACE 120
static struct { const char *task, *where; } trace[TRACE];
static unsigned trace_next;
static char log_text[1 << 16];
static size_t log_len;
char cmdline[4096];
unsigned long host_schedules;

void trace_add(const char *task, const char *where)
{
	trace[trace_next % TRACE].task = task;
	trace[trace_next++ % TRACE].where = where;
}
void trace_clear(void) { trace_next = 0; }

/* --- failures --- */
static const char *state_name(const struct host_task *h)
{
	if (h->spinning)
		return h->spinning->name ? h->spinning->name : "spinlock";
	return h->t.state == TASK_RUNNABLE ? "runnable" : "asleep";
}
static void show_tasks(void)
{
	for_each_task(h) {
		if (!h->used || h->ended)
			continue;
		sys_printf("  task %s (%s at %s) holds:", h->t.name, state_name(h), h->where ? h->where : "?");
		for (int i = 0; i < h->nr_held; i++)
			sys_printf(" %s%s", h->held[i].name ? h->held[i].name : "?", h->held[i].kind == HELD_READ ? "(read)" : "");
		if (h->t.waits_for.object)
			sys_printf("; waits for page %lu of %s", (unsigned long)h->t.waits_for.index,
				   container_of(h->t.waits_for.object, struct hfile, inode.mapping)->name);
		sys_printf("\n");
	}
}

void host_fail(const char *fmt, ...)
{
	__builtin_va_list ap;
	char buf[1024];
	__builtin_va_start(ap, fmt);
	sys_vsnprintf(buf, sizeof(buf), fmt, ap);
	__builtin_va_end(ap);
	sys_printf("FAIL: %s\n", buf);
	sys_printf("  in task %s\n", host_running ? host_running->t.name : "main");
	if (!explore_failed())
		explore_describe();
	show_tasks();
	if (trace_next) {
		sys_printf("  last switches:");
		for (unsigned i = trace_next > TRACE ? trace_next - TRACE : 0; i < trace_next; i++)
			sys_printf(" %s@%s", trace[i % TRACE].task, trace[i % TRACE].where);
		sys_printf("\n");
	}
	if (log_len)
		sys_printf("  log: %s\n", log_text + (log_len > 2000 ? log_len - 2000 : 0));
	volatile int *crash = NULL;
	if (sys_option("crash", 0))
		*crash = 1;			/* ASan prints the stack */
	sys_exit(1);
}
void panic(const char *fmt, ...)
{
	__builtin_va_list ap;
	char buf[1024];
	__builtin_va_start(ap, fmt);
	sys_vsnprintf(buf, sizeof(buf), fmt, ap);
	__builtin_va_end(ap);
	host_fail("panic: %s", buf);
}
void fatal(const char *fmt, ...)
{
	host_fail("fatal: %s", fmt);
}

/* --- text --- */
void printk(const char *fmt, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, fmt);
	int n = sys_vsnprintf(log_text + log_len, sizeof(log_text) - log_len, fmt, ap);
	__builtin_va_end(ap);
	if (n > 0 && log_len + n < sizeof(log_text))
		log_len += n;
}
bool host_log_contains(const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i + n <= log_len; i++)
		if (!memcmp(log_text + i, text, n))
			return true;
	return false;
}
void host_log_clear(void) { log_len = 0; log_text[0] = 0; }
void symbol_name(const void *address, char *buf, size_t size) { sys_snprintf(buf, size, "%p", address); }
int ksnprintf(char *buf, size_t size, const char *fmt, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, fmt);
	int n = sys_vsnprintf(buf, size, fmt, ap);
	__builtin_va_end(ap);
	return n;
}
size_t str_copy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);
	if (size) {
		size_t k = n < size - 1 ? n : size - 1;
		memcpy(dst, src, k);
		dst[k] = 0;
	}
	return n;
}
bool cmdline_get(const char *name, char *buf, size_t size) { (void)name; (void)buf; (void)size; return false; }
u64 cmdline_u64(const char *name, u64 def) { (void)name; return def; }

/* --- tests --- */
static struct test *tests;
void test_register(struct test *t)
{
	struct test **p = &tests;
	while (*p && strcmp((*p)->name, t->name) < 0)
		p = &(*p)->next;
	t->next = *p;
	*p = t;
}
void host_list(void)
{
	for (struct test *t = tests; t; t = t->next)
		sys_printf("%s\t%s\n", t->name, t->what);
}
static void run_test(void *arg)
{
	struct test *t = arg;
	host_boot(sys_option("ram", 24));
	host_seed(sys_option("seed", 1));
	t->run();
	sys_exit(0);
}
int host_main(const char *name)
{
	for (struct test *t = tests; t; t = t->next) {
		if (strcmp(t->name, name))
			continue;
		static struct host_task boot;
		boot.fiber = fiber_main();
		struct host_task *h = host_task_new("test", run_test, t);
		host_running = h;
		fiber_switch(boot.fiber, h->fiber);
	}
	sys_printf("no test named %s\n", name);
	return 2;
}
