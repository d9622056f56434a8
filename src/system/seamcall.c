/* SPDX-License-Identifier: MIT */
/* What happens when a processor executes SEAMCALL: the worlds it goes through until the host is
 * next. With faults to inject, or calls to time, the same with a look before and after. */
#include "system/system.h"

#include <sched.h>

#include "engine/interrupt.h"
#include "module/profile.h"
#include "seamldr/seamldr.h"

enum { SPIN_INSTRUCTIONS = 1000 };

/* No engine: the vCPU spins until the host interrupts it. */
static enum module_next stand_still(struct module *mod, struct machine_lp *hw)
{
	struct vmexit x;

	while (!machine_irq_now(hw) || !engine_host_interrupt(hw, &x))
		sched_yield();
	hw->retired += SPIN_INSTRUCTIONS;
	return module_vmexit(mod, hw->id, &x, module_guest_regs(mod, hw->id));
}

static enum module_next guest(struct system *sys, unsigned lp)
{
	if (sys->engine)
		return sys->engine->ops->run(sys->engine, sys->mod, lp);
	return stand_still(sys->mod, &sys->m->lp[lp]);
}

/* The module let a guest run, or is broken: the registers in the end. */
static bool go_on(struct system *sys, unsigned lp, enum module_next n, struct tdx_regs *regs)
{
	const bool entered = n == MODULE_TO_GUEST;

	if (entered) {
		n = guest(sys, lp);
		*regs = *module_host_regs(sys->mod, lp);
	}
	if (n == MODULE_SHUTDOWN)
		*regs = (struct tdx_regs){.rax = TDX_SEAMCALL_VMFAILINVALID};
	return entered;
}

static bool execute(struct system *sys, unsigned lp, struct tdx_regs *regs)
{
	enum module_next n = module_seamcall(sys->mod, lp, regs);

	return __builtin_expect(n != MODULE_TO_HOST, 0) && go_on(sys, lp, n, regs);
}

static __attribute__((noinline)) bool execute_watched(struct system *sys, unsigned lp,
						      unsigned leaf, struct tdx_regs *regs)
{
	bool faults = atomic_load_explicit(&sys->faults.n, memory_order_relaxed) != 0;
	uint64_t t = sys->timed ? system_ticks() : 0;
	bool entered = false;

	if (!faults || !system_fault_before(sys, lp, regs))
		entered = execute(sys, lp, regs);
	if (faults)
		system_fault_after(sys, lp);
	if (sys->timed)
		system_count_ticks(sys, lp, leaf, system_ticks() - t);
	return entered;
}

static void forget_vcpu(void *arg, uint64_t pa, uint64_t pages, enum tdx_page_type type)
{
	struct tdx_engine *engine = arg;

	(void)pages;
	if (type == TDX_PT_TDVPR)
		engine->ops->forget(engine, pa);
}

/* No processor is in the module: SEAMLDR.INSTALL has been on all of them, and there has been none
 * to call since the first. Without handoff its TDs are nobody's. */
static bool replace_module(void *arg, const char *profile, bool handoff)
{
	struct system *sys = arg;
	const struct module_profile *p =
		*profile ? module_profile_by_name(profile) : &module_profile_default;

	if (!p)
		return false;
	if (!handoff && sys->engine)
		system_visit_pages(sys, forget_vcpu, sys->engine);
	module_reload(sys->mod, handoff);
	module_set_profile(sys->mod, p);
	return true;
}

/* The loader is called, or there is no module. */
static __attribute__((noinline)) bool seamcall_elsewhere(struct system *sys, unsigned lp,
							 struct tdx_regs *regs)
{
	const struct seamldr_module module = {replace_module, sys};

	if (regs->rax & TDX_RAX_SEAMLDR)
		seamldr_seamcall(&sys->m->lp[lp], regs, &module);
	else
		regs->rax = TDX_SEAMCALL_VMFAILINVALID;
	return false;
}

static bool is_watched(const struct system *sys)
{
	return sys->timed || atomic_load_explicit(&sys->faults.n, memory_order_relaxed) != 0;
}

bool system_seamcall(struct system *sys, unsigned lp, struct tdx_regs *regs)
{
	const unsigned number = tdx_rax_leaf(regs->rax);
	const unsigned leaf = number < TDX_SEAMCALL_LEAVES ? number : number % TDX_SEAMCALL_LEAVES;
	bool entered;

	if (__builtin_expect(regs->rax & TDX_RAX_SEAMLDR || !machine_seam_ready(sys->m), 0))
		return seamcall_elsewhere(sys, lp, regs);
	if (__builtin_expect(is_watched(sys), 0))
		entered = execute_watched(sys, lp, leaf, regs);
	else
		entered = execute(sys, lp, regs);
	system_count(sys, lp, leaf, regs->rax);
	return entered;
}

void system_interrupt(struct system *sys, unsigned lp)
{
	atomic_store(&sys->m->lp[lp].irq, true);
	if (sys->engine && sys->engine->ops->kick)
		sys->engine->ops->kick(sys->engine, lp);
}
