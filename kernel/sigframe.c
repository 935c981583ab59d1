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
static bool choose_stack(u64 rsp, const struct sigaction_k *action, bool on_alt, u64 *fp, u64 *sp)
{
	const stack_t *alt = &current->sig_stack;
	u64 top = rsp - RED_ZONE;
	bool enter = false;

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

/* Every byte is written: it goes to the user. */
static inline void fill_sigcontext(struct sigcontext *sc, const struct trapframe *f, u64 mask, u64 fp)
{
	const struct task *t = current;

	sc->r8 = f->r8; sc->r9 = f->r9; sc->r10 = f->r10; sc->r11 = f->r11;
	sc->r12 = f->r12; sc->r13 = f->r13; sc->r14 = f->r14; sc->r15 = f->r15;
	sc->rdi = f->rdi; sc->rsi = f->rsi; sc->rbp = f->rbp; sc->rbx = f->rbx;
	sc->rdx = f->rdx; sc->rax = f->rax; sc->rcx = f->rcx;
	sc->rsp = f->rsp; sc->rip = f->rip; sc->eflags = f->rflags;
	sc->cs = LINUX_USER_CS;
	sc->gs = sc->fs = 0;
	sc->ss = LINUX_USER_DS;
	sc->err = t->trap_error;
	sc->trapno = t->trap_nr;
	sc->oldmask = mask;
	sc->cr2 = t->trap_address;
	sc->fpstate = (void *)fp;
	__builtin_memset(sc->reserved1, 0, sizeof(sc->reserved1));
}

static inline void fill_ucontext(struct ucontext *uc, const struct trapframe *f, u64 mask, u64 fp, bool on_alt)
{
	const stack_t *alt = &current->sig_stack;

	uc->uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xsave ? UC_FP_XSTATE : 0);
	uc->uc_link = NULL;
	__builtin_memset(&uc->uc_stack, 0, sizeof(uc->uc_stack));	/* the padding too */
	uc->uc_stack.ss_sp = alt->ss_sp;
	uc->uc_stack.ss_flags = alt->ss_flags | (on_alt && !(alt->ss_flags & SS_DISABLE) ? SS_ONSTACK : 0);
	uc->uc_stack.ss_size = alt->ss_size;
	fill_sigcontext(&uc->uc_mcontext, f, mask, fp);
	__builtin_memcpy(&uc->uc_sigmask, &mask, sizeof(mask));
}

int siginfo_put_user(siginfo_t __user *to, const struct ksiginfo *info)
{
	return copy_to_user(to, info, sizeof(*info)) || clear_user((char __user *)to + sizeof(*info), sizeof(*to) - sizeof(*info)) ? -EFAULT : 0;
}

int sigframe_setup(struct trapframe *frame, int sig, const struct ksiginfo *info, const struct sigaction_k *action, u64 mask)
{
	struct task *t = current;
	struct { u64 return_address; struct ucontext uc; } user;	/* not cleared: all of it is filled */
	bool on_alt = on_alt_stack(frame->rsp);
	u64 fp, sp;

	if (!(action->flags & SA_RESTORER) || !choose_stack(frame->rsp, action, on_alt, &fp, &sp) || fpu_save_image((void __user *)fp))
		return -EFAULT;
	user.return_address = (u64)action->restorer;
	fill_ucontext(&user.uc, frame, mask, fp, on_alt);
	struct rt_sigframe __user *to = (struct rt_sigframe __user *)sp;
	/* The siginfo is written only for a handler that asked for it, as Linux does; its place is there in any case. */
	if (copy_to_user(to, &user, sizeof(user)) || (action->flags & SA_SIGINFO && siginfo_put_user(&to->info, info)))
		return -EFAULT;
	if (unlikely(t->sig_stack.ss_flags & (int)SS_AUTODISARM))
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
	return fpu_load_image((const void __user *)sc->fpstate);
}

long sys_rt_sigreturn(void)
{
	struct trapframe *f = current->frame;
	struct ucontext uc;
	u64 mask;

	if (copy_from_user(&uc, &((struct rt_sigframe __user *)(f->rsp - 8))->uc, sizeof(uc)))
		goto bad;
	__builtin_memcpy(&mask, &uc.uc_sigmask, sizeof(mask));
	if (restore_sigcontext(f, &uc.uc_mcontext))
		goto bad;
	signal_set_mask(mask);
	sigaltstack_restore(&uc.uc_stack);
	return (long)f->rax;
bad:
	f->vector = 0;
	signal_fault(SIGSEGV, SI_KERNEL, 0);
	return 0;
}
