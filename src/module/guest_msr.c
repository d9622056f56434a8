/* SPDX-License-Identifier: MIT */
/* MSRs for what executes the guest: which accesses exit, and where those that do not find their
 * value. On hardware the processor holds them while the guest runs and the module saves them at TD
 * exit; here the TDVPS is where they live all the time. */
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
	uint64_t *value = indexed(v->pmc, 0xc1, 8, msr);

	if (!value)
		value = indexed(v->pmc, 0x4c1, 8, msr); /* the full-width aliases */
	if (!value)
		value = indexed(v->perfevtsel, 0x186, 8, msr);
	if (!value)
		value = indexed(v->offcore_rsp, 0x1a6, 2, msr);
	if (!value)
		value = indexed(v->fixed_ctr, 0x309, 8, msr);
	return value;
}

uint64_t *module_guest_msr(struct module *mod, unsigned lp_id, uint32_t msr)
{
	struct tdvps_msrs *v = &mod->lp[lp_id].vps->msr;

	switch (msr) {
	case 0x48:
		return &v->spec_ctrl;
	case 0xe1:
		return &v->umwait_control;
	case 0x122:
		return &v->tsx_ctrl;
	case 0x1c4:
		return &v->xfd;
	case 0x1c5:
		return &v->xfd_err;
	case 0x329:
		return &v->perf_metrics;
	case 0x38d:
		return &v->fixed_ctr_ctrl;
	case 0x38e:
		return &v->perf_global_status;
	case 0x3f1:
		return &v->pebs_enable;
	case 0x3f2:
		return &v->pebs_data_cfg;
	case 0x3f6:
		return &v->pebs_ld_lat;
	case 0x3f7:
		return &v->pebs_frontend;
	case 0x600:
		return &v->ds_area;
	case 0xda0:
		return &v->xss;
	case 0x14cf:
		return &v->lbr_depth;
	case 0x1b01:
		return &v->uarch_misc_ctl;
	case 0xc0000081:
		return &v->star;
	case 0xc0000082:
		return &v->lstar;
	case 0xc0000084:
		return &v->fmask;
	case 0xc0000102:
		return &v->kernel_gs_base;
	case 0xc0000103:
		return &v->tsc_aux;
	}
	return perfmon_msr(v, msr);
}

uint64_t module_entry_rip(const struct module *mod, unsigned lp_id)
{
	return mod->lp[lp_id].vps->rip_on_entry;
}
