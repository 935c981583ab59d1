#include "drivers/vt.h"

#include "drivers/screen.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/string.h"
#include "kernel/time.h"
#include "kernel/wait.h"
#include "mm/slab.h"

#define HISTORY 200		/* lines that have scrolled away and can be shown again, of each console */
#define CHUNK 256		/* bytes written with the lock held at a time */
#define DRAW_NS 20000000UL
#define ANSWERS 64

static const struct screen *screen;	/* fixed after vt_init(); NULL: none */
static struct spinlock vt_lock = SPINLOCK_INIT("screen", RANK_SCREEN);	/* interrupts off; all of the following */
static struct vt {
	struct emulator e;
	struct cell *history;		/* HISTORY lines, a ring */
	unsigned history_next, history_lines;
	unsigned back;			/* lines that the view is scrolled back by */
	char answers[ANSWERS];
	unsigned nr_answers;
	void (*reply)(void *arg, const char *s, size_t n);
	void *arg;
} vts[VT_COUNT];
static unsigned shown = VT_LOG;
static struct cell *picture;		/* what the screen shows, rows * cols */
static struct { unsigned y, x; bool visible; } cursor;	/* where it was drawn */

static bool started;			/* the thread draws */
static bool news;			/* for the thread: something to draw or to answer. Read and written racily */
static bool panicking;			/* no lock any more */
static struct wait_queue vt_wait = WAIT_QUEUE_INIT(vt_wait);

static u64 lock(void) { return panicking ? 0 : spin_lock_irqsave(&vt_lock); }

static void unlock(u64 flags)
{
	if (!panicking)
		spin_unlock_irqrestore(&vt_lock, flags);
}

/* --- what the emulator calls: lock held --- */

static void keep_line(void *arg, const struct cell *line)
{
	struct vt *v = arg;

	if (!v->history)
		return;
	memcpy(v->history + v->history_next * v->e.cols, line, v->e.cols * sizeof(*line));
	v->history_next = (v->history_next + 1) % HISTORY;
	v->history_lines = min(v->history_lines + 1, (unsigned)HISTORY);
}

static void tell_thread(void)
{
	if (!READ_ONCE(news)) {
		WRITE_ONCE(news, true);
		tick_soon();
	}
}

static void keep_answer(void *arg, const char *s, size_t n)
{
	struct vt *v = arg;

	if (n > ANSWERS - v->nr_answers)
		return;			/* nobody reads them */
	memcpy(v->answers + v->nr_answers, s, n);
	v->nr_answers += n;
	tell_thread();
}

/* --- drawing --- */

static void all_dirty(struct vt *v) { memset(v->e.dirty, true, v->e.rows); }

/* What row y of the view shows. */
static const struct cell *view_line(const struct vt *v, unsigned y)
{
	unsigned at = v->history_next + HISTORY - v->back + y;

	return y < v->back ? v->history + at % HISTORY * v->e.cols : v->e.line[y - v->back];
}

/* The rows where the cursor was and is. */
static void follow_cursor(struct vt *v)
{
	bool visible = v->e.cursor_visible && !v->back;

	if (cursor.y == v->e.y && cursor.x == v->e.x && cursor.visible == visible)
		return;
	v->e.dirty[cursor.y] = v->e.dirty[v->e.y] = true;
	cursor.y = v->e.y;
	cursor.x = v->e.x;
	cursor.visible = visible;
}

static struct cell cell_shown(const struct vt *v, const struct cell *line, unsigned y, unsigned x)
{
	bool at_cursor = cursor.visible && y == cursor.y && x == cursor.x;
	struct cell c = line[x];

	return at_cursor != v->e.inverted ? (struct cell){ c.ch, c.bg, c.fg } : c;
}

/* Draw the runs of cells of row y that differ from the picture. */
static void draw_row(struct vt *v, unsigned y)
{
	const struct cell *line = view_line(v, y);
	struct cell *now = picture + y * v->e.cols, c;
	unsigned run = 0;

	v->e.dirty[y] = false;
	for (unsigned x = 0; x < v->e.cols; x++) {
		c = cell_shown(v, line, y, x);
		if (memcmp(&c, &now[x], sizeof(c))) {
			now[x] = c;
			run++;
		} else if (run) {
			screen->draw(y, x - run, now + x - run, run);
			run = 0;
		}
	}
	if (run)
		screen->draw(y, v->e.cols - run, now + v->e.cols - run, run);
}

/* The whole screen; the lock is taken for each row anew, so that interrupts are not off for long. */
static void draw(void)
{
	for (unsigned y = 0; y < screen->rows; y++) {
		u64 flags = lock();
		struct vt *v = &vts[shown];
		if (!y)
			follow_cursor(v);
		if (v->e.dirty[y])
			draw_row(v, y);
		unlock(flags);
	}
}

static void something_new(void)
{
	if (started && !panicking)
		tell_thread();
	else
		draw();
}

/* --- calls --- */

bool vt_present(void) { return screen; }
unsigned vt_shown(void) { return READ_ONCE(shown); }

void vt_size(unsigned *rows, unsigned *cols)
{
	*rows = screen ? screen->rows : 0;
	*cols = screen ? screen->cols : 0;
}

static void view_bottom(struct vt *v)
{
	if (!v->back)
		return;
	v->back = 0;
	all_dirty(v);
}

void vt_write(unsigned vt, const char *s, size_t n)
{
	struct vt *v = &vts[vt];

	ASSERT(vt < VT_COUNT);
	if (!screen)
		return;
	for (size_t done = 0; done < n; done += CHUNK) {
		u64 flags = lock();
		view_bottom(v);
		emulator_write(&v->e, s + done, min(n - done, (size_t)CHUNK));
		unlock(flags);
	}
	if (vt == READ_ONCE(shown))
		something_new();
}

void vt_show(unsigned vt)
{
	if (!screen || vt >= VT_COUNT)
		return;
	u64 flags = lock();
	shown = vt;
	view_bottom(&vts[vt]);
	all_dirty(&vts[vt]);
	unlock(flags);
	something_new();
}

void vt_scroll_back(unsigned vt, int lines)
{
	struct vt *v = &vts[vt];

	if (!screen || vt >= VT_COUNT)
		return;
	if (lines == VT_PAGE || lines == -VT_PAGE)
		lines = lines / VT_PAGE * (int)(screen->rows / 2);
	u64 flags = lock();
	long back = max((long)v->back + lines, 0L);
	back = min(back, (long)(v->e.alternate || !v->history ? 0 : v->history_lines));
	if (back != v->back) {
		v->back = back;
		all_dirty(v);
	}
	unlock(flags);
	something_new();
}

void vt_set_reply(unsigned vt, void (*reply)(void *arg, const char *s, size_t n), void *arg)
{
	u64 flags = lock();

	vts[vt].reply = reply;
	vts[vt].arg = arg;
	unlock(flags);
}

unsigned vt_modes(unsigned vt)
{
	const struct emulator *e = &vts[vt].e;

	return (e->app_cursor ? VT_APP_CURSOR : 0) | (e->app_keypad ? VT_APP_KEYPAD : 0) | (e->newline ? VT_NEWLINE : 0);
}

/* --- the log --- */

void vt_log(const char *s, size_t n)
{
	static bool inside;

	if (!screen || (panicking && inside))	/* a fault while the panic is drawn: leave it at the log */
		return;
	inside = panicking;
	vts[VT_LOG].e.newline = true;
	vt_write(VT_LOG, s, n);
	inside = false;
}

void vt_panic(void)
{
	if (!screen || panicking)
		return;
	panicking = true;
	vt_show(VT_LOG);
}

/* --- start --- */

static bool vt_create(struct vt *v)
{
	void *memory = kmalloc(emulator_memory(screen->rows, screen->cols));

	if (!memory)
		return false;
	emulator_init(&v->e, memory, screen->rows, screen->cols);
	v->e.scrolled = keep_line;
	v->e.reply = keep_answer;
	v->e.arg = v;
	v->history = kmalloc(HISTORY * screen->cols * sizeof(struct cell));	/* does without, if need be */
	return true;
}

/* The log so far, without its levels. */
static void show_log(void)
{
	char line[512];
	u64 pos = 0;
	size_t n;

	while ((n = log_read_line(&pos, line, sizeof(line))))
		vt_log(line + min(n, 3UL), n - min(n, 3UL));
}

void vt_init(void)
{
	screen = framebuffer_init();
	if (!screen)
		screen = vgatext_init();
	if (!screen)
		return;
	picture = kzalloc(screen->rows * screen->cols * sizeof(struct cell));
	bool ok = picture;
	for (unsigned i = 0; ok && i < VT_COUNT; i++)
		ok = vt_create(&vts[i]);
	if (!ok) {
		screen = NULL;		/* what was allocated stays: there is no machine with so little memory and a screen */
		printk("screen: no memory for consoles\n");
		return;
	}
	show_log();
}

void vt_tick(void)
{
	if (unlikely(READ_ONCE(news)))
		wake_up_all(&vt_wait, 0);
}

/* Answers go to the terminals without the lock: they may sleep. */
static void give_answers(struct vt *v)
{
	char answers[ANSWERS];
	u64 flags = lock();
	unsigned n = v->nr_answers;

	memcpy(answers, v->answers, n);
	v->nr_answers = 0;
	unlock(flags);
	if (n && v->reply)
		v->reply(v->arg, answers, n);
}

static void vt_thread(void *arg)
{
	for (;;) {
		wait_event(&vt_wait, WAIT_UNINTERRUPTIBLE, READ_ONCE(news));
		WRITE_ONCE(news, false);
		draw();
		for (unsigned i = 0; i < VT_COUNT; i++)
			give_answers(&vts[i]);
		sleep_until_ns(ktime_ns() + DRAW_NS, WAIT_UNINTERRUPTIBLE);
	}
}

void vt_start(void)
{
	if (!screen)
		return;
	if (kthread_start("screen", vt_thread, NULL))
		started = true;
	else
		printk("screen: no memory for its thread: it is drawn at once\n");
}
