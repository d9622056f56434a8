/* SPDX-License-Identifier: MIT */
#include "x86/xstate.h"
#include "x86/internal.h"

#define LEAF 0xdu

enum { AREA = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE, ALIGNED = 2, ALIGNMENT = 64 };

/* Intel's. */
static const struct x86_xplace usual[X86_XPLACES] = {
	[2] = {576, 256, false},   [5] = {1088, 64, false}, [6] = {1152, 512, false},
	[7] = {1664, 1024, false}, [9] = {2688, 8, false},
};

void x86_xplaces(struct x86_cpu *cpu)
{
	unsigned i;

	memcpy(cpu->xplace, usual, sizeof(usual));
	for (i = 2; cpu->ops->cpuid && i < X86_XPLACES; i++) {
		uint32_t r[4] = {0};

		cpu->ops->cpuid(cpu, LEAF, i, r);
		if (r[0] && r[0] <= XSTATE_IMAGE && r[1] <= XSTATE_IMAGE - r[0] &&
		    (r[1] >= AREA || r[2] & 1) && (!usual[i].size || r[0] == usual[i].size))
			cpu->xplace[i] =
				(struct x86_xplace){(uint16_t)r[1], (uint16_t)r[0], r[2] & ALIGNED};
	}
}

unsigned x86_xoffset(const struct x86_cpu *cpu, unsigned i, uint64_t components, bool compacted)
{
	unsigned at = AREA, k;

	if (!compacted)
		return cpu->xplace[i].offset;
	for (k = 2; k <= i; k++) {
		if (!(components >> k & 1))
			continue;
		if (cpu->xplace[k].aligned)
			at = (at + ALIGNMENT - 1) & ~(ALIGNMENT - 1u);
		if (k < i)
			at += cpu->xplace[k].size;
	}
	return at;
}

void *x86_xcomponent_all(struct x86_cpu *cpu, unsigned i, unsigned *bytes)
{
	switch (i) {
	case 2:
		*bytes = sizeof(cpu->ymm_hi);
		return cpu->ymm_hi;
	case 5:
		*bytes = sizeof(cpu->k);
		return cpu->k;
	case 6:
		*bytes = sizeof(cpu->zmm_hi);
		return cpu->zmm_hi;
	case 7:
		*bytes = sizeof(cpu->zmm16);
		return cpu->zmm16;
	case 9:
		*bytes = sizeof(cpu->pkru);
		return &cpu->pkru;
	default:
		return NULL;
	}
}

void *x86_xcomponent(struct x86_cpu *cpu, unsigned i, unsigned *bytes)
{
	void *p = x86_xcomponent_all(cpu, i, bytes);

	if (!p || is64(cpu) || i == 5 || i == 9)
		return p;
	*bytes /= 2; /* registers 0 to 7 */
	return i == 7 ? NULL : p;
}

void x86_init_vectors(struct x86_cpu *cpu)
{
	unsigned i, bytes;

	for (i = 2; i < X86_XPLACES; i++) {
		void *p = x86_xcomponent_all(cpu, i, &bytes);

		if (p)
			memset(p, 0, bytes);
	}
	cpu->xused = 0;
	x86_pkru_changed(cpu);
}

static bool zero(const void *p, size_t bytes)
{
	const uint64_t *word = p;
	uint64_t any = 0;

	for (; bytes; bytes -= 8)
		any |= *word++;
	return !any;
}

static bool x87_is_initial(const struct x86_fxregs *fx)
{
	return fx->fcw == FCW_INIT && !fx->fsw && !fx->ftw && !fx->fop && !fx->fip && !fx->fdp &&
	       zero(fx->st, sizeof(fx->st));
}

uint64_t x86_xinuse(struct x86_cpu *cpu)
{
	uint64_t used = 0;
	unsigned i, bytes;

	if (!x87_is_initial(&cpu->fx))
		used |= XFAM_X87;
	if (!zero(cpu->xmm, sizeof(cpu->xmm)))
		used |= XFAM_SSE;
	for (i = 2; i < X86_XPLACES; i++) {
		const void *p = cpu->xused >> i & 1 ? x86_xcomponent_all(cpu, i, &bytes) : NULL;

		if (!p)
			continue;
		if (!zero(p, bytes))
			used |= 1ull << i;
		else
			cpu->xused &= (uint16_t) ~(1u << i);
	}
	return used;
}
