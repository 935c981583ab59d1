/* kbench_memory.h - rows of kbench.c: page faults, mappings, whole files by mapping and by reading, copy-on-write. */
#pragma once
#include "kbench.h"

/* ---------------------------------------------------------------- page faults */
static long b_anon(long k)
{
    u64 len = SZ(k);
    BATCH {
        u8 *p = (u8 *)TRY("mmap", map_anon(len, !!(k & NH)));
        u64 t = now(); if (k & TR) touch_r(p, len); else touch_w(p, len);
        rec(now() - t, len / PG);
        WANT("munmap", S2(N_munmap, p, len), 0);
    }
    return 0;
}
static long b_ffault(long k)
{
    u64 len = SZ(k); int wr = !!(k & TW);
    const char *path = (k & SH) && wr ? pb : pa;
    long fd = TRY("mkfile", mkfile(path, (k & SH) && wr ? len : big));
    BATCH {
        u8 *p = (u8 *)TRY("mmap", S6(N_mmap, 0, len, PR | (wr ? PW : 0), k & SH ? M_SHARED : M_PRIVATE, fd, 0));
        u64 t = now(); if (wr) rewrite1(p, len, 0); else touch_r(p, len);
        rec(now() - t, len / PG);
        if (!good(p, len, 0)) BAD("map");
        WANT("munmap", S2(N_munmap, p, len), 0);
    }
    S1(N_close, fd); if ((k & SH) && wr) S1(N_unlink, pb); return 0;
}
static long b_populate(long k)
{
    long fd = TRY("mkfile", mkfile(pa, big));
    BATCH {
        u64 t = now();
        u8 *p = (u8 *)TRY("mmap", S6(N_mmap, 0, big, PR, (k & SH ? M_SHARED : M_PRIVATE) | M_POPULATE, fd, 0));
        if (k & TR) touch_r(p, big);
        if (k & MU) S2(N_munmap, p, big);
        rec(now() - t, big / PG);
        if (!(k & MU)) { if (!good(p, big, 0)) BAD("map"); S2(N_munmap, p, big); }
    }
    S1(N_close, fd); return 0;
}
static long b_mapfile(long k)                                      /* fstat + mmap file + touch + munmap */
{
    long fd = TRY("mkfile", mkfile(pa, big)); u64 st[32];
    BATCH {
        u64 t = now();
        TRY("fstat", S2(N_fstat, fd, st));
        u8 *p = (u8 *)TRY("mmap", S6(N_mmap, 0, st[6], PR | (k & TW ? PW : 0), M_PRIVATE, fd, 0));
        if (k & TW) rewrite1(p, big, 0); else touch_r(p, big);
        S2(N_munmap, p, big);
        rec(now() - t, big / PG);
    }
    S1(N_close, fd); return 0;
}
static long b_readfile(long k)                                     /* fstat + fresh buffer + read(whole) [+ touch] [+ munmap] */
{
    long fd = TRY("mkfile", mkfile(pa, big)); u64 st[32];
    BATCH {
        S3(N_lseek, fd, 0, 0);
        u64 t = now();
        TRY("fstat", S2(N_fstat, fd, st));
        u64 len = st[6];
        u8 *p = (u8 *)TRY("mmap", map_anon(len, !!(k & NH)));
        WANT("read", S3(N_read, fd, p, len), len);
        if (k & TR) touch_r(p, len);
        if (k & TW) rewrite1(p, len, 0);
        if (k & MU) S2(N_munmap, p, len);
        rec(now() - t, len / PG);
        if (!(k & MU)) { if (!good(p, len, 0)) BAD("read"); WANT("munmap", S2(N_munmap, p, len), 0); }
    }
    if (!file_ok(fd, big)) BAD("file");
    S1(N_close, fd); return 0;
}
static long b_cow(long k)
{
    u64 len = SZ(k); int pp[2]; u8 *p = (u8 *)TRY("mmap", map_anon(len, 1));
    TRY("pipe", S1(N_pipe, pp));
    fill(p, len, 0);
    BATCH {
        u64 dt = 0; long pid = TRY("fork", S0(N_fork));
        if (!pid) {
            if (!(k & TR)) { u64 t = now(); touch_w(p, len); t = now() - t; S3(N_write, pp[1], &t, 8); }
            child_exit();
        }
        if (!(k & TR)) WANT("read", S3(N_read, pp[0], &dt, 8), 8);
        TRY("wait4", S4(N_wait4, pid, 0, 0, 0));
        if (k & TR) { u64 t = now(); rewrite1(p, len, 0); dt = now() - t; }   /* sole owner again: reuse */
        rec(dt, len / PG);
        if (!good(p, len, 0)) BAD("parent");
        rewrite1(p, len, 0);
    }
    S1(N_close, pp[0]); S1(N_close, pp[1]); S2(N_munmap, p, len); return 0;
}

/* ---------------------------------------------------------------------- memory */
static long b_mmap4k(long k)
{ (void)k; BATCH { u64 t = now(); for (int i = 0; i < 500; i++) { long p = TRY("mmap", map_anon(PG, 0)); WANT("munmap", S2(N_munmap, p, PG), 0); } rec(now() - t, 500); } return 0; }
static long b_mmap1m(long k)
{
    (void)k; u64 len = 1UL << 20;
    BATCH { u64 t = now(); for (int i = 0; i < 4; i++) { u8 *p = (u8 *)TRY("mmap", map_anon(len, 0)); touch_w(p, len); WANT("munmap", S2(N_munmap, p, len), 0); } rec(now() - t, 4); }
    return 0;
}
static long b_mprot(long k)
{
    u8 *p = (u8 *)TRY("mmap", S6(N_mmap, 0, 3 * PG, k ? PR | PW : 0, M_PRIVATE | M_ANON, -1, 0)), *m = p + PG;
    if (k) touch_w(p, 3 * PG); else { WANT("mprotect", S3(N_mprotect, m, PG, PR | PW), 0); touch_w(m, PG); }
    BATCH {
        u64 t = now();
        for (int i = 0; i < 500; i++) {
            WANT("mprotect", S3(N_mprotect, m, PG, PR), 0); touch_r(m, PG);
            WANT("mprotect", S3(N_mprotect, m, PG, PR | PW), 0); touch_w(m, PG);
        }
        rec(now() - t, 1000);
    }
    S2(N_munmap, p, 3 * PG); return 0;
}
