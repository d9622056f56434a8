/* SPDX-License-Identifier: MIT */
/* void tdg_tdcall(struct tdx_regs *regs): the TDCALL instruction on a register block.
 *
 * RSP and RBP are not given: they are never exposed to the host. An L2 VM leaves its RBP behind,
 * which is not kept. On return every other register
 * holds either what the ABI makes the callee save or zero: nothing of the host's. System V x86-64,
 * 64-bit mode. */
#include "abi/regs_asm.h"

	.text
	.globl tdg_tdcall
	.type tdg_tdcall, @function
tdg_tdcall:
	pushq %rbp
	regs_save
	pushq %rdi
	movq REGS_RAX(%rdi), %rax
	regs_rest_in %rdi
	movq REGS_RDI(%rdi), %rdi
	.byte 0x66, 0x0f, 0x01, 0xcc
	pushq %rax
	movq 8(%rsp), %rax
	popq REGS_RAX(%rax)
	regs_rest_out %rax
	movq %rdi, REGS_RDI(%rax)
	addq $8, %rsp
	regs_restore
	popq %rbp
	regs_forget
	xorl %edi, %edi
	ret
	.size tdg_tdcall, . - tdg_tdcall
	.section .note.GNU-stack, "", @progbits
