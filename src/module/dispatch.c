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
	[TDH_VP_ENTER] = tdh_vp_enter,
	[TDH_MNG_ADDCX] = tdh_mng_addcx,
	[TDH_MEM_PAGE_ADD] = tdh_mem_page_add,
	[TDH_MEM_SEPT_ADD] = tdh_mem_sept_add,
	[TDH_VP_ADDCX] = tdh_vp_addcx,
	[TDH_MEM_PAGE_RELOCATE] = tdh_mem_page_relocate,
	[TDH_MEM_PAGE_AUG] = tdh_mem_page_aug,
	[TDH_MEM_RANGE_BLOCK] = tdh_mem_range_block,
	[TDH_MNG_KEY_CONFIG] = tdh_mng_key_config,
	[TDH_MNG_CREATE] = tdh_mng_create,
	[TDH_VP_CREATE] = tdh_vp_create,
	[TDH_MNG_RD] = tdh_mng_rd,
	[TDH_MEM_RD] = tdh_mem_rd,
	[TDH_MNG_WR] = tdh_mng_wr,
	[TDH_MEM_WR] = tdh_mem_wr,
	[TDH_MEM_PAGE_DEMOTE] = tdh_mem_page_demote,
	[TDH_MR_EXTEND] = tdh_mr_extend,
	[TDH_MR_FINALIZE] = tdh_mr_finalize,
	[TDH_VP_FLUSH] = tdh_vp_flush,
	[TDH_MNG_VPFLUSHDONE] = tdh_mng_vpflushdone,
	[TDH_MNG_KEY_FREEID] = tdh_mng_key_freeid,
	[TDH_MNG_INIT] = tdh_mng_init,
	[TDH_VP_INIT] = tdh_vp_init,
	[TDH_MEM_PAGE_PROMOTE] = tdh_mem_page_promote,
	[TDH_PHYMEM_PAGE_RDMD] = tdh_phymem_page_rdmd,
	[TDH_MEM_SEPT_RD] = tdh_mem_sept_rd,
	[TDH_VP_RD] = tdh_vp_rd,
	[TDH_MNG_KEY_RECLAIMID] = tdh_mng_key_reclaimid,
	[TDH_PHYMEM_PAGE_RECLAIM] = tdh_phymem_page_reclaim,
	[TDH_MEM_PAGE_REMOVE] = tdh_mem_page_remove,
	[TDH_MEM_SEPT_REMOVE] = tdh_mem_sept_remove,
	[TDH_SYS_KEY_CONFIG] = tdh_sys_key_config,
	[TDH_SYS_INFO] = tdh_sys_info,
	[TDH_SYS_INIT] = tdh_sys_init,
	[TDH_SYS_RD] = tdh_sys_rd,
	[TDH_SYS_LP_INIT] = tdh_sys_lp_init,
	[TDH_SYS_TDMR_INIT] = tdh_sys_tdmr_init,
	[TDH_SYS_RDALL] = tdh_sys_rdall,
	[TDH_MEM_TRACK] = tdh_mem_track,
	[TDH_MEM_RANGE_UNBLOCK] = tdh_mem_range_unblock,
	[TDH_PHYMEM_CACHE_WB] = tdh_phymem_cache_wb,
	[TDH_PHYMEM_PAGE_WBINVD] = tdh_phymem_page_wbinvd,
	[TDH_VP_WR] = tdh_vp_wr,
	[TDH_SYS_LP_SHUTDOWN] = tdh_sys_lp_shutdown,
	[TDH_SYS_CONFIG] = tdh_sys_config,
	[TDH_SERVTD_BIND] = tdh_servtd_bind,
	[TDH_SERVTD_PREBIND] = tdh_servtd_prebind,
	[TDH_SYS_SHUTDOWN] = tdh_sys_shutdown,
	[TDH_SYS_UPDATE] = tdh_sys_update,
	[TDH_PHYMEM_PAMT_ADD] = tdh_phymem_pamt_add,
	[TDH_PHYMEM_PAMT_REMOVE] = tdh_phymem_pamt_remove,
	[TDH_EXPORT_ABORT] = tdh_export_abort,
	[TDH_EXPORT_BLOCKW] = tdh_export_blockw,
	[TDH_EXPORT_RESTORE] = tdh_export_restore,
	[TDH_EXPORT_MEM] = tdh_export_mem,
	[TDH_EXPORT_PAUSE] = tdh_export_pause,
	[TDH_EXPORT_TRACK] = tdh_export_track,
	[TDH_EXPORT_STATE_IMMUTABLE] = tdh_export_state_immutable,
	[TDH_EXPORT_STATE_TD] = tdh_export_state_td,
	[TDH_EXPORT_STATE_VP] = tdh_export_state_vp,
	[TDH_EXPORT_UNBLOCKW] = tdh_export_unblockw,
	[TDH_IMPORT_ABORT] = tdh_import_abort,
	[TDH_IMPORT_END] = tdh_import_end,
	[TDH_IMPORT_COMMIT] = tdh_import_commit,
	[TDH_IMPORT_MEM] = tdh_import_mem,
	[TDH_IMPORT_TRACK] = tdh_import_track,
	[TDH_IMPORT_STATE_IMMUTABLE] = tdh_import_state_immutable,
	[TDH_IMPORT_STATE_TD] = tdh_import_state_td,
	[TDH_IMPORT_STATE_VP] = tdh_import_state_vp,
	[TDH_MIG_STREAM_CREATE] = tdh_mig_stream_create,
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

static struct tdx_status call_heard(struct lp *lp, struct tdx_regs *regs)
{
	const struct module_hooks *h = lp->mod->hooks;
	void *arg = lp->mod->hooks_arg;
	struct tdx_regs in = *regs;
	struct tdx_status s = h->enter ? h->enter(arg, lp, false, regs) : tdx_success();

	if (tdx_is_success(s))
		s = call(lp, regs);
	if (h->leave) {
		struct tdx_regs out = *regs;

		out.rax = s.raw;
		h->leave(arg, lp, false, &in, &out);
	}
	return s;
}

enum module_next module_seamcall(struct module *mod, unsigned lp_id, struct tdx_regs *regs)
{
	struct lp *lp = &mod->lp[lp_id];
	struct tdx_status s;

	if (lp->dead)
		return MODULE_SHUTDOWN;
	atomic_store_explicit(&lp->busy, true, memory_order_relaxed);
	lp->fate = FATE_NONE;
	s = __builtin_expect(mod->hooks != NULL, 0) ? call_heard(lp, regs) : call(lp, regs);
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
	atomic_store_explicit(&lp->busy, false, memory_order_relaxed);
	return MODULE_TO_HOST;
}
