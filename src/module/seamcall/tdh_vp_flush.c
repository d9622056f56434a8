/* SPDX-License-Identifier: MIT */
/* TDH.VP.FLUSH: the vCPU leaves this processor: translations and VMCS go back to memory.
 *
 * Locks: TDVPR exclusive, TDR shared. The TD's state matters little: a dying TD's vCPUs must be
 * flushable too. */
#include "module/l2.h"
#include "module/leaves.h"
#include "module/vcpu.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_vp_flush_in *in, struct td *td,
				struct vp *vp)
{
	struct tdx_status s =
		tx_vp(tx, in->tdvpr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_SHARED, vp, td);

	if (!tdx_is_success(s))
		return s;
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_KEYS_CONFIGURED)
		return tdx_error(TDX_TD_KEYS_NOT_CONFIGURED);
	tx_map_tdcs(tx, td);
	if (!tx_map_vp(tx, td, vp))
		return tdx_error(TDX_TDCX_NUM_INCORRECT);
	if (__atomic_load_n(&vp->vps->assoc_lpid, __ATOMIC_RELAXED) != tx->lp->lpid)
		return tdx_error(TDX_VCPU_NOT_ASSOCIATED);
	return tdx_success();
}

/* Cannot fail: the vCPU is the caller's alone and on this processor. */
static void commit(struct tx *tx, struct td *td, struct vp *vp)
{
	struct tdvps *vps = vp->vps;

	l2_forget_translations(td->tdcs, vps);
	for (unsigned vm = 0; vm <= td->tdcs->num_l2_vms; vm++)
		vps->vm_launched[vm] = 0;
	__atomic_store_n(&vps->assoc_lpid, VCPU_NO_LP, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&td->tdcs->num_assoc_vcpus, 1, __ATOMIC_RELEASE);
	tx->lp->last_tdvpr_pa = hpa(NO_PA);
}

struct tdx_status leaf_tdh_vp_flush(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_flush_in in = tdh_vp_flush_take(regs);
	struct td td;
	struct vp vp;
	struct tdx_status s = decode(tx, &in, &td, &vp);

	if (tdx_is_success(s))
		commit(tx, &td, &vp);
	return s;
}
