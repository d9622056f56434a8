/* SPDX-License-Identifier: MIT */
/* See module/msr_policy.h. */
#include "module/msr_policy.h"
#include "arch/msr.h"

#include <string.h>
#include <swtdx/structs.h>
#include "arch/x86.h"

#define PERF_CAPABILITIES_METRICS (1ull << 15)

static bool perfmon(const struct tdcs *tdcs)
{
	return (tdcs->attributes & TDX_ATTR_PERFMON) != 0;
}

static enum msr_verdict ve_if(bool feature)
{
	return feature ? MSR_VERDICT_VE : MSR_VERDICT_GP;
}

static enum msr_verdict free_if(bool feature)
{
	return feature ? MSR_VERDICT_FREE : MSR_VERDICT_GP;
}

enum msr_verdict msr_verdict(const struct module *mod, const struct tdcs *tdcs, unsigned policy)
{
	const struct tdcs_cpuid_flags flags = tdcs_cpuid_flags(tdcs), *f = &flags;
	uint64_t xfam = tdcs->xfam;

	switch ((enum msr_policy)policy) {
	case MSR_FREE:
		return MSR_VERDICT_FREE;
	case MSR_VE:
		return MSR_VERDICT_VE_ALWAYS;
	case MSR_GP:
		return MSR_VERDICT_GP;
	case MSR_REDUCIBLE:
		return ve_if(!(tdcs_td_ctls(tdcs) & TDX_TD_CTLS_REDUCE_VE));
	case MSR_SPECIAL:
		return MSR_VERDICT_EMULATE;
	case MSR_VE_ACPI:
		return ve_if(f->acpi);
	case MSR_VE_CORE_CAPABILITIES:
		return ve_if(!f->no_core_capabilities);
	case MSR_VE_DCA:
		return ve_if(f->dca);
	case MSR_VE_EST:
		return ve_if(f->est);
	case MSR_VE_MCA:
		return ve_if(!f->no_mca);
	case MSR_VE_MTRR:
		return ve_if(!f->no_mtrr);
	case MSR_VE_PCONFIG:
		return ve_if(f->pconfig);
	case MSR_VE_RDT_A:
		return ve_if(f->rdt_a);
	case MSR_VE_RDT_M:
		return ve_if(f->rdt_m);
	case MSR_VE_TM2:
		return ve_if(f->tm2);
	case MSR_VE_TME:
		return ve_if(f->tme);
	case MSR_VE_TSC_DEADLINE:
		return ve_if(f->tsc_deadline);
	case MSR_FREE_CET:
		return free_if((xfam & XFAM_CET) != 0);
	case MSR_FREE_LBR:
		return free_if((xfam & XFAM_LBR) != 0);
	case MSR_FREE_PERFMON:
		return free_if(perfmon(tdcs));
	case MSR_FREE_PERF_METRICS:
		return free_if(perfmon(tdcs) &&
			       mod->plat.perf_capabilities & PERF_CAPABILITIES_METRICS);
	case MSR_FREE_PKS:
		return free_if((tdcs->attributes & TDX_ATTR_PKS) != 0);
	case MSR_FREE_PT:
		return free_if((xfam & XFAM_PT) != 0);
	case MSR_FREE_TSX:
		return free_if(f->tsx);
	case MSR_FREE_ULI:
		return free_if((xfam & XFAM_UINTR) != 0);
	case MSR_FREE_WAITPKG:
		return free_if(f->waitpkg);
	case MSR_FREE_XFD:
		return free_if(f->xfd);
	}
	return MSR_VERDICT_GP;
}

bool msr_perfevtsel_free(const struct tdcs *tdcs, const struct tdcs_ext *ext)
{
	return perfmon(tdcs) && ext->event_filters_num == 0;
}

/* Emulated MSRs whose interception depends on the TD. */
static bool special_free(const struct tdcs *tdcs, const struct tdcs_ext *ext, uint32_t msr)
{
	if (msr >= MSR_PERFEVTSEL0 && msr <= MSR_PERFEVTSEL7)
		return msr_perfevtsel_free(tdcs, ext);
	return msr == MSR_PERF_CAPABILITIES && perfmon(tdcs) && tdcs->xfam & XFAM_PT;
}

static unsigned bit_index(uint32_t msr, bool write)
{
	unsigned index = msr & (MSR_BITMAP_MSRS - 1);

	if (msr >= MSR_BITMAP_HIGH)
		index += MSR_BITMAP_MSRS;
	return write ? index + 2 * MSR_BITMAP_MSRS : index;
}

static void let_through(uint8_t *bitmaps, const struct msr_range *range, bool write)
{
	for (uint32_t msr = range->first; msr <= range->last; msr++) {
		unsigned index = bit_index(msr, write);

		bitmaps[index / 8] &= (uint8_t) ~(1u << index % 8);
	}
}

void msr_bitmaps_init(const struct module *mod, const struct tdcs *tdcs, const struct tdcs_ext *ext,
		      uint8_t *bitmaps)
{
	memset(bitmaps, 0xff, 4 * MSR_BITMAP_BYTES);
	for (unsigned i = 0; i < msr_num_ranges; i++) {
		const struct msr_range *range = &msr_ranges[i];
		bool special = special_free(tdcs, ext, range->first);

		if (msr_verdict(mod, tdcs, range->read) == MSR_VERDICT_FREE ||
		    (special && range->read == MSR_SPECIAL))
			let_through(bitmaps, range, false);
		if (msr_verdict(mod, tdcs, range->write) == MSR_VERDICT_FREE ||
		    (special && range->write == MSR_SPECIAL))
			let_through(bitmaps, range, true);
	}
}

bool msr_intercepted(const uint8_t *bitmaps, uint32_t msr, bool write)
{
	unsigned index = bit_index(msr, write);

	if (msr >= MSR_BITMAP_MSRS && msr - MSR_BITMAP_HIGH >= MSR_BITMAP_MSRS)
		return true;
	return bitmaps[index / 8] >> index % 8 & 1;
}
