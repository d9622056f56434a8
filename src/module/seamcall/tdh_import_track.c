/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.TRACK: a new epoch, or with the start token the out-of-order phase: all that the
 * exporter sent before has come. A wrong token ends the import.
 * Locks: TDR exclusive, forward stream 0. */
#include "module/leaves.h"
#include "module/mig.h"

struct plan {
	struct td td;
	struct migs stream;
	struct mbmd token;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_import_track_in *in, struct plan *p)
{
	struct mbmd *from = NULL;
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &p->td);

	if (tdx_is_success(s) && in->stream)
		s = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	if (tdx_is_success(s))
		s = mig_mbmd_operand(tx, in->mbmd, &from);
	if (tdx_is_success(s))
		s = migs_take(tx, &p->td, MIGS_FORWARD, &p->stream);
	if (!tdx_is_success(s))
		return s;
	if (!migs_initialized(&p->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	p->stream.page->stopped.valid = false;
	mig_mbmd_read(from, &p->token);
	return s;
}

static struct tdx_status check_token(struct tx *tx, const struct plan *p)
{
	const struct tdcs *tdcs = p->td.tdcs;
	const struct mbmd *m = &p->token;

	if (m->size != sizeof(*m) || m->version != tdcs->mig_working_version || m->stream ||
	    m->type != MBMD_EPOCH_TOKEN || m->reserved || m->counter ||
	    m->epoch <= tdcs->mig_epoch || m->specific != tdcs->total_mb_count + 1)
		return tdx_error(TDX_INVALID_MBMD);
	if (!mig_mbmd_open(tx, &p->stream.page->key, m))
		return tdx_error(TDX_INCORRECT_MBMD_MAC);
	if (m->epoch == MIG_EPOCH_OUT_OF_ORDER && tdcs->num_migrated_vcpus != tdcs->num_vcpus)
		return tdx_error(TDX_SOME_VCPUS_NOT_MIGRATED);
	return tdx_success();
}

/* Cannot fail: the TD is the caller's alone, and the token authentic. */
static void commit(struct tx *tx, struct plan *p)
{
	struct tdcs *tdcs = p->td.tdcs;

	p->stream.page->expected_counter = 1;
	tdcs->total_mb_count++;
	tdcs->mig_epoch = p->token.epoch;
	if (p->token.epoch != MIG_EPOCH_OUT_OF_ORDER)
		return;
	mig_forget_stopped(tx, &p->td);
	mig_set_op_state(&p->td, TDX_OP_STATE_POST_IMPORT);
}

struct tdx_status leaf_tdh_import_track(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_track_in in = tdh_import_track_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (!tdx_is_success(s))
		return s;
	s = check_token(tx, &plan);
	if (!tdx_is_success(s))
		return mig_fail_import(&plan.td, s);
	commit(tx, &plan);
	return s;
}
