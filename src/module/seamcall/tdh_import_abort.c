/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.ABORT: give the import up for good, and the token that lets the exporter go on.
 * Locks: TDR exclusive, the backward stream. The TD can only be torn down, as RAX says. */
#include "module/leaves.h"
#include "module/mig.h"

struct plan {
	struct td td;
	struct migs stream;
	struct mbmd *to;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_import_abort_in *in, struct plan *p)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &p->td);

	if (tdx_is_success(s) && in->stream)
		s = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	if (tdx_is_success(s))
		s = mig_mbmd_operand(tx, in->mbmd, &p->to);
	if (tdx_is_success(s))
		s = migs_take(tx, &p->td, MIGS_BACKWARD, &p->stream);
	return s;
}

/* Cannot fail: the TD and its backward stream are the caller's alone. */
static void commit(struct tx *tx, struct plan *p)
{
	struct mig_stream *stream = p->stream.page;
	const struct tdcs *tdcs = p->td.tdcs;
	struct mbmd token;

	mig_forget_stopped(tx, &p->td);
	mig_set_op_state(&p->td, TDX_OP_STATE_FAILED_IMPORT);
	migs_initialize_once(&p->stream, tdcs->mig_enc_working_key);
	stream->stopped.valid = false;
	stream->iv_counter++;
	token = (struct mbmd){
		.size = sizeof(token),
		.version = tdcs->mig_working_version,
		.type = MBMD_ABORT_TOKEN,
		.counter = stream->next_counter,
		.iv_counter = stream->iv_counter,
	};
	mig_mbmd_seal(tx, &stream->key, &token);
	mig_mbmd_write(tx, p->to, &token);
	stream->next_counter++;
}

struct tdx_status leaf_tdh_import_abort(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_abort_in in = tdh_import_abort_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (!tdx_is_success(s))
		return s;
	commit(tx, &plan);
	return mig_fatal(s);
}
