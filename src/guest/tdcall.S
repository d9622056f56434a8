/* SPDX-License-Identifier: MIT */
/* void tdg_tdcall(struct tdx_regs *regs): the TDCALL instruction on a register block.
 *
 * RSP and RBP are not given: they are never exposed to the host. An L2 VM leaves its RBP behind,
 * which is not kept. On return every other register
 * holds either what the ABI makes the callee save or zero: nothing of the host's. System V x86-64,
 * 64-bit mode. */
	.set RAX, 0
	.set RCX, 8
	.set RDX, 16
	.set RBX, 24
	.set RSI, 48
	.set RDI, 56
	.set R8, 64
	.set R9, 72
	.set R10, 80
	.set R11, 88
	.set R12, 96
	.set R13, 104
	.set R14, 112
	.set R15, 120

	.text
	.globl tdg_tdcall
	.type tdg_tdcall, @function
tdg_tdcall:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	movq RAX(%rdi), %rax
	movq RCX(%rdi), %rcx
	movq RDX(%rdi), %rdx
	movq RBX(%rdi), %rbx
	movq RSI(%rdi), %rsi
	movq R8(%rdi), %r8
	movq R9(%rdi), %r9
	movq R10(%rdi), %r10
	movq R11(%rdi), %r11
	movq R12(%rdi), %r12
	movq R13(%rdi), %r13
	movq R14(%rdi), %r14
	movq R15(%rdi), %r15
	movq RDI(%rdi), %rdi
	.byte 0x66, 0x0f, 0x01, 0xcc
	pushq %rax
	movq 8(%rsp), %rax
	popq RAX(%rax)
	movq %rcx, RCX(%rax)
	movq %rdx, RDX(%rax)
	movq %rbx, RBX(%rax)
	movq %rsi, RSI(%rax)
	movq %rdi, RDI(%rax)
	movq %r8, R8(%rax)
	movq %r9, R9(%rax)
	movq %r10, R10(%rax)
	movq %r11, R11(%rax)
	movq %r12, R12(%rax)
	movq %r13, R13(%rax)
	movq %r14, R14(%rax)
	movq %r15, R15(%rax)
	addq $8, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %edi, %edi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	ret
	.size tdg_tdcall, . - tdg_tdcall
	.section .note.GNU-stack, "", @progbits
