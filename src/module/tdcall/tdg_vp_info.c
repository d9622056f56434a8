/* SPDX-License-Identifier: MIT */
/* TDG.VP.INFO: GPA width, ATTRIBUTES, numbers of vCPUs, this vCPU's index. No locks. */
#include "module/leaves.h"
#include "module/tx.h"

/* R10: TDG.SYS.RD is there. */
#define COMMANDS_SYS_RD (1ull << 0)

struct tdx_status leaf_tdg_vp_info(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdcs *tdcs = tx->lp->tdcs;
	uint32_t num_vcpus = __atomic_load_n(&tdcs->num_vcpus, __ATOMIC_RELAXED);

	regs->rcx = tdcs->gpaw ? 52 : 48;
	regs->rdx = tdcs->attributes;
	regs->r8 = (uint64_t)tdcs->max_vcpus << 32 | num_vcpus;
	regs->r9 = tx->lp->vps->vcpu_index;
	regs->r10 = COMMANDS_SYS_RD;
	regs->r11 = 0;
	return tdx_success();
}
