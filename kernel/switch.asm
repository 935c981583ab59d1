; switch_to: from one kernel stack to another.
;
; rdi = where to save the stack pointer, rsi = the one to go on with; called by switch_tasks() (kernel/sched.c) only.
; Leaves only rbp on the old stack and returns on the new one. The other registers that a C function keeps for its caller are lost; switch_tasks()
; tells the compiler so, which had saved those that it uses anyway. A new task's stack is prepared by task_start() with the same picture: rbp,
; return address. Called with interrupts off and the run queue locked; flags are not kept (both sides have interrupts off).

bits 64
section .text
global switch_to
switch_to:
	push	rbp
	mov	[rdi], rsp
	mov	rsp, rsi
	pop	rbp
	ret
