/*
 * Terminals. A struct tty is a line discipline (drivers/ttydisc.c: canonical and raw input, echo, signals, output
 * processing) between the processes that have it open and a driver that shows bytes: a virtual console, a serial
 * line, the runner's terminal, or the master side of a pseudo-terminal (drivers/pty.c).
 *
 * tty.c has what they have in common: open files, /dev/tty, /dev/console, hanging up. ttyioctl.c has the settings, ttyjob.c
 * sessions and process groups.
 *
 * A driver makes its terminal with tty_create(), gives what is typed to tty_input(), and tells tty_output_room() when
 * it can take bytes again after it took fewer than it was given.
 *
 * Locks: tty_mutex covers opening, closing, hanging up and the life of pseudo-terminals; tty->lock the line discipline and
 * its settings; tasklist_lock the session and the foreground group. In this order.
 * Field letters: I fixed, M tty_mutex, T lock, L tasklist_lock.
 */
#pragma once

#include "fs/vfs.h"

#define INPUT_SIZE 4096		/* power of two; Linux's line limit */
#define CHAR_LINE_END 0x100	/* flags beside a character of the input ring: the last of its line */
#define CHAR_EOF 0x200		/* ends a line and is not given to the reader */
#define ECHO_HELD 1024		/* echo that waits for room or for ^Q; more is lost */

struct tty;

struct tty_driver {
	/* Bytes to the terminal, processed: how many it took. lock held; does not wait for the terminal. */
	size_t (*write)(struct tty *tty, const char *s, size_t n);
	size_t (*room)(struct tty *tty);		/* how many it would take now; NULL: any number. lock held */
	void (*closed)(struct tty *tty);		/* a file was closed (count says how many are left); may free tty. tty_mutex held; NULL */
	void (*event)(struct tty *tty, u8 packet);	/* TIOCPKT_* (ioctl_tty(2), packet mode). lock held; NULL */
	bool pty;
};

/*
 * Input ring: tail <= canon <= head (free-running). Between tail and canon are complete lines, between canon and head is
 * the line being typed. In raw mode everything up to head may be read.
 */
struct tty {
	struct mutex lock;		/* RANK_LAST_SLEEPING */
	const struct tty_driver *driver;	/* I */
	void *data;			/* I: the driver's */
	u64 rdev;			/* I */
	unsigned count;			/* M: open files */
	unsigned hangups;		/* M: files of an older count are dead */
	struct termios2 termios;	/* T; read without the lock where only one field counts */
	struct winsize size;		/* T */
	u16 *input;			/* T: INPUT_SIZE characters with their flags */
	u32 head, canon, tail;		/* T; read without the lock by who waits, then again under it */
	bool ended;			/* no more input will come (the runner's standard input has ended) */
	bool exclusive;			/* T: TIOCEXCL: only root may open it again */
	bool stopped;			/* T: output, by ^S or tcflow() */
	bool literal_next, erasing;	/* T: after ^V; within \.../ of ECHOPRT */
	unsigned column, line_column;	/* T: of the cursor, for tabs and erasing; where the line being typed began */
	char held[ECHO_HELD];		/* T */
	unsigned nr_held;		/* T */
	int session, pgrp;		/* L: 0: none */
	struct wait_queue read_wait;	/* input, end of it, hang-up */
	struct wait_queue write_wait;	/* output goes on */
	struct wait_queue input_wait;	/* there is room for input */
};

/* What file->private of an open terminal points to. */
struct tty_file {
	struct tty *tty;		/* I: counted */
	unsigned hangups;		/* I: tty->hangups at open */
	bool console;			/* I: by /dev/console: no job control on reading and writing, survives a hang-up */
};

extern struct mutex tty_mutex;		/* RANK_TTY */

/* --- for drivers --- */
/* A terminal with sane settings, rows and columns; NULL: no memory. */
struct tty *tty_create(const struct tty_driver *driver, void *data, u64 rdev, unsigned rows, unsigned cols);
void tty_free(struct tty *tty);		/* no file is open; its session, if any, loses it. tty_mutex held */
/* Make /dev/NAME, mode 0620. name is kept. */
void tty_register(struct tty *tty, const char *name);
/* Bytes typed: how many were taken. Fewer than n: a reader is behind; see tty_input_wait. Sleeps for locks only. */
size_t tty_input(struct tty *tty, const char *s, size_t n);
int tty_input_wait(struct tty *tty, enum wait_mode mode);	/* until tty_input takes some: 0 or -ERESTARTSYS */
bool tty_input_room(const struct tty *tty);
void tty_input_all(struct tty *tty, const char *s, size_t n);	/* all of them, waiting for readers: from a receiver's thread */
void tty_end_of_input(struct tty *tty);				/* the terminal is gone: reads give 0 from now on */
void tty_output_room(struct tty *tty);				/* the driver takes bytes again */
void tty_resize(struct tty *tty, const struct winsize *size);	/* SIGWINCH to the foreground group if it differs */
/* Nobody sees this terminal any more: open files are dead, the session's leader gets SIGHUP and SIGCONT; if it is the session
 * that ends, the foreground group gets SIGHUP too. tty_mutex held. */
void tty_hangup(struct tty *tty, bool session_ends);

/* --- between the files --- */
/* tty.c */
void tty_init(void);			/* /dev/tty, pseudo-terminals, the end of sessions; before the file systems are mounted */
void pty_init(void);			/* by tty_init: /dev/ptmx, the file system devpts */
void tty_console(struct tty *tty);	/* /dev/console is this one (NULL: nowhere) */
/* A new open file on tty (tty_mutex held): sets file->private, makes it the controlling terminal if open(2) says so. */
int tty_open_file(struct tty *tty, struct file *file, bool console);
extern const struct file_ops tty_file_ops;	/* of what tty_open_file() made; no ->open */
bool tty_file_dead(const struct tty_file *f);	/* hung up */

/* ttydisc.c; lock held unless it says otherwise */
void disc_init(struct tty *tty);
/* Characters typed, up to the first that means a signal (*sig, else 0), or for which there is no room: how many were taken. */
size_t disc_input(struct tty *tty, const char *s, size_t n, int *sig);
void disc_flush_input(struct tty *tty);
void disc_set_stopped(struct tty *tty, bool stopped);
void disc_mode_changed(struct tty *tty, u32 old_lflag);
unsigned disc_readable(const struct tty *tty);	/* FIONREAD */
bool disc_poll_in(const struct tty *tty);	/* no lock */
void disc_release_held(struct tty *tty);
ssize_t disc_read(struct tty_file *f, struct iov_iter *to, bool nonblock);	/* takes the lock */
ssize_t disc_write(struct tty_file *f, struct iov_iter *from, bool nonblock);	/* takes the lock */

/* ttyioctl.c */
/* The calls on a terminal; master: by the master side of a pseudo-terminal. */
long tty_ioctl(struct tty *tty, unsigned cmd, unsigned long arg, bool master);

static inline void tty_event(struct tty *tty, u8 packet)
{
	if (tty->driver->event)
		tty->driver->event(tty, packet);
}

/* ttyjob.c */
/* May the caller touch its controlling terminal so? 0; or sig (SIGTTIN, SIGTTOU) is sent to its group: -ERESTARTSYS; -EIO. */
int tty_check_change(struct tty *tty, int sig);
bool tty_controls_caller(const struct tty *tty);	/* tasklist_lock held */
void tty_open_controlling(struct tty *tty);		/* a session leader without a terminal has opened it */
void tty_of_process(const struct process *p, u32 *device, int *pgrp);	/* kernel/usermode.h: session_tty_hook */
void tty_leader_exit(struct process *p);		/* a session leader ends */
void tty_signal_foreground(struct tty *tty, int sig);
void tty_forget_session(struct tty *tty);		/* no process is controlled by it any more */
void tty_hangup_session(struct tty *tty, bool session_ends);	/* tty_hangup()'s signals */
long tty_job_ioctl(struct tty *tty, unsigned cmd, unsigned long arg, bool master);	/* -ENOTTY: another call */
