/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.TRACK: end an epoch, or with bit 63 of R10 the in-order phase, by a token that the
 * importer must have all bundles before.
 * Locks: TDR shared, OP_STATE and MIG exclusive, forward stream 0. */
#include "module/leaves.h"
#include "module/mig.h"

struct plan {
	struct td td;
	struct migs stream;
	struct mbmd *to;
	bool done;
};

static struct tdx_status find(struct tx *tx, const struct tdh_export_track_in *in, struct plan *p)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_EXCLUSIVE, &p->td);

	if (tdx_is_success(s))
		s = mig_lock(tx, &p->td, LOCK_EXCLUSIVE);
	if (tdx_is_success(s))
		s = migs_check_first(in->stream);
	if (tdx_is_success(s))
		s = mig_mbmd_operand(tx, in->mbmd, &p->to);
	if (tdx_is_success(s))
		s = migs_take(tx, &p->td, MIGS_FORWARD, &p->stream);
	return s;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_export_track_in *in, struct plan *p)
{
	struct tdx_status s = find(tx, in, p);
	const struct tdcs *tdcs = p->td.tdcs;

	if (!tdx_is_success(s))
		return s;
	p->done = in->stream & MIG_R10_COMMAND;
	if (!migs_initialized(&p->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	if (!p->done && tdcs->mig_epoch == MIG_EPOCH_LAST)
		return tdx_error(TDX_MIGRATION_EPOCH_OVERFLOW);
	if (p->done && tdcs->op_state != TDX_OP_STATE_PAUSED_EXPORT)
		return tdx_error_num(TDX_OP_STATE_INCORRECT, tdcs->op_state);
	if (p->done && tdcs->dirty_count)
		return tdx_error(TDX_EXPORTED_DIRTY_PAGES_REMAIN);
	return s;
}

/* Cannot fail: OP_STATE and the stream are the caller's alone, and the MBMD's place is known. */
static void commit(struct tx *tx, struct plan *p)
{
	struct tdcs *tdcs = p->td.tdcs;
	struct mig_stream *stream = p->stream.page;
	struct mbmd token;

	tdcs->total_mb_count++;
	tdcs->mig_epoch = p->done ? MIG_EPOCH_OUT_OF_ORDER : tdcs->mig_epoch + 1;
	stream->stopped.valid = false;
	stream->iv_counter++;
	token = (struct mbmd){
		.size = sizeof(token),
		.version = tdcs->mig_working_version,
		.type = MBMD_EPOCH_TOKEN,
		.epoch = tdcs->mig_epoch,
		.iv_counter = stream->iv_counter,
		.specific = tdcs->total_mb_count,
	};
	mig_mbmd_seal(tx, &stream->key, &token);
	mig_mbmd_write(tx, p->to, &token);
	stream->next_counter = 1;
	if (!p->done)
		return;
	mig_forget_stopped(tx, &p->td);
	mig_set_op_state(&p->td, TDX_OP_STATE_POST_EXPORT);
}

struct tdx_status leaf_tdh_export_track(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_track_in in = tdh_export_track_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}
