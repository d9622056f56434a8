/* SPDX-License-Identifier: MIT */
/* Vector instructions that are emitted: the guest's own, on the host's registers of the same
 * numbers, which hold the guest's while cpu->vectors says so, with its MXCSR.
 *
 * They are loaded at the first of them in a unit and put away before C is called. With an exception
 * of floating point unmasked, which the host would raise, they are not: the interpreter goes on
 * from there. So it does with an operand that the TLB has no direct entry for, or that is not
 * aligned. */
#include <cpuid.h>
#include "x86/system.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_B = 2, CC_NE = 5 };

/* What ModRM's two operands are, by the destination. */
enum kind {
	K_NONE,
	K_XMM,	    /* reg: vector; rm: vector or memory */
	K_STORE,    /* rm: vector or memory; reg: vector */
	K_SHIFT,    /* rm: vector; reg: of the opcode */
	K_FLAGS,    /* the flags; reg and rm: vectors */
	K_FROM_GPR, /* reg: vector; rm: general register or memory */
	K_TO_GPR,   /* reg: general register; rm: vector or memory */
	K_GPR_RM,   /* rm: general register or memory; reg: vector */
};

enum prefix { P_NONE = 1, P_66 = 2, P_F2 = 4, P_F3 = 8, P_PS_PD = 3, P_ANY = 15 };

struct form {
	uint8_t first, last; /* opcodes */
	uint8_t prefixes;
	uint8_t kind;
};

static const struct form map_0f[] = {
	{0x10, 0x10, P_ANY, K_XMM},
	{0x11, 0x11, P_ANY, K_STORE},
	{0x12, 0x12, P_ANY, K_XMM},
	{0x13, 0x13, P_PS_PD, K_STORE},
	{0x14, 0x15, P_PS_PD, K_XMM},
	{0x16, 0x16, P_PS_PD | P_F3, K_XMM},
	{0x17, 0x17, P_PS_PD, K_STORE},
	{0x28, 0x28, P_PS_PD, K_XMM},
	{0x29, 0x29, P_PS_PD, K_STORE},
	{0x2a, 0x2a, P_F2 | P_F3, K_FROM_GPR},
	{0x2c, 0x2d, P_F2 | P_F3, K_TO_GPR},
	{0x2e, 0x2f, P_PS_PD, K_FLAGS},
	{0x50, 0x50, P_PS_PD, K_TO_GPR},
	{0x51, 0x51, P_ANY, K_XMM},
	{0x52, 0x53, P_NONE | P_F3, K_XMM},
	{0x54, 0x57, P_PS_PD, K_XMM},
	{0x58, 0x5a, P_ANY, K_XMM},
	{0x5b, 0x5b, P_PS_PD | P_F3, K_XMM},
	{0x5c, 0x5f, P_ANY, K_XMM},
	{0x60, 0x6d, P_66, K_XMM},
	{0x6e, 0x6e, P_66, K_FROM_GPR},
	{0x6f, 0x6f, P_66 | P_F3, K_XMM},
	{0x70, 0x70, P_66 | P_F2 | P_F3, K_XMM},
	{0x71, 0x73, P_66, K_SHIFT},
	{0x74, 0x76, P_66, K_XMM},
	{0x7c, 0x7d, P_66 | P_F2, K_XMM},
	{0x7e, 0x7e, P_66, K_GPR_RM},
	{0x7e, 0x7e, P_F3, K_XMM},
	{0x7f, 0x7f, P_66 | P_F3, K_STORE},
	{0xc2, 0xc2, P_ANY, K_XMM},
	{0xc4, 0xc4, P_66, K_FROM_GPR},
	{0xc5, 0xc5, P_66, K_TO_GPR},
	{0xc6, 0xc6, P_PS_PD, K_XMM},
	{0xd0, 0xd0, P_66 | P_F2, K_XMM},
	{0xd1, 0xd5, P_66, K_XMM},
	{0xd6, 0xd6, P_66, K_STORE},
	{0xd7, 0xd7, P_66, K_TO_GPR},
	{0xd8, 0xe5, P_66, K_XMM},
	{0xe6, 0xe6, P_66 | P_F2 | P_F3, K_XMM},
	{0xe8, 0xef, P_66, K_XMM},
	{0xf0, 0xf0, P_F2, K_XMM},
	{0xf1, 0xf6, P_66, K_XMM},
	{0xf8, 0xfe, P_66, K_XMM},
};

static const struct form map_0f38[] = {
	{0x00, 0x0b, P_66, K_XMM},   {0x10, 0x10, P_66, K_XMM},	  {0x14, 0x15, P_66, K_XMM},
	{0x17, 0x17, P_66, K_FLAGS}, {0x1c, 0x1e, P_66, K_XMM},	  {0x20, 0x25, P_66, K_XMM},
	{0x28, 0x29, P_66, K_XMM},   {0x2b, 0x2b, P_66, K_XMM},	  {0x30, 0x35, P_66, K_XMM},
	{0x37, 0x41, P_66, K_XMM},   {0xc8, 0xcd, P_NONE, K_XMM}, {0xdb, 0xdf, P_66, K_XMM},
};

static const struct form map_0f3a[] = {
	{0x08, 0x0f, P_66, K_XMM}, {0x14, 0x17, P_66, K_GPR_RM},   {0x20, 0x20, P_66, K_FROM_GPR},
	{0x21, 0x21, P_66, K_XMM}, {0x22, 0x22, P_66, K_FROM_GPR}, {0x40, 0x42, P_66, K_XMM},
	{0x44, 0x44, P_66, K_XMM}, {0xcc, 0xcc, P_NONE, K_XMM},	   {0xdf, 0xdf, P_66, K_XMM},
};

static unsigned prefix_of(const ZydisDecodedInstruction *in)
{
	unsigned i;

	for (i = 0; i < in->raw.prefix_count; i++) {
		if (in->raw.prefixes[i].type != ZYDIS_PREFIX_TYPE_MANDATORY)
			continue;
		switch (in->raw.prefixes[i].value) {
		case 0x66:
			return P_66;
		case 0xf2:
			return P_F2;
		case 0xf3:
			return P_F3;
		default:
			break;
		}
	}
	return P_NONE;
}

static enum kind kind_in(const struct form *f, unsigned n, unsigned opcode, unsigned prefix)
{
	for (; n--; f++)
		if (opcode >= f->first && opcode <= f->last && (f->prefixes & prefix))
			return f->kind;
	return K_NONE;
}

#define KIND_IN(map, opcode, prefix) kind_in(map, sizeof(map) / sizeof((map)[0]), opcode, prefix)

static bool host_has_sha(void)
{
	unsigned a, b = 0, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
}

/* Everything below SSE3 is in each x86-64 host. */
static bool host_has(const ZydisDecodedInstruction *in)
{
	switch (in->meta.isa_set) {
	case ZYDIS_ISA_SET_SSE:
	case ZYDIS_ISA_SET_SSE2:
		return true;
	case ZYDIS_ISA_SET_SSE3:
		return __builtin_cpu_supports("sse3");
	case ZYDIS_ISA_SET_SSSE3:
		return __builtin_cpu_supports("ssse3");
	case ZYDIS_ISA_SET_SSE4:
		return __builtin_cpu_supports("sse4.1");
	case ZYDIS_ISA_SET_SSE42:
		return __builtin_cpu_supports("sse4.2");
	case ZYDIS_ISA_SET_AES:
		return __builtin_cpu_supports("aes");
	case ZYDIS_ISA_SET_PCLMULQDQ:
		return __builtin_cpu_supports("pclmul");
	case ZYDIS_ISA_SET_SHA:
		return host_has_sha();
	default:
		return false;
	}
}

static unsigned opcode_of(const ZydisDecodedInstruction *in, unsigned prefix)
{
	const unsigned map = in->opcode_map == ZYDIS_OPCODE_MAP_0F     ? OPC_0F
			     : in->opcode_map == ZYDIS_OPCODE_MAP_0F38 ? OPC_0F38
								       : OPC_0F3A;

	return map | in->opcode |
	       (prefix == P_66	 ? OPC_66
		: prefix == P_F2 ? OPC_F2
		: prefix == P_F3 ? OPC_F3
				 : 0);
}

static bool unaligned(const ZydisDecodedInstruction *in)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOVUPS:
	case ZYDIS_MNEMONIC_MOVUPD:
	case ZYDIS_MNEMONIC_MOVDQU:
	case ZYDIS_MNEMONIC_LDDQU:
		return true;
	default:
		return false;
	}
}

static bool is_mem(const ZydisDecodedOperand *o)
{
	return o->type == ZYDIS_OPERAND_TYPE_MEMORY;
}

/* The memory operand, ready in RAX. */
static bool memory(struct xl_unit *u, const ZydisDecodedOperand *o, bool write, struct host_rm *m)
{
	const unsigned size = o->size / 8u;

	if (size > 16 || !xl_ea(u, o))
		return false;
	if (size == 16 && !unaligned(&u->in)) {
		emit1(&u->e, 0xa8); /* test $15, %al */
		emit1(&u->e, 15);
		xl_tailout_at(u, emit_jcc_later(&u->e, CC_NE));
	}
	xl_direct(u, size, write);
	*m = rm_at(H_RAX, 0);
	return true;
}

void xl_vectors(struct xl_unit *u, unsigned level)
{
	if (u->vectors >= level)
		return;
	xl_flags_clobber(u);
	emit_op(&u->e, 1, 0x80, 7, FIELD(vectors)); /* cmpb */
	emit1(&u->e, level);
	xl_vectors_later(u, emit_jcc_later(&u->e, CC_B), level);
	u->vectors = (uint8_t)level;
}

/* The operand that ModRM's rm names. */
static bool operand(struct xl_unit *u, const ZydisDecodedOperand *o, bool gpr, bool write,
		    struct host_rm *m)
{
	if (is_mem(o))
		return memory(u, o, write, m);
	if (gpr)
		*m = rm_reg(xl_use(u, x86_tr_reg(o->reg.value) / 8, H_R11));
	else
		*m = rm_reg(x86_tr_reg(o->reg.value));
	return true;
}

static void finish(struct xl_unit *u, unsigned opc, unsigned reg, struct host_rm m)
{
	const ZydisDecodedInstruction *in = &u->in;

	emit_op(&u->e, in->raw.rex.W ? 8 : 4, opc, reg, m);
	if (in->raw.imm[0].size)
		emit1(&u->e, (unsigned)in->raw.imm[0].value.u & 0xff);
}

static bool to_gpr(struct xl_unit *u, unsigned opc)
{
	const unsigned d = x86_tr_reg(u->o[0].reg.value) / 8;
	struct host_rm m;
	unsigned to;

	if (!operand(u, &u->o[1], false, false, &m))
		return false;
	to = xl_make(u, d, H_R14, false);
	finish(u, opc, to, m);
	xl_made(u, d, to);
	return true;
}

/* PEXTR and MOVD: a register gets all of its 8 bytes, memory what there are. */
static bool gpr_rm(struct xl_unit *u, unsigned opc)
{
	const unsigned s = x86_tr_reg(u->o[1].reg.value);
	struct host_rm m;

	if (is_mem(&u->o[0])) {
		if (!memory(u, &u->o[0], true, &m))
			return false;
		finish(u, opc, s, m);
	} else {
		const unsigned d = x86_tr_reg(u->o[0].reg.value) / 8;
		const unsigned to = xl_make(u, d, H_R14, false);

		finish(u, opc, s, rm_reg(to));
		xl_made(u, d, to);
	}
	return true;
}

bool xl_sse(struct xl_unit *u)
{
	const ZydisDecodedInstruction *in = &u->in;
	const unsigned prefix = prefix_of(in), opc = opcode_of(in, prefix);
	enum kind kind = K_NONE;
	struct host_rm m;

	if (in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !(u->block->mode & M_SSE))
		return false;
	if (in->opcode_map == ZYDIS_OPCODE_MAP_0F)
		kind = KIND_IN(map_0f, in->opcode, prefix);
	else if (in->opcode_map == ZYDIS_OPCODE_MAP_0F38)
		kind = KIND_IN(map_0f38, in->opcode, prefix);
	else if (in->opcode_map == ZYDIS_OPCODE_MAP_0F3A)
		kind = KIND_IN(map_0f3a, in->opcode, prefix);
	if (kind == K_NONE || !host_has(in))
		return false;
	xl_vectors(u, XL_XMM);
	switch (kind) {
	case K_XMM:
	case K_FROM_GPR:
		if (!operand(u, &u->o[1], kind == K_FROM_GPR, false, &m))
			return false;
		finish(u, opc, x86_tr_reg(u->o[0].reg.value), m);
		return true;
	case K_FLAGS:
		if (!operand(u, &u->o[1], false, false, &m))
			return false;
		finish(u, opc, x86_tr_reg(u->o[0].reg.value), m);
		xl_flags_new(u);
		return true;
	case K_STORE:
		if (!operand(u, &u->o[0], false, true, &m))
			return false;
		finish(u, opc, x86_tr_reg(u->o[1].reg.value), m);
		return true;
	case K_SHIFT:
		finish(u, opc, in->raw.modrm.reg, rm_reg(x86_tr_reg(u->o[0].reg.value)));
		return true;
	case K_TO_GPR:
		return to_gpr(u, opc);
	case K_GPR_RM:
		return gpr_rm(u, opc);
	case K_NONE:
		break;
	}
	return false;
}
