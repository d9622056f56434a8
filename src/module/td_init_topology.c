/* SPDX-License-Identifier: MIT */
/* Virtual processor topology: CPUID leaf 0x1f as configured, leaf 0xb made from it.
 *
 * A sub-leaf: EAX shift to the next level's id, EBX processors at this level, ECX 7:0 number of the
 * sub-leaf, 15:8 type of the level. SDM, CPUID leaves 0BH and 1FH. */
#include "module/cpuid_table.h"
#include "module/td_init.h"

enum { LEVEL_INVALID = 0, LEVEL_SMT = 1, LEVEL_CORE = 2, LEVEL_TYPES = 6 };
enum { LEAF_B_LEVELS = 3 };

static struct tdx_status malformed(void)
{
	return tdx_error(TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
}

static bool is_zero(const struct tdcs_cpuid_value *v)
{
	return !(v->eax | v->ebx | v->ecx | v->edx);
}

static unsigned level_type(const struct tdcs_cpuid_value *v)
{
	return v->ecx >> 8 & 0xff;
}

static struct tdcs_cpuid_value *leaf_b(struct tdcs *tdcs, unsigned level)
{
	return &tdcs->cpuid_values[cpuid_row(0xb, level)];
}

/* No configuration at all means the native one. False: some sub-leaf is configured after all. */
static bool use_native(const struct module *mod, struct tdcs *tdcs)
{
	for (unsigned i = 0; i < CPUID_TOPOLOGY_LEVELS; i++) {
		const unsigned row = cpuid_row(0x1f, i);
		const struct cpuid_regs *r = &mod->plat.cpuid[row];

		if (!is_zero(&tdcs->cpuid_values[row]))
			return false;
		tdcs->cpuid_values[row] = (struct tdcs_cpuid_value){r->eax, r->ebx, r->ecx, r->edx};
	}
	return true;
}

/* Leaf 0xb knows two levels: SMT, and one that stands for all above it; then the end. */
static void make_leaf_b(struct tdcs *tdcs, const struct tdcs_cpuid_value *smt,
			const struct tdcs_cpuid_value *last)
{
	unsigned level = 0;

	if (smt)
		*leaf_b(tdcs, level++) = *smt;
	*leaf_b(tdcs, level) = *last;
	leaf_b(tdcs, level)->ecx = LEVEL_CORE << 8 | level;
	while (++level < LEAF_B_LEVELS)
		*leaf_b(tdcs, level) = (struct tdcs_cpuid_value){.ecx = level, .edx = last->edx};
}

struct tdx_status td_init_topology(const struct module *mod, struct tdcs *tdcs)
{
	const struct tdcs_cpuid_value *smt = NULL, *last = NULL;
	unsigned previous = LEVEL_INVALID;
	bool core = false;

	if (is_zero(&tdcs->cpuid_values[cpuid_row(0x1f, 0)]) && !use_native(mod, tdcs))
		return malformed();
	for (unsigned i = 0; i < CPUID_TOPOLOGY_LEVELS; i++) {
		const struct tdcs_cpuid_value *v = &tdcs->cpuid_values[cpuid_row(0x1f, i)];
		const unsigned type = level_type(v);

		if (type == LEVEL_INVALID) {
			if (i == 0 || !core)
				return malformed();
			previous = type;
			continue;
		}
		if (type <= previous || type >= LEVEL_TYPES || (v->ecx & 0xff) != i)
			return malformed();
		if (type == LEVEL_SMT) {
			if (i != 0)
				return malformed();
			smt = v;
		}
		core |= type == LEVEL_CORE;
		previous = type;
		last = v;
	}
	make_leaf_b(tdcs, smt, last);
	return tdx_success();
}
