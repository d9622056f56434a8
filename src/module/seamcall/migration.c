/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.*, TDH.IMPORT.*, TDH.MIG.STREAM.CREATE: migration.
 *
 * No session can begin here, so what a host sees is what it sees of a TD that has none:
 * operands, locks and states are checked in the module's order, and the leaf refuses. Most cannot
 * come further than OP_STATE anyway, which only a session changes. Locks: as the table says. */
#include <swtdx/structs.h>

#include "module/leaves.h"
#include "arch/msr.h"
#include "module/seamcall/mem.h"
#include "module/virt_msr.h"

enum { MIGS_MIN = 2, MIGS_MAX = 512 };

/* Which operand is the TD, and what is locked to look at it. */
struct route {
	enum tdx_operand op;
	enum lock_mode tdr, op_state;
};

/* op and the locks of a leaf */
static const struct route td_in_rcx_exclusive = {TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE};
static const struct route td_in_rcx_session = {TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_EXCLUSIVE};
static const struct route td_in_rdx_session = {TDX_OPERAND_ID_RDX, LOCK_SHARED, LOCK_EXCLUSIVE};

static struct tdx_status find_td(struct tx *tx, uint64_t pa, const struct route *r, struct td *td)
{
	struct tdx_status s = tx_tdr(tx, hpa(pa), r->op, r->tdr, td);

	return tdx_is_success(s) ? tx_tdcs(tx, td, r->op_state) : s;
}

static struct tdx_status no_session(struct tx *tx, uint64_t pa, const struct route *r)
{
	struct td td;
	struct tdx_status s = find_td(tx, pa, r, &td);

	return tdx_is_success(s) ? tdx_error(TDX_TD_NOT_MIGRATABLE) : s;
}

static struct tdx_status no_vcpu_session(struct tx *tx, struct tdx_regs *regs)
{
	struct vp vp;
	struct td td;
	struct tdx_status s = tx_vp(tx, hpa(regs->rcx), TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE,
				    LOCK_SHARED, &vp, &td);

	if (tdx_is_success(s))
		s = tx_tdcs(tx, &td, LOCK_SHARED);
	return tdx_is_success(s) ? tdx_error(TDX_TD_NOT_MIGRATABLE) : s;
}

/* --- leaves that only a session lets through --- */

struct tdx_status leaf_tdh_export_abort(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_session);
}

struct tdx_status leaf_tdh_export_pause(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_export_track(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_session);
}

struct tdx_status leaf_tdh_export_state_td(struct tx *tx, struct tdx_regs *regs)
{
	regs->rdx = 0;
	return no_session(tx, regs->rcx, &td_in_rcx_session);
}

struct tdx_status leaf_tdh_export_state_vp(struct tx *tx, struct tdx_regs *regs)
{
	regs->rdx = 0;
	return no_vcpu_session(tx, regs);
}

struct tdx_status leaf_tdh_import_abort(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_import_end(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_import_commit(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_import_track(struct tx *tx, struct tdx_regs *regs)
{
	return no_session(tx, regs->rcx, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_import_state_td(struct tx *tx, struct tdx_regs *regs)
{
	const uint64_t tdr = regs->rcx;

	regs->rcx = regs->rdx = 0;
	return no_session(tx, tdr, &td_in_rcx_exclusive);
}

struct tdx_status leaf_tdh_import_state_vp(struct tx *tx, struct tdx_regs *regs)
{
	struct tdx_status s = no_vcpu_session(tx, regs);

	regs->rcx = regs->rdx = 0;
	return s;
}

/* Those on lists of pages: the TD is in RDX. */
static struct tdx_status no_page_session(struct tx *tx, const struct tdx_regs *regs)
{
	struct td td;
	struct tdx_status s = mem_td(tx, hpa(regs->rdx), &td);

	return tdx_is_success(s) ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX) : s;
}

struct tdx_status leaf_tdh_export_blockw(struct tx *tx, struct tdx_regs *regs)
{
	return no_page_session(tx, regs);
}

struct tdx_status leaf_tdh_export_restore(struct tx *tx, struct tdx_regs *regs)
{
	return no_page_session(tx, regs);
}

struct tdx_status leaf_tdh_export_mem(struct tx *tx, struct tdx_regs *regs)
{
	return no_page_session(tx, regs);
}

struct tdx_status leaf_tdh_import_mem(struct tx *tx, struct tdx_regs *regs)
{
	return no_page_session(tx, regs);
}

/* --- leaves a TD without a session answers in detail --- */

/* No entry is ever blocked for writing, so its state is always the wrong one. Unlike the leaves of
 * TDH.MEM this one tells nothing of an entry it could not lock. */
struct tdx_status leaf_tdh_export_unblockw(struct tx *tx, struct tdx_regs *regs)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, TDX_LEVEL_4K, LOCK_SHARED};
	const struct tdh_export_unblockw_in in = tdh_export_unblockw_take(regs);
	struct tdh_export_unblockw_out out = tdh_export_unblockw_failed(regs);
	struct mem m;
	struct tdx_status s = mem_locate(tx, in.tdr, in.at, &reach, &m, &out.shown);

	if (tdx_is_busy(s))
		out = tdh_export_unblockw_failed(regs);
	tdh_export_unblockw_give(regs, &out);
	return s;
}

struct tdx_status leaf_tdh_export_state_immutable(struct tx *tx, struct tdx_regs *regs)
{
	struct td td;
	struct tdx_status s;

	regs->rdx = 0;
	s = find_td(tx, regs->rcx, &td_in_rcx_session, &td);
	if (tdx_is_success(s))
		s = tx_lock(tx, LOCK_MIG, td.pa.v, &td.tdcs->mig_lock, LOCK_EXCLUSIVE,
			    TDX_OPERAND_ID_MIG);
	if (!tdx_is_success(s))
		return s;
	if ((td.tdcs->attributes & TDX_ATTR_MIGRATABLE) && td.tdcs->num_migs < MIGS_MIN)
		return tdx_error(TDX_MIN_MIGS_NOT_CREATED);
	return tdx_error(TDX_TD_NOT_MIGRATABLE);
}

struct tdx_status leaf_tdh_import_state_immutable(struct tx *tx, struct tdx_regs *regs)
{
	const uint64_t tdr = regs->rcx;
	uint64_t misc_enable = 0;
	struct td td;
	struct tdx_status s;

	regs->rcx = regs->rdx = 0;
	machine_rdmsr(tx->lp->hw, MSR_MISC_ENABLE, &misc_enable);
	if (misc_enable & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	s = find_td(tx, tdr, &td_in_rcx_exclusive, &td);
	if (!tdx_is_success(s))
		return s;
	if (td.tdcs->num_migs < MIGS_MIN)
		return tdx_error(TDX_MIN_MIGS_NOT_CREATED);
	return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
}

/* The page becomes the TD's; nothing will use it until the host reclaims it. */
struct tdx_status leaf_tdh_mig_stream_create(struct tx *tx, struct tdx_regs *regs)
{
	struct pamt_ref page;
	struct td td;
	struct tdx_status s = find_td(tx, regs->rdx, &td_in_rdx_session, &td);

	if (!tdx_is_success(s))
		return s;
	s = tx_lock(tx, LOCK_MIG, td.pa.v, &td.tdcs->mig_lock, LOCK_EXCLUSIVE, TDX_OPERAND_ID_MIG);
	if (!tdx_is_success(s))
		return s;
	if (td.tdcs->num_migs >= MIGS_MAX)
		return tdx_error(TDX_MAX_MIGS_NUM_EXCEEDED);
	s = tx_free_page(tx, hpa(regs->rcx), TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &page);
	if (!tdx_is_success(s))
		return s;
	mem_init_table(tx, &td, page.pa, 0);
	mem_give(tx, &td, &page, TDX_PT_TDCX);
	td.tdcs->num_migs++;
	return s;
}
