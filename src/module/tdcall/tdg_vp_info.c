/* SPDX-License-Identifier: MIT */
/* TDG.VP.INFO: GPA width, ATTRIBUTES, numbers of vCPUs, this vCPU's index. No locks. */
#include "module/leaves.h"
#include "module/tx.h"

/* R10: TDG.SYS.RD is there. */
#define COMMANDS_SYS_RD (1ull << 0)

struct tdx_status leaf_tdg_vp_info(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdcs *tdcs = tx->lp->tdcs;
	const uint32_t num_vcpus = __atomic_load_n(&tdcs->num_vcpus, __ATOMIC_RELAXED);
	const struct tdg_vp_info_out out = {
		.gpa_width = tdcs->gpaw ? 52 : 48,
		.attributes = tdcs->attributes,
		.vcpus = (uint64_t)tdcs->max_vcpus << 32 | num_vcpus,
		.vcpu_index = tx->lp->vps->vcpu_index,
		.commands = COMMANDS_SYS_RD,
	};

	tdg_vp_info_give(regs, &out);
	return tdx_success();
}
