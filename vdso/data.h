/*
 * What the vDSO computes the time from: the first page of its mapping, read-only for programs, written by kernel/vdso.c.
 */
#pragma once

#include "kernel/types.h"

struct vdso_data {
	u64 tsc;		/* 1: the TSC is the clock; 0: the program makes the system call */
	u64 tsc_boot;		/* its value at boot */
	u64 tsc_to_ns;		/* 32.32 fixed point */
	u64 realtime_ns;	/* from 1970 to boot */
};
