/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.STATE.IMMUTABLE: begin an import session; the TD becomes what the bundle says.
 *
 * Locks: TDR exclusive, forward stream 0. Once the keys are in use every failure is for good; but
 * what an authentic bundle is refused for is told only when its MAC was right. */
#include "module/bundle.h"
#include "module/leaves.h"
#include "arch/msr.h"
#include "module/td_import.h"
#include "module/virt_msr.h"

#include <string.h>

static struct tdx_status find(struct tx *tx, const struct tdh_import_state_immutable_in *in,
			      struct bundle *b)
{
	uint64_t misc_enable = 0;
	struct tdx_status s;

	machine_rdmsr(tx->lp->hw, MSR_MISC_ENABLE, &misc_enable);
	if (misc_enable & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	s = tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &b->td);
	if (!tdx_is_success(s))
		return s;
	if (b->td.tdcs->num_migs < MIGS_MIN)
		return tdx_error(TDX_MIN_MIGS_NOT_CREATED);
	s = migs_check_first(in->stream);
	return tdx_is_success(s) ? migs_take(tx, &b->td, MIGS_FORWARD, &b->stream) : s;
}

static bool is_key(const uint64_t a[4], const uint64_t b[4])
{
	return memcmp(a, b, 4 * sizeof(uint64_t)) == 0;
}

/* A key of the exporter's: none that this side has made or used. */
static struct tdx_status check_key(const struct tdcs *tdcs)
{
	static const uint64_t zero[4];
	const uint64_t *key = tdcs->mig_dec_key;

	if (!tdcs->mig_dec_key_set)
		return tdx_error(TDX_MIGRATION_DECRYPTION_KEY_NOT_SET);
	if (is_key(key, zero) || is_key(key, tdcs->mig_dec_working_key) ||
	    is_key(key, tdcs->mig_enc_working_key) || is_key(key, tdcs->mig_enc_key))
		return tdx_error(TDX_INVALID_MIGRATION_DECRYPTION_KEY);
	return tdx_success();
}

static struct tdx_status begin_message(struct bundle *b)
{
	const struct mbmd *m = &b->stream.page->mbmd;
	struct tdx_status s = bundle_import_begin(b, MBMD_IMMUTABLE, 0, MBMD_IMM_RESERVED);

	if (!tdx_is_success(s))
		return s;
	if (MBMD_IMM_SYS_PAGES(m->specific) == 0)
		return tdx_error(TDX_INVALID_MBMD);
	if (MBMD_IMM_STREAMS(m->specific) > b->td.tdcs->num_migs - MIGS_FORWARD)
		return tdx_error(TDX_NUM_MIGS_HIGHER_THAN_CREATED);
	bundle_import_open(b);
	td_import_begin(&b->td);
	return s;
}

/* fatal: set from where on a failure is for good. */
static struct tdx_status begin(struct bundle *b, bool *fatal)
{
	struct tdx_status s = check_key(b->td.tdcs);

	if (tdx_is_success(s))
		s = mig_new_keys(b->tx, b->td.tdcs);
	if (!tdx_is_success(s))
		return s;
	migs_forget(b->tx, &b->td);
	migs_initialize(&b->stream, b->td.tdcs->mig_dec_working_key);
	/* Where the import fails before it has said what the tree is like, calls that take it apart
	 * are allowed: they find its empty root, not what the host has at address 0. */
	b->td.tdcs->eptp = b->td.tdr->tdcx_pa[TDCS_PAGE_SEPT_ROOT];
	*fatal = true;
	return begin_message(b);
}

static struct tdx_status resume(struct bundle *b, bool *fatal)
{
	if (!migs_initialized(&b->stream))
		return tdx_error(TDX_MIGRATION_STREAM_STATE_INCORRECT);
	return bundle_resume(b, fatal);
}

/* The module's pages, then at least one of the TD's. */
static struct tdx_status import(struct bundle *b)
{
	const unsigned sys_pages = MBMD_IMM_SYS_PAGES(b->stream.page->mbmd.specific);
	struct tdx_status s = bundle_import(b, sys_pages + 1);

	return tdx_is_success(s) ? td_import_immutable_done(b->tx, &b->td) : s;
}

/* Cannot fail: the TD is the caller's alone, and the message was authentic and complete. */
static void commit(struct bundle *b)
{
	b->td.tdcs->total_mb_count = 1;
	mig_set_op_state(&b->td, TDX_OP_STATE_MEMORY_IMPORT);
}

static struct tdx_status run(struct bundle *b, const struct tdh_import_state_immutable_in *in)
{
	bool fatal = false;
	struct tdx_status s = find(b->tx, in, b);

	if (!tdx_is_success(s))
		return s;
	b->md = md_of_td(b->tx, &b->td, NULL);
	b->md.by = MD_IMPORT_IMMUTABLE;
	s = in->stream & MIG_R10_COMMAND ? resume(b, &fatal) : begin(b, &fatal);
	if (!tdx_is_success(s))
		return fatal ? mig_fail_import(&b->td, s) : s;
	s = import(b);
	if (bundle_interrupted(s))
		mig_set_op_state(&b->td, TDX_OP_STATE_START_IMPORT);
	else if (!tdx_is_success(s))
		return mig_fail_import(&b->td, s);
	else
		commit(b);
	return s;
}

struct tdx_status leaf_tdh_import_state_immutable(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_state_immutable_in in = tdh_import_state_immutable_take(regs);
	struct tdh_import_state_immutable_out out = tdh_import_state_immutable_failed(regs);
	struct bundle b = {
		.tx = tx, .rax = regs->rax, .mbmd = in.mbmd, .pages = in.pages, .immutable = true};
	struct tdx_status s = run(&b, &in);

	if (bundle_interrupted(s)) /* the operands stand for the next try */
		return s;
	out.error0 = b.error;
	out.error1 = 0;
	tdh_import_state_immutable_give(regs, &out);
	return s;
}
