/* kbench_calibration.h - rows of kbench.c: loops without any system call: what the clock and the processor model give. */
#pragma once
#include "kbench.h"

static u8 ca[8192] __attribute__((aligned(4096))), cb[8192] __attribute__((aligned(4096)));
static long b_cal(long k)
{
    BATCH {
        u64 t, n = 64;
        switch (k) {
        case 0: n = 1; t = now(); t = now() - t; break;
        case 1: { u64 c = 1000000; n = 1; t = now(); __asm__ volatile(".balign 16\n1: dec %0\n jnz 1b" : "+r"(c)); t = now() - t; break; }
#define REP(insn, cnt) t = now(); for (u64 i = 0; i < n; i++) { void *D = cb, *S = ca; u64 c = cnt; \
            __asm__ volatile(insn : "+D"(D), "+S"(S), "+c"(c) : "a"(0UL) : "memory"); } t = now() - t; break
        case 2: REP("rep movsb", 4096);
        case 3: REP("rep movsq", 512);
        case 4: REP("rep stosb", 4096);
        case 5: REP("rep stosq", 512);
        default: return -22; }
        rec(t, n);
    }
    return 0;
}
static long b_cal_loop8(long k)
{
    BATCH {
        u64 t, n = 64; t = now();
        for (u64 i = 0; i < n; i++) {
            void *D = cb, *S = ca; u64 c = k ? 64 : 512;
            if (k) __asm__ volatile("1: movups (%1),%%xmm0\n movups 16(%1),%%xmm1\n movups 32(%1),%%xmm2\n movups 48(%1),%%xmm3\n"
                     "movups %%xmm0,(%0)\n movups %%xmm1,16(%0)\n movups %%xmm2,32(%0)\n movups %%xmm3,48(%0)\n"
                     "add $64,%1\n add $64,%0\n dec %2\n jnz 1b" : "+D"(D), "+S"(S), "+c"(c) :: "xmm0", "xmm1", "xmm2", "xmm3", "memory");
            else __asm__ volatile("1: mov (%1),%%rdx\n mov %%rdx,(%0)\n add $8,%1\n add $8,%0\n dec %2\n jnz 1b"
                     : "+D"(D), "+S"(S), "+c"(c) :: "rdx", "memory");
        }
        t = now() - t; rec(t, n);
    }
    return 0;
}
