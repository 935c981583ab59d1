/* kbench_tasks.h - rows of kbench.c: the empty call, processes, pipes between them, switches, threads, signals. */
#pragma once
#include "kbench.h"

static long b_null(long k) { (void)k; BATCH { u64 t = now(); for (int i = 0; i < 2000; i++) S0(N_getppid); rec(now() - t, 2000); } return 0; }

/* ------------------------------------------------------------------ processes */
static long b_fork(long k)
{
    u64 len = SZ(k), n = len ? 4 : 16; u8 *p = 0;
    if (len) { p = (u8 *)TRY("mmap", map_anon(len, !!(k & NH))); touch_w(p, len); }
    BATCH {
        u64 t = now();
        for (u64 i = 0; i < n; i++) {
            long pid = TRY("fork", S0(N_fork));
            if (!pid) child_exit();
            WANT("wait4", S4(N_wait4, pid, 0, 0, 0), pid);
        }
        rec(now() - t, n);
        if (len) touch_w(p, len);                                  /* take write permission back, untimed */
    }
    if (len) S2(N_munmap, p, len);
    return 0;
}
static long b_exec(long k)
{
    (void)k; const char *av[] = { "kbench", "--true", 0 }, *ev[] = { 0 };
    BATCH {
        u64 t = now();
        for (int i = 0; i < 8; i++) {
            int st = -1; long pid = TRY("fork", S0(N_fork));
            if (!pid) { S3(N_execve, self, av, ev); S1(N_exit_group, 99); }
            WANT("wait4", S4(N_wait4, pid, &st, 0, 0), pid);
            if (st) { err_at = "execve"; return -2; }
        }
        rec(now() - t, 8);
    }
    return 0;
}
static long b_pp(long k)
{
    (void)k; int a[2], b[2]; char c = 1;
    TRY("pipe", S1(N_pipe, a)); TRY("pipe", S1(N_pipe, b));
    long pid = TRY("fork", S0(N_fork));
    if (!pid) {
        S1(N_close, a[1]); S1(N_close, b[0]);
        while (S3(N_read, a[0], &c, 1) == 1) S3(N_write, b[1], &c, 1);
        child_exit();
    }
    S1(N_close, a[0]); S1(N_close, b[1]);
    BATCH {
        u64 t = now();
        for (int i = 0; i < 400; i++) { WANT("write", S3(N_write, a[1], &c, 1), 1); WANT("read", S3(N_read, b[0], &c, 1), 1); }
        rec(now() - t, 400);
    }
    S1(N_close, a[1]); S1(N_close, b[0]); TRY("wait4", S4(N_wait4, pid, 0, 0, 0)); return 0;
}
static long b_ptput(long k)
{
    (void)k; int a[2]; TRY("pipe", S1(N_pipe, a));
    u8 *b = (u8 *)TRY("mmap", map_anon(65536, 1)); fill(b, 65536, 0);
    long pid = TRY("fork", S0(N_fork));
    if (!pid) { S1(N_close, a[0]); while (S3(N_write, a[1], b, 65536) > 0) ; child_exit(); }
    S1(N_close, a[1]);
    BATCH {
        u64 got = 0, t = now();
        while (got < 4UL << 20) { u64 w = (4UL << 20) - got; long r = TRY("read", S3(N_read, a[0], b, w < 65536 ? w : 65536));
                            if (!r) { err_at = "eof"; return -5; } got += r; }
        rec(now() - t, got >> 10);
    }
    S1(N_close, a[0]); TRY("wait4", S4(N_wait4, pid, 0, 0, 0)); S2(N_munmap, b, 65536); return 0;
}
static long b_yield(long k)
{
    (void)k; volatile u64 *sh = (u64 *)TRY("mmap shared", S6(N_mmap, 0, PG, PR | PW, M_SHARED | M_ANON, -1, 0));
    sh[0] = 0; sh[1] = 0; sh[2] = 0; sh[3] = 0;                       /* stop, last, switches, child ready */
    long pid = TRY("fork", S0(N_fork));
    if (!pid) { sh[3] = 1; while (!sh[0]) { if (sh[1] != 1) { sh[1] = 1; sh[2]++; } S0(N_yield); } child_exit(); }
    while (!sh[3]) S0(N_yield);
    u64 yc = 0, sw = 0;
    BATCH {
        u64 s0 = sh[2], y = 0, d, t = now();                          /* Linux may skip a switch: count real alternations */
        do { if (sh[1] != 0) { sh[1] = 0; sh[2]++; } S0(N_yield); } while ((d = sh[2] - s0) < 1000 && ++y < 20000);
        t = now() - t;
        if (d > 1) { rec(t, d); yc += y; sw += d; }
    }
    if (!nsamp) { sh[0] = 1; S4(N_wait4, pid, 0, 0, 0); err_at = "no switch"; return -5; }
    sh[0] = 1; TRY("wait4", S4(N_wait4, pid, 0, 0, 0)); S2(N_munmap, sh, PG);
    note_k = "switches/1000yields"; note_v = yc ? sw * 1000 / yc : 0; return 0;
}

/* --------------------------------------------------------------- threads/futex */
static volatile int f1, f2, fstop; static volatile int ctid;
static void thr_main(void)
{
    for (;;) {
        while (!f1) S6(N_futex, &f1, 128, 0, 0, 0, 0);
        f1 = 0; if (fstop) return;
        f2 = 1; S6(N_futex, &f2, 129, 1, 0, 0, 0);
    }
}
static long thr_start(void *top, void (*fn)(void))
{
    u64 *sp = (u64 *)top; *--sp = (u64)fn;
    register long r10 __asm__("r10") = (long)&ctid; register long r8 __asm__("r8") = 0; long r;
    __asm__ volatile("syscall\n test %%rax,%%rax\n jnz 1f\n xor %%ebp,%%ebp\n pop %%rax\n and $-16,%%rsp\n call *%%rax\n"
                     "mov $60,%%eax\n xor %%edi,%%edi\n syscall\n1:"
                     : "=a"(r) : "a"((long)N_clone), "D"(0x100L | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x200000 | 0x100000),
                       "S"(sp), "d"(&ctid), "r"(r10), "r"(r8) : "rcx", "r11", "memory");
    return r;
}
static long b_futex(long k)
{
    (void)k; u8 *stk = (u8 *)TRY("mmap", map_anon(16 * PG, 1));
    f1 = f2 = fstop = 0; ctid = 0;
    TRY("clone", thr_start(stk + 16 * PG, thr_main));
    BATCH {
        u64 t = now();
        for (int i = 0; i < 400; i++) {
            f1 = 1; S6(N_futex, &f1, 129, 1, 0, 0, 0);
            while (!f2) S6(N_futex, &f2, 128, 0, 0, 0, 0);
            f2 = 0;
        }
        rec(now() - t, 400);
    }
    fstop = 1; f1 = 1; S6(N_futex, &f1, 129, 1, 0, 0, 0);
    for (int c; (c = ctid) != 0; ) S6(N_futex, &ctid, 0, c, 0, 0, 0);
    S2(N_munmap, stk, 16 * PG); return 0;
}

/* --------------------------------------------------------------------- signals */
static volatile u64 sigs;
static void on_sig(int s) { (void)s; sigs++; }
void kb_restorer(void);
__asm__(".text\n.globl kb_restorer\n.type kb_restorer,@function\nkb_restorer:\n mov $15,%eax\n syscall\n");
static long b_sig(long k)
{
    (void)k; struct { void (*h)(int); u64 fl; void (*r)(void); u64 mask; } sa = { on_sig, 0x04000000, kb_restorer, 0 }, old;
    TRY("sigaction", S4(N_sigaction, 10, &sa, &old, 8));
    long pid = S0(N_getpid); sigs = 0;
    BATCH { u64 t = now(); for (int i = 0; i < 500; i++) S2(N_kill, pid, 10); rec(now() - t, 500); }
    if (sigs != 500UL * (batches + 1)) BAD("signals");
    old.fl |= 0x04000000; old.r = kb_restorer; S4(N_sigaction, 10, &old, 0, 8); return 0;
}
