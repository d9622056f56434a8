/* SPDX-License-Identifier: MIT */
/* SEAMCALL: which leaf, whether the module's state allows it, and the end of its transaction.
 *
 * Order of checks (ABI: "SEAMCALL", measured): reserved bits of RAX, a version above 0 for a leaf
 * without versions, shutdown, ready, unknown leaf. */
#include "module/leaves.h"
#include "module/transition.h"
#include "module/tx.h"

/* clang-format off */
static leaf_fn *const handlers[TDX_SEAMCALL_LEAVES] = {
	[TDH_VP_ENTER] = leaf_tdh_vp_enter,
	[TDH_MNG_ADDCX] = leaf_tdh_mng_addcx,
	[TDH_MEM_PAGE_ADD] = leaf_tdh_mem_page_add,
	[TDH_MEM_SEPT_ADD] = leaf_tdh_mem_sept_add,
	[TDH_VP_ADDCX] = leaf_tdh_vp_addcx,
	[TDH_MEM_PAGE_RELOCATE] = leaf_tdh_mem_page_relocate,
	[TDH_MEM_PAGE_AUG] = leaf_tdh_mem_page_aug,
	[TDH_MEM_RANGE_BLOCK] = leaf_tdh_mem_range_block,
	[TDH_MNG_KEY_CONFIG] = leaf_tdh_mng_key_config,
	[TDH_MNG_CREATE] = leaf_tdh_mng_create,
	[TDH_VP_CREATE] = leaf_tdh_vp_create,
	[TDH_MNG_RD] = leaf_tdh_mng_rd,
	[TDH_MEM_RD] = leaf_tdh_mem_rd,
	[TDH_MNG_WR] = leaf_tdh_mng_wr,
	[TDH_MEM_WR] = leaf_tdh_mem_wr,
	[TDH_MEM_PAGE_DEMOTE] = leaf_tdh_mem_page_demote,
	[TDH_MR_EXTEND] = leaf_tdh_mr_extend,
	[TDH_MR_FINALIZE] = leaf_tdh_mr_finalize,
	[TDH_VP_FLUSH] = leaf_tdh_vp_flush,
	[TDH_MNG_VPFLUSHDONE] = leaf_tdh_mng_vpflushdone,
	[TDH_MNG_KEY_FREEID] = leaf_tdh_mng_key_freeid,
	[TDH_MNG_INIT] = leaf_tdh_mng_init,
	[TDH_VP_INIT] = leaf_tdh_vp_init,
	[TDH_MEM_PAGE_PROMOTE] = leaf_tdh_mem_page_promote,
	[TDH_PHYMEM_PAGE_RDMD] = leaf_tdh_phymem_page_rdmd,
	[TDH_MEM_SEPT_RD] = leaf_tdh_mem_sept_rd,
	[TDH_VP_RD] = leaf_tdh_vp_rd,
	[TDH_MNG_KEY_RECLAIMID] = leaf_tdh_mng_key_reclaimid,
	[TDH_PHYMEM_PAGE_RECLAIM] = leaf_tdh_phymem_page_reclaim,
	[TDH_MEM_PAGE_REMOVE] = leaf_tdh_mem_page_remove,
	[TDH_MEM_SEPT_REMOVE] = leaf_tdh_mem_sept_remove,
	[TDH_SYS_KEY_CONFIG] = leaf_tdh_sys_key_config,
	[TDH_SYS_INFO] = leaf_tdh_sys_info,
	[TDH_SYS_INIT] = leaf_tdh_sys_init,
	[TDH_SYS_RD] = leaf_tdh_sys_rd,
	[TDH_SYS_LP_INIT] = leaf_tdh_sys_lp_init,
	[TDH_SYS_TDMR_INIT] = leaf_tdh_sys_tdmr_init,
	[TDH_SYS_RDALL] = leaf_tdh_sys_rdall,
	[TDH_MEM_TRACK] = leaf_tdh_mem_track,
	[TDH_MEM_RANGE_UNBLOCK] = leaf_tdh_mem_range_unblock,
	[TDH_PHYMEM_CACHE_WB] = leaf_tdh_phymem_cache_wb,
	[TDH_PHYMEM_PAGE_WBINVD] = leaf_tdh_phymem_page_wbinvd,
	[TDH_VP_WR] = leaf_tdh_vp_wr,
	[TDH_SYS_LP_SHUTDOWN] = leaf_tdh_sys_lp_shutdown,
	[TDH_SYS_CONFIG] = leaf_tdh_sys_config,
	[TDH_SERVTD_BIND] = leaf_tdh_servtd_bind,
	[TDH_SERVTD_PREBIND] = leaf_tdh_servtd_prebind,
	[TDH_SYS_SHUTDOWN] = leaf_tdh_sys_shutdown,
	[TDH_SYS_UPDATE] = leaf_tdh_sys_update,
	[TDH_PHYMEM_PAMT_ADD] = leaf_tdh_phymem_pamt_add,
	[TDH_PHYMEM_PAMT_REMOVE] = leaf_tdh_phymem_pamt_remove,
	[TDH_EXPORT_ABORT] = leaf_tdh_export_abort,
	[TDH_EXPORT_BLOCKW] = leaf_tdh_export_blockw,
	[TDH_EXPORT_RESTORE] = leaf_tdh_export_restore,
	[TDH_EXPORT_MEM] = leaf_tdh_export_mem,
	[TDH_EXPORT_PAUSE] = leaf_tdh_export_pause,
	[TDH_EXPORT_TRACK] = leaf_tdh_export_track,
	[TDH_EXPORT_STATE_IMMUTABLE] = leaf_tdh_export_state_immutable,
	[TDH_EXPORT_STATE_TD] = leaf_tdh_export_state_td,
	[TDH_EXPORT_STATE_VP] = leaf_tdh_export_state_vp,
	[TDH_EXPORT_UNBLOCKW] = leaf_tdh_export_unblockw,
	[TDH_IMPORT_ABORT] = leaf_tdh_import_abort,
	[TDH_IMPORT_END] = leaf_tdh_import_end,
	[TDH_IMPORT_COMMIT] = leaf_tdh_import_commit,
	[TDH_IMPORT_MEM] = leaf_tdh_import_mem,
	[TDH_IMPORT_TRACK] = leaf_tdh_import_track,
	[TDH_IMPORT_STATE_IMMUTABLE] = leaf_tdh_import_state_immutable,
	[TDH_IMPORT_STATE_TD] = leaf_tdh_import_state_td,
	[TDH_IMPORT_STATE_VP] = leaf_tdh_import_state_vp,
	[TDH_MIG_STREAM_CREATE] = leaf_tdh_mig_stream_create,
};
/* clang-format on */

static struct tdx_status check(const struct module *mod, uint64_t rax,
			       const struct tdx_leaf_info *leaf)
{
	enum sys_state state = atomic_load_explicit(&mod->sys_state, memory_order_acquire);

	if (tdx_rax_reserved(rax))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (tdx_rax_version(rax) > 0 && !(leaf && leaf->max_version))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (__builtin_expect(state != SYS_READY, 0)) {
		if (state == SYS_SHUTDOWN && !(leaf && leaf->flags & TDX_LEAF_AFTER_SHUTDOWN))
			return tdx_error(TDX_SYS_SHUTDOWN);
		if (!(leaf && leaf->flags & TDX_LEAF_BEFORE_READY))
			return tdx_error(TDX_SYS_NOT_READY);
	}
	if (!leaf || !handlers[leaf->number])
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	return tdx_success();
}

static struct tdx_status call(struct lp *lp, struct tdx_regs *regs)
{
	const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(tdx_rax_leaf(regs->rax));
	struct tdx_status s = check(lp->mod, regs->rax, leaf);
	struct tx tx;

	if (!tdx_is_success(s))
		return s;
	tx_begin(&tx, lp, leaf, false);
	lp->hw->call = (uint8_t)leaf->number;
	s = handlers[leaf->number](&tx, regs);
	lp->hw->call = lp->fate == FATE_ENTERED ? MACHINE_CALL_GUEST : MACHINE_CALL_HOST;
	tx_end(&tx);
	return s;
}

static void leave(const struct module_hooks *h, struct lp *lp, const struct tdx_regs *in,
		  const struct tdx_regs *regs, struct tdx_status s)
{
	struct tdx_regs out = *regs;

	out.rax = s.raw;
	h->leave(lp->mod->hooks_arg, lp, false, in, &out);
}

enum module_next module_seamcall(struct module *mod, unsigned lp_id, struct tdx_regs *regs)
{
	struct lp *lp = &mod->lp[lp_id];
	const struct module_hooks *h = mod->hooks;
	struct tdx_status s = tdx_success();
	struct tdx_regs in;

	if (lp->dead)
		return MODULE_SHUTDOWN;
	atomic_store_explicit(&lp->busy, true, memory_order_relaxed);
	lp->fate = FATE_NONE;
	if (__builtin_expect(h != NULL, 0)) {
		in = *regs;
		if (h->enter)
			s = h->enter(mod->hooks_arg, lp, false, regs);
	}
	if (tdx_is_success(s))
		s = call(lp, regs);
	if (__builtin_expect(h && h->leave, 0))
		leave(h, lp, &in, regs, s);
	switch ((enum lp_fate)lp->fate) {
	case FATE_ENTERED:
	case FATE_INJECTED:
	case FATE_REPEAT:
		return MODULE_TO_GUEST;
	case FATE_SHUTDOWN:
		lp->dead = true;
		return MODULE_SHUTDOWN;
	case FATE_TD_EXIT: /* the entry was answered like an exit */
		*regs = lp->host;
		break;
	case FATE_NONE:
		regs->rax = s.raw;
		break;
	}
	atomic_store_explicit(&lp->busy, false, memory_order_release);
	return MODULE_TO_HOST;
}
