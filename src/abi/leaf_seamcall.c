/* SPDX-License-Identifier: MIT */
/* The SEAMCALL leaves, one row each; see <swtdx/leaf.h>.
 *
 * Registers are those the leaf reads and those it writes on some way out; a leaf that fails early
 * still writes them. ABI: module 1.5.25. Facts only: what a leaf does is in src/module. */
#include "abi/leaf_columns.h"

/* clang-format off */
static const struct tdx_leaf_info seamcalls[TDX_SEAMCALL_LEAVES] = {
	[TDH_VP_ENTER] = {
		.name = "TDH.VP.ENTER",
		.number = TDH_VP_ENTER,
		.in = EVERY_REG,
		.out = EVERY_REG,
		.op_states = RUNNABLE | LIVE_EXPORT | LIVE_IMPORT,
	},
	[TDH_MNG_ADDCX] = {
		.name = "TDH.MNG.ADDCX",
		.number = TDH_MNG_ADDCX,
		.in = RCX | RDX,
		.op_states = UNINITIALIZED,
	},
	[TDH_MEM_PAGE_ADD] = {
		.name = "TDH.MEM.PAGE.ADD",
		.number = TDH_MEM_PAGE_ADD,
		.in = RCX | RDX | R8 | R9,
		.out = RCX | RDX,
		.op_states = INITIALIZED,
		.sept_states = FREE,
	},
	[TDH_MEM_SEPT_ADD] = {
		.name = "TDH.MEM.SEPT.ADD",
		.number = TDH_MEM_SEPT_ADD,
		.max_version = 1,
		.in = RCX | RDX | R8,
		.out = RCX | RDX,
		.in_v1 = R9 | R10 | R11,
		.out_v1 = R8 | R9 | R10 | R11,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | MEMORY_IMPORT |
			     STATE_IMPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = FREE | NL_MAPPED,
	},
	[TDH_VP_ADDCX] = {
		.name = "TDH.VP.ADDCX",
		.number = TDH_VP_ADDCX,
		.in = RCX | RDX,
		.op_states = INITIALIZED | STATE_IMPORT,
	},
	[TDH_MEM_PAGE_RELOCATE] = {
		.name = "TDH.MEM.PAGE.RELOCATE",
		.number = TDH_MEM_PAGE_RELOCATE,
		.in = RCX | RDX | R8,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = MAPPED | BLOCKED | BLOCKEDW | EXPORTED_BLOCKEDW |
			       EXPORTED_DIRTY | EXPORTED_DIRTY_BLOCKEDW | PENDING |
			       PENDING_BLOCKED | PENDING_BLOCKEDW |
			       PENDING_EXPORTED_BLOCKEDW | PENDING_EXPORTED_DIRTY |
			       PENDING_EXPORTED_DIRTY_BLOCKEDW,
	},
	[TDH_MEM_PAGE_AUG] = {
		.name = "TDH.MEM.PAGE.AUG",
		.number = TDH_MEM_PAGE_AUG,
		.in = RCX | RDX | R8,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | LIVE_IMPORT,
		.sept_states = FREE | REMOVED,
	},
	[TDH_MEM_RANGE_BLOCK] = {
		.name = "TDH.MEM.RANGE.BLOCK",
		.number = TDH_MEM_RANGE_BLOCK,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = NL_MAPPED | MAPPED | BLOCKEDW | PENDING | PENDING_BLOCKEDW,
	},
	[TDH_MNG_KEY_CONFIG] = {
		.name = "TDH.MNG.KEY.CONFIG",
		.number = TDH_MNG_KEY_CONFIG,
		.in = RCX,
	},
	[TDH_MNG_CREATE] = {
		.name = "TDH.MNG.CREATE",
		.number = TDH_MNG_CREATE,
		.in = RCX | RDX,
	},
	[TDH_VP_CREATE] = {
		.name = "TDH.VP.CREATE",
		.number = TDH_VP_CREATE,
		.in = RCX | RDX,
		.op_states = INITIALIZED | STATE_IMPORT,
	},
	[TDH_MNG_RD] = {
		.name = "TDH.MNG.RD",
		.number = TDH_MNG_RD,
		.max_version = 1,
		.in = RCX | RDX,
		.out = RDX | R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT | FAILED_IMPORT,
	},
	[TDH_MEM_RD] = {
		.name = "TDH.MEM.RD",
		.number = TDH_MEM_RD,
		.in = RCX | RDX,
		.out = RCX | RDX | R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT | FAILED_IMPORT,
		.sept_states = MAPPED | BLOCKEDW | EXPORTED_BLOCKEDW | EXPORTED_DIRTY |
			       EXPORTED_DIRTY_BLOCKEDW,
	},
	[TDH_MNG_WR] = {
		.name = "TDH.MNG.WR",
		.number = TDH_MNG_WR,
		.in = RCX | RDX | R8 | R9,
		.out = R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | MEMORY_IMPORT |
			     STATE_IMPORT | POST_IMPORT | LIVE_IMPORT | FAILED_IMPORT,
	},
	[TDH_MEM_WR] = {
		.name = "TDH.MEM.WR",
		.number = TDH_MEM_WR,
		.in = RCX | RDX | R8,
		.out = RCX | RDX | R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | MEMORY_IMPORT |
			     STATE_IMPORT | POST_IMPORT | LIVE_IMPORT | FAILED_IMPORT,
		.sept_states = MAPPED | EXPORTED_DIRTY,
	},
	[TDH_MEM_PAGE_DEMOTE] = {
		.name = "TDH.MEM.PAGE.DEMOTE",
		.number = TDH_MEM_PAGE_DEMOTE,
		.in = RCX | RDX | R8 | R9 | R10 | R11 | R12 | R13,
		.out = RCX | RDX | R9 | R10 | R11,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = MAPPED | BLOCKED | PENDING | PENDING_BLOCKED,
	},
	[TDH_MR_EXTEND] = {
		.name = "TDH.MR.EXTEND",
		.number = TDH_MR_EXTEND,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = INITIALIZED,
		.sept_states = MAPPED,
	},
	[TDH_MR_FINALIZE] = {
		.name = "TDH.MR.FINALIZE",
		.number = TDH_MR_FINALIZE,
		.in = RCX,
		.op_states = INITIALIZED,
	},
	[TDH_VP_FLUSH] = {
		.name = "TDH.VP.FLUSH",
		.number = TDH_VP_FLUSH,
		.in = RCX,
		.op_states = UNINITIALIZED | INITIALIZED | RUNNABLE | LIVE_EXPORT |
			     PAUSED_EXPORT | POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT |
			     POST_IMPORT | LIVE_IMPORT | FAILED_IMPORT | START_IMPORT,
	},
	[TDH_MNG_VPFLUSHDONE] = {
		.name = "TDH.MNG.VPFLUSHDONE",
		.number = TDH_MNG_VPFLUSHDONE,
		.in = RCX,
	},
	[TDH_MNG_KEY_FREEID] = {
		.name = "TDH.MNG.KEY.FREEID",
		.number = TDH_MNG_KEY_FREEID,
		.in = RCX,
	},
	[TDH_MNG_INIT] = {
		.name = "TDH.MNG.INIT",
		.number = TDH_MNG_INIT,
		.in = RCX | RDX | R8,
		.out = RCX,
		.op_states = UNINITIALIZED,
	},
	[TDH_VP_INIT] = {
		.name = "TDH.VP.INIT",
		.number = TDH_VP_INIT,
		.max_version = 1,
		.in = RCX | RDX,
		.in_v1 = R8,
		.op_states = INITIALIZED,
	},
	[TDH_MEM_PAGE_PROMOTE] = {
		.name = "TDH.MEM.PAGE.PROMOTE",
		.number = TDH_MEM_PAGE_PROMOTE,
		.max_version = 1,
		.in = RCX | RDX,
		.out = RCX | RDX | R12 | R13,
		.out_v1 = R9 | R10 | R11,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = NL_MAPPED | NL_BLOCKED,
	},
	[TDH_PHYMEM_PAGE_RDMD] = {
		.name = "TDH.PHYMEM.PAGE.RDMD",
		.number = TDH_PHYMEM_PAGE_RDMD,
		.in = RCX,
		.out = RCX | RDX | R8 | R9 | R10 | R11,
	},
	[TDH_MEM_SEPT_RD] = {
		.name = "TDH.MEM.SEPT.RD",
		.number = TDH_MEM_SEPT_RD,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT | FAILED_IMPORT,
		.sept_states = EVERY_SEPT_STATE,
	},
	[TDH_VP_RD] = {
		.name = "TDH.VP.RD",
		.number = TDH_VP_RD,
		.max_version = 1,
		.in = RCX | RDX,
		.out = RDX | R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT | FAILED_IMPORT,
	},
	[TDH_MNG_KEY_RECLAIMID] = {
		.name = "TDH.MNG.KEY.RECLAIMID",
		.number = TDH_MNG_KEY_RECLAIMID,
		.in = RCX,
	},
	[TDH_PHYMEM_PAGE_RECLAIM] = {
		.name = "TDH.PHYMEM.PAGE.RECLAIM",
		.number = TDH_PHYMEM_PAGE_RECLAIM,
		.in = RCX,
		.out = RCX | RDX | R8 | R9 | R10 | R11,
	},
	[TDH_MEM_PAGE_REMOVE] = {
		.name = "TDH.MEM.PAGE.REMOVE",
		.number = TDH_MEM_PAGE_REMOVE,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT | FAILED_IMPORT,
		.sept_states = MAPPED | BLOCKED | BLOCKEDW | PENDING | PENDING_BLOCKED |
			       PENDING_BLOCKEDW,
	},
	[TDH_MEM_SEPT_REMOVE] = {
		.name = "TDH.MEM.SEPT.REMOVE",
		.number = TDH_MEM_SEPT_REMOVE,
		.max_version = 1,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.out_v1 = R9 | R10 | R11,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT | FAILED_IMPORT,
		.sept_states = NL_MAPPED | NL_BLOCKED,
	},
	[TDH_SYS_KEY_CONFIG] = {
		.name = "TDH.SYS.KEY.CONFIG",
		.number = TDH_SYS_KEY_CONFIG,
		.flags = TDX_LEAF_BEFORE_READY,
	},
	[TDH_SYS_INFO] = {
		.name = "TDH.SYS.INFO",
		.number = TDH_SYS_INFO,
		.in = RCX | RDX | R8 | R9,
		.out = RDX | R9,
		.flags = TDX_LEAF_BEFORE_READY | TDX_LEAF_NEEDS_LP_INIT,
	},
	[TDH_SYS_INIT] = {
		.name = "TDH.SYS.INIT",
		.number = TDH_SYS_INIT,
		.max_version = 1,
		.in = RCX,
		.out = RCX | RDX | R8 | R9 | R10,
		.in_v1 = R8,
		.flags = TDX_LEAF_BEFORE_READY,
	},
	[TDH_SYS_RD] = {
		.name = "TDH.SYS.RD",
		.number = TDH_SYS_RD,
		.in = RDX,
		.out = RDX | R8,
		.flags = TDX_LEAF_BEFORE_READY | TDX_LEAF_NEEDS_LP_INIT,
	},
	[TDH_SYS_LP_INIT] = {
		.name = "TDH.SYS.LP.INIT",
		.number = TDH_SYS_LP_INIT,
		.out = RCX | RDX | R8,
		.flags = TDX_LEAF_BEFORE_READY,
	},
	[TDH_SYS_TDMR_INIT] = {
		.name = "TDH.SYS.TDMR.INIT",
		.number = TDH_SYS_TDMR_INIT,
		.in = RCX,
		.out = RDX,
	},
	[TDH_SYS_RDALL] = {
		.name = "TDH.SYS.RDALL",
		.number = TDH_SYS_RDALL,
		.in = RDX | R8,
		.out = R8,
		.flags = TDX_LEAF_BEFORE_READY | TDX_LEAF_NEEDS_LP_INIT,
	},
	[TDH_MEM_TRACK] = {
		.name = "TDH.MEM.TRACK",
		.number = TDH_MEM_TRACK,
		.in = RCX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT |
			     LIVE_IMPORT,
	},
	[TDH_MEM_RANGE_UNBLOCK] = {
		.name = "TDH.MEM.RANGE.UNBLOCK",
		.number = TDH_MEM_RANGE_UNBLOCK,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT |
			     POST_EXPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = NL_BLOCKED | BLOCKED | PENDING_BLOCKED,
	},
	[TDH_PHYMEM_CACHE_WB] = {
		.name = "TDH.PHYMEM.CACHE.WB",
		.number = TDH_PHYMEM_CACHE_WB,
		.in = RCX,
	},
	[TDH_PHYMEM_PAGE_WBINVD] = {
		.name = "TDH.PHYMEM.PAGE.WBINVD",
		.number = TDH_PHYMEM_PAGE_WBINVD,
		.in = RCX,
	},
	[TDH_MEM_SEPT_WR] = {
		.name = "TDH.MEM.SEPT.WR",
		.number = TDH_MEM_SEPT_WR,
		.flags = TDX_LEAF_NOT_IMPLEMENTED,
	},
	[TDH_VP_WR] = {
		.name = "TDH.VP.WR",
		.number = TDH_VP_WR,
		.in = RCX | RDX | R8 | R9,
		.out = R8,
		.op_states = INITIALIZED | RUNNABLE | LIVE_EXPORT | MEMORY_IMPORT |
			     STATE_IMPORT | POST_IMPORT | LIVE_IMPORT | FAILED_IMPORT,
	},
	[TDH_SYS_LP_SHUTDOWN] = {
		.name = "TDH.SYS.LP.SHUTDOWN",
		.number = TDH_SYS_LP_SHUTDOWN,
		.flags = TDX_LEAF_BEFORE_READY | TDX_LEAF_AFTER_SHUTDOWN,
	},
	[TDH_SYS_CONFIG] = {
		.name = "TDH.SYS.CONFIG",
		.number = TDH_SYS_CONFIG,
		.in = RCX | RDX | R8,
		.flags = TDX_LEAF_BEFORE_READY,
	},
	[TDH_SERVTD_BIND] = {
		.name = "TDH.SERVTD.BIND",
		.number = TDH_SERVTD_BIND,
		.in = RCX | RDX | R8 | R9 | R10,
		.out = RCX | R10 | R11 | R12 | R13,
		.op_states = UNINITIALIZED | INITIALIZED | RUNNABLE | LIVE_EXPORT |
			     POST_IMPORT | LIVE_IMPORT,
		.flags = TDX_LEAF_SERVICE_TD,
	},
	[TDH_SERVTD_PREBIND] = {
		.name = "TDH.SERVTD.PREBIND",
		.number = TDH_SERVTD_PREBIND,
		.in = RCX | RDX | R8 | R9 | R10,
		.op_states = UNINITIALIZED | INITIALIZED,
		.flags = TDX_LEAF_SERVICE_TD,
	},
	[TDH_SYS_SHUTDOWN] = {
		.name = "TDH.SYS.SHUTDOWN",
		.number = TDH_SYS_SHUTDOWN,
		.in = RCX,
	},
	[TDH_SYS_UPDATE] = {
		.name = "TDH.SYS.UPDATE",
		.number = TDH_SYS_UPDATE,
		.max_version = 1,
		.in_v1 = R9 | R10,
		.flags = TDX_LEAF_BEFORE_READY,
	},
	[TDH_PHYMEM_PAMT_ADD] = {
		.name = "TDH.PHYMEM.PAMT.ADD",
		.number = TDH_PHYMEM_PAMT_ADD,
		.in = RCX | RDX | R8,
		.flags = TDX_LEAF_DYNAMIC_PAMT,
	},
	[TDH_PHYMEM_PAMT_REMOVE] = {
		.name = "TDH.PHYMEM.PAMT.REMOVE",
		.number = TDH_PHYMEM_PAMT_REMOVE,
		.in = RCX,
		.out = RDX | R8,
		.flags = TDX_LEAF_DYNAMIC_PAMT,
	},
	[TDH_EXPORT_ABORT] = {
		.name = "TDH.EXPORT.ABORT",
		.number = TDH_EXPORT_ABORT,
		.in = RCX | R8 | R10,
		.op_states = LIVE_EXPORT | PAUSED_EXPORT | POST_EXPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_BLOCKW] = {
		.name = "TDH.EXPORT.BLOCKW",
		.number = TDH_EXPORT_BLOCKW,
		.in = RCX | RDX,
		.out = RCX,
		.op_states = LIVE_EXPORT,
		.sept_states = MAPPED | EXPORTED_DIRTY | PENDING | PENDING_EXPORTED_DIRTY,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_RESTORE] = {
		.name = "TDH.EXPORT.RESTORE",
		.number = TDH_EXPORT_RESTORE,
		.in = RCX | RDX,
		.out = RCX,
		.op_states = RUNNABLE,
		.sept_states = EXPORTED_BLOCKEDW | EXPORTED_DIRTY |
			       EXPORTED_DIRTY_BLOCKEDW | PENDING_EXPORTED_BLOCKEDW |
			       PENDING_EXPORTED_DIRTY | PENDING_EXPORTED_DIRTY_BLOCKEDW,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_MEM] = {
		.name = "TDH.EXPORT.MEM",
		.number = TDH_EXPORT_MEM,
		.in = RCX | RDX | R8 | R9 | R10 | R11 | R12,
		.out = RCX | RDX,
		.op_states = LIVE_EXPORT | PAUSED_EXPORT | POST_EXPORT,
		.sept_states = MAPPED | BLOCKEDW | EXPORTED_BLOCKEDW | EXPORTED_DIRTY |
			       EXPORTED_DIRTY_BLOCKEDW | PENDING | PENDING_BLOCKEDW |
			       PENDING_EXPORTED_BLOCKEDW | PENDING_EXPORTED_DIRTY |
			       PENDING_EXPORTED_DIRTY_BLOCKEDW,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_SYS_DISABLE] = {
		.name = "TDH.SYS.DISABLE",
		.number = TDH_SYS_DISABLE,
		.flags = TDX_LEAF_NOT_IMPLEMENTED,
	},
	[TDH_EXPORT_PAUSE] = {
		.name = "TDH.EXPORT.PAUSE",
		.number = TDH_EXPORT_PAUSE,
		.in = RCX,
		.op_states = LIVE_EXPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_TRACK] = {
		.name = "TDH.EXPORT.TRACK",
		.number = TDH_EXPORT_TRACK,
		.in = RCX | R8 | R10,
		.op_states = LIVE_EXPORT | PAUSED_EXPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_STATE_IMMUTABLE] = {
		.name = "TDH.EXPORT.STATE.IMMUTABLE",
		.number = TDH_EXPORT_STATE_IMMUTABLE,
		.in = RCX | R8 | R9 | R10,
		.out = RDX,
		.op_states = RUNNABLE | LIVE_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_STATE_TD] = {
		.name = "TDH.EXPORT.STATE.TD",
		.number = TDH_EXPORT_STATE_TD,
		.in = RCX | R8 | R9 | R10,
		.out = RDX,
		.op_states = PAUSED_EXPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_STATE_VP] = {
		.name = "TDH.EXPORT.STATE.VP",
		.number = TDH_EXPORT_STATE_VP,
		.in = RCX | R8 | R9 | R10,
		.out = RDX,
		.op_states = PAUSED_EXPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_EXPORT_UNBLOCKW] = {
		.name = "TDH.EXPORT.UNBLOCKW",
		.number = TDH_EXPORT_UNBLOCKW,
		.in = RCX | RDX,
		.out = RCX | RDX,
		.op_states = RUNNABLE | LIVE_EXPORT | PAUSED_EXPORT | POST_EXPORT,
		.sept_states = BLOCKEDW | EXPORTED_BLOCKEDW | EXPORTED_DIRTY_BLOCKEDW |
			       PENDING_BLOCKEDW | PENDING_EXPORTED_BLOCKEDW |
			       PENDING_EXPORTED_DIRTY_BLOCKEDW,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_ABORT] = {
		.name = "TDH.IMPORT.ABORT",
		.number = TDH_IMPORT_ABORT,
		.in = RCX | R8 | R10,
		.op_states = MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT | FAILED_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_END] = {
		.name = "TDH.IMPORT.END",
		.number = TDH_IMPORT_END,
		.in = RCX,
		.op_states = POST_IMPORT | LIVE_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_COMMIT] = {
		.name = "TDH.IMPORT.COMMIT",
		.number = TDH_IMPORT_COMMIT,
		.in = RCX,
		.op_states = POST_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_MEM] = {
		.name = "TDH.IMPORT.MEM",
		.number = TDH_IMPORT_MEM,
		.in = RCX | RDX | R8 | R9 | R10 | R11 | R12 | R13,
		.out = RCX,
		.op_states = MEMORY_IMPORT | STATE_IMPORT | POST_IMPORT | LIVE_IMPORT,
		.sept_states = FREE | REMOVED | MAPPED | PENDING,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_TRACK] = {
		.name = "TDH.IMPORT.TRACK",
		.number = TDH_IMPORT_TRACK,
		.in = RCX | R8 | R10,
		.op_states = MEMORY_IMPORT | STATE_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_STATE_IMMUTABLE] = {
		.name = "TDH.IMPORT.STATE.IMMUTABLE",
		.number = TDH_IMPORT_STATE_IMMUTABLE,
		.in = RCX | R8 | R9 | R10,
		.out = RCX | RDX,
		.op_states = UNINITIALIZED | START_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_STATE_TD] = {
		.name = "TDH.IMPORT.STATE.TD",
		.number = TDH_IMPORT_STATE_TD,
		.in = RCX | R8 | R9 | R10,
		.out = RCX | RDX,
		.op_states = MEMORY_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_IMPORT_STATE_VP] = {
		.name = "TDH.IMPORT.STATE.VP",
		.number = TDH_IMPORT_STATE_VP,
		.in = RCX | R8 | R9 | R10,
		.out = RCX | RDX,
		.op_states = STATE_IMPORT,
		.flags = TDX_LEAF_MIGRATION,
	},
	[TDH_MIG_STREAM_CREATE] = {
		.name = "TDH.MIG.STREAM.CREATE",
		.number = TDH_MIG_STREAM_CREATE,
		.in = RCX | RDX,
		.op_states = UNINITIALIZED | INITIALIZED | RUNNABLE,
		.flags = TDX_LEAF_MIGRATION,
	},
};
/* clang-format on */

const struct tdx_leaf_info *tdx_seamcall_leaf(unsigned number)
{
	return number < TDX_SEAMCALL_LEAVES && seamcalls[number].name ? &seamcalls[number] : NULL;
}
