/* SPDX-License-Identifier: MIT */
/* TDH.MNG.INIT: configure a TD from TD_PARAMS; its measurement starts.
 *
 * RCX bit 0: R8 describes PERFMON event filters. RCX out: leaf and sub-leaf a CPUID_CONFIG error is
 * about, else 0. Locks: TDR exclusive. State: uninitialized. The steps are in module/td_init.h. */
#include <string.h>

#include "arch/x86.h"
#include "module/cpu_model.h"
#include "module/cpuid_table.h"
#include "module/leaves.h"
#include "module/measurement.h"
#include "arch/msr.h"
#include "module/msr_policy.h"
#include "module/page.h"
#include "module/td_init.h"
#include "module/transition.h"
#include "module/virt_msr.h"

/* RCX beside the TDR's address. */
#define TDR_EVENT_FILTERS 1ull

/* Version of the hash state's layout; 0 when no measurement is going on. */
#define MRTD_CONTEXT_VERSION 1

#define HP_LOCK_TIMEOUT_US   1000000ull
#define US_PER_SECOND	     1000000ull

static struct tdx_status find_td(struct tx *tx, uint64_t tdr, struct td *td)
{
	uint64_t misc_enable = 0;

	/* before the TDR is looked at: own/1.5.25/import-cpuid-limit.vec */
	machine_rdmsr(tx->lp->hw, MSR_MISC_ENABLE, &misc_enable);
	if (misc_enable & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	return tx_td(tx, hpa(tdr & ~TDR_EVENT_FILTERS), TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE,
		     LOCK_NONE, td);
}

static struct tdx_status read_params(struct td_init *in, hpa_t pa)
{
	return tx_shared_read(in->tx, pa, sizeof(in->params), TDX_OPERAND_ID_RDX, &in->params,
			      sizeof(in->params));
}

static struct tdx_status check_unused_params(const struct td_init *in)
{
	static const uint8_t zero[sizeof(in->params.cpuid)];
	const size_t used = CPUID_CONFIGS * sizeof(in->params.cpuid[0]);

	if (memcmp(&in->params.cpuid[CPUID_CONFIGS], zero, sizeof(in->params.cpuid) - used) != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	return tdx_success();
}

static void start_counts(const struct tx *tx, struct tdcs *tdcs)
{
	tdcs->num_vcpus = 0;
	tdcs->num_assoc_vcpus = 0;
	tdcs->td_epoch = 1;
	if (tx->mod->plat.tsc_hz > UINT32_MAX) /* what timeouts are computed with */
		module_fatal(tx->lp);
	tdcs->hp_lock_timeout = HP_LOCK_TIMEOUT_US * tx->mod->plat.tsc_hz / US_PER_SECOND;
}

static struct tdx_status decode(struct td_init *in, const struct tdh_mng_init_in *ops)
{
	const struct module *mod = in->tx->mod;
	struct tdcs *tdcs;
	struct tdx_status s = find_td(in->tx, ops->tdr, in->td);

	if (!tdx_is_success(s))
		return s;
	tdcs = in->td->tdcs;
	s = read_params(in, ops->params);
	if (!tdx_is_success(s))
		return s;
	start_counts(in->tx, tdcs);
	s = td_init_config(in);
	if (!tdx_is_success(s))
		return s;
	if ((ops->tdr & TDR_EVENT_FILTERS) && (tdcs->attributes & TDX_ATTR_PERFMON)) {
		s = td_init_event_filters(in, ops->event_filters);
		if (!tdx_is_success(s))
			return s;
	}
	s = td_init_cpuid(in);
	if (!tdx_is_success(s))
		return s;
	s = td_init_topology(mod, tdcs);
	if (!tdx_is_success(s))
		return s;
	/* until a vCPU comes without an x2APIC id */
	tdcs->topology_enum_configured = 1;
	tdcs->ve_reduction_valid = 1;
	s = check_unused_params(in);
	if (!tdx_is_success(s))
		return s;
	if (!cpu_model_first_stepping(mod->plat.fms) &&
	    !td_init_arch_capabilities(mod, tdcs, &in->params))
		return tdx_error_op(TDX_OPERAND_INVALID,
				    TDX_OPERAND_ID_IA32_ARCH_CAPABILITIES_CONFIG);
	return tdx_success();
}

/* Cannot fail: the TD is the caller's alone, and all of TD_PARAMS has been taken. */
static void commit(struct tx *tx, struct td *td)
{
	struct tdcs *tdcs = td->tdcs;

	msr_bitmaps_init(tx->mod, tdcs, td->ext, tx_tdcs_page(tx, td, TDCS_PAGE_MSR_BITMAPS));
	td_init_vmx_msrs(tx->mod, tdcs);
	tdcs_mrtd_init(tdcs);
	tdcs->mrtd_context_version = MRTD_CONTEXT_VERSION;
	atomic_fetch_add_explicit(&tx->mod->td_build_count, 1, memory_order_relaxed);
	memset(tdcs->rtmr, 0, sizeof(tdcs->rtmr));
	for (unsigned page = TDCS_PAGE_MAIN; page <= TDCS_PAGE_MSR_BITMAPS; page++)
		machine_wrote(tx->lp->hw, machine_strip(tx->m, td->tdr->tdcx_pa[page]),
			      td->tdr->hkid);
	__atomic_store_n(&tdcs->op_state, TDX_OP_STATE_INITIALIZED, __ATOMIC_RELAXED);
}

struct tdx_status leaf_tdh_mng_init(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_init_in in = tdh_mng_init_take(regs);
	struct tdh_mng_init_out out = tdh_mng_init_failed(regs);
	struct td td;
	struct td_init init = {.tx = tx, .td = &td};
	struct tdx_status s = decode(&init, &in);

	if (tdx_is_success(s))
		commit(tx, &td);
	out.cpuid_leaf = init.cpuid_leaf;
	tdh_mng_init_give(regs, &out);
	return s;
}
