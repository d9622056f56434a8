/* SPDX-License-Identifier: MIT */
/* The instructions that access devices: MOV, MOVZX, MOVSX, MOVSXD between memory and a register or
 * an immediate, in 64-bit mode. SDM volume 2, chapters 2 and 3.
 *
 * Everything else is refused, string moves and read-modify-writes included: a driver that uses them
 * on a device is told so. The length is bounded by what was fetched and by 15. */
#include "guest/call.h"

enum { MAX_LENGTH = 15, REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

struct cursor {
	const uint8_t *bytes;
	size_t len, at;
	bool short_of; /* ran out of bytes */
};

struct prefixes {
	bool operand16, address32;
	enum tdg_segment segment;
	uint8_t rex;
};

static uint8_t next(struct cursor *c)
{
	if (c->at >= c->len || c->at >= MAX_LENGTH) {
		c->short_of = true;
		return 0;
	}
	return c->bytes[c->at++];
}

/* A little-endian number of n bytes, sign-extended. */
static int64_t number(struct cursor *c, unsigned n)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < n; i++)
		v |= (uint64_t)next(c) << 8 * i;
	return n == 8 ? (int64_t)v : (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
}

/* Returns the first byte of the opcode. Prefixes that change nothing for a MOV are skipped; LOCK
 * and repetition are refused (0xf4, HLT, no instruction of the table). */
static uint8_t prefixes(struct cursor *c, struct prefixes *p)
{
	*p = (struct prefixes){.segment = TDG_SEG_FLAT};
	for (;;) {
		uint8_t b = next(c);

		if (c->short_of)
			return 0xf4;
		switch (b) {
		case 0x66:
			p->operand16 = true;
			break;
		case 0x67:
			p->address32 = true;
			break;
		case 0x64:
			p->segment = TDG_SEG_FS;
			break;
		case 0x65:
			p->segment = TDG_SEG_GS;
			break;
		case 0x26: /* ES, CS, SS, DS: flat, and a later FS or GS is what counts */
		case 0x2e:
		case 0x36:
		case 0x3e:
			break;
		case 0xf0:
		case 0xf2:
		case 0xf3:
			return 0xf4;
		default:
			if ((b & 0xf0) != 0x40)
				return b;
			p->rex = b;
			b = next(c);
			/* A prefix after REX makes the REX void; no assembler writes that. */
			return (b & 0xf0) == 0x40 || b == 0x66 || b == 0x67 || (b & 0xfe) == 0x64 ||
					       (b & 0xe7) == 0x26 || b == 0xf0 || (b & 0xfe) == 0xf2
				       ? 0xf4
				       : b;
		}
	}
}

static void sib(struct cursor *c, unsigned mod, const struct prefixes *p, struct tdg_insn *o)
{
	uint8_t s = next(c);
	unsigned index = (s >> 3 & 7u) | (p->rex & REX_X ? 8u : 0);
	unsigned base = s & 7u;

	o->scale = (uint8_t)(1u << (s >> 6));
	o->index = index == 4 ? TDG_NO_REG : (uint8_t)index;
	if (index == 4)
		o->scale = 0;
	if (base == 5 && mod == 0) {
		o->base = TDG_NO_REG;
		o->disp = number(c, 4);
	} else {
		o->base = (uint8_t)(base | (p->rex & REX_B ? 8u : 0));
	}
}

/* ModRM, SIB and displacement; returns the reg field. False through *memory for a register form. */
static unsigned modrm(struct cursor *c, const struct prefixes *p, struct tdg_insn *o, bool *memory)
{
	uint8_t m = next(c);
	unsigned mod = m >> 6, rm = m & 7u;

	o->base = o->index = TDG_NO_REG;
	*memory = mod != 3;
	if (mod == 3)
		return 0;
	if (rm == 4) {
		sib(c, mod, p, o);
	} else if (rm == 5 && mod == 0) {
		o->base = TDG_REG_RIP;
		o->disp = number(c, 4);
	} else {
		o->base = (uint8_t)(rm | (p->rex & REX_B ? 8u : 0));
	}
	if (mod == 1)
		o->disp = number(c, 1);
	else if (mod == 2)
		o->disp = number(c, 4);
	return (m >> 3 & 7u) | (p->rex & REX_R ? 8u : 0);
}

static unsigned operand_size(const struct prefixes *p)
{
	return p->rex & REX_W ? 8 : p->operand16 ? 2 : 4;
}

static void set_reg(struct tdg_insn *o, const struct prefixes *p, unsigned reg, unsigned size)
{
	o->high_byte = size == 1 && !p->rex && reg >= 4 && reg < 8;
	o->reg = (uint8_t)(o->high_byte ? reg - 4 : reg);
}

/* MOV between memory and register or immediate; byte forms have an even opcode. */
static bool move(struct cursor *c, uint8_t op, const struct prefixes *p, struct tdg_insn *o)
{
	unsigned size = op & 1 ? operand_size(p) : 1, reg;
	bool memory;

	reg = modrm(c, p, o, &memory);
	o->mem_size = o->reg_size = (uint8_t)size;
	if (op == 0xc6 || op == 0xc7) {
		if (reg & 7) /* the other members of the group are something else */
			return false;
		o->kind = TDG_INSN_WRITE_IMM;
		o->reg = TDG_NO_REG;
		o->imm = (uint64_t)number(c, size == 8 ? 4 : size);
		o->imm &= ~0ull >> (64 - 8 * size);
	} else {
		o->kind = op & 2 ? TDG_INSN_READ : TDG_INSN_WRITE_REG;
		set_reg(o, p, reg, size);
	}
	return memory;
}

/* MOV between the accumulator and an absolute address. */
static bool move_absolute(struct cursor *c, uint8_t op, const struct prefixes *p,
			  struct tdg_insn *o)
{
	unsigned size = op & 1 ? operand_size(p) : 1;

	o->base = o->index = TDG_NO_REG;
	o->disp = number(c, p->address32 ? 4 : 8);
	o->mem_size = o->reg_size = (uint8_t)size;
	o->kind = op & 2 ? TDG_INSN_WRITE_REG : TDG_INSN_READ;
	o->reg = 0;
	return true;
}

static bool extend(struct cursor *c, enum tdg_insn_kind kind, unsigned mem_size,
		   const struct prefixes *p, struct tdg_insn *o)
{
	bool memory;
	unsigned reg = modrm(c, p, o, &memory);

	o->kind = kind;
	o->mem_size = (uint8_t)mem_size;
	o->reg_size = (uint8_t)operand_size(p);
	o->reg = (uint8_t)reg;
	return memory;
}

static bool two_byte(struct cursor *c, const struct prefixes *p, struct tdg_insn *o)
{
	switch (next(c)) {
	case 0xb6:
		return extend(c, TDG_INSN_READ_ZERO, 1, p, o);
	case 0xb7:
		return extend(c, TDG_INSN_READ_ZERO, 2, p, o);
	case 0xbe:
		return extend(c, TDG_INSN_READ_SIGN, 1, p, o);
	case 0xbf:
		return extend(c, TDG_INSN_READ_SIGN, 2, p, o);
	default:
		return false;
	}
}

static bool known(struct cursor *c, uint8_t op, const struct prefixes *p, struct tdg_insn *o)
{
	switch (op) {
	case 0x88:
	case 0x89:
	case 0x8a:
	case 0x8b:
	case 0xc6:
	case 0xc7:
		return move(c, op, p, o);
	case 0xa0:
	case 0xa1:
	case 0xa2:
	case 0xa3:
		return move_absolute(c, op, p, o);
	case 0x63:
		/* Without REX.W it is a plain 32 or 16-bit move in disguise. */
		return p->rex & REX_W && extend(c, TDG_INSN_READ_SIGN, 4, p, o);
	case 0x0f:
		return two_byte(c, p, o);
	default:
		return false;
	}
}

bool tdg_decode_mmio(const uint8_t *bytes, size_t len, struct tdg_insn *out)
{
	struct cursor c = {.bytes = bytes, .len = len};
	struct prefixes p;
	uint8_t op = prefixes(&c, &p);

	*out = (struct tdg_insn){.segment = p.segment, .address32 = p.address32};
	if (c.short_of || !known(&c, op, &p, out) || c.short_of) {
		*out = (struct tdg_insn){0};
		return false;
	}
	out->length = (uint8_t)c.at;
	return true;
}
