/* SPDX-License-Identifier: MIT */
/* The ways from a handler's inline access into mem.c that keep all registers but the result: a
 * handler whose fast path calls nothing needs no stack frame. */

.macro way name, to, keeps_rax
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	push	%rbp
	mov	%rsp, %rbp
	and	$-16, %rsp
	push	%rax
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	sub	$8, %rsp
	call	\to
	add	$8, %rsp
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
.if \keeps_rax
	pop	%rax
.endif
	leave
	ret
	.size	\name, . - \name
.endm

	.text
	way x86_ld_keep, x86_ld_slow, 0
	way x86_st_keep, x86_st_slow, 1
	way x86_rmw_keep, x86_rmw_slow, 0

	.section .note.GNU-stack, "", @progbits
