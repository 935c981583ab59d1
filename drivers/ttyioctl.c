/*
 * The terminal's ioctl calls: settings, window size, controlling session, foreground group.
 */
#include "drivers/tty.h"
#include "drivers/tty_state.h"
#include "kernel/cpu.h"
#include "kernel/usermode.h"
#include "mm/usercopy.h"

static bool canonical(void) { return console.termios.c_lflag & ICANON; }

/* --- ioctl: sessions and groups --- */

/* Is the console the caller's controlling terminal? tasklist_lock held. */
bool tty_controls_caller(void)
{
	return current->process->tty == &console && console.session == current->process->sid;
}

static long become_controlling(void)
{
	struct process *p = current->process;
	long r = 0;

	spin_lock(&tasklist_lock);
	if (tty_controls_caller()) {
		;
	} else if (p->sid != p->pid || p->tty || (console.session && p->euid)) {
		r = -EPERM;
	} else {
		struct process *other;
		list_for_each(other, &process_list, all_node)	/* root may take it from another session */
			if (other->tty == &console)
				other->tty = NULL;
		console.session = p->sid;
		console.pgrp = p->pgid;
		p->tty = &console;
	}
	spin_unlock(&tasklist_lock);
	return r;
}

/* The session gives the terminal up: at the leader's exit or TIOCNOTTY by the leader. tasklist_lock held. */
static int release_session(int sid)
{
	struct process *p;
	int pgrp = console.pgrp;

	list_for_each(p, &process_list, all_node)
		if (p->sid == sid && p->tty == &console)
			p->tty = NULL;
	console.session = console.pgrp = 0;
	return pgrp;
}

void tty_leader_exit(struct process *p)
{
	int pgrp = 0;

	spin_lock(&tasklist_lock);
	if (p->tty == &console && console.session == p->sid)
		pgrp = release_session(p->sid);
	spin_unlock(&tasklist_lock);
	if (pgrp) {
		signal_send_pgrp(pgrp, SIGHUP);
		signal_send_pgrp(pgrp, SIGCONT);
	}
}

static long give_up(void)
{
	struct process *p = current->process;
	int pgrp = 0;
	long r = -ENOTTY;

	spin_lock(&tasklist_lock);
	if (tty_controls_caller()) {
		r = 0;
		if (p->sid == p->pid)
			pgrp = release_session(p->sid);
		p->tty = NULL;
	}
	spin_unlock(&tasklist_lock);
	if (pgrp) {
		signal_send_pgrp(pgrp, SIGHUP);
		signal_send_pgrp(pgrp, SIGCONT);
	}
	return r;
}

static long set_foreground(int pgrp)
{
	struct process *p;
	long r = -ESRCH;

	if (pgrp < 0)
		return -EINVAL;
	spin_lock(&tasklist_lock);
	if (!tty_controls_caller()) {
		r = -ENOTTY;
	} else {
		list_for_each(p, &process_list, all_node) {
			if (p->pgid != pgrp)
				continue;
			r = p->sid == current->process->sid ? 0 : -EPERM;
			if (!r)
				console.pgrp = pgrp;
			break;
		}
	}
	spin_unlock(&tasklist_lock);
	return r;
}

static long get_id(bool session, int __user *to)
{
	spin_lock(&tasklist_lock);
	int id = !tty_controls_caller() ? -1 : session ? console.session : console.pgrp;
	spin_unlock(&tasklist_lock);
	return id < 0 ? -ENOTTY : put_user(id, to);
}

/* --- ioctl: settings --- */

static long set_termios(const struct termios __user *from, bool flush)
{
	struct termios v;

	if (copy_from_user(&v, from, sizeof(v)))
		return -EFAULT;
	mutex_lock(&console.lock);
	bool was_canonical = canonical();
	console.termios = v;
	if (flush)
		tty_flush_input();
	if (was_canonical != canonical())
		/* What is typed so far: to be read at once in raw mode, the beginning of a line in canonical mode (as Linux). */
		WRITE_ONCE(console.canon, canonical() ? console.tail : console.head);
	mutex_unlock(&console.lock);
	wake_up_all(&console.read_wait, 0);
	return 0;
}

static long get_termios(struct termios __user *to)
{
	struct termios v;

	mutex_lock(&console.lock);
	v = console.termios;
	mutex_unlock(&console.lock);
	return copy_to_user(to, &v, sizeof(v)) ? -EFAULT : 0;
}

static long get_size(struct winsize __user *to)
{
	struct winsize v;

	mutex_lock(&console.lock);
	v = console.size;
	mutex_unlock(&console.lock);
	return copy_to_user(to, &v, sizeof(v)) ? -EFAULT : 0;
}

static long set_size(const struct winsize __user *from)
{
	struct winsize v;

	if (copy_from_user(&v, from, sizeof(v)))
		return -EFAULT;
	tty_resize(v.ws_row, v.ws_col);
	return 0;
}

static long flush(unsigned long which)
{
	if (which > 2)
		return -EINVAL;
	if (which != 1) {
		mutex_lock(&console.lock);
		tty_flush_input();
		mutex_unlock(&console.lock);
		wake_up_all(&console.read_wait, 0);
	}
	return 0;
}

long tty_ioctl(struct file *file, unsigned cmd, unsigned long arg)
{
	int v;

	switch (cmd) {
	case TCGETS: return get_termios((struct termios __user *)arg);
	case TCSETS: case TCSETSW: return set_termios((const struct termios __user *)arg, false);
	case TCSETSF: return set_termios((const struct termios __user *)arg, true);
	case TIOCGWINSZ: return get_size((struct winsize __user *)arg);
	case TIOCSWINSZ: return set_size((const struct winsize __user *)arg);
	case TIOCSCTTY: return become_controlling();
	case TIOCNOTTY: return give_up();
	case TIOCGPGRP: return get_id(false, (int __user *)arg);
	case TIOCGSID: return get_id(true, (int __user *)arg);
	case TIOCSPGRP: return get_user(v, (int __user *)arg) ? -EFAULT : set_foreground(v);
	case TCFLSH: return flush(arg);
	case TCSBRK: case TCSBRKP: case TCXONC: return 0;	/* output is never held back: it has been sent */
	case TIOCOUTQ: return put_user(0, (int __user *)arg);
	case FIONREAD:
		mutex_lock(&console.lock);
		v = (int)((canonical() ? console.canon : console.head) - console.tail);
		mutex_unlock(&console.lock);
		return put_user(v, (int __user *)arg);
	}
	return -ENOTTY;
}
