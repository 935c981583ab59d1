/*
 * SSE and x87 state belongs to its process: it survives preemption, system calls, faults and signal handlers
 * that use the same registers; a child starts with a copy of its parent's; exec starts with a clean state.
 */
#include "t.h"

typedef double v2 __attribute__((vector_size(16)));

/* Keep a value in all of xmm0-15 and st0, MXCSR rounding as given; spin; see that nothing changed. */
static int spin(double value, unsigned mxcsr, long rounds)
{
	v2 in = { value, -value }, out[16];
	unsigned now;
	double top;

	__asm__ volatile("ldmxcsr %0" :: "m"(mxcsr));
	__asm__ volatile(
		"fldl %[value]\n"
		"movupd %[in], %%xmm0\n movapd %%xmm0, %%xmm1\n movapd %%xmm0, %%xmm2\n movapd %%xmm0, %%xmm3\n"
		"movapd %%xmm0, %%xmm4\n movapd %%xmm0, %%xmm5\n movapd %%xmm0, %%xmm6\n movapd %%xmm0, %%xmm7\n"
		"movapd %%xmm0, %%xmm8\n movapd %%xmm0, %%xmm9\n movapd %%xmm0, %%xmm10\n movapd %%xmm0, %%xmm11\n"
		"movapd %%xmm0, %%xmm12\n movapd %%xmm0, %%xmm13\n movapd %%xmm0, %%xmm14\n movapd %%xmm0, %%xmm15\n"
		"1: mov $39, %%eax\n syscall\n"		/* getpid: a system call in between */
		"mov $3000, %%ecx\n 2: dec %%ecx\n jnz 2b\n"
		"dec %[rounds]\n jnz 1b\n"
		"movupd %%xmm0, 0(%[out])\n movupd %%xmm1, 16(%[out])\n movupd %%xmm2, 32(%[out])\n movupd %%xmm3, 48(%[out])\n"
		"movupd %%xmm4, 64(%[out])\n movupd %%xmm5, 80(%[out])\n movupd %%xmm6, 96(%[out])\n movupd %%xmm7, 112(%[out])\n"
		"movupd %%xmm8, 128(%[out])\n movupd %%xmm9, 144(%[out])\n movupd %%xmm10, 160(%[out])\n movupd %%xmm11, 176(%[out])\n"
		"movupd %%xmm12, 192(%[out])\n movupd %%xmm13, 208(%[out])\n movupd %%xmm14, 224(%[out])\n movupd %%xmm15, 240(%[out])\n"
		"fstpl %[top]\n stmxcsr %[now]\n"
		: [rounds] "+r"(rounds), [top] "=m"(top), [now] "=m"(now), "=m"(out)
		: [value] "m"(value), [in] "m"(in), [out] "r"(out)
		: "rax", "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		  "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	for (int i = 0; i < 16; i++)
		if (out[i][0] != value || out[i][1] != -value)
			return 1;
	return top == value && (now & ~0x3fu) == (mxcsr & ~0x3fu) ? 0 : 2;
}

static volatile int alarms;

static void handler(int sig)
{
	v2 noise = { alarms, 1.0 / 3 };

	alarms++;
	__asm__ volatile("movupd %0, %%xmm0\n movapd %%xmm0, %%xmm7\n movapd %%xmm0, %%xmm15\n" :: "m"(noise) : "xmm0", "xmm7", "xmm15");
	__asm__ volatile("ldmxcsr %0" :: "m"((unsigned){ 0x1f80 }));
}

int main(int argc, char **argv)
{
	unsigned mxcsr;
	unsigned short cw = 0;

	if (argc > 1) {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		__asm__ volatile("fnstcw %0" : "=m"(cw));
		SAY("after exec: mxcsr %x, control word %x\n", mxcsr, cw);
		return 0;
	}
	/* Eight processes at once, each with values and a rounding mode of its own. */
	pid_t children[8];
	for (int i = 0; i < 8; i++)
		if (!(children[i] = fork()))
			_exit(spin(i * 1.5 + 0.1, 0x1f80 | (i & 3) << 13, 3000));
	for (int i = 0; i < 8; i++)
		SAY("process %d: %d\n", i, WEXITSTATUS(wait_for(children[i])));

	signal(SIGALRM, handler);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 5000 }, { 0, 5000 } }, NULL);
	int bad = 0;
	for (int i = 0; i < 20 || alarms < 3; i++)
		bad |= spin(2.75, 0x1f80 | 2 << 13, 500);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 0 } }, NULL);
	SAY("with signal handlers: %d\n", bad);

	mxcsr = 0x1f80 | 3 << 13;
	__asm__ volatile("ldmxcsr %0" :: "m"(mxcsr));
	CHILD("child", unsigned m; __asm__ volatile("stmxcsr %0" : "=m"(m)); SAY("child's rounding mode %d\n", m >> 13 & 3));
	CHILD("exec", execl("/proc/self/exe", "fpu", "exec", NULL));
	return 0;
}
