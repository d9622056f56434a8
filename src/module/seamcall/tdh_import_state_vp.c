/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.STATE.VP: the state of a vCPU, into pages that TDH.VP.CREATE and ADDCX gave it.
 *
 * Locks: TDVPR exclusive, TDR shared, OP_STATE shared, a forward stream. Every failure of a new
 * call that names a TDVPR and a stream is for good. */
#include "module/bundle.h"
#include "module/leaves.h"
#include "module/vcpu.h"
#include "module/vcpu_init.h"

static struct tdx_status find(struct tx *tx, const struct tdh_import_state_vp_in *in,
			      struct bundle *b, struct vp *vp)
{
	struct tdx_status s =
		tx_vcpu(tx, in->tdvpr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_SHARED, vp, &b->td);

	if (!tdx_is_success(s))
		return s;
	return migs_take_forward(tx, &b->td, in->stream, &b->stream);
}

static struct tdx_status begin(struct bundle *b, struct vp *vp)
{
	struct tdx_status s;

	migs_initialize_once(&b->stream, b->td.tdcs->mig_dec_working_key);
	b->stream.page->stopped.valid = false;
	if (vp->vps->state != TDX_VCPU_UNINITIALIZED)
		return tdx_error_num(TDX_VCPU_STATE_INCORRECT, vp->vps->state);
	s = bundle_import_begin(b, MBMD_VP, b->td.tdcs->mig_epoch, ~0xffffull);
	if (!tdx_is_success(s))
		return s;
	vcpu_init(b->tx, &b->td, vp);
	bundle_import_open(b);
	return s;
}

static struct tdx_status resume(struct bundle *b, struct vp *vp, bool *fatal)
{
	struct tdx_status s = bundle_resume(b, fatal);

	if (!tdx_is_success(s))
		return s;
	if (vp->vps->state != TDX_VCPU_IMPORT && vp->vps->state != TDX_VCPU_DISABLED)
		return tdx_error_num(TDX_VCPU_STATE_INCORRECT, vp->vps->state);
	return vp_associate(b->tx, &b->td, vp, NULL);
}

/* One more vCPU, and its x2APIC id is nobody else's. */
static struct tdx_status admit(const struct td *td, const struct vp *vp)
{
	const uint32_t index = vp->vps->vcpu_index, num = td->tdcs->num_vcpus;

	if (__atomic_fetch_add(&td->tdcs->num_migrated_vcpus, 1, __ATOMIC_RELAXED) >= num)
		return tdx_error(TDX_ALL_VCPUS_IMPORTED);
	if (!td->tdcs->topology_enum_configured || index >= TD_MAX_VCPUS)
		return tdx_success();
	for (uint32_t i = 0; i < num && i < TD_MAX_VCPUS; i++)
		if (i != index && td->ext->x2apic_ids[i] == td->ext->x2apic_ids[index])
			return tdx_error_num(TDX_X2APIC_ID_NOT_UNIQUE, td->ext->x2apic_ids[index]);
	return tdx_success();
}

/* Cannot fail: the vCPU is the caller's alone, and the message was authentic and complete. */
static void commit(struct bundle *b, struct vp *vp)
{
	if (vp->vps->state != TDX_VCPU_DISABLED)
		__atomic_store_n(&vp->vps->state, TDX_VCPU_READY, __ATOMIC_RELEASE);
	__atomic_fetch_add(&b->td.tdcs->total_mb_count, 1, __ATOMIC_RELAXED);
}

static struct tdx_status run(struct bundle *b, const struct tdh_import_state_vp_in *in)
{
	bool fatal = true;
	struct vp vp;
	struct tdx_status s = find(b->tx, in, b, &vp);

	if (!tdx_is_success(s))
		return s;
	b->md = md_of_td(b->tx, &b->td, &vp);
	b->md.by = MD_IMPORT_MUTABLE;
	s = in->stream & MIG_R10_COMMAND ? resume(b, &vp, &fatal) : begin(b, &vp);
	if (tdx_is_success(s))
		s = bundle_import(b, 1);
	if (bundle_interrupted(s)) {
		if (vp.vps->state != TDX_VCPU_DISABLED)
			vp.vps->state = TDX_VCPU_IMPORT; /* of no use until it is done */
		return s;
	}
	if (tdx_is_success(s))
		s = admit(&b->td, &vp);
	if (!tdx_is_success(s))
		return fatal ? mig_fail_import(&b->td, s) : s;
	commit(b, &vp);
	return s;
}

struct tdx_status leaf_tdh_import_state_vp(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_state_vp_in in = tdh_import_state_vp_take(regs);
	struct tdh_import_state_vp_out out = tdh_import_state_vp_failed(regs);
	struct bundle b = {.tx = tx,
			   .rax = regs->rax,
			   .mbmd = in.mbmd,
			   .pages = in.pages,
			   .tdvpr = in.tdvpr.v};
	struct tdx_status s = run(&b, &in);

	if (bundle_interrupted(s)) /* the operands stand for the next try */
		return s;
	out.error0 = b.error;
	out.error1 = 0;
	tdh_import_state_vp_give(regs, &out);
	return s;
}
