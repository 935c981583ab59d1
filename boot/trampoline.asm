; Where another processor wakes up: in real mode, at the start of a page below 1 MiB that the startup interrupt names (SDM vol. 3, 9.4.4).
; kernel/smp.c copies trampoline .. trampoline_end there and fills in what stands at its end. From real mode straight into long mode, on the
; kernel's tables plus this page (boot/paging.c), then to ap_main() on the stack of the CPU's idle task.

section .rodata
bits 16
global trampoline, trampoline_end, trampoline_long, trampoline_gdt, trampoline_claim, trampoline_root, trampoline_efer
global trampoline_gdtr, trampoline_far, trampoline_stack, trampoline_entry
%define HERE(label) (label - trampoline)

	align 16
trampoline:
	cli
	cld
	mov	ax, cs
	mov	ds, ax
	; Whoever comes when it is not awaited (any more) stays here: its stack may be somebody else's by now.
	xor	eax, eax
	xchg	eax, [HERE(trampoline_claim)]
	test	eax, eax
	jz	.stay
	o32 lgdt [HERE(trampoline_gdtr)]
	mov	eax, 1 << 5			; PAE
	mov	cr4, eax
	mov	eax, [HERE(trampoline_root)]
	mov	cr3, eax
	mov	ecx, 0xc0000080			; EFER
	rdmsr
	or	eax, [HERE(trampoline_efer)]	; LME, NXE
	wrmsr
	mov	eax, cr0
	and	eax, ~(3 << 29 | 1 << 2)	; caches on (they are off after a reset), EM off
	or	eax, 1 << 31 | 1 << 16 | 1 << 5 | 3	; PG WP NE MP PE
	mov	cr0, eax
	jmp	dword far [HERE(trampoline_far)]
.stay:	hlt
	jmp	.stay

bits 64
trampoline_long:
	mov	ax, 16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax
	mov	rsp, [rel trampoline_stack]
	xor	ebp, ebp			; ends the backtrace
	push	0			; nobody called it
	jmp	[rel trampoline_entry]

	align 8
trampoline_gdt:
	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
trampoline_gdtr:
	dw 23
	dd 0					; filled in: linear address of trampoline_gdt
	align 8
trampoline_far:
	dd 0					; filled in: linear address of trampoline_long
	dw 8
	align 8
trampoline_claim:	dd 0			; 1: the next one to come is awaited
trampoline_root:	dd 0			; CR3
trampoline_efer:	dd 0			; bits to set
	align 8
trampoline_stack:	dq 0
trampoline_entry:	dq 0
trampoline_end:
