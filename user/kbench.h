/* kbench.h - what all rows of kbench.c need: system calls, the clock, output, samples, scratch files and memory. */
#pragma once
typedef unsigned long u64;
typedef long i64;
typedef unsigned char u8;

/* ------------------------------------------------------------- system calls */
static inline __attribute__((always_inline))
long sc6(long n, long a, long b, long c, long d, long e, long f)
{
    long r;
    register long r10 __asm__("r10") = d;
    register long r8  __asm__("r8")  = e;
    register long r9  __asm__("r9")  = f;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}
#define S0(n)             sc6(n,0,0,0,0,0,0)
#define S1(n,a)           sc6(n,(long)(a),0,0,0,0,0)
#define S2(n,a,b)         sc6(n,(long)(a),(long)(b),0,0,0,0)
#define S3(n,a,b,c)       sc6(n,(long)(a),(long)(b),(long)(c),0,0,0)
#define S4(n,a,b,c,d)     sc6(n,(long)(a),(long)(b),(long)(c),(long)(d),0,0)
#define S6(n,a,b,c,d,e,f) sc6(n,(long)(a),(long)(b),(long)(c),(long)(d),(long)(e),(long)(f))
enum { N_read=0, N_write=1, N_open=2, N_close=3, N_stat=4, N_fstat=5, N_lseek=8, N_mmap=9,
       N_mprotect=10, N_munmap=11, N_sigaction=13, N_pread=17, N_pwrite=18, N_writev=20,
       N_pipe=22, N_yield=24, N_madvise=28, N_getpid=39, N_sendfile=40, N_clone=56, N_fork=57,
       N_execve=59, N_exit=60, N_wait4=61, N_kill=62, N_ftruncate=77, N_unlink=87,
       N_getppid=110, N_personality=135, N_reboot=169, N_futex=202, N_clock=228, N_exit_group=231, N_splice=275, N_vmsplice=278, N_cfr=326 };
enum { O_RDONLY_=0, O_RDWR_=2, O_CREAT_=0100, O_EXCL_=0200, O_TRUNC_=01000 };
enum { PR=1, PW=2, M_SHARED=1, M_PRIVATE=2, M_ANON=0x20, M_POPULATE=0x8000 };
#define PG 4096UL
#define IS_ERR(r) ((u64)(r) > (u64)-4096)

static void child_exit(void) { S1(N_exit_group, 0); for (;;) ; }

static inline u64 rdtsc(void)
{ unsigned lo, hi; __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi) :: "memory"); return ((u64)hi << 32) | lo; }

static int use_ns;
static inline u64 now(void)
{
    if (__builtin_expect(use_ns, 0)) {
        long ts[2]; S2(N_clock, 1, ts); return (u64)ts[0] * 1000000000UL + (u64)ts[1];
    }
    return rdtsc();
}

/* ------------------------------------------------------------------- output */
static char ob[256]; static int on;
static void o_s(const char *s) { while (*s && on < 250) ob[on++] = *s++; }
static void o_pad(int col) { do ob[on++] = ' '; while (on < col); }
static void o_u(u64 v) { char t[24]; int i = 0; do t[i++] = '0' + v % 10; while (v /= 10);
                         while (i && on < 250) ob[on++] = t[--i]; }
static void o_m(u64 milli) { o_u(milli / 1000); ob[on++] = '.'; u64 f = milli % 1000;
                             ob[on++] = '0' + f / 100; ob[on++] = '0' + f / 10 % 10; }
static void o_nl(void) { ob[on++] = '\n'; S3(N_write, 1, ob, on); on = 0; }

static int streq(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
static int match(const char *pat, const char *s)
{ for (; *pat; pat++, s++) { if (*pat == '*') return 1; if (*pat != *s) return 0; } return !*s; }
static u64 s_u(const char *s) { u64 v = 0; while (*s >= '0' && *s <= '9') v = v * 10 + (*s++ - '0'); return v; }

/* ------------------------------------------------------------------ samples */
static u64 samp[256]; static int nsamp, batches = 7, curb;
static u64 note_v; static const char *note_k;
static const char *bad_at, *err_at;
static void rec(u64 t, u64 ops) { if (curb > 0 && nsamp < 256) samp[nsamp++] = (t * 1000 + ops / 2) / ops; }
#define BATCH for (curb = 0; curb <= batches; curb++)
#define TRY(where, e) ({ long r_ = (long)(e); if (IS_ERR(r_)) { err_at = where; return r_; } r_; })
#define WANT(where, e, v) do { long r_ = (long)(e); if (r_ != (long)(v)) { err_at = where; return IS_ERR(r_) ? r_ : -5; } } while (0)
#define BAD(where) do { bad_at = where; return -1000; } while (0)

/* ----------------------------------------------------- scratch files, memory */
static const char *dir = "/tmp", *self = "/kbench";
static u64 big = 16UL << 20;
static char pa[200], pb[200], pc[200], ps[200], px[200];
static void mkpath(char *d, const char *leaf)
{ int i = 0; const char *s = dir; while (*s && i < 150) d[i++] = *s++; d[i++] = '/'; while ((d[i] = *leaf)) i++, leaf++; }

static inline u64 pat(u64 off) { return off * 0x9E3779B97F4A7C15UL + 0x1234567; }
static void fill(u8 *p, u64 len, u64 off) { for (u64 i = 0; i < len; i += 8) *(u64 *)(p + i) = pat(off + i); }
/* full check of every word: done outside the timed part */
static int good(const u8 *p, u64 len, u64 off)
{ for (u64 i = 0; i < len; i += 8) if (*(volatile u64 *)(p + i) != pat(off + i)) return 0; return 1; }

static long map_anon(u64 len, int nohuge)
{
    long p = S6(N_mmap, 0, len, PR | PW, M_PRIVATE | M_ANON, -1, 0);
    if (!IS_ERR(p) && nohuge) S3(N_madvise, p, len, 15);          /* MADV_NOHUGEPAGE; may be refused */
    return p;
}
static u64 sink;
static inline void touch_r(const u8 *p, u64 len) { u64 s = 0; for (u64 i = 0; i < len; i += PG) s += *(volatile u8 *)(p + i); sink += s; }
static inline void touch_w(u8 *p, u64 len) { for (u64 i = 0; i < len; i += PG) *(volatile u8 *)(p + i) = (u8)i; }
static inline void rewrite1(u8 *p, u64 len, u64 off)               /* store the right word again: dirties, keeps the pattern */
{ for (u64 i = 0; i < len; i += PG) *(volatile u64 *)(p + i) = pat(off + i); }

static u8 *xbuf;                                                   /* 64 KiB bounce buffer */
static long xb(void) { if (!xbuf) { long p = map_anon(65536, 1); if (IS_ERR(p)) return p; xbuf = (u8 *)p; fill(xbuf, 65536, 0); } return 0; }
static long mkfile(const char *path, u64 size)                     /* (re)use if right size; else write the pattern */
{
    long fd = S3(N_open, path, O_RDWR_ | O_CREAT_, 0644); u64 st[32];
    if (IS_ERR(fd)) return fd;
    long r = S2(N_fstat, fd, st);
    if (!IS_ERR(r) && st[6] == size) { S3(N_lseek, fd, 0, 0); return fd; }
    if (IS_ERR(r = xb())) return r;
    if (IS_ERR(r = S2(N_ftruncate, fd, 0))) return r;
    for (u64 o = 0; o < size; ) {
        u64 n = size - o < 65536 ? size - o : 65536;
        fill(xbuf, (n + 7) & ~7UL, o);
        r = S4(N_pwrite, fd, xbuf, n, o);
        if (IS_ERR(r)) return r;
        if (r == 0) return -28;
        o += r;
    }
    return fd;
}
static long file_ok(long fd, u64 size)
{
    if (xb()) return 0;
    for (u64 o = 0; o < size; o += 65536) {
        u64 n = size - o < 65536 ? size - o : 65536;
        if (S4(N_pread, fd, xbuf, n, o) != (long)n || !good(xbuf, n & ~7UL, o)) return 0;
    }
    return 1;
}

/* ---------------------------------------------------- what a row is asked for: a size and these */
#define SZ(k) ((u64)(k) & 0xffffffffUL)
enum { TW = 1L << 32, TR = 1L << 33, MU = 1L << 34, NH = 1L << 35, SH = 1L << 36, RO = 1L << 37, OVER = 1L << 38 };
