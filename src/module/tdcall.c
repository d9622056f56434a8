/* SPDX-License-Identifier: MIT */
/* TDCALL: which leaf, and the patience of a guest that keeps losing to its host.
 *
 * ABI: "TDCALL". Outside 64-bit mode it is a #GP. A leaf that fails on a lock the host has priority
 * for reports TDX_OPERAND_BUSY; when that goes on for TDCS.HP_LOCK_TIMEOUT the host is told by a TD
 * exit, after which the guest sees the busy status. */
#include "module/hooks.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/leaves.h"
#include "module/vmcs.h"

/* As in module/dispatch.c. Made here: refuse_tdg_x(). */
/* A number of later modules. */
#define REFUSED(number_, name_)

struct handler {
	leaf_fn *run;
	void (*refuse)(struct tdx_regs *regs);
};

#define LEAF(number_, function_, ...)                                                              \
	static void refuse_##function_(struct tdx_regs *regs)                                      \
	{                                                                                          \
		const struct function_##_out out = function_##_failed(regs);                       \
                                                                                                   \
		function_##_give(regs, &out);                                                      \
	}
#include "abi/tdcall.def"
#undef LEAF

#define LEAF(number_, function_, ...) [number_] = {leaf_##function_, refuse_##function_},
static const struct handler handlers[TDX_TDCALL_LEAVES] = {
#include "abi/tdcall.def"
};
#undef LEAF

static struct tdx_status call(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdx_leaf_info *leaf = tdx_tdcall_leaf(tdx_rax_leaf(regs->rax));

	if (tdx_rax_reserved(regs->rax) || !leaf || !handlers[leaf->number].run)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (tdx_rax_version(regs->rax) > leaf->max_version) {
		if (leaf->max_version) /* the others are not even told of the call */
			handlers[leaf->number].refuse(regs);
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	}
	tx->leaf = leaf;
	tx->lp->hw->call = MACHINE_CALL_TDCALL | (uint8_t)leaf->number;
	return handlers[leaf->number].run(tx, regs);
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
