/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.STATE.IMMUTABLE: begin an export session with what of the module and of the TD never
 * changes.
 *
 * Locks: TDR shared, OP_STATE and MIG exclusive, forward stream 0. The keys that the migration TD
 * set are used up even when the call fails after that. */
#include <swtdx/structs.h>

#include "module/bundle.h"
#include "module/leaves.h"

enum { MIN_PAGES = 4, SYS_PAGES = 1 };

static struct tdx_status find(struct tx *tx, const struct tdh_export_state_immutable_in *in,
			      struct bundle *b)
{
	struct mbmd *unused;
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_EXCLUSIVE, &b->td);

	if (tdx_is_success(s))
		s = mig_lock(tx, &b->td, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (!(b->td.tdcs->attributes & TDX_ATTR_MIGRATABLE))
		return tdx_error(TDX_TD_NOT_MIGRATABLE);
	if (b->td.tdcs->mig_count)
		return tdx_error(TDX_PREVIOUS_EXPORT_CLEANUP_INCOMPLETE);
	if (b->td.tdcs->num_migs < MIGS_MIN)
		return tdx_error(TDX_MIN_MIGS_NOT_CREATED);
	s = mig_mbmd_operand(tx, in->mbmd, &unused);
	if (tdx_is_success(s))
		s = migs_check_first(in->stream);
	if (tdx_is_success(s))
		s = migs_take(tx, &b->td, MIGS_FORWARD, &b->stream);
	return s;
}

/* A session begins; what it replaced is gone from here on. */
static struct tdx_status begin(struct bundle *b)
{
	struct tdcs *tdcs = b->td.tdcs;
	struct tdx_status s = bundle_check_pages(b, MIN_PAGES);

	if (tdx_is_success(s))
		s = bundle_list(b);
	if (!tdx_is_success(s))
		return s;
	if (!tdcs->mig_dec_key_set)
		return tdx_error(TDX_MIGRATION_DECRYPTION_KEY_NOT_SET);
	s = mig_new_keys(b->tx, tdcs);
	if (!tdx_is_success(s))
		return s;
	tdcs->dirty_count = 0;
	migs_forget(b->tx, &b->td);
	migs_initialize(&b->stream, tdcs->mig_enc_working_key);
	bundle_export_begin(b, MBMD_IMMUTABLE,
			    (uint64_t)SYS_PAGES << 32 | (uint16_t)(tdcs->num_migs - MIGS_FORWARD));
	if (tdcs->export_count >= MIG_EXPORT_COUNT_MAX)
		return tdx_error(TDX_MAX_EXPORTS_EXCEEDED);
	tdcs->export_count++;
	return s;
}

static struct tdx_status resume(struct bundle *b)
{
	struct tdx_status s;

	if (!migs_initialized(&b->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	s = bundle_resume(b, NULL);
	return tdx_is_success(s) ? bundle_list(b) : s;
}

/* Cannot fail: OP_STATE is the caller's alone, and the message is sealed. */
static void commit(struct bundle *b)
{
	b->td.tdcs->total_mb_count = 1;
	b->stream.page->next_counter = 1;
	mig_set_op_state(&b->td, TDX_OP_STATE_LIVE_EXPORT);
}

struct tdx_status leaf_tdh_export_state_immutable(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_state_immutable_in in = tdh_export_state_immutable_take(regs);
	struct tdh_export_state_immutable_out out = tdh_export_state_immutable_failed(regs);
	struct bundle b = {
		.tx = tx, .rax = regs->rax, .mbmd = in.mbmd, .pages = in.pages, .immutable = true};
	uint32_t written = 0;
	struct tdx_status s = find(tx, &in, &b);

	if (tdx_is_success(s)) {
		b.md = md_of_td(tx, &b.td, NULL);
		b.md.by = MD_EXPORT_IMMUTABLE;
		s = in.stream & MIG_R10_COMMAND ? resume(&b) : begin(&b);
	}
	if (tdx_is_success(s))
		s = bundle_export(&b, &written);
	if (tdx_is_success(s))
		s = bundle_export_end(&b);
	if (tdx_is_success(s)) {
		written = b.stream.page->stopped.done;
		commit(&b);
	}
	out.data = written;
	tdh_export_state_immutable_give(regs, &out);
	return s;
}
