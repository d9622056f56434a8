/* SPDX-License-Identifier: MIT */
/* The translator's frame: blocks, operands, and what no family knows.
 *
 * A block ends at a branch that is always taken, at an instruction that changes what translation
 * depends on, before an instruction that leaves the page, and at its size limit. */
#include "x86/decode.h"
#include "x86/ops.h"
#include "x86/system.h"

struct x86_op *x86_tr_op(struct x86_tr *tr, x86_fn *fn)
{
	struct x86_op *op = &tr->ops[tr->nops];

	tr->linked[tr->nops++] = false;
	memset(op, 0, sizeof(*op));
	op->fn = fn;
	op->b = op->i = REG_ZERO;
	op->seg = X86_NOSEG;
	op->len = tr->in.length;
	op->off = (uint16_t)tr->off;
	op->n = (uint8_t)tr->ninsns;
	op->fl = (uint8_t)tr->prefix;
	return op;
}

struct x86_op *x86_tr_end(struct x86_tr *tr, x86_fn *fn)
{
	tr->ended = true;
	return x86_tr_op(tr, fn);
}

void x86_tr_link(struct x86_tr *tr, struct x86_op *op, int64_t delta, unsigned bytes)
{
	struct x86_link *link = &tr->links[tr->nlinks++];

	memset(link, 0, sizeof(*link));
	link->which = offsetof(struct x86_cpu, gen);
	link->delta = delta;
	if (bytes == 2 && !delta)
		link->delta = UINT16_MAX + 1; /* it is cut all the same */
	link->mask = bytes == 8 ? UINT64_MAX : bytes == 4 ? UINT32_MAX : UINT16_MAX;
	op->link = link;
	tr->linked[op - tr->ops] = true;
}

unsigned x86_tr_reg(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
		return (unsigned)(reg - ZYDIS_REGISTER_RAX) * 8;
	if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
		return (unsigned)(reg - ZYDIS_REGISTER_EAX) * 8;
	if (reg >= ZYDIS_REGISTER_AX && reg <= ZYDIS_REGISTER_R15W)
		return (unsigned)(reg - ZYDIS_REGISTER_AX) * 8;
	if (reg >= ZYDIS_REGISTER_AL && reg <= ZYDIS_REGISTER_BL)
		return (unsigned)(reg - ZYDIS_REGISTER_AL) * 8;
	if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
		return (unsigned)(reg - ZYDIS_REGISTER_AH) * 8 + 1;
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return (unsigned)(reg - ZYDIS_REGISTER_SPL) * 8 + 32;
	if (reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM15)
		return (unsigned)(reg - ZYDIS_REGISTER_XMM0);
	return REG_ZERO;
}

static unsigned seg_number(ZydisRegister seg)
{
	switch (seg) {
	case ZYDIS_REGISTER_ES:
		return X86_ES;
	case ZYDIS_REGISTER_CS:
		return X86_CS;
	case ZYDIS_REGISTER_SS:
		return X86_SS;
	case ZYDIS_REGISTER_DS:
		return X86_DS;
	case ZYDIS_REGISTER_FS:
		return X86_FS;
	case ZYDIS_REGISTER_GS:
		return X86_GS;
	default:
		return X86_NOSEG;
	}
}

/* What x86_ea_chk() needs besides the segment: how much is accessed, and how. */
static uint8_t checked(unsigned seg, unsigned bytes, bool write)
{
	unsigned code = 0;

	while (code < X86_CHK_SIZES - 1 && x86_chk_size[code] < bytes)
		code++;
	return (uint8_t)(seg | code << CHK_SIZE_SHIFT | (write ? CHK_WRITE : 0));
}

/* Width and segment of an operand in memory. */
static void place(struct x86_tr *tr, struct x86_op *op, unsigned seg, unsigned bytes, bool write)
{
	const bool based = seg == X86_FS || seg == X86_GS;

	op->fl |= OPF_MEM | (seg == X86_SS ? OPF_SS : 0);
	if (tr->in.address_width == 32)
		op->fl |= OPF_A32;
	if (tr->in.address_width == 16)
		op->fl |= OPF_A16;
	op->seg = based ? (uint8_t)seg : X86_NOSEG;
	if (!(tr->mode & M_L64) && (!(tr->mode & M_FLAT) || based || (write && seg == X86_CS))) {
		op->seg = checked(seg, bytes, write);
		op->fl |= OPF_CHK;
	}
}

bool x86_tr_mem(struct x86_tr *tr, struct x86_op *op, const ZydisDecodedOperand *o)
{
	const ZydisDecodedOperandMem *m = &o->mem;
	int64_t disp = m->disp.has_displacement ? m->disp.value : 0;

	op->b = op->i = REG_ZERO;
	op->sc = 0;
	if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP) {
		op->b = REG_BASE;
		disp += tr->off + tr->in.length;
	} else {
		op->b = (uint8_t)x86_tr_reg(m->base);
	}
	if (m->index != ZYDIS_REGISTER_NONE) {
		op->i = (uint8_t)x86_tr_reg(m->index);
		op->sc = m->scale == 8 ? 3 : m->scale == 4 ? 2 : m->scale == 2 ? 1 : 0;
	}
	op->disp = (int32_t)disp;
	place(tr, op, seg_number(m->segment), o->size / 8u,
	      o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
	return op->i == REG_ZERO && op->seg == X86_NOSEG && !(op->fl & OPF_EA);
}

unsigned x86_tr_seg(const struct x86_tr *tr)
{
	const ZydisInstructionAttributes a = tr->in.attributes;

	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_FS)
		return X86_FS;
	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_GS)
		return X86_GS;
	if (tr->mode & M_L64)
		return X86_NOSEG;
	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_CS)
		return X86_CS;
	if (a & ZYDIS_ATTRIB_HAS_SEGMENT_SS)
		return X86_SS;
	return a & ZYDIS_ATTRIB_HAS_SEGMENT_ES ? X86_ES : X86_DS;
}

void x86_tr_at_reg(struct x86_tr *tr, struct x86_op *op, unsigned reg, unsigned bytes, bool write)
{
	op->b = (uint8_t)reg;
	place(tr, op, x86_tr_seg(tr), bytes, write);
}

void x86_tr_decoder_for(const struct x86_cpu *cpu, ZydisDecoder *d, unsigned mode)
{
	if (mode & M_L64)
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	else if (mode & M_D32)
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
	else
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_COMPAT_16, ZYDIS_STACK_WIDTH_16);
	x86_tr_decoder(cpu, d);
}

struct x86_op *x86_tr_unknown(struct x86_tr *tr, x86_fn *fn)
{
	struct x86_op *op = x86_tr_end(tr, fn), *bytes = &tr->ops[tr->nops];

	tr->linked[tr->nops++] = false;
	memset(bytes, 0, sizeof(*bytes));
	memcpy(bytes, tr->bytes, tr->in.length);
	return op;
}

static bool lock_allowed(const struct x86_tr *tr)
{
	return (tr->in.attributes & ZYDIS_ATTRIB_ACCEPTS_LOCK) && tr_is_mem(&tr->o[0]);
}

static void one(struct x86_tr *tr)
{
	const ZydisInstructionAttributes a = tr->in.attributes;

	tr->prefix = 0;
	if (a & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE))
		tr->prefix |= OPF_REP;
	if (a & ZYDIS_ATTRIB_HAS_REPNE)
		tr->prefix |= OPF_REPNE;
	if (a & ZYDIS_ATTRIB_HAS_LOCK) {
		if (!lock_allowed(tr)) {
			x86_tr_end(tr, x86_ud);
			return;
		}
		tr->prefix |= OPF_LOCK;
	}
	if (!x86_tr_exists(tr))
		x86_tr_end(tr, x86_ud);
	else if (!x86_tr_int(tr) && !x86_tr_system(tr) && !x86_tr_mmx(tr) && !x86_tr_sse(tr) &&
		 !x86_tr_x87(tr) && !x86_tr_bmi(tr) && !x86_tr_vex(tr) && !x86_tr_optional(tr))
		x86_tr_lacking(tr);
}

static bool is_break(const struct x86_tr *tr, uint64_t rip)
{
	unsigned i;

	for (i = 0; i < tr->cpu->nbreaks; i++)
		if (tr->cpu->breaks[i] == rip)
			return true;
	return false;
}

void x86_translate_block(struct x86_tr *tr, const uint8_t *bytes, unsigned avail)
{
	const unsigned max = tr->mode & M_ONE ? 1 : BLOCK_INSNS;
	ZydisDecoder dec;
	struct x86_op *head;
	unsigned i;

	x86_tr_decoder_for(tr->cpu, &dec, tr->mode);
	tr->nops = tr->ninsns = tr->nlinks = tr->off = 0;
	tr->extent = 0;
	tr->ended = false;
	memset(&tr->in, 0, sizeof(tr->in));
	tr->prefix = 0;
	x86_tr_op(tr, x86_head);

	while (!tr->ended && tr->ninsns < max && tr->nops < BLOCK_OPS - 8) {
		const uint64_t rip = x86_cut(tr->rip + tr->off, tr->mode & M_L64);
		ZydisDecoderContext ctx;
		ZyanStatus st;

		tr->bytes = bytes + tr->off;
		if (tr->off >= avail)
			break;
		if (!(tr->mode & M_ONE) && is_break(tr, rip)) {
			if (tr->ninsns == 0) {
				x86_tr_end(tr, x86_break)->len = 0;
				tr->ninsns++;
			}
			break;
		}
		if (!(tr->mode & M_ONE) && tr->cpu->dr_execution && x86_debug_at(tr->cpu, rip)) {
			if (tr->ninsns == 0) {
				x86_tr_end(tr, x86_debug_break)->len = 0;
				tr->ninsns++;
			}
			break;
		}
		st = ZydisDecoderDecodeInstruction(&dec, &ctx, tr->bytes, avail - tr->off, &tr->in);
		if (st == ZYDIS_STATUS_NO_MORE_DATA)
			break; /* goes on in the next page */
		if (ZYAN_SUCCESS(st))
			st = ZydisDecoderDecodeOperands(&dec, &ctx, &tr->in, tr->o,
							tr->in.operand_count_visible);
		if (ZYAN_SUCCESS(st)) {
			one(tr);
		} else {
			tr->in.length = 0;
			tr->prefix = 0;
			tr->extent = avail - tr->off < INSN_MAX ? avail : tr->off + INSN_MAX;
			x86_tr_end(tr, st == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? x86_gp : x86_ud);
		}
		tr->off += tr->in.length;
		tr->ninsns++;
	}
	if (tr->extent < tr->off)
		tr->extent = tr->off;
	if (!tr->ended) {
		tr->in.length = 0;
		tr->prefix = 0;
		x86_tr_link(tr, x86_tr_op(tr, x86_exit_link), tr->off, tr->mode & M_L64 ? 8 : 4);
	}
	for (i = 1; i < tr->nops; i++)
		if (tr->ops[i].n < tr->ninsns)
			tr->ops[i].left = (uint8_t)(tr->ninsns - 1 - tr->ops[i].n);
	head = &tr->ops[0];
	head->disp = (int32_t)tr->ninsns;
}
