/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.ABORT: the TD stays here. Once the importer may have all of it, only a token that the
 * importer gave up for good allows that.
 *
 * Locks: TDR shared, OP_STATE and MIG exclusive; for the token the backward stream. Entries of the
 * Secure EPT stay as they are: TDH.EXPORT.RESTORE. */
#include "module/leaves.h"
#include "module/mig.h"

static struct tdx_status check_token(struct tx *tx, const struct td *td, uint64_t r8)
{
	struct mbmd token, *from;
	struct migs stream;
	struct tdx_status s = mig_mbmd_operand(tx, r8, &from);

	if (!tdx_is_success(s))
		return s;
	mig_mbmd_read(from, &token);
	if (token.version != td->tdcs->mig_working_version || token.size != sizeof(token) ||
	    token.type != MBMD_ABORT_TOKEN || token.reserved || token.specific || token.stream)
		return tdx_error(TDX_INVALID_MBMD);
	s = migs_take(tx, td, MIGS_BACKWARD, &stream);
	if (!tdx_is_success(s))
		return s;
	migs_initialize_once(&stream, td->tdcs->mig_dec_working_key);
	stream.page->stopped.valid = false;
	return mig_mbmd_open(tx, &stream.page->key, &token) ? s : tdx_error(TDX_INCORRECT_MBMD_MAC);
}

static struct tdx_status decode(struct tx *tx, const struct tdh_export_abort_in *in, struct td *td)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_EXCLUSIVE, td);

	if (tdx_is_success(s))
		s = mig_lock(tx, td, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (in->stream)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	if (td->tdcs->op_state == TDX_OP_STATE_POST_EXPORT)
		return check_token(tx, td, in->mbmd);
	return in->mbmd ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8) : s;
}

/* Cannot fail: OP_STATE is the caller's alone, so no stream is in use. */
static void commit(struct tx *tx, const struct td *td)
{
	mig_forget_stopped(tx, td);
	migs_forget(tx, td);
	mig_set_op_state(td, TDX_OP_STATE_RUNNABLE);
}

struct tdx_status leaf_tdh_export_abort(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_abort_in in = tdh_export_abort_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s))
		commit(tx, &td);
	return s;
}
