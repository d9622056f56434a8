/* SPDX-License-Identifier: MIT */
/* Every leaf handler the dispatchers can call, by the name of its leaf; the host's and the guest's
 * functions of the same leaf have the name without leaf_. */
#ifndef MODULE_LEAVES_H
#define MODULE_LEAVES_H

#include <swtdx/types.h>

struct tx;

typedef struct tdx_status leaf_fn(struct tx *tx, struct tdx_regs *regs);

leaf_fn leaf_tdh_vp_enter, leaf_tdh_mng_addcx, leaf_tdh_mem_page_add, leaf_tdh_mem_sept_add,
	leaf_tdh_vp_addcx, leaf_tdh_mem_page_relocate, leaf_tdh_mem_page_aug,
	leaf_tdh_mem_range_block, leaf_tdh_mng_key_config, leaf_tdh_mng_create, leaf_tdh_vp_create,
	leaf_tdh_mng_rd, leaf_tdh_mem_rd, leaf_tdh_mng_wr, leaf_tdh_mem_wr,
	leaf_tdh_mem_page_demote, leaf_tdh_mr_extend, leaf_tdh_mr_finalize, leaf_tdh_vp_flush,
	leaf_tdh_mng_vpflushdone, leaf_tdh_mng_key_freeid, leaf_tdh_mng_init, leaf_tdh_vp_init,
	leaf_tdh_mem_page_promote, leaf_tdh_phymem_page_rdmd, leaf_tdh_mem_sept_rd, leaf_tdh_vp_rd,
	leaf_tdh_mng_key_reclaimid, leaf_tdh_phymem_page_reclaim, leaf_tdh_mem_page_remove,
	leaf_tdh_mem_sept_remove, leaf_tdh_sys_key_config, leaf_tdh_sys_info, leaf_tdh_sys_init,
	leaf_tdh_sys_rd, leaf_tdh_sys_lp_init, leaf_tdh_sys_tdmr_init, leaf_tdh_sys_rdall,
	leaf_tdh_mem_track, leaf_tdh_mem_range_unblock, leaf_tdh_phymem_cache_wb,
	leaf_tdh_phymem_page_wbinvd, leaf_tdh_vp_wr, leaf_tdh_sys_lp_shutdown, leaf_tdh_sys_config,
	leaf_tdh_servtd_bind, leaf_tdh_servtd_prebind, leaf_tdh_sys_shutdown, leaf_tdh_sys_update,
	leaf_tdh_phymem_pamt_add, leaf_tdh_phymem_pamt_remove;

/* Migration: operand and state checks, then refused. */
leaf_fn leaf_tdh_export_abort, leaf_tdh_export_blockw, leaf_tdh_export_restore, leaf_tdh_export_mem,
	leaf_tdh_export_pause, leaf_tdh_export_track, leaf_tdh_export_state_immutable,
	leaf_tdh_export_state_td, leaf_tdh_export_state_vp, leaf_tdh_export_unblockw,
	leaf_tdh_import_abort, leaf_tdh_import_end, leaf_tdh_import_commit, leaf_tdh_import_mem,
	leaf_tdh_import_track, leaf_tdh_import_state_immutable, leaf_tdh_import_state_td,
	leaf_tdh_import_state_vp, leaf_tdh_mig_stream_create;

leaf_fn leaf_tdg_vp_vmcall, leaf_tdg_vp_info, leaf_tdg_mr_rtmr_extend, leaf_tdg_vp_veinfo_get,
	leaf_tdg_mr_report, leaf_tdg_vp_cpuidve_set, leaf_tdg_mem_page_accept, leaf_tdg_vm_rd,
	leaf_tdg_vm_wr, leaf_tdg_vp_rd, leaf_tdg_vp_wr, leaf_tdg_sys_rd, leaf_tdg_sys_rdall,
	leaf_tdg_servtd_rd, leaf_tdg_servtd_wr, leaf_tdg_mr_verifyreport, leaf_tdg_mem_page_attr_rd,
	leaf_tdg_mem_page_attr_wr, leaf_tdg_vp_enter, leaf_tdg_vp_invept, leaf_tdg_vp_invvpid;

#endif
