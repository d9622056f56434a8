/* SPDX-License-Identifier: MIT */
/* MSRs for what executes the guest: which accesses exit, and where those that do not find their
 * value. On hardware the processor holds them while the guest runs and the module saves them at TD
 * exit; here the TDVPS is where they live all the time. */
#include "arch/msr.h"
#include "module/msr_policy.h"
#include "module/tx.h"

bool module_msr_intercepted(const struct module *mod, unsigned lp_id, uint32_t msr, bool write)
{
	const struct lp *lp = &mod->lp[lp_id];
	uint64_t pa = machine_strip(mod->m, lp->tdr->tdcx_pa[TDCS_PAGE_MSR_BITMAPS]);

	return msr_intercepted(machine_ptr(mod->m, pa), msr, write);
}

static uint64_t *indexed(uint64_t *values, uint32_t first, unsigned count, uint32_t msr)
{
	return msr - first < count ? &values[msr - first] : NULL;
}

static uint64_t *perfmon_msr(struct tdvps_msrs *v, uint32_t msr)
{
	uint64_t *value = indexed(v->pmc, MSR_PMC0, 8, msr);

	if (!value)
		value = indexed(v->pmc, MSR_A_PMC0, 8, msr); /* the full-width aliases */
	if (!value)
		value = indexed(v->perfevtsel, MSR_PERFEVTSEL0, 8, msr);
	if (!value)
		value = indexed(v->offcore_rsp, MSR_OFFCORE_RSP0, 2, msr);
	if (!value)
		value = indexed(v->fixed_ctr, MSR_FIXED_CTR0, 8, msr);
	return value;
}

uint64_t *module_guest_msr(struct module *mod, unsigned lp_id, uint32_t msr)
{
	struct tdvps_msrs *v = &mod->lp[lp_id].vps->msr;

	switch (msr) {
	case MSR_SPEC_CTRL:
		return &v->spec_ctrl;
	case MSR_UMWAIT_CONTROL:
		return &v->umwait_control;
	case MSR_TSX_CTRL:
		return &v->tsx_ctrl;
	case MSR_XFD:
		return &v->xfd;
	case MSR_XFD_ERR:
		return &v->xfd_err;
	case MSR_PERF_METRICS:
		return &v->perf_metrics;
	case MSR_FIXED_CTR_CTRL:
		return &v->fixed_ctr_ctrl;
	case MSR_PERF_GLOBAL_STATUS:
		return &v->perf_global_status;
	case MSR_PEBS_ENABLE:
		return &v->pebs_enable;
	case MSR_PEBS_DATA_CFG:
		return &v->pebs_data_cfg;
	case MSR_PEBS_LD_LAT:
		return &v->pebs_ld_lat;
	case MSR_PEBS_FRONTEND:
		return &v->pebs_frontend;
	case MSR_DS_AREA:
		return &v->ds_area;
	case MSR_XSS:
		return &v->xss;
	case MSR_LBR_DEPTH:
		return &v->lbr_depth;
	case MSR_UARCH_MISC_CTL:
		return &v->uarch_misc_ctl;
	case MSR_STAR:
		return &v->star;
	case MSR_LSTAR:
		return &v->lstar;
	case MSR_SFMASK:
		return &v->fmask;
	case MSR_KERNEL_GS_BASE:
		return &v->kernel_gs_base;
	case MSR_TSC_AUX:
		return &v->tsc_aux;
	}
	return perfmon_msr(v, msr);
}

uint64_t module_entry_rip(const struct module *mod, unsigned lp_id)
{
	return mod->lp[lp_id].vps->rip_on_entry;
}
