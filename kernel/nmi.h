/*
 * Interrupts that nothing keeps out: NMIs and machine checks. They may come while this very CPU holds any lock, so their handlers take none: what there
 * is to say or to do beyond is left to VECTOR_LATER, an ordinary interrupt that the CPU sends to itself.
 */
#pragma once

#include "kernel/trap.h"

void machine_check_init(void);			/* each CPU: turn its error banks on */
void machine_check(struct trapframe *frame);	/* vector 18: panics, or returns if the program can be left to die alone */
void nmi(struct trapframe *frame);		/* vector 2 */
void nmi_later(void);				/* VECTOR_LATER: log what came */
void nmi_signal(const struct trapframe *frame);	/* after it, no interrupt any more: signal the program that a machine check hit; interrupts off before and after */
