/*
 * The terminal's state, shared by tty.c (input, output, devices) and ttyioctl.c (settings, sessions).
 */
#pragma once

#include "fs/vfs.h"

#define INPUT_SIZE 4096		/* power of two; Linux's line limit */
#define CHAR_LINE_END 0x100	/* flags beside a character of the input ring: the last of its line */
#define CHAR_EOF 0x200		/* ends a line and is not given to the reader */

/*
 * Input ring: tail <= canon <= head (free-running). Between tail and canon are complete lines, between canon and head is
 * the line being typed. In raw mode canon == head.
 */
struct tty {
	struct mutex lock;		/* RANK_SLEEPING; protects all but what is marked */
	struct termios termios;
	struct winsize size;
	u16 input[INPUT_SIZE];
	u32 head, canon, tail;		/* read without the lock by who waits, then again under it */
	bool ended;			/* no more input will come */
	unsigned column;		/* of the cursor, for tabs and erasing */
	int session, pgrp;		/* tasklist_lock */
	void (*write)(const char *s, size_t n);	/* fixed */
	struct wait_queue read_wait;	/* input, end, or room in the ring */
};
extern struct tty console;

/* ttyioctl.c */
long tty_ioctl(struct file *file, unsigned cmd, unsigned long arg);
bool tty_controls_caller(void);			/* tasklist_lock held */
void tty_leader_exit(struct process *p);	/* a session leader ends: the session gives the terminal up */
/* tty.c */
void tty_flush_input(void);			/* lock held */
