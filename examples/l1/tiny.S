/* SPDX-License-Identifier: MIT */
/* A VM of a few instructions, copied to 0x10000 (VM_LOW): it asks who it is, writes to memory it
 * has not had, moves control registers, waits for its timer, and switches itself off. A line for
 * each thing that was as it should be. */
#define AT(label) (label - tiny_code + 0x10000)
#define COM1	  0x3f8
#define SLEEP	  0x600
#define SLEEP_OFF 0x34
#define VECTOR	  0x31
#define FAR	  0x1400000	/* 20 MiB */

	.macro	tell text
	leaq	9f(%rip), %rsi
	call	print
	jmp	8f
9:	.asciz	"\text\n"
8:
	.endm

	.section .rodata
	.globl	tiny_code, tiny_end
tiny_code:
	movl	$0x18000, %esp

	/* No TD, and a hypervisor. */
	movl	$0x21, %eax
	xorl	%ecx, %ecx
	cpuid
	orl	%ebx, %eax
	orl	%ecx, %eax
	jnz	fail
	movl	$1, %eax
	cpuid
	btl	$31, %ecx
	jnc	fail
	tell	"ok l2: CPUID is the L1 VMM's"

	/* Memory comes as it is touched. */
	movl	$0x5a5a5a5a, FAR
	cmpl	$0x5a5a5a5a, FAR
	jne	fail
	tell	"ok l2: memory"

	/* What the VM writes it reads, whatever the processor has. */
	movq	%cr4, %rax
	orq	$0x40, %rax		/* MCE */
	movq	%rax, %cr4
	movq	%cr4, %rbx
	cmpq	%rax, %rbx
	jne	fail
	movq	%cr0, %rax
	orq	$0x20, %rax		/* NE */
	movq	%rax, %cr0
	movq	%cr0, %rbx
	cmpq	%rax, %rbx
	jne	fail
	tell	"ok l2: control registers"

	/* An MSR there is none of is #GP. */
	leaq	idt(%rip), %rdi
	leaq	gp(%rip), %rax
	movl	$13, %ecx
	call	set_gate
	leaq	timer(%rip), %rax
	movl	$VECTOR, %ecx
	call	set_gate
	lidt	idtr(%rip)
	movl	$0x12345, %ecx
	xorl	%ebx, %ebx
	rdmsr
	cmpl	$13, %ebx
	jne	fail
	tell	"ok l2: #GP"

	/* The timer of its local APIC. */
	movl	$0x80f, %ecx
	movl	$0x1ff, %eax
	xorl	%edx, %edx
	wrmsr
	movl	$0x832, %ecx
	movl	$(2 << 17 | VECTOR), %eax
	wrmsr
	xorl	%ebx, %ebx
	call	arm
	sti
	hlt
	cli
	cmpl	$VECTOR, %ebx
	jne	fail
	tell	"ok l2: a timer wakes it"
	/* And while it runs. */
	xorl	%ebx, %ebx
	call	arm
	sti
1:	cmpl	$VECTOR, %ebx
	jne	1b
	cli
	tell	"ok l2: a timer comes while it runs"

	movw	$SLEEP, %dx
	movb	$SLEEP_OFF, %al
	outb	%al, (%dx)
fail:
	tell	"not ok l2"
	movw	$0xf4, %dx
	movb	$2, %al
	outb	%al, (%dx)
	hlt

arm:
	rdtsc
	addl	$2000000, %eax
	adcl	$0, %edx
	movl	$0x6e0, %ecx
	wrmsr
	ret

	/* RSI: a string. */
print:
	movw	$COM1, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, (%dx)
	jmp	1b
2:	ret

	/* RDI: the IDT, ECX: the vector, RAX: where to. */
set_gate:
	shll	$4, %ecx
	movw	%ax, (%rdi,%rcx)
	movw	$0x10, 2(%rdi,%rcx)
	movw	$0x8e00, 4(%rdi,%rcx)
	shrq	$16, %rax
	movw	%ax, 6(%rdi,%rcx)
	movq	$0, 8(%rdi,%rcx)
	ret

	/* Past the RDMSR. */
gp:
	movl	$13, %ebx
	addq	$8, %rsp
	addq	$2, (%rsp)
	iretq

timer:
	movl	$VECTOR, %ebx
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

idtr:	.word	(VECTOR + 1) * 16 - 1
	.quad	AT(idt)
	.balign	16
idt:	.skip	(VECTOR + 1) * 16
tiny_end:
