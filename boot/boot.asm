; Where the machine hands over: GRUB (multiboot2) or QEMU's -kernel (PVH). Both enter in 32-bit
; protected mode, flat segments, paging off. This file turns on long mode and calls boot_main()
; (boot/bootinfo.c) on the boot stack, at its higher-half address.
;
; On entry:  multiboot2_entry  EAX = 0x36d76289, EBX = physical address of the boot information
;            pvh_entry         EBX = physical address of struct hvm_start_info
; Memory:    identity map of the first 4 GiB and, from KERNEL_BASE, of the first GiB, in 2 MiB pages,
;            all writable and executable; boot/paging.c replaces these tables.
; Sources:   Multiboot2 specification 2.0 section 3; Xen's pvh.h; SDM vol. 3, 9.8.5.

KERNEL_BASE	equ 0xffffffff80000000
MULTIBOOT2_MAGIC equ 0xe85250d6
PVH_MAGIC	equ 0x336ec578

section .multiboot2 progbits alloc noexec nowrite align=8
header:
	dd MULTIBOOT2_MAGIC, 0, header_end - header, -(MULTIBOOT2_MAGIC + header_end - header)
	align 8
	dw 6, 0				; modules on page boundaries: the ramdisk is used in place
	dd 8
	align 8
	dw 5, 1				; framebuffer, optional: else a UEFI machine is blind. The last: tools/iso.py
	dd 20, 1024, 768, 32		; makes it the end for the menu's text entry
	align 8
	dw 0, 0
	dd 8
header_end:

section .note.pvh note alloc noexec nowrite align=4
	dd 4, 8, 18			; name and value length; XEN_ELFNOTE_PHYS32_ENTRY
	db "Xen", 0
	dq pvh_entry

section .boot.text progbits alloc exec nowrite align=16
bits 32
global multiboot2_entry
multiboot2_entry:
	mov	esi, eax
	jmp	start
pvh_entry:
	mov	esi, PVH_MAGIC
start:
	cli
	cld
	mov	esp, boot_stack_top

	; 1. Page tables: nothing of them is in the image, so clear first.
	mov	edi, pml4
	xor	eax, eax
	mov	ecx, (boot_tables_end - pml4) / 4
	rep stosd
	mov	dword [pml4], pdpt_low + 3
	mov	dword [pml4 + 511 * 8], pdpt_high + 3
	mov	dword [pdpt_low], pd + 3
	mov	dword [pdpt_low + 8], pd + 0x1000 + 3
	mov	dword [pdpt_low + 16], pd + 0x2000 + 3
	mov	dword [pdpt_low + 24], pd + 0x3000 + 3
	mov	dword [pdpt_high + 510 * 8], pd + 3
	mov	edi, pd
	mov	eax, 0x83			; P RW PS
	mov	ecx, 2048
.fill:	mov	[edi], eax
	add	eax, 0x200000
	add	edi, 8
	loop	.fill

	; 2. PAE, the tables, long mode, paging with write protection.
	mov	eax, cr4
	or	eax, 1 << 5
	mov	cr4, eax
	mov	eax, pml4
	mov	cr3, eax
	mov	ecx, 0xc0000080			; EFER
	rdmsr
	or	eax, 1 << 8			; LME; boot/paging.c adds NXE where there is NX
	wrmsr
	mov	eax, cr0
	or	eax, 1 << 31 | 1 << 16 | 1 << 5 | 1	; PG WP NE (x87 errors are #MF) PE
	and	eax, ~(1 << 2)			; EM off: FXSAVE must work
	or	eax, 1 << 1			; MP
	mov	cr0, eax
	lgdt	[boot_gdtr]
	jmp	8:long_mode

bits 64
long_mode:
	mov	ax, 16
	mov	ds, ax
	mov	es, ax
	mov	ss, ax
	xor	eax, eax
	mov	fs, ax
	mov	gs, ax

	; 3. To the higher half: magic and information as arguments.
	mov	edi, esi
	mov	esi, ebx
	mov	rax, boot_high
	jmp	rax

section .boot.data progbits alloc noexec write align=16
boot_gdt:
	dq 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_end:
boot_gdtr:
	dw boot_gdt_end - boot_gdt - 1
	dd boot_gdt

section .boot.bss nobits alloc write align=4096
pml4:		resb 4096
pdpt_low:	resb 4096
pdpt_high:	resb 4096
pd:		resb 4 * 4096
boot_tables_end:
		resb 4096
boot_stack_top:

section .text
extern boot_main
boot_high:
	mov	rax, boot_stack
	lea	rsp, [rax + 16384]
	xor	ebp, ebp			; ends the backtrace
	call	boot_main
	ud2

section .bss nobits alloc write align=4096
global boot_stack
boot_stack:	resb 16384
