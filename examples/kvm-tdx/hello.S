/* SPDX-License-Identifier: MIT */
/* Where the vCPUs of the hello TD start, and the metadata that make a TDVF image of it.
 *
 * 32-bit protected mode without paging; ESI is the index of the vCPU. EFER.LME is set already. */
#include "arch/x86.h"

#define PAGE   0x1000
#define STACKS 0x800000 /* a page a vCPU */
#define VCPUS  16
#define TABLE  (PTE_P | PTE_W)
#define LARGE  (PTE_P | PTE_W | PTE_PS)

	.section .tables, "aw"
	.balign	PAGE
	.globl	pml4, pdpt
pml4:	.quad	pdpt + TABLE
	.fill	511, 8, 0
	/* 4 GiB as they are; hello.c puts the first GiB behind them, shared. */
pdpt:	.quad	LARGE, LARGE + 0x40000000, LARGE + 0x80000000, LARGE + 0xc0000000
	.fill	508, 8, 0

	.section .reset, "ax"
	.code32
	jmp	start32
	.balign	16, 0x90

	.text
	.globl	start32
start32:
	cli
	cld
	lgdt	gdtr
	movl	%cr4, %eax
	orl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$pml4, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	ljmp	$0x10, $start64

	.code64
start64:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	leal	1(%rsi), %esp
	shll	$12, %esp
	addl	$STACKS, %esp
	movl	%esi, %edi
	call	hello

	/* void tdcall(uint64_t regs[11]): RAX RCX RDX R8 to R15 */
	.globl	tdcall
tdcall:
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushq	%rdi
	movq	0(%rdi), %rax
	movq	8(%rdi), %rcx
	movq	16(%rdi), %rdx
	movq	24(%rdi), %r8
	movq	32(%rdi), %r9
	movq	40(%rdi), %r10
	movq	48(%rdi), %r11
	movq	56(%rdi), %r12
	movq	64(%rdi), %r13
	movq	72(%rdi), %r14
	movq	80(%rdi), %r15
	.byte	0x66, 0x0f, 0x01, 0xcc /* TDCALL */
	popq	%rdi
	movq	%rax, 0(%rdi)
	movq	%rcx, 8(%rdi)
	movq	%rdx, 16(%rdi)
	movq	%r8, 24(%rdi)
	movq	%r9, 32(%rdi)
	movq	%r10, 40(%rdi)
	movq	%r11, 48(%rdi)
	movq	%r12, 56(%rdi)
	movq	%r13, 64(%rdi)
	movq	%r14, 72(%rdi)
	movq	%r15, 80(%rdi)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	ret

	.section .rodata
	.balign	16
gdt:	.quad	0, 0
	.quad	0x00af9b000000ffff /* 64-bit code */
	.quad	0x00cf93000000ffff /* data */
gdtr:	.word	gdtr - gdt - 1
	.long	gdt

	/* Intel: TDX Virtual Firmware Design Guide, "TDVF metadata". */
	.section .metadata, "a"
metadata:
	.ascii	"TDVF"
	.long	16 + 2 * 32, 1, 2
	.long	0, IMAGE_SIZE			/* the image, as BFV, measured */
	.quad	0x100000000 - IMAGE_SIZE, IMAGE_SIZE
	.long	0, 1
	.long	0, 0				/* the stacks, as temporary memory */
	.quad	STACKS, VCPUS * PAGE
	.long	3, 0

	.section .guids, "a"
	.long	0x1000				/* from the end to the metadata */
	.word	22
	.byte	0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47
	.byte	0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2
	.word	22 + 18
	.byte	0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45
	.byte	0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d
