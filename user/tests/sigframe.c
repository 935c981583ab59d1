/* The frame of a signal handler: what it holds, and what a handler may do to it. Damage ends in SIGSEGV, never worse. */
#include "t.h"

#define REG_RSP_INDEX 15
#define REG_RIP_INDEX 16
#define REG_EFL_INDEX 17
#define REG_CS_INDEX 18

static int action;
static unsigned char *fp_state(ucontext_t *c) { return (unsigned char *)c->uc_mcontext.fpregs; }
static uint32_t word(const unsigned char *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static void put(unsigned char *p, uint64_t v, int n) { memcpy(p, &v, n); }

enum { LOOK, RIP_KERNEL, RIP_NONCANONICAL, RSP_BAD, FLAGS, CS_ZERO, CS_KERNEL, SS_ZERO, MXCSR, XSTATE_BV, XCOMP, XRESERVED, MAGIC1, FP_NULL,
       FP_BAD, FP_XMM };

static void handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	long long *g = c->uc_mcontext.gregs;
	unsigned char *fp = fp_state(c);

	switch (action) {
	case LOOK:
		SAY("frame aligned %d, fp aligned %d\n", (int)((uintptr_t)__builtin_frame_address(0) % 16), (int)((uintptr_t)fp % 64));
		SAY("flags %ld, cs %llx ss %llx\n", c->uc_flags & 6, g[REG_CS_INDEX] & 0xffff, (unsigned long long)g[REG_CS_INDEX] >> 48);
		if (c->uc_flags & 1)
			SAY("magic %x %x\n", word(fp + 464) == 0x46505853, word(fp + word(fp + 480)) == 0x46505845);
		else
			SAY("magic 1 1\n");
		SAY("mxcsr %x fcw %x\n", word(fp + 24), word(fp) & 0xffff);
		break;
	case RIP_KERNEL: g[REG_RIP_INDEX] = 0xffffffff80100000; break;
	case RIP_NONCANONICAL: g[REG_RIP_INDEX] = 0x1234567812345678; break;
	case RSP_BAD: g[REG_RSP_INDEX] = 0xffff888000000000; break;
	case FLAGS: g[REG_EFL_INDEX] = 0xffffffff & ~0x4100ULL & ~0x10400ULL & ~0x40000ULL; break;
	case CS_ZERO: g[REG_CS_INDEX] &= ~0xffffLL; break;
	case CS_KERNEL: g[REG_CS_INDEX] = (g[REG_CS_INDEX] & ~0xffffLL) | 0x10; break;
	case SS_ZERO: g[REG_CS_INDEX] &= 0xffffffffffffLL; break;
	case MXCSR: put(fp + 24, 0xffffffff, 4); break;
	case XSTATE_BV: put(fp + 512, 1UL << 63 | 3, 8); break;
	case XCOMP: put(fp + 520, 1, 8); break;
	case XRESERVED: put(fp + 528, 1, 8); break;
	case MAGIC1: put(fp + 464, 0, 4); break;
	case FP_NULL: c->uc_mcontext.fpregs = NULL; break;
	case FP_BAD: c->uc_mcontext.fpregs = (void *)8; break;
	case FP_XMM: put(fp + 160 + 16 * 8, 4711, 8); break;
	}
}

static void run(const char *name, int what)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
		uint64_t xmm8, flags;

		action = what;
		sigaction(SIGUSR1, &sa, NULL);
		__asm__ volatile("movq %2, %%xmm8\n\tsyscall\n\tmovq %%xmm8, %0\n\tpushfq\n\tpop %1"
				 : "=&r"(xmm8), "=&r"(flags)
				 : "r"(99UL), "a"(SYS_kill), "D"(getpid()), "S"(SIGUSR1) : "rcx", "r11", "xmm8", "memory");
		__asm__ volatile("cld");
		SAY("%s: came back, xmm8 %lu, flags %lx\n", name, xmm8, what == FLAGS ? flags & ~0x200000UL : flags & 0x7200);
		_exit(0);
	}
	show_status(name, wait_for(pid));
}

int main(void)
{
	run("look", LOOK);
	run("rip in the kernel", RIP_KERNEL);
	run("rip not canonical", RIP_NONCANONICAL);
	run("rsp in the kernel", RSP_BAD);
	run("all flags", FLAGS);
	run("cs 0", CS_ZERO);
	run("cs of the kernel", CS_KERNEL);
	run("ss 0", SS_ZERO);
	run("mxcsr reserved bits", MXCSR);
	run("xstate_bv", XSTATE_BV);
	run("xcomp_bv", XCOMP);
	run("xsave header reserved", XRESERVED);
	run("magic 1 gone", MAGIC1);
	run("no fp state", FP_NULL);
	run("bad fp pointer", FP_BAD);
	run("changed xmm8", FP_XMM);
	return 0;
}
