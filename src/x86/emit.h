/* SPDX-License-Identifier: MIT */
/* A writer of x86-64 instructions. Bytes go to the writable mapping of a page; addresses are those
 * of the executable one, `rx` bytes further on. Running out of room is remembered, not checked at
 * each byte: whoever starts a unit leaves enough. */
#ifndef X86_EMIT_H
#define X86_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum host_reg {
	H_RAX,
	H_RCX,
	H_RDX,
	H_RBX,
	H_RSP,
	H_RBP,
	H_RSI,
	H_RDI,
	H_R8,
	H_R9,
	H_R10,
	H_R11,
	H_R12,
	H_R13,
	H_R14,
	H_R15,
	H_NONE,
};

/* An opcode: its byte, the map, and what else stands in front of it. */
#define OPC_0F	 0x0100u
#define OPC_0F38 0x0200u
#define OPC_0F3A 0x0400u
#define OPC_66	 0x1000u
#define OPC_F2	 0x2000u
#define OPC_F3	 0x4000u
#define OPC_LOCK 0x8000u
#define OPC_BYTE 0x10000u /* a register operand is a byte of it */

/* An operand that is encoded by ModRM: a register, or memory at base + index << scale + disp. */
struct host_rm {
	bool mem;
	uint8_t reg; /* or the base */
	uint8_t index, scale;
	int32_t disp;
};

struct emit {
	uint8_t *p;
	uint8_t *end;
	intptr_t rx; /* from where it is written to where it is executed */
};

static inline void emit1(struct emit *e, unsigned v)
{
	if (e->p < e->end)
		*e->p++ = (uint8_t)v;
}

static inline void emit_bytes(struct emit *e, const void *from, unsigned n)
{
	const uint8_t *p = from;

	while (n--)
		emit1(e, *p++);
}

static inline void emit4(struct emit *e, uint32_t v)
{
	emit_bytes(e, &v, 4);
}

static inline struct host_rm rm_reg(unsigned reg)
{
	return (struct host_rm){.reg = (uint8_t)reg, .index = H_NONE};
}

static inline struct host_rm rm_at(unsigned base, int32_t disp)
{
	return (struct host_rm){true, (uint8_t)base, H_NONE, 0, disp};
}

static inline void emit_modrm(struct emit *e, unsigned reg, const struct host_rm *m)
{
	const bool sib = m->index != H_NONE || (m->reg & 7) == H_RSP;
	const bool disp8 = m->disp >= -128 && m->disp < 128;
	const unsigned mod = m->disp == 0 && (m->reg & 7) != H_RBP ? 0 : disp8 ? 1 : 2;

	reg = (reg & 7) << 3;
	if (!m->mem) {
		emit1(e, 0xc0 | reg | (m->reg & 7));
		return;
	}
	if (m->reg ==
	    H_NONE) { /* no base: a displacement of 4 bytes, and an index if there is one */
		const unsigned index = m->index == H_NONE ? H_RSP : m->index & 7u;

		emit1(e, reg | H_RSP);
		emit1(e, (unsigned)m->scale << 6 | index << 3 | H_RBP);
		emit4(e, (uint32_t)m->disp);
		return;
	}
	emit1(e, mod << 6 | reg | (sib ? H_RSP : m->reg & 7u));
	if (sib)
		emit1(e, (unsigned)m->scale << 6 |
				 (m->index == H_NONE ? H_RSP : m->index & 7u) << 3 | (m->reg & 7u));
	if (mod == 1)
		emit1(e, (uint8_t)m->disp);
	else if (mod == 2)
		emit4(e, (uint32_t)m->disp);
}

/* size: of the operands, 1 to 8; the opcode is the one for it. */
static inline void emit_op(struct emit *e, unsigned size, unsigned opc, unsigned reg,
			   struct host_rm m)
{
	const unsigned index = m.mem && m.index != H_NONE ? m.index : 0;
	const unsigned rex = (size == 8 ? 8u : 0) | (reg & 8) >> 1 | (index & 8) >> 2 |
			     (m.reg == H_NONE ? 0 : (m.reg & 8) >> 3);

	if (opc & OPC_LOCK)
		emit1(e, 0xf0);
	if (size == 2 || (opc & OPC_66))
		emit1(e, 0x66);
	if (opc & OPC_F2)
		emit1(e, 0xf2);
	if (opc & OPC_F3)
		emit1(e, 0xf3);
	if (rex || size == 1 || (opc & OPC_BYTE))
		emit1(e, 0x40 | rex);
	if (opc & (OPC_0F | OPC_0F38 | OPC_0F3A))
		emit1(e, 0x0f);
	if (opc & OPC_0F38)
		emit1(e, 0x38);
	if (opc & OPC_0F3A)
		emit1(e, 0x3a);
	emit1(e, opc & 0xff);
	emit_modrm(e, reg, &m);
}

static inline void emit_imm(struct emit *e, unsigned size, uint64_t v)
{
	const uint32_t low = (uint32_t)v;

	emit_bytes(e, &low, size == 8 ? 4 : size);
}

static inline void emit_mov_rr(struct emit *e, unsigned size, unsigned to, unsigned from)
{
	emit_op(e, size, size == 1 ? 0x88 : 0x89, from, rm_reg(to));
}

static inline void emit_load(struct emit *e, unsigned size, unsigned to, struct host_rm from)
{
	emit_op(e, size, size == 1 ? 0x8a : 0x8b, to, from);
}

static inline void emit_store(struct emit *e, unsigned size, struct host_rm to, unsigned from)
{
	emit_op(e, size, size == 1 ? 0x88 : 0x89, from, to);
}

static inline void emit_mov_imm(struct emit *e, unsigned to, uint64_t v)
{
	if (v <= UINT32_MAX) {
		if (to & 8)
			emit1(e, 0x41);
		emit1(e, 0xb8 | (to & 7));
		emit4(e, (uint32_t)v);
	} else if ((uint64_t)(int64_t)(int32_t)v == v) {
		emit_op(e, 8, 0xc7, 0, rm_reg(to));
		emit4(e, (uint32_t)v);
	} else {
		emit1(e, 0x48 | to >> 3);
		emit1(e, 0xb8 | (to & 7));
		emit_bytes(e, &v, 8);
	}
}

/* A group 1 operation (ADD 0, OR 1, ADC 2, SBB 3, AND 4, SUB 5, XOR 6, CMP 7) with a constant. */
static inline void emit_alu_imm(struct emit *e, unsigned size, unsigned alu, struct host_rm m,
				int64_t v)
{
	const bool small = v >= -128 && v < 128;

	emit_op(e, size, size == 1 ? 0x80 : small ? 0x83 : 0x81, alu, m);
	emit_imm(e, size == 1 || small ? 1 : size, (uint64_t)v);
}

static inline void emit_lea(struct emit *e, unsigned size, unsigned to, struct host_rm m)
{
	emit_op(e, size, 0x8d, to, m);
}

/* --- jumps; a target is an address in the executable mapping --- */

static inline const uint8_t *emit_here(const struct emit *e)
{
	return e->p + e->rx;
}

static inline void emit_rel(struct emit *e, const uint8_t *to)
{
	emit4(e, (uint32_t)(to - (emit_here(e) + 4)));
}

static inline void emit_jmp(struct emit *e, const uint8_t *to)
{
	emit1(e, 0xe9);
	emit_rel(e, to);
}

static inline void emit_call(struct emit *e, const uint8_t *to)
{
	emit1(e, 0xe8);
	emit_rel(e, to);
}

static inline void emit_jcc(struct emit *e, unsigned cc, const uint8_t *to)
{
	emit1(e, 0x0f);
	emit1(e, 0x80 | cc);
	emit_rel(e, to);
}

/* A jump whose target comes later; where its displacement is. */
static inline uint8_t *emit_jcc_later(struct emit *e, unsigned cc)
{
	emit1(e, 0x0f);
	emit1(e, 0x80 | cc);
	emit4(e, 0);
	return e->p - 4;
}

static inline void emit_lands(struct emit *e, uint8_t *at)
{
	const int32_t rel = (int32_t)(e->p - (at + 4));

	memcpy(at, &rel, 4);
}

/* The same for a few bytes. */
static inline uint8_t *emit_skip(struct emit *e, unsigned cc)
{
	emit1(e, 0x70 | cc);
	emit1(e, 0);
	return e->p - 1;
}

static inline void emit_skip_lands(struct emit *e, uint8_t *at)
{
	*at = (uint8_t)(e->p - (at + 1));
}

#endif
