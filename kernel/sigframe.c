/*
 * The frame of a signal handler on the user's stack, exactly Linux's: it is an ABI that libraries and unwinders read.
 *
 *   high  FP state: FXSAVE or XSAVE image, 64-byte aligned, its magic numbers
 *         struct rt_sigframe { return address, ucontext, siginfo }     <- rsp in the handler, rsp + 8 is 16-byte aligned
 *
 * rt_sigreturn() believes nothing in it: segment registers are fixed, only the flags that belong to programs are taken, a
 * non-canonical rip or a bad FP image is SIGSEGV.
 */
#include "kernel/cpu.h"
#include "kernel/proc_syscalls.h"
#include "kernel/signal.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/layout.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define RED_ZONE 128			/* below rsp, belongs to the interrupted function */
#define LEGACY_SIZE 512			/* FXSAVE image */
#define SW_BYTES 464			/* its software-reserved bytes */
#define XSTATE_HEADER 512		/* XSAVE header: after it */
#define FLAGS_USER 0x254dd5UL		/* ID AC OF DF TF SF ZF AF PF CF, and RF below */
#define FLAGS_RF BIT(16)
#define LINUX_USER_CS 0x33		/* what programs expect to see; ours differ, and sigreturn ignores them */
#define LINUX_USER_DS 0x2b

struct rt_sigframe {
	u64 return_address;
	struct ucontext uc;
	siginfo_t info;
};

bool on_alt_stack(u64 sp)
{
	const stack_t *alt = &current->sig_stack;

	if (alt->ss_flags & (int)SS_AUTODISARM)
		return false;
	return sp > (u64)alt->ss_sp && sp - (u64)alt->ss_sp <= alt->ss_size;
}

/* The handler's stack: where the FP image and the frame go. False: an alternate stack has no room left. */
static bool choose_stack(const struct trapframe *frame, const struct sigaction_k *action, u64 *fp, u64 *sp)
{
	const stack_t *alt = &current->sig_stack;
	u64 top = frame->rsp - RED_ZONE;
	bool on_alt = on_alt_stack(frame->rsp), enter = false;

	if (action->flags & SA_ONSTACK && alt->ss_size && !(alt->ss_flags & SS_DISABLE) && !on_alt) {
		top = (u64)alt->ss_sp + alt->ss_size;
		enter = true;
	}
	*fp = ALIGN_DOWN(top - fpu_image_size(), 64);
	*sp = ALIGN_DOWN(*fp - sizeof(struct rt_sigframe), 16) - 8;
	if (enter || on_alt)
		return *sp > (u64)alt->ss_sp && *sp < (u64)alt->ss_sp + alt->ss_size;
	return true;
}

static int save_fp(u64 fp)
{
	fpu_save(current->fpu);
	return copy_to_user((void __user *)fp, current->fpu, fpu_image_size()) ? -EFAULT : 0;
}

static void fill_sigcontext(struct sigcontext *sc, const struct trapframe *f, u64 mask)
{
	const struct task *t = current;

	sc->r8 = f->r8; sc->r9 = f->r9; sc->r10 = f->r10; sc->r11 = f->r11;
	sc->r12 = f->r12; sc->r13 = f->r13; sc->r14 = f->r14; sc->r15 = f->r15;
	sc->rdi = f->rdi; sc->rsi = f->rsi; sc->rbp = f->rbp; sc->rbx = f->rbx;
	sc->rdx = f->rdx; sc->rax = f->rax; sc->rcx = f->rcx;
	sc->rsp = f->rsp; sc->rip = f->rip; sc->eflags = f->rflags;
	sc->cs = LINUX_USER_CS;
	sc->ss = LINUX_USER_DS;
	sc->err = t->trap_error;
	sc->trapno = t->trap_nr;
	sc->cr2 = t->trap_address;
	sc->oldmask = mask;
}

int sigframe_setup(struct trapframe *frame, int sig, const siginfo_t *info, const struct sigaction_k *action, u64 mask)
{
	struct task *t = current;
	struct rt_sigframe user = { 0 };
	u64 fp, sp;

	if (!(action->flags & SA_RESTORER) || !choose_stack(frame, action, &fp, &sp) || save_fp(fp))
		return -EFAULT;
	user.return_address = (u64)action->restorer;
	user.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xsave ? UC_FP_XSTATE : 0);
	user.uc.uc_stack = t->sig_stack;
	if (!(t->sig_stack.ss_flags & SS_DISABLE) && on_alt_stack(frame->rsp))
		user.uc.uc_stack.ss_flags |= SS_ONSTACK;
	fill_sigcontext(&user.uc.uc_mcontext, frame, mask);
	user.uc.uc_mcontext.fpstate = (void *)fp;
	memcpy(&user.uc.uc_sigmask, &mask, sizeof(mask));
	user.info = *info;
	if (copy_to_user((void __user *)sp, &user, sizeof(user)))
		return -EFAULT;
	if (t->sig_stack.ss_flags & (int)SS_AUTODISARM)
		t->sig_stack = (stack_t){ .ss_flags = SS_DISABLE };

	frame->rdi = (u64)sig;
	frame->rsi = sp + offsetof(struct rt_sigframe, info);
	frame->rdx = sp + offsetof(struct rt_sigframe, uc);
	frame->rax = 0;
	frame->rsp = sp;
	frame->rip = (u64)action->handler;
	frame->cs = USER_CS;
	frame->ss = USER_DS;
	frame->rflags &= ~(u64)0x10500;		/* DF, TF, RF */
	frame->rcx = frame->r11 = 0;		/* not to be taken for what SYSRET wants */
	if (frame->rip >= USER_TOP)		/* IRETQ must not fault in the kernel */
		return -EFAULT;
	return 0;
}

/* --- coming back --- */

/* Is this FP image from the user one that XRSTOR takes without a fault? */
static bool fp_image_ok(const u8 *image)
{
	u32 mxcsr;

	memcpy(&mxcsr, image + 24, sizeof(mxcsr));
	if (mxcsr & ~0xffffU)
		return false;
	if (!cpu_features.xsave)
		return true;
	u64 header[8];
	memcpy(header, image + XSTATE_HEADER, sizeof(header));
	if (header[0] & ~cpu_features.xcr0 || header[1])
		return false;
	for (int i = 2; i < 8; i++)
		if (header[i])
			return false;
	return true;
}

/* Does it have the marks of a whole image? */
static bool fp_image_whole(const u8 *image)
{
	struct _fpx_sw_bytes sw;
	u32 magic2;

	if (!cpu_features.xsave)
		return true;
	memcpy(&sw, image + SW_BYTES, sizeof(sw));
	memcpy(&magic2, image + cpu_features.xsave_size, sizeof(magic2));
	return sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size == cpu_features.xsave_size && sw.extended_size >= fpu_image_size() && magic2 == FP_XSTATE_MAGIC2;
}

/*
 * The usual case, an image that sigframe_setup() made and that is still mapped: straight into the task's area, which holds nothing while
 * the task runs. False: nothing was loaded. It costs a quarter of the general way below.
 */
static bool restore_fp_in_place(u64 fp)
{
	u8 *area = current->fpu;
	bool good;

	preempt_disable();	/* nobody saves registers there meanwhile */
	good = !copy_from_user_nofault(area, (void __user *)fp, fpu_image_size()) && fp_image_whole(area) && fp_image_ok(area);
	if (!good && cpu_features.xsave)
		memset(area + XSTATE_HEADER, 0, 64);	/* what XSAVE does not write, XRSTOR must find zero */
	fpu_mark(area);
	if (good)
		fpu_restore(area);
	preempt_enable();
	return good;
}

/* Load the image at user address fp (0: initial state). */
static int restore_fp(u64 fp)
{
	if (fp && restore_fp_in_place(fp))
		return 0;
	u8 *image = fpu_alloc();
	u8 *whole = image ? kmalloc(fpu_image_size()) : NULL;
	int r = whole ? -EFAULT : -ENOMEM;

	if (!whole)
		goto out;
	if (fp) {
		if (copy_from_user(whole, (void __user *)fp, LEGACY_SIZE))
			goto out;
		struct _fpx_sw_bytes sw;
		memcpy(&sw, whole + SW_BYTES, sizeof(sw));
		bool extended = cpu_features.xsave && sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size == cpu_features.xsave_size &&
				sw.extended_size >= fpu_image_size();
		if (extended && copy_from_user(whole, (void __user *)fp, fpu_image_size()))
			goto out;
		/* Without the marks only the legacy part counts, and the rest is initial, as fpu_alloc() made it. */
		extended = extended && fp_image_whole(whole);
		memcpy(image, whole, extended ? cpu_features.xsave_size : LEGACY_SIZE);
		if (cpu_features.xsave && !extended)
			image[XSTATE_HEADER] |= 3;	/* x87 and SSE are in use */
		if (!fp_image_ok(image))
			goto out;
		fpu_mark(image);
	}
	preempt_disable();
	void *old = current->fpu;
	current->fpu = image;
	fpu_restore(image);
	preempt_enable();
	image = old;
	r = 0;
out:
	kfree(whole);
	fpu_free(image);
	return r;
}

static int restore_sigcontext(struct trapframe *f, const struct sigcontext *sc)
{
	/* Linux fails on bad selectors in IRETQ, with the same signal. */
	if (sc->rip >= USER_TOP || (sc->cs | 3) != LINUX_USER_CS || (sc->ss | 3) != LINUX_USER_DS)
		return -EFAULT;
	f->r8 = sc->r8; f->r9 = sc->r9; f->r10 = sc->r10; f->r11 = sc->r11;
	f->r12 = sc->r12; f->r13 = sc->r13; f->r14 = sc->r14; f->r15 = sc->r15;
	f->rdi = sc->rdi; f->rsi = sc->rsi; f->rbp = sc->rbp; f->rbx = sc->rbx;
	f->rdx = sc->rdx; f->rax = sc->rax; f->rcx = sc->rcx;
	f->rsp = sc->rsp; f->rip = sc->rip;
	f->cs = USER_CS;
	f->ss = USER_DS;
	f->rflags = (f->rflags & ~(FLAGS_USER | FLAGS_RF)) | (sc->eflags & (FLAGS_USER | FLAGS_RF)) | 0x202;
	f->vector = 0;		/* no system call to restart */
	return restore_fp((u64)sc->fpstate);
}

long sys_rt_sigreturn(void)
{
	struct trapframe *f = current->frame;
	struct rt_sigframe user;
	u64 mask;

	if (copy_from_user(&user, (void __user *)(f->rsp - 8), sizeof(user)))
		goto bad;
	memcpy(&mask, &user.uc.uc_sigmask, sizeof(mask));
	if (restore_sigcontext(f, &user.uc.uc_mcontext))
		goto bad;
	signal_set_mask(mask);
	sigaltstack_restore(&user.uc.uc_stack);
	return (long)f->rax;
bad:
	f->vector = 0;
	signal_fault(SIGSEGV, SI_KERNEL, 0);
	return 0;
}
