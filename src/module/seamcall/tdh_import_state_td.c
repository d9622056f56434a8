/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.STATE.TD: the state of the TD that is no vCPU's.
 * Locks: TDR exclusive, forward stream 0. Every failure of a new call is for good. */
#include "module/bundle.h"
#include "module/leaves.h"
#include "module/td_import.h"

static struct tdx_status find(struct tx *tx, const struct tdh_import_state_td_in *in,
			      struct bundle *b)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &b->td);

	if (tdx_is_success(s))
		s = migs_check_first(in->stream);
	if (tdx_is_success(s))
		s = migs_take(tx, &b->td, MIGS_FORWARD, &b->stream);
	if (tdx_is_success(s) && !migs_initialized(&b->stream))
		s = tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	return s;
}

static struct tdx_status begin(struct bundle *b)
{
	struct tdx_status s;

	b->stream.page->stopped.valid = false;
	s = bundle_import_begin(b, MBMD_TD, b->td.tdcs->mig_epoch, ~0ull);
	if (tdx_is_success(s))
		bundle_import_open(b);
	return s;
}

/* Cannot fail: the TD is the caller's alone, and the message was authentic and complete. */
static void commit(struct bundle *b)
{
	td_import_mutable_done(&b->td);
	b->td.tdcs->total_mb_count++;
	mig_set_op_state(&b->td, TDX_OP_STATE_STATE_IMPORT);
}

static struct tdx_status run(struct bundle *b, const struct tdh_import_state_td_in *in)
{
	bool fatal = true;
	struct tdx_status s = find(b->tx, in, b);

	if (!tdx_is_success(s))
		return s;
	b->md = md_of_td(b->tx, &b->td, NULL);
	b->md.by = MD_IMPORT_MUTABLE;
	s = in->stream & MIG_R10_COMMAND ? bundle_resume(b, &fatal) : begin(b);
	if (tdx_is_success(s))
		s = bundle_import(b, 1);
	if (bundle_interrupted(s) || (!tdx_is_success(s) && !fatal))
		return s;
	if (!tdx_is_success(s))
		return mig_fail_import(&b->td, s);
	commit(b);
	return s;
}

struct tdx_status leaf_tdh_import_state_td(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_state_td_in in = tdh_import_state_td_take(regs);
	struct tdh_import_state_td_out out = tdh_import_state_td_failed(regs);
	struct bundle b = {.tx = tx, .rax = regs->rax, .mbmd = in.mbmd, .pages = in.pages};
	struct tdx_status s = run(&b, &in);

	if (bundle_interrupted(s)) /* the operands stand for the next try */
		return s;
	out.error0 = b.error;
	out.error1 = 0;
	tdh_import_state_td_give(regs, &out);
	return s;
}
