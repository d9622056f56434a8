/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.STATE.TD: the state of the paused TD that is no vCPU's.
 * Locks: TDR shared, OP_STATE exclusive, forward stream 0. May be repeated. */
#include "module/bundle.h"
#include "module/leaves.h"

enum { MIN_PAGES = 2 };

static struct tdx_status decode(struct tx *tx, const struct tdh_export_state_td_in *in,
				struct bundle *b)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_EXCLUSIVE, &b->td);

	if (tdx_is_success(s))
		s = migs_check_first(in->stream);
	if (tdx_is_success(s))
		s = migs_take(tx, &b->td, MIGS_FORWARD, &b->stream);
	if (!tdx_is_success(s))
		return s;
	if (!migs_initialized(&b->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	b->md = md_of_td(tx, &b->td, NULL);
	b->md.by = MD_EXPORT_MUTABLE;
	if (in->stream & MIG_R10_COMMAND) {
		s = bundle_resume(b, NULL);
	} else {
		s = bundle_check_pages(b, MIN_PAGES);
		if (tdx_is_success(s))
			bundle_export_begin(b, MBMD_TD, 0);
	}
	return tdx_is_success(s) ? bundle_list(b) : s;
}

/* Cannot fail: OP_STATE is the caller's alone, and the message is sealed. */
static void commit(struct bundle *b)
{
	b->td.tdcs->total_mb_count++;
	b->stream.page->next_counter++;
}

struct tdx_status leaf_tdh_export_state_td(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_state_td_in in = tdh_export_state_td_take(regs);
	struct tdh_export_state_td_out out = tdh_export_state_td_failed(regs);
	struct bundle b = {.tx = tx, .rax = regs->rax, .mbmd = in.mbmd, .pages = in.pages};
	uint32_t written = 0;
	struct tdx_status s = decode(tx, &in, &b);

	if (tdx_is_success(s))
		s = bundle_export(&b, &written);
	if (tdx_is_success(s))
		s = bundle_export_end(&b);
	if (tdx_is_success(s)) {
		written = b.stream.page->stopped.done;
		commit(&b);
	}
	out.data = written;
	tdh_export_state_td_give(regs, &out);
	return s;
}
