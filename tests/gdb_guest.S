/* SPDX-License-Identifier: MIT */
/* A guest for a debugger: calls a function seven times, takes an INT3 of its own, ends with 0. */
	.globl	_start, again, work, counter, own, done
	.text
_start:
	leaq	on_int3(%rip), %rax
	leaq	idt(%rip), %rdx
	movw	%ax, 48(%rdx)
	shrq	$16, %rax
	movw	%ax, 54(%rdx)
	shrq	$16, %rax
	movl	%eax, 56(%rdx)
	movw	%cs, 50(%rdx)
	movw	$0x8e00, 52(%rdx)
	movq	%rdx, idtr+2(%rip)
	lidt	idtr(%rip)
	movq	%cr4, %rax
	orl	$0x200, %eax	/* OSFXSR */
	movq	%rax, %cr4
	movabsq	$0x1122334455667788, %r12
	movq	%r12, %xmm3
	movl	$7, %ebx
again:
	call	work
	decl	%ebx
	jnz	again
	int3
done:
	movl	$0xfc00, %ecx
	xorl	%eax, %eax
	xorl	%r10d, %r10d
	movl	$30, %r11d	/* INSTRUCTION.IO */
	movl	$1, %r12d	/* a byte */
	movl	$1, %r13d	/* to */
	movl	$0xf4, %r14d	/* the exit port */
	movl	code(%rip), %r15d
	.byte	0x66, 0x0f, 0x01, 0xcc	/* TDCALL */
1:	jmp	1b
work:
	incq	counter(%rip)
	nop
	ret
on_int3:
	incq	own(%rip)
	iretq
	.data
	.balign	16
idt:
	.zero	64
idtr:
	.word	63
	.quad	0
counter:
	.quad	41
own:
	.quad	0
code:
	.long	0
