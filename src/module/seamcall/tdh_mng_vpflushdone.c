/* SPDX-License-Identifier: MIT */
/* TDH.MNG.VPFLUSHDONE: no vCPU of the TD is on any processor: block the TD, let caches be written
 * back under its KeyID.
 *
 * Locks: TDR exclusive, KOT exclusive. States: KeyID assigned or keys configured. */
#include "module/kot.h"
#include "module/leaves.h"
#include "module/mig.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_vpflushdone_in *in,
				struct td *td)
{
	struct tdx_status s = tx_tdr(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, td);

	if (!tdx_is_success(s))
		return s;
	/* The KOT before the state, where KEY.FREEID has it the other way round. Intel's
	 * tdh_mng_vpflushdone.c says so; no vector does. */
	s = kot_lock(tx, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_KEYS_CONFIGURED &&
	    td->tdr->lifecycle_state != TDX_LIFECYCLE_HKID_ASSIGNED)
		return tdx_error(TDX_LIFECYCLE_STATE_INCORRECT);
	if (td->tdr->num_tdcx < TDCS_MIN_PAGES)
		return tdx_success();
	tx_map_tdcs(tx, td);
	if ((TDX_OP_STATES_INITIALIZED & TDX_OP_STATE_BIT(td->tdcs->op_state)) &&
	    __atomic_load_n(&td->tdcs->num_assoc_vcpus, __ATOMIC_ACQUIRE) != 0)
		return tdx_error(TDX_FLUSHVP_NOT_DONE);
	return tdx_success();
}

/* Cannot fail: no vCPU of the TD is on any processor, and with the TDR held none can be entered. */
static void commit(struct tx *tx, struct td *td)
{
	/* an unfinished build ends here and holds up no module update any longer */
	if (td->tdcs && td->tdcs->mrtd_context_version) {
		td->tdcs->mrtd_context_version = 0;
		atomic_fetch_sub_explicit(&tx->mod->td_build_count, 1, memory_order_relaxed);
	}
	if (td->tdcs)
		mig_forget_stopped(tx, td);
	kot_flush(tx->mod, td->tdr->hkid);
	td->tdr->lifecycle_state = TDX_LIFECYCLE_BLOCKED;
}

struct tdx_status leaf_tdh_mng_vpflushdone(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_vpflushdone_in in = tdh_mng_vpflushdone_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s))
		commit(tx, &td);
	return s;
}
