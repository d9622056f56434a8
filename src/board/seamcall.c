/* SPDX-License-Identifier: MIT */
/* The SEAMCALL instruction of a host (SDM vol. 2; ABI, "SEAMCALL instruction"): its faults, its CF,
 * which registers survive. */
#include "board/internal.h"

#include <swtdx/status.h>

static void flags(struct x86_cpu *x, uint64_t set)
{
	const uint64_t clear =
		RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF;

	x86_set_rflags(x, (x86_rflags(x) & ~clear) | set);
}

static bool call(struct board_cpu *c, struct tdx_regs *regs)
{
	bool entered;

	c->lp->rflags_if = (x86_rflags(c->x86) & RFLAGS_IF) != 0;
	atomic_store(&c->in_seam, true);
	if (apic_pending(&c->apic) || atomic_load(&c->nmi))
		system_interrupt(c->board->sys, c->id);
	entered = system_seamcall(c->board->sys, c->id, regs);
	atomic_store(&c->in_seam, false);
	/* What is still pending is in the APIC, which the processor asks itself. */
	atomic_store(&c->lp->irq, false);
	c->lp->call = MACHINE_CALL_HOST;
	if (apic_pending(&c->apic))
		x86_raise_intr(c->x86);
	return entered;
}

/* Whoever wants to know of the call; the processor still has its registers. */
static void tell(const struct board_cpu *c, const struct tdx_regs *out)
{
	const struct board_config *cfg = &c->board->cfg;

	if (cfg->seamcall)
		cfg->seamcall(cfg->seamcall_arg, c->id, &c->x86->regs, out);
}

void board_seamcall(struct board_cpu *c, const struct x86_exit *e)
{
	struct x86_cpu *x = c->x86;
	struct tdx_regs regs = x->regs;
	bool entered;

	if (!c->vmxon || !(x->cr4 & CR4_VMXE)) {
		board_raise(c, VECTOR_UD, false);
		return;
	}
	tell(c, NULL);
	entered = call(c, &regs);
	tell(c, &regs);
	if (entered)
		board_lose_host_state(c);
	if (x->regs.rax & TDX_RAX_SEAMLDR && c->board->cfg.seamret_loses_vmcs)
		c->vmcs_pa = BOARD_NO_VMCS;
	if (regs.rax == TDX_SEAMCALL_VMFAILINVALID) {
		flags(x, RFLAGS_CF);
	} else {
		regs.rsp = x->regs.rsp;
		regs.rbp = x->regs.rbp; /* a module with NO_RBP_MOD keeps it */
		x->regs = regs;
		flags(x, 0);
	}
	x86_skip(x, e->insn_len);
}
