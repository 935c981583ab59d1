/*
 * Arithmetic exceptions: integer and x87, unmasked, with the si_code and address of Linux. Unmasked SSE ones are not
 * tried: QEMU's TCG never raises them (#XM).
 */
#include "t.h"

static sigjmp_buf out;
static volatile int code;

static void handler(int sig, siginfo_t *info, void *context)
{
	code = info->si_code;
	siglongjmp(out, info->si_addr != NULL ? 1 : 2);
}

#define TRY(text, ...) do { int r_ = sigsetjmp(out, 1); if (!r_) { __VA_ARGS__; SAY(text ": nothing\n"); } \
	else SAY(text ": code %d, address %d\n", code, r_ == 1); \
	__asm__ volatile("fninit"); __asm__ volatile("ldmxcsr %0" :: "m"((unsigned){ 0x1f80 })); } while (0)
#define X87(mask) __asm__ volatile("fninit\n fldcw %0" :: "m"((unsigned short){ 0x37f & ~(mask) }))
#define SSE(mask) __asm__ volatile("ldmxcsr %0" :: "m"((unsigned){ 0x1f80 & ~((mask) << 7) }))

int main(void)
{
	static const double zero = 0, one = 1, minus = -1;

	sigaction(SIGFPE, &(struct sigaction){ .sa_sigaction = handler, .sa_flags = SA_SIGINFO }, NULL);
	TRY("integer by zero", __asm__ volatile("xor %%edx, %%edx\n mov $1, %%eax\n xor %%ecx, %%ecx\n div %%ecx" ::: "eax", "ecx", "edx"));
	TRY("integer overflow", __asm__ volatile("mov $0x80000000, %%eax\n cdq\n mov $-1, %%ecx\n idiv %%ecx" ::: "eax", "ecx", "edx"));
	TRY("x87 by zero", X87(4); __asm__ volatile("fldl %0\n fdivl %1\n fwait" :: "m"(one), "m"(zero)));
	TRY("x87 invalid", X87(1); __asm__ volatile("fldl %0\n fsqrt\n fwait" :: "m"(minus)));
	TRY("x87 inexact", X87(0x20); __asm__ volatile("fldpi\n fldl %0\n fdivp\n fldpi\n fmulp\n fwait" :: "m"(one)));
	TRY("x87 masked", X87(0); __asm__ volatile("fldl %0\n fdivl %1\n fwait" :: "m"(one), "m"(zero)));
	TRY("SSE masked", SSE(0); __asm__ volatile("movsd %0, %%xmm0\n divsd %1, %%xmm0" :: "m"(one), "m"(zero) : "xmm0"));
	return 0;
}
