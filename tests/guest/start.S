/* SPDX-License-Identifier: MIT */
/* Entry, traps and calls of the test guests, which the boot firmware starts as if they were
 * kernels. */
	.section .head, "ax"
	.globl	_start
_start:
	movl	$stack_top, %esp
	movq	%rsi, %rdi /* boot parameters */
	call	guest_main
1:	jmp	1b

	/* A second processor, from the wake-up mailbox. */
	.globl	second_start
second_start:
	movl	$stack2_top, %esp
	call	second_main
1:	jmp	1b

	.text
	.macro	trap v, error
	.balign	16
	.if	\error == 0
	pushq	$0
	.endif
	pushq	$\v
	jmp	common
	.endm
	.balign	16
	.globl	trap_table
trap_table:
	.set	n, 0
	.rept	256
	.if	n == 8 || (n >= 10 && n <= 14) || n == 17 || n == 21
	trap	n, 1
	.else
	trap	n, 0
	.endif
	.set	n, n + 1
	.endr

common:
	.irp	r, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
	pushq	%\r
	.endr
	movq	%rsp, %rdi
	call	guest_trap
	.irp	r, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax
	popq	%\r
	.endr
	addq	$16, %rsp
	iretq

	/* uint64_t tdcall(struct regs *): RAX, RCX, RDX, R8 .. R15 */
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
	.byte	0x66, 0x0f, 0x01, 0xcc
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

	.bss
	.balign	4096
	.fill	16384, 1, 0
stack_top:
	.fill	16384, 1, 0
stack2_top:
	.section .note.GNU-stack, "", @progbits
