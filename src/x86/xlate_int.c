/* SPDX-License-Identifier: MIT */
/* The integer instructions that are emitted: the guest's own, with its registers renamed and its
 * operand in memory replaced. What is not here is called out to its handler. */
#include "x86/ops.h"
#include "x86/system.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { RAX, RCX, RDX, RBX, RSP, RBP };
enum { CC_E = 4 };

static bool is_reg(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_REGISTER;
}

static bool is_mem(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

static bool is_imm(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

static unsigned size_of(const ZydisDecodedOperand *o)
{
	return o->size / 8u;
}

/* A general register, and none of AH to BH. */
static bool plain(const ZydisDecodedOperand *o)
{
	return !is_reg(o) || (x86_tr_reg(o->reg.value) < REG_ZERO &&
			      !(x86_tr_reg(o->reg.value) & 7) && o->reg.value < ZYDIS_REGISTER_ST0);
}

static unsigned reg_of(const ZydisDecodedOperand *o)
{
	return x86_tr_reg(o->reg.value) / 8;
}

static int64_t imm_of(const ZydisDecodedOperand *o, unsigned size)
{
	const uint64_t v = o->imm.value.u;

	switch (size) {
	case 1:
		return (int8_t)v;
	case 2:
		return (int16_t)v;
	case 4:
		return (int32_t)v;
	default:
		return (int64_t)v;
	}
}

/* Is a register changed where ModRM names it, without what it had above 32 bits getting lost? */
static bool in_place(unsigned guest, unsigned size)
{
	return xl_home[guest] != H_NONE || size != 4;
}

/* A register with an operation that reads and writes it. */
static struct host_rm begin(struct xl_unit *u, unsigned guest, unsigned size)
{
	if (in_place(guest, size))
		return xl_place(guest);
	emit_load(&u->e, 8, H_R14, xl_slot(guest));
	return rm_reg(H_R14);
}

static void end(struct xl_unit *u, unsigned guest, unsigned size)
{
	if (!in_place(guest, size))
		emit_store(&u->e, 8, xl_slot(guest), H_R14);
}

static uint32_t lock_of(const struct xl_unit *u)
{
	return u->in.attributes & ZYDIS_ATTRIB_HAS_LOCK ? OPC_LOCK : 0;
}

/* --- moves --- */

static bool mov(struct xl_unit *u)
{
	const ZydisDecodedOperand *d = &u->o[0], *s = &u->o[1];
	const unsigned size = size_of(d);
	struct emit *e = &u->e;

	/* An absolute address is a displacement, unless it has 64 bits. */
	if (u->in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
	    (u->in.opcode >= 0xa0 && u->in.opcode <= 0xa3 && xl_word(u) == 8) ||
	    u->in.opcode == 0x8c || u->in.opcode == 0x8e)
		return false;
	if (is_mem(d)) {
		if (!xl_ea(u, d))
			return false;
		xl_store(u, size,
			 is_reg(s) ? (struct xl_value){.kind = V_REG, .reg = (uint8_t)reg_of(s)}
				   : (struct xl_value){.kind = V_IMM,
						       .imm = (uint64_t)imm_of(s, size)});
		return true;
	}
	if (is_mem(s)) {
		if (!xl_ea(u, s))
			return false;
		xl_load(u, size);
		xl_put(u, reg_of(d), size, H_RAX);
	} else if (is_reg(s)) {
		xl_put(u, reg_of(d), size, xl_use(u, reg_of(s), H_R11));
	} else if (size >= 4) {
		const unsigned to = xl_make(u, reg_of(d), H_R11, false);
		const uint64_t v = (uint64_t)imm_of(s, size);

		emit_mov_imm(e, to, size == 4 ? (uint32_t)v : v);
		xl_made(u, reg_of(d), to);
	} else {
		emit_op(e, size, size == 1 ? 0xc6 : 0xc7, 0, xl_place(reg_of(d)));
		emit_imm(e, size, (uint64_t)imm_of(s, size));
	}
	return true;
}

static bool extend(struct xl_unit *u, unsigned opc8)
{
	const ZydisDecodedOperand *s = &u->o[1];
	const unsigned d = reg_of(&u->o[0]), size = size_of(&u->o[0]), from = size_of(s);
	const unsigned opc = from == 1	 ? OPC_0F | OPC_BYTE | opc8
			     : from == 2 ? OPC_0F | (opc8 + 1)
					 : 0x63;
	struct host_rm m = rm_reg(H_RAX);
	unsigned to;

	if (size == from || (from == 4 && size != 8))
		return false;
	if (is_mem(s)) {
		if (!xl_ea(u, s))
			return false;
		xl_load(u, from);
	} else {
		m = xl_place(reg_of(s));
	}
	to = xl_make(u, d, H_R14, size == 2);
	emit_op(&u->e, size, opc, to, m);
	xl_made(u, d, to);
	return true;
}

static bool lea(struct xl_unit *u)
{
	const unsigned d = reg_of(&u->o[0]), size = size_of(&u->o[0]);
	unsigned to;

	if (size == 2)
		return false;
	to = xl_make(u, d, H_R14, false);
	if (!xl_lea(u, &u->o[1], size, to))
		return false;
	xl_made(u, d, to);
	return true;
}

static bool cmov(struct xl_unit *u, unsigned cc)
{
	const ZydisDecodedOperand *s = &u->o[1];
	const unsigned d = reg_of(&u->o[0]), size = size_of(&u->o[0]);
	struct host_rm m;
	unsigned to;

	if (is_mem(s)) {
		if (!xl_ea(u, s))
			return false;
		xl_load(u, size);
		emit_mov_rr(&u->e, 8, H_R11, H_RAX);
		m = rm_reg(H_R11);
	} else {
		m = xl_place(reg_of(s));
	}
	xl_flags_load(u);
	to = xl_make(u, d, H_R14, true);
	emit_op(&u->e, size, OPC_0F | 0x40 | cc, to, m);
	xl_made(u, d, to);
	return true;
}

static bool setcc(struct xl_unit *u, unsigned cc)
{
	if (!is_reg(&u->o[0]))
		return false;
	xl_flags_load(u);
	emit_op(&u->e, 1, OPC_0F | 0x90 | cc, 0, xl_place(reg_of(&u->o[0])));
	return true;
}

static bool xchg(struct xl_unit *u)
{
	const unsigned mem = is_mem(&u->o[1]), size = size_of(&u->o[0]);
	const unsigned b = reg_of(&u->o[mem ^ 1u]);
	unsigned a;

	if (is_mem(&u->o[mem])) {
		if (!xl_ea(u, &u->o[mem]))
			return false;
		xl_change(u, (struct xl_change){.kind = C_XCHG,
						.opc = size == 1 ? 0x86 : 0x87,
						.size = (uint8_t)size,
						.reg = (uint8_t)b});
		xl_put(u, b, size, H_R11);
		return true;
	}
	a = reg_of(&u->o[0]);
	emit_mov_rr(&u->e, 8, H_RAX, xl_use(u, a, H_RAX));
	emit_mov_rr(&u->e, 8, H_R14, xl_use(u, b, H_R14));
	xl_put(u, a, size, H_R14);
	xl_put(u, b, size, H_RAX);
	return true;
}

static bool xadd(struct xl_unit *u)
{
	const unsigned size = size_of(&u->o[0]), b = reg_of(&u->o[1]);

	if (!is_mem(&u->o[0]) || !xl_ea(u, &u->o[0]))
		return false;
	xl_change(u, (struct xl_change){.kind = C_XADD,
					.opc = OPC_0F | lock_of(u) | (size == 1 ? 0xc0 : 0xc1),
					.size = (uint8_t)size,
					.reg = (uint8_t)b});
	xl_flags_new(u);
	/* In the interpreter's order: memory, then the register. */
	xl_put(u, b, size, H_R11);
	return true;
}

static bool cmpxchg(struct xl_unit *u)
{
	const unsigned size = size_of(&u->o[0]);

	if (!is_mem(&u->o[0]) || !xl_ea(u, &u->o[0]))
		return false;
	xl_change(u, (struct xl_change){.kind = C_CMPXCHG,
					.opc = OPC_0F | lock_of(u) | (size == 1 ? 0xb0 : 0xb1),
					.size = (uint8_t)size,
					.reg = (uint8_t)reg_of(&u->o[1])});
	xl_flags_new(u);
	return true;
}

/* --- arithmetic --- */

enum { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST };

static unsigned alu_opcode(unsigned alu, unsigned size)
{
	return (alu == TEST ? 0x84u : alu * 8) + (size > 1);
}

/* With a constant: like emit_alu_imm(), TEST too. */
static void alu_imm(struct emit *e, unsigned size, unsigned alu, struct host_rm m, int64_t v)
{
	if (alu != TEST) {
		emit_alu_imm(e, size, alu, m, v);
		return;
	}
	emit_op(e, size, size == 1 ? 0xf6 : 0xf7, 0, m);
	emit_imm(e, size, (uint64_t)v);
}

static bool alu_to_mem(struct xl_unit *u, unsigned alu)
{
	const ZydisDecodedOperand *s = &u->o[1];
	const unsigned size = size_of(&u->o[0]);
	struct xl_change c = {.size = (uint8_t)size, .carry = alu == ADC || alu == SBB};

	if (!xl_ea(u, &u->o[0]))
		return false;
	if (alu == CMP || alu == TEST) {
		xl_load(u, size);
		if (is_reg(s))
			emit_op(&u->e, size, alu_opcode(alu, size), xl_use(u, reg_of(s), H_R11),
				rm_reg(H_RAX));
		else
			alu_imm(&u->e, size, alu, rm_reg(H_RAX), imm_of(s, size));
		xl_flags_new(u);
		return true;
	}
	if (is_reg(s)) {
		c.kind = C_REG;
		c.opc = alu_opcode(alu, size) | lock_of(u);
		c.reg = (uint8_t)reg_of(s);
	} else {
		c.kind = C_IMM;
		c.opc = (size == 1 ? 0x80 : 0x81) | lock_of(u);
		c.ext = (uint8_t)alu;
		c.imm = (uint64_t)imm_of(s, size);
	}
	xl_change(u, c);
	xl_flags_new(u);
	return true;
}

/* How the flags of an operation on register d come about, if that can be had again. */
static void keep_recipe(struct xl_unit *u, unsigned alu, unsigned size, unsigned d,
			const ZydisDecodedOperand *s)
{
	struct xl_recipe r = {
		.kind = R_TEST, .size = (uint8_t)size, .a = (uint8_t)d, .b = (uint8_t)d};

	if (alu != AND && alu != OR && alu != XOR) {
		r.kind = alu == CMP ? R_CMP : alu == ADD ? R_ADD : alu == SUB ? R_SUB : R_TEST;
		if (is_mem(s) || alu == ADC || alu == SBB)
			return;
		r.constant = is_imm(s);
		if (r.constant)
			r.imm = imm_of(s, size);
		else
			r.b = (uint8_t)reg_of(s);
		if (!r.constant && r.b == d && (alu == ADD || alu == SUB))
			return;
	}
	u->recipe = r;
}

static bool alu2(struct xl_unit *u, unsigned alu)
{
	const ZydisDecodedOperand *s = &u->o[1];
	const unsigned size = size_of(&u->o[0]);
	struct host_rm m;
	unsigned d, from;

	if (is_mem(&u->o[0]))
		return alu_to_mem(u, alu);
	d = reg_of(&u->o[0]);
	if (is_mem(s)) {
		if (!xl_ea(u, s))
			return false;
		xl_load(u, size);
	}
	if (alu == ADC || alu == SBB)
		xl_flags_carry(u);
	m = alu == CMP || alu == TEST ? xl_place(d) : begin(u, d, size);
	if (is_imm(s)) {
		alu_imm(&u->e, size, alu, m, imm_of(s, size));
	} else {
		from = is_mem(s) ? H_RAX : xl_use(u, reg_of(s), H_R11);
		emit_op(&u->e, size, alu_opcode(alu, size), from, m);
	}
	if (alu != CMP && alu != TEST)
		end(u, d, size);
	xl_flags_new(u);
	keep_recipe(u, alu, size, d, s);
	return true;
}

/* INC 0, DEC 1 (which keep CF), NOT 2 (which keeps all), NEG 3 */
static bool alu1(struct xl_unit *u, unsigned ext)
{
	const unsigned size = size_of(&u->o[0]), opc = (ext < 2 ? 0xfe : 0xf6) + (size > 1);

	if (is_mem(&u->o[0])) {
		if (!xl_ea(u, &u->o[0]))
			return false;
		xl_change(u, (struct xl_change){.kind = C_ALONE,
						.opc = opc | lock_of(u),
						.ext = (uint8_t)ext,
						.size = (uint8_t)size,
						.carry = ext < 2});
	} else {
		const unsigned d = reg_of(&u->o[0]);

		if (ext < 2)
			xl_flags_carry(u);
		emit_op(&u->e, size, opc, ext, begin(u, d, size));
		end(u, d, size);
	}
	if (ext != 2)
		xl_flags_new(u);
	return true;
}

static bool shift(struct xl_unit *u, unsigned ext)
{
	const unsigned size = size_of(&u->o[0]), cl = is_reg(&u->o[1]);
	const unsigned opc = (cl ? 0xd2 : 0xc0) + (size > 1);
	const uint8_t count = cl ? 0 : (uint8_t)u->o[1].imm.value.u;

	if (is_mem(&u->o[0])) {
		if (!xl_ea(u, &u->o[0]))
			return false;
		xl_change(u, (struct xl_change){.kind = cl ? C_ALONE : C_IMM8,
						.opc = opc,
						.ext = (uint8_t)ext,
						.size = (uint8_t)size,
						.all = true,
						.imm = count});
	} else {
		const unsigned d = reg_of(&u->o[0]);

		xl_flags_load(u);
		emit_op(&u->e, size, opc, ext, begin(u, d, size));
		if (!cl)
			emit1(&u->e, count);
		end(u, d, size);
	}
	xl_flags_new(u);
	return true;
}

/* The second operand of a two-operand multiplication or a scan, in R11 or its home. */
static bool source(struct xl_unit *u, const ZydisDecodedOperand *s, unsigned *in)
{
	if (is_reg(s)) {
		*in = xl_use(u, reg_of(s), H_R11);
		return true;
	}
	if (!xl_ea(u, s))
		return false;
	xl_load(u, size_of(s));
	emit_mov_rr(&u->e, 8, H_R11, H_RAX);
	*in = H_R11;
	return true;
}

static bool imul(struct xl_unit *u)
{
	const unsigned size = size_of(&u->o[0]), d = reg_of(&u->o[0]);
	unsigned in, to;

	if (!source(u, &u->o[1], &in))
		return false;
	xl_flags_load(u);
	to = xl_make(u, d, H_R14, size == 2 || u->in.opcode == 0xaf);
	if (u->in.opcode == 0xaf) {
		emit_op(&u->e, size, OPC_0F | 0xaf, to, rm_reg(in));
	} else {
		emit_op(&u->e, size, 0x69, to, rm_reg(in));
		emit_imm(&u->e, size, (uint64_t)imm_of(&u->o[2], size));
	}
	xl_made(u, d, to);
	xl_flags_new(u);
	return true;
}

/* MUL 4, IMUL 5: into RDX:RAX, of which the guest's RDX is the host's. */
static bool mul(struct xl_unit *u, unsigned ext)
{
	const unsigned size = size_of(&u->o[0]);
	unsigned in;

	if (size < 4 || !source(u, &u->o[0], &in))
		return false;
	xl_flags_load(u);
	emit_mov_rr(&u->e, 8, H_RAX, xl_home[RAX]);
	emit_op(&u->e, size, 0xf7, ext, rm_reg(in));
	emit_mov_rr(&u->e, 8, xl_home[RAX], H_RAX);
	xl_flags_new(u);
	return true;
}

static bool bit(struct xl_unit *u, unsigned ext)
{
	const ZydisDecodedOperand *s = &u->o[1];
	const unsigned size = size_of(&u->o[0]);
	const uint8_t imm = is_imm(s) ? (uint8_t)s->imm.value.u : 0;
	unsigned d, in;

	if (is_mem(&u->o[0])) {
		if (!is_imm(s) || !xl_ea(u, &u->o[0]))
			return false;
		if (ext == 4) {
			xl_load(u, size);
			emit_mov_rr(&u->e, 8, H_R11, H_RAX);
			xl_flags_load(u);
			emit_op(&u->e, size, OPC_0F | 0xba, ext, rm_reg(H_R11));
			emit1(&u->e, imm);
		} else {
			xl_change(u, (struct xl_change){.kind = C_IMM8,
							.opc = OPC_0F | lock_of(u) | 0xba,
							.ext = (uint8_t)ext,
							.size = (uint8_t)size,
							.all = true,
							.imm = imm});
		}
		xl_flags_new(u);
		return true;
	}
	d = reg_of(&u->o[0]);
	xl_flags_load(u);
	if (is_imm(s)) {
		emit_op(&u->e, size, OPC_0F | 0xba, ext, begin(u, d, size));
		emit1(&u->e, imm);
	} else {
		in = xl_use(u, reg_of(s), H_R11);
		/* In a register the count is taken modulo the size; in memory it would not be. */
		emit_mov_rr(&u->e, 8, H_R14, xl_use(u, d, H_R14));
		emit_op(&u->e, size, OPC_0F | 0x83 | ext << 3, in, rm_reg(H_R14));
		if (ext != 4)
			xl_put(u, d, size, H_R14);
	}
	if (is_imm(s) && ext != 4)
		end(u, d, size);
	xl_flags_new(u);
	return true;
}

/* Of 0 they leave the destination alone, upper half and all. */
static bool bit_scan(struct xl_unit *u, unsigned opc)
{
	const unsigned size = size_of(&u->o[0]);
	uint8_t *none;
	unsigned in;

	if (!source(u, &u->o[1], &in))
		return false;
	xl_flags_load(u);
	emit_op(&u->e, size, OPC_0F | opc, H_RAX, rm_reg(in));
	none = emit_skip(&u->e, CC_E);
	xl_put(u, reg_of(&u->o[0]), size, H_RAX);
	emit_skip_lands(&u->e, none);
	xl_flags_new(u);
	return true;
}

static bool popcnt(struct xl_unit *u)
{
	const unsigned size = size_of(&u->o[0]);
	unsigned in;

	if (!__builtin_cpu_supports("popcnt") || !source(u, &u->o[1], &in))
		return false;
	emit_op(&u->e, size, OPC_0F | OPC_F3 | 0xb8, H_RAX, rm_reg(in));
	xl_put(u, reg_of(&u->o[0]), size, H_RAX);
	xl_flags_new(u);
	return true;
}

/* ZF and CF are defined, the others as the interpreter has them: 0. */
static bool tzcnt(struct xl_unit *u)
{
	const unsigned size = size_of(&u->o[0]);
	struct emit *e = &u->e;
	unsigned in;

	if (!__builtin_cpu_supports("bmi") || !source(u, &u->o[1], &in))
		return false;
	emit_op(e, size, OPC_0F | OPC_F3 | 0xbc, H_R14, rm_reg(in));
	xl_flags_defined(u, 0x41);
	xl_put(u, reg_of(&u->o[0]), size, H_R14);
	return true;
}

static bool bswap(struct xl_unit *u)
{
	const unsigned d = reg_of(&u->o[0]), size = size_of(&u->o[0]);
	unsigned to;

	if (size < 4)
		return false;
	to = xl_make(u, d, H_R14, true);
	emit1(&u->e, 0x40 | (size == 8 ? 8 : 0) | to >> 3);
	emit1(&u->e, 0x0f);
	emit1(&u->e, 0xc8 | (to & 7));
	xl_made(u, d, to);
	return true;
}

/* CWDE, CDQE, CDQ, CQO */
static bool convert(struct xl_unit *u)
{
	struct emit *e = &u->e;

	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_CWDE:
		emit_op(e, 4, OPC_0F | 0xbf, xl_home[RAX], rm_reg(xl_home[RAX]));
		break;
	case ZYDIS_MNEMONIC_CDQE:
		emit_op(e, 8, 0x63, xl_home[RAX], rm_reg(xl_home[RAX]));
		break;
	default:
		emit_mov_rr(e, 8, H_RAX, xl_home[RAX]);
		if (u->in.mnemonic == ZYDIS_MNEMONIC_CQO)
			emit1(e, 0x48);
		emit1(e, 0x99);
		break;
	}
	return true;
}

static bool carry(struct xl_unit *u, unsigned opc)
{
	xl_flags_load(u);
	emit1(&u->e, opc);
	xl_flags_new(u);
	return true;
}

/* --- the stack and branches --- */

static void move_sp(struct xl_unit *u, int by)
{
	emit_lea(&u->e, xl_word(u), xl_home[RSP], rm_at(xl_home[RSP], by));
}

void xl_push(struct xl_unit *u, struct xl_value v)
{
	const int word = (int)xl_word(u);

	xl_flags_clobber(u);
	emit_lea(&u->e, xl_word(u), H_RAX, rm_at(xl_home[RSP], -word));
	xl_store_stack(u, v);
	move_sp(u, -word);
}

static bool push(struct xl_unit *u)
{
	const ZydisDecodedOperand *s = &u->o[0];

	if (u->in.operand_width != xl_word(u) * 8 ||
	    (is_reg(s) && s->reg.value >= ZYDIS_REGISTER_ES && s->reg.value <= ZYDIS_REGISTER_GS))
		return false;
	if (is_reg(s)) {
		xl_push(u, (struct xl_value){.kind = V_REG, .reg = (uint8_t)reg_of(s)});
	} else if (is_imm(s)) {
		xl_push(u, (struct xl_value){.kind = V_IMM, .imm = s->imm.value.u});
	} else {
		if (!xl_ea(u, s))
			return false;
		xl_load(u, xl_word(u));
		emit_store(&u->e, 8, FIELD(spill), H_RAX);
		xl_push(u, (struct xl_value){.kind = V_SPILL});
	}
	return true;
}

/* RAX = what the register, RSP or RBP, points to */
static void load_at(struct xl_unit *u, unsigned guest)
{
	xl_flags_clobber(u);
	emit_mov_rr(&u->e, xl_word(u), H_RAX, xl_home[guest]);
	xl_load_stack(u);
}

static bool pop(struct xl_unit *u)
{
	if (u->in.operand_width != xl_word(u) * 8 || !is_reg(&u->o[0]) ||
	    (u->o[0].reg.value >= ZYDIS_REGISTER_ES && u->o[0].reg.value <= ZYDIS_REGISTER_GS))
		return false;
	load_at(u, RSP);
	move_sp(u, (int)xl_word(u));
	xl_put(u, reg_of(&u->o[0]), 8, H_RAX);
	return true;
}

static bool leave(struct xl_unit *u)
{
	if (u->in.operand_width != xl_word(u) * 8)
		return false;
	load_at(u, RBP);
	emit_lea(&u->e, xl_word(u), xl_home[RSP], rm_at(xl_home[RBP], (int)xl_word(u)));
	emit_mov_rr(&u->e, 8, xl_home[RBP], H_RAX);
	return true;
}

static bool jcc(struct xl_unit *u, unsigned cc)
{
	if (u->op->link->mask == UINT16_MAX)
		return false;
	xl_flags_load(u);
	xl_exit_later(u, emit_jcc_later(&u->e, cc), u->op->link, u->op->n + 1u);
	return true;
}

/* Where a jump or call by register or memory leads, in RAX. */
static bool target(struct xl_unit *u)
{
	const ZydisDecodedOperand *to = &u->o[0];

	if (is_reg(to)) {
		xl_flags_clobber(u);
		emit_mov_rr(&u->e, xl_word(u), H_RAX, xl_use(u, reg_of(to), H_RAX));
		return true;
	}
	if (!xl_ea(u, to))
		return false;
	xl_load(u, xl_word(u));
	return true;
}

/* Of 32-bit code; imm: a call. */
static bool near32(const struct xl_unit *u, bool call)
{
	return u->op->fn == x86_near_ind && u->op->d == xl_word(u) && u->op->imm == call;
}

static bool call(struct xl_unit *u)
{
	x86_fn *fn = u->op->fn;

	if (fn == x86_call64 || fn == x86_call32) {
		xl_push(u, (struct xl_value){.kind = V_RIP, .imm = u->off + u->in.length});
		xl_exit(u, u->op->link, u->op->n + 1u);
		return true;
	}
	if ((fn != x86_call64_r && fn != x86_call64_m && !near32(u, true)) || !target(u))
		return false;
	if (xl_word(u) == 8)
		xl_canonical(u);
	emit_store(&u->e, 8, FIELD(spill), H_RAX);
	xl_push(u, (struct xl_value){.kind = V_RIP, .imm = u->off + u->in.length});
	emit_load(&u->e, 8, H_RAX, FIELD(spill));
	xl_find(u, false);
	xl_go(u, u->op->n + 1u);
	return true;
}

static bool jmp(struct xl_unit *u)
{
	x86_fn *fn = u->op->fn;

	if (fn == x86_jmp) {
		xl_flags_sync(u);
		xl_exit(u, u->op->link, u->op->n + 1u);
		return true;
	}
	if ((fn != x86_jmp64_r && fn != x86_jmp64_m && !near32(u, false)) || !target(u))
		return false;
	xl_find(u, true);
	xl_go(u, u->op->n + 1u);
	return true;
}

static bool ret(struct xl_unit *u)
{
	if (u->op->fn != x86_ret64 && !(u->op->fn == x86_ret && u->op->d == xl_word(u)))
		return false;
	load_at(u, RSP);
	xl_find(u, true);
	move_sp(u, (int)xl_word(u) + (int)u->op->imm);
	xl_go(u, u->op->n + 1u);
	return true;
}

static bool by_opcode(struct xl_unit *u)
{
	const unsigned op = u->in.opcode, cc = op & 15u;

	if (u->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return op >= 0x70 && op <= 0x7f && jcc(u, cc);
	if (u->in.opcode_map != ZYDIS_OPCODE_MAP_0F)
		return false;
	switch (op & 0xf0) {
	case 0x80:
		return jcc(u, cc);
	case 0x90:
		return setcc(u, cc);
	case 0x40:
		return cmov(u, cc);
	default:
		return false;
	}
}

static bool by_name(struct xl_unit *u)
{
	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		return mov(u);
	case ZYDIS_MNEMONIC_MOVZX:
		return extend(u, 0xb6);
	case ZYDIS_MNEMONIC_MOVSX:
	case ZYDIS_MNEMONIC_MOVSXD:
		return extend(u, 0xbe);
	case ZYDIS_MNEMONIC_LEA:
		return lea(u);
	case ZYDIS_MNEMONIC_ADD:
		return alu2(u, ADD);
	case ZYDIS_MNEMONIC_OR:
		return alu2(u, OR);
	case ZYDIS_MNEMONIC_ADC:
		return alu2(u, ADC);
	case ZYDIS_MNEMONIC_SBB:
		return alu2(u, SBB);
	case ZYDIS_MNEMONIC_AND:
		return alu2(u, AND);
	case ZYDIS_MNEMONIC_SUB:
		return alu2(u, SUB);
	case ZYDIS_MNEMONIC_XOR:
		return alu2(u, XOR);
	case ZYDIS_MNEMONIC_CMP:
		return alu2(u, CMP);
	case ZYDIS_MNEMONIC_TEST:
		return alu2(u, TEST);
	case ZYDIS_MNEMONIC_INC:
		return alu1(u, 0);
	case ZYDIS_MNEMONIC_DEC:
		return alu1(u, 1);
	case ZYDIS_MNEMONIC_NOT:
		return alu1(u, 2);
	case ZYDIS_MNEMONIC_NEG:
		return alu1(u, 3);
	case ZYDIS_MNEMONIC_ROL:
		return shift(u, 0);
	case ZYDIS_MNEMONIC_ROR:
		return shift(u, 1);
	case ZYDIS_MNEMONIC_SHL:
		return shift(u, 4);
	case ZYDIS_MNEMONIC_SHR:
		return shift(u, 5);
	case ZYDIS_MNEMONIC_SAR:
		return shift(u, 7);
	case ZYDIS_MNEMONIC_MUL:
		return mul(u, 4);
	case ZYDIS_MNEMONIC_IMUL:
		return u->in.opcode == 0xf6 || u->in.opcode == 0xf7 ? mul(u, 5) : imul(u);
	case ZYDIS_MNEMONIC_BT:
		return bit(u, 4);
	case ZYDIS_MNEMONIC_BTS:
		return bit(u, 5);
	case ZYDIS_MNEMONIC_BTR:
		return bit(u, 6);
	case ZYDIS_MNEMONIC_BTC:
		return bit(u, 7);
	case ZYDIS_MNEMONIC_BSF:
		return bit_scan(u, 0xbc);
	case ZYDIS_MNEMONIC_BSR:
		return bit_scan(u, 0xbd);
	case ZYDIS_MNEMONIC_TZCNT:
		return tzcnt(u);
	case ZYDIS_MNEMONIC_POPCNT:
		return popcnt(u);
	case ZYDIS_MNEMONIC_BSWAP:
		return bswap(u);
	case ZYDIS_MNEMONIC_CWDE:
	case ZYDIS_MNEMONIC_CDQE:
	case ZYDIS_MNEMONIC_CDQ:
	case ZYDIS_MNEMONIC_CQO:
		return convert(u);
	case ZYDIS_MNEMONIC_CLC:
		return carry(u, 0xf8);
	case ZYDIS_MNEMONIC_STC:
		return carry(u, 0xf9);
	case ZYDIS_MNEMONIC_CMC:
		return carry(u, 0xf5);
	case ZYDIS_MNEMONIC_XCHG:
		return xchg(u);
	case ZYDIS_MNEMONIC_XADD:
		return xadd(u);
	case ZYDIS_MNEMONIC_CMPXCHG:
		return cmpxchg(u);
	case ZYDIS_MNEMONIC_PUSH:
		return push(u);
	case ZYDIS_MNEMONIC_POP:
		return pop(u);
	case ZYDIS_MNEMONIC_LEAVE:
		return leave(u);
	case ZYDIS_MNEMONIC_CALL:
		return call(u);
	case ZYDIS_MNEMONIC_JMP:
		return jmp(u);
	case ZYDIS_MNEMONIC_RET:
		return ret(u);
	default:
		return false;
	}
}

/* TEST of AH, CH, DH or BH with a constant, as of flags that were saved. */
static bool test_high(struct xl_unit *u)
{
	const ZydisDecodedOperand *d = &u->o[0];
	unsigned guest;

	if (!is_reg(d) || d->reg.value < ZYDIS_REGISTER_AH || d->reg.value > ZYDIS_REGISTER_BH ||
	    !is_imm(&u->o[1]))
		return false;
	guest = d->reg.value - ZYDIS_REGISTER_AH;
	emit_mov_rr(&u->e, 8, H_RAX, xl_home[guest]);
	emit1(&u->e, 0xf6); /* test $imm, %ah */
	emit1(&u->e, 0xc4);
	emit1(&u->e, (unsigned)u->o[1].imm.value.u & 0xff);
	xl_flags_new(u);
	return true;
}

bool xl_int(struct xl_unit *u)
{
	unsigned i;

	if (u->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (u->op->fn == x86_nop)
		return true;
	if (u->in.mnemonic == ZYDIS_MNEMONIC_TEST && test_high(u))
		return true;
	for (i = 0; i < u->in.operand_count_visible; i++)
		if (!plain(&u->o[i]))
			return false;
	return by_opcode(u) || by_name(u);
}
