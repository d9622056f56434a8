/* SPDX-License-Identifier: MIT */
/* The SEAMCALL instruction, for a kernel: every register in from a block, every register back.
 *
 * void tdx_seamcall_insn(struct tdx_regs *regs);
 *
 * Afterwards no register that a call may change holds anything of the module or of a guest: what
 * TDH.VP.ENTER leaves in them is the guest's choice. RSP and RBP are not passed (the library asks
 * the module to leave RBP alone). VMfailInvalid and faults become the software codes of
 * <swtdx/status.h>. A fault is the kernel's to catch: section tdx_extable has pairs of 32-bit
 * offsets, each relative to itself, of the instruction that may fault and of where to go on, with
 * the vector in RAX and all other registers as they were. */
#include "abi/regs_asm.h"

#define SW_ERROR      0x8000ff0000000000
#define VMFAILINVALID 0x8000ff00ffff0000

	.text
	.globl tdx_seamcall_insn
	.type tdx_seamcall_insn, @function
	.balign 16
tdx_seamcall_insn:
	regs_save
	pushq %rdi
	movq REGS_RAX(%rdi), %rax
	regs_rest_in %rdi
	movq REGS_RDI(%rdi), %rdi
.Lcall:
	.byte 0x66, 0x0f, 0x01, 0xcf
	jc .Linvalid
.Lback:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, REGS_RAX(%rdi)
	regs_rest_out %rdi
	popq REGS_RDI(%rdi)
	movq $0, -8(%rsp)
	regs_forget
	popq %rdi
	xorl %edi, %edi
	regs_restore
	ret
.Linvalid:
	movabsq $VMFAILINVALID, %rax
	jmp .Lback
.Lfault:
	/* The fault's vector is in RAX. No register to spare: the code is put together on the
	 * stack. */
	pushq %rcx
	movabsq $SW_ERROR, %rcx
	orq %rcx, %rax
	popq %rcx
	jmp .Lback
	.size tdx_seamcall_insn, . - tdx_seamcall_insn

	.section tdx_extable, "a"
	.balign 4
	.long .Lcall - .
	.long .Lfault - .

	.section .note.GNU-stack, "", @progbits
