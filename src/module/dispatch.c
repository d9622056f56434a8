/* SPDX-License-Identifier: MIT */
/* SEAMCALL: which leaf, whether the module's state allows it, and the end of its transaction.
 *
 * Order of checks (ABI: "SEAMCALL", measured): reserved bits of RAX, a version above 0 for a leaf
 * without versions, shutdown, ready, unknown leaf. */
#include "module/hooks.h"
#include "module/leaves.h"
#include "module/transition.h"
#include "module/tx.h"

/* A leaf's handler, and what is left in its outputs when it is refused without being asked. A leaf
 * of the table without the first does not link. Made here: refuse_tdh_x(). */
struct handler {
	leaf_fn *run;
	void (*refuse)(struct tdx_regs *regs);
};

#define REFUSED(number_, name_)
#define LEAF(number_, function_, ...)                                                              \
	static void refuse_##function_(struct tdx_regs *regs)                                      \
	{                                                                                          \
		const struct function_##_out out = function_##_failed(regs);                       \
                                                                                                   \
		function_##_give(regs, &out);                                                      \
	}
#include "abi/seamcall.def"
#undef LEAF

#define LEAF(number_, function_, ...) [number_] = {leaf_##function_, refuse_##function_},
static const struct handler handlers[TDX_SEAMCALL_LEAVES] = {
#include "abi/seamcall.def"
};
#undef LEAF

/* Most leaves look at their version before anything else. These ask for it themselves: VP.INIT
 * after it has compared TSC_ADJUST, SYS.UPDATE after the module's state (09-leaf-version.vec). */
static bool asks_version_later(const struct tdx_leaf_info *leaf)
{
	return leaf->number == TDH_VP_INIT || leaf->number == TDH_SYS_UPDATE;
}

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
	if (!leaf || !handlers[leaf->number].run)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	return tdx_success();
}

/* Version 0 of a leaf while the module is ready, as nearly all calls are: nothing to check. */
TX_INLINE bool is_plain(const struct module *mod, uint64_t rax)
{
	return rax < TDX_SEAMCALL_LEAVES && handlers[rax].run &&
	       atomic_load_explicit(&mod->sys_state, memory_order_acquire) == SYS_READY;
}

static __attribute__((noinline)) struct tdx_status check_call(const struct module *mod,
							      struct tdx_regs *regs)
{
	const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(tdx_rax_leaf(regs->rax));
	struct tdx_status s = check(mod, regs->rax, leaf);

	if (tdx_is_success(s) && tdx_rax_version(regs->rax) > leaf->max_version &&
	    !asks_version_later(leaf)) {
		handlers[leaf->number].refuse(regs);
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	}
	return s;
}

TX_INLINE struct tdx_status call(struct lp *lp, struct tdx_regs *regs)
{
	const unsigned number = tdx_rax_leaf(regs->rax);
	struct tdx_status s;
	struct tx tx;

	if (__builtin_expect(!is_plain(lp->mod, regs->rax), 0)) {
		s = check_call(lp->mod, regs);
		if (!tdx_is_success(s))
			return s;
	}
	tx_begin(&tx, lp, tdx_seamcall_leaf(number), false);
	lp->hw->call = (uint8_t)number;
	s = handlers[number].run(&tx, regs);
	lp->hw->call = lp->fate == FATE_ENTERED ? MACHINE_CALL_GUEST : MACHINE_CALL_HOST;
	tx_end(&tx);
	return s;
}

/* The same with the listeners told. Out of line: nearly always nobody listens. */
static __attribute__((noinline)) struct tdx_status call_heard(const struct module_hooks *h,
							      struct lp *lp, struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;
	struct tdx_status s = tdx_success();
	struct tdx_regs out;

	if (h->enter)
		s = h->enter(lp->mod->hooks_arg, lp, false, regs);
	if (tdx_is_success(s))
		s = call(lp, regs);
	if (h->leave) {
		out = *regs;
		out.rax = s.raw;
		h->leave(lp->mod->hooks_arg, lp, false, &in, &out);
	}
	return s;
}

/* After a call that changed more than registers. */
static enum module_next go_where(struct lp *lp, struct tdx_regs *regs)
{
	switch (lp->fate) {
	case FATE_ENTERED:
	case FATE_INJECTED:
	case FATE_REPEAT:
	case FATE_SWITCHED:
	case FATE_RESUMED:
		return MODULE_TO_GUEST;
	case FATE_SHUTDOWN:
		lp->dead = true;
		return MODULE_SHUTDOWN;
	case FATE_TD_EXIT: /* the entry was answered like an exit */
		*regs = lp->host;
		break;
	case FATE_NONE:
		break;
	}
	atomic_store_explicit(&lp->busy, false, memory_order_release);
	return MODULE_TO_HOST;
}

enum module_next module_seamcall(struct module *mod, unsigned lp_id, struct tdx_regs *regs)
{
	struct lp *lp = &mod->lp[lp_id];
	const struct module_hooks *h = mod->hooks;
	struct tdx_status s;

	if (lp->dead)
		return MODULE_SHUTDOWN;
	atomic_store_explicit(&lp->busy, true, memory_order_relaxed);
	lp->fate = FATE_NONE;
	s = __builtin_expect(h != NULL, 0) ? call_heard(h, lp, regs) : call(lp, regs);
	if (__builtin_expect(lp->fate != FATE_NONE, 0))
		return go_where(lp, regs);
	regs->rax = s.raw;
	atomic_store_explicit(&lp->busy, false, memory_order_release);
	return MODULE_TO_HOST;
}
