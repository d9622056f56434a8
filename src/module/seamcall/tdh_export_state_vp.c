/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.STATE.VP: the state of a vCPU of the paused TD.
 * Locks: TDVPR exclusive, TDR shared, OP_STATE shared, a forward stream. A vCPU is exported once in
 * a session; streams may work on several at a time. */
#include "module/bundle.h"
#include "module/leaves.h"
#include "module/vcpu.h"

enum { MIN_PAGES = 9 };

static struct tdx_status find(struct tx *tx, const struct tdh_export_state_vp_in *in,
			      struct bundle *b, struct vp *vp)
{
	struct tdx_status s =
		tx_vcpu(tx, in->tdvpr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_SHARED, vp, &b->td);

	if (!tdx_is_success(s))
		return s;
	s = vp_check_and_associate(tx, &b->td, vp, true, NULL);
	if (!tdx_is_success(s))
		return s;
	if (vp->vps->export_count == b->td.tdcs->export_count)
		return tdx_error(TDX_VCPU_ALREADY_EXPORTED);
	return migs_take_forward(tx, &b->td, in->stream, &b->stream);
}

static struct tdx_status decode(struct tx *tx, const struct tdh_export_state_vp_in *in,
				struct bundle *b, struct vp *vp)
{
	struct tdx_status s = find(tx, in, b, vp);

	if (!tdx_is_success(s))
		return s;
	b->md = md_of_td(tx, &b->td, vp);
	b->md.by = MD_EXPORT_MUTABLE;
	if (in->stream & MIG_R10_COMMAND) {
		if (!migs_initialized(&b->stream))
			return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
		s = bundle_resume(b, NULL);
	} else {
		s = bundle_check_pages(b, MIN_PAGES);
		if (!tdx_is_success(s))
			return s;
		migs_initialize_once(&b->stream, b->td.tdcs->mig_enc_working_key);
		bundle_export_begin(b, MBMD_VP, (uint16_t)vp->vps->vcpu_index);
	}
	return tdx_is_success(s) ? bundle_list(b) : s;
}

/* Cannot fail: the vCPU and the stream are the caller's alone, and the message is sealed. */
static void commit(struct bundle *b, struct vp *vp)
{
	vp->vps->export_count = b->td.tdcs->export_count;
	__atomic_fetch_add(&b->td.tdcs->total_mb_count, 1, __ATOMIC_RELAXED);
	b->stream.page->next_counter++;
}

struct tdx_status leaf_tdh_export_state_vp(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_state_vp_in in = tdh_export_state_vp_take(regs);
	struct tdh_export_state_vp_out out = tdh_export_state_vp_failed(regs);
	struct bundle b = {.tx = tx,
			   .rax = regs->rax,
			   .mbmd = in.mbmd,
			   .pages = in.pages,
			   .tdvpr = in.tdvpr.v};
	uint32_t written = 0;
	struct vp vp;
	struct tdx_status s = decode(tx, &in, &b, &vp);

	if (tdx_is_success(s))
		s = bundle_export(&b, &written);
	if (tdx_is_success(s))
		s = bundle_export_end(&b);
	if (tdx_is_success(s)) {
		written = b.stream.page->stopped.done;
		commit(&b, &vp);
	}
	out.data = written;
	tdh_export_state_vp_give(regs, &out);
	return s;
}
