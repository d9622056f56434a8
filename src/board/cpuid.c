/* SPDX-License-Identifier: MIT */
/* CPUID of a host processor: the platform's, less what the board does not have. The module's view
 * of the platform stays the whole table. */
#include "board/internal.h"

#include "arch/cpuid.h"

#define BIT(n) (1u << (n))

/* What stays of the platform's words. */
#define L1_ECX_HIDDEN                                                                              \
	(BIT(2) | BIT(3) | BIT(4) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(12) | BIT(14) |       \
	 BIT(15) | BIT(18) | BIT(27) | BIT(28) | BIT(29) | BIT(31))
#define L1_ECX_SHOWN   (BIT(5) | BIT(21) | BIT(24) | BIT(26)) /* VMX x2APIC deadline XSAVE */
#define L1_ECX_OSXSAVE BIT(27)
#define L1_EDX_HIDDEN  (BIT(18) | BIT(21) | BIT(22) | BIT(28) | BIT(29) | BIT(31))
#define L1_EDX_HTT     BIT(28)
/* FSGSBASE TSC_ADJUST BMI1 SMEP BMI2 ERMS INVPCID RDSEED ADX SMAP CLFLUSHOPT CLWB SHA */
#define L7_EBX                                                                                     \
	(BIT(0) | BIT(1) | BIT(3) | BIT(7) | BIT(8) | BIT(9) | BIT(10) | BIT(18) | BIT(19) |       \
	 BIT(20) | BIT(23) | BIT(24) | BIT(29))
#define L7_ECX                                                                                     \
	(BIT(2) | BIT(3) | BIT(13) | BIT(22) | BIT(25) | BIT(27) | BIT(28)) /* UMIP PKU TME ... */
#define L7_ECX_OSPKE BIT(4)
#define L7_EDX	     (BIT(4) | BIT(10) | BIT(14) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(31))
#define L7_1_EAX     (BIT(10) | BIT(11) | BIT(12)) /* fast short REPs */
#define E1_ECX	     (BIT(0) | BIT(5) | BIT(8))	   /* LAHF LZCNT PREFETCHW */

enum { LAST_LEAF = 0x1f, ARAT = 4, XSAVE_ALL = 0xf, PACKAGE_SHIFT = 7 };

static struct cpuid_regs leaf_1(const struct board_cpu *c, struct cpuid_regs r)
{
	r.ecx = (r.ecx & ~L1_ECX_HIDDEN) | L1_ECX_SHOWN;
	if (c->x86->cr4 & CR4_OSXSAVE)
		r.ecx |= L1_ECX_OSXSAVE;
	r.edx &= ~L1_EDX_HIDDEN;
	if (c->board->per_package > 1)
		r.edx |= L1_EDX_HTT;
	r.ebx = (r.ebx & 0xffff) | BIT(c->board->core_shift) << 16 | c->lp->x2apic_id << 24;
	return r;
}

/* Caches: levels 1 and 2 of a processor, level 3 of a package. */
static struct cpuid_regs leaf_4(const struct board_cpu *c, struct cpuid_regs r)
{
	const uint32_t ids = BIT(c->board->core_shift) - 1, level = r.eax >> 5 & 7;

	r.eax &= 0x3fff;
	if (r.eax & 0x1f)
		r.eax |= ids << 26 | (level == 3 ? ids << 14 : 0);
	return r;
}

static struct cpuid_regs leaf_7(const struct board_cpu *c, uint32_t subleaf, struct cpuid_regs r)
{
	const bool keys = c->x86 && c->x86->cr4 & CR4_PKE;

	if (subleaf == 0)
		return (struct cpuid_regs){1, r.ebx & L7_EBX,
					   (r.ecx & L7_ECX) | (keys ? L7_ECX_OSPKE : 0),
					   r.edx & L7_EDX};
	if (subleaf == 1)
		return (struct cpuid_regs){.eax = r.eax & L7_1_EAX};
	return (struct cpuid_regs){0};
}

static struct cpuid_regs topology(const struct board_cpu *c, uint32_t subleaf)
{
	const struct board *b = c->board;
	const uint32_t shift = b->cfg.packages > 1 ? PACKAGE_SHIFT : b->core_shift;

	if (subleaf == 0)
		return (struct cpuid_regs){0, 1, 1 << 8, c->lp->x2apic_id};
	if (subleaf == 1)
		return (struct cpuid_regs){shift, b->per_package, 2 << 8 | 1, c->lp->x2apic_id};
	return (struct cpuid_regs){0, 0, subleaf & 0xff, c->lp->x2apic_id};
}

uint64_t board_xcr0(const struct board_cpu *c)
{
	return XFAM_FIXED1 | x86_code_xfam(c->board->code);
}

/* The state that is executed; all of XSAVE. */
static struct cpuid_regs leaf_d(const struct board_cpu *c, uint32_t subleaf, struct cpuid_regs r)
{
	/* Asked for the places of components before there is a processor. */
	const uint64_t all = board_xcr0(c), now = c->x86 ? c->x86->xcr0 : XFAM_X87;

	if (subleaf == 0)
		return (struct cpuid_regs){(uint32_t)all, machine_xsave_size(c->lp, now, false),
					   machine_xsave_size(c->lp, all, false), 0};
	if (subleaf == 1)
		return (struct cpuid_regs){XSAVE_ALL, machine_xsave_size(c->lp, now, true), 0, 0};
	return subleaf < 64 && all >> subleaf & 1 ? r : (struct cpuid_regs){0};
}

/* What is executed of the platform's vectors. */
static void add_vectors(const struct board_cpu *c, uint32_t leaf, uint32_t subleaf,
			const struct cpuid_regs *platform, struct cpuid_regs *r)
{
	uint32_t can[4];

	if (!(board_xcr0(c) & XFAM_AVX))
		return;
	x86_code_cpuid(c->board->code, leaf, subleaf, can);
	r->eax |= platform->eax & can[0];
	r->ebx |= platform->ebx & can[1];
	r->ecx |= platform->ecx & can[2];
	r->edx |= platform->edx & can[3];
}

struct cpuid_regs board_cpuid(const struct board_cpu *c, uint32_t leaf, uint32_t subleaf)
{
	const struct cpuid_regs platform = machine_cpuid(c->lp, leaf, subleaf);
	struct cpuid_regs r = platform;

	switch (leaf) {
	case 0:
		r.eax = LAST_LEAF;
		return r;
	case 1:
		r = leaf_1(c, r);
		add_vectors(c, leaf, 0, &platform, &r);
		return r;
	case 4:
		return leaf_4(c, r);
	case 6:
		return (struct cpuid_regs){.eax = ARAT};
	case 7:
		r = leaf_7(c, subleaf, r);
		add_vectors(c, leaf, subleaf, &platform, &r);
		return r;
	case 0xb:
	case 0x1f:
		return topology(c, subleaf);
	case 0xd:
		return leaf_d(c, subleaf, r);
	case 5:
	case 0xa:
	case 0xf:
	case 0x10:
	case 0x12:
	case 0x14:
	case 0x19:
	case 0x1c:
	case 0x1d:
	case 0x1e:
		return (struct cpuid_regs){0};
	case 0x80000001:
		r.ecx &= E1_ECX;
		return r;
	}
	return r;
}

/* What depends on the computer: vectors. All else is the platform's. */
static const struct {
	uint32_t leaf, subleaf;
} vector_leaves[] = {{1, 0}, {7, 0}, {7, 1}};
enum { VECTOR_LEAVES = sizeof(vector_leaves) / sizeof(vector_leaves[0]) };

void board_vectors(const struct board *b, struct board_vectors *v)
{
	*v = (struct board_vectors){.xcr0 = board_xcr0(&b->cpu[0])};
	for (unsigned i = 0; i < VECTOR_LEAVES; i++)
		x86_code_cpuid(b->code, vector_leaves[i].leaf, vector_leaves[i].subleaf,
			       v->bits[i]);
}

static const char *feature_name(uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
	const struct cpuid_feature *f = cpuid_feature_at(leaf, subleaf, (enum cpuid_reg)reg, bit);

	return f ? f->name : "an instruction nobody has a name for";
}

const char *board_lacks(const struct board *b, const struct board_vectors *v)
{
	struct board_vectors have;

	board_vectors(b, &have);
	for (unsigned i = 0; i < VECTOR_LEAVES; i++)
		for (unsigned bit = 0; bit < 4 * 32; bit++)
			if ((v->bits[i][bit / 32] & ~have.bits[i][bit / 32]) >> bit % 32 & 1)
				return feature_name(vector_leaves[i].leaf, vector_leaves[i].subleaf,
						    bit / 32, bit % 32);
	return v->xcr0 & ~have.xcr0 ? "a state of vectors" : NULL;
}

void board_cpuid_for_x86(struct x86_cpu *x86, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	const struct cpuid_regs r = board_cpuid(board_cpu_of(x86), leaf, subleaf);

	out[0] = r.eax;
	out[1] = r.ebx;
	out[2] = r.ecx;
	out[3] = r.edx;
}
