/*
 * Pseudo-terminals: pairs of a terminal (the slave, /dev/pts/N, drivers/tty.h) and a master, an open file of
 * /dev/ptmx, which reads what is written to the terminal and writes what is typed there. pty.c has the pairs,
 * devpts.c the file system of the slaves' names.
 */
#pragma once

#include "drivers/tty.h"

#define NR_PTYS 256
#define PTY_RING 8192		/* power of two: output that the master has not read yet */

/*
 * The pair lives as long as one of its sides is open. The slave's name is there as long as the master is.
 */
struct pty {
	struct tty *tty;		/* I: the slave; tty->data is the pty */
	int index;			/* I: N */
	u64 serial;			/* I: another one for each pair, unlike index */
	bool master_open;		/* M */
	bool slave_opened;		/* M: once at least */
	bool locked;			/* M: TIOCSPTLCK: the slave cannot be opened */
	bool packet;			/* tty->lock: TIOCPKT */
	u8 status;			/* tty->lock: TIOCPKT_* not yet told */
	u8 *ring;			/* tty->lock: PTY_RING */
	u32 head, tail;			/* tty->lock; read without it by who waits */
	struct wait_queue master_wait;	/* the master has something to read */
	u32 mode, uid, gid;		/* M: of the slave's node */
	struct timespec64 time;		/* I: when it was made */
};

/* All take tty_mutex. */
struct pty_attributes { int index; u32 mode, uid, gid; struct timespec64 time; };
bool pty_attributes(u64 serial, struct pty_attributes *a);	/* false: its master is gone */
void pty_set_attributes(u64 serial, const struct iattr *attr);
u64 pty_serial(int index);			/* 0: no master is open */
int pty_next(int index);			/* the first with an open master from index on, or -1 */
int pty_open_slave(u64 serial, struct file *file);
extern const struct file_ops ptmx_ops;

/* devpts.c */
void devpts_init(void);
/* Mode and group of new slaves (mount options); the group is that of the opener if there is no option. */
void devpts_defaults(u32 *mode, u32 *uid, u32 *gid);
