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
#define RAX 0
#define RCX 8
#define RDX 16
#define RBX 24
#define RSI 48
#define RDI 56
#define R8  64
#define R9  72
#define R10 80
#define R11 88
#define R12 96
#define R13 104
#define R14 112
#define R15 120

#define SW_ERROR      0x8000ff0000000000
#define VMFAILINVALID 0x8000ff00ffff0000

	.text
	.globl tdx_seamcall_insn
	.type tdx_seamcall_insn, @function
	.balign 16
tdx_seamcall_insn:
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
.Lcall:
	.byte 0x66, 0x0f, 0x01, 0xcf
	jc .Linvalid
.Lback:
	pushq %rdi
	movq 8(%rsp), %rdi
	movq %rax, RAX(%rdi)
	movq %rcx, RCX(%rdi)
	movq %rdx, RDX(%rdi)
	movq %rbx, RBX(%rdi)
	movq %rsi, RSI(%rdi)
	movq %r8, R8(%rdi)
	movq %r9, R9(%rdi)
	movq %r10, R10(%rdi)
	movq %r11, R11(%rdi)
	movq %r12, R12(%rdi)
	movq %r13, R13(%rdi)
	movq %r14, R14(%rdi)
	movq %r15, R15(%rdi)
	popq RDI(%rdi)
	movq $0, -8(%rsp)
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	popq %rdi
	xorl %edi, %edi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
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
