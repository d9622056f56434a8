/* SPDX-License-Identifier: MIT */
/* TDH.MNG.KEY.CONFIG: program the TD's key on the caller's package; the last package completes it.
 *
 * Locks: TDR exclusive. State: KeyID assigned. */
#include "module/leaves.h"
#include "module/sys.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_key_config_in *in,
				struct td *td)
{
	struct tdx_status s = tx_tdr(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, td);

	if (!tdx_is_success(s))
		return s;
	if (td->tdr->fatal)
		return tdx_error(TDX_TD_FATAL);
	/* the state before the package: 02-keyconfig.vec */
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_HKID_ASSIGNED)
		return tdx_error(TDX_LIFECYCLE_STATE_INCORRECT);
	if (td->tdr->pkg_config_bitmap >> tx->lp->package & 1)
		return tdx_error(TDX_KEY_CONFIGURED);
	return key_program(tx->lp, td->tdr->hkid);
}

/* Cannot fail: the package has the key, the TD is the caller's alone. */
static void commit(struct tx *tx, struct td *td)
{
	td->tdr->pkg_config_bitmap |= 1ull << tx->lp->package;
	if (td->tdr->pkg_config_bitmap == tx->mod->pkg_config_bitmap)
		td->tdr->lifecycle_state = TDX_LIFECYCLE_KEYS_CONFIGURED;
}

struct tdx_status leaf_tdh_mng_key_config(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_key_config_in in = tdh_mng_key_config_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s))
		commit(tx, &td);
	return s;
}
