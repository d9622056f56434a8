/* SPDX-License-Identifier: MIT */
/* struct tdx_regs for assembler: the registers of a SEAMCALL or TDCALL between a block and the
 * processor. RSP and RBP are in the block and stay where they are. */
#ifndef ABI_REGS_ASM_H
#define ABI_REGS_ASM_H

/* Where they are. */
#define REGS_RAX 0
#define REGS_RCX 8
#define REGS_RDX 16
#define REGS_RBX 24
#define REGS_RSI 48
#define REGS_RDI 56
#define REGS_R8	 64
#define REGS_R15 120

/* clang-format off */
#ifdef __ASSEMBLER__

/* All but RAX and RDI, of which the code has its own use. */
.macro regs_rest_in block
	movq REGS_RCX(\block), %rcx
	movq REGS_RDX(\block), %rdx
	movq REGS_RBX(\block), %rbx
	movq REGS_RSI(\block), %rsi
.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	movq REGS_R8 + (\n - 8) * 8(\block), %r\n
.endr
.endm

.macro regs_rest_out block
	movq %rcx, REGS_RCX(\block)
	movq %rdx, REGS_RDX(\block)
	movq %rbx, REGS_RBX(\block)
	movq %rsi, REGS_RSI(\block)
.irp n, 8, 9, 10, 11, 12, 13, 14, 15
	movq %r\n, REGS_R8 + (\n - 8) * 8(\block)
.endr
.endm

/* What a function may change holds nothing any more, but for RDI. */
.macro regs_forget
	xorl %eax, %eax
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
.irp r, r8d, r9d, r10d, r11d
	xorl %\r, %\r
.endr
.endm

/* Those that a function gives back. */
.macro regs_save
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
.endm

.macro regs_restore
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
.endm

#else
/* clang-format on */

#include <swtdx/types.h>

#include <stddef.h>

_Static_assert(offsetof(struct tdx_regs, rax) == REGS_RAX, "RAX");
_Static_assert(offsetof(struct tdx_regs, rcx) == REGS_RCX, "RCX");
_Static_assert(offsetof(struct tdx_regs, rdx) == REGS_RDX, "RDX");
_Static_assert(offsetof(struct tdx_regs, rbx) == REGS_RBX, "RBX");
_Static_assert(offsetof(struct tdx_regs, rsi) == REGS_RSI, "RSI");
_Static_assert(offsetof(struct tdx_regs, rdi) == REGS_RDI, "RDI");
_Static_assert(offsetof(struct tdx_regs, r8) == REGS_R8, "R8");
_Static_assert(offsetof(struct tdx_regs, r15) == REGS_R15, "R8 to R15 in a row");

#endif
#endif
