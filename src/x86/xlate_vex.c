/* SPDX-License-Identifier: MIT */
/* VEX and EVEX instructions that are emitted: the guest's own bytes, as xlate_sse.c does it, with
 * the form of the interpreter to say what the operands are. cpu->vectors then says that the host
 * has whole vectors: XL_YMM, or XL_ZMM with ZMM16 to 31 and the opmasks.
 *
 * An operand in memory under a mask is taken like any other: if the TLB has an entry for all of it,
 * nothing of it can fault. Gathers, scatters and what hosts may lack are called. */
#include "x86/host.h"
#include "x86/vex.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_B = 2, CC_E = 4, CC_NE = 5 };
enum { EVEX = 0x62, MAP_0F = 1, MAP_0F3A = 3, PP_66 = 1, PP_F3 = 2 };

/* --- the state --- */

static int32_t at(size_t field, size_t size, unsigned i)
{
	return (int32_t)(field + size * i);
}

#define PLACE(name, i) at(offsetof(struct x86_cpu, name), sizeof(((struct x86_cpu *)0)->name[0]), i)

/* ModRM and displacement of what R15 points to. */
static void in_cpu(struct emit *e, unsigned reg, int32_t disp)
{
	emit1(e, 0x80 | (reg & 7) << 3 | (H_R15 & 7));
	emit4(e, (uint32_t)disp);
}

/* VINSERTF128 ymm, ymm, m, 1 and VEXTRACTF128 m, ymm, 1 */
static void ymm_half(struct emit *e, unsigned i, bool store)
{
	emit1(e, 0xc4);
	emit1(e, (i & 8 ? 0 : 0x80u) | 0x40 | MAP_0F3A); /* B: R15 */
	emit1(e, (store ? 15u : ~i & 15) << 3 | 4 | PP_66);
	emit1(e, store ? 0x19 : 0x18);
	in_cpu(e, i, PLACE(ymm_hi, i));
	emit1(e, 1);
}

static void evex(struct emit *e, unsigned i, unsigned map, unsigned w_pp, unsigned vvvv)
{
	emit1(e, EVEX);
	emit1(e, (i & 8 ? 0 : 0x80u) | 0x40 | (i & 16 ? 0 : 0x10u) | map);
	emit1(e, (~vvvv & 15) << 3 | 4 | w_pp);
	emit1(e, 0x40 | (vvvv & 16 ? 0 : 8u)); /* 512 bits */
}

/* VINSERTF64X4 zmm, zmm, m, 1 and VEXTRACTF64X4 m, zmm, 1 */
static void zmm_half(struct emit *e, unsigned i, bool store)
{
	evex(e, i, MAP_0F3A, 0x80 | PP_66, store ? 0 : i);
	emit1(e, store ? 0x1b : 0x1a);
	in_cpu(e, i, PLACE(zmm_hi, i));
	emit1(e, 1);
}

/* VMOVDQU64 */
static void zmm(struct emit *e, unsigned i, bool store)
{
	evex(e, i, MAP_0F, 0x80 | PP_F3, 0);
	emit1(e, store ? 0x7f : 0x6f);
	in_cpu(e, i, PLACE(zmm16, i - 16));
}

/* KMOVQ */
static void opmask(struct emit *e, unsigned i, bool store)
{
	emit1(e, 0xc4);
	emit1(e, 0xc0 | MAP_0F);
	emit1(e, 0x80 | 15u << 3);
	emit1(e, store ? 0x91 : 0x90);
	in_cpu(e, i, PLACE(k, i));
}

static void ymm_halves(struct emit *e, bool store)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		ymm_half(e, i, store);
}

static void rest_of_zmm(struct emit *e, bool store)
{
	unsigned i;

	for (i = 0; i < 16; i++)
		zmm_half(e, i, store);
	for (i = 16; i < 32; i++)
		zmm(e, i, store);
	for (i = 0; i < 8; i++)
		opmask(e, i, store);
}

static void used(struct emit *e, unsigned components)
{
	emit_op(e, 1, 0x80, 1, FIELD(xused)); /* orb */
	emit1(e, components);
}

void xl_vex_put_away(struct emit *e)
{
	uint8_t *xmm, *ymm;

	emit_op(e, 1, 0x80, 7, FIELD(vectors)); /* cmpb */
	emit1(e, XL_YMM);
	xmm = emit_jcc_later(e, CC_B);
	ymm = emit_jcc_later(e, CC_E);
	rest_of_zmm(e, true);
	used(e, XFAM_AVX3);
	emit_lands(e, ymm);
	ymm_halves(e, true);
	used(e, XFAM_AVX);
	emit1(e, 0xc5); /* vzeroupper */
	emit1(e, 0xf8);
	emit1(e, 0x77);
	emit_lands(e, xmm);
}

static void have(struct emit *e, unsigned level)
{
	emit_op(e, 1, 0xc6, 0, FIELD(vectors)); /* movb */
	emit1(e, level);
}

static bool host_has_zmm(void)
{
	uint64_t features[X86_FEATURE_WORDS];

	x86_host_vectors(features);
	return features[X86_F_AVX512F / 64] >> X86_F_AVX512F % 64 & 1 &&
	       features[X86_F_AVX512BW / 64] >> X86_F_AVX512BW % 64 & 1;
}

/* A result of VEX is 0 up to the end of its ZMM: while those have something in their upper halves,
 * code with VEX has them whole, too. Flags change. */
static void rest_if_used(struct emit *e)
{
	uint8_t *off, *unused;

	if (!host_has_zmm())
		return;
	emit_op(e, 1, 0x80, 7, FIELD(vex_level)); /* cmpb */
	emit1(e, VEX_LEVEL_512);
	off = emit_jcc_later(e, CC_B);
	emit_op(e, 1, 0xf6, 0, FIELD(xused)); /* testb */
	emit1(e, XFAM_ZMM_HI);
	unused = emit_jcc_later(e, CC_E);
	rest_of_zmm(e, false);
	have(e, XL_ZMM);
	emit_lands(e, unused);
	emit_lands(e, off);
}

void xl_vex_fetch(struct emit *e, unsigned level)
{
	ymm_halves(e, false);
	if (level == XL_ZMM)
		rest_of_zmm(e, false);
	have(e, level);
	if (level == XL_ZMM)
		return;
	emit1(e, 0x9c); /* pushfq */
	rest_if_used(e);
	emit1(e, 0x9d); /* popfq */
}

void xl_vex_try(struct emit *e, unsigned level)
{
	uint8_t *no, *ymm = NULL;

	emit_op(e, 1, 0x80, 7, FIELD(vex_level)); /* cmpb */
	emit1(e, level == XL_ZMM ? VEX_LEVEL_512 : VEX_LEVEL_AVX);
	no = emit_jcc_later(e, CC_B); /* so ZF is 0 */
	if (level == XL_ZMM) {
		emit_op(e, 1, 0x80, 7, FIELD(vectors));
		emit1(e, XL_YMM);
		ymm = emit_jcc_later(e, CC_E);
	}
	ymm_halves(e, false);
	if (ymm) {
		emit_lands(e, ymm);
		rest_of_zmm(e, false);
	}
	have(e, level);
	if (level == XL_YMM)
		rest_if_used(e);
	emit_op(e, 4, 0x39, H_RAX, rm_reg(H_RAX)); /* cmp: ZF is 1 */
	emit_lands(e, no);
}

/* --- instructions --- */

static const ZydisDecodedOperand *memory(const struct xl_unit *u)
{
	unsigned i;

	for (i = 0; i < u->in.operand_count_visible; i++)
		if (u->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &u->o[i];
	return NULL;
}

/* The host's register for the operand in a slot; guest: what a GPR is of the guest's. */
static unsigned host_of(struct xl_unit *u, const struct vex_form *f, unsigned slot, unsigned number,
			unsigned scratch)
{
	if (f->cls[slot] != VEX_GPR)
		return number;
	if (f->writes >> slot & 1)
		return xl_make(u, number, scratch, false);
	return xl_use(u, number, scratch);
}

/* The bytes of the form, with these registers; mem: the operand in memory is at RAX. */
static void emit_form(struct emit *e, const struct vex_form *f, unsigned reg, unsigned vvvv,
		      unsigned rm, bool mem)
{
	const bool is_evex = f->key.insn[0] == EVEX;
	const unsigned n = is_evex ? 4 : 3;
	uint8_t b[sizeof(f->key.insn)];

	memcpy(b, f->key.insn, sizeof(b));
	if (f->cls[VEX_REG]) {
		b[1] ^= (uint8_t)((reg & 8) << 4);
		if (is_evex)
			b[1] ^= (uint8_t)(reg & 16);
		b[n + 1] = (uint8_t)((b[n + 1] & 0xc7) | (reg & 7) << 3);
	}
	if (f->cls[VEX_VVVV]) {
		b[2] = (uint8_t)((b[2] & 0x87) | (~vvvv & 15) << 3);
		if (is_evex && (vvvv & 16))
			b[3] &= (uint8_t)~8u;
	}
	if (mem) {
		b[n + 1] &= 0x38;
	} else if (f->cls[VEX_RM]) {
		b[1] ^= (uint8_t)((rm & 8) << 2);
		if (is_evex)
			b[1] ^= (uint8_t)((rm & 16) << 2);
		b[n + 1] = (uint8_t)((b[n + 1] & 0xf8) | (rm & 7));
	}
	if (is_evex && f->key.mask != VEX_NO_MASK)
		b[3] = (uint8_t)((b[3] & 0xf8) | f->key.mask);
	if (f->cls[VEX_IS4])
		b[n + 2] = (uint8_t)(f->key.is4 << 4 | (b[n + 2] & 15));
	emit_bytes(e, b, f->key.len);
}

static bool place(struct xl_unit *u, const struct vex_form *f, const ZydisDecodedOperand *mem)
{
	if (!xl_ea(u, mem))
		return false;
	if (f->flags & VEX_F_ALIGNED) {
		emit1(&u->e, 0xa8); /* test $, %al */
		emit1(&u->e, f->mem_size - 1u);
		xl_tailout_at(u, emit_jcc_later(&u->e, CC_NE));
	}
	xl_direct(u, f->mem_size, f->mem_write);
	return true;
}

static bool by_form(struct xl_unit *u)
{
	const struct vex_form *f = vex_form_of(u->op);
	const ZydisDecodedOperand *mem = memory(u);
	unsigned reg, rm = 0;

	if (f->lane)
		return false;
	xl_vectors(u, f->flags & VEX_F_EVEX ? XL_ZMM : XL_YMM);
	if (mem && !place(u, f, mem))
		return false;
	if (!mem)
		rm = host_of(u, f, VEX_RM, u->op->b, H_R11);
	reg = host_of(u, f, VEX_REG, u->op->d, H_R14);
	emit_form(&u->e, f, reg, u->op->s, rm, mem);
	if (f->cls[VEX_REG] == VEX_GPR && (f->writes & 1u << VEX_REG))
		xl_made(u, u->op->d, reg);
	if (!mem && f->cls[VEX_RM] == VEX_GPR && (f->writes & 1u << VEX_RM))
		xl_made(u, u->op->b, rm);
	if (f->flags & VEX_F_FLAGS)
		xl_flags_new(u);
	return true;
}

/* VMASKMOVPS and its like have no form with code: their bytes are the guest's but for the address.
 */
static bool maskmov(struct xl_unit *u)
{
	const struct vex_form *f = vex_form_of(u->op);
	const ZydisDecodedInstruction *in = &u->in;

	xl_vectors(u, XL_YMM);
	if (!place(u, f, memory(u)))
		return false;
	emit1(&u->e, 0xc4);
	emit1(&u->e, (u->op->d & 8 ? 0 : 0x80u) | 0x60 |
			     (in->opcode_map == ZYDIS_OPCODE_MAP_0F38 ? 2u : 3u));
	emit1(&u->e, (unsigned)in->raw.vex.W << 7 | (~(unsigned)u->op->s & 15) << 3 |
			     (f->bytes == 32 ? 4u : 0) | PP_66);
	emit1(&u->e, in->opcode);
	emit1(&u->e, (u->op->d & 7u) << 3);
	return true;
}

bool xl_vex(struct xl_unit *u)
{
	if (u->op->fn == x86_vex)
		return by_form(u);
	if (u->op->fn == x86_vex_maskmov)
		return maskmov(u);
	if (u->op->fn != x86_vex_zero)
		return false;
	xl_vectors(u, XL_YMM);
	emit1(&u->e, 0xc5);
	emit1(&u->e, u->op->imm ? 0xf8 : 0xfc);
	emit1(&u->e, 0x77);
	return true;
}
