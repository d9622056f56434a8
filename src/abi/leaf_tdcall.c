/* SPDX-License-Identifier: MIT */
/* The TDCALL leaves, one row each; see <swtdx/leaf.h>.
 *
 * Registers are those the leaf reads and those it writes on some way out; a leaf that fails early
 * still writes them. ABI: module 1.5.25. Facts only: what a leaf does is in src/module. */
#include "abi/leaf_columns.h"

/* clang-format off */
static const struct tdx_leaf_info tdcalls[TDX_TDCALL_LEAVES] = {
	[TDG_VP_VMCALL] = {
		.name = "TDG.VP.VMCALL",
		.number = TDG_VP_VMCALL,
		.in = EVERY_REG,
		.out = EVERY_REG,
	},
	[TDG_VP_INFO] = {
		.name = "TDG.VP.INFO",
		.number = TDG_VP_INFO,
		.out = RCX | RDX | R8 | R9 | R10 | R11,
	},
	[TDG_MR_RTMR_EXTEND] = {
		.name = "TDG.MR.RTMR.EXTEND",
		.number = TDG_MR_RTMR_EXTEND,
		.in = RCX | RDX,
	},
	[TDG_VP_VEINFO_GET] = {
		.name = "TDG.VP.VEINFO.GET",
		.number = TDG_VP_VEINFO_GET,
		.max_version = 2,
		.out = RCX | RDX | R8 | R9 | R10,
		.out_v1 = R11 | R12,
	},
	[TDG_MR_REPORT] = {
		.name = "TDG.MR.REPORT",
		.number = TDG_MR_REPORT,
		.in = RCX | RDX | R8,
	},
	[TDG_VP_CPUIDVE_SET] = {
		.name = "TDG.VP.CPUIDVE.SET",
		.number = TDG_VP_CPUIDVE_SET,
		.in = RCX,
	},
	[TDG_MEM_PAGE_ACCEPT] = {
		.name = "TDG.MEM.PAGE.ACCEPT",
		.number = TDG_MEM_PAGE_ACCEPT,
		.in = RCX,
		.sept_states = PENDING | PENDING_EXPORTED_DIRTY,
	},
	[TDG_VM_RD] = {
		.name = "TDG.VM.RD",
		.number = TDG_VM_RD,
		.max_version = 1,
		.in = RCX | RDX,
		.out = RDX | R8,
	},
	[TDG_VM_WR] = {
		.name = "TDG.VM.WR",
		.number = TDG_VM_WR,
		.in = RCX | RDX | R8 | R9,
		.out = R8,
	},
	[TDG_VP_RD] = {
		.name = "TDG.VP.RD",
		.number = TDG_VP_RD,
		.in = RDX,
		.out = RDX | R8,
	},
	[TDG_VP_WR] = {
		.name = "TDG.VP.WR",
		.number = TDG_VP_WR,
		.in = RDX | R8 | R9,
		.out = R8,
	},
	[TDG_SYS_RD] = {
		.name = "TDG.SYS.RD",
		.number = TDG_SYS_RD,
		.in = RDX,
		.out = RDX | R8,
	},
	[TDG_SYS_RDALL] = {
		.name = "TDG.SYS.RDALL",
		.number = TDG_SYS_RDALL,
		.in = RDX | R8,
		.out = R8,
	},
	[TDG_SERVTD_RD] = {
		.name = "TDG.SERVTD.RD",
		.number = TDG_SERVTD_RD,
		.in = RCX | RDX | R10 | R11 | R12 | R13,
		.out = RDX | R8 | R10 | R11 | R12 | R13,
		.flags = TDX_LEAF_SERVICE_TD,
	},
	[TDG_SERVTD_WR] = {
		.name = "TDG.SERVTD.WR",
		.number = TDG_SERVTD_WR,
		.in = RCX | RDX | R8 | R9 | R10 | R11 | R12 | R13,
		.out = R8 | R10 | R11 | R12 | R13,
		.flags = TDX_LEAF_SERVICE_TD,
	},
	[TDG_MR_VERIFYREPORT] = {
		.name = "TDG.MR.VERIFYREPORT",
		.number = TDG_MR_VERIFYREPORT,
		.in = RCX,
	},
	[TDG_MEM_PAGE_ATTR_RD] = {
		.name = "TDG.MEM.PAGE.ATTR.RD",
		.number = TDG_MEM_PAGE_ATTR_RD,
		.in = RCX,
		.out = RCX | RDX,
		.sept_states = MAPPED | BLOCKEDW | EXPORTED_BLOCKEDW | EXPORTED_DIRTY |
			       EXPORTED_DIRTY_BLOCKEDW | PENDING | PENDING_BLOCKEDW |
			       PENDING_EXPORTED_BLOCKEDW | PENDING_EXPORTED_DIRTY |
			       PENDING_EXPORTED_DIRTY_BLOCKEDW,
	},
	[TDG_MEM_PAGE_ATTR_WR] = {
		.name = "TDG.MEM.PAGE.ATTR.WR",
		.number = TDG_MEM_PAGE_ATTR_WR,
		.in = RCX | RDX | R8,
		.out = RCX | RDX,
		.sept_states = MAPPED | EXPORTED_DIRTY | PENDING | PENDING_EXPORTED_DIRTY,
	},
	[TDG_VP_ENTER] = {
		.name = "TDG.VP.ENTER",
		.number = TDG_VP_ENTER,
		.in = RCX | RDX,
		.flags = TDX_LEAF_PARTITIONING,
	},
	[TDG_VP_INVEPT] = {
		.name = "TDG.VP.INVEPT",
		.number = TDG_VP_INVEPT,
		.in = RCX,
		.flags = TDX_LEAF_PARTITIONING,
	},
	[TDG_VP_INVVPID] = {
		.name = "TDG.VP.INVVPID",
		.number = TDG_VP_INVVPID,
		.in = RCX | RDX,
		.out = RDX,
		.flags = TDX_LEAF_PARTITIONING,
	},
};
/* clang-format on */

const struct tdx_leaf_info *tdx_tdcall_leaf(unsigned number)
{
	return number < TDX_TDCALL_LEAVES && tdcalls[number].name ? &tdcalls[number] : NULL;
}
