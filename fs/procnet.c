/* /proc/net: UNIX-domain sockets, the only ones there are. */
#include "fs/procfs.h"

#include "fs/unix.h"

#define SS_UNCONNECTED 1		/* Linux's socket states, and its flag of a listener */
#define SS_CONNECTED 3
#define ACCEPTS 0x10000

/* unix_lock held: the text does not grow here, there is room (see below). */
static void socket_line(struct text *t, const struct unix_sock *s)
{
	char address[2 + UNIX_PATH_MAX + 1];
	int len = unix_format_name(s->name, address) - 2;

	text_printf(t, "%016lx: %08X 00000000 %08X %04X %02X %5lu", (u64)0, atomic_read(&s->refs), s->state == UNIX_LISTENING ? ACCEPTS : 0, s->type,
		    s->state == UNIX_CONNECTED ? SS_CONNECTED : SS_UNCONNECTED, s->file ? s->file->inode->ino : 0);
	if (len > 0) {
		bool abstract = !address[2];
		text_string(t, abstract ? " @" : " ");
		text_add(t, address + 2 + abstract, (size_t)len - 1);
	}
	text_string(t, "\n");
}

#define LINE_MAX 200UL

/* Memory is not allocated under a spinlock: the text is given room for all sockets first, and more if some came meanwhile. */
static int show_unix(struct text *t, const struct proc_subject *unused)
{
	static const char head[] = "Num       RefCount Protocol Flags    Type St Inode Path\n";
	struct unix_sock *s;

	for (;;) {
		size_t need = sizeof(head);

		spin_lock(&unix_lock);
		list_for_each(s, &unix_sockets, all_node)
			need += LINE_MAX;
		spin_unlock(&unix_lock);
		if (!text_reserve(t, need))
			return -ENOMEM;
		t->len = 0;
		text_string(t, head);
		spin_lock(&unix_lock);
		list_for_each(s, &unix_sockets, all_node) {
			if (t->cap - t->len < LINE_MAX)
				break;
			socket_line(t, s);
		}
		bool all = &s->all_node == &unix_sockets;
		spin_unlock(&unix_lock);
		if (all)
			return 0;
	}
}

const struct proc_item proc_net_items[] = {
	PROC_FILE("unix", show_unix),
	{ .name = NULL },
};
