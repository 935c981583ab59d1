; Every way into the kernel and back out: exceptions, interrupts, SYSCALL.
;
; All build the same frame (struct trapframe, kernel/trap.h), lowest address first:
;
;   rsp ->  r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi   (pushed here)
;           vector, error                                               (pushed here or by the CPU)
;           rip cs rflags rsp ss                                        (by the CPU; for SYSCALL by us)
;
; GS: user mode runs with its own GS base, the kernel with struct cpu. Whoever comes from user mode
; swaps, at entry and before leaving, with interrupts off in between. NMI, double fault and machine
; check may arrive between the two and look at the base itself (paranoid_entry); user programs cannot set
; a kernel address there (CR4.FSGSBASE is off, arch_prctl checks).
; Sources: SDM vol. 3, chapter 6; vol. 2, SYSCALL and SYSRET.

%define CPU_CURRENT	8
%define CPU_KSTACK	16
%define CPU_USER_RSP	24
%define CPU_PREEMPT	32		; preempt_count, need_resched
%define TASK_HELD	0		; held_count, pagefault_disabled
%define TASK_FLAGS	8
%define TF_SIGPENDING	2
%define USER_DS		0x1b
%define USER_CS		0x23
%define SYSCALL_VECTOR	0x100
%define ERESTART_FIRST	512		; -ERESTARTSYS to -ERESTART_RESTARTBLOCK: kernel/syscalls.c checks
%define ERESTART_LAST	516
%define TRACE_CALLS	0x80000003	; TRACE_CALLS_SLOW, TRACE_SYSCALL, TRACE_SYSRET
%define FRAME_RBP	4 * 8
%define FRAME_R11	6 * 8
%define FRAME_R10	7 * 8
%define FRAME_R9	8 * 8
%define FRAME_R8	9 * 8
%define FRAME_RAX	10 * 8
%define FRAME_RCX	11 * 8
%define FRAME_RDX	12 * 8
%define FRAME_RSI	13 * 8
%define FRAME_RDI	14 * 8
%define FRAME_VECTOR	15 * 8
%define FRAME_RIP	17 * 8
%define FRAME_CS	18 * 8
%define FRAME_RFLAGS	19 * 8
%define FRAME_RSP	20 * 8

bits 64
default rel
section .text
extern trap_dispatch, user_return_work, clac_on_entry
extern syscall_table, syscall_count, syscall_slow, syscall_interrupted, trace_mask
global syscall_entry, trap_stubs, return_to_user, ret_from_fork

%macro PUSH_REGS 0
	push	rdi
	push	rsi
	push	rdx
	push	rcx
	push	rax
	push	r8
	push	r9
	push	r10
	push	r11
	push	rbx
	push	rbp
	push	r12
	push	r13
	push	r14
	push	r15
%endmacro

%macro POP_REGS 0
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbp
	pop	rbx
	pop	r11
	pop	r10
	pop	r9
	pop	r8
	pop	rax
	pop	rcx
	pop	rdx
	pop	rsi
	pop	rdi
%endmacro

; --- SYSCALL: rcx = user rip, r11 = user rflags; interrupts are off (SFMASK) ---
syscall_entry:
	swapgs
	mov	[gs:CPU_USER_RSP], rsp
	mov	rsp, [gs:CPU_KSTACK]
	push	USER_DS
	push	qword [gs:CPU_USER_RSP]
	push	r11
	push	USER_CS
	push	rcx
	push	rax			; error = the call's number (orig_rax)
	push	SYSCALL_VECTOR
	PUSH_REGS
	xor	ebp, ebp		; ends the backtrace
	cmp	rax, [syscall_count]	; x32's bit 30 gives a number out of range
	jae	.slow
	test	dword [trace_mask], TRACE_CALLS
	jnz	.slow
	mov	rax, [abs syscall_table + rax * 8]
	test	rax, rax
	jz	.slow
	mov	rcx, r10		; the other arguments are where C wants them
	sti
	call	rax
	mov	[rsp + FRAME_RAX], rax	; no label here: GDB would take the place that calls return to for another function's
.done:	lea	rdx, [rax + ERESTART_LAST]
	cmp	rdx, ERESTART_LAST - ERESTART_FIRST
	jbe	.restart
	cli
	; As leave_kernel, but C has kept rbx and r12 to r15, and most of the others are no part of what SYSRET restores: 22 instructions, not 28.
	mov	rcx, [gs:CPU_CURRENT]
	mov	rdx, [gs:CPU_PREEMPT]
	or	rdx, [rcx + TASK_HELD]
	jnz	leave_kernel.work
	test	dword [rcx + TASK_FLAGS], TF_SIGPENDING
	jnz	leave_kernel.work
	cmp	dword [rsp + FRAME_VECTOR], SYSCALL_VECTOR
	jne	leave_kernel.iret
	test	dword [rsp + FRAME_RFLAGS], 0x10100	; RF or TF
	jnz	leave_kernel.iret
	mov	rbp, [rsp + FRAME_RBP]
	mov	r11, [rsp + FRAME_R11]
	mov	r10, [rsp + FRAME_R10]
	mov	r9, [rsp + FRAME_R9]
	mov	r8, [rsp + FRAME_R8]
	mov	rcx, [rsp + FRAME_RCX]
	mov	rdx, [rsp + FRAME_RDX]
	mov	rsi, [rsp + FRAME_RSI]
	mov	rdi, [rsp + FRAME_RDI]
	mov	rsp, [rsp + FRAME_RSP]
	swapgs
	o64 sysret
.slow:	mov	rdi, rsp		; a number without a function, or a call that is traced
	sti
	call	syscall_slow
	mov	[rsp + FRAME_RAX], rax
	jmp	.done
.restart:				; -ERESTART*: signal_deliver() decides
	call	syscall_interrupted
	cli
	; falls through

; For debuggers: from syscall_entry's calls the way goes on in the program. DWARF 4, 6.4: CFA = rsp + 176, the end of the frame.
[section .debug_frame progbits noalloc noexec nowrite align=8]
frame_cie:
	dd	.end - .start
.start:	dd	-1			; a CIE
	db	1, 0, 1, 0x78, 16	; version, no augmentation, factors 1 and -8, the return address is column 16
	db	0x0c, 7, 0xb0, 0x01	; def_cfa rsp, 176
	db	0x80 | 16, 5		; offset rip, -40
	db	0x80 | 7, 2		; rsp, -16
	db	0x80 | 6, 18		; rbp, -144
	align	8, db 0
.end:
frame_fde:
	dd	.end - .start
.start:	dd	frame_cie
	dq	syscall_entry, leave_kernel - syscall_entry
	align	8, db 0
.end:
__?SECT?__

; --- back to user mode; rsp = frame, interrupts off ---
leave_kernel:
	mov	rax, [gs:CPU_CURRENT]
	mov	rcx, [gs:CPU_PREEMPT]
	or	rcx, [rax + TASK_HELD]
	jnz	.work
	test	dword [rax + TASK_FLAGS], TF_SIGPENDING
	jnz	.work
.leave:
	; SYSRET restores less than IRETQ, and faults in the kernel on a non-canonical rip: only for a system call's frame that nobody
	; changed (who does sets the vector to 0), whose rcx and r11 are rip and rflags. No program ends at the last canonical address.
	cmp	dword [rsp + FRAME_VECTOR], SYSCALL_VECTOR
	jne	.iret
	test	dword [rsp + FRAME_RFLAGS], 0x10100	; RF or TF
	jnz	.iret
	POP_REGS
	mov	rsp, [rsp + FRAME_RSP - FRAME_VECTOR]
	swapgs
	o64 sysret
.iret:
	POP_REGS
	add	rsp, 16
	swapgs
	iretq
.work:
	mov	rdi, rsp
	call	user_return_work	; leaves interrupts off
	jmp	.leave
return_to_user:				; rdi = frame
	mov	rsp, rdi
	cli
	jmp	leave_kernel

; --- a new task: switch_to() returns here on its first run, interrupts on, preemption off by one (schedule's) ---
extern schedule_tail
ret_from_fork:
	call	schedule_tail		; returns the user frame, or calls a kernel thread's function and does not return
	mov	rdi, rax
	jmp	return_to_user

; --- exceptions and interrupts: one stub each, 16 bytes apart ---
%macro STUB 1
	align	16
	%if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17 || %1 == 21
	%else
	push	0
	%endif
	push	%1
	%if %1 == 2 || %1 == 8 || %1 == 18
	jmp	paranoid_entry
	%else
	jmp	trap_entry
	%endif
%endmacro
	align	16
trap_stubs:
%assign vector 0
%rep 256
	STUB vector
%assign vector vector + 1
%endrep

trap_entry:
	PUSH_REGS
	cld
	test	byte [rsp + FRAME_CS], 3
	jz	.kernel
	swapgs
	call	clear_ac
	xor	ebp, ebp
	mov	rdi, rsp
	call	trap_dispatch
	jmp	leave_kernel
.kernel:
	call	clear_ac
	; Make the interrupted function the caller of trap_dispatch, for backtraces: a frame of its rip and rbp.
	push	qword [rsp + FRAME_RIP]
	push	rbp
	mov	rbp, rsp
	lea	rdi, [rsp + 16]
	call	trap_dispatch		; preempts, if that is due
	add	rsp, 16
	POP_REGS
	add	rsp, 16
	iretq

; A user copy may be interrupted with AC set; nobody else may run with it.
clear_ac:
	cmp	byte [clac_on_entry], 0
	je	.done
	clac
.done:	ret

; NMI, double fault, machine check: on their own stacks, from anywhere, also between SYSCALL and swapgs.
paranoid_entry:
	PUSH_REGS
	cld
	call	clear_ac
	xor	ebx, ebx
	mov	ecx, 0xc0000101		; GS base: the kernel's is negative
	rdmsr
	test	edx, edx
	js	.swapped
	swapgs
	inc	ebx
.swapped:
	push	qword [rsp + FRAME_RIP]
	push	rbp
	mov	rbp, rsp
	lea	rdi, [rsp + 16]
	call	trap_dispatch		; never sleeps or preempts for these
	add	rsp, 16
	test	ebx, ebx
	jz	.out
	swapgs
.out:	POP_REGS
	add	rsp, 16
	iretq
