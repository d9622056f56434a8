/* SPDX-License-Identifier: MIT */
/* The tables of features.h: what needs a feature. */
#include "x86/vex.h"
#include "x86/xstate.h"

/* What the engine does not execute, or not all of: absent where the embedder gives no CPUID. */
static const bool not_executed[X86_F_NEVER] = {
	[X86_F_SGX] = true,
	[X86_F_CET_SS] = true,
	[X86_F_KL] = true,
	[X86_F_ENQCMD] = true,
	[X86_F_PKS] = true,
	[X86_F_UINTR] = true,
	[X86_F_CET_IBT] = true,
	[X86_F_AMX_TILE] = true,
	[X86_F_LASS] = true,
	[X86_F_HRESET] = true,
	[X86_F_AVX512_VP2INTERSECT] = true,
};

static void grant(struct x86_cpu *cpu, enum x86_feature f)
{
	cpu->features[f / 64] |= 1ull << f % 64;
}

void x86_features_all(struct x86_cpu *cpu)
{
	enum x86_feature f;

	memset(cpu->features, 0, sizeof(cpu->features));
	grant(cpu, X86_F_ALWAYS);
	for (f = X86_F_ALWAYS + 1; f < X86_F_NEVER; f++)
		if (!not_executed[f] && vex_executes(cpu, f))
			grant(cpu, f);
}

/* What is executed that programs choose by, if they are told. */
static const bool for_programs[X86_F_NEVER] = {
	[X86_F_FMA] = true,	    [X86_F_AVX] = true,		  [X86_F_F16C] = true,
	[X86_F_BMI1] = true,	    [X86_F_AVX2] = true,	  [X86_F_BMI2] = true,
	[X86_F_AVX512F] = true,	    [X86_F_AVX512DQ] = true,	  [X86_F_ADX] = true,
	[X86_F_AVX512_IFMA] = true, [X86_F_AVX512CD] = true,	  [X86_F_AVX512BW] = true,
	[X86_F_AVX512VL] = true,    [X86_F_AVX512_VBMI] = true,	  [X86_F_AVX512_VBMI2] = true,
	[X86_F_GFNI] = true,	    [X86_F_VAES] = true,	  [X86_F_VPCLMULQDQ] = true,
	[X86_F_AVX512_VNNI] = true, [X86_F_AVX512_BITALG] = true, [X86_F_AVX512_VPOPCNTDQ] = true,
	[X86_F_AVX512_FP16] = true, [X86_F_AVX_VNNI] = true,	  [X86_F_AVX512_BF16] = true,
};

static bool is_in(enum x86_feature f, uint32_t leaf, uint32_t subleaf)
{
	return x86_place(f)->leaf == leaf && x86_place(f)->subleaf == subleaf;
}

static void add_bit(enum x86_feature f, uint32_t out[4])
{
	out[x86_place(f)->reg] |= 1u << x86_place(f)->bit;
}

void x86_code_cpuid(const struct x86_code *code, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	enum x86_feature f;

	memset(out, 0, 4 * sizeof(out[0]));
	for (f = X86_F_ALWAYS + 1; f < X86_F_NEVER; f++)
		if (for_programs[f] && is_in(f, leaf, subleaf) &&
		    vex_pool_executes(x86_code_vex(code), f))
			add_bit(f, out);
}

/* A guest with the state finds all of this: only some of it is for its creator to leave out. */
static const enum x86_feature avx[] = {X86_F_AVX, X86_F_AVX2, X86_F_FMA, X86_F_F16C},
			      avx512[] = {X86_F_AVX512F,  X86_F_AVX512DQ, X86_F_AVX512CD,
					  X86_F_AVX512BW, X86_F_AVX512VL, X86_F_AVX512_VBMI};
#define AVX_FEATURES	(sizeof(avx) / sizeof(avx[0]))
#define AVX512_FEATURES (sizeof(avx512) / sizeof(avx512[0]))

uint64_t x86_code_xfam(const struct x86_code *code)
{
	const struct vex_pool *pool = x86_code_vex(code);
	unsigned i;

	for (i = 0; i < AVX_FEATURES; i++)
		if (!vex_pool_executes(pool, avx[i]))
			return XFAM_PK;
	for (i = 0; i < AVX512_FEATURES; i++)
		if (!vex_pool_executes(pool, avx512[i]))
			return XFAM_PK | XFAM_AVX;
	return XFAM_PK | XFAM_AVX | XFAM_AVX3;
}

static bool comes_with_state(enum x86_feature f)
{
	unsigned i;

	for (i = 0; i < AVX_FEATURES; i++)
		if (f == avx[i])
			return true;
	for (i = 0; i < AVX512_FEATURES; i++)
		if (f == avx512[i])
			return true;
	return false;
}

void x86_code_lacks(const struct x86_code *code, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	enum x86_feature f;

	memset(out, 0, 4 * sizeof(out[0]));
	for (f = X86_F_ALWAYS + 1; f < X86_F_NEVER; f++)
		if (for_programs[f] && is_in(f, leaf, subleaf) && !comes_with_state(f) &&
		    !vex_pool_executes(x86_code_vex(code), f))
			add_bit(f, out);
}

void x86_cpuid_changed(struct x86_cpu *cpu)
{
	uint32_t leaf = 0, subleaf = 0, out[4] = {0};
	enum x86_feature f;

	x86_cache_drop_all(cpu);
	x86_xplaces(cpu);
	if (!cpu->ops->cpuid) {
		x86_features_all(cpu);
		return;
	}
	memset(cpu->features, 0, sizeof(cpu->features));
	grant(cpu, X86_F_ALWAYS);
	for (f = X86_F_ALWAYS + 1; f < X86_F_NEVER; f++) {
		const struct cpuid_feature *p = x86_place(f);

		/* Neighbours share a leaf. */
		if (p->leaf != leaf || p->subleaf != subleaf)
			cpu->ops->cpuid(cpu, leaf = p->leaf, subleaf = p->subleaf, out);
		if (out[p->reg] >> p->bit & 1)
			grant(cpu, f);
	}
}

bool x86_canonical_register(const struct x86_cpu *cpu, uint64_t value)
{
	const unsigned unused = x86_has(cpu, X86_F_LA57) ? 64 - 57 : 64 - 48;

	return (uint64_t)((int64_t)(value << unused) >> unused) == value;
}

/* By number of the bit. Where there is no row the bit is reserved. */
static const uint8_t cr4_needs[32] = {
	[2] = X86_F_TSC,    [3] = X86_F_DE,	 [4] = X86_F_PSE,	[5] = X86_F_PAE,
	[6] = X86_F_MCE,    [7] = X86_F_PGE,	 [8] = X86_F_TSC, /* PCE: as old as RDPMC */
	[9] = X86_F_FXSR,   [10] = X86_F_SSE,	 [11] = X86_F_UMIP,	[12] = X86_F_LA57,
	[13] = X86_F_VMX,   [14] = X86_F_SMX,	 [16] = X86_F_FSGSBASE, [17] = X86_F_PCID,
	[18] = X86_F_XSAVE, [19] = X86_F_KL,	 [20] = X86_F_SMEP,	[21] = X86_F_SMAP,
	[22] = X86_F_PKU,   [23] = X86_F_CET_SS, [24] = X86_F_PKS,	[25] = X86_F_UINTR,
	[27] = X86_F_LASS,
};

uint64_t x86_cr4_allowed(const struct x86_cpu *cpu)
{
	uint64_t allowed = 3; /* VME and PVI, which nothing here depends on */
	unsigned i;

	for (i = 0; i < 32; i++)
		if (cr4_needs[i] && x86_has(cpu, cr4_needs[i]))
			allowed |= 1ull << i;
	if (x86_has(cpu, X86_F_CET_IBT))
		allowed |= CR4_CET;
	return allowed;
}

/* A set of AVX-512 by the widths of its vectors. */
#define WIDTHS(set, feature)                                                                       \
	[ZYDIS_ISA_SET_##set##_128] = X86_F_##feature,                                             \
	[ZYDIS_ISA_SET_##set##_256] = X86_F_##feature,                                             \
	[ZYDIS_ISA_SET_##set##_512] = X86_F_##feature

/* What all instructions of a set of Zydis's need; X86_F_ALWAYS where there is no row. */
static const uint8_t set_needs[ZYDIS_ISA_SET_MAX_VALUE + 1] = {
	[ZYDIS_ISA_SET_ADOX_ADCX] = X86_F_ADX,
	[ZYDIS_ISA_SET_AES] = X86_F_AES,
	[ZYDIS_ISA_SET_AMX_BF16] = X86_F_AMX_TILE,
	[ZYDIS_ISA_SET_AMX_INT8] = X86_F_AMX_TILE,
	[ZYDIS_ISA_SET_AMX_TILE] = X86_F_AMX_TILE,
	[ZYDIS_ISA_SET_AVX2] = X86_F_AVX2,
	[ZYDIS_ISA_SET_AVX2GATHER] = X86_F_AVX2,
	WIDTHS(AVX512BW, AVX512BW),
	WIDTHS(AVX512CD, AVX512CD),
	WIDTHS(AVX512DQ, AVX512DQ),
	WIDTHS(AVX512F, AVX512F),
	WIDTHS(AVX512_BF16, AVX512_BF16),
	WIDTHS(AVX512_BITALG, AVX512_BITALG),
	WIDTHS(AVX512_FP16, AVX512_FP16),
	WIDTHS(AVX512_GFNI, GFNI),
	WIDTHS(AVX512_IFMA, AVX512_IFMA),
	WIDTHS(AVX512_VAES, VAES),
	WIDTHS(AVX512_VBMI2, AVX512_VBMI2),
	WIDTHS(AVX512_VBMI, AVX512_VBMI),
	WIDTHS(AVX512_VNNI, AVX512_VNNI),
	WIDTHS(AVX512_VP2INTERSECT, AVX512_VP2INTERSECT),
	WIDTHS(AVX512_VPCLMULQDQ, VPCLMULQDQ),
	WIDTHS(AVX512_VPOPCNTDQ, AVX512_VPOPCNTDQ),
	[ZYDIS_ISA_SET_AVX512BW_128N] = X86_F_AVX512BW,
	[ZYDIS_ISA_SET_AVX512BW_KOP] = X86_F_AVX512BW,
	[ZYDIS_ISA_SET_AVX512DQ_128N] = X86_F_AVX512DQ,
	[ZYDIS_ISA_SET_AVX512DQ_KOP] = X86_F_AVX512DQ,
	[ZYDIS_ISA_SET_AVX512F_128N] = X86_F_AVX512F,
	[ZYDIS_ISA_SET_AVX512F_KOP] = X86_F_AVX512F,
	[ZYDIS_ISA_SET_AVX512_FP16_128N] = X86_F_AVX512_FP16,
	[ZYDIS_ISA_SET_AVX512_FP16_SCALAR] = X86_F_AVX512_FP16,
	[ZYDIS_ISA_SET_AVX512DQ_SCALAR] = X86_F_AVX512DQ,
	[ZYDIS_ISA_SET_AVX512F_SCALAR] = X86_F_AVX512F,
	[ZYDIS_ISA_SET_AVX512ER_512] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX512ER_SCALAR] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX512PF_512] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX512_4FMAPS_512] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX512_4FMAPS_SCALAR] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX512_4VNNIW_512] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AVX] = X86_F_AVX,
	[ZYDIS_ISA_SET_AVX_GFNI] = X86_F_GFNI,
	[ZYDIS_ISA_SET_AVX_VNNI] = X86_F_AVX_VNNI,
	[ZYDIS_ISA_SET_AVXAES] = X86_F_AES,
	[ZYDIS_ISA_SET_BMI1] = X86_F_BMI1,
	[ZYDIS_ISA_SET_BMI2] = X86_F_BMI2,
	[ZYDIS_ISA_SET_CET] = X86_F_CET_SS,
	[ZYDIS_ISA_SET_CLFLUSHOPT] = X86_F_CLFLUSHOPT,
	[ZYDIS_ISA_SET_CLFSH] = X86_F_CLFSH,
	[ZYDIS_ISA_SET_CLWB] = X86_F_CLWB,
	[ZYDIS_ISA_SET_CMOV] = X86_F_CMOV,
	[ZYDIS_ISA_SET_CMPXCHG16B] = X86_F_CX16,
	[ZYDIS_ISA_SET_ENQCMD] = X86_F_ENQCMD,
	[ZYDIS_ISA_SET_F16C] = X86_F_F16C,
	[ZYDIS_ISA_SET_FCMOV] = X86_F_CMOV,
	[ZYDIS_ISA_SET_FMA] = X86_F_FMA,
	[ZYDIS_ISA_SET_FXSAVE] = X86_F_FXSR,
	[ZYDIS_ISA_SET_FXSAVE64] = X86_F_FXSR,
	[ZYDIS_ISA_SET_GFNI] = X86_F_GFNI,
	[ZYDIS_ISA_SET_HRESET] = X86_F_HRESET,
	[ZYDIS_ISA_SET_INVPCID] = X86_F_INVPCID,
	[ZYDIS_ISA_SET_KEYLOCKER] = X86_F_KL,
	[ZYDIS_ISA_SET_KEYLOCKER_WIDE] = X86_F_KL,
	[ZYDIS_ISA_SET_LZCNT] = X86_F_LZCNT,
	[ZYDIS_ISA_SET_MONITOR] = X86_F_MONITOR,
	[ZYDIS_ISA_SET_MOVBE] = X86_F_MOVBE,
	[ZYDIS_ISA_SET_PCLMULQDQ] = X86_F_PCLMULQDQ,
	[ZYDIS_ISA_SET_PCONFIG] = X86_F_PCONFIG,
	[ZYDIS_ISA_SET_PENTIUMMMX] = X86_F_MMX,
	[ZYDIS_ISA_SET_PKU] = X86_F_PKU,
	[ZYDIS_ISA_SET_POPCNT] = X86_F_POPCNT,
	[ZYDIS_ISA_SET_PT] = X86_F_PTWRITE,
	[ZYDIS_ISA_SET_RDPID] = X86_F_RDPID,
	[ZYDIS_ISA_SET_RDRAND] = X86_F_RDRAND,
	[ZYDIS_ISA_SET_RDSEED] = X86_F_RDSEED,
	[ZYDIS_ISA_SET_RDTSCP] = X86_F_RDTSCP,
	[ZYDIS_ISA_SET_RDWRFSGS] = X86_F_FSGSBASE,
	[ZYDIS_ISA_SET_RTM] = X86_F_RTM,
	[ZYDIS_ISA_SET_SERIALIZE] = X86_F_SERIALIZE,
	[ZYDIS_ISA_SET_SGX] = X86_F_SGX,
	[ZYDIS_ISA_SET_SGX_ENCLV] = X86_F_SGX,
	[ZYDIS_ISA_SET_SHA] = X86_F_SHA,
	[ZYDIS_ISA_SET_SMAP] = X86_F_SMAP,
	[ZYDIS_ISA_SET_SMX] = X86_F_SMX,
	[ZYDIS_ISA_SET_SSE] = X86_F_SSE,
	[ZYDIS_ISA_SET_SSE2] = X86_F_SSE2,
	[ZYDIS_ISA_SET_SSE2MMX] = X86_F_SSE2,
	[ZYDIS_ISA_SET_SSE3] = X86_F_SSE3,
	[ZYDIS_ISA_SET_SSE3X87] = X86_F_SSE3,
	[ZYDIS_ISA_SET_SSE4] = X86_F_SSE4_1,
	[ZYDIS_ISA_SET_SSE42] = X86_F_SSE4_2,
	[ZYDIS_ISA_SET_SSEMXCSR] = X86_F_SSE,
	[ZYDIS_ISA_SET_SSSE3] = X86_F_SSSE3,
	[ZYDIS_ISA_SET_SSSE3MMX] = X86_F_SSSE3,
	[ZYDIS_ISA_SET_TSX_LDTRK] = X86_F_TSXLDTRK,
	[ZYDIS_ISA_SET_UINTR] = X86_F_UINTR,
	[ZYDIS_ISA_SET_VAES] = X86_F_VAES,
	[ZYDIS_ISA_SET_VPCLMULQDQ] = X86_F_VPCLMULQDQ,
	[ZYDIS_ISA_SET_VTX] = X86_F_VMX,
	[ZYDIS_ISA_SET_WAITPKG] = X86_F_WAITPKG,
	[ZYDIS_ISA_SET_X87] = X86_F_FPU,
	[ZYDIS_ISA_SET_XSAVE] = X86_F_XSAVE,
	[ZYDIS_ISA_SET_XSAVEC] = X86_F_XSAVEC,
	[ZYDIS_ISA_SET_XSAVEOPT] = X86_F_XSAVEOPT,
	[ZYDIS_ISA_SET_XSAVES] = X86_F_XSAVES,
	/* other makers', or never made into a product */
	[ZYDIS_ISA_SET_AMD3DNOW] = X86_F_NEVER,
	[ZYDIS_ISA_SET_AMD_INVLPGB] = X86_F_NEVER,
	[ZYDIS_ISA_SET_CLZERO] = X86_F_NEVER,
	[ZYDIS_ISA_SET_FMA4] = X86_F_NEVER,
	[ZYDIS_ISA_SET_LWP] = X86_F_NEVER,
	[ZYDIS_ISA_SET_MCOMMIT] = X86_F_NEVER,
	[ZYDIS_ISA_SET_MONITORX] = X86_F_NEVER,
	[ZYDIS_ISA_SET_PADLOCK_ACE] = X86_F_NEVER,
	[ZYDIS_ISA_SET_PADLOCK_PHE] = X86_F_NEVER,
	[ZYDIS_ISA_SET_PADLOCK_PMM] = X86_F_NEVER,
	[ZYDIS_ISA_SET_PADLOCK_RNG] = X86_F_NEVER,
	[ZYDIS_ISA_SET_RDPRU] = X86_F_NEVER,
	[ZYDIS_ISA_SET_SNP] = X86_F_NEVER,
	[ZYDIS_ISA_SET_SSE4A] = X86_F_NEVER,
	[ZYDIS_ISA_SET_SVM] = X86_F_NEVER,
	[ZYDIS_ISA_SET_TBM] = X86_F_NEVER,
	[ZYDIS_ISA_SET_XOP] = X86_F_NEVER,
};

/* Of a set whose instructions came at different times, or that have a bit each. */
static enum x86_feature need_of(const struct x86_tr *tr)
{
	switch (tr->in.mnemonic) {
	case ZYDIS_MNEMONIC_CMPXCHG8B:
		return X86_F_CX8;
	case ZYDIS_MNEMONIC_RDTSC:
		return X86_F_TSC;
	case ZYDIS_MNEMONIC_RDMSR:
	case ZYDIS_MNEMONIC_WRMSR:
		return X86_F_MSR;
	case ZYDIS_MNEMONIC_SYSENTER:
	case ZYDIS_MNEMONIC_SYSEXIT:
		return X86_F_SEP;
	case ZYDIS_MNEMONIC_LAHF:
	case ZYDIS_MNEMONIC_SAHF:
		return tr->mode & M_L64 ? X86_F_LAHF : X86_F_ALWAYS;
	case ZYDIS_MNEMONIC_MOVDIRI:
		return X86_F_MOVDIRI;
	case ZYDIS_MNEMONIC_MOVDIR64B:
		return X86_F_MOVDIR64B;
	case ZYDIS_MNEMONIC_VMCALL: /* asks whoever runs the guest, not the guest's own VMX */
	case ZYDIS_MNEMONIC_TDCALL:
	case ZYDIS_MNEMONIC_SEAMCALL:
		return X86_F_ALWAYS;
	case ZYDIS_MNEMONIC_ENDBR32: /* marks, which do nothing where nothing looks for them */
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_RDSSPD:
	case ZYDIS_MNEMONIC_RDSSPQ:
		return X86_F_ALWAYS;
	case ZYDIS_MNEMONIC_SEAMOPS: /* outside SEAM */
	case ZYDIS_MNEMONIC_SEAMRET:
		return X86_F_NEVER;
	default:
		return set_needs[tr->in.meta.isa_set];
	}
}

/* Is it one of a set's shorter vectors? */
static bool needs_vl(const ZydisDecodedInstruction *in)
{
	switch (in->meta.isa_set) {
	case ZYDIS_ISA_SET_AVX512BW_128N:
	case ZYDIS_ISA_SET_AVX512DQ_128N:
	case ZYDIS_ISA_SET_AVX512F_128N:
	case ZYDIS_ISA_SET_AVX512_FP16_128N:
	case ZYDIS_ISA_SET_AVX512DQ_SCALAR:
	case ZYDIS_ISA_SET_AVX512F_SCALAR:
	case ZYDIS_ISA_SET_AVX512_FP16_SCALAR:
		return false;
	default:
		return in->avx.vector_length < 512;
	}
}

bool x86_tr_host_has(const struct x86_tr *tr)
{
	const struct x86_cpu *cpu = tr->cpu;

	if (tr->in.encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX &&
	    (!vex_host_has(cpu, X86_F_AVX512F) ||
	     (needs_vl(&tr->in) && !vex_host_has(cpu, X86_F_AVX512VL))))
		return false;
	return vex_host_has(cpu, X86_F_AVX) && vex_host_has(cpu, need_of(tr));
}

bool x86_tr_exists(const struct x86_tr *tr)
{
	const struct x86_cpu *cpu = tr->cpu;
	const enum x86_feature need = need_of(tr);

	switch (tr->in.encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
	case ZYDIS_INSTRUCTION_ENCODING_XOP:
	case ZYDIS_INSTRUCTION_ENCODING_MVEX:
		return false;
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
		if (!x86_has(cpu, X86_F_AVX512F) ||
		    (needs_vl(&tr->in) && !x86_has(cpu, X86_F_AVX512VL)))
			return false;
		/* Each has a bit of CPUID: a set without a row is none of Intel's processors for
		 * TDX. */
		return need != X86_F_ALWAYS && x86_has(cpu, need);
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
		switch (tr->in.meta.isa_set) {
		case ZYDIS_ISA_SET_BMI1:
		case ZYDIS_ISA_SET_BMI2:
		case ZYDIS_ISA_SET_AMX_BF16:
		case ZYDIS_ISA_SET_AMX_INT8:
		case ZYDIS_ISA_SET_AMX_TILE:
			break;
		default:
			if (!x86_has(cpu, X86_F_AVX))
				return false;
			break;
		}
		return need != X86_F_ALWAYS && x86_has(cpu, need);
	default:
		break;
	}
	return x86_has(cpu, need);
}

/* Encodings that meant something else before, or nothing, and still do without the feature. */
void x86_tr_decoder(const struct x86_cpu *cpu, ZydisDecoder *d)
{
	const bool cet = x86_has(cpu, X86_F_CET_SS) || x86_has(cpu, X86_F_CET_IBT);

	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_LZCNT, x86_has(cpu, X86_F_LZCNT));
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_TZCNT, x86_has(cpu, X86_F_BMI1));
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CLDEMOTE, x86_has(cpu, X86_F_CLDEMOTE));
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_CET, cet);
	ZydisDecoderEnableMode(d, ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
}
