/* SPDX-License-Identifier: MIT */
/* Entry from the boot firmware, in long mode with memory mapped to itself, and the two traps. */
	.text
	.globl	_start
_start:
	movl	$stack_top, %esp
	xorl	%ebp, %ebp
	call	td_main

	/* #VE: a struct trap, in and out. */
	.globl	ve_entry
ve_entry:
	.irp	r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp
	pushq	%\r
	.endr
	pushq	$0
	.irp	r, rbx, rdx, rcx, rax
	pushq	%\r
	.endr
	cld
	movq	%rsp, %rdi
	subq	$8, %rsp
	call	handle_ve
	addq	$8, %rsp
	.irp	r, rax, rcx, rdx, rbx
	popq	%\r
	.endr
	addq	$8, %rsp
	.irp	r, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	popq	%\r
	.endr
	iretq

	/* A #VE while another was not asked about: nothing can be saved. */
	.globl	double_fault_entry
double_fault_entry:
	movl	$stack_top, %esp
	call	double_fault

	.bss
	.balign	4096
	.fill	16384, 1, 0
stack_top:
	.section .note.GNU-stack, "", @progbits
