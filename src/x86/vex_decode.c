/* SPDX-License-Identifier: MIT */
/* From an instruction that Zydis decoded to its form, see vex.h. */
#include "x86/vex.h"

enum { MODRM_RSI = H_RSI, MODRM_REGISTERS = 0xc0, VEX3 = 0xc4, EVEX = 0x62 };
/* Bits of the third byte behind EVEX's first. */
enum { EVEX_Z = 0x80, EVEX_B = 0x10, EVEX_V4 = 0x08, EVEX_AAA = 0x07 };

static bool between(ZydisRegister r, ZydisRegister first, ZydisRegister last)
{
	return r >= first && r <= last;
}

static enum vex_class class_of(ZydisRegister r)
{
	if (between(r, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_ZMM31))
		return VEX_VECTOR;
	if (between(r, ZYDIS_REGISTER_K0, ZYDIS_REGISTER_K7))
		return VEX_K;
	if (between(r, ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15))
		return VEX_GPR;
	return VEX_NONE;
}

static unsigned number_of(ZydisRegister r)
{
	if (between(r, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM31))
		return (unsigned)(r - ZYDIS_REGISTER_XMM0);
	if (between(r, ZYDIS_REGISTER_YMM0, ZYDIS_REGISTER_YMM31))
		return (unsigned)(r - ZYDIS_REGISTER_YMM0);
	if (between(r, ZYDIS_REGISTER_ZMM0, ZYDIS_REGISTER_ZMM31))
		return (unsigned)(r - ZYDIS_REGISTER_ZMM0);
	if (between(r, ZYDIS_REGISTER_K0, ZYDIS_REGISTER_K7))
		return (unsigned)(r - ZYDIS_REGISTER_K0);
	return x86_tr_reg(r) / 8;
}

static unsigned slot_of(const ZydisDecodedOperand *o)
{
	switch (o->encoding) {
	case ZYDIS_OPERAND_ENCODING_MODRM_REG:
		return VEX_REG;
	case ZYDIS_OPERAND_ENCODING_NDSNDD:
		return VEX_VVVV;
	case ZYDIS_OPERAND_ENCODING_MODRM_RM:
		return VEX_RM;
	case ZYDIS_OPERAND_ENCODING_IS4:
		return VEX_IS4;
	default:
		return VEX_SLOTS;
	}
}

/* What a decoded instruction is, on its way to a form. */
struct vex_insn {
	const struct x86_tr *tr;
	struct vex_form f;
	uint8_t number[VEX_SLOTS];
	const ZydisDecodedOperand *mem;
};

static bool is_evex(const struct x86_tr *tr)
{
	return tr->in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX;
}

static bool is_scalar(ZydisISASet set)
{
	return set == ZYDIS_ISA_SET_AVX512F_SCALAR || set == ZYDIS_ISA_SET_AVX512DQ_SCALAR ||
	       set == ZYDIS_ISA_SET_AVX512_FP16_SCALAR;
}

/* False: an operand that there is no place for. */
static bool operands(struct vex_insn *v)
{
	const struct x86_tr *tr = v->tr;
	unsigned i, slot;

	v->f.key.mask = VEX_NO_MASK;
	for (i = 0; i < tr->in.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &tr->o[i];

		if (tr_is_mem(o)) {
			v->mem = o;
			v->f.mem_read = (o->actions & ZYDIS_OPERAND_ACTION_MASK_READ) != 0;
			v->f.mem_write = (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
			v->f.mem_size = (uint8_t)(o->size / 8);
			v->f.element = (uint8_t)(o->element_size / 8);
			v->f.elements = (uint8_t)o->element_count;
			if (tr->in.mnemonic == ZYDIS_MNEMONIC_VPSHUFBITQMB) {
				/* Its mask is of bytes. */
				v->f.elements = v->f.mem_size;
				v->f.element = 1;
			}
			continue;
		}
		if (tr_is_imm(o)) {
			v->f.imm = (uint8_t)o->imm.value.u;
			continue;
		}
		if (o->encoding == ZYDIS_OPERAND_ENCODING_MASK) {
			if (o->reg.value != ZYDIS_REGISTER_K0)
				v->f.key.mask = (uint8_t)number_of(o->reg.value);
			continue;
		}
		slot = slot_of(o);
		if (slot == VEX_SLOTS || v->f.cls[slot] || !class_of(o->reg.value))
			return false;
		v->f.cls[slot] = (uint8_t)class_of(o->reg.value);
		v->number[slot] = (uint8_t)number_of(o->reg.value);
		if (o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)
			v->f.writes |= (uint8_t)(1u << slot);
	}
	v->f.key.is4 = v->number[VEX_IS4];
	return true;
}

/* How many elements its mask decides about. */
static unsigned masked(const struct vex_insn *v)
{
	const struct x86_tr *tr = v->tr;
	unsigned widest = 8, i;

	if (is_scalar(tr->in.meta.isa_set))
		return 1;
	if (v->f.mem_write)
		return v->f.elements;
	for (i = 0; i < tr->in.operand_count_visible; i++) {
		const ZydisDecodedOperand *o = &tr->o[i];
		const unsigned size = o == v->mem ? v->f.element * 8u : o->element_size;

		if ((o == v->mem || (i == 0 && class_of(o->reg.value) == VEX_VECTOR)) &&
		    size > widest)
			widest = size;
	}
	return tr->in.avx.vector_length / widest;
}

/* Is an element in memory accessed only if its bit of the mask is set? */
static bool suppresses_faults(const ZydisDecodedInstruction *in)
{
	/* Elements of the operand are not the mask's. */
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_VCVTNE2PS2BF16:
	case ZYDIS_MNEMONIC_VDBPSADBW:
	case ZYDIS_MNEMONIC_VGF2P8AFFINEINVQB:
	case ZYDIS_MNEMONIC_VGF2P8AFFINEQB:
	case ZYDIS_MNEMONIC_VPMULTISHIFTQB:
		return false;
	default:
		break;
	}
	switch (in->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_E1:
	case ZYDIS_EXCEPTION_CLASS_E2:
	case ZYDIS_EXCEPTION_CLASS_E3:
	case ZYDIS_EXCEPTION_CLASS_E4:
	case ZYDIS_EXCEPTION_CLASS_E5:
	case ZYDIS_EXCEPTION_CLASS_E6:
	case ZYDIS_EXCEPTION_CLASS_E10:
	case ZYDIS_EXCEPTION_CLASS_E11:
		return true;
	default:
		return false;
	}
}

/* Those that raise no exception, but take denormal operands for zeros where MXCSR says so. */
static bool reads_mxcsr(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_VFPCLASSPD:
	case ZYDIS_MNEMONIC_VFPCLASSPS:
	case ZYDIS_MNEMONIC_VFPCLASSSD:
	case ZYDIS_MNEMONIC_VFPCLASSSS:
	case ZYDIS_MNEMONIC_VRCP14PD:
	case ZYDIS_MNEMONIC_VRCP14PS:
	case ZYDIS_MNEMONIC_VRCP14SD:
	case ZYDIS_MNEMONIC_VRCP14SS:
	case ZYDIS_MNEMONIC_VRSQRT14PD:
	case ZYDIS_MNEMONIC_VRSQRT14PS:
	case ZYDIS_MNEMONIC_VRSQRT14SD:
	case ZYDIS_MNEMONIC_VRSQRT14SS:
		return true;
	default:
		return false;
	}
}

/* What is left when a number is rounded may be tiny, and is no underflow. */
static bool is_reduce(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_VREDUCEPD:
	case ZYDIS_MNEMONIC_VREDUCEPH:
	case ZYDIS_MNEMONIC_VREDUCEPS:
	case ZYDIS_MNEMONIC_VREDUCESD:
	case ZYDIS_MNEMONIC_VREDUCESH:
	case ZYDIS_MNEMONIC_VREDUCESS:
		return true;
	default:
		return false;
	}
}

static unsigned flags_of(const struct vex_insn *v)
{
	const ZydisDecodedInstruction *in = &v->tr->in;
	unsigned flags = is_evex(v->tr) ? VEX_F_EVEX | VEX_F_WIDE : 0;
	unsigned slot;

	switch (in->meta.exception_class) {
	case ZYDIS_EXCEPTION_CLASS_AVX2:
	case ZYDIS_EXCEPTION_CLASS_AVX3:
	case ZYDIS_EXCEPTION_CLASS_AVX11:
	case ZYDIS_EXCEPTION_CLASS_E2:
	case ZYDIS_EXCEPTION_CLASS_E2NF:
	case ZYDIS_EXCEPTION_CLASS_E3:
	case ZYDIS_EXCEPTION_CLASS_E3NF:
	case ZYDIS_EXCEPTION_CLASS_E11:
	case ZYDIS_EXCEPTION_CLASS_E11NF:
		flags |= VEX_F_FP;
		break;
	case ZYDIS_EXCEPTION_CLASS_AVX1:
	case ZYDIS_EXCEPTION_CLASS_E1:
	case ZYDIS_EXCEPTION_CLASS_E1NF:
		flags |= VEX_F_ALIGNED;
		break;
	default:
		break;
	}
	for (slot = 0; slot < VEX_SLOTS; slot++)
		if (v->f.cls[slot] == VEX_K)
			flags |= VEX_F_EVEX;
	if (in->cpu_flags && (in->cpu_flags->modified | in->cpu_flags->set_0))
		flags |= VEX_F_FLAGS;
	if (in->avx.has_sae || in->avx.rounding.mode != ZYDIS_ROUNDING_MODE_INVALID)
		flags |= VEX_F_SAE;
	if (reads_mxcsr(in->mnemonic))
		flags |= VEX_F_FP;
	if (in->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH)
		flags |= VEX_F_HALF;
	if (is_reduce(in->mnemonic))
		flags |= VEX_F_TINY;
	if (v->mem && v->f.key.mask != VEX_NO_MASK && (v->f.mem_write || suppresses_faults(in)))
		flags |= VEX_F_PART;
	if ((flags & VEX_F_PART) && in->meta.exception_class == ZYDIS_EXCEPTION_CLASS_E6NF)
		flags |= VEX_F_WHOLE;
	if (in->meta.category == ZYDIS_CATEGORY_COMPRESS ||
	    in->meta.category == ZYDIS_CATEGORY_EXPAND)
		flags |= VEX_F_PACKED;
	return flags;
}

/* Outside 64-bit code VEX.W does not make an integer wide. */
static bool narrow(const struct x86_tr *tr)
{
	if (tr->mode & M_L64)
		return false;
	if (tr->in.opcode_map == ZYDIS_OPCODE_MAP_0F)
		return tr->in.opcode == 0x2a || tr->in.opcode == 0x2c || tr->in.opcode == 0x2d ||
		       (tr->in.opcode == 0x6e || tr->in.opcode == 0x7e);
	return tr->in.opcode_map == ZYDIS_OPCODE_MAP_0F3A &&
	       (tr->in.opcode == 0x16 || tr->in.opcode == 0x22);
}

/* The instruction's bytes with the operands where the stub has them. */
static void rename(struct vex_insn *v)
{
	const struct x86_tr *tr = v->tr;
	const ZydisDecodedInstruction *in = &tr->in;
	const bool evex = is_evex(tr);
	const uint8_t *p = tr->bytes + (evex ? in->raw.evex.offset : in->raw.vex.offset);
	const unsigned vvvv = v->f.cls[VEX_VVVV] ? VEX_VVVV : 0;
	const unsigned reg = v->f.cls[VEX_REG] ? VEX_REG : in->raw.modrm.reg;
	uint8_t *to = v->f.key.insn;
	unsigned map, w_pp;

	if (evex) {
		*to++ = EVEX;
		*to++ = (uint8_t)(0xf0 | (p[1] & 7));
		*to++ = (uint8_t)((p[2] & 0x87) | (~vvvv & 15) << 3);
		*to++ = (uint8_t)((p[3] & (uint8_t) ~(EVEX_V4 | EVEX_AAA)) | EVEX_V4 |
				  (v->f.key.mask != VEX_NO_MASK ? VEX_IS4 : 0));
	} else {
		map = p[0] == VEX3 ? p[1] & 0x1f : 1;
		w_pp = p[0] == VEX3 ? p[2] & 0x87 : p[1] & 7;
		if (narrow(tr))
			w_pp &= 7;
		*to++ = VEX3;
		*to++ = (uint8_t)(0xe0 | map);
		*to++ = (uint8_t)(w_pp | (~vvvv & 15) << 3);
	}
	*to++ = in->opcode;
	*to++ = (uint8_t)(reg << 3 | (v->mem ? MODRM_RSI : MODRM_REGISTERS | VEX_RM));
	if (v->f.cls[VEX_IS4])
		*to++ = (uint8_t)(VEX_IS4 << 4 | (tr->bytes[in->length - 1] & 15));
	else if (in->raw.imm[0].size)
		*to++ = (uint8_t)in->raw.imm[0].value.u;
	v->f.key.len = (uint8_t)(to - v->f.key.insn);
}

static void place(struct x86_tr *tr, const struct vex_insn *v, x86_fn *fn)
{
	const struct vex_form *f = vex_form(tr->cpu, &v->f);
	struct x86_op *op;

	if (!f) {
		x86_tr_end(tr, x86_vex_full);
		return;
	}
	op = x86_tr_op(tr, fn);
	op->imm = (uint64_t)(uintptr_t)f;
	op->d = v->number[VEX_REG];
	op->s = v->number[VEX_VVVV];
	if (v->mem) {
		x86_tr_mem(tr, op, v->mem);
		if (v->f.index_size)
			op->i = REG_ZERO;
	} else {
		op->b = v->number[VEX_RM];
	}
}

/* Those without code of their own are told apart by what stands for it. */
static void name(struct vex_insn *v, unsigned kind)
{
	v->f.key.insn[0] = (uint8_t)kind;
	v->f.key.insn[1] = v->f.mem_size;
	v->f.key.insn[2] = v->f.imm;
	v->f.key.insn[3] = v->f.element;
	v->f.key.insn[4] = v->f.elements;
	v->f.key.insn[5] = v->f.bytes;
	v->f.key.insn[6] = (uint8_t)(v->f.mem_write << 1 | v->f.mem_read);
	v->f.key.insn[7] = v->f.index_size;
	v->f.key.insn[8] = v->f.masked;
	v->f.key.insn[9] = (uint8_t)(v->f.scale | (v->f.wide ? 0x80 : 0));
	v->f.key.insn[10] = (uint8_t)v->f.flags;
}

enum { KIND_MASKMOV = 1, KIND_VSIB, KIND_STRING, KIND_LANE };

static void maskmov(struct x86_tr *tr, struct vex_insn *v)
{
	v->f.flags |= VEX_F_PART;
	name(v, KIND_MASKMOV);
	place(tr, v, x86_vex_maskmov);
}

static unsigned log2_of(unsigned scale)
{
	return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

/* Elements are as many as both the vectors of data and of indices have. */
static void vsib(struct x86_tr *tr, struct vex_insn *v, unsigned index_bytes, x86_fn *fn)
{
	const unsigned most = index_bytes > v->f.element ? index_bytes : v->f.element;

	v->f.key.index = (uint8_t)number_of(v->mem->mem.index);
	v->f.scale = (uint8_t)log2_of(v->mem->mem.scale);
	v->f.index_size = (uint8_t)index_bytes;
	v->f.masked = (uint8_t)(tr->in.avx.vector_length / 8u / most);
	name(v, KIND_VSIB);
	place(tr, v, fn);
}

static void string(struct x86_tr *tr, struct vex_insn *v, x86_helper *helper, bool makes_mask)
{
	v->f.string = helper;
	v->f.wide = tr->in.raw.vex.W;
	v->f.writes = makes_mask;
	name(v, KIND_STRING + 8 * (tr->in.opcode & 3));
	place(tr, v, x86_vex_string);
}

static bool special(struct x86_tr *tr, struct vex_insn *v)
{
	struct x86_op *op;

	switch (tr->in.mnemonic) {
#define CASE(name_, ...)                                                                           \
	case ZYDIS_MNEMONIC_##name_:                                                               \
		__VA_ARGS__;                                                                       \
		return true;
		CASE(VZEROUPPER, x86_tr_op(tr, x86_vex_zero)->imm = 16)
		CASE(VZEROALL, x86_tr_op(tr, x86_vex_zero)->imm = 0)
		CASE(VLDMXCSR, x86_tr_mem(tr, x86_tr_op(tr, x86_vex_ldmxcsr), &tr->o[0]))
		CASE(VSTMXCSR, x86_tr_mem(tr, x86_tr_op(tr, x86_vex_stmxcsr), &tr->o[0]))
		CASE(VMASKMOVPS, maskmov(tr, v))
		CASE(VMASKMOVPD, maskmov(tr, v))
		CASE(VPMASKMOVD, maskmov(tr, v))
		CASE(VPMASKMOVQ, maskmov(tr, v))
		CASE(VGATHERDPS, vsib(tr, v, 4, x86_vex_gather))
		CASE(VGATHERDPD, vsib(tr, v, 4, x86_vex_gather))
		CASE(VGATHERQPS, vsib(tr, v, 8, x86_vex_gather))
		CASE(VGATHERQPD, vsib(tr, v, 8, x86_vex_gather))
		CASE(VPGATHERDD, vsib(tr, v, 4, x86_vex_gather))
		CASE(VPGATHERDQ, vsib(tr, v, 4, x86_vex_gather))
		CASE(VPGATHERQD, vsib(tr, v, 8, x86_vex_gather))
		CASE(VPGATHERQQ, vsib(tr, v, 8, x86_vex_gather))
		CASE(VSCATTERDPS, vsib(tr, v, 4, x86_vex_scatter))
		CASE(VSCATTERDPD, vsib(tr, v, 4, x86_vex_scatter))
		CASE(VSCATTERQPS, vsib(tr, v, 8, x86_vex_scatter))
		CASE(VSCATTERQPD, vsib(tr, v, 8, x86_vex_scatter))
		CASE(VPSCATTERDD, vsib(tr, v, 4, x86_vex_scatter))
		CASE(VPSCATTERDQ, vsib(tr, v, 4, x86_vex_scatter))
		CASE(VPSCATTERQD, vsib(tr, v, 8, x86_vex_scatter))
		CASE(VPSCATTERQQ, vsib(tr, v, 8, x86_vex_scatter))
		CASE(VPCMPESTRI, string(tr, v, x86_pcmpestri, false))
		CASE(VPCMPESTRM, string(tr, v, x86_pcmpestrm, true))
		CASE(VPCMPISTRI, string(tr, v, x86_pcmpistri, false))
		CASE(VPCMPISTRM, string(tr, v, x86_pcmpistrm, true))
	case ZYDIS_MNEMONIC_VMASKMOVDQU:
		op = x86_tr_op(tr, x86_vex_maskmovdqu);
		op->d = (uint8_t)number_of(tr->o[0].reg.value);
		op->s = (uint8_t)number_of(tr->o[1].reg.value);
		x86_tr_at_reg(tr, op, 7 * 8, 16, true);
		return true;
	default:
		return false;
	}
}

/* Is it one that the host executes, in registers and one operand in memory? */
static bool by_host(const struct x86_tr *tr)
{
	return x86_tr_host_has(tr) && tr->in.meta.category != ZYDIS_CATEGORY_AVX512_VP2INTERSECT;
}

bool x86_tr_vex(struct x86_tr *tr)
{
	struct vex_insn v = {.tr = tr};

	if ((tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX && !is_evex(tr)) || !tr->cpu->vex)
		return false;
	if (!operands(&v))
		return false;
	v.f.key.mode = tr->mode & M_L64;
	v.f.bytes = (uint8_t)(tr->in.avx.vector_length / 8);
	v.f.flags = (uint16_t)flags_of(&v);
	if (special(tr, &v))
		return true;
	v.f.masked = (uint8_t)masked(&v);
	if (by_host(tr)) {
		rename(&v);
	} else if (vex_lane(tr->in.mnemonic) && !is_evex(tr)) {
		v.f.lane = vex_lane(tr->in.mnemonic);
		name(&v, KIND_LANE + 8u * tr->in.opcode);
		v.f.key.insn[9] = (uint8_t)tr->in.opcode_map;
	} else {
		return false;
	}
	place(tr, &v, x86_vex);
	return true;
}
