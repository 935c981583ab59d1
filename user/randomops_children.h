/*
 * For randomops.c: other processes. A child's memory is that of the moment of the fork, whatever its parent does; and what it does to it is its own.
 */
#pragma once
#include "randomops_large.h"
#include "randomops_ops.h"

static int anonymous(long off, long n)
{
	for (long v = off / PAGE; v <= (off + n - 1) / PAGE; v++)
		if (w->cell[v].kind != ANON)
			return 0;
	return 1;
}

/* Its anonymous memory: what the files' mappings show is the parent's to say. */
static void check_anonymous(void)
{
	for (long v = 0; v < w->vpages; v++)
		if (w->cell[v].kind == ANON && readable(v))
			same(address(v), w->data[v], PAGE, "the child's page", v);
	for (int i = 0; with_window && i < 8; i++)
		check_filler(WCELLS + below(WPAGES - WCELLS));
}

static void store_anonymous(void)
{
	for (long v = 0; v < w->vpages; v++)
		if (w->cell[v].kind == ANON && writable(v) && below(2))
			op_store(v * PAGE + below(PAGE / 2), 1 + below(PAGE / 2));
}

static void grandchild(void)
{
	int status;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		if (below(2))
			store_fillers(WCELLS + below(WPAGES - WCELLS - 8), 1 + below(8));
		check_anonymous();
		_exit(0);
	}
	if (below(2))
		store_fillers(WCELLS + below(WPAGES - WCELLS - 8), 1 + below(8));
	MUST(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("a child's child ended with %x", status);
}

/* With -l: an operation on memory alone. */
static void child_step(void)
{
	long v = below(w->vpages), n = 1 + below(smaller(8, w->vpages - v)), bytes = 1 + below(3 * PAGE), off = below(w->vpages * PAGE - bytes);
	int ours = anonymous(off, bytes);

	switch (below(14)) {
	case 0: map(v, n, ANON, 0, 0, !below(6)); break;
	case 1: op_unmap(v, n); break;
	case 2: op_protect(v, n); break;
	case 3: op_move(v, n); break;
	case 4: op_advise(v, n); break;
	case 5: case 6: if (ours) op_store(off, bytes); break;
	case 7: if (ours) op_vmsplice(off, bytes); break;
	case 8: if (ours) op_remote(off, bytes, (int)below(2)); break;
	case 9: store_fillers(WCELLS + below(WPAGES - WCELLS - 4), 1 + below(4)); break;
	case 10: op_window(); break;
	case 11: op_window_advise(); break;
	case 12: below(2) ? op_window_move() : op_window_protect(); break;
	default: grandchild(); break;
	}
}

/* tell: -1, or whom to tell that the large file has been read, which does not change meanwhile. */
static void child_life(int ear, int tell)
{
	char word;

	w->op = "a child";
	if (tell >= 0) {
		op_window_read();
		MUST(write(tell, "x", 1) == 1);
	}
	for (int turn = 0; turn < 2; turn++) {
		check_anonymous();
		if (!with_window || below(2))
			store_anonymous();
		for (int step = 0; with_window && step < 6; step++)
			child_step();
		if (!turn && read(ear, &word, 1) != 1)
			_exit(3);
	}
	_exit(0);
}

static void end_child(int i)
{
	int status;

	MUST(write(w->child[i].tell, "x", 1) == 1);
	MUST(waitpid(w->child[i].pid, &status, 0) == w->child[i].pid);
	if (status)
		fail("a child ended with %x", status);
	close(w->child[i].tell);
	w->child[i].pid = 0;
}

static void op_fork(void)
{
	int i = (int)below(NCHILDREN), ends[2], answer[2], reads = with_window && !below(3);
	char word;

	if (w->child[i].pid) {
		end_child(i);
		return;
	}
	MUST(pipe(ends) == 0 && (!reads || pipe(answer) == 0));
	w->child[i].pid = fork();
	MUST(w->child[i].pid >= 0);
	if (!w->child[i].pid)
		child_life(ends[0], reads ? answer[1] : -1);
	close(ends[0]);
	w->child[i].tell = ends[1];
	if (reads) {
		close(answer[1]);
		MUST(read(answer[0], &word, 1) == 1);
		close(answer[0]);
	}
}
