/* SPDX-License-Identifier: MIT */
/* Entry from the boot firmware, in long mode with memory mapped to itself, RSI = boot parameters;
 * and the traps. */
	.text
	.globl	_start
_start:
	cli
	cld
	/* What the firmware has moved away may have been here. */
	movl	$__bss_start, %edi
	movl	$_end, %ecx
	subl	%edi, %ecx
	xorl	%eax, %eax
	rep stosb
	movl	$stack_top, %esp
	xorl	%ebp, %ebp
	movq	%rsi, %rdi
	call	l1_main

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
	call	double_fault

	/* The timer has woken the processor, which is all it is for: EOI. */
	.globl	timer_entry
timer_entry:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	movl	$0x80b, %ecx
	xorl	%eax, %eax
	xorl	%edx, %edx
	wrmsr
	popq	%rdx
	popq	%rcx
	popq	%rax
	iretq

	.bss
	.balign	16
	.skip	0x8000
stack_top:
