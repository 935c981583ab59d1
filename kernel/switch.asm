; switch_to: from one kernel stack to another.
;
; void switch_to(u64 *save_rsp, u64 next_rsp)   (rdi, rsi)
; Saves what the C calling convention asks of a callee on the old stack and returns on the new one. A new
; task's stack is prepared by task_start() with the same picture: r15 r14 r13 r12 rbx rbp, return address.
; Called with interrupts off and the run queue locked; flags are not kept (both sides have interrupts off).

bits 64
section .text
global switch_to
switch_to:
	push	rbp
	push	rbx
	push	r12
	push	r13
	push	r14
	push	r15
	mov	[rdi], rsp
	mov	rsp, rsi
	pop	r15
	pop	r14
	pop	r13
	pop	r12
	pop	rbx
	pop	rbp
	ret
