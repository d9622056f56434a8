/* SPDX-License-Identifier: MIT */
/* TDCALL: which leaf, and the patience of a guest that keeps losing to its host.
 *
 * ABI: "TDCALL". Outside 64-bit mode it is a #GP. A leaf that fails on a lock the host has priority
 * for reports TDX_OPERAND_BUSY; when that goes on for TDCS.HP_LOCK_TIMEOUT the host is told by a TD
 * exit, after which the guest sees the busy status. */
#include "module/exits.h"
#include "module/inject.h"
#include "module/leaves.h"
#include "module/vmcs.h"

/* clang-format off */
static leaf_fn *const handlers[TDX_TDCALL_LEAVES] = {
	[TDG_VP_VMCALL] = leaf_tdg_vp_vmcall,
	[TDG_VP_INFO] = leaf_tdg_vp_info,
	[TDG_MR_RTMR_EXTEND] = leaf_tdg_mr_rtmr_extend,
	[TDG_VP_VEINFO_GET] = leaf_tdg_vp_veinfo_get,
	[TDG_MR_REPORT] = leaf_tdg_mr_report,
	[TDG_VP_CPUIDVE_SET] = leaf_tdg_vp_cpuidve_set,
	[TDG_MEM_PAGE_ACCEPT] = leaf_tdg_mem_page_accept,
	[TDG_VM_RD] = leaf_tdg_vm_rd,
	[TDG_VM_WR] = leaf_tdg_vm_wr,
	[TDG_VP_RD] = leaf_tdg_vp_rd,
	[TDG_VP_WR] = leaf_tdg_vp_wr,
	[TDG_SYS_RD] = leaf_tdg_sys_rd,
	[TDG_SYS_RDALL] = leaf_tdg_sys_rdall,
	[TDG_SERVTD_RD] = leaf_tdg_servtd_rd,
	[TDG_SERVTD_WR] = leaf_tdg_servtd_wr,
	[TDG_MR_VERIFYREPORT] = leaf_tdg_mr_verifyreport,
	[TDG_MEM_PAGE_ATTR_RD] = leaf_tdg_mem_page_attr_rd,
	[TDG_MEM_PAGE_ATTR_WR] = leaf_tdg_mem_page_attr_wr,
	[TDG_VP_ENTER] = leaf_tdg_vp_enter,
	[TDG_VP_INVEPT] = leaf_tdg_vp_invept,
	[TDG_VP_INVVPID] = leaf_tdg_vp_invvpid,
};
/* clang-format on */

static struct tdx_status call(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdx_leaf_info *leaf = tdx_tdcall_leaf(tdx_rax_leaf(regs->rax));

	if (tdx_rax_reserved(regs->rax) || !leaf ||
	    (tdx_rax_version(regs->rax) > 0 && !leaf->max_version) || !handlers[leaf->number])
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	tx->leaf = leaf;
	return handlers[leaf->number](tx, regs);
}

static struct tdx_status call_heard(struct tx *tx, struct tdx_regs *regs)
{
	const struct module_hooks *h = tx->mod->hooks;
	void *arg = tx->mod->hooks_arg;
	struct tdx_regs in = *regs;
	struct tdx_status s = h->enter ? h->enter(arg, tx->lp, true, regs) : tdx_success();

	if (tdx_is_success(s))
		s = call(tx, regs);
	if (h->leave) {
		struct tdx_regs out = *regs;

		out.rax = s.raw;
		h->leave(arg, tx->lp, true, &in, &out);
	}
	return s;
}

/* The status the guest is to see; may decide to leave it. */
static struct tdx_status host_priority(struct lp *lp, struct tdx_status s)
{
	struct tdvps *vps = lp->vps;

	if (!tdx_is(s, TDX_OPERAND_BUSY_HOST_PRIORITY)) {
		vps->hp_lock_busy = 0;
		return s;
	}
	s = tdx_error_num(TDX_OPERAND_BUSY, tdx_details(s));
	if (!vps->hp_lock_busy) {
		vps->hp_lock_busy = 1;
		vps->hp_lock_busy_start = machine_rdtsc(lp->hw);
	} else if (machine_rdtsc(lp->hw) - vps->hp_lock_busy_start >= lp->tdcs->hp_lock_timeout) {
		vps->hp_lock_busy = 0;
		td_exit_plain(lp, TDX_HOST_PRIORITY_BUSY_TIMEOUT);
	}
	return s;
}

void exit_tdcall(struct tx *tx)
{
	struct lp *lp = tx->lp;
	struct tdx_regs *regs = &lp->vps->gpr;
	struct tdx_status s;

	if (!guest_in_64bit_mode(lp)) {
		guest_inject_gp0(lp);
		return;
	}
	s = __builtin_expect(tx->mod->hooks != NULL, 0) ? call_heard(tx, regs) : call(tx, regs);
	if (lp_decided(lp) && lp->fate != FATE_REPEAT)
		return;
	s = host_priority(lp, s);
	if (lp->fate != FATE_REPEAT)
		regs->rax = s.raw;
}
