/* SPDX-License-Identifier: MIT */
/* void native_switch(void **save_sp, void *load_sp): go on on another stack. System V x86-64. */
	.text
	.globl native_switch
	.hidden native_switch
	.type native_switch, @function
native_switch:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, (%rdi)
	movq %rsi, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.size native_switch, . - native_switch
	.section .note.GNU-stack, "", @progbits
