/* kbench_files.h - rows of kbench.c: bytes and names of files: pread, pwrite, copies, pipes, open and stat. */
#pragma once
#include "kbench.h"

static u64 nops(u64 size) { return size >= 1 << 20 ? 8 : size >= 65536 ? 64 : size >= 4096 ? 256 : 1000; }

static long b_pread(long k)
{
    u64 size = SZ(k), blen = size < PG ? PG : size, n = nops(size), step = size < PG ? 0 : size, span = size < 1 << 20 ? 1 << 20 : big;
    long fd = TRY("mkfile", mkfile(pa, big)); u8 *b = (u8 *)TRY("mmap", map_anon(blen, 1));
    touch_w(b, blen);
    BATCH {
        u64 off = 0, t = now();
        for (u64 i = 0; i < n; i++) {
            if (k & TW) touch_w(b, blen);
            long r = S4(N_pread, fd, b, size, off);
            if (r != (long)size) { err_at = "pread"; return IS_ERR(r) ? r : -5; }
            if (k & TR) touch_r(b, blen);
            if (i + 1 < n) { off += step; if (off >= span) off = 0; }
        }
        rec(now() - t, n);
        if (size >= PG ? !good(b, size, off) : b[0] != (u8)pat(0)) BAD("pread");
    }
    S2(N_munmap, b, blen); S1(N_close, fd); return 0;
}
static long b_pwrite(long k)
{
    u64 size = SZ(k), n = nops(size), span = 1 << 20;
    long fd = TRY("mkfile", mkfile(pb, span)); u8 *b = (u8 *)TRY("mmap", map_anon(size, 1));
    fill(b, size, 0);
    BATCH {
        u64 off = 0, t = now();
        for (u64 i = 0; i < n; i++) {
            if (k & TW) rewrite1(b, size, 0);
            long r = S4(N_pwrite, fd, b, size, off);
            if (r != (long)size) { err_at = "pwrite"; return IS_ERR(r) ? r : -5; }
            if (i + 1 < n) { off += size; if (off >= span) off = 0; }
        }
        rec(now() - t, n);
        xb();
        u64 c = size < 65536 ? size : 65536;
        if (S4(N_pread, fd, xbuf, c, off) != (long)c || !good(xbuf, c, 0)) BAD("pwrite");
    }
    if (!good(b, size, 0)) BAD("source");
    S2(N_munmap, b, size); S1(N_close, fd); S1(N_unlink, pb); return 0;
}
static long b_writev(long k)
{
    (void)k; struct { u8 *p; u64 n; } iov[16];
    long fd = TRY("mkfile", mkfile(pb, 1 << 20)); u8 *b = (u8 *)TRY("mmap", map_anon(16 * PG, 1));
    for (int i = 0; i < 16; i++) { iov[i].p = b + i * PG + 16 * i; iov[i].n = 256; fill(iov[i].p, 256, 256 * i); }
    BATCH {
        S3(N_lseek, fd, 0, 0);
        u64 t = now();
        for (int i = 0; i < 256; i++) WANT("writev", S3(N_writev, fd, iov, 16), 4096);
        rec(now() - t, 256);
        xb(); if (S4(N_pread, fd, xbuf, 4096, 255 * PG) != 4096 || !good(xbuf, 4096, 0)) BAD("writev");
    }
    S2(N_munmap, b, 16 * PG); S1(N_close, fd); S1(N_unlink, pb); return 0;
}

static long b_copy(long k)
{
    int how = k & 3; long fa = TRY("mkfile", mkfile(pa, big)), fc = TRY("open", S3(N_open, pc, O_RDWR_ | O_CREAT_, 0644));
    u8 *b = (u8 *)TRY("mmap", map_anon(65536, 1)); touch_w(b, 65536);
    int pp[2]; TRY("pipe", S1(N_pipe, pp));
    for (curb = 0; curb <= (batches > 3 ? batches - 2 : batches); curb++) {
        if (!(k & OVER)) TRY("ftruncate", S2(N_ftruncate, fc, 0));
        S3(N_lseek, fa, 0, 0); S3(N_lseek, fc, 0, 0);
        u64 left = big, t = now();
        while (left) {
            long r;
            if (how == 0) { r = TRY("read", S3(N_read, fa, b, 65536)); if (r) WANT("write", S3(N_write, fc, b, r), r); }
            else if (how == 1) r = TRY("copy_file_range", S6(N_cfr, fa, 0, fc, 0, left, 0));
            else if (how == 2) r = TRY("sendfile", S4(N_sendfile, fc, fa, 0, left));
            else {
                r = TRY("splice in", S6(N_splice, fa, 0, pp[1], 0, 65536, 0));
                for (long n = r; n > 0;) n -= TRY("splice out", S6(N_splice, pp[0], 0, fc, 0, n, 0));
            }
            if (!r) { err_at = "eof"; return -5; }
            left -= r;
        }
        rec(now() - t, big / PG);
    }
    if (!file_ok(fc, big)) BAD("copy");
    S1(N_close, pp[0]); S1(N_close, pp[1]);
    S1(N_close, fa); S1(N_close, fc); S1(N_unlink, pc); S2(N_munmap, b, 65536); return 0;
}
static long b_vmsplice(long k)                                     /* memory to a pipe and away; k: stored to again in between */
{
    int pp[2], nul = TRY("open", S3(N_open, "/dev/null", O_RDWR_, 0)); TRY("pipe", S1(N_pipe, pp));
    u8 *p = (u8 *)TRY("mmap", map_anon(65536, 1)); struct { void *base; u64 len; } iov = { p, 65536 };
    BATCH {
        u64 dt = 0;
        for (int i = 0; i < 64; i++) {
            u64 t = now();
            if (!i || k) touch_w(p, 65536);
            WANT("vmsplice", S4(N_vmsplice, pp[1], &iov, 1, 0), 65536);
            WANT("splice", S6(N_splice, pp[0], 0, nul, 0, 65536, 0), 65536);
            dt += now() - t;
        }
        rec(dt, 64 * 16);
    }
    S1(N_close, pp[0]); S1(N_close, pp[1]); S1(N_close, nul); S2(N_munmap, p, 65536); return 0;
}
static long b_wmmap(long k)                                        /* write from a resident mmap of A to B */
{
    u64 len = 1UL << 20; long fa = TRY("mkfile", mkfile(pa, big)), fb = TRY("mkfile", mkfile(pb, len));
    u8 *p = (u8 *)TRY("mmap", S6(N_mmap, 0, len, PR, k & SH ? M_SHARED : M_PRIVATE, fa, 0)); touch_r(p, len);
    BATCH { u64 t = now(); for (int i = 0; i < 8; i++) WANT("pwrite", S4(N_pwrite, fb, p, len, 0), len); rec(now() - t, 8); }
    if (!file_ok(fb, len)) BAD("copy");
    S2(N_munmap, p, len); S1(N_close, fa); S1(N_close, fb); S1(N_unlink, pb); return 0;
}
static long b_path(long k)
{
    long fd = TRY("create", S3(N_open, ps, O_RDWR_ | O_CREAT_, 0644)); u64 st[32];
    if (k != 3) S1(N_close, fd);
    BATCH {
        u64 t = now();
        for (int i = 0; i < 500; i++) {
            if (k == 0) { fd = TRY("open", S3(N_open, ps, O_RDONLY_, 0)); S1(N_close, fd); }
            else if (k == 1) TRY("stat", S2(N_stat, ps, st));
            else if (k == 2) { fd = TRY("create", S3(N_open, px, O_RDWR_ | O_CREAT_ | O_EXCL_, 0644)); S1(N_close, fd); TRY("unlink", S1(N_unlink, px)); }
            else TRY("fstat", S2(N_fstat, fd, st));
        }
        rec(now() - t, 500);
    }
    if (k == 3) S1(N_close, fd);
    S1(N_unlink, ps); return 0;
}
