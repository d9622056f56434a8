/* SPDX-License-Identifier: MIT */
/* Loading a module into a machine, and who listens to it. */
#include "machine/seam.h"
#include "module/entered.h"
#include "module/gcm.h"
#include "module/handoff.h"
#include "module/internal.h"
#include "module/l2.h"
#include "module/profile.h"
#include "module/version.h"
#include "module/vmcs.h"

#include <stdlib.h>
#include <string.h>

/* Into zeroed memory. */
static void start(struct module *mod, struct machine *m)
{
	mod->m = m;
	mod->profile = &module_profile_default;
	mod->num_lps = m->cfg.lps;
	mod->num_pkgs = m->cfg.pkgs;
	mod->hkid_mask = m->hkid_mask;
	mod->hkid_shift = m->hkid_shift;
	mod->max_pa = m->cfg.maxpa;
	mod->private_hkid_min = m->private_hkid_min;
	mod->private_hkid_max = m->private_hkid_max;
	mod->seamrr_base = m->cfg.platform->seamrr.base;
	mod->seamrr_size = m->cfg.platform->seamrr.size;
	for (unsigned i = 0; i < m->cfg.lps; i++)
		mod->lp[i] = (struct lp){
			.hw = &m->lp[i],
			.mod = mod,
			.id = i,
			.package = m->lp[i].package,
		};
}

/* What the loader has left of it: its measurement, which is no real module's, and its versions. */
static void come_loaded(struct machine *m)
{
	struct machine_seam *seam = machine_seam(m);
	struct tdx_seamextend *s = &seam->seamextend;

	*s = (struct tdx_seamextend){
		.valid = SEAMEXTEND_VALID, .seam_ready = 1, .p_seamldr_ready = 1};
	s->tee_tcb_svn[0] = MODULE_MINOR_SVN;
	s->tee_tcb_svn[1] = MODULE_MAJOR_SVN;
	s->tee_tcb_svn[2] = PLATFORM_SE_SVN;
	for (unsigned i = 0; i < sizeof(s->mrseam.b); i++)
		s->mrseam.b[i] = (uint8_t)(MODULE_MRSEAM + i);
	seam->seamdb_index = MODULE_SEAMDB_INDEX;
	seam->module_hv = MODULE_HV;
	seam->min_update_hv = MODULE_MIN_UPDATE_HV;
	seam->no_downgrade = MODULE_NO_DOWNGRADE;
	seam->num_handoff_pages = MODULE_HANDOFF_PAGES;
}

struct module *module_load(struct machine *m)
{
	struct module *mod = calloc(1, sizeof(*mod));

	if (!mod)
		return NULL;
	start(mod, m);
	come_loaded(m);
	for (unsigned i = 0; i < m->cfg.lps; i++)
		if (!gcm_contexts_new(&mod->lp[i])) {
			module_unload(mod);
			return NULL;
		}
	return mod;
}

void module_reload(struct module *mod, bool handoff)
{
	const struct module_profile *profile = mod->profile;
	const struct module_hooks *hooks = mod->hooks;
	void *arg = mod->hooks_arg, *ctx[MACHINE_MAX_LPS][2];
	void (*vcpu_gone)(void *, hpa_t) = mod->vcpu_gone;
	void *vcpu_gone_arg = mod->vcpu_gone_arg;
	struct machine *m = mod->m;

	if (!handoff)
		handoff_of(mod)->valid = false;
	for (unsigned i = 0; i < m->cfg.lps; i++) {
		ctx[i][0] = mod->lp[i].gcm_ctx;
		ctx[i][1] = mod->lp[i].block_ctx;
	}
	memset(mod, 0, sizeof(*mod));
	start(mod, m);
	for (unsigned i = 0; i < m->cfg.lps; i++) {
		mod->lp[i].gcm_ctx = ctx[i][0];
		mod->lp[i].block_ctx = ctx[i][1];
	}
	mod->profile = profile;
	module_set_hooks(mod, hooks, arg);
	module_on_vcpu_gone(mod, vcpu_gone, vcpu_gone_arg);
}

void module_unload(struct module *mod)
{
	for (unsigned i = 0; i < mod->m->cfg.lps; i++)
		gcm_contexts_free(&mod->lp[i]);
	free(mod);
}

void module_on_vcpu_gone(struct module *mod, void (*gone)(void *arg, hpa_t tdvpr_pa), void *arg)
{
	mod->vcpu_gone = gone;
	mod->vcpu_gone_arg = arg;
}

void module_set_hooks(struct module *mod, const struct module_hooks *hooks, void *arg)
{
	mod->hooks_arg = arg;
	mod->hooks = hooks;
}

const struct tdx_regs *module_host_regs(const struct module *mod, unsigned lp)
{
	return &mod->lp[lp].host;
}

struct module_entry module_entry(const struct module *mod, unsigned lp)
{
	const struct vmcs *vmcs = mod->lp[lp].vmcs;

	return (struct module_entry){
		.info = (uint32_t)vmcs_read(vmcs, VMCS_ENTRY_INTERRUPTION_INFO),
		.error = (uint32_t)vmcs_read(vmcs, VMCS_ENTRY_EXCEPTION_ERROR),
		.instr_len = (uint32_t)vmcs_read(vmcs, VMCS_ENTRY_INSTRUCTION_LENGTH),
	};
}

struct tdx_regs *module_guest_regs(struct module *mod, unsigned lp)
{
	return &mod->lp[lp].vps->gpr;
}

struct vmcs *module_vmcs(struct module *mod, unsigned lp)
{
	return mod->lp[lp].vmcs;
}

/* The TD's for the L1 VMM; an L2 VM has its own in each vCPU. */
static const uint8_t *msr_bitmaps(const struct lp *on)
{
	const struct machine *m = on->mod->m;
	const unsigned vm = lp_vm(on);
	const unsigned page = TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * (vm - 1) + 1;
	const uint64_t pa = vm ? on->vps->page_pa[page] : on->tdr->tdcx_pa[TDCS_PAGE_MSR_BITMAPS];

	return machine_ptr(m, machine_strip(m, pa));
}

struct module_entered module_entered(const struct module *mod, unsigned lp)
{
	const struct lp *on = &mod->lp[lp];

	return (struct module_entered){
		.m = mod->m,
		.hw = on->hw,
		.tdvpr_pa = on->tdvpr_pa,
		.hkid = on->tdr->hkid,
		.gpa_width = on->tdcs->gpaw ? 52 : 48,
		.vm = lp_vm(on),
		.vps = on->vps,
		.vmcs = on->vmcs,
		.vapic = vp_vapic(mod->m, on->vps, lp_vm(on)),
		.msr_bitmaps = msr_bitmaps(on),
		.tlb_flushes = on->tlb_flushes[lp_vm(on)],
	};
}
