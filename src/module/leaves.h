/* SPDX-License-Identifier: MIT */
/* Every leaf handler the dispatchers can call. */
#ifndef MODULE_LEAVES_H
#define MODULE_LEAVES_H

#include <swtdx/types.h>
#include "module/leaf_names.h"

struct tx;

typedef struct tdx_status leaf_fn(struct tx *tx, struct tdx_regs *regs);

extern __attribute__((weak)) leaf_fn tdh_vp_enter, tdh_mng_addcx, tdh_mem_page_add, tdh_mem_sept_add, tdh_vp_addcx,
	tdh_mem_page_relocate, tdh_mem_page_aug, tdh_mem_range_block, tdh_mng_key_config,
	tdh_mng_create, tdh_vp_create, tdh_mng_rd, tdh_mem_rd, tdh_mng_wr, tdh_mem_wr,
	tdh_mem_page_demote, tdh_mr_extend, tdh_mr_finalize, tdh_vp_flush, tdh_mng_vpflushdone,
	tdh_mng_key_freeid, tdh_mng_init, tdh_vp_init, tdh_mem_page_promote, tdh_phymem_page_rdmd,
	tdh_mem_sept_rd, tdh_vp_rd, tdh_mng_key_reclaimid, tdh_phymem_page_reclaim,
	tdh_mem_page_remove, tdh_mem_sept_remove, tdh_sys_key_config, tdh_sys_info, tdh_sys_init,
	tdh_sys_rd, tdh_sys_lp_init, tdh_sys_tdmr_init, tdh_sys_rdall, tdh_mem_track,
	tdh_mem_range_unblock, tdh_phymem_cache_wb, tdh_phymem_page_wbinvd, tdh_vp_wr,
	tdh_sys_lp_shutdown, tdh_sys_config, tdh_servtd_bind, tdh_servtd_prebind, tdh_sys_shutdown,
	tdh_sys_update, tdh_phymem_pamt_add, tdh_phymem_pamt_remove;

/* Migration: operand and state checks, then refused. */
extern __attribute__((weak)) leaf_fn tdh_export_abort, tdh_export_blockw, tdh_export_restore, tdh_export_mem, tdh_export_pause,
	tdh_export_track, tdh_export_state_immutable, tdh_export_state_td, tdh_export_state_vp,
	tdh_export_unblockw, tdh_import_abort, tdh_import_end, tdh_import_commit, tdh_import_mem,
	tdh_import_track, tdh_import_state_immutable, tdh_import_state_td, tdh_import_state_vp,
	tdh_mig_stream_create;

extern __attribute__((weak)) leaf_fn tdg_vp_vmcall, tdg_vp_info, tdg_mr_rtmr_extend, tdg_vp_veinfo_get, tdg_mr_report,
	tdg_vp_cpuidve_set, tdg_mem_page_accept, tdg_vm_rd, tdg_vm_wr, tdg_vp_rd, tdg_vp_wr,
	tdg_sys_rd, tdg_sys_rdall, tdg_servtd_rd, tdg_servtd_wr, tdg_mr_verifyreport,
	tdg_mem_page_attr_rd, tdg_mem_page_attr_wr, tdg_vp_enter, tdg_vp_invept, tdg_vp_invvpid;

#endif
