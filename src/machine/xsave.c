/* SPDX-License-Identifier: MIT */
/* Sizes of XSAVE images, as CPUID leaf 0xd tells for the components enabled now (SDM vol. 1, 13.4).
 */
#include "machine/machine.h"

enum {
	XSAVE_LEAF = 0xd,
	XSAVE_FIXED_SIZE = 576, /* legacy region and header */
	XSAVE_ALIGNMENT = 64,
	XSAVE_COMPONENTS = 63,
};

#define ECX_SUPERVISOR 1u
#define ECX_ALIGNED    2u

static uint32_t standard_end(const struct cpuid_regs *component, uint32_t end)
{
	uint32_t own = component->ebx + component->eax;

	return own > end ? own : end;
}

static uint32_t compacted_end(const struct cpuid_regs *component, uint32_t end)
{
	if (component->ecx & ECX_ALIGNED)
		end = (end + XSAVE_ALIGNMENT - 1) & ~(XSAVE_ALIGNMENT - 1u);
	return end + component->eax;
}

uint32_t machine_xsave_size(const struct machine_lp *lp, uint64_t components, bool compacted)
{
	uint32_t end = XSAVE_FIXED_SIZE;

	for (unsigned i = 2; i < XSAVE_COMPONENTS; i++) {
		struct cpuid_regs r;

		if (!(components >> i & 1))
			continue;
		r = machine_cpuid(lp, XSAVE_LEAF, i);
		if (compacted)
			end = compacted_end(&r, end);
		else if (!(r.ecx & ECX_SUPERVISOR))
			end = standard_end(&r, end);
	}
	return end;
}
