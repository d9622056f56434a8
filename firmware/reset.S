/* SPDX-License-Identifier: MIT */
/* Where every processor of the TD starts: 32-bit protected mode, paging off, flat segments.
 *
 * TDX gives ESI the index of the vCPU and ECX the TD HOB. The first one goes on in C; the others
 * wait in the wake-up mailbox, in long mode with memory below 4 GiB mapped to itself, as the ACPI
 * wake-up structure promises the kernel. EFER.LME is set already. */
#include "arch/x86.h"
#include "layout.h"

#define PTE_TABLE (PTE_P | PTE_W)
#define PTE_2M (PTE_P | PTE_W | PTE_PS)

#define VMCALL_ALL	   0xffcc
#define VMCALL_FATAL_ERROR 0x10003

#define MAILBOX_COMMAND	   0
#define MAILBOX_APIC_ID	   4
#define MAILBOX_VECTOR	   8
#define COMMAND_WAKEUP	   1

	.section .reset, "ax"
	.code32
	jmp	start32
	.balign	16, 0x90

	.text
	.code32
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
	testl	%esi, %esi
	jnz	park
	movl	$FW_STACK_TOP, %esp
	movl	%ecx, %edi
	call	firmware_main
1:	hlt
	jmp	1b

	/* The kernel writes id and vector first, the command last, and waits for it to be
	 * cleared. */
park:
	movl	$FW_MAILBOX, %ebx
1:	pause
	movw	MAILBOX_COMMAND(%rbx), %ax
	cmpw	$COMMAND_WAKEUP, %ax
	jne	1b
	cmpl	%esi, MAILBOX_APIC_ID(%rbx)
	jne	1b
	movq	MAILBOX_VECTOR(%rbx), %rax
	movw	$0, MAILBOX_COMMAND(%rbx)
	jmp	*%rax

	/* void start_kernel(uint64_t entry, uint64_t boot_params) */
	.globl	start_kernel
start_kernel:
	xorl	%ebp, %ebp
	xorl	%ebx, %ebx
	jmp	*%rdi

	/* void report_fatal(const char text[64]): GHCI says which registers carry it */
	.globl	report_fatal
report_fatal:
	movq	%rdi, %rbp
1:	movq	0(%rbp), %r14
	movq	8(%rbp), %r15
	movq	16(%rbp), %rbx
	movq	24(%rbp), %rdi
	movq	32(%rbp), %rsi
	movq	40(%rbp), %r8
	movq	48(%rbp), %r9
	movq	56(%rbp), %rdx
	xorl	%eax, %eax
	movl	$VMCALL_ALL, %ecx
	xorl	%r10d, %r10d
	movl	$VMCALL_FATAL_ERROR, %r11d
	xorl	%r12d, %r12d
	xorl	%r13d, %r13d
	.byte	0x66, 0x0f, 0x01, 0xcc /* TDCALL */
	jmp	1b

	/* uint64_t tdcall(struct tdcall_regs *regs) */
	.globl	tdcall
tdcall:
	pushq	%rbx
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
	popq	%rbx
	ret

	.section .rodata
	.balign	16
gdt:
	.quad	0
	.quad	0x00cf9b000000ffff /* 0x08: 32-bit code */
	.quad	0x00af9b000000ffff /* 0x10: 64-bit code */
	.quad	0x00cf93000000ffff /* 0x18: data */
gdt_end:
gdtr:
	.word	gdt_end - gdt - 1
	.long	gdt
	.long	0

	/* All of the first 4 GiB, by 2 MiB pages. Written by the processor (accessed, dirty)
	 * only. */
	.section .tables, "aw"
	.balign	4096
pml4:
	.quad	pdpt + PTE_TABLE
	.fill	511, 8, 0
pdpt:
	.quad	pd + PTE_TABLE
	.quad	pd + 0x1000 + PTE_TABLE
	.quad	pd + 0x2000 + PTE_TABLE
	.quad	pd + 0x3000 + PTE_TABLE
	.fill	508, 8, 0
pd:
	.set	i, 0
	.rept	2048
	.quad	(i << 21) + PTE_2M
	.set	i, i + 1
	.endr
	.section .note.GNU-stack, "", @progbits
