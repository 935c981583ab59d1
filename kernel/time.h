/*
 * Timers by the local APIC in one-shot mode: a tick of 4 ms while anything runs, earlier for a sleeper that is
 * due. The clock itself is kernel/clock.h.
 */
#pragma once

#include "kernel/types.h"

void time_init(void);			/* after apic_init(); starts the timer of this CPU */
/* Sleep in the state that is already set, at most until deadline: false if it has passed. */
bool schedule_until(u64 deadline_ns);
#define TICK_NS 4000000UL
