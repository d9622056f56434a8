/* SPDX-License-Identifier: MIT */
/* PUSH, POP, PUSHA, POPA, PUSHF, POPF, ENTER, LEAVE; near transfers outside 64-bit code.
 *
 * 64-bit code has direct forms; everything else goes through the checked stack accesses. */
#include "x86/flags.h"
#include "x86/ops.h"
#include "x86/stack.h"
#include "x86/system.h"

OP(x86_push64_r)
{
	const uint64_t sp = cpu->regs.rsp - 8;

	st8(cpu, op, sp, R64(op->s));
	cpu->regs.rsp = sp;
	NEXT;
}

OP(x86_pop64_r)
{
	const uint64_t v = ld8(cpu, op, cpu->regs.rsp);

	cpu->regs.rsp += 8;
	R64(op->d) = v;
	NEXT;
}

OP(x86_leave64)
{
	const uint64_t v = ld8(cpu, op, cpu->regs.rbp);

	cpu->regs.rsp = cpu->regs.rbp + 8;
	cpu->regs.rbp = v;
	NEXT;
}

#define PUSH(T, n, sfx)                                                                            \
	SOP(push_r##n)                                                                             \
	{                                                                                          \
		cpu->cur = op;                                                                     \
		push(cpu, rd##n(cpu, op->s), n);                                                   \
		cpu->cur = NULL;                                                                   \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(push_i##n)                                                                             \
	{                                                                                          \
		cpu->cur = op;                                                                     \
		push(cpu, (T)op->imm, n);                                                          \
		cpu->cur = NULL;                                                                   \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(push_m##n)                                                                             \
	{                                                                                          \
		const T v = ld##n(cpu, op, ea_x(cpu, op));                                         \
		cpu->cur = op;                                                                     \
		push(cpu, v, n);                                                                   \
		cpu->cur = NULL;                                                                   \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(pop_r##n)                                                                              \
	{                                                                                          \
		T v;                                                                               \
		cpu->cur = op;                                                                     \
		v = (T)peek(cpu, 0, n);                                                            \
		cpu->cur = NULL;                                                                   \
		sp_set(cpu, cpu->regs.rsp + n);                                                    \
		wr##n(cpu, op->d, v);                                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(pop_m##n)                                                                              \
	{                                                                                          \
		const uint64_t sp = cpu->regs.rsp;                                                 \
		uint64_t off;                                                                      \
		T v;                                                                               \
		cpu->cur = op;                                                                     \
		v = (T)peek(cpu, 0, n);                                                            \
		/* An address by the stack pointer means the pointer after the pop, which a        \
		 * fault of the segment must not see. */                                           \
		sp_set(cpu, sp + n);                                                               \
		off = ea_off(cpu, op);                                                             \
		cpu->regs.rsp = sp;                                                                \
		x86_st(cpu, x86_ea(cpu, op, off), v, n, 0);                                        \
		cpu->cur = NULL;                                                                   \
		sp_set(cpu, sp + n);                                                               \
		NEXT;                                                                              \
	}
FOR_SIZES248(PUSH)

x86_fn *const x86_push[4][3] = {
	{0}, {push_r2, push_i2, push_m2}, {push_r4, push_i4, push_m4}, {push_r8, push_i8, push_m8}};
x86_fn *const x86_pop[4][2] = {{0}, {pop_r2, pop_m2}, {pop_r4, pop_m4}, {pop_r8, pop_m8}};

/* In the general forms sc holds the operand size in bytes. */
OP(x86_pusha)
{
	const unsigned n = op->sc;
	uint8_t image[32];
	unsigned i;

	for (i = 0; i < 8; i++) {
		const uint64_t v = *tdx_reg(&cpu->regs, 7 - i);

		memcpy(image + i * n, &v, n);
	}
	cpu->cur = op;
	x86_write(cpu, sp_ea(cpu, cpu->regs.rsp - 8 * n, 8 * n, true), image, 8 * n, 0);
	cpu->cur = NULL;
	sp_set(cpu, cpu->regs.rsp - 8 * n);
	NEXT;
}

OP(x86_popa)
{
	const unsigned n = op->sc;
	uint8_t image[32];
	unsigned i;

	cpu->cur = op;
	x86_read(cpu, sp_ea(cpu, cpu->regs.rsp, 8 * n, false), image, 8 * n, 0);
	cpu->cur = NULL;
	for (i = 0; i < 8; i++) {
		const unsigned reg = (7 - i) * 8;

		if (i == 3)
			continue; /* the saved stack pointer is skipped */
		if (n == 2)
			memcpy((uint8_t *)cpu + reg, image + i * 2, 2);
		else
			wr4(cpu, reg,
			    (uint32_t)image[i * 4] | (uint32_t)image[i * 4 + 1] << 8 |
				    (uint32_t)image[i * 4 + 2] << 16 |
				    (uint32_t)image[i * 4 + 3] << 24);
	}
	sp_set(cpu, cpu->regs.rsp + 8 * n);
	NEXT;
}

OP(x86_pushf)
{
	cpu->cur = op;
	push(cpu, x86_rflags(cpu) & ~(uint64_t)(RFLAGS_RF | RFLAGS_VM), op->sc);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_popf)
{
	const unsigned iopl = (unsigned)(cpu->sysflags >> 12) & 3u;
	uint64_t v, mask = X86_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC | RFLAGS_ID;

	cpu->cur = op;
	v = peek(cpu, 0, op->sc);
	cpu->cur = NULL;
	if (cpu->cpl == 0)
		mask |= RFLAGS_IOPL;
	if (cpu->cpl <= iopl)
		mask |= RFLAGS_IF;
	if (op->sc == 2)
		mask &= 0xffff;
	sp_set(cpu, cpu->regs.rsp + op->sc);
	v = (x86_rflags(cpu) & ~(mask | RFLAGS_RF)) | (v & mask);
	x86_after(cpu, op);
	x86_set_rflags(cpu, v);
	return x86_lookup(cpu, 0);
}

OP(x86_leave_frame)
{
	const unsigned n = op->sc;
	const uint64_t bp = cpu->regs.rbp;
	uint64_t v;

	cpu->cur = op;
	v = x86_ld(cpu, sp_ea(cpu, bp, n, false), n, 0);
	cpu->cur = NULL;
	sp_set(cpu, bp + n);
	if (n == 2)
		R16(5 * 8) = (uint16_t)v;
	else
		cpu->regs.rbp = v;
	NEXT;
}

/* imm: frame size, disp: nesting level. */
OP(x86_enter)
{
	const unsigned n = op->sc, level = (unsigned)op->disp & 31u;
	const uint64_t mask = sp_mask(cpu);
	uint64_t sp = cpu->regs.rsp - n, frame = sp, bp = cpu->regs.rbp;
	unsigned i;

	cpu->cur = op;
	x86_st(cpu, sp_ea(cpu, sp, n, true), cpu->regs.rbp, n, 0);
	for (i = 1; i < level; i++) {
		bp -= n;
		sp -= n;
		x86_st(cpu, sp_ea(cpu, sp, n, true), x86_ld(cpu, sp_ea(cpu, bp, n, false), n, 0), n,
		       0);
	}
	if (level) {
		sp -= n;
		x86_st(cpu, sp_ea(cpu, sp, n, true), frame & mask, n, 0);
	}
	sp -= op->imm;
	/* The new top must be writable: the instruction faults here, not the next push. */
	x86_window(cpu, sp_ea(cpu, sp, 1, true), &(uint64_t){1}, 0);
	cpu->cur = NULL;
	if (n == 2)
		R16(5 * 8) = (uint16_t)frame;
	else
		cpu->regs.rbp = n == 4 ? (uint32_t)frame : frame;
	sp_set(cpu, sp);
	NEXT;
}

static uint64_t ip_mask(const struct x86_op *op)
{
	return op->d == 8 ? UINT64_MAX : op->d == 4 ? UINT32_MAX : UINT16_MAX;
}

static void check_ip(struct x86_cpu *cpu, uint64_t ip)
{
	if (is64(cpu) ? !x86_canonical_access(cpu, ip) : ip > cpu->seg[X86_CS].limit)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
}

static const struct x86_op *near_to(struct x86_cpu *cpu, const struct x86_op *op, uint64_t ip,
				    bool call)
{
	const uint64_t next = x86_rip_after(cpu, op->len);

	ip &= ip_mask(op);
	check_ip(cpu, ip);
	if (call)
		push(cpu, next, op->d);
	cpu->left--;
	cpu->rip = ip;
	return x86_lookup(cpu, 0);
}

/* Near transfers of any operand size, which is in d; imm: the target. */
OP(x86_call_rel)
{
	x86_at(cpu, op);
	return near_to(cpu, op, cpu->blkrip + op->imm, true);
}

/* Of flat 32-bit code, where no target is beyond a limit. */
OP(x86_call32)
{
	cpu->cur = op;
	push(cpu, cpu->blkrip + op->off + op->len, 4);
	cpu->cur = NULL;
	return follow(cpu, op, op->link);
}

OP(x86_jmp_rel)
{
	x86_at(cpu, op);
	return near_to(cpu, op, cpu->blkrip + op->imm, false);
}

/* fl says whether the target is in memory; imm whether it is a call. */
OP(x86_near_ind)
{
	const uint64_t ea = x86_at_ea(cpu, op);
	const uint64_t to = op->fl & OPF_MEM ? x86_ld(cpu, ea, op->d, x86_op_acc(op)) : R64(op->s);

	return near_to(cpu, op, to, op->imm);
}

OP(x86_ret)
{
	uint64_t to;

	x86_at(cpu, op);
	to = peek(cpu, 0, op->d) & ip_mask(op);
	check_ip(cpu, to);
	sp_set(cpu, cpu->regs.rsp + op->d + op->imm);
	cpu->left--;
	cpu->rip = to;
	return x86_lookup(cpu, 0);
}
