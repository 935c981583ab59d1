; The only instructions of the kernel that touch user memory (mm/usercopy_raw.h).
;
; C calling convention; all state is in registers, so that a fault may sleep, be resolved and
; resume, or continue at the fixup. Between stac and clac nothing else happens. Each instruction that may
; fault has one row in the exception table, in address order.
;
; A wide string move stops at the first quadword that it cannot do whole; the rest, and the quadword that
; straddles the border, is done bytewise, so the residue is exact to the byte.

bits 64
default rel

%macro SMAP_SITE 1				; 3-byte nop, replaced by stac (CB) or clac (CA)
%%site:	db 0x0f, 0x1f, 0x00
[section .rodata.smap align=4]
	dd %%site - $
	dd 0x00000f | 0x0100 | (%1 << 16)
__?SECT?__
%endmacro
%define STAC SMAP_SITE 0xcb
%define CLAC SMAP_SITE 0xca

%macro MAY_FAULT 2				; label of the instruction, label of its fixup
[section .rodata.extable align=4]
	dd %1 - $
	dd %2 - $
__?SECT?__
%endmacro

section .rodata.smap align=4
global smap_sites_start
smap_sites_start:
section .rodata.extable align=4
global extable_start
extable_start:

section .text

; size_t raw_copy_{to,from}_user(rdi dst, rsi src, rdx n): rax = bytes not copied
global raw_copy_to_user, raw_copy_from_user
raw_copy_to_user:
raw_copy_from_user:
	mov	rcx, rdx
	shr	rcx, 3
	STAC
MAY_FAULT .quads, .bytewise
.quads:	rep movsq
	and	edx, 7
	jnz	.rest
	CLAC
	mov	eax, ecx			; 0
	ret
.rest:	mov	ecx, edx
MAY_FAULT .bytes, .done
.bytes:	rep movsb
.done:	CLAC
	mov	rax, rcx
	ret
.bytewise:					; rcx quadwords were not moved: do their bytes up to the border
	and	edx, 7
	lea	rcx, [rdx + rcx * 8]
	jmp	.bytes

; size_t raw_copy_page_to_user(rdi dst, rsi src): the same for a page, 8 instructions less with its call
global raw_copy_page_to_user
raw_copy_page_to_user:
	mov	ecx, 512
	STAC
MAY_FAULT .quads, .bytewise
.quads:	rep movsq
	CLAC
	mov	eax, ecx
	ret
.bytewise:
	xor	edx, edx
	jmp	raw_copy_from_user.bytewise

; int raw_cmpxchg32_user(rdi p, esi expected, edx desired, rcx found): 0 or -EFAULT
global raw_cmpxchg32_user
raw_cmpxchg32_user:
	mov	eax, esi
	STAC
MAY_FAULT .swap, .fault
.swap:	lock cmpxchg [rdi], edx
	CLAC
	mov	[rcx], eax
	xor	eax, eax
	ret
.fault:	CLAC
	mov	eax, -14
	ret

; ssize_t raw_string_from_user(rdi dst, rsi src, rdx n): rax = where the NUL is; n: there is none; or -EFAULT
; Quadword by quadword, up to the one with a zero byte in it: of (q - 01..01) & ~q & 80..80 the lowest bit that is set lies in the first zero byte.
global raw_string_from_user
raw_string_from_user:
	mov	r8, 0x0101010101010101
	mov	r9, r8
	shl	r9, 7
	xor	ecx, ecx
	STAC
MAY_FAULT .quad, .fault
.quad:	mov	rax, [rsi + rcx]
	mov	[rdi + rcx], rax
	mov	r10, rax
	not	r10
	sub	rax, r8
	and	r10, r9
	and	rax, r10
	jnz	.end
	add	rcx, 8
	cmp	rcx, rdx
	jb	.quad
	CLAC
	mov	rax, rcx
	ret
.end:	CLAC
	bsf	rax, rax
	shr	eax, 3
	add	rax, rcx
	ret
.fault:	CLAC
	mov	rax, -14
	ret

; int raw_xsave_user, raw_xrstor_user(rdi area, esi components): 0 or -EFAULT, also where XRSTOR raises #GP
global raw_xsave_user, raw_xrstor_user
raw_xsave_user:
	mov	eax, esi
	xor	edx, edx
	STAC
MAY_FAULT .save, bad_area
.save:	xsave64	[rdi]
	CLAC
	xor	eax, eax
	ret
raw_xrstor_user:
	mov	eax, esi
	xor	edx, edx
	STAC
MAY_FAULT .load, bad_area
.load:	xrstor64 [rdi]
	CLAC
	xor	eax, eax
	ret
bad_area:
	CLAC
	mov	eax, -14
	ret

section .rodata.smap
global smap_sites_end
smap_sites_end:
section .rodata.extable
global extable_end
extable_end:

section .note.GNU-stack noalloc noexec nowrite progbits
