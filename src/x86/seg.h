/* SPDX-License-Identifier: MIT */
/* Descriptors and segment registers. All of it with cpu->rip at the instruction in execution. */
#ifndef X86_SEG_H
#define X86_SEG_H

#include "x86/internal.h"

/* A descriptor as read from a table; high: the second half of a 16-byte one. */
struct desc {
	uint64_t low, high;
	uint64_t gla; /* where it was read */
};

static inline uint64_t desc_base(uint64_t d)
{
	return ((d >> 16) & 0xffffff) | ((d >> 32) & 0xff000000u);
}

static inline uint32_t desc_limit(uint64_t d)
{
	const uint32_t limit = (uint32_t)((d & 0xffff) | ((d >> 32) & 0xf0000));

	return d >> 55 & 1 ? limit << 12 | 0xfff : limit;
}

/* In the format of the VMCS. */
static inline uint32_t desc_ar(uint64_t d)
{
	return (uint32_t)(d >> 40) & 0xf0ff;
}

/* false: outside of the table or null. wide: read 16 bytes. */
bool x86_desc_read(struct x86_cpu *cpu, uint16_t sel, bool wide, struct desc *d);
/* As above, with vector(sel | ext) for a selector outside. */
void x86_desc_need(struct x86_cpu *cpu, uint16_t sel, unsigned vector, unsigned ext,
		   struct desc *d);
/* Set the accessed bit, if needed. */
void x86_desc_accessed(struct x86_cpu *cpu, struct desc *d);
/* #GP(ext) where the code segment has no such address. */
void x86_code_target(struct x86_cpu *cpu, const struct desc *d, uint64_t ip, unsigned ext);
void x86_seg_set(struct x86_cpu *cpu, unsigned seg, uint16_t sel, uint64_t d);
/* MOV and POP to DS, ES, FS, GS, SS. */
void x86_seg_load(struct x86_cpu *cpu, unsigned seg, uint16_t sel);
/* A stack pointer from the TSS: ring 0 to 2, or (64-bit) IST 1 to 7 as ring 3 + n; ss: NULL where
 * the TSS has none. #TS(TR | ext) for one beyond it. */
uint64_t x86_tss_stack(struct x86_cpu *cpu, unsigned ring, unsigned ext, uint16_t *ss);

/* The exit for a task switch, or the fault that comes before it. len: of the instruction, if one
 * leads to it. */
_Noreturn void x86_task_switch(struct x86_cpu *cpu, uint16_t sel, enum vmx_task_by by, unsigned len,
			       unsigned ext);

/* An instruction of GDTR, IDTR, LDTR or TR, which may be executed: it exits where that is wanted.
 * The information of the exit is the upper half of imm. */
void x86_desc_table(struct x86_cpu *cpu, const struct x86_op *op, enum vmx_exit reason);
/* The selector operand, in memory or a register, with cpu->rip at the instruction from then on. */
uint16_t x86_selector(struct x86_cpu *cpu, const struct x86_op *op);

OP(x86_mov_to_seg);
OP(x86_mov_from_seg);
OP(x86_push_seg);
OP(x86_pop_seg);
OP(x86_load_far_ptr);
OP(x86_far_jmp);
OP(x86_far_call);
OP(x86_far_ret);
OP(x86_iret);
OP(x86_syscall);
OP(x86_sysret);
OP(x86_sysenter);
OP(x86_sysexit);
OP(x86_swapgs);
OP(x86_lldt);
OP(x86_ltr);
OP(x86_verify);
OP(x86_lar_lsl);
OP(x86_int_n);
OP(x86_into);

#endif
